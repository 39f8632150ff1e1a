/* The runner of stage tables; see task.h. One timer moves a task on: it starts the next stage on
 * the loop's next round, ends the pause after STAGE_AGAIN, and fails a stage that takes too long.
 */
#include "common/task.h"

#include <errno.h>

#include "common/alloc.h"
#include "common/macros.h"

enum { DEFAULT_AGAIN_MS = 1000, DEFAULT_TIMEOUT_S = 60 };

struct task {
	struct loop *loop;
	const struct stage *stage; /* the one it is in; its name is NULL at the end of the table */
	void *context;
	void (*free_context)(void *context);
	task_done_fn done;
	void *userdata;
	struct loop_timer *timer;
	struct op *op;	   /* in flight */
	uint64_t since_ns; /* start of the stage's first round */
	bool begun;	   /* the stage's first round has started */
	bool stopped, ended;
};

static unsigned timeout_s(const struct task *task)
{
	return task->stage->timeout_s ? task->stage->timeout_s : DEFAULT_TIMEOUT_S;
}

static uint64_t deadline_ns(const struct task *task)
{
	return task->since_ns + timeout_s(task) * NSEC_PER_SEC;
}

/* The owner may free the task in its callback: this is the last thing that anyone does with it. */
static void end(struct task *task, const struct error *error)
{
	task->ended = true;
	loop_timer_disarm(task->timer);
	task->done(task, error, task->userdata);
}

static void fail(struct task *task, struct error *err)
{
	/* A stage that fails without saying why breaks its contract; the journal must show it. */
	if (!error_is_set(err))
		(void)error_set(err, ERROR_BUG, -EPROTO, "failed without a reason");
	(void)error_wrap(err, err->code, "%s", task->stage->name);
	end(task, err);
}

static void begin_stage(struct task *task, const struct stage *stage)
{
	task->stage = stage;
	task->begun = false;
	task->since_ns = clock_ns(loop_clock(task->loop));
	loop_timer_arm_at(task->timer, task->since_ns, 0);
}

static void begin_pause(struct task *task)
{
	unsigned ms = task->stage->again_ms ? task->stage->again_ms : DEFAULT_AGAIN_MS;
	uint64_t pause = ms * NSEC_PER_MSEC;
	uint64_t start = clock_ns(loop_clock(task->loop)) + pause;

	loop_timer_arm_at(task->timer, MIN(start, deadline_ns(task)), pause / 16);
}

/* Reads the reply of a stage, op being NULL for a synchronous one, and moves on. */
static void finish_stage(struct task *task, struct op *op)
{
	const struct stage *stage = task->stage;
	struct error err = ERROR_INIT;
	int r = op && !stage->may_fail ? op_result(op, &err) : 0;

	if (r == 0 && stage->finish)
		r = stage->finish(task, op, &err);
	task->op = op_drop(task->op);
	switch (r) {
	case STAGE_NEXT:
		begin_stage(task, stage + 1);
		return;
	case STAGE_AGAIN:
		begin_pause(task);
		return;
	case STAGE_END:
		end(task, NULL);
		return;
	default:
		assert(r < 0);
		fail(task, &err);
	}
}

static void op_done(struct op *op, void *userdata)
{
	finish_stage(userdata, op);
}

static void start_stage(struct task *task)
{
	const struct stage *stage = task->stage;
	struct error err = ERROR_INIT;

	if (!stage->start) {
		finish_stage(task, NULL);
		return;
	}
	task->op = stage->start(task, &err);
	if (task->op) {
		op_watch(task->op, op_done, task);
		loop_timer_arm_at(task->timer, deadline_ns(task),
				  timeout_s(task) * NSEC_PER_SEC / 16);
	} else if (error_is_set(&err)) {
		fail(task, &err);
	} else {
		begin_stage(task, stage + 1);
	}
}

static void timer_over(void *userdata)
{
	struct task *task = userdata;
	struct error err = ERROR_INIT;
	uint64_t now = clock_ns(loop_clock(task->loop));

	if (!task->begun) {
		/* What passed since the last stage is not this stage's time. */
		task->begun = true;
		task->since_ns = now;
	}
	if (!task->stage->name) {
		end(task, NULL);
	} else if (task->stopped && !task->op) {
		(void)error_set(&err, ERROR_PENDING, -ECANCELED, "stopped");
		fail(task, &err);
	} else if (now >= deadline_ns(task)) {
		task->op = op_drop(task->op);
		(void)error_set(&err, ERROR_NETWORK, -ETIMEDOUT, "no result after %u s",
				timeout_s(task));
		fail(task, &err);
	} else {
		start_stage(task);
	}
}

struct task *task_new(struct loop *loop, const struct stage *stages, void *context,
		      void (*free_context)(void *context), task_done_fn done, void *userdata)
{
	struct task *task = NEW(struct task);

	task->loop = loop;
	task->context = context;
	task->free_context = free_context;
	task->done = done;
	task->userdata = userdata;
	task->timer = loop_timer_new(loop, timer_over, task);
	begin_stage(task, stages);
	return task;
}

struct task *task_free(struct task *task)
{
	if (!task)
		return NULL;
	op_drop(task->op);
	loop_timer_free(task->timer);
	if (task->free_context)
		task->free_context(task->context);
	free(task);
	return NULL;
}

void *task_context(struct task *task)
{
	return task->context;
}

struct loop *task_loop(struct task *task)
{
	return task->loop;
}

const char *task_stage(const struct task *task)
{
	return task->ended ? NULL : task->stage->name;
}

uint64_t task_stage_since_ns(const struct task *task)
{
	return task->since_ns;
}

void task_stop(struct task *task)
{
	task->stopped = true;
	if (task->op && task->stage->may_stop)
		task->op = op_drop(task->op);
	/* A pause is a boundary too: it would only delay the end. */
	if (!task->ended && !task->op)
		loop_timer_arm(task->timer, 0, 0);
}
