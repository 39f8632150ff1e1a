/* What stands open while somebody may join, and only then: anonymous reading of cluster-info while
 * a token that signs it lives, and the controller's approval of any node while a token of the
 * common group lives. The binding for the rotation of certificates is not among them: it always
 * stands.
 *
 * Before anything changes the tokens are read anew, since our cache may be behind the one who made
 * the latest. Before the approval opens again, requests of tokens that are gone are refused: the
 * controller would approve them, however old they are. */
#include <errno.h>
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/approval.h"
#include "agentd/resources/node_request.h"
#include "agentd/resources/object.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"

static const struct policy binding_policy[] = {
	{ "roleRef", POLICY_FIXED, NULL },
	{ "subjects", POLICY_MERGED, NULL },
	{ 0 },
};

static const struct object anonymous = {
	.collection = KUBE_PUBLIC_ROLE_BINDINGS,
	.kind = "RoleBinding",
	.namespace = KUBE_PUBLIC,
	.name = "kubeadm:bootstrap-signer-clusterinfo",
	.policy = binding_policy,
};
static const struct object autoapproval = {
	.collection = KUBE_CLUSTER_ROLE_BINDINGS,
	.kind = "ClusterRoleBinding",
	.namespace = "",
	.name = "kubeadm:node-autoapprove-bootstrap",
	.policy = binding_policy,
};

static bool opens(const struct resource *row, const struct value *secret, int64_t now)
{
	_cleanup_(token_secret_done) struct token_secret token = { 0 };

	if (!token_secret_read(secret, &token) || !token_secret_is_live(&token, now))
		return false;
	return row->data == &anonymous ? token_secret_signs(&token)
				       : token_secret_is_for_all(&token);
}

/* Whether the cached tokens want it open. */
static bool is_open(const struct context *ctx, const struct resource *row)
{
	for (int i = 0; i < objects_count(ctx->objects, TOKEN_SECRETS); i++)
		if (opens(row, objects_item(ctx->objects, TOKEN_SECRETS, i), ctx->now))
			return true;
	return false;
}

static enum verdict joining_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	const struct object *object = row->data;
	const struct value *live = NULL;

	if (objects_count(ctx->objects, TOKEN_SECRETS) < 0) {
		why_set(why, "the API server has not told of tokens yet");
		return UNKNOWN;
	}
	if (is_open(ctx, row))
		return object_observe(ctx, row, why);
	if (objects_get(ctx->objects, object->collection, object->name, &live) == OBJECT_UNKNOWN) {
		why_set(why, "the API server has not told yet");
		return UNKNOWN;
	}
	if (!live)
		return IN_SYNC;
	why_set(why, "%s %s stands, and no token is live that it would be for", object->kind,
		object->name);
	why_planned(why);
	return DRIFTED;
}

/* What the stages hand on. */
struct joining {
	bool open;
	struct strv live;    /* ids of the tokens that live by the server's word of just now */
	struct strv refused; /* names of requests: their answers may not be in the cache yet */
};

static void joining_free(void *state)
{
	struct joining *joining = state;

	strv_done(&joining->live);
	strv_done(&joining->refused);
	free(joining);
}

static struct op *tokens_read(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);

	if (ctx->kube)
		return kube_list(ctx->kube, KUBE_SYSTEM_SECRETS, TOKEN_SECRETS_QUERY);
	error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
	return NULL;
}

/* The cache follows; what it made us do is not done where the server says otherwise. */
static int tokens_were_read(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct value *items = value_get(op_value(op), "items");
	struct joining *joining = NEW(struct joining);
	int64_t now = clock_wall(ctx->clock);

	(void)err;
	run_keep(task, joining, joining_free);
	VALUE_FOREACH(i, items) {
		_cleanup_(token_secret_done) struct token_secret token = { 0 };

		joining->open |= opens(row_of(task), value_item(items, i), now);
		if (token_secret_read(value_item(items, i), &token) &&
		    token_secret_is_live(&token, now))
			strv_add(&joining->live, token.token.id);
	}
	return joining->open == is_open(ctx, row_of(task)) ? STAGE_NEXT : STAGE_END;
}

static const struct value *next_stale(const struct context *ctx, const struct joining *joining)
{
	int count = objects_count(ctx->objects, KUBE_CSRS);

	for (int i = 0; i < count; i++) {
		const struct value *request = objects_item(ctx->objects, KUBE_CSRS, i);
		const char *id = approval_token_id(request);

		if (node_request_is_pending(request) && id && !strv_contains(&joining->live, id) &&
		    strcmp(node_request_signer(request), KUBE_SIGNER_CLIENT_KUBELET) == 0 &&
		    !strv_contains(&joining->refused, node_request_name(request)))
			return request;
	}
	return NULL;
}

