/* What a node's identity runs into and what is then done: the decisions as tables, and what the
 * rows of the Node object, the address, the host's name, the clock and etcd's member say. */
#include <stdio.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/identity_rules.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define NODE_ROW    "node-registered"
#define USER_ROW    "node-name"
#define NAME_ROW    "host-name"
#define ADDRESS_ROW "node-address"
#define PROXY_ROW   "kube-proxy-endpoint"
#define MEMBER_ROW  "etcd-member"
#define CLOCK_ROW   "clock"
#define SEEN	    "/var/lib/agentd/clock"
#define OTHER	    "10.77.0.51"

/* Decisions. */

/* clang-format off */
static const struct { const char *note; unsigned count; } restart_notes[] = {
	{ NULL, 0 },
	{ "", 0 },
	{ "nonsense", 0 },
	{ "2 1789999990", 2 },
	{ "2 1789999400", 2 },		/* ten minutes ago */
	{ "2 1789999399", 0 },		/* longer ago: quiet again */
	{ "2 1800000000", 2 },		/* the clock was set back: it counts */
	{ "4000 1789999990", 0 },
	{ "-1 1789999990", 0 },
};

static const struct { unsigned count; int64_t age_s; unsigned grace_s; } graces[] = {
	{ 0, 100, 1 },			/* the API server has just begun to answer */
	{ 0, 5, 1 },
	{ 0, 0, 5 },			/* it has only just started: it succeeds by itself */
	{ 0, 3, 2 },
	{ 0, -7200, 5 },		/* the clock was set back */
	{ 1, 100, 5 },
	{ 2, 100, 30 },
	{ 3, 100, 60 },
	{ 4, 100, 120 },
	{ 5, 100, 300 },
	{ 500, 100, 300 },
};

static const struct { struct identity_address seen; enum identity_move move; } moves[] = {
	{ { .known = false }, IDENTITY_STAY },
	{ { .known = true, .is_present = true }, IDENTITY_STAY },
	{ { .known = true, .is_present = true, .has_other = true }, IDENTITY_STAY },
	{ { .known = true, .is_present = true, .is_named = true, .has_other = true }, IDENTITY_STAY },
	{ { .known = true }, IDENTITY_WAIT },
	{ { .known = true, .has_other = true }, IDENTITY_MOVE },
	{ { .known = true, .is_named = true }, IDENTITY_TELL },
	{ { .known = true, .is_named = true, .has_other = true }, IDENTITY_TELL },
};

static const struct { struct identity_clock seen; enum identity_clock_verdict verdict; } clocks[] = {
	{ { .now_s = 1000, .floor_s = 0 }, IDENTITY_CLOCK_GOOD },
	{ { .now_s = 1000, .floor_s = 1300 }, IDENTITY_CLOCK_GOOD },	/* what certificates allow */
	{ { .now_s = 1000, .floor_s = 1301 }, IDENTITY_CLOCK_BEHIND },	/* booted in 1970 */
	{ { .now_s = 1000, .floor_s = 9999, .synchronized = true }, IDENTITY_CLOCK_GOOD },
	{ { .now_s = 9000, .jump_s = 3600 }, IDENTITY_CLOCK_GOOD },
	{ { .now_s = 9000, .jump_s = 3601 }, IDENTITY_CLOCK_JUMPED },
	{ { .now_s = 9000, .jump_s = 3601, .since_jump_s = 59 }, IDENTITY_CLOCK_JUMPED },
	{ { .now_s = 9000, .jump_s = 3601, .since_jump_s = 60 }, IDENTITY_CLOCK_GOOD },
	{ { .now_s = 9000, .jump_s = 3601, .synchronized = true }, IDENTITY_CLOCK_GOOD },
	{ { .now_s = 9000, .jump_s = 8000, .floor_s = 1301 }, IDENTITY_CLOCK_GOOD },	/* set right */
	{ { .now_s = 9000, .jump_s = 8000, .floor_s = 1300 }, IDENTITY_CLOCK_JUMPED },
	{ { .now_s = 9000, .jump_s = -86400 }, IDENTITY_CLOCK_GOOD },	/* back: nothing expires early */
};
/* clang-format on */

START_TEST(test_only_recent_restarts_count)
{
	ck_assert_uint_eq(identity_restarts_read(restart_notes[_i].note, 1790000000).count,
			  restart_notes[_i].count);
}
END_TEST

