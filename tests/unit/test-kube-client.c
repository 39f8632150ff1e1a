/* Tests of agentd/kube/client.c, reply.c, watch.c and wait.c against canned answers. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "common/strv.h"
#include "tests/unit/test-kube.h"

#define MAP KUBE_SYSTEM_CONFIG_MAPS "/x"
#define X(rest)                                                                           \
	"{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'x','namespace':'kube-" \
	"system','resourceVersion':'5','managedFields':[]}" rest "}"
#define STATUS(code, reason, message)                                             \
	"{'kind':'Status','apiVersion':'v1','status':'Failure','reason':'" reason \
	"','message':'" message "','code':" #code "}"

#define MISSING(name)                                                                              \
	"{'kind':'Status','reason':'NotFound','message':'not found','details':{'name':'" name "'}" \
	"}"

static struct world world;

static void setup(void)
{
	world_init(&world);
}

static void teardown(void)
{
	world_done(&world);
}

/* -- What is sent ------------------------------------------------------------------------------ */

static struct op *get(const struct value *body)
{
	return kube_get(world.kube, MAP);
}

static struct op *list(const struct value *body)
{
	return kube_list(world.kube, KUBE_SYSTEM_CONFIG_MAPS, "limit=2");
}

static struct op *create(const struct value *body)
{
	return kube_create(world.kube, KUBE_SYSTEM_CONFIG_MAPS, body);
}

static struct op *replace(const struct value *body)
{
	return kube_replace(world.kube, MAP, body, "m");
}

static struct op *apply(const struct value *body)
{
	return kube_apply(world.kube, MAP, body, KUBE_MANAGER, false);
}

static struct op *force(const struct value *body)
{
	return kube_apply(world.kube, MAP, body, KUBE_MANAGER, true);
}

static struct op *merge(const struct value *body)
{
	return kube_merge_patch(world.kube, MAP, body, KUBE_MANAGER);
}

static struct op *json(const struct value *body)
{
	return kube_json_patch(world.kube, MAP, body, KUBE_MANAGER);
}

static struct op *remove_it(const struct value *body)
{
	return kube_delete(world.kube, MAP);
}

static struct op *remove_uid(const struct value *body)
{
	return kube_delete_uid(world.kube, MAP, "u-1");
}

static const struct {
	struct op *(*send)(const struct value *body);
	const char *line, *type, *body;
} requests[] = {
	/* clang-format off */
	{ get,	      "GET " MAP,				       NULL, "" },
	{ list,	      "GET " KUBE_SYSTEM_CONFIG_MAPS "?limit=2",       NULL, "" },
	{ create,     "POST " KUBE_SYSTEM_CONFIG_MAPS "?fieldManager=agentd-create", "application/json", "{'a':'b'}" },
	{ replace,    "PUT " MAP "?fieldManager=m",		       "application/json", "{'a':'b'}" },
	{ apply,      "PATCH " MAP "?fieldManager=agentd",	       "application/apply-patch+yaml", "{'a':'b'}" },
	{ force,      "PATCH " MAP "?fieldManager=agentd&force=true",  "application/apply-patch+yaml", "{'a':'b'}" },
	{ merge,      "PATCH " MAP "?fieldManager=agentd",	       "application/merge-patch+json", "{'a':'b'}" },
	{ json,	      "PATCH " MAP "?fieldManager=agentd",	       "application/json-patch+json", "{'a':'b'}" },
	{ remove_it,  "DELETE " MAP,				       NULL, "" },
	{ remove_uid, "DELETE " MAP,				       "application/json",
	  "{'kind':'DeleteOptions','apiVersion':'v1','preconditions':{'uid':'u-1'}}" },
	/* clang-format on */
};

START_TEST(test_requests_are_what_the_api_wants)
{
	_cleanup_(value_unref) struct value *body = test_json("{'a':'b'}");
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 200,
		     _i == 1 ? "{'kind':'ConfigMapList','apiVersion':'v1','items':null}" : X(""));
	op = requests[_i].send(body);
	ck_assert(!op_is_done(op));
	world_finish(&world, op);
	ck_assert_msg(!op_error(op), "%s", op_error(op) ? op_error(op)->message : "");
	ck_assert_str_eq(canned_line(world.canned, 0), requests[_i].line);
	ck_assert_str_eq(canned_body(world.canned, 0), requests[_i].body);
	ck_assert_ptr_nonnull(
	    strcasestr(canned_headers(world.canned, 0), "Accept: application/json"));
	if (requests[_i].type)
		ck_assert_ptr_nonnull(strstr(canned_headers(world.canned, 0), requests[_i].type));
	ck_assert_uint_eq(canned_count(world.canned), 1);
}
END_TEST

/* -- What is understood ------------------------------------------------------------------------ */