static struct op *stale_refuse(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	struct joining *joining = run_of(task)->state;
	const struct value *request;

	if (row_of(task)->data != &autoapproval || !joining->open)
		return NULL;
	if (objects_count(ctx->objects, KUBE_CSRS) < 0) {
		error_set(err, ERROR_PENDING, -EAGAIN,
			  "the API server has not told of certificate requests yet");
		return NULL;
	}
	request = next_stale(ctx, joining);
	if (!request)
		return NULL;
	strv_add(&joining->refused, node_request_name(request));
	return node_request_answer(ctx->kube, request, "Denied",
				   "the bootstrap token of this request is gone or has expired",
				   clock_wall(ctx->clock));
}

static int stale_refused(struct task *task, struct op *op, struct error *err)
{
	const struct error *error = op_error(op);

	/* Somebody else has answered it. */
	if (error && error->code != -EAGAIN && error->code != -ENOENT)
		return op_result(op, err);
	if (!error)
		history_add(ctx_of(task)->history, "Refused", row_of(task)->name,
			    "old certificate request %s of %s, whose token is gone",
			    node_request_name(op_value(op)), node_request_user(op_value(op)));
	return STAGE_AGAIN;
}

static struct op *joining_write(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct joining *joining = run_of(task)->state;
	const struct object *object = row_of(task)->data;
	_cleanup_free_ char *path = NULL;
	const struct value *live = NULL;

	if (joining->open)
		return object_apply->start(task, err);
	if (objects_get(ctx->objects, object->collection, object->name, &live) != OBJECT_FOUND)
		return NULL;
	path = xasprintf("%s/%s", object->collection, object->name);
	return kube_delete_uid(ctx->kube, path,
			       value_string_or(value_at(live, "metadata", "uid"), ""));
}

static int joining_written(struct task *task, struct op *op, struct error *err)
{
	const struct joining *joining = run_of(task)->state;
	const struct object *object = row_of(task)->data;

	(void)op;
	(void)err;
	history_add(ctx_of(task)->history, joining->open ? "Opened" : "Closed", row_of(task)->name,
		    "%s %s: %s", object->kind, object->name,
		    joining->open ? "a token is live" : "no token is live");
	return STAGE_NEXT;
}

static const struct stage joining_apply[] = {
	{ "read the tokens anew", tokens_read, tokens_were_read, .timeout_s = 30 },
	{ "refuse old requests before opening", stale_refuse, stale_refused, .again_ms = 1,
	  .may_fail = true },
	{ "write or delete the object", joining_write, joining_written, .timeout_s = 30 },
	{ 0 },
};

/* When the next token expires; 0 if none does. */
static int64_t next_expiry(struct context *ctx, const struct resource *row)
{
	int64_t next = 0;

	(void)row;
	for (int i = 0; i < objects_count(ctx->objects, TOKEN_SECRETS); i++) {
		_cleanup_(token_secret_done) struct token_secret token = { 0 };
		const struct value *secret = objects_item(ctx->objects, TOKEN_SECRETS, i);

		if (token_secret_read(secret, &token) && token.expiration > ctx->now &&
		    (next == 0 || token.expiration < next))
			next = token.expiration;
	}
	return next;
}

#define OPENING(id, description, ...)                                                   \
	{                                                                               \
		.name = id, .title = "cluster object " id ", while a token lives",      \
		.roles = FOR_CONTROL_PLANE, .class = CLASS_TOKENS, .data = description, \
		.needs = { "apiserver", "bootstrap-tokens", ##__VA_ARGS__ },            \
		.triggers = { ON_LIST(object_triggers), ON_OBJECT(TOKEN_SECRETS, NULL), \
			      DUE(next_expiry) },                                       \
		.observe = joining_observe, .apply = joining_apply                      \
	}

/* clang-format off */
const struct resource joining_rows[] = {
	OPENING("rolebinding/kube-public/kubeadm:bootstrap-signer-clusterinfo", &anonymous,
		"role/kube-public/kubeadm:bootstrap-signer-clusterinfo"),
	OPENING("clusterrolebinding/kubeadm:node-autoapprove-bootstrap", &autoapproval),
	{ 0 },
};
/* clang-format on */
