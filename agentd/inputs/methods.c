/* The methods of the control socket (methods.h): the table, how a call is served, and the methods
 * that are about the whole node; those of one area have a file beside this one. The description of
 * the interface is made of the table by interface.c. */
#include "agentd/inputs/methods.h"

#include <errno.h>
#include <string.h>

#include "agentd/inputs/interface.h"
#include "agentd/inputs/methods_call.h"
#include "common/alloc.h"
#include "config.h"

#define SERVICE_INTERFACE "org.varlink.service"

/* Role files are smaller; the rest is room for what a hook adds when it prints one. */
#define ROLE_TEXT_MAX (512 * KIB)

struct methods_call {
	const struct methods_hooks *hooks;
	struct varlink_connection *connection;
	const struct varlink_call *call; /* the connection's; gone once it is answered */
	struct op *op;
	struct value *(*finish)(const struct value *result); /* what op gave as a reply */
	void (*done)(struct methods_call *call, void *userdata);
	void *userdata;
	bool answered, is_stream;
};

const struct methods_hooks *methods_call_hooks(const struct methods_call *call)
{
	return call->hooks;
}

void methods_call_answer(struct methods_call *call, struct value *parameters)
{
	call->answered = true;
	varlink_answer(call->connection, parameters);
}

static void fail(struct methods_call *call, const char *error, struct value *parameters)
{
	call->answered = true;
	varlink_fail(call->connection, error, parameters);
}

static void fail_with_text(struct methods_call *call, const char *error, const char *key,
			   const char *text)
{
	fail(call, error, value_put(value_new_map(), key, value_new_string(text)));
}

static void fail_without_role(struct methods_call *call)
{
	fail_with_text(call, METHODS_INTERFACE ".NoRole", "message", "this host has no role");
}

void methods_call_fail(struct methods_call *call, const struct error *err)
{
	struct value *parameters;

	if (err->code == -ENODATA) {
		fail_with_text(call, METHODS_INTERFACE ".NoRole", "message", err->message);
		return;
	}
	parameters = value_put(value_new_map(), "message", value_new_string(err->message));
	parameters = value_put(parameters, "class", value_new_string(error_class_name(err->class)));
	fail(call, METHODS_INTERFACE ".Failed", parameters);
}

static void op_done(struct op *op, void *userdata)
{
	struct methods_call *call = userdata;

	if (op_error(op))
		methods_call_fail(call, op_error(op));
	else
		methods_call_answer(call, call->finish(op_value(op)));
	call->done(call, call->userdata);
}

void methods_call_await(struct methods_call *call, struct op *op,
			struct value *(*finish)(const struct value *result),
			const struct error *err)
{
	if (!op) {
		methods_call_fail(call, err);
		return;
	}
	call->op = op;
	call->finish = finish;
	op_watch(op, op_done, call);
}

static void status_handle(struct methods_call *call, const void *target)
{
	struct value *status = call->hooks->status(call->hooks->userdata);

	if (!call->call->more) {
		methods_call_answer(call, status);
		return;
	}
	call->is_stream = true;
	varlink_stream(call->connection, status);
}

static void plan_handle(struct methods_call *call, const void *target)
{
	struct value *plan = call->hooks->plan(call->hooks->userdata);

	if (plan)
		methods_call_answer(call, value_put(value_new_map(), "changes", plan));
	else
		fail_without_role(call);
}

struct explain {
	char *resource;
};
/* clang-format off */
static const struct decode_row explain_rows[] = {
	{ "resource", DECODE_STRING, DECODE_FIELD(struct explain, resource),
	  .flags = DECODE_REQUIRED, .help = "name of a row of Status" },
	{},
};
/* clang-format on */

static void explain_handle(struct methods_call *call, const void *target)
{
	const struct explain *explain = target;
	struct value *report = call->hooks->explain(explain->resource, call->hooks->userdata);

	if (report)
		methods_call_answer(call, report);
	else
		fail_with_text(call, METHODS_INTERFACE ".NotFound", "name", explain->resource);
}

static void reconcile_handle(struct methods_call *call, const void *target)
{
	if (call->hooks->reconcile(call->hooks->userdata))
		methods_call_answer(call, NULL);
	else
		fail_without_role(call);
}

