/* What makes a row stale: which trigger of which row an event means, and the list of all of them
 * for those who watch. */
#include <string.h>

#include "agentd/engine/engine.h"
#include "agentd/engine/state.h"

static bool path_matches(const char *watched, const char *path)
{
	size_t length = strlen(watched);

	if (length > 1 && watched[length - 1] == '/')
		return strncmp(watched, path, length) == 0;
	return strcmp(watched, path) == 0;
}

static bool object_matches(const char *collection, const char *name, const char *of_collection,
			   const char *of_name)
{
	return strcmp(collection, of_collection) == 0 &&
	       (!name || !of_name || strcmp(name, of_name) == 0);
}

/* Splits "COLLECTION NAME" of a dynamic list at its blank. */
const char *engine_split_object(const char *entry, struct buf *collection)
{
	const char *blank = strchr(entry, ' ');

	buf_reset(collection);
	(void)buf_append(collection, entry, blank ? (size_t)(blank - entry) : strlen(entry));
	return blank ? blank + 1 : NULL;
}

static bool list_matches(const struct trigger_list *list, enum trigger_kind kind, const char *text,
			 const char *name)
{
	_cleanup_(buf_done) struct buf collection = BUF_INIT(1024);

	if (kind == TRIGGER_PATH) {
		STRV_FOREACH(path, &list->paths)
			if (path_matches(path, text))
				return true;
	}
	if (kind == TRIGGER_OBJECT) {
		STRV_FOREACH(entry, &list->objects) {
			const char *named = engine_split_object(entry, &collection);

			if (object_matches(collection.data, named, text, name))
				return true;
		}
	}
	return false;
}

static bool trigger_matches(const struct row *row, const struct trigger *trigger,
			    enum trigger_kind kind, const char *text, const char *name)
{
	if (trigger->kind == TRIGGER_DYNAMIC)
		return list_matches(trigger->reads ? &row->read : &row->owned, kind, text, name);
	if (trigger->kind != kind)
		return false;
	if (kind == TRIGGER_PATH)
		return path_matches(trigger->text, text);
	if (kind == TRIGGER_OBJECT)
		return object_matches(trigger->text, trigger->name, text, name);
	return strcmp(trigger->text, text) == 0;
}

void engine_mark_trigger(struct engine *engine, enum trigger_kind kind, const char *text,
			 const char *name)
{
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		if (!row->active)
			continue;
		for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++)
			if (trigger_matches(row, &row->resource->triggers[t], kind, text, name))
				row->stale = true;
	}
}

static void tell_list(const struct trigger_list *list, engine_trigger_fn fn, void *userdata)
{
	_cleanup_(buf_done) struct buf collection = BUF_INIT(1024);

	STRV_FOREACH(path, &list->paths)
		fn(TRIGGER_PATH, path, NULL, userdata);
	STRV_FOREACH(entry, &list->objects) {
		const char *name = engine_split_object(entry, &collection);

		fn(TRIGGER_OBJECT, collection.data, name, userdata);
	}
}

void engine_triggers(struct engine *engine, engine_trigger_fn fn, void *userdata)
{
	for (size_t i = 0; i < engine->count; i++) {
		struct row *row = &engine->rows[i];

		if (!row->active)
			continue;
		for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++) {
			const struct trigger *trigger = &row->resource->triggers[t];

			if (trigger->kind == TRIGGER_PATH || trigger->kind == TRIGGER_UNIT ||
			    trigger->kind == TRIGGER_OBJECT)
				fn(trigger->kind, trigger->text, trigger->name, userdata);
		}
		tell_list(&row->owned, fn, userdata);
		tell_list(&row->read, fn, userdata);
	}
}

void engine_paths(const struct engine *engine, const char *name, struct strv *ret)
{
	const struct row *row = engine_find(engine, name);

	if (!row)
		return;
	for (size_t t = 0; t < RESOURCE_TRIGGERS_MAX; t++) {
		const struct trigger *trigger = &row->resource->triggers[t];

		if (trigger->kind == TRIGGER_PATH && !trigger->reads)
			strv_add(ret, trigger->text);
	}
	STRV_FOREACH(path, &row->owned.paths)
		strv_add(ret, path);
}
