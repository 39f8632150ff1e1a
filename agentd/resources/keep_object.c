/* Cluster objects of other hands; see keep.h. Who changed a field, and when, stands in the object's
 * managedFields, which the caches drop: so it is read anew before it is mended. */
#include "agentd/resources/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agentd/drift.h"
#include "agentd/facts.h"
#include "agentd/kube/apipath.h"
#include "agentd/kube/fields.h"
#include "agentd/resources/object.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "common/yaml.h"

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

/* Who did it. */

static bool is_ours(const struct value *entry)
{
	const char *manager = text_of(entry, "manager");

	return strcmp(manager, KUBE_MANAGER) == 0 || strcmp(manager, KUBE_MANAGER_ONCE) == 0;
}

/* The child of a fieldsV1 set that one part of a place leads to: "f:NAME", or the key of an item
 * that has such a value. */
static const struct value *descend(const struct value *fields, const char *part, size_t length)
{
	_cleanup_free_ char *field = xasprintf("f:%.*s", (int)length, part);
	_cleanup_free_ char *named = xasprintf("\"%.*s\"", (int)length, part);
	const struct value *child = value_get(fields, field);

	VALUE_FOREACH(i, fields) {
		const char *key = value_key(fields, i);

		if (!child && strncmp(key, "k:", 2) == 0 && strstr(key, named))
			child = value_item(fields, i);
	}
	return child;
}

/* Whether a fieldsV1 set has a place such as "spec.containers[coredns].image", or owns a value that
 * it is in. */
static bool owns(const struct value *fields, const char *place)
{
	while (*place) {
		bool bracket = *place == '[';
		size_t length;

		place += bracket || *place == '.' ? 1 : 0;
		length = strcspn(place, bracket ? "]" : ".[");
		fields = descend(fields, place, length);
		if (!fields)
			return false;
		if (value_count(fields) == 0)
			return true;
		place += length;
		place += bracket && *place ? 1 : 0;
	}
	return true;
}

/* The entry of managedFields that has the place; else the newest of another hand, NULL if there is
 * none. */
static const struct value *find_writer(const struct value *live, const char *place)
{
	const struct value *entries = value_at(live, "metadata", "managedFields");
	const struct value *newest = NULL;

	VALUE_FOREACH(i, entries) {
		const struct value *entry = value_item(entries, i);

		if (*text_of(entry, "subresource"))
			continue;
		if (owns(value_get(entry, "fieldsV1"), place))
			return entry;
		/* Times of one form compare as texts. */
		if (!is_ours(entry) &&
		    (!newest || strcmp(text_of(entry, "time"), text_of(newest, "time")) > 0))
			newest = entry;
	}
	return newest;
}

/* What it was, and what it will be. */

static struct value *overlay(const struct value *live, const struct value *ours, const char *field);

static struct value *overlay_list(const struct value *live, const struct value *ours,
				  const char *field)
{
	const char *const *keys = fields_list_keys(field, ours);
	struct value *list;

	if (!keys || value_type(live) != VALUE_LIST)
		return value_ref(ours);
	list = value_ref(live);
	VALUE_FOREACH(i, ours) {
		const struct value *item = value_item(ours, i);
		int at = fields_find_item(list, item, keys);

		if (at < 0)
			list = value_append(list, value_ref(item));
		else
			list = value_replace(list, (size_t)at,
					     overlay(value_item(list, (size_t)at), item, ""));
	}
	return list;
}

/* The live value with ours put into it. */
static struct value *overlay(const struct value *live, const struct value *ours, const char *field)
{
	struct value *map;

	if (value_type(ours) == VALUE_LIST)
		return overlay_list(live, ours, field);
	if (value_type(ours) != VALUE_MAP || value_type(live) != VALUE_MAP)
		return value_ref(ours);
	map = value_ref(live);
	VALUE_FOREACH(i, ours) {
		const char *key = value_key(ours, i);

		map = value_put(map, key, overlay(value_get(map, key), value_item(ours, i), key));
	}
	return map;
}

