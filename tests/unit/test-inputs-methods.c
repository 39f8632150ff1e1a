/* Tests of agentd/inputs/methods.c: who may call what, parameters, and answers. */
#include "tests/unit/test-inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agentd/inputs/methods.h"
#include "common/alloc.h"
#include "common/json.h"

#define NODE "io.agentd.Node."

/* A connection served by the methods, hooks that note what they are asked, and the other end. */
struct desk {
	struct clock_fake clock;
	struct loop *loop;
	struct varlink_connection *connection;
	struct methods_call *call;
	bool allowed[2];
	int client;

	char noted[400];    /* what hooks were asked */
	struct op *slow;    /* made by token_create for "slow" */
	unsigned cancelled; /* slow ones that were given up */
	bool has_role;
	struct error refusal; /* of role_set and token_create, where it is set */
	struct value *reply;
};

static void note(struct desk *desk, const char *text)
{
	size_t used = strlen(desk->noted);

	ck_assert_uint_lt(used + strlen(text) + 2, sizeof(desk->noted));
	strcpy(desk->noted + used, text);
	strcat(desk->noted, ";");
}

static struct value *hook_status(void *userdata)
{
	note(userdata, "status");
	return value_put(value_new_map(), "role", value_new_string("none"));
}

static struct value *hook_plan(void *userdata)
{
	note(userdata, "plan");
	return ((struct desk *)userdata)->has_role ? value_new_list() : NULL;
}

static struct value *hook_explain(const char *name, void *userdata)
{
	note(userdata, name);
	if (strcmp(name, "kubelet-unit") != 0)
		return NULL;
	return value_put(value_new_map(), "name", value_new_string(name));
}

static bool hook_reconcile(void *userdata)
{
	note(userdata, "reconcile");
	return ((struct desk *)userdata)->has_role;
}

static int hook_role_get(struct buf *buf, void *userdata)
{
	note(userdata, "role_get");
	if (!((struct desk *)userdata)->has_role)
		return 0;
	ck_assert_int_eq(buf_append_string(buf, "role: worker\n"), 0);
	return 1;
}

static int hook_role_set(const char *text, size_t length, const char *name, void *userdata,
			 struct error *err)
{
	struct desk *desk = userdata;

	ck_assert_uint_eq(strlen(text), length);
	note(desk, text);
	note(desk, name);
	if (error_is_set(&desk->refusal))
		*err = desk->refusal;
	return desk->refusal.code;
}

static struct value *token_of(const char *description)
{
	struct value *map = value_new_map();

	map = value_put(map, "token", value_new_string("abcdef.0123456789abcdef"));
	map = value_put(map, "id", value_new_string("abcdef"));
	map = value_put(map, "surprise", value_new_string("0123456789abcdef"));
	return value_put(map, "description", value_new_string(description));
}

static void slow_cancel(void *impl)
{
	((struct desk *)impl)->cancelled++;
}
static const struct op_kind slow_kind = { .name = "slow", .cancel = slow_cancel };

static struct op *hook_token_create(const struct methods_token *params, void *userdata,
				    struct error *err)
{
	struct desk *desk = userdata;
	char *usages = strv_join(&params->usages, ","), *groups = strv_join(&params->groups, ",");
	char *text = xasprintf("%lld %s %s %s", (long long)params->ttl_s,
			       params->description ? params->description : "-", usages, groups);

	note(desk, text);
	free(usages);
	free(groups);
	free(text);
	if (error_is_set(&desk->refusal)) {
		*err = desk->refusal;
		return NULL;
	}
	if (params->description && strcmp(params->description, "slow") == 0)
		return desk->slow = op_new(desk->loop, &slow_kind, desk);
	return op_new_done(desk->loop, token_of(params->description));
}

static struct op *hook_token_list(void *userdata, struct error *err)
{
	struct desk *desk = userdata;

	return op_new_done(desk->loop, value_append(value_new_list(), token_of("d")));
}

static struct value *certificate_of(const char *name)
{
	struct value *map = value_put(value_new_map(), "name", value_new_string(name));

	map = value_put(map, "daysLeft", value_new_int(-3));
	return value_put(map, "key", value_new_string("a private one"));
}

static struct op *hook_certificate_list(void *userdata, struct error *err)
{
	struct desk *desk = userdata;

	return op_new_done(desk->loop, value_append(value_new_list(), certificate_of("apiserver")));
}

static struct op *hook_certificate_renew(const struct methods_renewal *params, void *userdata,
					 struct error *err)
{
	struct desk *desk = userdata;
	char *names = strv_join(&params->names, ",");
	char *text = xasprintf("renew %s %d %d", names, params->all, params->force);

