/* Runs a stage table: one stage after the other, one op at a time.
 *
 * A stage is one step of a change. `start` builds a request and returns its op; `finish` reads the
 * reply. Domain code contains no callback, no free and no error prefix: the runner adds all three,
 * and the stage's name is the status, the log field, the error context and the line of a plan.
 * Every stage is idempotent, because a task may be started again from its first stage at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"

struct task;

enum stage_verdict {
	STAGE_NEXT = 0, /* go on with the next stage */
	STAGE_AGAIN,	/* start this stage again after again_ms */
	STAGE_END,	/* the task is done, later stages are not needed */
};

struct stage {
	const char *name; /* "await certificate": imperative, lower case */
	/* NULL = a synchronous stage: finish runs with op NULL. Returning NULL without setting err
	 * means that there is nothing to do: the stage is over and finish is not called. */
	struct op *(*start)(struct task *task, struct error *err);
	/* NULL = the op's success is all there is. Answers a verdict or a negative errno. The op
	 * has succeeded, unless .may_fail. */
	int (*finish)(struct task *task, struct op *op, struct error *err);
	unsigned again_ms;  /* pause before STAGE_AGAIN; 0 = 1000 */
	unsigned timeout_s; /* for all rounds of this stage; 0 = 60 */
	bool may_fail;	    /* finish wants to see a failed op too */
	bool may_stop;	    /* only waits: task_stop() drops its op at once */
};

typedef void (*task_done_fn)(struct task *task, const struct error *error, void *userdata);

/* Stages end with {}. context is what task_context() gives to the stages, and is freed with
 * free_context (may be NULL) when the task is freed. Starts from the loop's next round. done is
 * called once, error NULL on success; the owner then frees the task (also from inside done). */
struct task *task_new(struct loop *loop, const struct stage *stages, void *context,
		      void (*free_context)(void *context), task_done_fn done, void *userdata);
/* Cancels what is in flight. Accepts NULL, returns NULL. */
struct task *task_free(struct task *task);
DEFINE_CLEANUP(struct task, task_free)
/* The same as an op: it completes without a value when the task has ended, or fails as it did.
 * op_impl() is the context, which is freed with the op; op_drop() cancels. */
struct op *task_op_new(struct loop *loop, const struct stage *stages, void *context,
		       void (*free_context)(void *context));

void *task_context(struct task *task);
struct loop *task_loop(struct task *task);
/* Name of the stage it is in, NULL when it has ended; since is its monotonic start. */
const char *task_stage(const struct task *task);
uint64_t task_stage_since_ns(const struct task *task);
/* Asks to stop at the next stage boundary, or at once in a stage that .may_stop; done gets
 * -ECANCELED. */
void task_stop(struct task *task);
