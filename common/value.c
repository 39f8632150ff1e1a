/* The value tree: nodes, readers and builders; see value.h. What compares and merges whole trees is
 * in value-merge.c.
 *
 * A node is one allocation: scalars carry their text behind the header, lists and maps a pointer to
 * an array whose size is the next power of two above its count, so that it needs no field. */
#include "common/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/secret.h"

struct entry {
	char *key;
	struct value *child;
	uint32_t line, column; /* of the key */
};

struct value {
	uint32_t refs;
	uint32_t line;
	uint32_t column : 28;
	uint32_t type : 4;
	uint32_t count; /* of a list or map; length of a text; 1 for true */
	union {
		struct value **items;
		struct entry *entries;
		char text[8]; /* really count + 1 bytes */
	};
};

enum { COLUMN_MAX = (1 << 28) - 1 };

static struct value *new_node(enum value_type type)
{
	struct value *value = NEW(struct value);

	value->refs = 1;
	value->type = type;
	return value;
}

static struct value *new_text(enum value_type type, const char *text, size_t length)
{
	struct value *value;

	assert(length < UINT32_MAX);
	value = xcalloc(1, MAX(offsetof(struct value, text) + length + 1, sizeof(*value)));
	value->refs = 1;
	value->type = type;
	value->count = (uint32_t)length;
	memcpy(value->text, text, length);
	return value;
}

struct value *value_ref(const struct value *value)
{
	struct value *mine = (struct value *)value;

	if (mine)
		mine->refs++;
	return mine;
}

struct value *value_unref(struct value *value)
{
	if (!value)
		return NULL;
	assert(value->refs > 0);
	if (--value->refs > 0)
		return NULL;

	switch ((enum value_type)value->type) {
	case VALUE_NULL:
	case VALUE_BOOL:
		break;
	case VALUE_NUMBER:
	case VALUE_STRING:
		secret_wipe(value->text, value->count);
		break;
	case VALUE_LIST:
		for (size_t i = 0; i < value->count; i++)
			value_unref(value->items[i]);
		free(value->items);
		break;
	case VALUE_MAP:
		for (size_t i = 0; i < value->count; i++) {
			free(value->entries[i].key);
			value_unref(value->entries[i].child);
		}
		free(value->entries);
		break;
	}
	free(value);
	return NULL;
}

enum value_type value_type(const struct value *value)
{
	return value ? (enum value_type)value->type : VALUE_NULL;
}

const char *value_type_name(enum value_type type)
{
	static const char *const names[] = {
		[VALUE_NULL] = "null",	     [VALUE_BOOL] = "a boolean",
		[VALUE_NUMBER] = "a number", [VALUE_STRING] = "a string",
		[VALUE_LIST] = "a list",     [VALUE_MAP] = "a map",
	};

	return (size_t)type < ARRAY_SIZE(names) ? names[type] : "?";
}

const char *value_string(const struct value *value)
{
	return value_type(value) == VALUE_STRING ? value->text : NULL;
}

size_t value_string_length(const struct value *value)
{
	return value_type(value) == VALUE_STRING ? value->count : 0;
}

const char *value_number_text(const struct value *value)
{
	return value_type(value) == VALUE_NUMBER ? value->text : NULL;
}

bool value_to_int(const struct value *value, int64_t *ret)
{
	const char *text = value_number_text(value);
	long long number;
	char *end;

	if (!text)
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end)
		return false;
	*ret = number;
	return true;
}

bool value_is_true(const struct value *value)
{
	return value_type(value) == VALUE_BOOL && value->count == 1;
}

size_t value_count(const struct value *value)
{
	enum value_type type = value_type(value);

	return type == VALUE_LIST || type == VALUE_MAP ? value->count : 0;
}

const struct value *value_item(const struct value *value, size_t index)
{
	if (index >= value_count(value))
		return NULL;
	return value->type == VALUE_LIST ? value->items[index] : value->entries[index].child;
}

const char *value_key(const struct value *value, size_t index)
{
	if (value_type(value) != VALUE_MAP || index >= value->count)
		return NULL;
	return value->entries[index].key;
}

/* Index of a key, or count where there is none. */
static size_t find_key(const struct value *map, const char *key)
{
	size_t i = 0;

	while (i < map->count && strcmp(map->entries[i].key, key) != 0)
		i++;
	return i;
}

const struct value *value_get(const struct value *map, const char *key)
{
	return value_type(map) == VALUE_MAP ? value_item(map, find_key(map, key)) : NULL;
}

