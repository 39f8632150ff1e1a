/* This host's Node: registered and Ready; on a control plane also its labels (kept) and its taints
 * (set once for each Node object, then the administrator's). On a worker the bootstrap token is
 * forgotten once the Node works without it. */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/kube/names.h"
#include "agentd/kube/policy.h"
#include "agentd/resources.h"
#include "common/alloc.h"

static enum object_state node_get(const struct context *ctx, const struct value **ret,
				  struct why *why)
{
	enum object_state state = objects_get(ctx->objects, KUBE_NODES, ctx->role->node.name, ret);
	const struct error *error = objects_error(ctx->objects);

	if (state == OBJECT_UNKNOWN)
		why_set(why, "the API server has not told yet%s%s", error ? ": " : "",
			error ? error->message : "");
	if (state == OBJECT_MISSING)
		why_set(why, "the kubelet has not registered node %s yet", ctx->role->node.name);
	return state;
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

static enum verdict ready_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct value *node = NULL, *ready;

	(void)row;
	if (node_get(ctx, &node, why) != OBJECT_FOUND)
		return UNKNOWN;
	ready = ready_condition(node);
	if (strcmp(value_string_or(value_get(ready, "status"), ""), "True") == 0)
		return IN_SYNC;
	why_set(why, "node %s is not Ready: %s", ctx->role->node.name,
		value_string_or(value_get(ready, "message"), "the kubelet has not said why"));
	return UNKNOWN;
}

/* Labels. */

static struct value *labelled(const struct role *role)
{
	struct value *node = value_new_map();

	node = value_put(node, "apiVersion", value_new_string("v1"));
	node = value_put(node, "kind", value_new_string("Node"));
	node = value_put_at(node, value_new_string(role->node.name), "metadata", "name");
	node = value_put_at(node, value_new_string(""), "metadata", "labels",
			    KUBE_LABEL_CONTROL_PLANE);
	return value_put_at(node, value_new_string(""), "metadata", "labels", KUBE_LABEL_NO_LB);
}

static enum verdict labels_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	_cleanup_(value_unref) struct value *wanted = labelled(ctx->role);
	_cleanup_(buf_done) struct buf difference = BUF_INIT(512);
	const struct value *node = NULL;

	(void)row;
	if (node_get(ctx, &node, why) != OBJECT_FOUND)
		return UNKNOWN;
	if (policy_compare(wanted, NULL, node, &difference) == POLICY_SAME)
		return IN_SYNC;
	why_set(why, "node %s: %s", ctx->role->node.name, difference.data);
	return DRIFTED;
}

static struct op *labels_mend(struct task *task, struct error *err)
{
	_cleanup_(value_unref) struct value *wanted = labelled(role_of(task));
	const struct value *node = NULL;
	struct context *ctx = ctx_of(task);
	struct why why;

	/* Applying to a Node that is gone would make a ghost of it. */
	if (node_get(ctx, &node, &why) != OBJECT_FOUND || !ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "the Node cannot be seen now");
		return NULL;
	}
	return policy_mend(ctx->kube, KUBE_NODES, role_of(task)->node.name, wanted, NULL, node);
}

static const struct stage labels_apply[] = {
	{ "label the node", labels_mend, NULL },
	{ 0 },
};

/* Taints. */

static const char *uid_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "uid"), "");
}

static enum verdict taints_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const char *done = ledger_note(ctx->ledger, row->name, "uid");
	const struct value *node = NULL;

	if (node_get(ctx, &node, why) != OBJECT_FOUND)
		return UNKNOWN;
	if (done && strcmp(done, uid_of(node)) == 0)
		return IN_SYNC;
	why_set(why, "node %s has not been given its taints yet", ctx->role->node.name);
	return DRIFTED;
}

static struct value *taint_value(const struct role_taint *taint)
{
	struct value *map = value_put(value_new_map(), "key", value_new_string(taint->key));

	if (taint->value && taint->value[0])
		map = value_put(map, "value", value_new_string(taint->value));
	return value_put(map, "effect", value_new_string(taint->effect));
}

static bool same_taint(const struct value *a, const struct value *b)
{
	static const char *const keys[] = { "key", "value", "effect" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(value_string_or(value_get(a, keys[i]), ""),
			   value_string_or(value_get(b, keys[i]), "")) != 0)
			return false;
	return true;
}

