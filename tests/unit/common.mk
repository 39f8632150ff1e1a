check_PROGRAMS += tests/unit/test-common
TESTS += tests/unit/test-common
tests_unit_test_common_SOURCES = \
	tests/unit/test-common.c \
	tests/unit/test-common.h \
	tests/unit/test-common-basics.c \
	tests/unit/test-common-value.c \
	tests/unit/test-common-secret.c \
	tests/unit/test-common-log.c \
	tests/unit/test-common-json.c \
	tests/unit/test-common-yaml.c \
	tests/unit/test-common-decode.c \
	tests/unit/test-common-diff.c \
	tests/unit/test-common-file.c \
	tests/unit/test-common-parse.c
tests_unit_test_common_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_common_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_common_LDADD = libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)
EXTRA_DIST += \
	tests/unit/common/cluster-configuration.yaml \
	tests/unit/common/configmap.yaml \
	tests/unit/common/etcd.yaml \
	tests/unit/common/init-configuration.yaml \
	tests/unit/common/kube-apiserver.yaml \
	tests/unit/common/kube-proxy-configuration.yaml \
	tests/unit/common/kubeconfig.yaml \
	tests/unit/common/kubelet-configuration.yaml \
	tests/unit/common/strings.yaml