const struct value *value_at_(const struct value *value, const char *const *keys)
{
	for (; value && *keys; keys++)
		value = value_get(value, *keys);
	return value;
}

const char *value_string_or(const struct value *value, const char *otherwise)
{
	const char *text = value_string(value);

	return text ? text : otherwise;
}

unsigned value_line(const struct value *value)
{
	return value ? value->line : 0;
}

unsigned value_column(const struct value *value)
{
	return value ? value->column : 0;
}

unsigned value_key_line(const struct value *map, size_t index)
{
	return value_key(map, index) ? map->entries[index].line : 0;
}

unsigned value_key_column(const struct value *map, size_t index)
{
	return value_key(map, index) ? map->entries[index].column : 0;
}

struct value *value_new_null(void)
{
	return new_node(VALUE_NULL);
}

struct value *value_new_bool(bool truth)
{
	struct value *value = new_node(VALUE_BOOL);

	value->count = truth;
	return value;
}

struct value *value_new_int(int64_t number)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%lld", (long long)number);

	return new_text(VALUE_NUMBER, text, (size_t)length);
}

struct value *value_new_number(const char *text)
{
	return new_text(VALUE_NUMBER, text, strlen(text));
}

struct value *value_new_string(const char *text)
{
	return text ? new_text(VALUE_STRING, text, strlen(text)) : value_new_null();
}

struct value *value_new_string_length(const char *text, size_t length)
{
	return new_text(VALUE_STRING, text, length);
}

struct value *value_new_stringf(const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	return value_new_string(text);
}

struct value *value_new_list(void)
{
	return new_node(VALUE_LIST);
}

struct value *value_new_map(void)
{
	return new_node(VALUE_MAP);
}

/* The size of an array that holds count members: 0, 1, 2, 4, 8, ... */
static size_t room_for(size_t count)
{
	size_t room = 1;

	while (room < count)
		room *= 2;
	return count ? room : 0;
}

/* The array with room for one member more. */
static void *grown(void *array, size_t count, size_t size)
{
	assert(count < UINT32_MAX);
	if (room_for(count + 1) == room_for(count))
		return array;
	return xreallocarray(array, room_for(count + 1), size);
}

/* A node of one's own to change: the same one if nobody else holds it, otherwise a copy that shares
 * its children. Consumes. */
static struct value *own(struct value *value)
{
	struct value *copy;

	if (value->refs == 1)
		return value;

	if (value->type == VALUE_NUMBER || value->type == VALUE_STRING) {
		copy = new_text(value->type, value->text, value->count);
	} else {
		copy = new_node(value->type);
		copy->count = value->count;
	}
	copy->line = value->line;
	copy->column = value->column;
	if (value->type == VALUE_LIST && value->count > 0) {
		copy->items = NEW_ARRAY(struct value *, room_for(value->count));
		for (size_t i = 0; i < value->count; i++)
			copy->items[i] = value_ref(value->items[i]);
	}
	if (value->type == VALUE_MAP && value->count > 0) {
		copy->entries = NEW_ARRAY(struct entry, room_for(value->count));
		for (size_t i = 0; i < value->count; i++) {
			copy->entries[i] = value->entries[i];
			copy->entries[i].key = xstrdup(value->entries[i].key);
			value_ref(value->entries[i].child);
		}
	}
	value_unref(value);
	return copy;
}

struct value *value_push(struct value *map, const char *key, size_t key_length, unsigned key_line,
			 unsigned key_column, struct value *child)
{
	assert(value_type(map) == VALUE_MAP && child);
	map = own(map);
	map->entries = grown(map->entries, map->count, sizeof(*map->entries));
	map->entries[map->count++] = (struct entry){
		.key = xstrndup(key, key_length),
		.child = child,
		.line = key_line,
		.column = key_column,
	};
	return map;
}

struct value *value_put_placed(struct value *map, const char *key, unsigned key_line,
			       unsigned key_column, struct value *child)
{
	size_t i;

	assert(value_type(map) == VALUE_MAP);
	if (!child)
		return map;
	i = find_key(map, key);
	if (i == map->count)
		return value_push(map, key, strlen(key), key_line, key_column, child);

	map = own(map);
	value_unref(map->entries[i].child);
	map->entries[i].child = child;
	map->entries[i].line = key_line;
	map->entries[i].column = key_column;
	return map;
}

struct value *value_put(struct value *map, const char *key, struct value *child)
{
	return value_put_placed(map, key, 0, 0, child);
}

