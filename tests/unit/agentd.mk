check_PROGRAMS += tests/unit/test-agentd
TESTS += tests/unit/test-agentd
tests_unit_test_agentd_SOURCES = \
	tests/unit/canned.c tests/unit/canned.h \
	tests/unit/test-agentd.c tests/unit/test-agentd.h \
	tests/unit/test-agentd-drift.c \
	tests/unit/test-agentd-events.c \
	tests/unit/test-agentd-metrics.c \
	tests/unit/test-agentd-history.c \
	tests/unit/test-agentd-status.c \
	tests/unit/test-agentd-store.c \
	tests/unit/test-resources-world.c tests/unit/test-resources-world.h
tests_unit_test_agentd_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_agentd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_agentd_LDADD = $(AGENTD_LIBS) $(AGENTD_LIBS) $(CHECK_LIBS) $(DEPS_LIBS)
