/* A task as an op, so that a stage of one task can be a whole task itself; see task.h. */
#include "common/alloc.h"
#include "common/task.h"

struct task_op {
	struct op *op;
	struct task *task;
};

static void cancel(void *impl)
{
	struct task_op *self = impl;

	self->task = task_free(self->task);
}

static void release(void *impl)
{
	struct task_op *self = impl;

	task_free(self->task);
	free(self);
}

static const struct op_kind task_op_kind = {
	.name = "task",
	.cancel = cancel,
	.free = release,
};

/* The task itself, and with it the context that the owner still wants to read, goes with the op. */
static void ended(struct task *task, const struct error *error, void *userdata)
{
	struct task_op *self = userdata;

	if (error)
		op_fail(self->op, error);
	else
		op_complete(self->op, NULL);
}

struct op *task_op_new(struct loop *loop, const struct stage *stages, void *context,
		       void (*free_context)(void *context))
{
	struct task_op *self = NEW(struct task_op);

	self->op = op_new(loop, &task_op_kind, self);
	self->task = task_new(loop, stages, context, free_context, ended, self);
	op_show(self->op, context);
	return self->op;
}
