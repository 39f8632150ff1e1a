/* Tests of common/spawn.c, with /bin/sh as the child. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/macros.h"
#include "common/spawn.h"

struct world {
	struct loop *loop;
	struct op *op;
};

static void world_done(struct world *world)
{
	op_drop(world->op);
	loop_free(world->loop);
	/* No child is left, not even as a zombie. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
DEFINE_CLEANUP_VALUE(struct world, world_done)

static void start(struct world *world, const char *script, unsigned timeout_ms)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct error err = ERROR_INIT;

	world->loop = loop_new(clock_system());
	world->op = spawn_run(world->loop, argv, timeout_ms, &err);
	ck_assert_msg(world->op != NULL, "%s", err.message);
}

static void run(struct world *world)
{
	while (!op_is_done(world->op))
		loop_once(world->loop, true);
}

START_TEST(test_output_of_the_child_is_captured)
{
	_cleanup_(world_done) struct world w;

	start(&w, "echo Kubernetes v1.36.3", 10000);
	run(&w);
	ck_assert_ptr_null(op_error(w.op));
	ck_assert_str_eq(spawn_result(w.op)->output, "Kubernetes v1.36.3\n");
	ck_assert_int_eq(spawn_result(w.op)->status, 0);
}
END_TEST

START_TEST(test_child_gets_nothing_but_path_and_lang)
{
	_cleanup_(world_done) struct world w;
	int leaked = open("/dev/null", O_RDONLY);

	ck_assert_int_eq(setenv("AGENTD_SECRET", "x", 1), 0);
	start(&w,
	      "[ -z \"$AGENTD_SECRET\" ] && [ \"$LANG\" = C ] && [ -n \"$PATH\" ] || echo env;"
	      " read line && echo stdin;"
	      " cd /proc/self/fd && for fd in *; do [ $fd -le 2 ] || readlink $fd; done; exit 0",
	      10000);
	run(&w);
	ck_assert_ptr_null(op_error(w.op));
	/* The directory that the shell itself reads may show. */
	ck_assert_ptr_null(strstr(spawn_result(w.op)->output, "/dev/null"));
	ck_assert_ptr_null(strstr(spawn_result(w.op)->output, "pipe"));
	ck_assert_ptr_null(strstr(spawn_result(w.op)->output, "env"));
	ck_assert_ptr_null(strstr(spawn_result(w.op)->output, "stdin"));
	(void)close(leaked);
}
END_TEST

START_TEST(test_child_has_default_signals)
{
	_cleanup_(world_done) struct world w;
	unsigned long long blocked = 1, ignored = 1;

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	start(&w,
	      "while read key value rest; do case $key in SigIgn: | SigBlk:) echo $value;;"
	      " esac; done </proc/self/status",
	      10000);
	run(&w);
	ck_assert_int_eq(sscanf(spawn_result(w.op)->output, "%llx\n%llx", &blocked, &ignored), 2);
	ck_assert_uint_eq(blocked, 0);
	/* The C library keeps 32 and 33 for itself. */
	ck_assert_uint_eq(ignored & ~0x180000000ULL, 0);
}
END_TEST

START_TEST(test_failing_child_is_an_error_with_what_it_said)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	start(&w, "echo no such flag; echo more; exit 3", 10000);
	run(&w);
	ck_assert_int_eq(op_result(w.op, &err), -EIO);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_str_eq(err.message, "/bin/sh ended with status 3: no such flag");
	ck_assert_int_eq(WEXITSTATUS(spawn_result(w.op)->status), 3);
}
END_TEST

START_TEST(test_killed_child_is_an_error_that_is_tried_again)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	start(&w, "kill -9 $$", 10000);
	run(&w);
	ck_assert_int_eq(op_result(w.op, &err), -EINTR);
	ck_assert_int_eq(err.class, ERROR_PENDING);
	ck_assert_ptr_nonnull(strstr(err.message, "signal 9 (Killed)"));
}
END_TEST

START_TEST(test_child_that_takes_too_long_is_killed_with_its_children)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;
	int alive[2];
	char byte;

	/* The pipe is at its end when all that hold it are gone. */
	ck_assert_int_eq(pipe(alive), 0);
	start(&w, "sleep 60 & sleep 60", 200);
	(void)close(alive[1]);
	run(&w);
	ck_assert_int_eq(op_result(w.op, &err), -ETIMEDOUT);
	ck_assert_str_eq(err.message, "/bin/sh did not end within 0.2 s");
	ck_assert_int_eq(read(alive[0], &byte, 1), 0);
	(void)close(alive[0]);
}
END_TEST

START_TEST(test_dropped_child_is_killed)
{
	_cleanup_(world_done) struct world w;

	start(&w, "sleep 60", 60000);
	w.op = op_drop(w.op);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(test_grandchild_that_keeps_the_output_open_is_not_waited_for)
{
	_cleanup_(world_done) struct world w;

	start(&w, "echo done; exec 2>&-; sleep 2 & exit 0", 60000);
	run(&w);
	ck_assert_ptr_null(op_error(w.op));
	ck_assert_str_eq(spawn_result(w.op)->output, "done\n");
}
END_TEST

START_TEST(test_output_beyond_the_cap_is_dropped)
{
	_cleanup_(world_done) struct world w;

	start(&w, "head -c 1000000 /dev/zero | tr '\\0' a", 20000);
	run(&w);
	ck_assert_ptr_null(op_error(w.op));
	ck_assert_uint_eq(strlen(spawn_result(w.op)->output), 64 * 1024);
}
END_TEST

START_TEST(test_program_that_is_missing_is_said_so)
{
	const char *const argv[] = { "/nonexistent/kubelet", "--version", NULL };
	struct world w = { .loop = loop_new(clock_system()) };
	struct error err = ERROR_INIT;

	ck_assert_ptr_null(spawn_run(w.loop, argv, 1000, &err));
	ck_assert_int_eq(err.code, -ENOENT);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/kubelet"));
	world_done(&w);
}
END_TEST

Suite *spawn_suite(void)
{
	Suite *suite = suite_create("spawn");
	TCase *tcase = tcase_create("spawn");

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_output_of_the_child_is_captured);
	tcase_add_test(tcase, test_child_gets_nothing_but_path_and_lang);
	tcase_add_test(tcase, test_child_has_default_signals);
	tcase_add_test(tcase, test_failing_child_is_an_error_with_what_it_said);
	tcase_add_test(tcase, test_killed_child_is_an_error_that_is_tried_again);
	tcase_add_test(tcase, test_child_that_takes_too_long_is_killed_with_its_children);
	tcase_add_test(tcase, test_dropped_child_is_killed);
	tcase_add_test(tcase, test_grandchild_that_keeps_the_output_open_is_not_waited_for);
	tcase_add_test(tcase, test_output_beyond_the_cap_is_dropped);
	tcase_add_test(tcase, test_program_that_is_missing_is_said_so);
	suite_add_tcase(suite, tcase);
	return suite;
}
