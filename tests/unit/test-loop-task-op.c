/* Tests of common/task-op.c. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <string.h>

#include "common/task.h"

struct journey {
	bool freed, seen;
	unsigned done;
};

static void journey_freed(void *context)
{
	((struct journey *)context)->freed = true;
}

static void journey_done(struct op *op, void *userdata)
{
	struct journey *journey = op_impl(op);

	ck_assert_ptr_eq(journey, userdata);
	ck_assert(!journey->freed);
	journey->done++;
}

static struct op *ask(struct task *task, struct error *err)
{
	return op_new_sleep(task_loop(task), NSEC_PER_SEC);
}

static int see(struct task *task, struct op *op, struct error *err)
{
	((struct journey *)task_context(task))->seen = true;
	return STAGE_NEXT;
}

static int refuse(struct task *task, struct op *op, struct error *err)
{
	return error_set(err, ERROR_TRUST, -EBADMSG, "pin does not match");
}

static const struct stage good[] = { { "ask", ask, see }, {} };
static const struct stage bad[] = { { "ask", ask, refuse }, {} };

START_TEST(test_op_completes_when_its_task_has_ended)
{
	_cleanup_(fixture_done) struct fixture f = { 0 };
	struct journey journey = { 0 };
	struct op *op;

	fixture_init(&f);
	op = task_op_new(f.loop, good, &journey, journey_freed);
	op_watch(op, journey_done, &journey);
	while (!journey.done)
		fixture_next(&f);
	ck_assert_ptr_null(op_error(op));
	ck_assert(journey.seen);
	op_drop(op);
	ck_assert(journey.freed);
	ck_assert_uint_eq(journey.done, 1);
}
END_TEST

START_TEST(test_op_fails_with_the_stages_error)
{
	_cleanup_(fixture_done) struct fixture f = { 0 };
	struct journey journey = { 0 };
	struct error err = ERROR_INIT;
	struct op *op;

	fixture_init(&f);
	op = task_op_new(f.loop, bad, &journey, journey_freed);
	op_watch(op, journey_done, &journey);
	while (!journey.done)
		fixture_next(&f);
	ck_assert_int_eq(op_result(op, &err), -EBADMSG);
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_str_eq(err.message, "ask: pin does not match");
	op_drop(op);
	ck_assert(journey.freed);
}
END_TEST

START_TEST(test_dropped_op_ends_its_task)
{
	_cleanup_(fixture_done) struct fixture f = { 0 };
	struct journey early = { 0 }, late = { 0 };
	struct op *op;

	fixture_init(&f);
	op_drop(task_op_new(f.loop, good, &early, journey_freed));
	ck_assert(early.freed);
	op = task_op_new(f.loop, good, &late, journey_freed);
	fixture_next(&f); /* the sleep is in flight */
	op_drop(op);
	ck_assert(late.freed && !late.seen);
	loop_once(f.loop, false);
	ck_assert_uint_eq(late.done, 0);
}
END_TEST

TCase *task_op_cases(void)
{
	TCase *tc = tcase_create("task as op");

	tcase_add_test(tc, test_op_completes_when_its_task_has_ended);
	tcase_add_test(tc, test_op_fails_with_the_stages_error);
	tcase_add_test(tc, test_dropped_op_ends_its_task);
	return tc;
}
