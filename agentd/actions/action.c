/* A stage table behind an op; see action.h. */
#include "agentd/actions/action.h"

#include "common/alloc.h"

static void action_cancel(void *impl)
{
	struct action *action = impl;

	action->task = task_free(action->task);
}

static void action_free(void *impl)
{
	struct action *action = impl;

	task_free(action->task);
	if (action->free_state)
		action->free_state(action->state);
	free(action);
}

static const struct op_kind action_kind = { "action", action_cancel, action_free };

static void action_ended(struct task *task, const struct error *error, void *userdata)
{
	struct action *action = userdata;

	(void)task;
	if (error)
		op_fail(action->op, error);
	else
		op_complete(action->op, action->result(action));
}

struct op *action_start(struct context *ctx, const struct stage *stages, void *state,
			void (*free_state)(void *state),
			struct value *(*result)(struct action *action))
{
	struct action *action = NEW(struct action);

	action->ctx = ctx;
	action->state = state;
	action->free_state = free_state;
	action->result = result;
	action->op = op_new(ctx->loop, &action_kind, action);
	action->task = task_new(ctx->loop, stages, action, NULL, action_ended, action);
	return action->op;
}
