noinst_LIBRARIES += libmanager.a
libmanager_a_SOURCES = \
	agentd/context.c agentd/context.h \
	agentd/manager.c agentd/manager.h \
	agentd/resources.c agentd/resources.h \
	agentd/settings.c agentd/settings.h

sbin_PROGRAMS += agentd/agentd
agentd_agentd_SOURCES = agentd/main.c
agentd_agentd_LDADD = $(AGENTD_LIBS) $(DEPS_LIBS)
