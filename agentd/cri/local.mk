noinst_LIBRARIES += libcri.a
libcri_a_SOURCES = \
	agentd/cri/cri.c \
	agentd/cri/cri.h
