/* The status (agentd/status.c): what each condition says, since when, and the hints. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/status.h"
#include "common/alloc.h"
#include "common/log.h"
#include "tests/unit/test-agentd.h"
#include "tests/unit/test-resources-world.h"

/* Rows that are what a test says. */
static enum verdict preflight, node_ready, admin;

static enum verdict observe_preflight(struct context *ctx, const struct resource *row,
				      struct why *why)
{
	why_set(why, "%s", preflight == IN_SYNC ? "" : "[ERROR Mem] too small");
	return preflight;
}
static enum verdict observe_node(struct context *ctx, const struct resource *row, struct why *why)
{
	why_set(why, "%s", node_ready == IN_SYNC ? "" : "the kubelet has not registered yet");
	return node_ready;
}
static enum verdict observe_admin(struct context *ctx, const struct resource *row, struct why *why)
{
	return admin;
}

static const struct resource rows[] = {
	{ .name = "preflight", .title = "", .roles = FOR_ANY, .observe = observe_preflight },
	{ .name = "kubeconfig-admin",
	  .title = "",
	  .roles = FOR_ANY,
	  .observe = observe_admin,
	  .condition = "AdminCanWork" },
	{ .name = "node-ready", .title = "", .roles = FOR_ANY, .observe = observe_node },
};
static const struct resource *const list[] = { &rows[0], &rows[1], &rows[2], NULL };

static struct engine *engine;
static struct status *status;
static struct status_input input;
static struct error file_error;
static struct value *last;

static void ignore(void *userdata)
{
}
static void prepare(void *userdata, int64_t wall_s)
{
	world.ctx.now = wall_s;
}

static void silent(int level, const char *scope, const char *message, void *userdata)
{
}

static void setup(void)
{
	struct engine_hooks hooks = { .prepare = prepare,
				      .triggers_changed = ignore,
				      .changed = ignore };

	log_set_sink(silent, NULL);
	world_init();
	preflight = node_ready = admin = IN_SYNC;
	file_error = ERROR_INIT;
	engine = engine_new(world.ctx.loop, list, &world.ctx, world.ctx.ledger, &hooks, 1);
	status = status_new();
	input = (struct status_input){ .ctx = &world.ctx,
				       .engine = engine,
				       .role_file_error = &file_error };
	last = NULL;
}

static void teardown(void)
{
	value_unref(last);
	status_free(status);
	engine_free(engine);
	world_done();
}

static void take_role(const char *text)
{
	world_set_role(text);
	world.ctx.role->generation = 4;
	engine_set_role(engine, world.ctx.role, FOR_CONTROL_PLANE, 4);
}

/* The status after a pass; borrowed until the next. */
static const struct value *look(void)
{
	(void)engine_mark(engine, NULL);
	engine_pass(engine);
	value_unref(last);
	last = status_value(status, &input);
	return last;
}

static const struct value *condition(const char *type)
{
	const struct value *conditions = value_get(look(), "conditions");

	VALUE_FOREACH(i, conditions)
		if (strcmp(value_string(value_get(value_item(conditions, i), "type")), type) == 0)
			return value_item(conditions, i);
	ck_abort_msg("there is no condition %s", type);
}

/* What may be the case. */

static void no_role(void)
{
}
static void good(void)
{
	take_role(WORLD_CONTROL_PLANE);
}
static void blocked(void)
{
	preflight = BLOCKED;
	good();
}
static void waits(void)
{
	preflight = UNKNOWN;
	good();
}
static void not_ready(void)
{
	node_ready = UNKNOWN;
	good();
}
static void bad_file(void)
{
	(void)error_set(&file_error, ERROR_CONFIG, -EINVAL, "role.yaml:1:2: no");
}
static void exposed(void)
{
	input.exposed_file = "/etc/agentd/role.yaml";
}
static void with_client(void)
{
	good();
	world_serve();
}
static void server_lost(void)
{
	with_client();
	world_set_objects_error(ERROR_NETWORK, "connection refused");
}
static void node_says(const char *text)
{
	_cleanup_free_ char *json =
	    xasprintf("{'status':{'conditions':[{'type':'Ready','message':'%s'}]}}", text);

	good();
	world_set_object(KUBE_NODES, WORLD_NODE, json);
}
static void no_network(void)
{
	node_says("container runtime network not ready: NetworkReady=false");
}
static void network(void)
{
	node_says("kubelet is posting ready status");
}

