check_PROGRAMS += tests/unit/test-discovery
TESTS += tests/unit/test-discovery
tests_unit_test_discovery_SOURCES = \
	tests/unit/test-discovery.c \
	tests/unit/test-discovery.h \
	tests/unit/test-discovery-token.c \
	tests/unit/test-discovery-kubeconfig.c \
	tests/unit/test-discovery-clusterinfo.c \
	tests/unit/test-discovery-discover.c
tests_unit_test_discovery_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_discovery_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_discovery_LDADD = libdiscovery.a libpki.a libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)

EXTRA_DIST += \
	tests/unit/discovery/admin.conf \
	tests/unit/discovery/bootstrap.conf \
	tests/unit/discovery/ca.pem \
	tests/unit/discovery/client.key \
	tests/unit/discovery/client.pem \
	tests/unit/discovery/cluster-info.conf \
	tests/unit/discovery/kubelet-bootstrapped.conf \
	tests/unit/discovery/kubelet-finalized.conf
