/* The engine: marks, passes, and the start and end of tasks. Works with state.h (what it knows of
 * each row), ledger.h (what is on disk) and report.h (what it tells). */
#include "agentd/engine/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agentd/engine/order.h"
#include "agentd/engine/state.h"
#include "agentd/role.h"
#include "common/alloc.h"
#include "common/log.h"
#include "common/message-ids.h"

LOG_SCOPE("engine");

#define LOOK_FIRST_NS (2 * NSEC_PER_SEC)
#define LOOK_CAP_NS   (60 * NSEC_PER_SEC)
#define LOOK_SLACK_NS (NSEC_PER_SEC / 2)
#define FRUITLESS_NS  (NSEC_PER_SEC / 4)
#define STORAGE_NS    (10 * NSEC_PER_SEC)

static uint64_t now_ns(const struct engine *engine)
{
	return clock_ns(loop_clock(engine->loop));
}

/* xorshift: spreads retries, no more is asked of it. */
static uint32_t next_random(struct engine *engine)
{
	engine->random ^= engine->random << 13;
	engine->random ^= engine->random >> 17;
	engine->random ^= engine->random << 5;
	return engine->random;
}

const struct row *engine_find(const struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->count; i++)
		if (strcmp(engine->rows[i].resource->name, name) == 0)
			return &engine->rows[i];
	return NULL;
}

static void log_transition(const struct row *row, int level, const char *stage, const char *text)
{
	char generation[24];
	struct log_field fields[] = {
		{ "MESSAGE_ID", MESSAGE_ID_TRANSITION },
		{ "AGENTD_RESOURCE", row->resource->name },
		{ "AGENTD_VERDICT", verdict_name(row->verdict) },
		{ "AGENTD_GENERATION", generation },
		{ stage ? "AGENTD_STAGE" : NULL, stage },
		{ NULL, NULL },
	};

	(void)snprintf(generation, sizeof(generation), "%" PRIu64, row->engine->generation);
	log_fields(level, fields, "%s: %s", row->resource->name, text);
}

/* Marks. */

bool engine_mark(struct engine *engine, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		if (name && strcmp(row->resource->name, name) != 0)
			continue;
		row->stale = true;
		found = true;
	}
	return found;
}

/* The role. */

static void forget_task(struct row *row)
{
	row->task = task_free(row->task);
	if (row->run.state && row->run.free_state)
		row->run.free_state(row->run.state);
	role_unref(row->run.role);
	row->run = (struct run){ 0 };
}

static void deactivate(struct row *row)
{
	forget_task(row);
	row->settled = row->repairing = false;
	strv_done(&row->dynamic.paths);
	strv_done(&row->dynamic.objects);
	row->active = row->observed = row->stale = false;
	row->verdict = UNKNOWN;
	row->why = (struct why){ .text = "" };
	row->error = ERROR_INIT;
}

/* The ledger notes with which generation of the role a row was in sync: what differs from then on
 * was changed by another hand, also while agentd was not running. */
static bool was_settled(const struct row *row)
{
	const char *note = ledger_note(row->engine->ledger, row->resource->name, "generation");
	char generation[24];

	(void)snprintf(generation, sizeof(generation), "%" PRIu64, row->engine->generation);
	return note && strcmp(note, generation) == 0;
}

static void note_settled(struct row *row)
{
	char generation[24];

	row->settled = true;
	if (!row->resource->apply)
		return;
	(void)snprintf(generation, sizeof(generation), "%" PRIu64, row->engine->generation);
	ledger_set_note(row->engine->ledger, row->resource->name, "generation", generation);
}

static void activate(struct row *row)
{
	struct engine *engine = row->engine;

	if (!row->active)
		row->condition_since_s = clock_wall(loop_clock(engine->loop));
	row->active = row->stale = true;
	row->observed = row->repairing = false;
	row->settled = was_settled(row);
	row->next_try_ns = 0;
	row->look_again_ns = UINT64_MAX;
	row->look_interval_ns = 0;
	row->fruitless = 0;
	backoff_reset(&row->backoff);
	strv_done(&row->dynamic.paths);
	strv_done(&row->dynamic.objects);
	for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++) {
		const struct trigger *trigger = &row->resource->triggers[t];

		if (trigger->kind == TRIGGER_DYNAMIC)
			trigger->list(engine->context, row->resource, &row->dynamic);
	}
}

