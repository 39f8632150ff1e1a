/* Tests of agentd/kube/lease.c against canned answers, on a clock that stands still. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/lease.h"
#include "agentd/kube/names.h"
#include "tests/unit/test-kube.h"

#define LEASE(version, spec)                                                       \
	"{'kind':'Lease','apiVersion':'coordination.k8s.io/v1','metadata':{'name'" \
	":'l','namespace':'kube-system','resourceVersion':'" version "'},'spec':" spec "}"
#define HELD(who, renewed) \
	"{'holderIdentity':'" who "','leaseDurationSeconds':10,'renewTime':'" renewed "'}"
#define STATUS(code, reason)                                                                     \
	"{'kind':'Status','apiVersion':'v1','status':'Failure','reason':'" reason                \
	"','message':'no','details':{'name':'l','kind':'leases','group':'coordination.k8s.io'}," \
	"'code':" #code "}"

static struct world world;

static void setup(void)
{
	world_init(&world);
}

static void teardown(void)
{
	world_done(&world);
}

static const struct error *take(struct op **ret)
{
	*ret = lease_take(world.kube, "l", "us", 30);
	ck_assert(!op_is_done(*ret));
	world_finish(&world, *ret);
	return op_error(*ret);
}

START_TEST(test_a_missing_lease_is_made)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 404, STATUS(404, "NotFound"));
	canned_reply(world.canned, 201, LEASE("1", HELD("us", "x")));
	ck_assert_ptr_null(take(&op));
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "POST " KUBE_SYSTEM_LEASES "?"));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "'holderIdentity':'us'"));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "'leaseDurationSeconds':30"));
	ck_assert_ptr_nonnull(
	    strstr(canned_body(world.canned, 1), "'renewTime':'2023-11-14T22:13:20."));
}
END_TEST

START_TEST(test_one_that_was_faster_is_read_again)
{
	_cleanup_(op_drop) struct op *op = NULL;
	const struct error *error;

	canned_reply(world.canned, 404, STATUS(404, "NotFound"));
	canned_reply(world.canned, 409, STATUS(409, "AlreadyExists"));
	canned_reply(world.canned, 200, LEASE("1", "{}"));
	canned_reply(world.canned, 409, STATUS(409, "Conflict"));
	canned_reply(world.canned, 200, LEASE("2", HELD("them", "x")));
	error = take(&op);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, -EBUSY);
	ck_assert_int_eq(error->class, ERROR_PENDING);
	ck_assert_ptr_nonnull(strstr(error->message, "held by them"));
	ck_assert_uint_eq(canned_count(world.canned), 5);
}
END_TEST

START_TEST(test_rivals_that_are_always_faster_are_not_chased)
{
	_cleanup_(op_drop) struct op *op = NULL;
	const struct error *error;

	for (int i = 0; i < 5; i++) {
		canned_reply(world.canned, 200, LEASE("1", "{}"));
		canned_reply(world.canned, 409, STATUS(409, "Conflict"));
	}
	error = take(&op);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, -EBUSY);
	ck_assert_uint_eq(canned_count(world.canned), 10);
}
END_TEST

START_TEST(test_a_record_that_stands_still_for_its_duration_is_a_dead_ones)
{
	struct op *op = NULL;

	for (int i = 0; i < 2; i++) {
		canned_reply(world.canned, 200, LEASE("1", HELD("them", "2099")));
		ck_assert_ptr_nonnull(take(&op));
		op = op_drop(op);
		world_advance(&world, 9);
	}
	canned_reply(world.canned, 200, LEASE("1", HELD("them", "2099")));
	canned_reply(world.canned, 200, LEASE("2", HELD("us", "x")));
	ck_assert_ptr_null(take(&op));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 3), "'leaseTransitions':1"));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 3), "'resourceVersion':'1'"));
	op_drop(op);
}
END_TEST

START_TEST(test_a_record_that_moves_is_a_living_ones)
{
	static const char *const renewals[] = {
		LEASE("1", HELD("them", "1999")),
		LEASE("2", HELD("them", "1998")),
		LEASE("3", HELD("they", "1998")),
	};
	struct op *op = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(renewals); i++) {
		canned_reply(world.canned, 200, renewals[i]);
		ck_assert_ptr_nonnull(take(&op));
		op = op_drop(op);
		world_advance(&world, 60);
	}
}
END_TEST

/* A host whose wall clock jumps by years between two looks. */
START_TEST(test_our_own_wall_clock_decides_nothing)
{
	struct op *op = NULL;

	canned_reply(world.canned, 200, LEASE("1", HELD("them", "x")));
	ck_assert_ptr_nonnull(take(&op));
	op = op_drop(op);
	world.clock.now_s += 10LL * 365 * 86400;
	canned_reply(world.canned, 200, LEASE("1", HELD("them", "x")));
	ck_assert_ptr_nonnull(take(&op));
	op_drop(op);
}
END_TEST