START_TEST(test_a_kubelet_gets_the_more_time_the_younger_it_is_and_the_more_restarts_there_were)
{
	struct identity_restarts past = { .count = graces[_i].count };

	ck_assert_uint_eq(identity_registration_grace_s(past, graces[_i].age_s),
			  graces[_i].grace_s);
}
END_TEST

START_TEST(test_only_an_address_that_is_gone_and_was_found_out_is_left)
{
	ck_assert_int_eq(identity_address_decide(&moves[_i].seen), moves[_i].move);
}
END_TEST

START_TEST(test_a_clock_is_believed_unless_it_is_behind_or_just_leapt_ahead)
{
	ck_assert_int_eq(identity_clock_decide(&clocks[_i].seen), clocks[_i].verdict);
}
END_TEST

/* Rows. */

static struct role_address addresses[1];

static void host_has(const char *address)
{
	addresses[0] = (struct role_address){ .interface = "eth0", .is_up = true };
	ck_assert_int_eq(parse_ip(address, &addresses[0].address), 0);
	world.ctx.addresses = addresses;
	world.ctx.address_count = 1;
}

static void control_plane(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	host_has(WORLD_ADDRESS);
}

static void node_missing(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE, NULL);
}
static void node_found(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE, "{'metadata':{'name':'node-1','uid':'1'}}");
}
static void node_found_after_a_restart(void)
{
	node_found();
	ledger_set_note(world.ctx.ledger, NODE_ROW, "restarted", "yes");
}
static void node_of(const char *machine_id)
{
	_cleanup_free_ char *json = xasprintf(
	    "{'metadata':{'name':'node-1'},'status':{'nodeInfo':{'machineID':'%s'}}}", machine_id);

	world_set_object(KUBE_NODES, WORLD_NODE, json);
}
static void node_of_this_host(void)
{
	node_of(WORLD_ID);
}
static void node_of_another_host(void)
{
	node_of("ffffffffffffffffffffffffffffffff");
}
static void api_silent(void)
{
	world_set_objects_error(ERROR_NETWORK, "connection refused");
}

static void name_found(void)
{
	world.ctx.role->name_is_found = true;
}
static void renamed(void)
{
	name_found();
	world.ctx.hostname = "other";
}
static void named_otherwise(void)
{
	world.ctx.hostname = "other";
}

static void address_found(void)
{
	world.ctx.role->address_is_found = true;
}
static void address_gone(void)
{
	address_found();
	world.ctx.address_count = 0;
}
static void address_down(void)
{
	address_found();
	addresses[0].is_up = false;
}
static void address_other(void)
{
	address_found();
	host_has(OTHER);
}
static void named_address_gone(void)
{
	host_has(OTHER);
}
static void node_ip_gone(void)
{
	world_set_role(WORLD_ROLE("control-plane") "---\napiVersion: kubeadm.k8s.io/v1beta4\n"
						   "kind: InitConfiguration\nlocalAPIEndpoint: "
						   "{advertiseAddress: " WORLD_ADDRESS "}\n"
						   "nodeRegistration: {name: " WORLD_NODE
						   ", kubeletExtraArgs: [{name: node-ip, value: "
						   "10.9.9.9}]}\n");
}

static void proxy_talks_to(const char *address)
{
	_cleanup_free_ char *json =
	    xasprintf("{'data':{'kubeconfig.conf':'clusters:\\n- cluster:\\n    server: "
		      "https://%s:6443\\n  name: default'}}",
		      address);

	world_set_object(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBE_PROXY, json);
}
static void moved(void)
{
	ledger_set_note(world.ctx.ledger, ADDRESS_ROW, "former", "10.77.0.9 10.77.0.8");
}
static void proxy_of_an_administrator(void)
{
	moved();
	proxy_talks_to("192.0.2.1");
}
static void proxy_left_behind(void)
{
	moved();
	proxy_talks_to("10.77.0.8");
}
static void proxy_longer_address(void)
{
	moved();
	proxy_talks_to("10.77.0.81");
}
static void proxy_told_not_restarted(void)
{
	moved();
	proxy_talks_to(WORLD_ADDRESS);
	ledger_set_note(world.ctx.ledger, PROXY_ROW, "restart", "yes");
}
static void moved_back(void)
{
	ledger_set_note(world.ctx.ledger, ADDRESS_ROW, "former", WORLD_ADDRESS);
	proxy_talks_to(WORLD_ADDRESS);
}