static struct value *without_servers(struct value *object)
{
	static const char *const keys[] = { "managedFields", "resourceVersion", "uid", "generation",
					    "creationTimestamp" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		object = value_remove_at(object, "metadata", keys[i]);
	return value_remove(object, "status");
}

static int print(struct value *object, struct buf *buf, struct error *err)
{
	_cleanup_(value_unref) struct value *sorted = value_sort_keys(without_servers(object));
	int r = yaml_write(sorted, buf);

	return r < 0 ? error_set(err, ERROR_CONFIG, r, "it cannot be written as YAML") : 0;
}

/* Keeping. */

static struct value *put(struct value *map, const char *key, const struct value *child)
{
	return child ? value_put(map, key, value_ref(child)) : map;
}

static struct value *about_object(const struct object *object, const struct value *live,
				  const struct value *writer)
{
	struct value *map = value_new_map();

	map = value_put(map, "type", value_new_string(live ? "object" : "none"));
	map = value_put(map, "collection", value_new_string(object->collection));
	map = value_put(map, "object", value_new_string(object->name));
	map = put(map, "uid", value_at(live, "metadata", "uid"));
	map = put(map, "manager", value_get(writer, "manager"));
	map = put(map, "operation", value_get(writer, "operation"));
	return put(map, "changed", value_get(writer, "time"));
}

static char *name_of(const struct object *object)
{
	bool namespaced = object->namespace && *object->namespace;

	return xasprintf("%s %s%s%s", object->kind, namespaced ? object->namespace : "",
			 namespaced ? "/" : "", object->name);
}

static int keep(const struct context *ctx, const struct resource *row, const struct value *live,
		const struct value *wanted, const char *change, const struct value *writer,
		struct error *err)
{
	const struct object *object = row->data;
	_cleanup_(value_unref) struct value *about = about_object(object, live, writer);
	_cleanup_(value_unref) struct value *enforced = policy_enforced(wanted, object->policy);
	_cleanup_(buf_done) struct buf theirs = BUF_INIT(DRIFT_TEXT_MAX);
	_cleanup_(buf_done) struct buf ours = BUF_INIT(DRIFT_TEXT_MAX);
	_cleanup_free_ char *name = name_of(object);
	struct drift_version version = {
		.kind = "object",
		.name = name,
		.resource = row->name,
		.change = change,
		.about = about,
		.secret = strcmp(object->kind, "Secret") == 0,
	};
	int r = 0;

	if (live)
		r = print(value_ref(live), &theirs, err);
	if (r == 0 && !version.secret)
		r = print(live ? overlay(live, enforced, "") : value_ref(wanted), &ours, err);
	if (r < 0)
		return error_wrap(err, r, "%s", name);
	version.state = live ? theirs.data : "none";
	version.theirs = live ? theirs.data : NULL;
	version.theirs_length = theirs.length;
	version.ours = version.secret ? NULL : ours.data;
	version.ours_length = ours.length;
	return drift_add(ctx->drift, &version, err);
}

/* Whether the row had been in sync with this role: what differs from then on was changed. */
static bool was_in_sync(const struct context *ctx, const struct role *role,
			const struct resource *row)
{
	const char *note = ledger_note(ctx->ledger, row->name, "generation");
	char generation[24];

	(void)snprintf(generation, sizeof(generation), "%" PRIu64, role->generation);
	return note && strcmp(note, generation) == 0;
}

static void free_kube(void *state)
{
	kube_free(state);
}

struct op *keep_object_read(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct object *object = row_of(task)->data;
	_cleanup_free_ char *path = apipath_join(object->collection, object->name);
	struct kube *kube = ctx->kube;

	if (!ctx->drift || !kube || !was_in_sync(ctx, role_of(task), row_of(task)))
		return NULL;
	/* What is the matter may be our right to read it. */
	if (object->masters) {
		kube = facts_masters_client(ctx, err);
		if (!kube)
			return NULL;
		run_keep(task, kube, free_kube);
	}
	return kube_get(kube, path);
}

int keep_object(struct task *task, struct op *op, struct error *err)
{
	const struct context *ctx = ctx_of(task);
	const struct resource *row = row_of(task);
	const struct object *object = row->data;
	const struct value *live = op_value(op), *writer = NULL;
	_cleanup_(value_unref) struct value *wanted = NULL;
	_cleanup_(buf_done) struct buf change = BUF_INIT(KIB);
	struct why why = { .text = "" };
	int r;

	wanted = object_wanted(ctx, role_of(task), row, &why);
	if (!wanted || policy_compare(wanted, object->policy, live, &change) == POLICY_SAME)
		return STAGE_NEXT;
	if (live) {
		_cleanup_free_ char *place = xstrndup(change.data, strcspn(change.data, " "));

		writer = find_writer(live, place);
		/* Another version of agentd wants something else than what it wrote itself. */
		if (writer && is_ours(writer))
			return STAGE_NEXT;
	}
	r = keep(ctx, row, live, wanted, live ? change.data : "deleted", writer, err);
	return r < 0 ? r : STAGE_NEXT;
}
