/* Fields of objects as the API server sees them; see fields.h. */
#include "agentd/kube/fields.h"

#include <string.h>

#include "common/alloc.h"

/* -- Places ------------------------------------------------------------------------------------ */

void fields_place_done(struct fields_place *place)
{
	buf_done(&place->text);
	buf_done(&place->pointer);
}

static void truncate_to(struct buf *buf, size_t length)
{
	if (length < buf->length) {
		buf->length = length;
		buf->data[length] = '\0';
	}
}

void fields_leave(struct fields_place *place, struct fields_mark mark)
{
	truncate_to(&place->text, mark.text);
	truncate_to(&place->pointer, mark.pointer);
}

static struct fields_mark mark_of(const struct fields_place *place)
{
	return (struct fields_mark){ place->text.length, place->pointer.length };
}

static void append_pointer(struct buf *pointer, const char *key)
{
	(void)buf_append_char(pointer, '/');
	for (const char *p = key; *p; p++) {
		if (*p == '~')
			(void)buf_append_string(pointer, "~0");
		else if (*p == '/')
			(void)buf_append_string(pointer, "~1");
		else
			(void)buf_append_char(pointer, *p);
	}
}

struct fields_mark fields_enter_key(struct fields_place *place, const char *key)
{
	struct fields_mark mark = mark_of(place);

	/* A place too long for its buffer is cut; it then matches no row of a table. */
	if (strpbrk(key, "./[]"))
		(void)buf_printf(&place->text, "[%s]", key);
	else
		(void)buf_printf(&place->text, "%s%s", place->text.length ? "." : "", key);
	append_pointer(&place->pointer, key);
	return mark;
}

struct fields_mark fields_enter_item(struct fields_place *place, const char *name, size_t index)
{
	struct fields_mark mark = mark_of(place);

	if (name)
		(void)buf_printf(&place->text, "[%s]", name);
	else
		(void)buf_printf(&place->text, "[%zu]", index);
	(void)buf_printf(&place->pointer, "/%zu", index);
	return mark;
}

/* -- Lists and maps ---------------------------------------------------------------------------- */

/* Lists that the API merges item by item. All others are atomic. */
static const struct list_row {
	const char *field;
	const char *keys[3];
} named_lists[] = {
	/* clang-format off */
	{ "containers",			{ "name" } },
	{ "env",			{ "name" } },
	{ "hostAliases",		{ "ip" } },
	{ "imagePullSecrets",		{ "name" } },
	{ "initContainers",		{ "name" } },
	{ "ownerReferences",		{ "uid" } },
	{ "ports",			{ "containerPort", "protocol" } },
	{ "ports",			{ "port", "protocol" } },
	{ "topologySpreadConstraints",	{ "topologyKey", "whenUnsatisfiable" } },
	{ "volumeMounts",		{ "mountPath" } },
	{ "volumes",			{ "name" } },
	/* clang-format on */
};

static const char *const free_maps[] = {
	"annotations", "binaryData",   "data",	     "labels",	 "limits",
	"matchLabels", "nodeSelector", "parameters", "requests", "selector",
};

/* Every item must have the first key; the second may be left to its default. */
static bool has_keys(const struct value *list, const char *const *keys)
{
	VALUE_FOREACH(i, list) {
		if (!value_get(value_item(list, i), keys[0]))
			return false;
	}
	return value_count(list) > 0;
}

const char *const *fields_list_keys(const char *field, const struct value *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(named_lists); i++)
		if (strcmp(named_lists[i].field, field) == 0 && has_keys(list, named_lists[i].keys))
			return named_lists[i].keys;
	return NULL;
}

static bool same_key(const struct value *a, const struct value *b, const char *key)
{
	const struct value *left = value_get(a, key), *right = value_get(b, key);

	if (strcmp(key, "protocol") == 0)
		return strcmp(value_string_or(left, "TCP"), value_string_or(right, "TCP")) == 0;
	return left && right ? value_equal(left, right) : left == right;
}

bool fields_same_item(const struct value *a, const struct value *b, const char *const *keys)
{
	for (; *keys; keys++)
		if (!same_key(a, b, *keys))
			return false;
	return true;
}

int fields_find_item(const struct value *list, const struct value *item, const char *const *keys)
{
	VALUE_FOREACH(i, list) {
		if (fields_same_item(value_item(list, i), item, keys))
			return (int)i;
	}
	return -1;
}

bool fields_is_free_map(const char *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(free_maps); i++)
		if (strcmp(free_maps[i], field) == 0)
			return true;
	return false;
}

bool fields_is_dropped(const struct value *value, const char *field, const char *parent)
{
	switch (value_type(value)) {
	case VALUE_NULL:
		return true;
	case VALUE_STRING:
		return value_string_length(value) == 0 && !fields_is_free_map(parent);
	case VALUE_LIST:
		return value_count(value) == 0;
	case VALUE_MAP:
		return value_count(value) == 0 && fields_is_free_map(field);
	case VALUE_BOOL:
	case VALUE_NUMBER:
		break;
	}
	return false;
}

bool fields_is_servers(const char *place)
{
	static const char *const servers[] = {
		"metadata.creationTimestamp",
		"metadata.generation",
		"metadata.managedFields",
		"metadata.resourceVersion",
		"metadata.selfLink",
		"metadata.uid",
		"status",
	};

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		if (strcmp(servers[i], place) == 0)
			return true;
	return false;
}

static bool list_contains(const struct value *live, const struct value *wanted)
{
	if (value_count(live) != value_count(wanted))
		return false;
	VALUE_FOREACH(i, wanted) {
		if (!fields_contain(value_item(live, i), value_item(wanted, i)))
			return false;
	}
	return true;
}

bool fields_contain(const struct value *live, const struct value *wanted)
{
	if (value_type(wanted) == VALUE_LIST && value_type(live) == VALUE_LIST)
		return list_contains(live, wanted);
	if (value_type(wanted) != VALUE_MAP || value_type(live) != VALUE_MAP)
		return value_equal(live, wanted);
	VALUE_FOREACH(i, wanted) {
		const char *key = value_key(wanted, i);
		const struct value *there = value_get(live, key);
		const struct value *want = value_item(wanted, i);

		if (there ? !fields_contain(there, want) : !fields_is_dropped(want, key, ""))
			return false;
	}
	return true;
}
