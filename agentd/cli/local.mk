bin_PROGRAMS += agentd/cli/agentctl
agentd_cli_agentctl_SOURCES = \
	agentd/cli/main.c \
	agentd/cli/verbs.c agentd/cli/verbs.h \
	agentd/cli/render.c agentd/cli/render.h
agentd_cli_agentctl_CFLAGS = $(AM_CFLAGS) $(SMARTCOLS_CFLAGS)
agentd_cli_agentctl_LDADD = libcommon.a $(SMARTCOLS_LIBS) $(DEPS_LIBS)