static void member_noted(void)
{
	world_make(MEMBER_ROW);
}
static void member_elsewhere(void)
{
	ledger_set_note(world.ctx.ledger, MEMBER_ROW, "peer-urls", "https://10.77.0.9:2380");
}

static void clock_noted(void)
{
	world_make(CLOCK_ROW);
}
static void clock_noted_yesterday(void)
{
	world_write(SEEN, "2026-09-20T13:20:00Z", 0600);
}
static void clock_back(void)
{
	clock_noted();
	world.ctx.now = WORLD_NOW - 3600;
}
static void clock_back_and_synchronized(void)
{
	clock_back();
	world_write("/run/systemd/timesync/synchronized", "", 0644);
}
static void clock_before_the_build(void)
{
	world.ctx.built_s = WORLD_NOW;
	world.ctx.now = 60;
}
static void clock_ahead(void)
{
	clock_noted();
	world.ctx.now = WORLD_NOW + 7200;
	world.ctx.clock_jump_s = 7200;
	world.ctx.clock_jumped_ns = clock_ns(world.ctx.clock);
}
static void clock_ahead_confirmed(void)
{
	clock_ahead();
	world_set_unit("time-sync.target", "loaded", "active", "static");
}
static void clock_ahead_for_a_minute(void)
{
	clock_ahead();
	clock_fake_advance(&world.clock, 61 * NSEC_PER_SEC);
}

/* clang-format off */
static const struct world_case cases[] = {
	{ "Node, API silent",       api_silent,     NODE_ROW, UNKNOWN, "has not told yet: connection refused" },
	{ "Node, missing",          node_missing,   NODE_ROW, DRIFTED, "a kubelet registers once" },
	{ "Node, there",            node_found,     NODE_ROW, IN_SYNC, NULL },
	{ "Node, back",             node_found_after_a_restart, NODE_ROW, DRIFTED, "is registered again" },

	{ "Node, ours",             node_of_this_host, USER_ROW, IN_SYNC, NULL },
	{ "Node, not told yet",     node_found,     USER_ROW, IN_SYNC, NULL },
	{ "Node, another host's",   node_of_another_host, USER_ROW, BLOCKED, "another host (machine-id ffffffffffffffffffffffffffffffff)" },

	{ "name, the host's",       name_found,      NAME_ROW, IN_SYNC, NULL },
	{ "name, host renamed",     renamed,         NAME_ROW, BLOCKED, "called other now, and stays registered as node node-1" },
	{ "name, the role's",       named_otherwise, NAME_ROW, IN_SYNC, NULL },

	{ "address, there",         address_found,  ADDRESS_ROW, IN_SYNC, NULL },
	{ "address, gone",          address_gone,   ADDRESS_ROW, UNKNOWN, "no other that could take its place" },
	{ "address, link down",     address_down,   ADDRESS_ROW, UNKNOWN, "does not have its address 10.77.0.11" },
	{ "address, another",       address_other,  ADDRESS_ROW, DRIFTED, "10.77.0.11 any more, but 10.77.0.51" },
	{ "address, named",         named_address_gone, ADDRESS_ROW, BLOCKED, "it has 10.77.0.51: give it back, or name another" },
	{ "address, node-ip",       node_ip_gone,   ADDRESS_ROW, BLOCKED, "kubeletExtraArgs, node-ip" },

	{ "proxy, never moved",     NULL,           PROXY_ROW, IN_SYNC, NULL },
	{ "proxy, not told",        moved,          PROXY_ROW, UNKNOWN, "has not told yet" },
	{ "proxy, an admin's",      proxy_of_an_administrator, PROXY_ROW, IN_SYNC, NULL },
	{ "proxy, left behind",     proxy_left_behind, PROXY_ROW, DRIFTED, "that this control plane has left" },
	{ "proxy, longer address",  proxy_longer_address, PROXY_ROW, IN_SYNC, NULL },
	{ "proxy, told",            proxy_told_not_restarted, PROXY_ROW, DRIFTED, "has to be started" },
	{ "proxy, moved back",      moved_back,     PROXY_ROW, IN_SYNC, NULL },

	{ "member, first",          NULL,           MEMBER_ROW, DRIFTED, "has not been noted yet" },
	{ "member, noted",          member_noted,   MEMBER_ROW, IN_SYNC, NULL },
	{ "member, elsewhere",      member_elsewhere, MEMBER_ROW, DRIFTED, "by https://10.77.0.9:2380, not by https://10.77.0.11:2380" },

	{ "clock, first",           NULL,           CLOCK_ROW, DRIFTED, "is noted once a day" },
	{ "clock, noted",           clock_noted,    CLOCK_ROW, IN_SYNC, NULL },
	{ "clock, noted long ago",  clock_noted_yesterday, CLOCK_ROW, DRIFTED, "is noted once a day" },
	{ "clock, back",            clock_back,     CLOCK_ROW, BLOCKED, "no certificate is made until it is set" },
	{ "clock, set right",       clock_back_and_synchronized, CLOCK_ROW, DRIFTED, "is noted once a day" },
	{ "clock, 1970",            clock_before_the_build, CLOCK_ROW, BLOCKED, "the clock shows 1970-01-01T00:01:00Z" },
	{ "clock, ahead",           clock_ahead,    CLOCK_ROW, UNKNOWN, "set ahead by 2 hours" },
	{ "clock, confirmed",       clock_ahead_confirmed, CLOCK_ROW, IN_SYNC, NULL },
	{ "clock, ahead for long",  clock_ahead_for_a_minute, CLOCK_ROW, IN_SYNC, NULL },
};
/* clang-format on */

