/* Makes the status of the whole daemon; see status.h. */
#include "agentd/status.h"

#include <stdio.h>
#include <string.h>

#include "agentd/engine/report.h"
#include "agentd/holding.h"
#include "agentd/kube/names.h"
#include "common/alloc.h"
#include "common/http.h"
#include "common/parse.h"
#include "config.h"

enum condition {
	CONDITION_READY,
	CONDITION_CONVERGED,
	CONDITION_ROLE_FILE,
	CONDITION_PREFLIGHT,
	CONDITION_API_SERVER,
	CONDITION_POD_NETWORK,
	CONDITION_SECRETS,
	_CONDITION_MAX,
};

static const char *const condition_types[] = {
	[CONDITION_READY] = "Ready",
	[CONDITION_CONVERGED] = "Converged",
	[CONDITION_ROLE_FILE] = "RoleFileValid",
	[CONDITION_PREFLIGHT] = "PreflightPassed",
	[CONDITION_API_SERVER] = "APIServerReachable",
	[CONDITION_POD_NETWORK] = "PodNetwork",
	[CONDITION_SECRETS] = "SecretsPrivate",
};

enum truth { TRUTH_TRUE, TRUTH_FALSE, TRUTH_UNKNOWN };
static const char *const truth_names[] = { "True", "False", "Unknown" };

struct status {
	struct {
		bool known;
		enum truth truth;
		int64_t since_s;
	} conditions[_CONDITION_MAX];
};

struct status *status_new(void)
{
	return NEW(struct status);
}

struct status *status_free(struct status *status)
{
	free(status);
	return NULL;
}

struct judgement {
	enum truth truth;
	const char *reason;
	char message[1024];
};

static void judge(struct judgement *ret, enum truth truth, const char *reason, const char *format,
		  ...) PRINTF_LIKE(4, 5);
static void judge(struct judgement *ret, enum truth truth, const char *reason, const char *format,
		  ...)
{
	va_list args;

	ret->truth = truth;
	ret->reason = reason;
	va_start(args, format);
	(void)vsnprintf(ret->message, sizeof(ret->message), format, args);
	va_end(args);
}

/* The report of one row; NULL if it is not in the role. The caller unrefs. */
static const struct value *find_row(const struct value *rows, const char *name)
{
	VALUE_FOREACH(i, rows) {
		const struct value *row = value_item(rows, i);

		if (strcmp(value_string_or(value_get(row, "name"), ""), name) == 0)
			return row;
	}
	return NULL;
}

static const char *reason_of(const struct value *row)
{
	return value_string_or(value_get(row, "error"),
			       value_string_or(value_get(row, "reason"), ""));
}

static const struct value *own_node(const struct context *ctx)
{
	const struct value *node = NULL;

	if (ctx->role)
		(void)objects_get(ctx->objects, KUBE_NODES, ctx->role->node.name, &node);
	return node;
}

static const struct value *ready_condition(const struct value *node)
{
	const struct value *conditions = value_at(node, "status", "conditions");

	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);

		if (strcmp(value_string_or(value_get(condition, "type"), ""), "Ready") == 0)
			return condition;
	}
	return NULL;
}

static void judge_ready(const struct status_input *input, const struct value *rows,
			struct judgement *ret)
{
	const struct value *row = find_row(rows, "node-ready");

	if (!row)
		judge(ret, TRUTH_UNKNOWN, "NoRole", "this host has no role");
	else if (engine_is_in_sync(input->engine, "node-ready"))
		judge(ret, TRUTH_TRUE, "NodeReady", "node %s is Ready",
		      input->ctx->role->node.name);
	else
		judge(ret, TRUTH_FALSE, "NodeNotReady", "%s", reason_of(row));
}

static void judge_converged(const struct status_input *input, const struct value *rows,
			    struct judgement *ret)
{
	unsigned open = 0;
	const char *first = NULL;

	VALUE_FOREACH(i, rows) {
		const struct value *row = value_item(rows, i);

		if (strcmp(value_string_or(value_get(row, "verdict"), ""), "in-sync") == 0)
			continue;
		if (!first)
			first = value_string_or(value_get(row, "name"), "");
		open++;
	}
	if (!input->ctx->role)
		judge(ret, TRUTH_UNKNOWN, "NoRole", "this host has no role");
	else if (open == 0 && engine_is_converged(input->engine))
		judge(ret, TRUTH_TRUE, "AllInSync", "all %zu resources are in sync",
		      value_count(rows));
	else
		judge(ret, TRUTH_FALSE, "InWork", "%u of %zu resources are not in sync, first: %s",
		      open, value_count(rows), first ? first : "(a task is ending)");
}

