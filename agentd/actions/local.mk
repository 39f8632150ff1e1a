noinst_LIBRARIES += libactions.a
libactions_a_SOURCES = \
	agentd/actions/token.c