static const struct {
	struct op *(*send)(const struct value *body);
	unsigned status;
	const char *reply;
	int code; /* 0 = success */
	enum error_class class;
	const char *message; /* a part of it; or the name of the value, "" = no value */
} replies[] = {
	/* clang-format off */
	{ get, 200, X(",'data':{}"), 0, 0, "x" },
	{ get, 404, MISSING("x"), 0, 0, "" },
	{ get, 404, MISSING("y"), -ENOENT, ERROR_PENDING, "not found" },
	{ get, 404, STATUS(404, "NotFound", "the server could not find the requested resource"), -ENOENT, ERROR_NETWORK, "resource" },
	{ get, 404, "404 page not found", -ENOENT, ERROR_NETWORK, "404 page not found" },
	{ get, 404, STATUS(404, "", "no such path"), -ENOENT, ERROR_NETWORK, "no such path" },
	{ get, 200, "", -EBADMSG, ERROR_NETWORK, "" },
	{ get, 200, "[1]", -EBADMSG, ERROR_NETWORK, "not an object of the API" },
	{ get, 200, "{'kind':'Secret','apiVersion':'v1'}", -EBADMSG, ERROR_NETWORK, "the reply is a Secret, not a ConfigMap" },
	{ get, 200, "{'kind':'ConfigMapList','apiVersion':'v1'}", -EBADMSG, ERROR_NETWORK, "the reply is a ConfigMapList, not a ConfigMap" },
	{ get, 200, "{'kind':'ConfigMap','apiVersion':'v2'}", -EBADMSG, ERROR_NETWORK, "the reply is of v2, not of v1" },
	{ get, 200, "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'y'}}", -EBADMSG, ERROR_NETWORK, "the reply is about \"y\", not \"x\"" },
	{ get, 200, "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'x','namespace':'n'}}", -EBADMSG, ERROR_NETWORK, "the reply is of namespace \"n\", not \"kube-system\"" },
	{ get, 200, STATUS(200, "", ""), -EBADMSG, ERROR_NETWORK, "the reply is a Status, not a ConfigMap" },
	{ list, 200, X(""), -EBADMSG, ERROR_NETWORK, "the reply is a ConfigMap, not a ConfigMapList" },
	{ create, 409, STATUS(409, "AlreadyExists", "it exists"), -EEXIST, ERROR_PENDING, "it exists" },
	{ create, 404, MISSING("kube-system"), -ENOENT, ERROR_PENDING, "not found" },
	{ apply, 409, STATUS(409, "Conflict", "theirs"), -EAGAIN, ERROR_PENDING, "theirs" },
	{ apply, 422, "{'kind':'Status','reason':'Invalid','message':'immutable','details':{'causes':[{'field':'metadata.uid'}]}}", -EAGAIN, ERROR_PENDING, "immutable" },
	{ apply, 422, STATUS(422, "Invalid", "x is invalid"), -EINVAL, ERROR_CONFIG, "x is invalid" },
	{ json, 422, STATUS(422, "Invalid", "the server rejected our request due to an error in our request"), -EAGAIN, ERROR_PENDING, "our request" },
	{ get, 403, STATUS(403, "Forbidden", "no right"), -EPERM, ERROR_DENIED, "no right" },
	{ get, 503, "<html>\n<b>", -EREMOTEIO, ERROR_NETWORK, "<html>" },
	{ remove_it, 200, "{'kind':'Status','apiVersion':'v1','status':'Success'}", 0, 0, NULL },
	{ remove_it, 404, MISSING("x"), 0, 0, "" },
	{ remove_it, 404, "nginx", -ENOENT, ERROR_NETWORK, "nginx" },
	/* clang-format on */
};

START_TEST(test_replies_are_held_against_what_was_asked)
{
	_cleanup_(value_unref) struct value *body = test_json("{}");
	_cleanup_(op_drop) struct op *op = NULL;
	const struct error *error;

	canned_reply(world.canned, replies[_i].status, replies[_i].reply);
	op = replies[_i].send(body);
	world_finish(&world, op);
	error = op_error(op);
	if (replies[_i].code == 0) {
		ck_assert_msg(!error, "%s", error ? error->message : "");
		if (replies[_i].message)
			ck_assert_str_eq(
			    value_string_or(value_at(op_value(op), "metadata", "name"), ""),
			    replies[_i].message);
		return;
	}
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, replies[_i].code);
	ck_assert_int_eq(error->class, replies[_i].class);
	ck_assert_msg(strstr(error->message, replies[_i].message) != NULL, "%s", error->message);
	ck_assert_ptr_nonnull(strstr(error->message, KUBE_SYSTEM_CONFIG_MAPS));
}
END_TEST