	note(desk, text);
	free(names);
	free(text);
	return op_new_done(desk->loop, value_append(value_new_list(), certificate_of("etcd-peer")));
}

static struct op *hook_dns(void *userdata, struct error *err)
{
	struct desk *desk = userdata;

	(void)err;
	return op_new_done(desk->loop,
			   value_put(value_new_map(), "verdict", value_new_string("spread")));
}

static struct methods_hooks hooks_of(struct desk *desk)
{
	return (struct methods_hooks){
		.status = hook_status,
		.plan = hook_plan,
		.explain = hook_explain,
		.reconcile = hook_reconcile,
		.role_get = hook_role_get,
		.role_set = hook_role_set,
		.token_create = hook_token_create,
		.token_list = hook_token_list,
		.certificate_list = hook_certificate_list,
		.certificate_renew = hook_certificate_renew,
		.dns_status = hook_dns,
		.dns_rebalance = hook_dns,
		.userdata = desk,
	};
}

static void on_done(struct methods_call *call, void *userdata)
{
	struct desk *desk = userdata;

	ck_assert_ptr_eq(desk->call, call);
	desk->call = methods_call_free(call);
}

static struct methods_hooks hooks_of_desk;

static void on_call(struct varlink_connection *connection, const struct varlink_call *call,
		    void *userdata)
{
	struct desk *desk = userdata;

	ck_assert_ptr_null(desk->call);
	desk->call = methods_serve(&hooks_of_desk, connection, call, desk->allowed, on_done, desk);
}

static void on_closed(struct varlink_connection *connection, const char *reason, void *userdata)
{
	struct desk *desk = userdata;

	desk->call = methods_call_free(desk->call);
	desk->connection = varlink_connection_free(desk->connection);
}

static void desk_init(struct desk *desk, bool may_read, bool may_change)
{
	static const struct varlink_connection_hooks hooks = { on_call, on_closed };
	int fds[2];

	*desk = (struct desk){ .allowed = { may_read, may_change }, .has_role = true };
	hooks_of_desk = hooks_of(desk);
	clock_fake_init(&desk->clock, 1000000);
	desk->loop = loop_new(&desk->clock.clock);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	desk->client = fds[0];
	desk->connection =
	    varlink_connection_new(desk->loop, fds[1], VARLINK_MESSAGE_MAX, &hooks, desk);
}

static void desk_done(struct desk *desk)
{
	methods_call_free(desk->call);
	varlink_connection_free(desk->connection);
	loop_free(desk->loop);
	if (desk->client >= 0)
		(void)close(desk->client);
	value_unref(desk->reply);
}
DEFINE_CLEANUP_VALUE(struct desk, desk_done)

static void desk_run(struct desk *desk)
{
	for (unsigned i = 0; i < 10; i++)
		loop_once(desk->loop, false);
}

/* Sends a call with parameters as JSON, ' for ", and more text for its map. */
static void desk_send(struct desk *desk, const char *method, const char *parameters)
{
	char *call =
	    xasprintf("{'method':'%s','parameters':%s}", method, parameters ? parameters : "{}");

	for (char *c = call; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	ck_assert_int_eq(send(desk->client, call, strlen(call) + 1, 0), (ssize_t)strlen(call) + 1);
	free(call);
	desk_run(desk);
}

/* The next reply's JSON; NULL if there is none. */
static const struct value *desk_receive(struct desk *desk)
{
	static char bytes[65536];
	struct error err = ERROR_INIT;
	ssize_t n = recv(desk->client, bytes, sizeof(bytes), 0);

	desk->reply = value_unref(desk->reply);
	if (n < 0)
		return NULL;
	ck_assert_int_gt(n, 1);
	ck_assert_ptr_eq(memchr(bytes, '\0', (size_t)n), bytes + n - 1);
	ck_assert_int_eq(json_parse(bytes, (size_t)n - 1, "reply", &desk->reply, &err), 0);
	return desk->reply;
}

static const struct value *desk_ask(struct desk *desk, const char *method, const char *parameters)
{
	desk_send(desk, method, parameters);
	return desk_receive(desk);
}

static const char *error_of(const struct value *reply)
{
	return value_string_or(value_get(reply, "error"), "");
}

static const char *parameter(const struct value *reply, const char *key)
{
	return value_string_or(value_at(reply, "parameters", key), "");
}

START_TEST(test_each_method_is_for_those_who_have_its_privilege)
{
	for (const struct method *method = methods_table; method->name; method++)
		for (unsigned level = 0; level <= 2; level++) {
			_cleanup_(desk_done) struct desk desk;
			_cleanup_free_ char *name = xasprintf(NODE "%s", method->name);
			bool allowed = level > (unsigned)method->privilege;
			const struct value *reply;

			desk_init(&desk, level >= 1, level >= 2);
			reply = desk_ask(&desk, name,
					 !method->rows				? NULL
					 : strcmp(method->name, "Explain") == 0 ? "{'resource':'x'}"
					 : strcmp(method->name, "SetRole") == 0 ? "{'text':'x'}"
										: NULL);
			ck_assert_ptr_nonnull(reply);
			ck_assert_msg((strcmp(error_of(reply), VARLINK_PERMISSION_DENIED) != 0) ==
					  allowed,
				      "%s at level %u", method->name, level);
			if (!allowed)
				ck_assert_str_eq(desk.noted, "");
		}
}
END_TEST

START_TEST(test_stranger_is_told_nothing_about_what_there_is)
{
	static const char *const methods[] = { "org.varlink.service.GetInfo", NODE "Nothing",
					       "a.b.C" };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		_cleanup_(desk_done) struct desk desk;

		desk_init(&desk, false, false);
		ck_assert_str_eq(error_of(desk_ask(&desk, methods[i], NULL)),
				 VARLINK_PERMISSION_DENIED);
	}
}
END_TEST

