/* The engine's state as a value; see report.h. */
#include "agentd/engine/report.h"

#include <string.h>

#include "agentd/engine/state.h"
#include "common/buf.h"
#include "common/parse.h"

static struct value *time_text(int64_t s)
{
	char text[32];

	format_time(s, text);
	return value_new_string(text);
}

static int64_t wall_of(const struct engine *engine, uint64_t monotonic_ns)
{
	struct clock *clock = loop_clock(engine->loop);
	int64_t ahead = (int64_t)(monotonic_ns - clock_ns(clock));

	return clock_wall(clock) + ahead / (int64_t)NSEC_PER_SEC;
}

static struct value *stage_names(const struct stage *stages)
{
	struct value *list = value_new_list();

	for (size_t i = 0; stages && stages[i].name; i++)
		list = value_append(list, value_new_string(stages[i].name));
	return list;
}

/* What keeps a drifted row from being applied, in words. */
static struct value *put_waiting(struct value *map, const struct row *row)
{
	const struct row *need = engine_blocking_need(row);

	if (row->verdict != DRIFTED || row->task || !need || engine_leaves_alone(row))
		return map;
	return value_put(map, "waitsFor", value_new_string(need->resource->name));
}

static struct value *put_policy(struct value *map, const struct row *row)
{
	if (!engine_only_observes(row))
		return map;
	return value_put(map, "policy", value_new_string("observe"));
}

static struct value *put_hold(struct value *map, const struct row *row)
{
	if (!row->hold)
		return map;
	map = value_put(map, "heldBy", value_new_string(row->hold->what));
	if (row->hold->until_s == 0)
		return map;
	return value_put(map, "heldUntil", time_text(row->hold->until_s));
}

static struct value *put_task(struct value *map, const struct row *row)
{
	const char *stage = row->task ? task_stage(row->task) : NULL;

	if (!stage)
		return map;
	map = value_put(map, "stage", value_new_string(stage));
	return value_put(map, "stageSince",
			 time_text(wall_of(row->engine, task_stage_since_ns(row->task))));
}

static struct value *put_error(struct value *map, const struct row *row)
{
	if (!error_is_set(&row->error))
		return map;
	map = value_put(map, "error", value_new_string(row->error.message));
	map = value_put(map, "errorClass", value_new_string(error_class_name(row->error.class)));
	return map;
}

/* A wait that is over, or that has no end by itself, is not told. */
static struct value *put_next_try(struct value *map, const struct row *row)
{
	uint64_t at = engine_not_before_ns(row);
	bool waits = error_is_set(&row->error) || (row->fight.on && row->verdict == DRIFTED);

	if (!waits || engine_leaves_alone(row) || at == 0 || at == UINT64_MAX)
		return map;
	return value_put(map, "nextTry", time_text(wall_of(row->engine, at)));
}

static struct value *put_fight(struct value *map, const struct row *row)
{
	if (!row->fight.on)
		return map;
	map = value_put(map, "fightSince", time_text(row->fight.since_s));
	return value_put(map, "repairs", value_new_int(row->fight.repairs));
}

static struct value *row_value(const struct row *row)
{
	struct value *map = value_new_map();

	map = value_put(map, "name", value_new_string(row->resource->name));
	map = value_put(map, "verdict",
			value_new_string(row->observed ? verdict_name(row->verdict) : "unknown"));
	if (row->why.text[0])
		map = value_put(map, "reason", value_new_string(row->why.text));
	if (row->observed)
		map = value_put(map, "since", time_text(row->since_s));
	map = put_policy(map, row);
	map = put_hold(map, row);
	map = put_waiting(map, row);
	map = put_task(map, row);
	map = put_error(map, row);
	map = put_fight(map, row);
	map = put_next_try(map, row);
	map = value_put(map, "observed", value_new_int(row->observations));
	map = value_put(map, "applied", value_new_int(row->tasks));
	map = value_put(map, "failed", value_new_int(row->failures));
	map = value_put(map, "repaired", value_new_int(row->repairs));
	map = value_put(map, "fights", value_new_int(row->fights));
	if (row->last_repair_s > 0)
		map = value_put(map, "lastRepair", time_text(row->last_repair_s));
	return map;
}

struct value *report_rows(const struct engine *engine)
{
	struct value *list = value_new_list();

	for (size_t i = 0; i < engine->count; i++)
		if (engine->rows[i].active)
			list = value_append(list, row_value(&engine->rows[i]));
	return list;
}

/* The row that tells a condition: of those of its type the first that is not in sync, else the one
 * that came into sync last. NULL where an earlier row has the same type and tells it already. */
static const struct row *teller(const struct engine *engine, const struct row *first)
{
	const char *type = first->resource->condition;
	const struct row *latest = first;

	for (size_t i = 0; i < engine->count; i++) {
		const struct row *row = &engine->rows[i];

		if (!row->active || !row->resource->condition ||
		    strcmp(row->resource->condition, type) != 0)
			continue;
		if (row < first)
			return NULL;
		if (row->verdict != IN_SYNC)
			return row;
		if (row->condition_since_s > latest->condition_since_s)
			latest = row;
	}
	return latest;
}

static struct value *condition_value(const struct row *row)
{
	static const char *const truths[] = {
		[NOT_KNOWN] = "Unknown",
		[NOT_TRUE] = "False",
		[IS_TRUE] = "True",
	};
	const char *reason = row->why.reason[0] ? row->why.reason : verdict_reason(row->verdict);
	const char *message = error_is_set(&row->error) ? row->error.message : row->why.text;
	struct value *map = value_new_map();