START_TEST(test_verdicts)
{
	world_check_case(&cases[_i]);
}
END_TEST

START_TEST(test_conditions_have_reasons_for_programs)
{
	struct why why;

	renamed();
	(void)world_observe(NAME_ROW, &why);
	ck_assert_str_eq(why.reason, "HostnameChanged");
	named_address_gone();
	(void)world_observe(ADDRESS_ROW, &why);
	ck_assert_str_eq(why.reason, "AddressChanged");
	clock_before_the_build();
	(void)world_observe(CLOCK_ROW, &why);
	ck_assert_str_eq(why.reason, "ClockBehind");
	world.ctx.built_s = 0;
	world.ctx.now = WORLD_NOW;
	clock_ahead();
	(void)world_observe(CLOCK_ROW, &why);
	ck_assert_str_eq(why.reason, "ClockJump");
}
END_TEST

/* The bus is NULL here: a restart of the kubelet would crash. */
START_TEST(test_a_node_that_the_api_server_knows_after_all_restarts_nothing)
{
	struct error err = ERROR_INIT;

	node_missing();
	world_serve();
	canned_reply(world.canned, 200,
		     "{'apiVersion':'v1','kind':'Node','metadata':{'name':'node-1'}}");
	ck_assert_int_eq(world_apply_after(NODE_ROW, 2, &err), 0);
	ck_assert_str_eq(canned_line(world.canned, 0), "GET /api/v1/nodes/node-1");
	ck_assert_ptr_null(ledger_note(world.ctx.ledger, NODE_ROW, "restarts"));
}
END_TEST

START_TEST(test_a_server_that_fails_is_no_evidence_against_a_node)
{
	struct error err = ERROR_INIT;

	node_missing();
	world_serve();
	canned_reply(world.canned, 503, "{'kind':'Status','message':'starting'}");
	ck_assert_int_lt(world_apply_after(NODE_ROW, 2, &err), 0);
	ck_assert_ptr_null(ledger_note(world.ctx.ledger, NODE_ROW, "restarts"));
}
END_TEST

START_TEST(test_a_node_that_is_back_is_noted_once)
{
	struct error err = ERROR_INIT;

	node_found_after_a_restart();
	world_serve();
	canned_reply(world.canned, 200,
		     "{'apiVersion':'v1','kind':'Node','metadata':{'name':'node-1'}}");
	ck_assert_int_eq(world_apply(NODE_ROW, &err), 0);
	world_expect(NODE_ROW, IN_SYNC, NULL);
}
END_TEST

static char moved_to[64];

static int move_address(struct context *ctx, const char *address, struct error *err)
{
	(void)ctx;
	(void)err;
	(void)snprintf(moved_to, sizeof(moved_to), "%s", address);
	return 0;
}

