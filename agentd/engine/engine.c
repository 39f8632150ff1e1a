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
#define STORAGE_NS    (10 * NSEC_PER_SEC)

uint64_t engine_now_ns(const struct engine *engine)
{
	return clock_ns(loop_clock(engine->loop));
}

void engine_log(const struct row *row, int level, const char *stage, const char *text)
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

const struct row *engine_find(const struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->count; i++)
		if (strcmp(engine->rows[i].resource->name, name) == 0)
			return &engine->rows[i];
	return NULL;
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

static void deactivate(struct row *row)
{
	engine_forget_task(row);
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
	row->fight = (struct fight){ 0 };
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

void engine_retry(struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		if (strcmp(row->resource->name, name) != 0)
			continue;
		row->stale = true;
		row->next_try_ns = 0;
		row->fruitless = 0;
		backoff_reset(&row->backoff);
	}
}

void engine_unsettle(struct engine *engine)
{
	for (size_t i = 0; i < engine->count; i++) {
		engine->rows[i].settled = false;
		if (ledger_note(engine->ledger, engine->rows[i].resource->name, "generation"))
			ledger_set_note(engine->ledger, engine->rows[i].resource->name,
					"generation", NULL);
	}
}

void engine_reconcile(struct engine *engine)
{
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		row->stale = true;
		row->next_try_ns = 0;
		row->fruitless = 0;
		fight_forgive(&row->fight);
		backoff_reset(&row->backoff);
	}
}

/* Observation. */

/* When to look without an event: the earliest of EVERY, DUE, and what an unsettled verdict needs.
 */
static void schedule_look(struct row *row, bool changed)
{
	struct engine *engine = row->engine;
	uint64_t now = engine_now_ns(engine), at = UINT64_MAX;

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
				engine_now_ns(row->engine) - row->drifted_ns);
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

	engine_log(row, LOG_INFO, NULL, text[0] ? text : verdict_name(row->verdict));
	if (hooks->transition)
		hooks->transition(hooks->userdata, row->resource, former, row->verdict, &row->why);
	mark_dependants(row);
}

static void tell_dispute(struct row *row, bool begins)
{
	const struct engine_hooks *hooks = &row->engine->hooks;

	if (hooks->disputed)
		hooks->disputed(hooks->userdata, row->resource, begins, row->fight.since_s);
	hooks->changed(hooks->userdata);
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
		row->drifted_ns = engine_now_ns(engine);
	if (changed || strcmp(why.text, row->why.text) != 0)
		engine->hooks.changed(engine->hooks.userdata);
	row->observed = true;
	row->verdict = verdict;
	row->why = why;
	schedule_look(row, changed);
	if (changed)
		tell_transition(row, former);
	if (engine_is_repair(row) && fight_drifted(&row->fight, engine_now_ns(engine)))
		tell_dispute(row, true);
	settle(row);
	return changed;
}

/* The pass. */

static void mark_what_is_due(struct engine *engine)
{
	uint64_t now = engine_now_ns(engine);

	for (size_t i = 0; i < engine->count; i++)
		if (engine->rows[i].active && engine->rows[i].look_again_ns <= now)
			engine->rows[i].stale = true;
}

static void end_fights(struct engine *engine)
{
	uint64_t now = engine_now_ns(engine);
	bool on = false;

	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		if (row->verdict == IN_SYNC && fight_quiet_ns(&row->fight) <= now) {
			tell_dispute(row, false);
			row->fight = (struct fight){ 0 };
		}
		on |= row->fight.on;
	}
	if (engine->disputed && !on)
		engine->peace_since_s = clock_wall(loop_clock(engine->loop));
	engine->disputed = on;
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
		if (engine_may_start(&engine->rows[i]) &&
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
		if (engine_may_start(&engine->rows[i]))
			engine_start(&engine->rows[i]);
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
		    engine_not_before_ns(row) > engine_now_ns(engine))
			at = MIN(at, engine_not_before_ns(row));
		if (row->verdict == IN_SYNC)
			at = MIN(at, fight_quiet_ns(&row->fight));
	}
	if (error_is_set(&engine->ledger_error))
		at = MIN(at, engine_now_ns(engine) + STORAGE_NS);
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
	end_fights(engine);
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
	engine->peace_since_s = clock_wall(loop_clock(loop));
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
