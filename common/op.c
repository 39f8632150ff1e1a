/* One operation in flight; see op.h. The outcome is kept from op_complete() or op_fail() on, but
 * shown only when the loop delivers it, so that nobody sees an op end inside the call that made it.
 */
#include "common/op.h"

#include "common/alloc.h"
#include "common/macros.h"

struct op {
	struct loop *loop;
	const struct op_kind *kind;
	void *impl;
	void *shown; /* what op_impl() answers */
	op_done_fn done;
	void *userdata;
	struct loop_deferred delivery;
	bool completed; /* the maker is through with it */
	bool delivered; /* the owner may see it */
	struct value *value;
	struct error *error; /* NULL = success */
	struct op *inner;    /* of op_new_then() */
	op_then_fn then;
};

static void deliver(void *userdata)
{
	struct op *op = userdata;

	op->delivered = true;
	/* The owner may drop the op in its callback: nothing touches it afterwards. */
	if (op->done)
		op->done(op, op->userdata);
}

struct op *op_new(struct loop *loop, const struct op_kind *kind, void *impl)
{
	struct op *op = NEW(struct op);

	op->loop = loop;
	op->kind = kind;
	op->impl = op->shown = impl;
	op->delivery.fn = deliver;
	op->delivery.userdata = op;
	return op;
}

void op_watch(struct op *op, op_done_fn done, void *userdata)
{
	op->done = done;
	op->userdata = userdata;
	if (op->delivered && done)
		loop_defer(op->loop, &op->delivery);
}

struct op *op_drop(struct op *op)
{
	if (!op)
		return NULL;
	loop_undefer(op->loop, &op->delivery);
	op_drop(op->inner);
	if (!op->completed && op->kind->cancel)
		op->kind->cancel(op->impl);
	if (op->kind->free)
		op->kind->free(op->impl);
	value_unref(op->value);
	free(op->error);
	free(op);
	return NULL;
}

bool op_is_done(const struct op *op)
{
	return op->delivered;
}

const struct error *op_error(const struct op *op)
{
	return op->delivered ? op->error : NULL;
}

int op_result(const struct op *op, struct error *err)
{
	const struct error *error = op_error(op);

	if (!error)
		return 0;
	*err = *error;
	return error->code;
}

const struct value *op_value(const struct op *op)
{
	return op->delivered ? op->value : NULL;
}

void *op_impl(const struct op *op)
{
	return op->shown;
}

void op_show(struct op *op, void *shown)
{
	op->shown = shown;
}

const struct op_kind *op_kind_of(const struct op *op)
{
	return op->kind;
}

void op_complete(struct op *op, struct value *value)
{
	assert(!op->completed);
	op->completed = true;
	op->value = value;
	loop_defer(op->loop, &op->delivery);
}

void op_fail(struct op *op, const struct error *error)
{
	assert(!op->completed && error_is_set(error));
	op->completed = true;
	op->error = xmemdup(error, sizeof(*error));
	loop_defer(op->loop, &op->delivery);
}

struct op *op_new_done(struct loop *loop, struct value *value)
{
	static const struct op_kind kind = { .name = "done" };
	struct op *op = op_new(loop, &kind, NULL);

	op_complete(op, value);
	return op;
}

struct op *op_new_failed(struct loop *loop, const struct error *error)
{
	static const struct op_kind kind = { .name = "failed" };
	struct op *op = op_new(loop, &kind, NULL);

	op_fail(op, error);
	return op;
}

struct sleeper {
	struct op *op;
	struct loop_timer *timer;
};

static void sleeper_over(void *userdata)
{
	struct sleeper *sleeper = userdata;

	op_complete(sleeper->op, NULL);
}

static void sleeper_cancel(void *impl)
{
	struct sleeper *sleeper = impl;

	loop_timer_disarm(sleeper->timer);
}

static void sleeper_free(void *impl)
{
	struct sleeper *sleeper = impl;

	loop_timer_free(sleeper->timer);
	free(sleeper);
}

struct op *op_new_sleep(struct loop *loop, uint64_t ns)
{
	static const struct op_kind kind = {
		.name = "sleep",
		.cancel = sleeper_cancel,
		.free = sleeper_free,
	};
	struct sleeper *sleeper = NEW(struct sleeper);

	sleeper->op = op_new(loop, &kind, sleeper);
	sleeper->timer = loop_timer_new(loop, sleeper_over, sleeper);
	loop_timer_arm(sleeper->timer, ns, ns / 16);
	return sleeper->op;
}

static void inner_done(struct op *inner, void *userdata)
{
	struct op *outer = userdata;
	struct error err = ERROR_INIT;
	struct value *value = NULL;
	int r;

	r = op_result(inner, &err);
	if (r == 0)
		r = outer->then(inner, outer->impl, &value, &err);
	outer->inner = op_drop(inner);
	if (r < 0)
		op_fail(outer, &err);
	else
		op_complete(outer, value);
}

struct op *op_new_then(struct loop *loop, const struct op_kind *kind, void *impl, struct op *inner,
		       op_then_fn then)
{
	struct op *outer = op_new(loop, kind, impl);

	outer->inner = inner;
	outer->then = then;
	op_watch(inner, inner_done, outer);
	return outer;
}