static void get_role_handle(struct methods_call *call, const void *target)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(ROLE_TEXT_MAX);

	if (call->hooks->role_get(&text, call->hooks->userdata) <= 0)
		fail_without_role(call);
	else
		methods_call_answer(
		    call, value_put(value_new_map(), "text", value_new_string(text.data)));
}

struct set_role {
	struct value *text; /* wiped when it is freed, unlike a string */
	char *name;
};
/* clang-format off */
static const struct decode_row set_role_rows[] = {
	{ "text", DECODE_VALUE, DECODE_FIELD(struct set_role, text), .value_type = VALUE_STRING,
	  .flags = DECODE_REQUIRED | DECODE_NOT_PRINTED, .help = "documents as in a role file" },
	{ "name", DECODE_STRING, DECODE_FIELD(struct set_role, name),
	  .help = "what messages call the text; default: socket" },
	{},
};
/* clang-format on */

/* A name for messages that is one plain line. */
static const char *safe_name(const char *name)
{
	if (!name || !*name || strlen(name) > 4096)
		return "socket";
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "socket";
	return name;
}

static void set_role_handle(struct methods_call *call, const void *target)
{
	const struct set_role *set = target;
	struct error err = ERROR_INIT;
	int r;

	r = call->hooks->role_set(value_string(set->text), value_string_length(set->text),
				  safe_name(set->name), call->hooks->userdata, &err);
	if (r >= 0)
		methods_call_answer(call, NULL);
	else if (err.class == ERROR_CONFIG)
		fail_with_text(call, METHODS_INTERFACE ".RoleRefused", "message", err.message);
	else
		methods_call_fail(call, &err);
}

/* clang-format off */
static const struct decode_row token_create_rows[] = {
	{ "ttl", DECODE_SECONDS, DECODE_FIELD(struct methods_token, ttl_s),
	  .help = "how long it is good for; 0s = for ever", .standard = "24h0m0s" },
	{ "description", DECODE_STRING, DECODE_FIELD(struct methods_token, description),
	  .help = "for people" },
	{ "usages", DECODE_STRINGS, DECODE_FIELD(struct methods_token, usages),
	  .help = "signing, authentication", .standard = "signing, authentication" },
	{ "groups", DECODE_STRINGS, DECODE_FIELD(struct methods_token, groups),
	  .help = "groups that it authenticates as",
	  .standard = "system:bootstrappers:kubeadm:default-node-token" },
	{},
};
/* clang-format on */

struct value *methods_copy_keys(const struct value *map, const char *const *keys)
{
	struct value *copy = value_new_map();

	for (; *keys; keys++) {
		const struct value *child = value_get(map, *keys);

		if (value_type(child) != VALUE_NULL)
			copy = value_put(copy, *keys, value_ref(child));
	}
	return copy;
}

static struct value *token_create_finish(const struct value *result)
{
	static const char *const keys[] = { "token",	"id",		"expiration",
					    "endpoint", "caCertHashes", NULL };

	return methods_copy_keys(result, keys);
}

static void token_create_handle(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = call->hooks;
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->token_create(target, hooks->userdata, &err),
			   token_create_finish, &err);
}

static struct value *token_list_finish(const struct value *result)
{
	static const char *const keys[] = { "id",	   "expiration", "usages",
					    "description", "groups",	 NULL };
	struct value *tokens = value_new_list();

	VALUE_FOREACH(i, result)
		tokens = value_append(tokens, methods_copy_keys(value_item(result, i), keys));
	return value_put(value_new_map(), "tokens", tokens);
}

static void token_list_handle(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = call->hooks;
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->token_list(hooks->userdata, &err), token_list_finish, &err);
}

static void version_handle(struct methods_call *call, const void *target)
{
	methods_call_answer(
	    call, value_put(value_new_map(), "version", value_new_string(AGENTD_VERSION)));
}

