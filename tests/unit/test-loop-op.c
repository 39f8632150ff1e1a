/* Tests of common/op.c. */
#include "tests/unit/test-loop.h"

#include <errno.h>

#include "common/alloc.h"
#include "common/macros.h"
#include "common/op.h"

/* A maker and an owner that count what reaches them. */
struct counts {
	struct op *op;
	unsigned done, cancelled, freed;
	const char *text;
};

static void count_cancel(void *impl)
{
	((struct counts *)impl)->cancelled++;
}

static void count_free(void *impl)
{
	((struct counts *)impl)->freed++;
}

static const struct op_kind counting = {
	.name = "counting",
	.cancel = count_cancel,
	.free = count_free,
};

static void count_done(struct op *op, void *userdata)
{
	struct counts *counts = userdata;

	ck_assert(op_is_done(op));
	counts->done++;
}

static void drop_when_done(struct op *op, void *userdata)
{
	struct counts *counts = userdata;

	counts->done++;
	counts->op = op_drop(counts->op);
}

START_TEST(test_op_never_completes_inside_the_call_that_made_it)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new(f.loop, &counting, &counts);
	op_watch(counts.op, count_done, &counts);
	op_complete(counts.op, value_new_string("answer"));
	ck_assert(!op_is_done(counts.op));
	ck_assert_ptr_null(op_value(counts.op));
	ck_assert_uint_eq(counts.done, 0);
	loop_once(f.loop, true);
	ck_assert_uint_eq(counts.done, 1);
	ck_assert_str_eq(value_string(op_value(counts.op)), "answer");
	ck_assert_ptr_null(op_error(counts.op));
	loop_once(f.loop, false);
	ck_assert_uint_eq(counts.done, 1);
	op_drop(counts.op);
	ck_assert_uint_eq(counts.cancelled, 0);
	ck_assert_uint_eq(counts.freed, 1);
}
END_TEST

START_TEST(test_dropping_a_running_op_cancels_it_and_nothing_arrives)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new(f.loop, &counting, &counts);
	op_watch(counts.op, count_done, &counts);
	op_drop(counts.op);
	loop_once(f.loop, false);
	ck_assert_uint_eq(counts.done, 0);
	ck_assert_uint_eq(counts.cancelled, 1);
	ck_assert_uint_eq(counts.freed, 1);
}
END_TEST

START_TEST(test_dropping_a_completed_op_takes_its_delivery_back)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new(f.loop, &counting, &counts);
	op_watch(counts.op, count_done, &counts);
	op_complete(counts.op, NULL);
	op_drop(counts.op);
	loop_once(f.loop, false);
	ck_assert_uint_eq(counts.done, 0);
	ck_assert_uint_eq(counts.cancelled, 0);
	ck_assert_uint_eq(counts.freed, 1);
}
END_TEST

START_TEST(test_op_may_be_dropped_by_its_own_callback)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new(f.loop, &counting, &counts);
	op_watch(counts.op, drop_when_done, &counts);
	op_complete(counts.op, value_new_string("gone with the op"));
	loop_once(f.loop, true);
	ck_assert_uint_eq(counts.done, 1);
	ck_assert_uint_eq(counts.freed, 1);
}
END_TEST

START_TEST(test_failed_op_keeps_its_error)
{
	_cleanup_(fixture_done) struct fixture f;
	struct error error = ERROR_INIT, copy = ERROR_INIT;
	struct counts counts = { 0 };

	fixture_init(&f);
	(void)error_set(&error, ERROR_DENIED, -EACCES, "no entry");
	counts.op = op_new_failed(f.loop, &error);
	op_watch(counts.op, count_done, &counts);
	ck_assert_int_eq(op_result(counts.op, &copy), 0);
	loop_once(f.loop, true);
	ck_assert_uint_eq(counts.done, 1);
	ck_assert_int_eq(op_result(counts.op, &copy), -EACCES);
	ck_assert_int_eq(copy.class, ERROR_DENIED);
	ck_assert_str_eq(copy.message, "no entry");
	ck_assert_str_eq(op_error(counts.op)->message, "no entry");
	op_drop(counts.op);
}
END_TEST

START_TEST(test_op_watched_late_is_delivered_again)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new_done(f.loop, NULL);
	loop_once(f.loop, true);
	ck_assert(op_is_done(counts.op));
	op_watch(counts.op, count_done, &counts);
	ck_assert_uint_eq(counts.done, 0);
	loop_once(f.loop, true);
	ck_assert_uint_eq(counts.done, 1);
	op_drop(counts.op);
}
END_TEST

START_TEST(test_maker_decides_what_its_owner_sees)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };
	int shown;

	fixture_init(&f);
	counts.op = op_new(f.loop, &counting, &counts);
	ck_assert_ptr_eq(op_impl(counts.op), &counts);
	ck_assert_ptr_eq(op_kind_of(counts.op), &counting);
	op_show(counts.op, &shown);
	ck_assert_ptr_eq(op_impl(counts.op), &shown);
	op_drop(counts.op);
	ck_assert_uint_eq(counts.freed, 1);
}
END_TEST

