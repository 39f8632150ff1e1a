/* Leases as ops; see lease.h. Each is a read and a write that the resourceVersion guards; where
 * another hand was faster it reads again. */
#include "agentd/kube/lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "common/alloc.h"
#include "common/parse.h"

/* Nobody is believed to need longer than this: a record with a duration of years would block all
 * others when its holder dies. */
enum { DURATION_MAX_S = 3600 };

/* Reads at most: every further one means that a rival has just written. */
enum { ROUNDS_MAX = 5 };

/* A record of another holder, and since when it stands still. */
struct lease_seen {
	struct lease_seen *next;
	char *name;
	struct value *spec;
	uint64_t since_ns;
};

struct lease {
	struct kube *kube;
	struct op *op;	  /* the op that this belongs to */
	struct op *inner; /* the request in flight */
	char *name, *path, *holder;
	unsigned duration_s;
	unsigned rounds;
	bool release;
};

static void lease_cancel(void *impl)
{
	struct lease *lease = impl;

	lease->inner = op_drop(lease->inner);
}

static void lease_free(void *impl)
{
	struct lease *lease = impl;

	op_drop(lease->inner);
	free(lease->name);
	free(lease->path);
	free(lease->holder);
	free(lease);
}

static const struct op_kind lease_kind = {
	.name = "lease",
	.cancel = lease_cancel,
	.free = lease_free,
};

/* -- Records ----------------------------------------------------------------------------------- */

static const char *holder_of(const struct value *spec)
{
	return value_string_or(value_get(spec, "holderIdentity"), "");
}

static unsigned duration_of(const struct value *spec, unsigned otherwise)
{
	int64_t seconds = 0;

	if (!value_to_int(value_get(spec, "leaseDurationSeconds"), &seconds) || seconds <= 0)
		return otherwise;
	return (unsigned)MIN(seconds, (int64_t)DURATION_MAX_S);
}

/* The fraction is the other clock's: a record renewed under a wall clock that stands still has to
 * look renewed too. */
static struct value *time_now(struct kube *kube)
{
	struct clock *clock = loop_clock(kube_loop(kube));
	unsigned micros = (unsigned)(clock_ns(clock) / 1000 % 1000000);
	char text[32];

	format_time(clock_wall(clock), text);
	return value_new_stringf("%.*s.%06uZ", (int)strcspn(text, "Z"), text, micros);
}

static struct value *count_transition(struct value *spec)
{
	int64_t transitions = 0;

	(void)value_to_int(value_get(spec, "leaseTransitions"), &transitions);
	return value_put(spec, "leaseTransitions", value_new_int(transitions + 1));
}

/* The record of our own that follows on spec; consumes it. */
static struct value *record(const struct lease *lease, struct value *spec)
{
	if (strcmp(holder_of(spec), lease->holder) != 0) {
		spec = count_transition(spec);
		spec = value_put(spec, "acquireTime", time_now(lease->kube));
	}
	spec = value_put(spec, "holderIdentity", value_new_string(lease->holder));
	spec = value_put(spec, "leaseDurationSeconds", value_new_int(lease->duration_s));
	return value_put(spec, "renewTime", time_now(lease->kube));
}

static struct value *new_lease(const struct lease *lease)
{
	struct value *object = value_new_map();

	object = value_put(object, "apiVersion", value_new_string("coordination.k8s.io/v1"));
	object = value_put(object, "kind", value_new_string("Lease"));
	object = value_put_at(object, value_new_string(lease->name), "metadata", "name");
	object = value_put_at(object, value_new_string(KUBE_SYSTEM), "metadata", "namespace");
	return value_put(object, "spec", record(lease, value_new_map()));
}

/* -- Who is dead ------------------------------------------------------------------------------- */

static struct lease_seen *find_seen(struct kube *kube, const char *name)
{
	struct lease_seen **list = kube_leases(kube);
	struct lease_seen *seen;

	for (seen = *list; seen; seen = seen->next)
		if (strcmp(seen->name, name) == 0)
			return seen;
	seen = NEW(struct lease_seen);
	seen->name = xstrdup(name);
	seen->next = *list;
	*list = seen;
	return seen;
}

struct lease_seen *lease_seen_free(struct lease_seen *seen)
{
	while (seen) {
		struct lease_seen *next = seen->next;

		value_unref(seen->spec);
		free(seen->name);
		free(seen);
		seen = next;
	}
	return NULL;
}