START_TEST(test_unknown_names_are_told_apart)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply;

	desk_init(&desk, true, true);
	reply = desk_ask(&desk, "io.agentd.Other.Status", NULL);
	ck_assert_str_eq(error_of(reply), VARLINK_INTERFACE_NOT_FOUND);
	ck_assert_str_eq(parameter(reply, "interface"), "io.agentd.Other");
	reply = desk_ask(&desk, NODE "Stat", NULL);
	ck_assert_str_eq(error_of(reply), VARLINK_METHOD_NOT_FOUND);
	ck_assert_str_eq(parameter(reply, "method"), NODE "Stat");
	reply = desk_ask(&desk, NODE "Explain", "{'resource':'nothing'}");
	ck_assert_str_eq(error_of(reply), NODE "NotFound");
	ck_assert_str_eq(parameter(reply, "name"), "nothing");
}
END_TEST

START_TEST(test_wrong_parameter_is_named_and_nothing_is_asked)
{
	static const struct {
		const char *method, *parameters, *wrong;
	} cases[] = {
		{ NODE "Status", "{'x':1}", "x" },
		{ NODE "Explain", "{}", "resource" },
		{ NODE "Explain", "{'resource':null}", "resource" },
		{ NODE "Explain", "{'resource':7}", "resource" },
		{ NODE "Explain", "{'resource':'a','why':true}", "why" },
		{ NODE "SetRole", "{'name':'x'}", "text" },
		{ NODE "SetRole", "{'text':[],'name':'x'}", "text" },
		{ NODE "TokenCreate", "{'ttl':'soon'}", "ttl" },
		{ NODE "TokenCreate", "{'ttl':3600}", "ttl" },
		{ NODE "TokenCreate", "{'ttl':'-5m'}", "ttl" },
		{ NODE "TokenCreate", "{'description':'x','usages':'signing'}", "usages" },
		{ NODE "TokenCreate", "{'groups':[1]}", "groups" },
		{ "org.varlink.service.GetInterfaceDescription", "{}", "interface" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(desk_done) struct desk desk;
		const struct value *reply;

		desk_init(&desk, true, true);
		reply = desk_ask(&desk, cases[i].method, cases[i].parameters);
		ck_assert_msg(strcmp(error_of(reply), VARLINK_INVALID_PARAMETER) == 0, "%s %s: %s",
			      cases[i].method, cases[i].parameters, error_of(reply));
		ck_assert_str_eq(parameter(reply, "parameter"), cases[i].wrong);
		ck_assert_str_eq(desk.noted, "");
	}
}
END_TEST

START_TEST(test_without_a_role_methods_that_need_one_say_so)
{
	static const char *const methods[] = { NODE "Plan", NODE "Reconcile", NODE "GetRole" };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		_cleanup_(desk_done) struct desk desk;
		const struct value *reply;

		desk_init(&desk, true, true);
		desk.has_role = false;
		reply = desk_ask(&desk, methods[i], NULL);
		ck_assert_str_eq(error_of(reply), NODE "NoRole");
		ck_assert_str_eq(parameter(reply, "message"), "this host has no role");
	}
}
END_TEST

