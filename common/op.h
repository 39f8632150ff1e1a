/* One operation in flight: a request, a unit job, a key being made.
 *
 * Contract: an op has one owner. It completes at most once, always from the loop and never inside
 * the call that made it. op_drop() cancels, and afterwards nothing arrives. The owner learns of the
 * end by the callback of op_watch(), reads the outcome, and drops the op.
 *
 * Makers: fill a `struct op_kind`, call op_new(), later op_complete() or op_fail() once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/value.h"

struct op;
typedef void (*op_done_fn)(struct op *op, void *userdata);

struct op_kind {
	const char *name;
	/* Called by op_drop() when the op has not completed: must make sure that op_complete() and
	 * op_fail() are not called any more. May be NULL. The inner op of op_new_then() has been
	 * dropped before. */
	void (*cancel)(void *impl);
	/* Called last, completed or not. May be NULL. */
	void (*free)(void *impl);
};

/* For owners. Watching an op that has been delivered already delivers it again. */
void op_watch(struct op *op, op_done_fn done, void *userdata);
struct op *op_drop(struct op *op); /* accepts NULL, returns NULL */
DEFINE_CLEANUP(struct op, op_drop)
bool op_is_done(const struct op *op);
/* NULL if it succeeded (or is still running). */
const struct error *op_error(const struct op *op);
/* Fails like the op did: copies its error to err and returns the code; 0 if it succeeded. */
int op_result(const struct op *op, struct error *err);
/* The value it completed with, borrowed; NULL where there is none (a GET that found nothing). */
const struct value *op_value(const struct op *op);
/* What the maker keeps for the op: a reply, an argument given to a worker. Borrowed. */
void *op_impl(const struct op *op);
const struct op_kind *op_kind_of(const struct op *op);

/* For makers. impl is owned by the op from here on. */
struct op *op_new(struct loop *loop, const struct op_kind *kind, void *impl);
/* value may be NULL and is consumed. */
void op_complete(struct op *op, struct value *value);
void op_fail(struct op *op, const struct error *error);
/* Makes op_impl() answer shown instead of impl, for a maker that keeps more than its owner may see.
 */
void op_show(struct op *op, void *shown);

/* Ready-made ops: one that completes with value (consumed) on the next round, one that fails, and
 * one that completes after a delay. */
struct op *op_new_done(struct loop *loop, struct value *value);
struct op *op_new_failed(struct loop *loop, const struct error *error);
struct op *op_new_sleep(struct loop *loop, uint64_t ns);
/* An op that goes on with `inner` (consumed): when inner succeeds, `then` reads it and answers what
 * the new op completes with: 0 and *ret_value (may stay NULL), or a negative errno with err set. If
 * inner fails, the new op fails alike and then is not called. inner is dropped after then. */
typedef int (*op_then_fn)(struct op *inner, void *impl, struct value **ret_value,
			  struct error *err);
struct op *op_new_then(struct loop *loop, const struct op_kind *kind, void *impl, struct op *inner,
		       op_then_fn then);
