/* Holds from the socket to the engine and to the disk; see holding.h. */
#include "agentd/holding.h"

#include <errno.h>

#include "common/alloc.h"
#include "common/log.h"
#include "common/parse.h"

LOG_SCOPE("holds");

#define TRY_AGAIN_NS (30 * NSEC_PER_SEC)
#define SLACK_NS     (2 * NSEC_PER_SEC)

struct holding {
	struct context *ctx;
	struct engine *engine;
	struct holds *holds;
	struct loop_timer *timer;
};

static int64_t now_s(const struct holding *holding)
{
	return clock_wall(holding->ctx->clock);
}

static void arm(struct holding *holding)
{
	int64_t end = holds_next_end(holding->holds), wait = end - now_s(holding);

	if (end == 0)
		loop_timer_disarm(holding->timer);
	else
		loop_timer_arm(holding->timer, wait > 0 ? (uint64_t)wait * NSEC_PER_SEC : 0,
			       SLACK_NS);
}

static void changed(struct holding *holding)
{
	engine_set_holds(holding->engine, holding->holds);
	arm(holding);
}

/* The date may have moved since the timer was armed: it only says when to look. */
static void end_is_near(void *userdata)
{
	struct holding *holding = userdata;
	_cleanup_(strv_done) struct strv ended = STRV_INIT;
	struct error err = ERROR_INIT;
	int64_t now = now_s(holding);
	int r;

	for (size_t i = 0; i < holds_count(holding->holds); i++) {
		const struct hold *hold = holds_item(holding->holds, i);

		if (hold->until_s != 0 && hold->until_s <= now)
			strv_add(&ended, hold->what);
	}
	/* The engine looks into the holds: it must not see freed ones. */
	engine_set_holds(holding->engine, NULL);
	r = holds_expire(holding->holds, now, &err);
	changed(holding);
	if (r < 0) {
		log_warning("%s", err.message);
		loop_timer_arm(holding->timer, TRY_AGAIN_NS, SLACK_NS);
		return;
	}
	STRV_FOREACH(what, &ended)
		history_add(holding->ctx->history, "Released", what,
			    "the time of the hold is over");
}

struct holding *holding_new(struct context *ctx, struct engine *engine)
{
	struct holding *holding = NEW(struct holding);
	_cleanup_free_ char *path = context_state_path(ctx, "holds.json");

	holding->ctx = ctx;
	holding->engine = engine;
	holding->holds = holds_open(path, clock_wall(ctx->clock));
	holding->timer = loop_timer_new(ctx->loop, end_is_near, holding);
	if (holds_error(holding->holds))
		log_error("%s; everything is held until agentctl release " HOLD_ALL,
			  holds_error(holding->holds)->message);
	changed(holding);
	return holding;
}

struct holding *holding_free(struct holding *holding)
{
	if (!holding)
		return NULL;
	engine_set_holds(holding->engine, NULL);
	loop_timer_free(holding->timer);
	holds_free(holding->holds);
	free(holding);
	return NULL;
}

static struct value *put_time(struct value *map, const char *key, int64_t s)
{
	char text[32];

	format_time(s, text);
	return value_put(map, key, value_new_string(text));
}

static struct value *hold_value(const struct holding *holding, const struct hold *hold)
{
	_cleanup_(strv_done) struct strv rows = STRV_INIT;
	const struct error *error = holds_error(holding->holds);
	struct value *map = value_new_map(), *resources = value_new_list();

	engine_held_by(holding->engine, hold->what, &rows);
	STRV_FOREACH(row, &rows)
		resources = value_append(resources, value_new_string(row));
	map = value_put(map, "what", value_new_string(hold->what));
	map = put_time(map, "since", hold->since_s);
	if (hold->until_s != 0)
		map = put_time(map, "until", hold->until_s);
	map = value_put(map, "resources", resources);
	if (error)
		map = value_put(map, "error", value_new_string(error->message));
	return map;
}

int holding_hold(struct holding *holding, const char *what, int64_t seconds, struct value **ret,
		 struct error *err)
{
	_cleanup_(strv_done) struct strv rows = STRV_INIT;
	int64_t now = now_s(holding);
	char until[32];
	int r;

	if (!holding->ctx->role)
		return error_set(err, ERROR_CONFIG, -ENODATA, "this host has no role");
	engine_held_by(holding->engine, what, &rows);
	if (rows.count == 0)
		return error_set(err, ERROR_CONFIG, -ENOENT,
				 "nothing that agentd changes is called %s, or is such a path or "
				 "object: agentctl status --all lists the resources",
				 what);
	engine_set_holds(holding->engine, NULL);
	r = holds_set(holding->holds, what, now, seconds > 0 ? now + seconds : 0, err);
	changed(holding);
	if (r < 0)
		return r;

	format_time(now + seconds, until);
	history_add(holding->ctx->history, "Held", what, "held %s%s", seconds > 0 ? "until " : "",
		    seconds > 0 ? until : "until it is released");
	*ret = hold_value(holding, holds_find(holding->holds, what));
	return 0;
}

int holding_release(struct holding *holding, const char *what, struct value **ret,
		    struct error *err)
{
	const struct hold *hold = holds_find(holding->holds, what);
	_cleanup_(value_unref) struct value *released = NULL;
	int r;

	if (!hold)
		return error_set(err, ERROR_CONFIG, -ENOENT,
				 "there is no hold of %s: agentctl status lists what is held",
				 what);
	released = hold_value(holding, hold);
	engine_set_holds(holding->engine, NULL);
	r = holds_remove(holding->holds, what, err);
	changed(holding);
	if (r < 0)
		return r;

	history_add(holding->ctx->history, "Released", what, "released");
	*ret = TAKE_PTR(released);
	return 0;
}

struct value *holding_list(const struct holding *holding)
{
	struct value *list = value_new_list();

	for (size_t i = 0; i < holds_count(holding->holds); i++)
		list = value_append(list, hold_value(holding, holds_item(holding->holds, i)));
	return list;
}