START_TEST(test_role_reaches_the_hook_as_it_was_sent)
{
	_cleanup_(desk_done) struct desk desk;

	desk_init(&desk, true, true);
	ck_assert_str_eq(error_of(desk_ask(&desk, NODE "SetRole", "{'text':'a: b\\n'}")), "");
	ck_assert_str_eq(desk.noted, "a: b\n;socket;");
	desk.noted[0] = '\0';
	(void)desk_ask(&desk, NODE "SetRole", "{'text':'x','name':'/root/role.yaml'}");
	ck_assert_str_eq(desk.noted, "x;/root/role.yaml;");
	desk.noted[0] = '\0';
	/* It goes into messages, so it may not speak to a terminal. */
	(void)desk_ask(&desk, NODE "SetRole", "{'text':'x','name':'a\\u001b[31m'}");
	ck_assert_str_eq(desk.noted, "x;socket;");
}
END_TEST

START_TEST(test_refused_role_is_told_apart_from_a_failure)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply;

	desk_init(&desk, true, true);
	error_set(&desk.refusal, ERROR_CONFIG, -EINVAL, "role.yaml:4:1: unknown field");
	reply = desk_ask(&desk, NODE "SetRole", "{'text':'x'}");
	ck_assert_str_eq(error_of(reply), NODE "RoleRefused");
	ck_assert_str_eq(parameter(reply, "message"), "role.yaml:4:1: unknown field");
	error_set(&desk.refusal, ERROR_STORAGE, -ENOSPC, "cannot keep the role");
	reply = desk_ask(&desk, NODE "SetRole", "{'text':'x'}");
	ck_assert_str_eq(error_of(reply), NODE "Failed");
	ck_assert_str_eq(parameter(reply, "class"), "storage");
	error_set(&desk.refusal, ERROR_CONFIG, -ENODATA, "this host has no role");
	ck_assert_str_eq(error_of(desk_ask(&desk, NODE "TokenCreate", NULL)), NODE "NoRole");
}
END_TEST

START_TEST(test_token_has_its_defaults_and_what_was_asked)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply;

	desk_init(&desk, true, true);
	reply = desk_ask(&desk, NODE "TokenCreate", NULL);
	ck_assert_str_eq(parameter(reply, "token"), "abcdef.0123456789abcdef");
	ck_assert_str_eq(desk.noted, "-1 -  ;");
	desk.noted[0] = '\0';
	(void)desk_ask(&desk, NODE "TokenCreate",
		       "{'ttl':'1h30m','description':'d','usages':['signing','authentication'],"
		       "'groups':['g']}");
	ck_assert_str_eq(desk.noted, "5400 d signing,authentication g;");
	desk.noted[0] = '\0';
	(void)desk_ask(&desk, NODE "TokenCreate", "{'ttl':'0s'}");
	ck_assert_str_eq(desk.noted, "0 -  ;");
}
END_TEST

START_TEST(test_list_of_tokens_never_shows_a_secret)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply, *tokens;

	desk_init(&desk, true, false);
	reply = desk_ask(&desk, NODE "TokenList", NULL);
	tokens = value_at(reply, "parameters", "tokens");
	ck_assert_uint_eq(value_count(tokens), 1);
	ck_assert_uint_eq(value_count(value_item(tokens, 0)), 2);
	ck_assert_str_eq(value_string_or(value_get(value_item(tokens, 0), "id"), ""), "abcdef");
}
END_TEST

START_TEST(test_certificates_are_shown_without_what_is_not_for_readers)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply, *list;
	int64_t days = 0;

	desk_init(&desk, true, false);
	reply = desk_ask(&desk, NODE "CertificateList", NULL);
	list = value_at(reply, "parameters", "certificates");
	ck_assert_uint_eq(value_count(list), 1);
	ck_assert_uint_eq(value_count(value_item(list, 0)), 2);
	ck_assert(value_to_int(value_get(value_item(list, 0), "daysLeft"), &days) && days == -3);
}
END_TEST

START_TEST(test_renewal_is_asked_for_by_name)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *list;

	desk_init(&desk, true, true);
	list = value_at(
	    desk_ask(&desk, NODE "CertificateRenew", "{'names':['etcd-peer'],'force':true}"),
	    "parameters", "certificates");
	ck_assert_ptr_nonnull(strstr(desk.noted, "renew etcd-peer 0 1"));
	ck_assert_str_eq(value_string_or(value_get(value_item(list, 0), "name"), ""), "etcd-peer");
}
END_TEST

