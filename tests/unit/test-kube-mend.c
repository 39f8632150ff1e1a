/* Tests of agentd/kube/mend.c: which requests mend an object, against canned answers. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/kube/policy.h"
#include "tests/unit/test-kube.h"

#define X(rest)                        \
	"{'apiVersion':'" KUBE_RBAC_V1 \
	"','kind':'ClusterRoleBinding','metadata':{'name':'x'}" rest "}"
#define LIVE(rest)                                                                              \
	"{'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRoleBinding','metadata':{'name':'x','" \
	"uid':'u'}" rest "}"
#define PATH   "PATCH " KUBE_CLUSTER_ROLE_BINDINGS "/x?fieldManager="
#define ONCE   PATH "agentd-create"
#define FORCED PATH "agentd&force=true"

static const struct policy binding[] = {
	{ "roleRef", POLICY_FIXED },
	{ "subjects", POLICY_MERGED },
	{},
};
static const struct policy once[] = {
	{ "", POLICY_ONCE },
	{},
};

static struct world world;

static void setup(void)
{
	world_init(&world);
}

static void teardown(void)
{
	world_done(&world);
}

static const struct {
	const struct policy *policy;
	const char *desired, *live; /* NULL = missing */
	struct {
		const char *line, *body;
	} requests[5];
} plans[] = {
	/* Missing. */
	{ NULL, X(",'a':1"), NULL, { { FORCED, X(",'a':1") } } },
	{ once, X(",'a':1"), NULL, { { ONCE, X(",'a':1") } } },
	{ binding,
	  X(",'roleRef':{'name':'r'},'subjects':[1]"),
	  NULL,
	  { { ONCE, X(",'roleRef':{'name':'r'},'subjects':[1]") },
	    { FORCED, X(",'roleRef':{'name':'r'}") },
	    { ONCE, X(",'subjects':[1]") } } },
	{ NULL, LIVE(",'a':1,'status':{}"), NULL, { { FORCED, X(",'a':1") } } },
	/* Alike. */
	{ binding,
	  X(",'roleRef':{'name':'r'},'subjects':[1]"),
	  LIVE(",'roleRef':{'name':'r'},'subjects':[1,2]"),
	  {} },
	{ once, X(",'a':1"), LIVE(",'a':2"), {} },
	/* Different. */
	{ NULL,
	  X(",'a':1"),
	  LIVE(",'a':2"),
	  { { FORCED, "{'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRoleBinding','metadata':{"
		      "'name':'x','uid':'u'},'a':1}" } } },
	{ binding,
	  X(",'subjects':[1]"),
	  LIVE(",'subjects':[2]"),
	  { { PATH "agentd", "[{'op':'test','path':'/metadata/uid','value':'u'},"
			     "{'op':'test','path':'/subjects','value':[2]},"
			     "{'op':'add','path':'/subjects/-','value':1}]" } } },
	{ binding,
	  X(",'a':1,'subjects':[1]"),
	  LIVE(",'a':2"),
	  { { PATH "agentd", "[{'op':'test','path':'/metadata/uid','value':'u'},"
			     "{'op':'test','path':'/subjects','value':null},"
			     "{'op':'add','path':'/subjects','value':[1]}]" },
	    { FORCED, "{'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRoleBinding','metadata':{"
		      "'name':'x','uid':'u'},'a':1}" } } },
	/* Another role. */
	{ binding,
	  X(",'roleRef':{'name':'r'},'subjects':[1]"),
	  LIVE(",'roleRef':{'name':'other'},'subjects':[2]"),
	  { { "DELETE " KUBE_CLUSTER_ROLE_BINDINGS "/x",
	      "{'kind':'DeleteOptions','apiVersion':'v1','preconditions':{'uid':'u'}}" },
	    { ONCE, X(",'roleRef':{'name':'r'},'subjects':[1]") },
	    { FORCED, X(",'roleRef':{'name':'r'}") },
	    { ONCE, X(",'subjects':[1]") } } },
};

/* The same JSON, whatever the order of its keys. */
static void assert_json(const char *is, const char *wanted)
{
	_cleanup_(value_unref) struct value *a = test_json(is), *b = test_json(wanted);

	ck_assert_msg(value_equal(a, b), "%s is not %s", is, wanted);
}

static struct op *mend(const char *desired, const struct policy *policy, const char *live)
{
	_cleanup_(value_unref) struct value *want = test_json(desired);
	_cleanup_(value_unref) struct value *have = live ? test_json(live) : NULL;

	return policy_mend(world.kube, KUBE_CLUSTER_ROLE_BINDINGS, "x", want, policy, have);
}

START_TEST(test_mending_sends_what_the_policies_ask_for)
{
	_cleanup_(op_drop) struct op *op = NULL;
	size_t count = 0;

	while (plans[_i].requests[count].line)
		count++;
	for (size_t i = 0; i < count; i++)
		canned_reply(world.canned, 200, i + 1 < count ? LIVE("") : LIVE(",'last':1"));
	op = mend(plans[_i].desired, plans[_i].policy, plans[_i].live);
	world_finish(&world, op);
	ck_assert_msg(!op_error(op), "%s", op_error(op) ? op_error(op)->message : "");
	ck_assert_uint_eq(canned_count(world.canned), count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_str_eq(canned_line(world.canned, i), plans[_i].requests[i].line);
		assert_json(canned_body(world.canned, i), plans[_i].requests[i].body);
	}
	ck_assert_int_eq(value_get(op_value(op), "last") != NULL, count > 0);
}
END_TEST

#define CONFLICT "{'kind':'Status','reason':'Conflict','message':'theirs'}"
#define BINDING	 X(",'roleRef':{'name':'r'},'subjects':[1]")

START_TEST(test_a_field_taken_during_creation_is_left_to_its_taker)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 201, LIVE(""));
	canned_reply(world.canned, 200, LIVE(""));
	canned_reply(world.canned, 409, CONFLICT);
	op = mend(BINDING, binding, NULL);
	world_finish(&world, op);
	ck_assert_ptr_null(op_error(op));
	ck_assert_ptr_nonnull(op_value(op));
}
END_TEST

START_TEST(test_an_object_made_by_another_hand_meanwhile_ends_the_plan)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 409, CONFLICT);
	op = mend(BINDING, binding, NULL);
	world_finish(&world, op);
	ck_assert_int_eq(op_error(op)->code, -EAGAIN);
	ck_assert_uint_eq(canned_count(world.canned), 1);
}
END_TEST

START_TEST(test_mending_may_be_dropped_at_any_time)
{
	for (unsigned stop = 0; stop < 4; stop++) {
		struct op *op;

		for (unsigned i = 0; i < 3; i++)
			canned_reply(world.canned, 200, LIVE(""));
		op = mend(BINDING, binding, NULL);
		world_until(&world, canned_count(world.canned) >= stop);
		op_drop(op);
		world_settle(&world);
		world_done(&world);
		world_init(&world);
	}
}
END_TEST

Suite *suite_mend(void)
{
	Suite *suite = suite_create("mend");
	TCase *tcase = tcase_create("mend");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_mending_sends_what_the_policies_ask_for, 0,
			    ARRAY_SIZE(plans));
	tcase_add_test(tcase, test_a_field_taken_during_creation_is_left_to_its_taker);
	tcase_add_test(tcase, test_an_object_made_by_another_hand_meanwhile_ends_the_plan);
	tcase_add_test(tcase, test_mending_may_be_dropped_at_any_time);
	suite_add_tcase(suite, tcase);
	return suite;
}