/* clang-format off */
const struct method methods_table[] = {
	{ "Status",      METHODS_READ,   true,  NULL,              status_handle,
	  "()", INTERFACE_STATUS,
	  "The whole state. With `more`, again after every change" },
	{ "Plan",        METHODS_READ,   false, NULL,              plan_handle,
	  "()", "(changes: []Change)",
	  "What would be done now, without doing it" },
	{ "Explain",     METHODS_READ,   false, explain_rows,      explain_handle,
	  "(resource: string)", INTERFACE_EXPLAIN,
	  "One resource: what it is, what it needs, when it is looked at, what mends it" },
	{ "Reconcile",   METHODS_CHANGE, false, NULL,              reconcile_handle,
	  "()", "()",
	  "Looks at everything again and tries at once what waits for its next try" },
	{ "Hold",        METHODS_CHANGE, false, methods_hold_rows, methods_hold,
	  "(what: string, for: ?string)", "(what: string, since: string, until: ?string, resources: []string)",
	  "Leaves resources as they are, until a date or until they are released" },
	{ "Release",     METHODS_CHANGE, false, methods_release_rows, methods_release,
	  "(what: string)", "(what: string, since: string, until: ?string, resources: []string)",
	  "Ends a hold" },
	{ "History",     METHODS_READ,   false, methods_history_rows, methods_history,
	  "(since: ?string, resource: ?string)", "(entries: []Entry)",
	  "What was done and found on this node, oldest first" },
	{ "DriftList",   METHODS_READ,   false, NULL,              methods_drift_list,
	  "()", "(versions: []Version)",
	  "What other hands made of things that agentd keeps, newest first" },
	{ "DriftShow",   METHODS_CHANGE, false, methods_drift_rows, methods_drift_show,
	  "(id: int)", INTERFACE_DRIFT,
	  "One version with what was changed, from agentd's to theirs. Secrets are never shown" },
	{ "DriftRestore", METHODS_CHANGE, false, methods_drift_restore_rows, methods_drift_restore,
	  "(id: int, for: ?string)", "()",
	  "Holds what a version is of, and puts it back" },
	{ "GetRole",     METHODS_READ,   false, NULL,              get_role_handle,
	  "()", "(text: string)",
	  "The role in force as YAML documents, completed and without secrets" },
	{ "SetRole",     METHODS_CHANGE, false, set_role_rows,     set_role_handle,
	  "(text: string, name: ?string)", "()",
	  "Gives the host a role: the text of a role file. Answers once it is accepted and on disk" },
	{ "TokenCreate", METHODS_CHANGE, false, token_create_rows, token_create_handle,
	  "(ttl: ?string, description: ?string, usages: ?[]string, groups: ?[]string)",
	  INTERFACE_TOKEN,
	  "Makes a bootstrap token for nodes that are to join, and says all that joining takes" },
	{ "TokenList",   METHODS_READ,   false, NULL,              token_list_handle,
	  "()", "(tokens: []Token)",
	  "The cluster's bootstrap tokens, without their secrets" },
	{ "Version",     METHODS_READ,   false, NULL,              version_handle,
	  "()", "(version: string)",
	  "The version of agentd" },
	{},
};
/* clang-format on */

static void get_info_handle(struct methods_call *call, const void *target)
{
	struct value *info = value_new_map();
	struct value *names = value_new_list();

	names = value_append(names, value_new_string(SERVICE_INTERFACE));
	names = value_append(names, value_new_string(METHODS_INTERFACE));
	info = value_put(info, "vendor", value_new_string("agentd"));
	info = value_put(info, "product", value_new_string("agentd"));
	info = value_put(info, "version", value_new_string(AGENTD_VERSION));
	info = value_put(info, "url", value_new_string("man:agentd(8)"));
	info = value_put(info, "interfaces", names);
	methods_call_answer(call, info);
}

struct get_description {
	char *interface;
};
/* clang-format off */
static const struct decode_row get_description_rows[] = {
	{ "interface", DECODE_STRING, DECODE_FIELD(struct get_description, interface),
	  .flags = DECODE_REQUIRED },
	{},
};
/* clang-format on */

static void get_description_handle(struct methods_call *call, const void *target)
{
	const struct get_description *get = target;
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	if (strcmp(get->interface, METHODS_INTERFACE) == 0)
		(void)interface_describe(&text);
	else if (strcmp(get->interface, SERVICE_INTERFACE) == 0)
		(void)buf_append_string(&text, interface_of_service);
	else {
		fail_with_text(call, VARLINK_INTERFACE_NOT_FOUND, "interface", get->interface);
		return;
	}
	assert(!text.overflow);
	methods_call_answer(call,
			    value_put(value_new_map(), "description", value_new_string(text.data)));
}

static const struct method service_table[] = {
	{ "GetInfo", METHODS_READ, false, NULL, get_info_handle },
	{ "GetInterfaceDescription", METHODS_READ, false, get_description_rows,
	  get_description_handle },
	{},
};

