noinst_LIBRARIES += libmanager.a
libmanager_a_SOURCES = \
	agentd/context.c agentd/context.h \
	agentd/facts.c agentd/facts.h \
	agentd/history.c agentd/history.h \
	agentd/host.c agentd/host.h \
	agentd/history_types.c agentd/history_types.h \
	agentd/manager.c agentd/manager.h \
	agentd/requests.c agentd/requests.h \
	agentd/resources.c agentd/resources.h \
	agentd/role_store.c agentd/role_store.h \
	agentd/settings.c agentd/settings.h \
	agentd/status.c agentd/status.h

sbin_PROGRAMS += agentd/agentd
agentd_agentd_SOURCES = agentd/main.c
agentd_agentd_LDADD = $(AGENTD_LIBS) $(DEPS_LIBS)