void engine_set_role(struct engine *engine, struct role *role, unsigned role_bit,
		     uint64_t generation)
{
	role_unref(engine->role);
	engine->role = role ? role_ref(role) : NULL;
	engine->role_bit = role_bit;
	engine->generation = generation;
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];
		const struct resource *resource = row->resource;
		bool wanted = role && (resource->roles & role_bit) &&
			      (!resource->wanted || resource->wanted(role));

		if (!wanted) {
			deactivate(row);
			continue;
		}
		if (row->task)
			task_stop(row->task);
		activate(row);
	}
	engine->hooks.triggers_changed(engine->hooks.userdata);
}

void engine_reconcile(struct engine *engine)
{
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		row->stale = true;
		row->next_try_ns = 0;
		row->fruitless = 0;
		backoff_reset(&row->backoff);
	}
}

/* Observation. */

/* When to look without an event: the earliest of EVERY, DUE, and what an unsettled verdict needs.
 */
static void schedule_look(struct row *row, bool changed)
{
	struct engine *engine = row->engine;
	uint64_t now = now_ns(engine), at = UINT64_MAX;

	if (row->verdict == UNKNOWN || row->verdict == BLOCKED) {
		row->look_interval_ns = changed || !row->look_interval_ns
					    ? LOOK_FIRST_NS
					    : MIN(row->look_interval_ns * 2, LOOK_CAP_NS);
		at = now + row->look_interval_ns;
	}
	for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++) {
		const struct trigger *trigger = &row->resource->triggers[t];

		if (trigger->kind == TRIGGER_EVERY)
			at = MIN(at, now + trigger->seconds * NSEC_PER_SEC);
		if (trigger->kind == TRIGGER_DUE) {
			int64_t due = trigger->due(engine->context, row->resource);
			int64_t wait = due - clock_wall(loop_clock(engine->loop));
			uint64_t seconds = wait > 0 ? (uint64_t)wait : 1;

			if (due != 0)
				at = MIN(at, now + seconds * NSEC_PER_SEC);
		}
	}
	row->look_again_ns = at;
}

/* Whoever needs this row may have a chance now, and may have looked at what it made. */
static void mark_dependants(struct row *row)
{
	for (size_t i = 0; i < row->engine->count; i++) {
		struct row *other = &row->engine->rows[i];

		for (size_t n = 0; n < RESOURCE_NEEDS_MAX && other->resource->needs[n]; n++)
			if (strcmp(other->resource->needs[n], row->resource->name) == 0)
				other->stale = true;
	}
}

static void told_repaired(struct row *row)
{
	const struct engine_hooks *hooks = &row->engine->hooks;

	if (row->repairing && hooks->repaired)
		hooks->repaired(hooks->userdata, row->resource, &row->drift,
				now_ns(row->engine) - row->drifted_ns);
	row->repairing = false;
}

static void settle(struct row *row)
{
	struct ledger *ledger = row->engine->ledger;

	if (row->verdict != IN_SYNC)
		return;
	told_repaired(row);
	note_settled(row);
	row->fruitless = 0;
	row->error = ERROR_INIT;
	row->next_try_ns = 0;
	backoff_reset(&row->backoff);
	if (ledger_get(ledger, row->resource->name) == LEDGER_PENDING)
		ledger_set(ledger, row->resource->name, LEDGER_APPLIED);
}

static void tell_transition(struct row *row, enum verdict former)
{
	const struct engine_hooks *hooks = &row->engine->hooks;
	const char *text = row->why.text;

	log_transition(row, LOG_INFO, NULL, text[0] ? text : verdict_name(row->verdict));
	if (hooks->transition)
		hooks->transition(hooks->userdata, row->resource, former, row->verdict, &row->why);
	mark_dependants(row);
}

