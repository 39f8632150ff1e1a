noinst_LIBRARIES += libactions.a
libactions_a_SOURCES = \
	agentd/actions/certificates.c agentd/actions/certificates.h \
	agentd/actions/control_plane.c agentd/actions/control_plane.h \
	agentd/actions/dns.c agentd/actions/dns.h \
	agentd/actions/drift.c agentd/actions/drift.h \
	agentd/actions/tokens.c agentd/actions/tokens.h