START_TEST(test_slow_answer_comes_when_it_is_there)
{
	_cleanup_(desk_done) struct desk desk;
	struct error err = ERROR_INIT;
	const struct value *reply;

	desk_init(&desk, true, true);
	ck_assert_ptr_null(desk_ask(&desk, NODE "TokenCreate", "{'description':'slow'}"));
	ck_assert_ptr_nonnull(desk.call);
	ck_assert(!methods_call_is_stream(desk.call));
	error_set(&err, ERROR_DENIED, -EPERM, "secrets is forbidden");
	op_fail(desk.slow, &err);
	desk_run(&desk);
	ck_assert_ptr_null(desk.call);
	reply = desk_receive(&desk);
	ck_assert_str_eq(error_of(reply), NODE "Failed");
	ck_assert_str_eq(parameter(reply, "message"), "secrets is forbidden");
	ck_assert_str_eq(parameter(reply, "class"), "denied");
	ck_assert_uint_eq(desk.cancelled, 0);
}
END_TEST

START_TEST(test_work_ends_when_nobody_waits_for_it)
{
	_cleanup_(desk_done) struct desk desk;

	desk_init(&desk, true, true);
	ck_assert_ptr_null(desk_ask(&desk, NODE "TokenCreate", "{'description':'slow'}"));
	(void)close(desk.client);
	desk.client = -1;
	desk_run(&desk);
	ck_assert_uint_eq(desk.cancelled, 1);
}
END_TEST

START_TEST(test_status_is_a_stream_only_where_more_is_asked)
{
	static const char call[] = "{\"method\":\"" NODE "Status\",\"more\":true}";
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply;

	desk_init(&desk, true, false);
	reply = desk_ask(&desk, NODE "Status", NULL);
	ck_assert_ptr_null(value_get(reply, "continues"));
	ck_assert_ptr_null(desk.call);
	ck_assert_int_eq(send(desk.client, call, sizeof(call), 0), sizeof(call));
	desk_run(&desk);
	reply = desk_receive(&desk);
	ck_assert(value_is_true(value_get(reply, "continues")));
	ck_assert_str_eq(parameter(reply, "role"), "none");
	ck_assert(methods_call_is_stream(desk.call));
}
END_TEST

START_TEST(test_service_describes_itself)
{
	_cleanup_(desk_done) struct desk desk;
	const struct value *reply, *interfaces;

	desk_init(&desk, true, false);
	reply = desk_ask(&desk, "org.varlink.service.GetInfo", NULL);
	interfaces = value_at(reply, "parameters", "interfaces");
	ck_assert_uint_eq(value_count(interfaces), 2);
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *name = xstrdup(value_string(value_item(interfaces, i)));
		_cleanup_free_ char *parameters = xasprintf("{'interface':'%s'}", name);
		_cleanup_free_ char *line = xasprintf("interface %s\n", name);

		reply = desk_ask(&desk, "org.varlink.service.GetInterfaceDescription", parameters);
		ck_assert_ptr_nonnull(strstr(parameter(reply, "description"), line));
		interfaces = value_at(desk_ask(&desk, "org.varlink.service.GetInfo", NULL),
				      "parameters", "interfaces");
	}
	reply =
	    desk_ask(&desk, "org.varlink.service.GetInterfaceDescription", "{'interface':'a.b'}");
	ck_assert_str_eq(error_of(reply), VARLINK_INTERFACE_NOT_FOUND);
}
END_TEST

Suite *methods_suite(void)
{
	Suite *suite = suite_create("methods");
	TCase *cases = tcase_create("methods");

	tcase_add_test(cases, test_each_method_is_for_those_who_have_its_privilege);
	tcase_add_test(cases, test_stranger_is_told_nothing_about_what_there_is);
	tcase_add_test(cases, test_unknown_names_are_told_apart);
	tcase_add_test(cases, test_wrong_parameter_is_named_and_nothing_is_asked);
	tcase_add_test(cases, test_without_a_role_methods_that_need_one_say_so);
	tcase_add_test(cases, test_role_reaches_the_hook_as_it_was_sent);
	tcase_add_test(cases, test_refused_role_is_told_apart_from_a_failure);
	tcase_add_test(cases, test_token_has_its_defaults_and_what_was_asked);
	tcase_add_test(cases, test_list_of_tokens_never_shows_a_secret);
	tcase_add_test(cases, test_certificates_are_shown_without_what_is_not_for_readers);
	tcase_add_test(cases, test_renewal_is_asked_for_by_name);
	tcase_add_test(cases, test_slow_answer_comes_when_it_is_there);
	tcase_add_test(cases, test_work_ends_when_nobody_waits_for_it);
	tcase_add_test(cases, test_status_is_a_stream_only_where_more_is_asked);
	tcase_add_test(cases, test_service_describes_itself);
	suite_add_tcase(suite, cases);
	return suite;
}
