# All of agentctl but main(), so that tests can link it.
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	agentd/cli/client.c agentd/cli/client.h \
	agentd/cli/drift.c agentd/cli/drift.h \
	agentd/cli/help.c agentd/cli/help.h \
	agentd/cli/hold.c agentd/cli/hold.h \
	agentd/cli/join.c agentd/cli/join.h \
	agentd/cli/options.c agentd/cli/options.h \
	agentd/cli/render.c agentd/cli/render.h \
	agentd/cli/show.c agentd/cli/show.h \
	agentd/cli/verbs.c agentd/cli/verbs.h
libcli_a_CFLAGS = $(AM_CFLAGS) $(SMARTCOLS_CFLAGS)

bin_PROGRAMS += agentd/cli/agentctl
agentd_cli_agentctl_SOURCES = agentd/cli/main.c
agentd_cli_agentctl_LDADD = libcli.a libcommon.a $(SMARTCOLS_LIBS) $(DEPS_LIBS)
EXTRA_DIST += agentd/cli/README