/* The configured ones first, then those that are there and differ, as kubeadm orders them. */
static struct value *taint_list(const struct role *role, const struct value *old)
{
	struct value *list = value_new_list();

	for (size_t i = 0; i < role->node.taints.count; i++)
		list = value_append(list, taint_value(&role->node.taints.items[i]));
	VALUE_FOREACH(i, old) {
		const struct value *taint = value_item(old, i);
		bool known = false;

		VALUE_FOREACH(j, list)
			known |= same_taint(value_item(list, j), taint);
		if (!known)
			list = value_append(list, value_ref(taint));
	}
	return list;
}

static struct value *patch_op(const char *op, const char *path, struct value *value)
{
	struct value *map = value_put(value_new_map(), "op", value_new_string(op));

	map = value_put(map, "path", value_new_string(path));
	return value_put(map, "value", value);
}

static struct op *taints_patch(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct value *node = NULL, *old;
	_cleanup_(value_unref) struct value *list = NULL, *patch = value_new_list();
	_cleanup_free_ char *path = xasprintf(KUBE_NODES "/%s", role_of(task)->node.name);
	struct why why;

	if (node_get(ctx, &node, &why) != OBJECT_FOUND || !ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "the Node cannot be seen now");
		return NULL;
	}
	run_keep(task, xstrdup(uid_of(node)), free);
	old = value_at(node, "spec", "taints");
	list = taint_list(role_of(task), old);
	if (value_count(list) == value_count(old))
		return NULL;
	/* The test keeps what others add meanwhile. */
	patch =
	    value_append(patch, patch_op("test", "/metadata/uid", value_new_string(uid_of(node))));
	if (old)
		patch = value_append(patch, patch_op("test", "/spec/taints", value_ref(old)));
	patch = value_append(patch, patch_op("add", "/spec/taints", value_ref(list)));
	return kube_json_patch(ctx->kube, path, patch, KUBE_MANAGER_ONCE);
}

static int taints_remember(struct task *task, struct op *op, struct error *err)
{
	(void)op;
	(void)err;
	ledger_set_note(ctx_of(task)->ledger, row_of(task)->name, "uid", run_of(task)->state);
	return STAGE_NEXT;
}

static const struct stage taints_apply[] = {
	{ "set the node's taints", taints_patch, NULL },
	{ "remember which Node has them", NULL, taints_remember },
	{ 0 },
};

/* The bootstrap token. */

static enum verdict token_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	(void)row;
	if (!ctx->role->join.tls_bootstrap_token && !ctx->role->join.token)
		return IN_SYNC;
	why_set(why, "the bootstrap token has served and is still kept");
	return DRIFTED;
}

static int token_forget(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);

	(void)op;
	return ctx->forget_token(ctx, err);
}

static const struct stage token_apply[] = {
	{ "forget the bootstrap token", NULL, token_forget },
	{ 0 },
};

static void node_triggers(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)row;
	strv_addf(&ret->objects, KUBE_NODES " %s", ctx->role->node.name);
}

/* clang-format off */
const struct resource node_rows[] = {
	{ .name = "node-labels", .title = "the Node's control-plane labels",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_NODE, .needs = { "apiserver", "kubelet-unit" },
	  .triggers = { ON_LIST(node_triggers) },
	  .observe = labels_observe, .apply = labels_apply },
	{ .name = "node-taints", .title = "the Node's taints, set once for each Node object",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_NODE, .needs = { "apiserver", "kubelet-unit" },
	  .triggers = { ON_LIST(node_triggers) },
	  .observe = taints_observe, .apply = taints_apply },
	{ .name = "node-ready", .title = "the kubelet has registered the Node, and it is Ready",
	  .roles = FOR_ANY, .needs = { "kubelet-unit" }, .triggers = { ON_LIST(node_triggers) },
	  .observe = ready_observe },
	{ .name = "bootstrap-token-forgotten", .title = "no bootstrap token is kept on a node that works",
	  .roles = FOR_WORKER, .needs = { "node-ready", "tls-bootstrap" },
	  .observe = token_observe, .apply = token_apply },
	{ 0 },
};
/* clang-format on */
