/* What keeps a node the one that it is: its Node object is there, the host has the address that
 * others know, and the name that it once registered with stays. What was seen means is decided in
 * identity_rules.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/kube/names.h"
#include "agentd/resources.h"
#include "agentd/resources/identity_rules.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"

/* The Node object. */

enum { GRACE_LONGEST_S = 600 };

static enum verdict registered_observe(struct context *ctx, const struct resource *row,
				       struct why *why)
{
	const char *name = ctx->role->node.name;
	const struct error *error = objects_error(ctx->objects);
	const struct value *node = NULL;

	switch (objects_get(ctx->objects, KUBE_NODES, name, &node)) {
	case OBJECT_UNKNOWN:
		why_set(why, "the API server has not told yet%s%s", error ? ": " : "",
			error ? error->message : "");
		return UNKNOWN;
	case OBJECT_MISSING:
		why_set(why,
			"there is no node %s in the cluster; a kubelet registers once, when it "
			"starts",
			name);
		return DRIFTED;
	case OBJECT_FOUND:
		break;
	}
	if (!ledger_note(ctx->ledger, row->name, "restarted"))
		return IN_SYNC;
	why_set(why, "node %s is registered again", name);
	return DRIFTED;
}

/* The kubelet process that a task began with. */
struct registration {
	uint32_t pid;
	uint64_t started_us;
};

static bool is_process(const struct unit_state *state, const struct registration *registration)
{
	return state->known && strcmp(state->active_state, "active") == 0 &&
	       state->main_pid == registration->pid &&
	       state->active_enter_us == registration->started_us;
}

static struct op *registered_wait(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct unit_state *state = units_get(ctx->units, KUBELET_UNIT);
	const char *past = ledger_note(ctx->ledger, row_of(task)->name, "restarts");
	struct registration *registration = NEW(struct registration);
	const struct value *node = NULL;
	unsigned grace;

	(void)err;
	*registration = (struct registration){ state->main_pid, state->active_enter_us };
	run_keep(task, registration, free);
	if (objects_get(ctx->objects, KUBE_NODES, role_of(task)->node.name, &node) == OBJECT_FOUND)
		return NULL;
	grace =
	    identity_registration_grace_s(identity_restarts_read(past, ctx->now),
					  ctx->now - (int64_t)(state->active_enter_us / 1000000));
	return op_new_sleep(ctx->loop, grace * NSEC_PER_SEC);
}

/* The cache may be behind what the API server knows. */
static struct op *registered_ask(struct task *task, struct error *err)
{
	_cleanup_free_ char *path = xasprintf(KUBE_NODES "/%s", role_of(task)->node.name);

	if (ctx_of(task)->kube)
		return kube_get(ctx_of(task)->kube, path);
	error_set(err, ERROR_PENDING, -EAGAIN, "this node has no identity at the API server now");
	return NULL;
}

static int registered_answer(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	bool was_restarted = ledger_note(ctx->ledger, row_of(task)->name, "restarted") != NULL;

	(void)err;
	if (op_value(op)) {
		ledger_set_note(ctx->ledger, row_of(task)->name, "restarted", NULL);
		if (was_restarted)
			history_add(ctx->history, "Healed", row_of(task)->name,
				    "node %s is registered again, by a restarted kubelet",
				    role_of(task)->node.name);
		return STAGE_END;
	}
	/* Another kubelet has a chance of its own. */
	return is_process(units_get(ctx->units, KUBELET_UNIT), run_of(task)->state) ? STAGE_NEXT
										    : STAGE_END;
}

static struct op *registered_restart(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const char *row = row_of(task)->name;
	struct identity_restarts past =
	    identity_restarts_read(ledger_note(ctx->ledger, row, "restarts"), ctx->now);
	_cleanup_free_ char *text = xasprintf("%u %" PRId64, past.count + 1, ctx->now);

	(void)err;
	/* Counted before: whatever happens to this agentd, the next one does not do it at once. */
	ledger_set_note(ctx->ledger, row, "restarts", text);
	ledger_set_note(ctx->ledger, row, "restarted", "yes");
	history_add(ctx->history, "Restarted", row,
		    "the kubelet is restarted, because node %s is not in the cluster",
		    role_of(task)->node.name);
	return unit_restart(ctx->bus, KUBELET_UNIT);
}

static const struct stage registered_apply[] = {
	{ "give the kubelet time to register", registered_wait, NULL,
	  .timeout_s = GRACE_LONGEST_S },
	{ "ask the API server for the Node", registered_ask, registered_answer },
	{ "restart the kubelet", registered_restart, NULL, .timeout_s = 90 },
	{ 0 },
};

/* Whoever keeps the Node: two hosts of one name overwrite each other there. */

static enum verdict user_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct value *node = NULL;
	const char *theirs;
	char ours[33];

	(void)row;
	facts_machine_id(ctx, ours);
	(void)objects_get(ctx->objects, KUBE_NODES, ctx->role->node.name, &node);
	theirs = value_string_or(value_at(node, "status", "nodeInfo", "machineID"), ours);
	if (!theirs[0] || strcmp(theirs, ours) == 0)
		return IN_SYNC;
	why_reason(why, "NameConflict");
	why_set(why,
		"node %s is kept by another host (machine-id %s) than this one (%s): one of them "
		"needs another name",
		ctx->role->node.name, theirs, ours);
	return BLOCKED;
}

/* The host's name, which a node has registered with unless the role named it. */

static enum verdict name_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const char *name = ctx->role->node.name;

	(void)row;
	if (!ctx->role->name_is_found || facts_is_hostname(ctx, name))
		return IN_SYNC;
	why_reason(why, "HostnameChanged");
	why_set(why,
		"this host is called %s now, and stays registered as node %s: nothing has to be "
		"done; nodeRegistration.name: %s in the role says that it is meant so",
		ctx->hostname, name, name);
	return BLOCKED;
}

static void node_triggers(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)row;
	strv_addf(&ret->objects, KUBE_NODES " %s", ctx->role->node.name);
}

/* clang-format off */
const struct resource node_identity_rows[] = {
	{ .name = "node-registered", .title = "the Node object of this host is in the cluster",
	  .roles = FOR_ANY, .class = CLASS_NODE, .condition = "NodeRegistered",
	  .needs = { "agentd-rights", "kubelet-unit" },
	  .triggers = { ON_LIST(node_triggers), ON_UNIT(KUBELET_UNIT) },
	  .observe = registered_observe, .apply = registered_apply },
	{ .name = "node-name", .title = "no other host keeps the Node of this name",
	  .roles = FOR_ANY, .condition = "NodeNameUnique",
	  .triggers = { ON_LIST(node_triggers) }, .observe = user_observe },
	{ .name = "host-name", .title = "the host is called as its node, or the role named the node",
	  .roles = FOR_ANY, .condition = "HostnameKept", .observe = name_observe },
	{ 0 },
};
/* clang-format on */
