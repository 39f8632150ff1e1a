# Template: every folder's test program looks like this one.
#check_PROGRAMS += tests/unit/test-common
#TESTS += tests/unit/test-common
#tests_unit_test_common_SOURCES = tests/unit/test-common.c tests/unit/test-common-buf.c ...
#tests_unit_test_common_CPPFLAGS = $(UNIT_CPPFLAGS)
#tests_unit_test_common_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
#tests_unit_test_common_LDADD = libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)
