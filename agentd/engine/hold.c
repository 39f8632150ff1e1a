/* Which rows a hold means, and what follows for them; see engine.h. What is held is in holds.h. */
#include <string.h>

#include "agentd/engine/engine.h"
#include "agentd/engine/state.h"
#include "common/task.h"

/* Whether path is the same as, or lies below, a place that does not end in a slash. */
static bool is_below(const char *path, const char *place, size_t length)
{
	return strncmp(path, place, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* A trigger that ends in a slash owns the entries of a directory. */
static bool path_is_meant(const char *owned, const char *what)
{
	size_t length = strlen(what), owned_length = strlen(owned);

	if (*what != '/')
		return false;
	while (length > 1 && what[length - 1] == '/')
		length--;
	if (is_below(owned, what, length))
		return true;
	return owned_length > 1 && owned[owned_length - 1] == '/' &&
	       strncmp(owned, what, owned_length) == 0;
}

/* what is the end of COLLECTION/NAME, from the beginning of a word on. A row that owns all of a
 * collection owns each of its objects. */
static bool object_is_meant(const char *collection, const char *name, const char *what)
{
	_cleanup_(buf_done) struct buf full = BUF_INIT(4096);
	const char *slash = strrchr(what, '/');
	size_t length = strlen(what);

	if (!slash)
		return false;
	(void)buf_printf(&full, "%s/%s", collection, name ? name : slash + 1);
	if (full.length < length || strcmp(full.data + full.length - length, what) != 0)
		return false;
	return full.length == length || full.data[full.length - length - 1] == '/';
}

static bool list_is_meant(const struct trigger_list *list, const char *what)
{
	_cleanup_(buf_done) struct buf collection = BUF_INIT(1024);

	STRV_FOREACH(path, &list->paths)
		if (path_is_meant(path, what))
			return true;
	STRV_FOREACH(entry, &list->objects) {
		const char *name = engine_split_object(entry, &collection);

		if (object_is_meant(collection.data, name, what))
			return true;
	}
	return false;
}

static bool trigger_is_meant(const struct trigger *trigger, const char *what)
{
	switch (trigger->reads ? TRIGGER_NONE : trigger->kind) {
	case TRIGGER_PATH:
		return path_is_meant(trigger->text, what);
	case TRIGGER_UNIT:
		return strcmp(trigger->text, what) == 0;
	case TRIGGER_OBJECT:
		return object_is_meant(trigger->text, trigger->name, what);
	case TRIGGER_NONE:
	case TRIGGER_EVERY:
	case TRIGGER_DUE:
	case TRIGGER_DYNAMIC:
		break;
	}
	return false;
}

static bool is_meant(const struct row *row, const char *what)
{
	const struct resource *resource = row->resource;

	if (!row->active || !resource->apply || resource->class == CLASS_NONE)
		return false;
	if (strcmp(what, HOLD_ALL) == 0 || strcmp(what, resource->name) == 0)
		return true;
	for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++)
		if (trigger_is_meant(&resource->triggers[t], what))
			return true;
	return list_is_meant(&row->owned, what);
}

/* Of several holds the one that ends last. */
void engine_find_hold(struct row *row)
{
	const struct holds *holds = row->engine->holds;

	row->hold = NULL;
	for (size_t i = 0; i < holds_count(holds); i++) {
		const struct hold *hold = holds_item(holds, i);

		if (!is_meant(row, hold->what))
			continue;
		if (!row->hold || hold->until_s == 0 ||
		    (row->hold->until_s != 0 && hold->until_s > row->hold->until_s))
			row->hold = hold;
	}
}

void engine_set_holds(struct engine *engine, const struct holds *holds)
{
	engine->holds = holds;
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];
		bool was_held = row->hold != NULL;

		engine_find_hold(row);
		if (row->hold && row->task)
			task_stop(row->task);
		if (was_held != (row->hold != NULL))
			row->stale = row->active;
	}
	engine->hooks.changed(engine->hooks.userdata);
}

void engine_held_by(const struct engine *engine, const char *what, struct strv *ret)
{
	for (size_t i = 0; i < engine->count; i++)
		if (is_meant(&engine->rows[i], what))
			strv_add(ret, engine->rows[i].resource->name);
}
