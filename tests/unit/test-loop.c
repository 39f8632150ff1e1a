/* Unit tests of the event loop and of everything that runs on it. */
#include "tests/unit/test-loop.h"

#include <stdlib.h>

void fixture_init(struct fixture *fixture)
{
	clock_fake_init(&fixture->clock, 1000000);
	fixture->loop = loop_new(&fixture->clock.clock);
}

void fixture_done(struct fixture *fixture)
{
	loop_free(fixture->loop);
}

void fixture_next(struct fixture *fixture)
{
	uint64_t deadline = loop_next_deadline(fixture->loop);

	ck_assert_uint_ne(deadline, UINT64_MAX);
	if (deadline > fixture->clock.now_ns)
		clock_fake_advance(&fixture->clock, deadline - fixture->clock.now_ns);
	loop_once(fixture->loop, false);
}

int main(void)
{
	SRunner *runner = srunner_create(loop_suite());
	Suite *tasks = task_suite();
	int failed;

	srunner_add_suite(runner, op_suite());
	suite_add_tcase(tasks, task_op_cases());
	srunner_add_suite(runner, tasks);
	srunner_add_suite(runner, backoff_suite());
	srunner_add_suite(runner, reply_suite());
	srunner_add_suite(runner, http_suite());
	srunner_add_suite(runner, work_suite());
	srunner_add_suite(runner, lookup_suite());
	srunner_add_suite(runner, spawn_suite());
	srunner_add_suite(runner, notice_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