START_TEST(test_a_probe_wants_only_a_good_status)
{
	_cleanup_(op_drop) struct op *good = NULL, *bad = NULL;

	canned_reply(world.canned, 200, "ok");
	canned_reply(world.canned, 500, "[-]etcd failed");
	good = kube_probe(world.kube, KUBE_READYZ);
	world_finish(&world, good);
	bad = kube_probe(world.kube, KUBE_READYZ);
	world_finish(&world, bad);
	ck_assert_ptr_null(op_error(good));
	ck_assert_str_eq(canned_line(world.canned, 0), "GET /readyz");
	ck_assert_int_eq(op_error(bad)->class, ERROR_NETWORK);
	ck_assert_ptr_nonnull(strstr(op_error(bad)->message, "[-]etcd failed"));
}
END_TEST

START_TEST(test_a_subresource_may_answer_with_a_status)
{
	_cleanup_(value_unref) struct value *body = test_json("{}");
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 201, "{'kind':'Status','apiVersion':'v1','status':'Success'}");
	op = kube_create(world.kube, KUBE_SYSTEM_PODS "/p/eviction", body);
	world_finish(&world, op);
	ck_assert_ptr_null(op_error(op));
}
END_TEST

START_TEST(test_a_dropped_request_is_never_heard_of)
{
	canned_reply(world.canned, 200, X(""));
	op_drop(kube_get(world.kube, MAP));
	world_settle(&world);
}
END_TEST

/* -- Watching ---------------------------------------------------------------------------------- */

static struct strv events;

static int on_event(const char *change, const struct value *object, void *userdata)
{
	ck_assert_ptr_null(value_at(object, "metadata", "managedFields"));
	strv_addf(&events, "%s %s", change,
		  value_string_or(value_at(object, "metadata", "resourceVersion"), "?"));
	return userdata ? -EPIPE : 0;
}

static const struct {
	const char *lines;
	bool stop;
	int code;
	const char *events, *message;
} streams[] = {
	/* clang-format off */
	{ "", false, 0, "", NULL },
	{ "{'type':'ADDED','object':" X("") "}\n{'type':'BOOKMARK','object':{}}\n\n{'type':'DELETED','object':" X("") "}\n", false, 0, "ADDED 5;DELETED 5", NULL },
	{ "{'type':'ADDED','object':" X("") "}\n{'type':'ADDED','object':" X("") "}\n", true, -EPIPE, "ADDED 5", "ended by its reader" },
	{ "{'type':'ERROR','object':" STATUS(410, "Expired", "too old") "}\n", false, -ESTALE, "", "too old" },
	{ "{'type':'ERROR','object':" STATUS(500, "InternalError", "ouch") "}\n", false, -EREMOTEIO, "", "ouch" },
	{ "{'type':'NEWS','object':{}}\n", false, -EBADMSG, "", "an event of type \"NEWS\"" },
	{ "{'type':'ADDED','object':{'kind':'Pod','apiVersion':'v1'}}\n", false, -EBADMSG, "", "the reply is a Pod, not a ConfigMap" },
	{ "{'type':'ADDED','object':{'kind':'ConfigMap','apiVersion':'v1'}}\n", false, -EBADMSG, "", "an object without a name" },
	{ "{'type':'ADDED','object\n", false, -EBADMSG, "", "" },
	/* clang-format on */
};

START_TEST(test_lines_of_a_watch_are_events)
{
	_cleanup_(op_drop) struct op *op = NULL;
	_cleanup_free_ char *seen = NULL;

	canned_stream(world.canned, streams[_i].lines, false);
	op = kube_watch(world.kube, KUBE_SYSTEM_CONFIG_MAPS, "resourceVersion=4", on_event,
			streams[_i].stop ? &world : NULL);
	world_finish(&world, op);
	seen = strv_join(&events, ";");
	strv_done(&events);
	ck_assert_str_eq(seen, streams[_i].events);
	ck_assert_str_eq(canned_line(world.canned, 0),
			 "GET " KUBE_SYSTEM_CONFIG_MAPS "?resourceVersion=4&watch=1");
	if (streams[_i].code == 0) {
		ck_assert_ptr_null(op_error(op));
		return;
	}
	ck_assert_int_eq(op_error(op)->code, streams[_i].code);
	ck_assert_msg(strstr(op_error(op)->message, streams[_i].message) != NULL, "%s",
		      op_error(op)->message);
}
END_TEST

START_TEST(test_a_refused_watch_has_the_servers_words)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 403, STATUS(403, "Forbidden", "you may not watch") "\n");
	op = kube_watch(world.kube, KUBE_SYSTEM_CONFIG_MAPS, "", on_event, NULL);
	world_finish(&world, op);
	ck_assert_int_eq(op_error(op)->class, ERROR_DENIED);
	ck_assert_ptr_nonnull(strstr(op_error(op)->message,
				     "watch of " KUBE_SYSTEM_CONFIG_MAPS ": you may not watch"));
}
END_TEST