static const struct method *find(const struct method *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const struct method *methods_find(const char *name)
{
	return find(methods_table, name);
}

/* The method that a call names; answers where there is none. */
static const struct method *find_method(struct methods_call *call)
{
	const char *name = call->call->method;
	const struct method *method = NULL;
	_cleanup_free_ char *interface = NULL;
	size_t length = 0;

	(void)varlink_name_is_valid(name, &length);
	interface = xstrndup(name, length);
	if (strcmp(interface, METHODS_INTERFACE) == 0)
		method = find(methods_table, name + length + 1);
	else if (strcmp(interface, SERVICE_INTERFACE) == 0)
		method = find(service_table, name + length + 1);
	else {
		fail_with_text(call, VARLINK_INTERFACE_NOT_FOUND, "interface", interface);
		return NULL;
	}
	if (!method)
		fail_with_text(call, VARLINK_METHOD_NOT_FOUND, "method", name);
	return method;
}

/* Whether one parameter is as its row wants it. */
static bool parameter_is_fine(const struct decode_row *row, const struct value *parameters)
{
	const struct decode_row rows[] = { *row, {} };
	const char *const keys[] = { row->key, NULL };
	const struct decode_options options = { .class = ERROR_CONFIG };
	_cleanup_(value_unref) struct value *alone = methods_copy_keys(parameters, keys);
	_cleanup_free_ void *target = xcalloc(1, row->offset + row->width);
	struct error err = ERROR_INIT;
	int r;

	r = decode_map(rows, alone, &options, target, &err);
	decode_free(rows, target);
	return r >= 0;
}

/* The parameter for which decoding failed; borrowed from the rows or the parameters. */
static const char *wrong_parameter(const struct decode_row *rows, const struct value *parameters)
{
	for (const struct decode_row *row = rows; row->key; row++)
		if (!parameter_is_fine(row, parameters))
			return row->key;
	VALUE_FOREACH(i, parameters) {
		const struct decode_row *row = rows;

		while (row->key && strcmp(row->key, value_key(parameters, i)) != 0)
			row++;
		if (!row->key)
			return value_key(parameters, i);
	}
	return "";
}

/* Room for the decoded parameters of any method. */
union target {
	struct explain explain;
	struct set_role set_role;
	struct methods_token token;
	struct methods_hold hold;
	struct methods_history history;
	struct methods_drift drift;
	struct get_description get_description;
};

static void decode_and_handle(struct methods_call *call, const struct method *method)
{
	static const struct decode_row none[] = { {} };
	const struct decode_row *rows = method->rows ? method->rows : none;
	const struct decode_options options = { .strict = true, .class = ERROR_CONFIG };
	const struct value *parameters = call->call->parameters;
	struct error err = ERROR_INIT;
	union target target = { 0 };
	int r;

	if (rows == token_create_rows)
		target.token.ttl_s = -1;
	r = decode_map(rows, parameters, &options, &target, &err);
	if (r < 0)
		fail_with_text(call, VARLINK_INVALID_PARAMETER, "parameter",
			       wrong_parameter(rows, parameters));
	else
		method->handle(call, &target);
	decode_free(rows, &target);
}

struct methods_call *methods_serve(const struct methods_hooks *hooks,
				   struct varlink_connection *connection,
				   const struct varlink_call *varlink_call,
				   const bool allowed[static 2],
				   void (*done)(struct methods_call *call, void *userdata),
				   void *userdata)
{
	_cleanup_(methods_call_free) struct methods_call *call = NEW(struct methods_call);
	const struct method *method;

	*call = (struct methods_call){
		.hooks = hooks,
		.connection = connection,
		.call = varlink_call,
		.done = done,
		.userdata = userdata,
	};
	/* Who may not even read is told nothing about what there is. */
	if (!allowed[METHODS_READ]) {
		fail(call, VARLINK_PERMISSION_DENIED, NULL);
		return NULL;
	}
	method = find_method(call);
	if (!method)
		return NULL;
	if (allowed[method->privilege])
		decode_and_handle(call, method);
	else
		fail(call, VARLINK_PERMISSION_DENIED, NULL);
	return call->answered ? NULL : TAKE_PTR(call);
}

struct methods_call *methods_call_free(struct methods_call *call)
{
	if (!call)
		return NULL;
	op_drop(call->op);
	free(call);
	return NULL;
}

bool methods_call_is_stream(const struct methods_call *call)
{
	return call->is_stream;
}