/* Returns whether something changed that others may care about. */
static bool observe(struct row *row)
{
	struct engine *engine = row->engine;
	struct why why = { .text = "" };
	enum verdict verdict, former = row->observed ? row->verdict : UNKNOWN;
	int64_t now = clock_wall(loop_clock(engine->loop));
	bool changed;

	row->stale = false;
	row->observations++;
	verdict = row->resource->observe(engine->context, row->resource, &why);
	changed = !row->observed || verdict != row->verdict;
	if (changed)
		row->since_s = now;
	if (verdict_truth(verdict) != verdict_truth(row->verdict))
		row->condition_since_s = now;
	if (verdict != IN_SYNC && (!row->observed || row->verdict == IN_SYNC))
		row->drifted_ns = now_ns(engine);
	if (changed || strcmp(why.text, row->why.text) != 0)
		engine->hooks.changed(engine->hooks.userdata);
	row->observed = true;
	row->verdict = verdict;
	row->why = why;
	schedule_look(row, changed);
	if (changed)
		tell_transition(row, former);
	settle(row);
	return changed;
}

/* Tasks. */

bool engine_only_observes(const struct row *row)
{
	const struct role *role = row->engine->role;

	return role && role->policy.observed[row->resource->class];
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
		if (need->observed && need->settled && engine_only_observes(need))
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

static bool may_start(const struct row *row)
{
	return row->active && row->observed && row->verdict == DRIFTED && row->resource->apply &&
	       !row->task && now_ns(row->engine) >= row->next_try_ns && !lane_is_busy(row) &&
	       !engine_only_observes(row) && !engine_blocking_need(row);
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
		wait = FRUITLESS_NS << MIN(row->fruitless, 8U);
		row->fruitless++;
		row->next_try_ns = now_ns(engine) + MIN(wait, LOOK_CAP_NS);
		log_transition(row, LOG_INFO, NULL, "applied");
	} else if (error->code == -ECANCELED) {
		row->next_try_ns = 0;
	} else {
		row->error = *error;
		row->failures++;
		wait = backoff_next(&row->backoff, error, next_random(engine));
		row->next_try_ns = wait == UINT64_MAX ? UINT64_MAX : now_ns(engine) + wait;
		log_transition(row, row->failures > 3 ? LOG_DEBUG : LOG_WARNING, stage,
			       error->message);
	}
	forget_task(row);
}

/* Not of what agentd wanted to differ, and not where its stages only look. */
static bool is_repair(const struct row *row)
{
	return row->settled && !row->why.planned && row->resource->class != CLASS_NONE;
}