/* clang-format off */
static const struct {
	const char *rule;
	void (*change)(void);
	const char *type, *status, *reason, *message;
} cases[] = {
	{ "no role",        no_role,     "Ready", "Unknown", "NoRole", "has no role" },
	{ "ready",          good,        "Ready", "True", "NodeReady", WORLD_NODE },
	{ "not ready",      not_ready,   "Ready", "False", "NodeNotReady", "has not registered yet" },
	{ "no role",        no_role,     "Converged", "Unknown", "NoRole", "has no role" },
	{ "all in sync",    good,        "Converged", "True", "AllInSync", "all 3 resources" },
	{ "one open",       not_ready,   "Converged", "False", "InWork", "1 of 3 resources are not in sync, first: node-ready" },
	{ "no file",        no_role,     "RoleFileValid", "True", "Valid", "there is no role file" },
	{ "good file",      good,        "RoleFileValid", "True", "Valid", "role" },
	{ "bad file",       bad_file,    "RoleFileValid", "False", "RoleFileInvalid", "role.yaml:1:2: no" },
	{ "no role",        no_role,     "PreflightPassed", "Unknown", "NoRole", "has no role" },
	{ "fit",            good,        "PreflightPassed", "True", "Passed", "" },
	{ "unfit",          blocked,     "PreflightPassed", "False", "Findings", "[ERROR Mem]" },
	{ "waits",          waits,       "PreflightPassed", "Unknown", "Findings", "[ERROR Mem]" },
	{ "no role",        no_role,     "APIServerReachable", "Unknown", "NoRole", "has no role" },
	{ "no identity",    good,        "APIServerReachable", "Unknown", "NoIdentity", "no certificate" },
	{ "reachable",      with_client, "APIServerReachable", "True", "Reachable", "http://127.0.0.1:" },
	{ "lost",           server_lost, "APIServerReachable", "False", "Unreachable", "connection refused" },
	{ "no node",        good,        "PodNetwork", "Unknown", "NodeUnknown", "has not been seen" },
	{ "no network",     no_network,  "PodNetwork", "False", "Missing", "install a CNI add-on" },
	{ "network",        network,     "PodNetwork", "True", "Present", "" },
	{ "private",        good,        "SecretsPrivate", "True", "Private", "" },
	{ "a row's",        good,        "AdminCanWork", "True", "InSync", "" },
	{ "exposed",        exposed,     "SecretsPrivate", "False", "SecretExposed", "chmod 0600" },
};
/* clang-format on */

START_TEST(test_conditions)
{
	const struct value *found;

	cases[_i].change();
	found = condition(cases[_i].type);
	ck_assert_msg(strcmp(value_string(value_get(found, "status")), cases[_i].status) == 0,
		      "%s: %s is %s", cases[_i].rule, cases[_i].type,
		      value_string(value_get(found, "status")));
	ck_assert_str_eq(value_string(value_get(found, "reason")), cases[_i].reason);
	ck_assert_msg(strstr(value_string(value_get(found, "message")), cases[_i].message),
		      "%s: %s", cases[_i].rule, value_string(value_get(found, "message")));
}
END_TEST

START_TEST(test_a_condition_keeps_its_date_while_its_status_stays)
{
	_cleanup_free_ char *first = NULL;

	not_ready();
	first = xstrdup(value_string(value_get(condition("Ready"), "since")));
	ck_assert_str_eq(first, "2026-09-21T14:13:20Z");
	clock_fake_advance(&world.clock, 90 * NSEC_PER_SEC);
	ck_assert_str_eq(value_string(value_get(condition("Ready"), "since")), first);
	node_ready = IN_SYNC;
	ck_assert_str_eq(value_string(value_get(condition("Ready"), "since")),
			 "2026-09-21T14:14:50Z");
}
END_TEST

static int64_t generation(const char *which)
{
	int64_t number = -1;

	ck_assert(value_to_int(value_at(look(), "generation", which), &number));
	return number;
}

START_TEST(test_a_generation_is_reached_when_all_is_in_sync)
{
	ck_assert_int_eq(generation("wanted"), 0);
	not_ready();
	ck_assert_int_eq(generation("wanted"), 4);
	ck_assert_int_eq(generation("reached"), 0);
	node_ready = IN_SYNC;
	ck_assert_int_eq(generation("reached"), 4);
	node_ready = UNKNOWN;
	ck_assert_int_eq(generation("reached"), 4);
}
END_TEST

static bool has_hint(const char *text)
{
	const struct value *hints = value_get(look(), "hints");

	VALUE_FOREACH(i, hints)
		if (strstr(value_string(value_item(hints, i)), text))
			return true;
	return false;
}

START_TEST(test_hints_say_what_to_do_next)
{
	ck_assert(has_hint("give this host a role"));
	admin = DRIFTED;
	good();
	ck_assert(!has_hint("give this host a role"));
	ck_assert(!has_hint("KUBECONFIG"));
	admin = IN_SYNC;
	ck_assert(has_hint("export KUBECONFIG=/etc/kubernetes/admin.conf"));
	ck_assert(has_hint("agentctl token create --print-join-command"));
	ck_assert(!has_hint("CNI"));
	no_network();
	ck_assert(has_hint("there is no pod network: install a CNI add-on"));
	take_role(WORLD_WORKER);
	ck_assert(!has_hint("KUBECONFIG"));
	ck_assert(!has_hint("print-join-command"));
}
END_TEST

START_TEST(test_the_line_for_systemd)
{
	char line[256];

	status_line(&input, line, sizeof(line));
	ck_assert_str_eq(line, "No role; waiting for /etc/agentd/role.yaml or agentctl");
	not_ready();
	(void)look();
	status_line(&input, line, sizeof(line));
	ck_assert_str_eq(line, "control-plane " WORLD_NODE ": not Ready");
	node_ready = IN_SYNC;
	admin = UNKNOWN;
	(void)look();
	status_line(&input, line, sizeof(line));
	ck_assert_str_eq(line, "control-plane " WORLD_NODE ": Ready, work in progress");
	admin = IN_SYNC;
	(void)look();
	status_line(&input, line, sizeof(line));
	ck_assert_str_eq(line, "control-plane " WORLD_NODE ": Ready");
}
END_TEST

Suite *suite_agentd_status(void)
{
	Suite *suite = suite_create("status");
	TCase *tests = tcase_create("status");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_conditions, 0, ARRAY_SIZE(cases));
	tcase_add_test(tests, test_a_condition_keeps_its_date_while_its_status_stays);
	tcase_add_test(tests, test_a_generation_is_reached_when_all_is_in_sync);
	tcase_add_test(tests, test_hints_say_what_to_do_next);
	tcase_add_test(tests, test_the_line_for_systemd);
	suite_add_tcase(suite, tests);
	return suite;
}
