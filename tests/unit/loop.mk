# The loop and what runs on it: ops, tasks, back-off, threads, children, HTTP, inotify.
check_PROGRAMS += tests/unit/test-loop
TESTS += tests/unit/test-loop
tests_unit_test_loop_SOURCES = \
	tests/unit/test-loop.c \
	tests/unit/test-loop.h \
	tests/unit/test-loop-backoff.c \
	tests/unit/test-loop-http.c \
	tests/unit/test-loop-lookup.c \
	tests/unit/test-loop-loop.c \
	tests/unit/test-loop-notice.c \
	tests/unit/test-loop-op.c \
	tests/unit/test-loop-reply.c \
	tests/unit/test-loop-server.c \
	tests/unit/test-loop-server.h \
	tests/unit/test-loop-spawn.c \
	tests/unit/test-loop-task.c \
	tests/unit/test-loop-task-op.c \
	tests/unit/test-loop-work.c
tests_unit_test_loop_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_loop_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_loop_LDADD = libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)

# What idle watches cost; made and run by hand (tests/bench/idle-watch.py).
EXTRA_PROGRAMS += tests/bench/idle-watch
EXTRA_DIST += tests/bench/idle-watch.py
tests_bench_idle_watch_SOURCES = tests/bench/idle-watch.c
tests_bench_idle_watch_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_bench_idle_watch_LDADD = libcommon.a $(DEPS_LIBS)
