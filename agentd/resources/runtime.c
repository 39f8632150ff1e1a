/* The container runtime: asked by CRI whether it is ready and which cgroup driver it uses, once.
 * After that it is the kubelet's business; what it told is kept in the ledger. */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources.h"

static enum verdict runtime_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	const char *socket = ledger_note(ctx->ledger, row->name, "socket");

	if (facts_cgroup_driver(ctx) && socket && strcmp(socket, ctx->role->node.cri_socket) == 0)
		return IN_SYNC;
	why_set(why, "the container runtime at %s has not answered yet",
		ctx->role->node.cri_socket);
	return DRIFTED;
}

static struct op *runtime_version(struct task *task, struct error *err)
{
	(void)err;
	return cri_version(ctx_of(task)->cri);
}

static struct op *runtime_status(struct task *task, struct error *err)
{
	(void)err;
	return cri_status(ctx_of(task)->cri);
}

static int runtime_is_ready(struct task *task, struct op *op, struct error *err)
{
	const struct value *status = op_value(op);

	(void)task;
	if (value_is_true(value_get(status, "runtimeReady")))
		return STAGE_NEXT;
	return error_set(err, ERROR_NETWORK, -EAGAIN, "the container runtime is not ready: %s %s",
			 value_string_or(value_get(status, "reason"), "no reason given"),
			 value_string_or(value_get(status, "message"), ""));
}

static struct op *runtime_config(struct task *task, struct error *err)
{
	(void)err;
	return cri_runtime_config(ctx_of(task)->cri);
}

/* A runtime that does not know the call gets kubeadm's default. */
static int runtime_keep(struct task *task, struct op *op, struct error *err)
{
	struct ledger *ledger = ctx_of(task)->ledger;
	const struct error *error = op_error(op);
	const char *driver = "systemd";

	if (error && error->code != -ENOSYS)
		return op_result(op, err);
	if (!error)
		driver = value_string_or(value_get(op_value(op), "cgroupDriver"), driver);
	ledger_set_note(ledger, "container-runtime", "cgroup-driver", driver);
	ledger_set_note(ledger, "container-runtime", "socket", role_of(task)->node.cri_socket);
	return STAGE_NEXT;
}

static const struct stage runtime_apply[] = {
	{ "ask its version", runtime_version, NULL, .timeout_s = 10 },
	{ "ask its status", runtime_status, runtime_is_ready, .timeout_s = 10 },
	{ "ask its cgroup driver", runtime_config, runtime_keep, .timeout_s = 10,
	  .may_fail = true },
	{ 0 },
};

/* clang-format off */
const struct resource runtime_rows[] = {
	{ .name = "container-runtime", .title = "the container runtime answers and is ready",
	  .roles = FOR_ANY, .observe = runtime_observe, .apply = runtime_apply },
	{ 0 },
};
/* clang-format on */
