check_PROGRAMS += tests/unit/test-resources
TESTS += tests/unit/test-resources
tests_unit_test_resources_SOURCES = \
	tests/unit/test-resources.c tests/unit/test-resources.h \
	tests/unit/test-resources-pods.c
tests_unit_test_resources_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_resources_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_resources_LDADD = $(AGENTD_LIBS) $(CHECK_LIBS) $(DEPS_LIBS)
