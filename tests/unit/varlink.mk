# Varlink's messages, the server's side of a connection, and the blocking client.
check_PROGRAMS += tests/unit/test-varlink
TESTS += tests/unit/test-varlink
tests_unit_test_varlink_SOURCES = \
	tests/unit/test-varlink.c \
	tests/unit/test-varlink.h \
	tests/unit/test-varlink-client.c \
	tests/unit/test-varlink-connection.c \
	tests/unit/test-varlink-frames.c
tests_unit_test_varlink_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_varlink_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_varlink_LDADD = libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)