/* -- Waiting ----------------------------------------------------------------------------------- */

static int is_done(const struct value *object, void *argument, struct error *err)
{
	if (!object)
		return 0;
	if (value_at(object, "data", "bad"))
		return error_set(err, ERROR_TRUST, -EPERM, "bad");
	return value_at(object, "data", "done") ? 1 : 0;
}

START_TEST(test_waiting_reads_then_watches)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 200, X(""));
	canned_stream(world.canned, "", true);
	op = kube_wait(world.kube, MAP, is_done, NULL, NULL);
	world_until(&world, canned_count(world.canned) == 2);
	ck_assert_str_eq(canned_line(world.canned, 1),
			 "GET " KUBE_SYSTEM_CONFIG_MAPS
			 "?fieldSelector=metadata.name%3Dx&timeoutSeconds=120&watch=1");
	canned_more(world.canned, "{'type':'DELETED','object':" X("") "}\n");
	world_settle(&world);
	ck_assert(!op_is_done(op));
	canned_more(world.canned, "{'type':'ADDED','object':" X(
				      ",'data':{'done':'1'}") "}\n"
							      "{'type':'MODIFIED','object':" X(
								  ",'data':{}") "}\n");
	world_finish(&world, op);
	ck_assert_ptr_null(op_error(op));
	ck_assert_ptr_nonnull(value_at(op_value(op), "data", "done"));
}
END_TEST

START_TEST(test_waiting_goes_on_when_a_watch_ends)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 404, MISSING("x"));
	canned_stream(world.canned, "", false);
	canned_reply(world.canned, 200, X(",'data':{'done':'1'}"));
	op = kube_wait(world.kube, MAP, is_done, NULL, NULL);
	world_until(&world, canned_count(world.canned) == 2);
	ck_assert_ptr_null(strstr(canned_line(world.canned, 1), "resourceVersion"));
	world_settle(&world);
	ck_assert_uint_eq(canned_count(world.canned), 2);
	world_pass(&world, 10, op_is_done(op));
	ck_assert_ptr_nonnull(op_value(op));
}
END_TEST

START_TEST(test_waiting_ends_when_the_predicate_refuses)
{
	_cleanup_(op_drop) struct op *op = NULL;

	canned_reply(world.canned, 200, X(""));
	canned_stream(world.canned, "{'type':'MODIFIED','object':" X(",'data':{'bad':'1'}") "}\n",
		      true);
	op = kube_wait(world.kube, MAP, is_done, NULL, NULL);
	world_finish(&world, op);
	ck_assert_int_eq(op_error(op)->code, -EPERM);
	ck_assert_int_eq(op_error(op)->class, ERROR_TRUST);
	ck_assert_str_eq(op_error(op)->message, MAP ": bad");
}
END_TEST

static void drop_argument(void *argument)
{
	value_unref(argument);
}

START_TEST(test_waiting_may_be_dropped_at_any_time)
{
	for (unsigned stop = 0; stop < 5; stop++) {
		struct op *op;

		canned_reply(world.canned, 200, X(""));
		canned_stream(world.canned, "", false);
		canned_reply(world.canned, 200, X(""));
		canned_stream(world.canned, "", true);
		op = kube_wait(world.kube, MAP, is_done, test_json("{}"), drop_argument);
		world_pass(&world, 1, canned_count(world.canned) >= stop);
		op_drop(op);
		world_done(&world);
		world_init(&world);
	}
}
END_TEST

Suite *suite_client(void)
{
	Suite *suite = suite_create("client");
	TCase *tcase = tcase_create("client");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_requests_are_what_the_api_wants, 0, ARRAY_SIZE(requests));
	tcase_add_loop_test(tcase, test_replies_are_held_against_what_was_asked, 0,
			    ARRAY_SIZE(replies));
	tcase_add_test(tcase, test_a_probe_wants_only_a_good_status);
	tcase_add_test(tcase, test_a_subresource_may_answer_with_a_status);
	tcase_add_test(tcase, test_a_dropped_request_is_never_heard_of);
	tcase_add_loop_test(tcase, test_lines_of_a_watch_are_events, 0, ARRAY_SIZE(streams));
	tcase_add_test(tcase, test_a_refused_watch_has_the_servers_words);
	tcase_add_test(tcase, test_waiting_reads_then_watches);
	tcase_add_test(tcase, test_waiting_goes_on_when_a_watch_ends);
	tcase_add_test(tcase, test_waiting_ends_when_the_predicate_refuses);
	tcase_add_test(tcase, test_waiting_may_be_dropped_at_any_time);
	suite_add_tcase(suite, tcase);
	return suite;
}