START_TEST(test_a_duration_of_years_is_not_waited_for)
{
	static const char forever[] =
	    LEASE("1", "{'holderIdentity':'them','leaseDurationSeconds':2000000000}");
	struct op *op = NULL;

	canned_reply(world.canned, 200, forever);
	ck_assert_ptr_nonnull(take(&op));
	op = op_drop(op);
	world_advance(&world, 3601);
	canned_reply(world.canned, 200, forever);
	canned_reply(world.canned, 200, LEASE("2", HELD("us", "x")));
	ck_assert_ptr_null(take(&op));
	op_drop(op);
}
END_TEST

START_TEST(test_a_renewal_differs_under_a_wall_clock_that_stands)
{
	struct op *op = NULL;

	for (int i = 0; i < 2; i++) {
		canned_reply(world.canned, 200, LEASE("1", HELD("us", "x")));
		canned_reply(world.canned, 200, LEASE("2", HELD("us", "y")));
		ck_assert_ptr_null(take(&op));
		op = op_drop(op);
		world.clock.now_ns += 5 * NSEC_PER_MSEC;
	}
	ck_assert_str_ne(canned_body(world.canned, 1), canned_body(world.canned, 3));
	ck_assert_ptr_null(strstr(canned_body(world.canned, 3), "leaseTransitions"));
}
END_TEST

START_TEST(test_a_dropped_take_asks_no_more)
{
	struct op *op;

	canned_reply(world.canned, 200, LEASE("1", "{}"));
	op = lease_take(world.kube, "l", "us", 30);
	world_until(&world, canned_count(world.canned) == 1);
	op_drop(op);
	world_settle(&world);
	ck_assert_uint_eq(canned_count(world.canned), 1);
}
END_TEST

START_TEST(test_a_server_that_fails_is_no_holder)
{
	_cleanup_(op_drop) struct op *op = NULL;
	const struct error *error;

	canned_reply(world.canned, 200, LEASE("1", HELD("us", "x")));
	canned_reply(world.canned, 500, STATUS(500, "InternalError"));
	op = lease_release(world.kube, "l", "us");
	world_finish(&world, op);
	error = op_error(op);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->class, ERROR_NETWORK);
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "'holderIdentity':''"));
}
END_TEST

Suite *suite_lease(void)
{
	Suite *suite = suite_create("lease");
	TCase *tcase = tcase_create("lease");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_missing_lease_is_made);
	tcase_add_test(tcase, test_one_that_was_faster_is_read_again);
	tcase_add_test(tcase, test_rivals_that_are_always_faster_are_not_chased);
	tcase_add_test(tcase, test_a_record_that_stands_still_for_its_duration_is_a_dead_ones);
	tcase_add_test(tcase, test_a_record_that_moves_is_a_living_ones);
	tcase_add_test(tcase, test_our_own_wall_clock_decides_nothing);
	tcase_add_test(tcase, test_a_duration_of_years_is_not_waited_for);
	tcase_add_test(tcase, test_a_renewal_differs_under_a_wall_clock_that_stands);
	tcase_add_test(tcase, test_a_dropped_take_asks_no_more);
	tcase_add_test(tcase, test_a_server_that_fails_is_no_holder);
	suite_add_tcase(suite, tcase);
	return suite;
}
