/* Events on the Node; see events.h. An Event is applied, which makes it or counts it up with one
 * request, and which a node's own identity may do. */
#include "agentd/events.h"

#include <stdio.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "common/alloc.h"
#include "common/backoff.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/parse.h"

LOG_SCOPE("events");

enum { BURST = 10, AGE_MAX_S = 3600, NAME_DIGITS = 16 };
#define REFILL_NS (60 * NSEC_PER_SEC)

struct events {
	struct context *ctx;
	struct op *op;
	struct loop_timer *timer; /* only wakes the loop */
	struct backoff backoff;
	uint64_t told; /* the history's sequence up to which all is written */
	uint64_t sending;
	uint64_t next_try_ns, refilled_ns;
	unsigned tokens;
};

static uint64_t now_ns(const struct events *events)
{
	return clock_ns(events->ctx->clock);
}

static void timer_fired(void *userdata)
{
	(void)userdata;
}

struct events *events_new(struct context *ctx)
{
	struct events *events = NEW(struct events);

	events->ctx = ctx;
	events->timer = loop_timer_new(ctx->loop, timer_fired, events);
	events->tokens = BURST;
	events->refilled_ns = now_ns(events);
	/* What former runs did, they told. */
	events->told = history_sequence(ctx->history);
	return events;
}

void events_drop(struct events *events)
{
	events->op = op_drop(events->op);
	events->next_try_ns = 0;
}

struct events *events_free(struct events *events)
{
	if (!events)
		return NULL;
	op_drop(events->op);
	loop_timer_free(events->timer);
	free(events);
	return NULL;
}

/* The rate. */

static void refill(struct events *events)
{
	uint64_t count = (now_ns(events) - events->refilled_ns) / REFILL_NS;

	events->refilled_ns += count * REFILL_NS;
	events->tokens = (unsigned)MIN(events->tokens + count, (uint64_t)BURST);
}

static void wake_at(struct events *events, uint64_t at)
{
	if (!loop_timer_armed(events->timer))
		loop_timer_arm_at(events->timer, at, 5 * NSEC_PER_SEC);
}

/* The object. */

static struct value *text(const char *string)
{
	return value_new_string(string);
}

static struct value *time_text(int64_t s)
{
	char buffer[32];

	format_time(s, buffer);
	return text(buffer);
}

/* One name for all that the history counts as one entry. */
static char *name_of(const char *node, const struct history_entry *entry)
{
	_cleanup_free_ char *all = xasprintf("%s\n%s\n%s\n%lld", entry->type, entry->resource,
					     entry->message, (long long)entry->first_s);
	char digest[DIGEST_HEX_SIZE];

	digest_sha256(all, strlen(all), digest);
	return xasprintf("%s.%.*s", node, NAME_DIGITS, digest);
}

static struct value *involved(const char *node, const struct value *uid)
{
	struct value *map = value_put(value_new_map(), "apiVersion", text("v1"));

	map = value_put(map, "kind", text("Node"));
	map = value_put(map, "name", text(node));
	return value_put(map, "uid", value_ref(uid));
}

static struct value *event_object(const char *node, const struct value *uid, const char *name,
				  const struct history_entry *entry)
{
	struct value *map = value_put(value_new_map(), "apiVersion", text("v1"));

	map = value_put(map, "kind", text("Event"));
	map = value_put_at(map, text(name), "metadata", "name");
	map = value_put_at(map, text("default"), "metadata", "namespace");
	map = value_put(map, "involvedObject", involved(node, uid));
	map = value_put(map, "type", text(history_type_find(entry->type)->event));
	map = value_put(map, "reason", text(entry->type));
	map =
	    value_put(map, "message", value_new_stringf("%s: %s", entry->resource, entry->message));
	map = value_put(map, "count", value_new_int(entry->count));
	map = value_put(map, "firstTimestamp", time_text(entry->first_s));
	map = value_put(map, "lastTimestamp", time_text(entry->time_s));
	map = value_put_at(map, text("agentd"), "source", "component");
	map = value_put_at(map, text(node), "source", "host");
	map = value_put(map, "reportingComponent", text("agentd"));
	return value_put(map, "reportingInstance", text(node));
}

/* Sending. */

static void sent(struct op *op, void *userdata)
{
	struct events *events = userdata;
	const struct error *error = op_error(op);
	uint64_t wait;

	if (!error) {
		events->told = events->sending;
		backoff_reset(&events->backoff);
	} else {
		log_debug("event: %s", error->message);
		wait = backoff_next(&events->backoff, error, UINT32_MAX);
		/* Where the server refuses it for good, the next one may still be welcome. */
		if (wait == UINT64_MAX)
			events->told = events->sending;
		else
			events->next_try_ns = now_ns(events) + wait;
	}
	events->op = op_drop(events->op);
}

static void send_entry(struct events *events, const struct history_entry *entry,
		       const struct value *uid)
{
	const char *node = events->ctx->role->node.name;
	_cleanup_free_ char *name = name_of(node, entry);
	_cleanup_free_ char *path = xasprintf(KUBE_DEFAULT_EVENTS "/%s", name);
	_cleanup_(value_unref) struct value *object = event_object(node, uid, name, entry);

	events->tokens--;
	events->sending = entry->sequence;
	events->op = kube_apply(events->ctx->kube, path, object, KUBE_MANAGER, true);
	op_watch(events->op, sent, events);
}

/* The next entry that is an Event; false if there is none. What is none is passed over. */
static bool find_next(struct events *events, struct history_entry *ret)
{
	int64_t oldest = clock_wall(events->ctx->clock) - AGE_MAX_S;

	while (history_next(events->ctx->history, events->told, ret)) {
		if (history_type_find(ret->type)->event && ret->time_s >= oldest)
			return true;
		events->told = ret->sequence;
	}
	return false;
}

void events_pass(struct events *events)
{
	struct context *ctx = events->ctx;
	struct history_entry entry;
	const struct value *node = NULL, *uid;

	if (events->op || !ctx->role || !ctx->kube || !find_next(events, &entry))
		return;
	if (objects_get(ctx->objects, KUBE_NODES, ctx->role->node.name, &node) != OBJECT_FOUND)
		return;
	uid = value_at(node, "metadata", "uid");
	refill(events);
	if (now_ns(events) < events->next_try_ns)
		wake_at(events, events->next_try_ns);
	else if (events->tokens == 0)
		wake_at(events, events->refilled_ns + REFILL_NS);
	else if (uid)
		send_entry(events, &entry, uid);
}
