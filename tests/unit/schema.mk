check_PROGRAMS += tests/unit/test-schema
TESTS += tests/unit/test-schema
tests_unit_test_schema_SOURCES = \
	tests/unit/test-schema.c \
	tests/unit/test-schema.h \
	tests/unit/test-schema-checks.c \
	tests/unit/test-schema-detect.c \
	tests/unit/test-schema-explain.c \
	tests/unit/test-schema-follow.c \
	tests/unit/test-schema-golden.c \
	tests/unit/test-schema-role.c \
	tests/unit/test-schema-settings.c \
	agentd/settings.c
tests_unit_test_schema_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_schema_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_schema_LDADD = libschema.a libdiscovery.a libpki.a libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)

EXTRA_DIST += tests/golden/role tests/golden/kubeadm
