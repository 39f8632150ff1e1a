/* Questions and changes that concern two whole value trees: equality, containment, merge patch.
 * Works on value.h alone, without looking into nodes. */
#include "common/value.h"

#include <string.h>

/* The child under a key, looking first where it stands in most cases: at the same index. */
static const struct value *get_near(const struct value *map, size_t index, const char *key)
{
	const char *here = value_key(map, index);

	return here && strcmp(here, key) == 0 ? value_item(map, index) : value_get(map, key);
}

/* Of two scalars of one type. */
static bool scalars_equal(const struct value *a, const struct value *b)
{
	if (value_type(a) == VALUE_NULL)
		return true;
	if (value_type(a) == VALUE_BOOL)
		return value_is_true(a) == value_is_true(b);
	if (value_type(a) == VALUE_NUMBER)
		return strcmp(value_number_text(a), value_number_text(b)) == 0;
	return value_string_length(a) == value_string_length(b) &&
	       memcmp(value_string(a), value_string(b), value_string_length(a)) == 0;
}

static bool is_collection(const struct value *value)
{
	return value_type(value) == VALUE_LIST || value_type(value) == VALUE_MAP;
}

bool value_equal(const struct value *a, const struct value *b)
{
	if (a == b)
		return true;
	if (value_type(a) != value_type(b))
		return false;
	if (!is_collection(a))
		return scalars_equal(a, b);
	if (value_count(a) != value_count(b))
		return false;

	VALUE_FOREACH(i, a) {
		const struct value *other = value_item(b, i);

		if (value_type(a) == VALUE_MAP) {
			other = get_near(b, i, value_key(a, i));
			if (!other)
				return false;
		}
		if (!value_equal(value_item(a, i), other))
			return false;
	}
	return true;
}

struct value *value_merge_patch(struct value *target, const struct value *patch)
{
	assert(patch);
	if (value_type(patch) != VALUE_MAP) {
		value_unref(target);
		return value_ref(patch);
	}
	if (value_type(target) != VALUE_MAP) {
		value_unref(target);
		target = value_new_map();
	}
	VALUE_FOREACH(i, patch) {
		const char *key = value_key(patch, i);
		const struct value *change = value_item(patch, i);
		struct value *child;

		if (value_type(change) == VALUE_NULL) {
			target = value_remove(target, key);
			continue;
		}
		child = value_ref(value_get(target, key));
		target = value_put(target, key, value_merge_patch(child, change));
	}
	return target;
}

/* Where a comparison is, from the inside out. */
struct place {
	const struct place *outer;
	const char *key; /* NULL: an item of a list */
	size_t index;
};

static void print_place(const struct place *place, struct buf *buf)
{
	if (!place)
		return;
	print_place(place->outer, buf);
	if (!place->key)
		(void)buf_printf(buf, "[%zu]", place->index);
	else
		(void)buf_printf(buf, "%s%s", place->outer ? "." : "", place->key);
}

static bool differs(const struct place *place, struct buf *ret_path)
{
	if (ret_path)
		print_place(place, ret_path);
	return false;
}

static bool contains(const struct value *actual, const struct value *wanted,
		     const struct place *place, struct buf *ret_path)
{
	if (value_type(actual) != value_type(wanted))
		return differs(place, ret_path);
	if (!is_collection(wanted))
		return scalars_equal(actual, wanted) || differs(place, ret_path);
	if (value_type(wanted) == VALUE_LIST && value_count(actual) != value_count(wanted))
		return differs(place, ret_path);

	VALUE_FOREACH(i, wanted) {
		const char *key = value_key(wanted, i);
		struct place inner = { .outer = place, .key = key, .index = i };
		const struct value *there = key ? get_near(actual, i, key) : value_item(actual, i);

		if (!contains(there, value_item(wanted, i), &inner, ret_path))
			return false;
	}
	return true;
}

bool value_contains(const struct value *actual, const struct value *wanted, struct buf *ret_path)
{
	return contains(actual, wanted, NULL, ret_path);
}