/* Whether another one's record has stood still for its duration; remembers what it looks like. */
static bool has_died(const struct lease *lease, const struct value *spec)
{
	struct lease_seen *seen = find_seen(lease->kube, lease->name);
	uint64_t now = clock_ns(loop_clock(kube_loop(lease->kube)));

	if (!seen->spec || !value_equal(seen->spec, spec)) {
		value_unref(seen->spec);
		seen->spec = value_ref(spec);
		seen->since_ns = now;
		return false;
	}
	return now - seen->since_ns >= duration_of(spec, lease->duration_s) * NSEC_PER_SEC;
}

/* -- Read and write ---------------------------------------------------------------------------- */

static void lease_read(struct lease *lease);

static void lease_fail(struct lease *lease, int code, const struct value *spec)
{
	struct error err = ERROR_INIT;

	error_set(&err, ERROR_PENDING, code, "the Lease %s is held by %s%s%s", lease->name,
		  spec ? holder_of(spec) : "one that was faster", lease->release ? ", not by " : "",
		  lease->release ? lease->holder : "");
	op_fail(lease->op, &err);
}

static void lease_written(struct op *inner, void *userdata)
{
	struct lease *lease = userdata;
	const struct error *error = op_error(inner);
	bool outrun =
	    error && (error->code == -EAGAIN || error->code == -EEXIST || error->code == -ENOENT);

	if (outrun && lease->rounds < ROUNDS_MAX) {
		lease->inner = op_drop(lease->inner);
		lease_read(lease);
	} else if (outrun) {
		lease_fail(lease, -EBUSY, NULL);
	} else if (error) {
		op_fail(lease->op, error);
	} else {
		op_complete(lease->op, value_ref(op_value(inner)));
	}
}

/* Puts spec (consumed) in the place of what live says. */
static struct op *replace_spec(const struct lease *lease, const struct value *live,
			       struct value *spec)
{
	_cleanup_(value_unref) struct value *object = value_put(value_ref(live), "spec", spec);

	return kube_replace(lease->kube, lease->path, object, KUBE_MANAGER);
}

static struct op *take(struct lease *lease, const struct value *live)
{
	const struct value *spec = value_get(live, "spec");
	const char *holder = holder_of(spec);
	_cleanup_(value_unref) struct value *object = NULL;

	if (!live) {
		object = new_lease(lease);
		return kube_create(lease->kube, KUBE_SYSTEM_LEASES, object);
	}
	if (!holder[0] || strcmp(holder, lease->holder) == 0 || has_died(lease, spec))
		return replace_spec(lease, live,
				    record(lease, spec ? value_ref(spec) : value_new_map()));
	lease_fail(lease, -EBUSY, spec);
	return NULL;
}

static struct op *release(struct lease *lease, const struct value *live)
{
	const struct value *spec = value_get(live, "spec");
	const char *holder = holder_of(spec);

	if (!holder[0]) {
		op_complete(lease->op, value_ref(live));
		return NULL;
	}
	if (strcmp(holder, lease->holder) != 0) {
		lease_fail(lease, -EPERM, spec);
		return NULL;
	}
	return replace_spec(lease, live,
			    value_put(value_ref(spec), "holderIdentity", value_new_string("")));
}

static void lease_was_read(struct op *inner, void *userdata)
{
	struct lease *lease = userdata;
	_cleanup_(value_unref) struct value *live = NULL;
	struct op *next;

	if (op_error(inner)) {
		op_fail(lease->op, op_error(inner));
		return;
	}
	live = value_ref(op_value(inner));
	lease->inner = op_drop(lease->inner);
	next = lease->release ? release(lease, live) : take(lease, live);
	if (!next)
		return;
	lease->inner = next;
	op_watch(lease->inner, lease_written, lease);
}

static void lease_read(struct lease *lease)
{
	lease->rounds++;
	lease->inner = kube_get(lease->kube, lease->path);
	op_watch(lease->inner, lease_was_read, lease);
}

static struct op *lease_start(struct kube *kube, const char *name, const char *holder,
			      unsigned duration_s, bool release)
{
	struct lease *lease = NEW(struct lease);

	lease->kube = kube;
	lease->name = xstrdup(name);
	lease->path = xasprintf(KUBE_SYSTEM_LEASES "/%s", name);
	lease->holder = xstrdup(holder);
	lease->duration_s = duration_s;
	lease->release = release;
	lease->op = op_new(kube_loop(kube), &lease_kind, lease);
	lease_read(lease);
	return lease->op;
}

struct op *lease_take(struct kube *kube, const char *name, const char *holder, unsigned duration_s)
{
	return lease_start(kube, name, holder, duration_s, false);
}

struct op *lease_release(struct kube *kube, const char *name, const char *holder)
{
	return lease_start(kube, name, holder, 0, true);
}