static void judge_role_file(const struct status_input *input, struct judgement *ret)
{
	if (input->role_file_error && error_is_set(input->role_file_error))
		judge(ret, TRUTH_FALSE, "RoleFileInvalid", "%s", input->role_file_error->message);
	else
		judge(ret, TRUTH_TRUE, "Valid", "%s",
		      input->ctx->role ? input->ctx->role->source : "there is no role file");
}

static void judge_row(const struct value *rows, const char *name, const char *good, const char *bad,
		      struct judgement *ret)
{
	const struct value *row = find_row(rows, name);
	const char *verdict = value_string_or(value_get(row, "verdict"), "");

	if (!row)
		judge(ret, TRUTH_UNKNOWN, "NoRole", "this host has no role");
	else if (strcmp(verdict, "in-sync") == 0)
		judge(ret, TRUTH_TRUE, good, "%s", reason_of(row));
	else
		judge(ret, strcmp(verdict, "unknown") == 0 ? TRUTH_UNKNOWN : TRUTH_FALSE, bad, "%s",
		      reason_of(row));
}

static void judge_api_server(const struct status_input *input, struct judgement *ret)
{
	const struct context *ctx = input->ctx;
	const struct error *error = objects_error(ctx->objects);

	if (!ctx->role)
		judge(ret, TRUTH_UNKNOWN, "NoRole", "this host has no role");
	else if (!ctx->kube)
		judge(ret, TRUTH_UNKNOWN, "NoIdentity",
		      "this node has no certificate for the API server yet");
	else if (error)
		judge(ret, TRUTH_FALSE, "Unreachable", "%s", error->message);
	else
		judge(ret, TRUTH_TRUE, "Reachable", "%s", kube_server(ctx->kube));
}

static void judge_pod_network(const struct status_input *input, struct judgement *ret)
{
	const struct value *ready = ready_condition(own_node(input->ctx));
	const char *message = value_string_or(value_get(ready, "message"), "");

	if (!ready)
		judge(ret, TRUTH_UNKNOWN, "NodeUnknown", "the Node has not been seen yet");
	else if (strstr(message, "NetworkReady=false") || strstr(message, "cni plugin"))
		judge(ret, TRUTH_FALSE, "Missing", "no pod network: install a CNI add-on (%s)",
		      message);
	else
		judge(ret, TRUTH_TRUE, "Present", "the kubelet reports a pod network");
}

static void judge_secrets(const struct status_input *input, struct judgement *ret)
{
	if (input->exposed_file)
		judge(ret, TRUTH_FALSE, "SecretExposed",
		      "%s holds a token and can be read by others: chmod 0600 it, and make a new "
		      "token",
		      input->exposed_file);
	else
		judge(ret, TRUTH_TRUE, "Private", "no secret lies in a file that others can read");
}

static void judge_condition(enum condition condition, const struct status_input *input,
			    const struct value *rows, struct judgement *ret)
{
	switch (condition) {
	case CONDITION_READY:
		judge_ready(input, rows, ret);
		break;
	case CONDITION_CONVERGED:
		judge_converged(input, rows, ret);
		break;
	case CONDITION_ROLE_FILE:
		judge_role_file(input, ret);
		break;
	case CONDITION_PREFLIGHT:
		judge_row(rows, "preflight", "Passed", "Findings", ret);
		break;
	case CONDITION_API_SERVER:
		judge_api_server(input, ret);
		break;
	case CONDITION_POD_NETWORK:
		judge_pod_network(input, ret);
		break;
	case CONDITION_SECRETS:
		judge_secrets(input, ret);
		break;
	case _CONDITION_MAX:
		abort();
	}
}

