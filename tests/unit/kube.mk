check_PROGRAMS += tests/unit/test-kube
TESTS += tests/unit/test-kube
tests_unit_test_kube_SOURCES = \
	tests/unit/canned.c \
	tests/unit/canned.h \
	tests/unit/test-kube.c \
	tests/unit/test-kube.h \
	tests/unit/test-kube-apipath.c \
	tests/unit/test-kube-cache.c \
	tests/unit/test-kube-client.c \
	tests/unit/test-kube-lease.c \
	tests/unit/test-kube-mend.c \
	tests/unit/test-kube-objects.c \
	tests/unit/test-kube-policy.c
tests_unit_test_kube_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_kube_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_kube_LDADD = libobjects.a libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)
