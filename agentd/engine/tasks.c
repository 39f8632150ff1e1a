/* Whether a row's stages may start, their start and their end; see state.h. Nothing here decides
 * what is true of the world: a task that ended makes its row stale. */
#include <errno.h>
#include <string.h>

#include "agentd/engine/state.h"
#include "agentd/role.h"
#include "common/log.h"

LOG_SCOPE("engine");

#define FRUITLESS_NS (NSEC_PER_SEC / 4)
#define WAIT_CAP_NS  (60 * NSEC_PER_SEC)

void engine_forget_task(struct row *row)
{
	row->task = task_free(row->task);
	if (row->run.state && row->run.free_state)
		row->run.free_state(row->run.state);
	role_unref(row->run.role);
	row->run = (struct run){ 0 };
}

/* xorshift: spreads retries, no more is asked of it. */
static uint32_t next_random(struct engine *engine)
{
	engine->random ^= engine->random << 13;
	engine->random ^= engine->random >> 17;
	engine->random ^= engine->random << 5;
	return engine->random;
}

bool engine_is_repair(const struct row *row)
{
	return row->verdict == DRIFTED && row->settled && !row->why.planned &&
	       row->resource->class != CLASS_NONE;
}

uint64_t engine_not_before_ns(const struct row *row)
{
	uint64_t fight = engine_is_repair(row) ? fight_not_before_ns(&row->fight) : 0;

	return MAX(row->next_try_ns, fight);
}

bool engine_only_observes(const struct row *row)
{
	const struct role *role = row->engine->role;

	return role && role->policy.observed[row->resource->class];
}

bool engine_leaves_alone(const struct row *row)
{
	return row->hold || engine_only_observes(row);
}

const struct row *engine_blocking_need(const struct row *row)
{
	const struct engine *engine = row->engine;

	for (size_t n = 0; n < RESOURCE_NEEDS_MAX && row->resource->needs[n]; n++) {
		const struct row *need = engine_find(engine, row->resource->needs[n]);
		const struct resource *resource = need->resource;

		if (!need->active || (need->observed && need->verdict == IN_SYNC))
			continue;
		/* What it makes is a file, and the file stands: no reason to wait. */
		if (need->observed && need->verdict == UNKNOWN && resource->stands &&
		    resource->stands(engine->context, resource))
			continue;
		/* Others answer for it, and it has been as the role wants it: it counts as it is.
		 */
		if (need->observed && need->settled && engine_leaves_alone(need))
			continue;
		return need;
	}
	return NULL;
}

static bool lane_is_busy(const struct row *row)
{
	const char *lane = row->resource->lane;

	for (size_t i = 0; lane && i < row->engine->count; i++) {
		const struct row *other = &row->engine->rows[i];

		if (other->task && other->resource->lane &&
		    strcmp(other->resource->lane, lane) == 0)
			return true;
	}
	return false;
}

bool engine_may_start(const struct row *row)
{
	return row->active && row->observed && row->verdict == DRIFTED && row->resource->apply &&
	       !row->task && engine_now_ns(row->engine) >= engine_not_before_ns(row) &&
	       !lane_is_busy(row) && !engine_leaves_alone(row) && !engine_blocking_need(row);
}

static void task_ended(struct task *task, const struct error *error, void *userdata)
{
	struct row *row = userdata;
	struct engine *engine = row->engine;
	const char *stage = task_stage(task);
	uint64_t wait;

	row->stale = true;
	engine->hooks.changed(engine->hooks.userdata);
	if (!error) {
		/* What was written may not have come back to our caches yet: the next event
		 * decides, and only then, after a growing pause, it is done again. */
		row->error = ERROR_INIT;
		if (row->repairing)
			fight_repaired(&row->fight, engine_now_ns(engine),
				       clock_wall(loop_clock(engine->loop)));
		wait = FRUITLESS_NS << MIN(row->fruitless, 8U);
		row->fruitless++;
		row->next_try_ns = engine_now_ns(engine) + MIN(wait, WAIT_CAP_NS);
		engine_log(row, LOG_INFO, NULL, "applied");
	} else if (error->code == -ECANCELED) {
		row->next_try_ns = 0;
	} else {
		row->error = *error;
		row->failures++;
		wait = engine->generation_reached == engine->generation
			   ? backoff_next(&row->backoff, error, next_random(engine))
			   : backoff_next_joining(&row->backoff, error, next_random(engine));
		row->next_try_ns = wait == UINT64_MAX ? UINT64_MAX : engine_now_ns(engine) + wait;
		engine_log(row, row->failures > 3 ? LOG_DEBUG : LOG_WARNING, stage, error->message);
	}
	engine_forget_task(row);
}

void engine_start(struct row *row)
{
	struct engine *engine = row->engine;

	row->run = (struct run){
		.context = engine->context,
		.resource = row->resource,
		.role = engine->role ? role_ref(engine->role) : NULL,
	};
	row->tasks++;
	if (engine_is_repair(row)) {
		if (!row->repairing)
			row->drift = row->why;
		row->repairing = true;
		if (engine->hooks.repairing)
			engine->hooks.repairing(engine->hooks.userdata, row->resource, &row->why);
	}
	row->task = task_new(engine->loop, row->resource->apply, &row->run, NULL, task_ended, row);
	log_debug("%s: %s", row->resource->name, row->why.text);
	engine->hooks.changed(engine->hooks.userdata);
}
