/* A one-shot request as an op: a stage table that runs once and ends with a value. Started by a
 * method of the control socket, answered when it is done. */
#pragma once

#include "agentd/context.h"
#include "common/task.h"

struct action {
	struct context *ctx;
	struct op *op; /* whose impl this is */
	struct task *task;
	void *state; /* the action's own */
	void (*free_state)(void *state);
	struct value *(*result)(struct action *action); /* what the op completes with */
};

/* Runs stages; their task's context is the action (action_of()). state is owned. */
struct op *action_start(struct context *ctx, const struct stage *stages, void *state,
			void (*free_state)(void *state),
			struct value *(*result)(struct action *action));

static inline struct action *action_of(struct task *task)
{
	return task_context(task);
}
