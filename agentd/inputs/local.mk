noinst_LIBRARIES += libinputs.a
libinputs_a_SOURCES = \
	agentd/inputs/control.c \
	agentd/inputs/control.h \
	agentd/inputs/interface.c \
	agentd/inputs/interface.h \
	agentd/inputs/methods.c \
	agentd/inputs/methods.h \
	agentd/inputs/methods_call.h \
	agentd/inputs/methods_drift.c \
	agentd/inputs/methods_hold.c \
	agentd/inputs/peer.c \
	agentd/inputs/peer.h \
	agentd/inputs/rolefile.c \
	agentd/inputs/rolefile.h
EXTRA_DIST += agentd/inputs/README
