check_PROGRAMS += tests/unit/test-resources
TESTS += tests/unit/test-resources
tests_unit_test_resources_SOURCES = \
	tests/unit/canned.c tests/unit/canned.h \
	tests/unit/test-resources.c tests/unit/test-resources.h \
	tests/unit/test-resources-certificates.c \
	tests/unit/test-resources-identity.c \
	tests/unit/test-resources-kubeconfigs.c \
	tests/unit/test-resources-pki.c \
	tests/unit/test-resources-pods.c \
	tests/unit/test-resources-preflight.c \
	tests/unit/test-resources-kubelet.c \
	tests/unit/test-resources-cluster.c \
	tests/unit/test-resources-world.c tests/unit/test-resources-world.h
tests_unit_test_resources_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_resources_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
# Twice: rows need facts, and facts need the files of rows.
tests_unit_test_resources_LDADD = $(AGENTD_LIBS) $(AGENTD_LIBS) $(CHECK_LIBS) $(DEPS_LIBS)
