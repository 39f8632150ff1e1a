/* Leases of leaders that are no more: what is cleared, and what is left alone. */
#include <string.h>
#include <unistd.h>

#include "agentd/resources/leader.h"
#include "common/alloc.h"
#include "common/loop.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define COMPONENT "kube-scheduler"
#define ROW	  "leader-" COMPONENT
#define OURS	  WORLD_NODE "_0b3e"
#define LEASE(holder, renewed)                                                                 \
	"{'kind':'Lease','apiVersion':'coordination.k8s.io/"                                   \
	"v1','metadata':{'namespace':'kube-system','name':'" COMPONENT                         \
	"','resourceVersion':'7'},'spec':{'holderIdentity':'" holder "','renewTime':'" renewed \
	"'}}"

static void setup(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	world_serve();
}

static void run(struct op *op)
{
	ck_assert_ptr_nonnull(op);
	while (!op_is_done(op)) {
		loop_once(world.ctx.loop, false);
		usleep(200);
	}
	ck_assert_msg(!op_error(op), "%s", op_error(op) ? op_error(op)->message : "");
	op_drop(op);
}

/* WORLD_NOW is 2026-09-21T14:13:20Z. */
static const struct {
	const char *rule, *lease;
	bool cleared;
} older_cases[] = {
	{ "ours, of before", LEASE(OURS, "2026-09-21T14:13:10.000000Z"), true },
	{ "ours, in capitals", LEASE("NODE-1_0b3e", "2026-09-21T14:13:10.000000Z"), true },
	{ "ours, of now", LEASE(OURS, "2026-09-21T14:13:25.000000Z"), false },
	{ "of another host", LEASE("node-2_77", "2026-09-21T14:13:10.000000Z"), false },
	{ "of a host with a longer name", LEASE("node-10_77", "2026-09-21T14:13:10.000000Z"),
	  false },
	{ "nobody's", LEASE("", "2026-09-21T14:13:10.000000Z"), false },
};

START_TEST(test_only_an_older_instance_of_this_host_is_cleared)
{
	canned_reply(world.canned, 200, older_cases[_i].lease);
	canned_reply(world.canned, 200, LEASE("", "2026-09-21T14:13:10.000000Z"));
	run(leader_release_older(&world.ctx, COMPONENT, WORLD_NOW));
	ck_assert_msg(canned_count(world.canned) == (older_cases[_i].cleared ? 2u : 1u), "%s",
		      older_cases[_i].rule);
	if (!older_cases[_i].cleared)
		return;
	/* Whoever leads by then is not touched: the version guards it. */
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "PATCH "));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "'resourceVersion':'7'"));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "'holderIdentity':null"));
}
END_TEST

START_TEST(test_the_stopped_instance_is_released_and_forgotten)
{
	leader_note_stopped(&world.ctx, COMPONENT, OURS);
	world_restart();
	world_expect(ROW, DRIFTED, "was stopped while it led");
	canned_reply(world.canned, 200, LEASE(OURS, "2026-09-21T14:13:19.900000Z"));
	canned_reply(world.canned, 200, LEASE("", "2026-09-21T14:13:19.900000Z"));
	run(leader_release_stopped(&world.ctx, COMPONENT));
	ck_assert_uint_eq(canned_count(world.canned), 2);
	ck_assert_ptr_null(leader_release_stopped(&world.ctx, COMPONENT));
}
END_TEST

START_TEST(test_the_next_instance_is_left_alone)
{
	leader_note_stopped(&world.ctx, COMPONENT, OURS);
	canned_reply(world.canned, 200, LEASE(WORLD_NODE "_next", "2026-09-21T14:13:19.900000Z"));
	run(leader_release_stopped(&world.ctx, COMPONENT));
	ck_assert_uint_eq(canned_count(world.canned), 1);
}
END_TEST

START_TEST(test_leaders_are_looked_at_once_after_a_start)
{
	world_expect(ROW, DRIFTED, "before this host's last start");
	world.ctx.leaders_seen = ~0u;
	world_expect(ROW, IN_SYNC, NULL);
}
END_TEST

Suite *suite_resources_leader(void)
{
	Suite *suite = suite_create("resources-leader");
	TCase *tests = tcase_create("leader");

	tcase_add_checked_fixture(tests, setup, world_done);
	tcase_add_loop_test(tests, test_only_an_older_instance_of_this_host_is_cleared, 0,
			    ARRAY_SIZE(older_cases));
	tcase_add_test(tests, test_the_stopped_instance_is_released_and_forgotten);
	tcase_add_test(tests, test_the_next_instance_is_left_alone);
	tcase_add_test(tests, test_leaders_are_looked_at_once_after_a_start);
	suite_add_tcase(suite, tests);
	return suite;
}
