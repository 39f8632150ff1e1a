/* Waits for an object to be as somebody wants it: reads it, then watches it; see kube_wait() in
 * client.h. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/client.h"
#include "common/alloc.h"

#define WATCH_SECONDS 120
#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  5000
#define GOOD_SECONDS  10 /* a watch that lived so long says that the server is well */

struct wait {
	struct kube *kube;
	struct op *op;	  /* the op that this belongs to */
	struct op *inner; /* the read or the watch in flight */
	struct loop_timer *pause;
	char *path, *collection;
	kube_predicate_fn predicate;
	void *argument;
	void (*free_argument)(void *argument);
	unsigned pause_ms;
	uint64_t watched_since_ns;
	int verdict; /* of the predicate: 0 = not yet */
	struct value *object;
	struct error err;
};

static void wait_cancel(void *impl)
{
	struct wait *wait = impl;

	wait->inner = op_drop(wait->inner);
	loop_timer_disarm(wait->pause);
}

static void wait_free(void *impl)
{
	struct wait *wait = impl;

	op_drop(wait->inner);
	loop_timer_free(wait->pause);
	if (wait->free_argument)
		wait->free_argument(wait->argument);
	value_unref(wait->object);
	free(wait->path);
	free(wait->collection);
	free(wait);
}

static const struct op_kind wait_kind = {
	.name = "kube-wait",
	.cancel = wait_cancel,
	.free = wait_free,
};

static void judge(struct wait *wait, const struct value *object)
{
	wait->verdict = wait->predicate(object, wait->argument, &wait->err);
	if (wait->verdict > 0)
		wait->object = value_ref(object);
}

/* Ends the op if there is a verdict. */
static bool finish(struct wait *wait)
{
	if (wait->verdict == 0)
		return false;
	if (wait->verdict < 0) {
		error_wrap(&wait->err, wait->verdict, "%s", wait->path);
		op_fail(wait->op, &wait->err);
	} else {
		op_complete(wait->op, TAKE_PTR(wait->object));
	}
	return true;
}

static void wait_read(void *userdata);

static void wait_again(struct wait *wait)
{
	uint64_t lived_ns = clock_ns(loop_clock(kube_loop(wait->kube))) - wait->watched_since_ns;

	if (lived_ns >= GOOD_SECONDS * NSEC_PER_SEC)
		wait->pause_ms = 0;
	wait->pause_ms = wait->pause_ms ? wait->pause_ms * 2 : PAUSE_MIN_MS;
	wait->pause_ms = MIN(wait->pause_ms, (unsigned)PAUSE_MAX_MS);
	loop_timer_arm(wait->pause, wait->pause_ms * NSEC_PER_MSEC, 0);
}

static void wait_watch_done(struct op *inner, void *userdata)
{
	struct wait *wait = userdata;

	if (finish(wait))
		return;
	/* Whatever ended it: the next read tells whether the server is still there. */
	wait->inner = op_drop(wait->inner);
	wait_again(wait);
}

static int wait_event(const char *change, const struct value *object, void *userdata)
{
	struct wait *wait = userdata;

	judge(wait, strcmp(change, "DELETED") == 0 ? NULL : object);
	return wait->verdict == 0 ? 0 : -ECANCELED;
}

static void wait_watch(struct wait *wait)
{
	_cleanup_free_ char *query = NULL;
	const char *name = strrchr(wait->path, '/') + 1;

	/* Without a version the watch begins with what is there by then; the object's own may be
	 * older than all that a restarted server still knows of. */
	query =
	    xasprintf("fieldSelector=metadata.name%%3D%s&timeoutSeconds=%d", name, WATCH_SECONDS);
	wait->watched_since_ns = clock_ns(loop_clock(kube_loop(wait->kube)));
	wait->inner = kube_watch(wait->kube, wait->collection, query, wait_event, wait);
	op_watch(wait->inner, wait_watch_done, wait);
}

static void wait_read_done(struct op *inner, void *userdata)
{
	struct wait *wait = userdata;

	if (op_error(inner)) {
		op_fail(wait->op, op_error(inner));
		return;
	}
	judge(wait, op_value(inner));
	if (finish(wait))
		return;
	wait->inner = op_drop(wait->inner);
	wait_watch(wait);
}

static void wait_read(void *userdata)
{
	struct wait *wait = userdata;

	wait->inner = kube_get(wait->kube, wait->path);
	op_watch(wait->inner, wait_read_done, wait);
}

struct op *kube_wait(struct kube *kube, const char *path, kube_predicate_fn predicate,
		     void *argument, void (*free_argument)(void *argument))
{
	struct wait *wait = NEW(struct wait);

	wait->kube = kube;
	wait->path = xstrdup(path);
	wait->collection = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	wait->predicate = predicate;
	wait->argument = argument;
	wait->free_argument = free_argument;
	wait->pause = loop_timer_new(kube_loop(kube), wait_read, wait);
	wait->op = op_new(kube_loop(kube), &wait_kind, wait);
	wait_read(wait);
	return wait->op;
}