START_TEST(test_sleep_takes_its_time_and_can_be_cancelled)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new_sleep(f.loop, NSEC_PER_SEC);
	op_watch(counts.op, count_done, &counts);
	clock_fake_advance(&f.clock, NSEC_PER_SEC - 1);
	loop_once(f.loop, false);
	ck_assert_uint_eq(counts.done, 0);
	clock_fake_advance(&f.clock, 1);
	loop_once(f.loop, false);
	ck_assert_uint_eq(counts.done, 1);
	op_drop(counts.op);

	counts.op = op_new_sleep(f.loop, NSEC_PER_SEC);
	op_watch(counts.op, count_done, &counts);
	op_drop(counts.op);
	ck_assert_uint_eq(loop_next_deadline(f.loop), UINT64_MAX);
	ck_assert_uint_eq(counts.done, 1);
}
END_TEST

static int shout(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	struct counts *counts = impl;

	counts->text = value_string(op_value(inner));
	if (!counts->text)
		return error_set(err, ERROR_NETWORK, -EPROTO, "nothing was said");
	*ret_value = value_new_stringf("%s!", counts->text);
	return 0;
}

START_TEST(test_then_makes_a_new_value_of_the_inner_one)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts counts = { 0 };

	fixture_init(&f);
	counts.op = op_new_then(f.loop, &counting, &counts,
				op_new_done(f.loop, value_new_string("hello")), shout);
	op_watch(counts.op, count_done, &counts);
	loop_once(f.loop, true);
	ck_assert_uint_eq(counts.done, 1);
	ck_assert_str_eq(value_string(op_value(counts.op)), "hello!");
	op_drop(counts.op);
	ck_assert_uint_eq(counts.cancelled, 0);
	ck_assert_uint_eq(counts.freed, 1);
}
END_TEST

START_TEST(test_then_fails_with_the_inner_op_or_by_itself)
{
	_cleanup_(fixture_done) struct fixture f;
	struct error error = ERROR_INIT;
	struct counts counts = { 0 };

	fixture_init(&f);
	(void)error_set(&error, ERROR_BUS, -EIO, "inner");
	counts.op = op_new_then(f.loop, &counting, &counts, op_new_failed(f.loop, &error), shout);
	op_watch(counts.op, count_done, &counts);
	loop_once(f.loop, true);
	ck_assert_ptr_null(counts.text);
	ck_assert_str_eq(op_error(counts.op)->message, "inner");
	ck_assert_int_eq(op_error(counts.op)->class, ERROR_BUS);
	op_drop(counts.op);

	counts.op = op_new_then(f.loop, &counting, &counts, op_new_done(f.loop, NULL), shout);
	op_watch(counts.op, count_done, &counts);
	loop_once(f.loop, true);
	ck_assert_str_eq(op_error(counts.op)->message, "nothing was said");
	op_drop(counts.op);
	ck_assert_uint_eq(counts.done, 2);
}
END_TEST

START_TEST(test_dropping_a_chain_cancels_its_inner_op)
{
	_cleanup_(fixture_done) struct fixture f;
	struct counts inner = { 0 }, outer = { 0 };

	fixture_init(&f);
	outer.op = op_new_then(f.loop, &counting, &outer, op_new(f.loop, &counting, &inner), shout);
	op_drop(outer.op);
	loop_once(f.loop, false);
	ck_assert_uint_eq(inner.cancelled, 1);
	ck_assert_uint_eq(inner.freed, 1);
	ck_assert_uint_eq(outer.cancelled, 1);
	ck_assert_uint_eq(outer.freed, 1);
}
END_TEST

Suite *op_suite(void)
{
	Suite *suite = suite_create("op");
	TCase *tcase = tcase_create("op");

	tcase_add_test(tcase, test_op_never_completes_inside_the_call_that_made_it);
	tcase_add_test(tcase, test_dropping_a_running_op_cancels_it_and_nothing_arrives);
	tcase_add_test(tcase, test_dropping_a_completed_op_takes_its_delivery_back);
	tcase_add_test(tcase, test_op_may_be_dropped_by_its_own_callback);
	tcase_add_test(tcase, test_failed_op_keeps_its_error);
	tcase_add_test(tcase, test_op_watched_late_is_delivered_again);
	tcase_add_test(tcase, test_maker_decides_what_its_owner_sees);
	tcase_add_test(tcase, test_sleep_takes_its_time_and_can_be_cancelled);
	tcase_add_test(tcase, test_then_makes_a_new_value_of_the_inner_one);
	tcase_add_test(tcase, test_then_fails_with_the_inner_op_or_by_itself);
	tcase_add_test(tcase, test_dropping_a_chain_cancels_its_inner_op);
	suite_add_tcase(suite, tcase);
	return suite;
}
