check_PROGRAMS += tests/unit/test-engine
TESTS += tests/unit/test-engine
tests_unit_test_engine_SOURCES = \
	tests/unit/test-engine.c tests/unit/test-engine.h \
	tests/unit/test-engine-holds.c \
	tests/unit/test-engine-ledger.c \
	tests/unit/test-engine-order.c \
	tests/unit/test-engine-report.c \
	tests/unit/test-engine-script.c
tests_unit_test_engine_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_engine_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_engine_LDADD = libengine.a libschema.a libdiscovery.a libpki.a libcommon.a \
	$(CHECK_LIBS) $(DEPS_LIBS)
EXTRA_DIST += $(wildcard $(top_srcdir)/tests/engine/*.script)
