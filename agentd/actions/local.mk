noinst_LIBRARIES += libactions.a
libactions_a_SOURCES = agentd/actions/tokens.c agentd/actions/tokens.h