struct value *value_append(struct value *list, struct value *item)
{
	assert(value_type(list) == VALUE_LIST);
	if (!item)
		return list;
	list = own(list);
	list->items = grown(list->items, list->count, sizeof(struct value *));
	list->items[list->count++] = item;
	return list;
}

struct value *value_replace(struct value *list, size_t index, struct value *item)
{
	assert(value_type(list) == VALUE_LIST && index < list->count && item);
	list = own(list);
	value_unref(list->items[index]);
	list->items[index] = item;
	return list;
}

struct value *value_remove(struct value *map, const char *key)
{
	size_t i;

	if (value_type(map) != VALUE_MAP)
		return map;
	i = find_key(map, key);
	if (i == map->count)
		return map;

	map = own(map);
	free(map->entries[i].key);
	value_unref(map->entries[i].child);
	map->count--;
	memmove(map->entries + i, map->entries + i + 1, (map->count - i) * sizeof(*map->entries));
	/* The array must not be smaller than room_for() says when it grows again. */
	if (map->count > 0)
		map->entries =
		    xreallocarray(map->entries, room_for(map->count), sizeof(*map->entries));
	else
		free(TAKE_PTR(map->entries));
	return map;
}

/* Takes the child out of an entry, so that it can be changed in place where nobody else holds it.
 */
static struct value *take_child(struct value *map, size_t index)
{
	return TAKE_PTR(map->entries[index].child);
}

struct value *value_put_at_(struct value *value, struct value *child, const char *const *keys)
{
	size_t i;

	if (!child)
		return value;
	if (!*keys) {
		value_unref(value);
		return child;
	}
	if (value_type(value) != VALUE_MAP) {
		value_unref(value);
		value = value_new_map();
	}

	value = own(value);
	i = find_key(value, *keys);
	if (i == value->count)
		return value_put(value, *keys, value_put_at_(NULL, child, keys + 1));

	value->entries[i].child = value_put_at_(take_child(value, i), child, keys + 1);
	return value;
}

struct value *value_remove_at_(struct value *value, const char *const *keys)
{
	size_t i;

	if (value_type(value) != VALUE_MAP || !value_at_(value, keys))
		return value;
	if (!keys[1])
		return value_remove(value, keys[0]);

	value = own(value);
	i = find_key(value, keys[0]);
	value->entries[i].child = value_remove_at_(take_child(value, i), keys + 1);
	return value;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

struct value *value_sort_keys(struct value *value)
{
	if (value_count(value) == 0)
		return value;
	value = own(value);
	if (value->type == VALUE_LIST) {
		for (size_t i = 0; i < value->count; i++)
			value->items[i] = value_sort_keys(TAKE_PTR(value->items[i]));
		return value;
	}
	for (size_t i = 0; i < value->count; i++)
		value->entries[i].child = value_sort_keys(take_child(value, i));
	qsort(value->entries, value->count, sizeof(*value->entries), compare_keys);
	return value;
}

struct value *value_set_place(struct value *value, unsigned line, unsigned column)
{
	value = own(value);
	value->line = line;
	value->column = MIN(column, (unsigned)COLUMN_MAX);
	return value;
}

static int compare_indirect(const void *a, const void *b)
{
	const struct entry *left = *(const struct entry *const *)a;
	const struct entry *right = *(const struct entry *const *)b;
	int order = strcmp(left->key, right->key);

	/* Entries of one key stay in their order, for the message about them. */
	return order ? order : (left > right) - (left < right);
}

bool value_find_duplicate(const struct value *map, size_t *ret_first, size_t *ret_second)
{
	_cleanup_free_ const struct entry **sorted = NULL;
	bool found = false;

	if (value_type(map) != VALUE_MAP || map->count < 2)
		return false;
	sorted = xreallocarray(NULL, map->count, sizeof(*sorted));
	for (size_t i = 0; i < map->count; i++)
		sorted[i] = &map->entries[i];
	qsort(sorted, map->count, sizeof(*sorted), compare_indirect);

	/* Of several repeated keys the one whose repetition stands first in the text. */
	for (size_t i = 1; i < map->count; i++) {
		size_t second = (size_t)(sorted[i] - map->entries);

		if (strcmp(sorted[i - 1]->key, sorted[i]->key) != 0 ||
		    (found && second >= *ret_second))
			continue;
		*ret_first = (size_t)(sorted[i - 1] - map->entries);
		*ret_second = second;
		found = true;
	}
	return found;
}
