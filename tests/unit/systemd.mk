# systemd/ against a real bus and a systemd of our own on it; agentd/cri without a runtime.
check_PROGRAMS += tests/unit/test-systemd tests/unit/test-cri tests/fake/fake-systemd1 \
	tests/fake/call-cri
TESTS += tests/unit/test-systemd tests/unit/test-cri

tests_unit_test_systemd_SOURCES = \
	tests/unit/test-systemd.c \
	tests/unit/test-systemd.h \
	tests/unit/test-systemd-bus.c \
	tests/unit/test-systemd-job.c \
	tests/unit/test-systemd-unit.c \
	tests/unit/test-systemd-notify.c
tests_unit_test_systemd_CPPFLAGS = $(UNIT_CPPFLAGS) -DFAKE_SYSTEMD='"$(abs_top_builddir)/tests/fake/fake-systemd1"'
tests_unit_test_systemd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_systemd_LDADD = libsysd.a libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)

tests_unit_test_cri_SOURCES = tests/unit/test-cri.c
tests_unit_test_cri_CPPFLAGS = $(UNIT_CPPFLAGS) -Ulinux
tests_unit_test_cri_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_cri_LDADD = libcri.a libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)

tests_fake_fake_systemd1_SOURCES = tests/fake/systemd1.c
tests_fake_fake_systemd1_LDADD = libcommon.a $(DEPS_LIBS)

tests_fake_call_cri_SOURCES = tests/fake/call-cri.c
tests_fake_call_cri_LDADD = libcri.a libcommon.a $(DEPS_LIBS)
EXTRA_DIST += tests/fake/fakesystemd.py
