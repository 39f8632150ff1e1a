noinst_LIBRARIES += libactions.a
libactions_a_SOURCES = \
	agentd/actions/action.c agentd/actions/action.h \
	agentd/actions/tokens.c agentd/actions/tokens.h
