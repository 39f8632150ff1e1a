noinst_LIBRARIES += libinputs.a
libinputs_a_SOURCES = \
	agentd/inputs/rolefile.c \
	agentd/inputs/rolefile.h
