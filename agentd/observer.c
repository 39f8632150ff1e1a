/* What is told of what the engine does; see observer.h. Works with history.h, drift.h, events.h and
 * metrics.h. */
#include "agentd/observer.h"

#include <string.h>

#include "agentd/metrics.h"
#include "agentd/resources/keep.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/httpd.h"
#include "common/log.h"
#include "common/parse.h"

LOG_SCOPE("observer");

/* The file with metrics is written so often at most, and so long after the first change. */
#define METRICS_PAUSE_NS (15 * NSEC_PER_SEC)
#define METRICS_SOON_NS	 NSEC_PER_SEC
#define METRICS_CAP	 (4 * MIB)
#define METRICS_DEFAULT	 "metrics/agentd.prom"

struct observer {
	struct observer_options options;
	struct context *ctx;
	struct events *events;
	struct httpd *httpd;
	struct loop_timer *timer; /* the file is due */
	char *metrics_path;	  /* NULL = there is no file */
	uint64_t written_ns;
};

/* Metrics. */

static int write_metrics(const struct observer *observer, struct buf *buf)
{
	_cleanup_(value_unref) struct value *status =
	    observer->options.status(observer->options.owner);

	return metrics_write(status, buf);
}

static int metrics_page(const char *path, struct buf *page, const char **ret_type, void *userdata)
{
	const struct observer *observer = userdata;
	int r;

	if (strcmp(path, "/metrics") != 0)
		return 0;
	*ret_type = METRICS_CONTENT_TYPE;
	r = write_metrics(observer, page);
	return r < 0 ? r : 1;
}

static void file_is_due(void *userdata)
{
	struct observer *observer = userdata;
	_cleanup_(buf_done) struct buf text = BUF_INIT(METRICS_CAP);
	struct error err = ERROR_INIT;
	int r;

	observer->written_ns = clock_ns(observer->ctx->clock);
	r = write_metrics(observer, &text);
	if (r >= 0)
		/* There is no secret in it, and a collector is another user. */
		r = file_replace(&(struct file_content){ .path = observer->metrics_path,
							 .bytes = text.data,
							 .length = text.length,
							 .mode = 0644,
							 .uid = (uid_t)-1,
							 .gid = (gid_t)-1 },
				 &err);
	if (r < 0)
		log_warning("metrics: %s", err.message);
}

static void metrics_changed(struct observer *observer)
{
	uint64_t at = clock_ns(observer->ctx->clock) + METRICS_SOON_NS;

	if (!observer->metrics_path || loop_timer_armed(observer->timer))
		return;
	if (observer->written_ns > 0)
		at = MAX(at, observer->written_ns + METRICS_PAUSE_NS);
	loop_timer_arm_at(observer->timer, at, NSEC_PER_SEC);
}

static void choose_file(struct observer *observer)
{
	const char *file = observer->ctx->settings->metrics_file;

	if (!file)
		observer->metrics_path = context_state_path(observer->ctx, METRICS_DEFAULT);
	else if (*file)
		observer->metrics_path = context_path(observer->ctx, "%s", file);
}

struct observer *observer_new(const struct observer_options *options)
{
	struct observer *observer = NEW(struct observer);
	struct context *ctx = options->ctx;
	struct error err = ERROR_INIT;

	observer->options = *options;
	observer->ctx = ctx;
	observer->events = events_new(ctx);
	observer->timer = loop_timer_new(ctx->loop, file_is_due, observer);
	choose_file(observer);
	/* A port that is taken is no reason not to keep the node. */
	if (ctx->settings->metrics_port > 0 &&
	    httpd_new(ctx->loop, ctx->settings->metrics_port, metrics_page, observer,
		      &observer->httpd, &err) < 0)
		log_error("metrics are not served: %s", err.message);
	return observer;
}

struct observer *observer_free(struct observer *observer)
{
	if (!observer)
		return NULL;
	httpd_free(observer->httpd);
	events_free(observer->events);
	loop_timer_free(observer->timer);
	free(observer->metrics_path);
	free(observer);
	return NULL;
}

void observer_pass(struct observer *observer, bool changed)
{
	events_pass(observer->events);
	if (changed)
		metrics_changed(observer);
}

void observer_drop_client(struct observer *observer)
{
	events_drop(observer->events);
}

/* The engine. */

void observer_transition(struct observer *observer, const struct resource *resource,
			 enum verdict former, enum verdict verdict, const struct why *why)
{
	struct history *history = observer->ctx->history;

	/* The bring-up is in the journal; what lasts is what somebody has to act on. */
	if (verdict == BLOCKED)
		history_add(history, "Blocked", resource->name, "%s", why->text);
	else if (former == BLOCKED)
		history_add(history, "Unblocked", resource->name, "%s",
			    why->text[0] ? why->text : verdict_name(verdict));
	else if (former == IN_SYNC && strcmp(resource->name, "node-ready") == 0)
		history_add(history, "NodeNotReady", resource->name, "%s", why->text);
	else if (verdict == IN_SYNC && strcmp(resource->name, "node-ready") == 0)
		history_add(history, "NodeReady", resource->name, "the Node is Ready");
}

void observer_repairing(struct observer *observer, const struct resource *resource)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < RESOURCE_TRIGGERS_MAX; i++) {
		const struct trigger *trigger = &resource->triggers[i];

		if (trigger->kind == TRIGGER_UNIT &&
		    keep_unit(observer->ctx, resource, trigger->text, &err) < 0)
			log_warning("%s", err.message);
	}
}

void observer_repaired(struct observer *observer, const struct resource *resource,
		       const struct why *drift)
{
	history_add(observer->ctx->history, "Repaired", resource->name, "%s", drift->text);
}

void observer_disputed(struct observer *observer, const struct resource *resource, bool begins,
		       int64_t since_s)
{
	struct history *history = observer->ctx->history;
	char since[32];

	format_time(since_s, since);
	if (begins)
		history_add(history, "Fight", resource->name,
			    "changed by another hand again and again since %s: repairs wait longer "
			    "each time; agentctl hold %s leaves it as it is",
			    since, resource->name);
	else
		history_add(history, "FightEnded", resource->name,
			    "nobody has changed it for ten minutes");
}