	map = value_put(map, "type", value_new_string(row->resource->condition));
	map = value_put(map, "status", value_new_string(truths[verdict_truth(row->verdict)]));
	map = value_put(map, "reason", value_new_string(reason));
	map = value_put(map, "message", value_new_string(message));
	return value_put(map, "since", time_text(row->condition_since_s));
}

/* Whether another hand changes again and again what agentd mends, and of which rows. */
static struct value *undisputed_value(const struct engine *engine)
{
	_cleanup_(buf_done) struct buf message = BUF_INIT(16 * KIB);
	struct value *map = value_new_map();
	int64_t since = engine->peace_since_s;

	for (size_t i = 0; i < engine->count; i++) {
		const struct row *row = &engine->rows[i];
		char text[32];

		if (!row->fight.on)
			continue;
		format_time(row->fight.since_s, text);
		since = message.length > 0 ? MIN(since, row->fight.since_s) : row->fight.since_s;
		(void)buf_printf(
		    &message, "%s%s is changed again and again since %s, repaired %u times",
		    message.length > 0 ? "; " : "", row->resource->name, text, row->fight.repairs);
	}
	map = value_put(map, "type", value_new_string("Undisputed"));
	map = value_put(map, "status", value_new_string(message.length > 0 ? "False" : "True"));
	map = value_put(map, "reason",
			value_new_string(message.length > 0 ? "DriftFight" : "NoDriftFight"));
	map = value_put(map, "message", value_new_string(message.data));
	return value_put(map, "since", time_text(since));
}

struct value *report_conditions(const struct engine *engine)
{
	struct value *list = value_append(value_new_list(), undisputed_value(engine));

	for (size_t i = 0; i < engine->count; i++) {
		const struct row *row = &engine->rows[i];

		if (row->active && row->resource->condition)
			row = teller(engine, row);
		else
			row = NULL;
		if (row)
			list = value_append(list, condition_value(row));
	}
	return list;
}

struct value *report_plan(const struct engine *engine)
{
	struct value *list = value_new_list();

	for (size_t i = 0; i < engine->count; i++) {
		const struct row *row = &engine->rows[i];
		struct value *map;

		if (!row->active || (row->observed && row->verdict == IN_SYNC))
			continue;
		map = value_new_map();
		map = value_put(map, "name", value_new_string(row->resource->name));
		map = value_put(map, "verdict", value_new_string(verdict_name(row->verdict)));
		map = value_put(map, "reason", value_new_string(row->why.text));
		map = put_policy(map, row);
		map = put_hold(map, row);
		map = put_waiting(map, row);
		if (row->verdict == DRIFTED)
			map = value_put(map, "stages", stage_names(row->resource->apply));
		list = value_append(list, map);
	}
	return list;
}

static struct value *trigger_value(const struct trigger *trigger)
{
	switch (trigger->kind) {
	case TRIGGER_PATH:
		return value_new_stringf("path %s", trigger->text);
	case TRIGGER_UNIT:
		return value_new_stringf("unit %s", trigger->text);
	case TRIGGER_OBJECT:
		return value_new_stringf("object %s/%s", trigger->text,
					 trigger->name ? trigger->name : "*");
	case TRIGGER_EVERY:
		return value_new_stringf("every %u s", trigger->seconds);
	case TRIGGER_DUE:
		return value_new_string("a date");
	case TRIGGER_NONE:
	case TRIGGER_DYNAMIC:
		break;
	}
	return NULL;
}

static struct value *add_triggers(struct value *list, const struct trigger_list *triggers)
{
	STRV_FOREACH(path, &triggers->paths)
		list = value_append(list, value_new_stringf("path %s", path));
	STRV_FOREACH(object, &triggers->objects)
		list = value_append(list, value_new_stringf("object %s", object));
	return list;
}

static struct value *triggers_value(const struct row *row)
{
	struct value *list = value_new_list();

	for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++) {
		struct value *text = trigger_value(&row->resource->triggers[t]);

		if (text)
			list = value_append(list, text);
	}
	list = add_triggers(list, &row->owned);
	return add_triggers(list, &row->read);
}

static struct value *needs_value(const struct row *row)
{
	struct value *list = value_new_list();

	for (size_t n = 0; n < RESOURCE_NEEDS_MAX && row->resource->needs[n]; n++) {
		const struct row *need = engine_find(row->engine, row->resource->needs[n]);
		struct value *map;

		if (!need->active)
			continue;
		map = value_put(value_new_map(), "name", value_new_string(need->resource->name));
		map = value_put(map, "verdict", value_new_string(verdict_name(need->verdict)));
		list = value_append(list, map);
	}
	return list;
}

struct value *report_explain(const struct engine *engine, const char *name)
{
	const struct row *row = engine_find(engine, name);
	struct value *map;

	if (!row)
		return NULL;
	map = row->active ? row_value(row)
			  : value_put(value_new_map(), "name", value_new_string(name));
	map = value_put(map, "inRole", value_new_bool(row->active));
	if (row->resource->title)
		map = value_put(map, "title", value_new_string(row->resource->title));
	map = value_put(map, "needs", needs_value(row));
	map = value_put(map, "triggers", triggers_value(row));
	map = value_put(map, "stages", stage_names(row->resource->apply));
	return map;
}