static void start(struct row *row)
{
	struct engine *engine = row->engine;

	row->run = (struct run){
		.context = engine->context,
		.resource = row->resource,
		.role = engine->role ? role_ref(engine->role) : NULL,
	};
	row->tasks++;
	if (is_repair(row)) {
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

/* The pass. */

static void mark_what_is_due(struct engine *engine)
{
	uint64_t now = now_ns(engine);

	for (size_t i = 0; i < engine->count; i++)
		if (engine->rows[i].active && engine->rows[i].look_again_ns <= now)
			engine->rows[i].stale = true;
}

static void observe_all_stale(struct engine *engine)
{
	/* Each round can only settle rows that a former one unsettled; more rounds than rows would
	 * mean that two rows disturb each other, which the next batch may do as well. */
	for (size_t round = 0; round <= engine->count; round++) {
		bool moved = false;

		for (size_t i = 0; i < engine->count; i++) {
			struct row *row = &engine->rows[i];

			if (row->active && row->stale && !row->task)
				moved |= observe(row);
		}
		if (!moved)
			return;
	}
}

static void start_what_may(struct engine *engine)
{
	bool pending = false;

	for (size_t i = 0; i < engine->count; i++)
		if (may_start(&engine->rows[i]) &&
		    ledger_get(engine->ledger, engine->rows[i].resource->name) == LEDGER_ABSENT) {
			ledger_set(engine->ledger, engine->rows[i].resource->name, LEDGER_PENDING);
			pending = true;
		}
	if (ledger_save(engine->ledger, &engine->ledger_error) < 0) {
		if (pending)
			log_warning("%s", engine->ledger_error.message);
		return;
	}
	engine->ledger_error = ERROR_INIT;
	for (size_t i = 0; i < engine->count; i++)
		if (may_start(&engine->rows[i]))
			start(&engine->rows[i]);
}

static void note_convergence(struct engine *engine)
{
	if (!engine->role || engine->generation_reached == engine->generation ||
	    !engine_is_converged(engine))
		return;
	engine->generation_reached = engine->generation;
	log_info("generation %" PRIu64 " of the role is reached", engine->generation);
	engine->hooks.changed(engine->hooks.userdata);
}

static void arm_timer(struct engine *engine)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; i < engine->count; i++) {
		const struct row *row = &engine->rows[i];

		if (!row->active || row->task)
			continue;
		at = MIN(at, row->look_again_ns);
		if (row->verdict == DRIFTED && row->resource->apply && !engine_only_observes(row) &&
		    row->next_try_ns > now_ns(engine))
			at = MIN(at, row->next_try_ns);
	}
	if (error_is_set(&engine->ledger_error))
		at = MIN(at, now_ns(engine) + STORAGE_NS);
	if (at == UINT64_MAX)
		loop_timer_disarm(engine->timer);
	else
		loop_timer_arm_at(engine->timer, at, 0);
}

void engine_pass(struct engine *engine)
{
	if (!engine->role)
		return;
	engine->hooks.prepare(engine->hooks.userdata, clock_wall(loop_clock(engine->loop)));
	mark_what_is_due(engine);
	observe_all_stale(engine);
	start_what_may(engine);
	note_convergence(engine);
	arm_timer(engine);
}

bool engine_is_converged(const struct engine *engine)
{
	for (size_t i = 0; i < engine->count; i++) {
		const struct row *row = &engine->rows[i];

		if (row->active && (!row->observed || row->verdict != IN_SYNC || row->task))
			return false;
	}
	return true;
}

uint64_t engine_generation_reached(const struct engine *engine)
{
	return engine->generation_reached;
}

bool engine_is_in_sync(const struct engine *engine, const char *name)
{
	const struct row *row = engine_find(engine, name);

	return row && row->active && row->observed && row->verdict == IN_SYNC;
}

/* The pass itself follows as the after-batch hook; the timer only wakes the loop. */
static void timer_fired(void *userdata)
{
	(void)userdata;
}

struct engine *engine_new(struct loop *loop, const struct resource *const *rows,
			  struct context *context, struct ledger *ledger,
			  const struct engine_hooks *hooks, uint32_t random)
{
	struct engine *engine = NEW(struct engine);
	struct error err = ERROR_INIT;

	if (order_check(rows, &err) < 0) {
		log_error("%s", err.message);
		abort();
	}
	engine->loop = loop;
	engine->context = context;
	engine->ledger = ledger;
	engine->hooks = *hooks;
	engine->random = random ? random : 1;
	engine->timer = loop_timer_new(loop, timer_fired, engine);
	while (rows[engine->count])
		engine->count++;
	engine->rows = NEW_ARRAY(struct row, engine->count);
	for (size_t i = 0; i < engine->count; i++) {
		engine->rows[i].resource = rows[i];
		engine->rows[i].engine = engine;
		engine->rows[i].verdict = UNKNOWN;
		engine->rows[i].look_again_ns = UINT64_MAX;
	}
	return engine;
}

struct engine *engine_free(struct engine *engine)
{
	if (!engine)
		return NULL;
	for (size_t i = 0; i < engine->count; i++)
		deactivate(&engine->rows[i]);
	loop_timer_free(engine->timer);
	role_unref(engine->role);
	free(engine->rows);
	free(engine);
	return NULL;
}