static struct value *condition_value(struct status *status, enum condition condition,
				     const struct status_input *input, const struct value *rows)
{
	struct judgement judgement = { 0 };
	struct value *map = value_new_map();
	char since[32];

	judge_condition(condition, input, rows, &judgement);
	if (!status->conditions[condition].known ||
	    status->conditions[condition].truth != judgement.truth) {
		status->conditions[condition].known = true;
		status->conditions[condition].truth = judgement.truth;
		status->conditions[condition].since_s = clock_wall(input->ctx->clock);
	}
	format_time(status->conditions[condition].since_s, since);
	map = value_put(map, "type", value_new_string(condition_types[condition]));
	map = value_put(map, "status", value_new_string(truth_names[judgement.truth]));
	map = value_put(map, "reason", value_new_string(judgement.reason));
	map = value_put(map, "message", value_new_string(judgement.message));
	return value_put(map, "since", value_new_string(since));
}

static struct value *add_hint(struct value *hints, const char *text)
{
	return value_append(hints, value_new_string(text));
}

static struct value *hints_value(const struct status_input *input)
{
	const struct context *ctx = input->ctx;
	struct value *hints = value_new_list();
	struct judgement network = { 0 };

	if (!ctx->role)
		return add_hint(hints, "give this host a role: write /etc/agentd/role.yaml "
				       "(agentd.role(5)), or agentctl role set FILE");
	judge_pod_network(input, &network);
	if (network.truth == TRUTH_FALSE)
		hints =
		    add_hint(hints, "there is no pod network: install a CNI add-on with kubectl "
				    "apply, or put its configuration into /etc/cni/net.d");
	if (!role_is_control_plane(ctx->role) ||
	    !engine_is_in_sync(input->engine, "kubeconfig-admin"))
		return hints;
	hints = add_hint(hints, "use kubectl: export KUBECONFIG=/etc/kubernetes/admin.conf");
	return add_hint(hints, "join the next node: agentctl token create --print-join-command "
			       "(--role-file for agentd, --cloud-init for user-data)");
}

static struct value *put_role(struct value *map, const struct status_input *input)
{
	const struct role *role = input->ctx->role;

	map = value_put(map, "role", value_new_string(role ? role_kind_name(role->kind) : "none"));
	if (!role)
		return map;
	map = value_put(map, "source", value_new_string(role->source));
	map = value_put(map, "node", value_new_string(role->node.name));
	if (input->ctx->kube)
		map = value_put(map, "server", value_new_string(kube_server(input->ctx->kube)));
	if (role->cluster.kubernetes_version || input->ctx->kubelet_version)
		map = value_put(map, "kubernetesVersion",
				value_new_string(role->cluster.kubernetes_version
						     ? role->cluster.kubernetes_version
						     : input->ctx->kubelet_version));
	return map;
}

struct value *status_value(struct status *status, const struct status_input *input)
{
	const struct context *ctx = input->ctx;
	struct value *map = value_new_map(), *conditions = value_new_list();
	_cleanup_(value_unref) struct value *of_rows = report_conditions(input->engine);
	struct value *rows = report_rows(input->engine);

	map = value_put(map, "version", value_new_string(AGENTD_VERSION));
	map = put_role(map, input);
	map = value_put_at(map, value_new_int(ctx->role ? (int64_t)ctx->role->generation : 0),
			   "generation", "wanted");
	map = value_put_at(map, value_new_int((int64_t)engine_generation_reached(input->engine)),
			   "generation", "reached");
	for (enum condition i = 0; i < _CONDITION_MAX; i++)
		conditions = value_append(conditions, condition_value(status, i, input, rows));
	VALUE_FOREACH(i, of_rows)
		conditions = value_append(conditions, value_ref(value_item(of_rows, i)));
	map = value_put(map, "conditions", conditions);
	map = value_put(map, "rows", rows);
	map = value_put(map, "holds",
			input->holding ? holding_list(input->holding) : value_new_list());
	map = value_put(map, "hints", hints_value(input));
	map = value_put_at(map, value_new_int((int64_t)loop_wakeups(ctx->loop)), "counters",
			   "wakeups");
	return value_put_at(map, value_new_int((int64_t)http_requests()), "counters", "requests");
}

void status_line(const struct status_input *input, char *ret, size_t size)
{
	const struct role *role = input->ctx->role;
	bool ready = engine_is_in_sync(input->engine, "node-ready");

	if (!role)
		(void)snprintf(ret, size, "No role; waiting for /etc/agentd/role.yaml or agentctl");
	else
		(void)snprintf(ret, size, "%s %s: %s", role_kind_name(role->kind), role->node.name,
			       !ready				    ? "not Ready"
			       : engine_is_converged(input->engine) ? "Ready"
								    : "Ready, work in progress");
}