START_TEST(test_an_address_that_comes_back_is_not_left)
{
	struct error err = ERROR_INIT;

	world.ctx.move_address = move_address;
	moved_to[0] = '\0';
	address_other();
	host_has(WORLD_ADDRESS);
	ck_assert_int_eq(world_apply_after(ADDRESS_ROW, 6, &err), 0);
	ck_assert_str_eq(moved_to, "");
	address_other();
	ck_assert_int_eq(world_apply_after(ADDRESS_ROW, 6, &err), 0);
	ck_assert_str_eq(moved_to, OTHER);
}
END_TEST

START_TEST(test_a_moved_role_is_the_same_but_for_its_address)
{
	struct role_host host = { .hostname = WORLD_NODE, .root = world.root };
	_cleanup_(buf_done) struct buf before = BUF_INIT(MIB), after = BUF_INIT(MIB);
	_cleanup_(role_unref) struct role *role = NULL;
	struct error err = ERROR_INIT;

	world.ctx.role->address_is_found = true;
	ck_assert_int_eq(role_move(world.ctx.role, &host, OTHER, &role, &err), 0);
	ck_assert_str_eq(role->advertise_address, OTHER);
	ck_assert(role->address_is_found);
	ck_assert_uint_eq(role->generation, world.ctx.role->generation);
	ck_assert_str_eq(role->digest, world.ctx.role->digest);
	free(role->advertise_address);
	role->advertise_address = xstrdup(WORLD_ADDRESS);
	ck_assert_int_eq(role_write(world.ctx.role, &before), 0);
	ck_assert_int_eq(role_write(role, &after), 0);
	ck_assert_str_eq(before.data, after.data);
}
END_TEST

START_TEST(test_kube_proxy_gets_the_new_address_and_keeps_the_rest)
{
	struct error err = ERROR_INIT;

	proxy_left_behind();
	world_serve();
	canned_reply(world.canned, 200,
		     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'kube-proxy','"
		     "namespace':'kube-system'}}");
	canned_reply(
	    world.canned, 200,
	    "{'apiVersion':'apps/"
	    "v1','kind':'DaemonSet','metadata':{'name':'kube-proxy','namespace':'kube-system'}}");
	ck_assert_int_eq(world_apply(PROXY_ROW, &err), 0);
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 0),
				     "    server: https://" WORLD_ADDRESS
				     ":6443\\n  name: default"));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "agentd.io/endpoint"));
	proxy_talks_to(WORLD_ADDRESS);
	world_expect(PROXY_ROW, IN_SYNC, NULL);
}
END_TEST

Suite *suite_resources_identity(void)
{
	Suite *suite = suite_create("resources-identity");
	TCase *rules = tcase_create("rules");
	TCase *rows = tcase_create("rows");

	tcase_add_loop_test(rules, test_only_recent_restarts_count, 0, ARRAY_SIZE(restart_notes));
	tcase_add_loop_test(
	    rules,
	    test_a_kubelet_gets_the_more_time_the_younger_it_is_and_the_more_restarts_there_were, 0,
	    ARRAY_SIZE(graces));
	tcase_add_loop_test(rules, test_only_an_address_that_is_gone_and_was_found_out_is_left, 0,
			    ARRAY_SIZE(moves));
	tcase_add_loop_test(rules, test_a_clock_is_believed_unless_it_is_behind_or_just_leapt_ahead,
			    0, ARRAY_SIZE(clocks));
	suite_add_tcase(suite, rules);
	tcase_add_checked_fixture(rows, control_plane, world_done);
	tcase_add_loop_test(rows, test_verdicts, 0, ARRAY_SIZE(cases));
	tcase_add_test(rows, test_conditions_have_reasons_for_programs);
	tcase_add_test(rows, test_a_node_that_the_api_server_knows_after_all_restarts_nothing);
	tcase_add_test(rows, test_a_server_that_fails_is_no_evidence_against_a_node);
	tcase_add_test(rows, test_a_node_that_is_back_is_noted_once);
	tcase_add_test(rows, test_an_address_that_comes_back_is_not_left);
	tcase_add_test(rows, test_a_moved_role_is_the_same_but_for_its_address);
	tcase_add_test(rows, test_kube_proxy_gets_the_new_address_and_keeps_the_rest);
	suite_add_tcase(suite, rows);
	return suite;
}
