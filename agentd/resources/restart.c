/* The restart of a component through the container runtime; see restart.h. */
#include "agentd/resources/restart.h"

#include <errno.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/leader.h"
#include "common/alloc.h"
#include "common/task.h"

/* As long as the kubelet would wait for a static pod. */
enum { GRACE_S = 30 };

struct restart {
	struct context *ctx;
	char *component, *id;
	struct value *started;
};

static void restart_free(void *context)
{
	struct restart *restart = context;

	free(restart->component);
	free(restart->id);
	value_unref(restart->started);
	free(restart);
}

static bool chooses_leaders(const struct restart *restart)
{
	return strcmp(restart->component, "kube-controller-manager") == 0 ||
	       strcmp(restart->component, "kube-scheduler") == 0;
}

static struct op *leader_start(struct task *task, struct error *err)
{
	const struct restart *restart = task_context(task);

	(void)err;
	return chooses_leaders(restart) ? leader_get(restart->ctx, restart->component) : NULL;
}

/* On disk before the container is stopped, so that its Lease is released whatever happens to agentd
 * meanwhile. */
static int leader_finish(struct task *task, struct op *op, struct error *err)
{
	const struct restart *restart = task_context(task);
	const char *holder = value_string_or(op_value(op), "");

	if (!leader_is_here(restart->ctx, holder))
		return STAGE_NEXT;
	leader_note_stopped(restart->ctx, restart->component, holder);
	return ledger_save(restart->ctx->ledger, err);
}

static struct op *stop_start(struct task *task, struct error *err)
{
	const struct restart *restart = task_context(task);

	(void)err;
	return cri_stop(restart->ctx->cri, restart->id, GRACE_S);
}

static struct op *release_start(struct task *task, struct error *err)
{
	const struct restart *restart = task_context(task);

	(void)err;
	return leader_release_stopped(restart->ctx, restart->component);
}

static struct op *started_start(struct task *task, struct error *err)
{
	const struct restart *restart = task_context(task);

	(void)err;
	return cri_running(restart->ctx->cri, KUBE_SYSTEM, restart->component);
}

static int started_finish(struct task *task, struct op *op, struct error *err)
{
	struct restart *restart = task_context(task);
	const struct value *newest = value_item(op_value(op), 0);

	(void)err;
	if (value_count(op_value(op)) == 0 ||
	    strcmp(value_string_or(value_get(newest, "id"), ""), restart->id) == 0)
		return STAGE_AGAIN;
	value_unref(restart->started);
	restart->started = value_ref(newest);
	return STAGE_NEXT;
}

static struct op *ready_start(struct task *task, struct error *err)
{
	const struct restart *restart = task_context(task);

	(void)err;
	return kube_probe(restart->ctx->kube, KUBE_READYZ);
}

static int ready_finish(struct task *task, struct op *op, struct error *err)
{
	(void)task;
	(void)err;
	return op_error(op) ? STAGE_AGAIN : STAGE_NEXT;
}

static const struct stage restart_stages[] = {
	{ "see who leads", leader_start, leader_finish, .timeout_s = 30 },
	{ "stop the container", stop_start, NULL, .timeout_s = GRACE_S + 30 },
	{ "release its leadership", release_start, NULL, .timeout_s = 30 },
	{ "await the new process", started_start, started_finish, .again_ms = 100,
	  .timeout_s = 180 },
	{ "await /readyz", ready_start, ready_finish, .again_ms = 250, .timeout_s = 120,
	  .may_fail = true },
	{ 0 },
};

static int restarted(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct restart *restart = op_impl(inner);

	(void)impl;
	(void)err;
	*ret_value = value_ref(restart->started);
	return 0;
}

struct op *restart_component(struct context *ctx, const char *component, const char *id)
{
	static const struct op_kind kind = { .name = "restart a component" };
	struct restart *restart = NEW(struct restart);

	*restart =
	    (struct restart){ .ctx = ctx, .component = xstrdup(component), .id = xstrdup(id) };
	return op_new_then(ctx->loop, &kind, NULL,
			   task_op_new(ctx->loop, restart_stages, restart, restart_free),
			   restarted);
}
