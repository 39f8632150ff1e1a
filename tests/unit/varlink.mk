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

# What comes in: methods of the socket, peers, the role file; and that agentctl has a verb for each
# method.
check_PROGRAMS += tests/unit/test-inputs
TESTS += tests/unit/test-inputs
tests_unit_test_inputs_SOURCES = \
	tests/unit/test-inputs.c \
	tests/unit/test-inputs.h \
	tests/unit/test-inputs-methods.c \
	tests/unit/test-inputs-peer.c \
	tests/unit/test-inputs-rolefile.c \
	tests/unit/test-inputs-tables.c
tests_unit_test_inputs_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_inputs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_inputs_LDADD = libinputs.a libsysd.a libcli.a libcommon.a $(CHECK_LIBS) \
	$(SMARTCOLS_LIBS) $(DEPS_LIBS)
