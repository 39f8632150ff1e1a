/* Policies of fields: how a live object differs, and what each manager applies; see policy.h. The
 * op that mends is in mend.c. */
#include "agentd/kube/policy.h"

#include <string.h>

#include "agentd/kube/fields.h"
#include "common/alloc.h"
#include "common/strv.h"

/* -- Tables ------------------------------------------------------------------------------------ */

static const struct policy everything = { .path = "", .kind = POLICY_ENFORCED };

/* The row that decides here, given the one that decided above. */
static const struct policy *row_at(const struct policy *table, const struct fields_place *place,
				   const struct policy *above)
{
	for (const struct policy *row = table; row && row->path; row++)
		if (strcmp(row->path, place->text.data) == 0)
			return row;
	return above;
}

/* Whether rows speak about something inside this place. */
static bool is_divided(const struct policy *table, const struct fields_place *place)
{
	size_t length = place->text.length;

	for (const struct policy *row = table; row && row->path; row++)
		if (strlen(row->path) > length &&
		    strncmp(row->path, place->text.data, length) == 0 &&
		    (length == 0 || row->path[length] == '.' || row->path[length] == '['))
			return true;
	return false;
}

/* What names an item in a place: the value of its first key. */
static const char *item_name(const struct value *item, const char *const *keys)
{
	const struct value *name = keys ? value_get(item, keys[0]) : NULL;

	return value_string(name) ? value_string(name) : value_number_text(name);
}

/* -- Parts ------------------------------------------------------------------------------------- */

struct split {
	const struct policy *table;
	struct fields_place place;
	bool enforced; /* which part is wanted */
};

static bool is_in_part(const struct split *split, const struct policy *row,
		       const struct value *value)
{
	bool enforced = row->kind == POLICY_ENFORCED || row->kind == POLICY_FIXED ||
			(row->kind == POLICY_MERGED && value_type(value) != VALUE_LIST);

	return enforced == split->enforced;
}

static struct value *take(struct split *split, const struct value *value, const char *field,
			  const struct policy *above);

static struct value *take_map(struct split *split, const struct value *map,
			      const struct policy *row)
{
	struct value *part = NULL;

	VALUE_FOREACH(i, map) {
		const char *key = value_key(map, i);
		struct fields_mark mark = fields_enter_key(&split->place, key);
		struct value *child = NULL;

		if (!fields_is_servers(split->place.text.data))
			child = take(split, value_item(map, i), key, row);
		if (child)
			part = value_put(part ? part : value_new_map(), key, child);
		fields_leave(&split->place, mark);
	}
	return part;
}

/* An item of which only a part is taken is still named. */
static struct value *name_item(struct value *part, const struct value *item,
			       const char *const *keys)
{
	for (; *keys; keys++) {
		const struct value *key = value_get(item, *keys);

		if (key && !value_get(part, *keys))
			part = value_put(part, *keys, value_ref(key));
	}
	return part;
}

static struct value *take_items(struct split *split, const struct value *list,
				const char *const *keys, const struct policy *row)
{
	struct value *part = NULL;

	VALUE_FOREACH(i, list) {
		const struct value *item = value_item(list, i);
		struct fields_mark mark =
		    fields_enter_item(&split->place, item_name(item, keys), i);
		struct value *child = take(split, item, "", row);

		if (child)
			part = value_append(part ? part : value_new_list(),
					    name_item(child, item, keys));
		fields_leave(&split->place, mark);
	}
	return part;
}

static struct value *take(struct split *split, const struct value *value, const char *field,
			  const struct policy *above)
{
	const struct policy *row = row_at(split->table, &split->place, above);
	const char *const *keys = NULL;

	if (value_type(value) == VALUE_NULL)
		return NULL;
	if (value_type(value) == VALUE_MAP && value_count(value) > 0)
		return take_map(split, value, row);
	if (value_type(value) == VALUE_LIST && is_divided(split->table, &split->place))
		keys = fields_list_keys(field, value);
	if (keys)
		return take_items(split, value, keys, row);
	return is_in_part(split, row, value) ? value_ref(value) : NULL;
}

static struct value *put_identity(struct value *part, const struct value *desired)
{
	static const char *const names[] = { "name", "namespace" };

	part = value_put(part, "apiVersion", value_ref(value_get(desired, "apiVersion")));
	part = value_put(part, "kind", value_ref(value_get(desired, "kind")));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct value *name = value_at(desired, "metadata", names[i]);

		if (name)
			part = value_put_at(part, value_ref(name), "metadata", names[i]);
	}
	return part;
}

static struct value *without_identity(const struct value *desired)
{
	struct value *rest = value_ref(desired);

	rest = value_remove(rest, "apiVersion");
	rest = value_remove(rest, "kind");
	rest = value_remove_at(rest, "metadata", "name");
	rest = value_remove_at(rest, "metadata", "namespace");
	if (value_count(value_get(rest, "metadata")) == 0)
		rest = value_remove(rest, "metadata");
	return rest;
}

static struct value *part_of(const struct value *desired, const struct policy *table, bool enforced)
{
	_cleanup_(value_unref) struct value *rest = without_identity(desired);
	struct split split = { .table = table, .place = FIELDS_PLACE_INIT, .enforced = enforced };
	struct value *part;

	part = value_count(rest) > 0 ? take(&split, rest, "", &everything) : NULL;
	fields_place_done(&split.place);
	return part ? put_identity(part, desired) : NULL;
}

struct value *policy_enforced(const struct value *desired, const struct policy *policy)
{
	return part_of(desired, policy, true);
}

struct value *policy_once(const struct value *desired, const struct policy *policy)
{
	return part_of(desired, policy, false);
}

/* -- Comparison -------------------------------------------------------------------------------- */

struct compare {
	const struct policy *table;
	struct fields_place place;
	enum policy_state state;
	bool quiet;	     /* values are not shown: a Secret's */
	struct buf *why;     /* of the first difference; NULL = nobody asks */
	struct value *patch; /* for merged lists */
};

/* A short scalar as text for people; NULL for what is too long or not a scalar. */
static char *shown(const struct value *value)
{
	const char *text = value_string(value);

	if (text && strlen(text) <= 80 && !strpbrk(text, "\r\n"))
		return xasprintf("\"%s\"", text);
	if (value_number_text(value))
		return xstrdup(value_number_text(value));
	if (value_type(value) == VALUE_BOOL)
		return xstrdup(value_is_true(value) ? "true" : "false");
	return NULL;
}

static void explain(struct compare *compare, const struct policy *row, const struct value *want,
		    const struct value *live)
{
	const char *place = compare->place.text.data;
	bool quiet = compare->quiet || strncmp(place, "data", 4) == 0 ||
		     strncmp(place, "binaryData", 10) == 0;
	_cleanup_free_ char *a = quiet ? NULL : shown(live), *b = quiet ? NULL : shown(want);

	if (value_type(want) == VALUE_LIST && row->kind == POLICY_MERGED)
		(void)buf_printf(compare->why, "%s lacks an entry of ours", place);
	else if (!live)
		(void)buf_printf(compare->why, "%s is missing", place);
	else if (a && b)
		(void)buf_printf(compare->why, "%s is %s, not %s", place, a, b);
	else
		(void)buf_printf(compare->why, "%s differs", place);
}

static void differs(struct compare *compare, const struct policy *row, const struct value *want,
		    const struct value *live)
{
	enum policy_state state = row->kind == POLICY_FIXED ? POLICY_REPLACE : POLICY_DIFFERS;

	if (compare->why && compare->state == POLICY_SAME)
		explain(compare, row, want, live);
	compare->state = MAX(compare->state, state);
}

static void compare_at(struct compare *compare, const struct value *want, const struct value *live,
		       const char *field, const char *parent, const struct policy *above);

static void compare_map(struct compare *compare, const struct value *want, const struct value *live,
			const char *field, const struct policy *row)
{
	VALUE_FOREACH(i, want) {
		const char *key = value_key(want, i);
		struct fields_mark mark = fields_enter_key(&compare->place, key);

		if (!fields_is_servers(compare->place.text.data))
			compare_at(compare, value_item(want, i), value_get(live, key), key, field,
				   row);
		fields_leave(&compare->place, mark);
	}
}

static void compare_list(struct compare *compare, const struct value *want,
			 const struct value *live, const char *field, const struct policy *row)
{
	const char *const *keys = fields_list_keys(field, want);

	if (!keys) {
		if (!fields_contain(live, want))
			differs(compare, row, want, live);
		return;
	}
	VALUE_FOREACH(i, want) {
		const struct value *item = value_item(want, i);
		int at = fields_find_item(live, item, keys);
		struct fields_mark mark = fields_enter_item(&compare->place, item_name(item, keys),
							    at < 0 ? i : (size_t)at);

		compare_at(compare, item, at < 0 ? NULL : value_item(live, (size_t)at), "", "",
			   row);
		fields_leave(&compare->place, mark);
	}
}

static struct value *patch_step(const char *what, const char *pointer, struct value *value)
{
	struct value *step = value_new_map();

	step = value_put(step, "op", value_new_string(what));
	step = value_put(step, "path", value_new_string(pointer));
	return value_put(step, "value", value);
}

/* Index of the live item that ours must be or replace; -1 if there is none. */
static int find_merged(const struct value *live, const struct value *item, const char *match)
{
	_cleanup_(strv_done) struct strv keys = STRV_INIT;

	if (match) {
		strv_split(&keys, match, ',');
		return fields_find_item(live, item, (const char *const *)keys.items);
	}
	VALUE_FOREACH(i, live) {
		if (fields_contain(value_item(live, i), item))
			return (int)i;
	}
	return -1;
}

static struct value *merge_item(struct compare *compare, struct value *steps,
				const struct value *live, const struct value *item,
				const char *match)
{
	int at = find_merged(live, item, match);
	_cleanup_free_ char *pointer = NULL;

	if (at >= 0 && fields_contain(value_item(live, (size_t)at), item))
		return steps;
	if (at >= 0)
		pointer = xasprintf("%s/%d", compare->place.pointer.data, at);
	else
		pointer = xasprintf("%s/-", compare->place.pointer.data);
	return value_append(steps,
			    patch_step(at >= 0 ? "replace" : "add", pointer, value_ref(item)));
}

/* Our items beside those of others. The patch tests the list as it was read. */
static void compare_merged(struct compare *compare, const struct value *want,
			   const struct value *live, const struct policy *row)
{
	const char *pointer = compare->place.pointer.data;
	_cleanup_(value_unref) struct value *steps = value_new_list();

	if (value_count(live) == 0 && value_count(want) > 0)
		steps = value_append(steps, patch_step("add", pointer, value_ref(want)));
	else
		VALUE_FOREACH(i, want) {
			steps = merge_item(compare, steps, live, value_item(want, i), row->match);
		}
	if (value_count(steps) == 0)
		return;

	differs(compare, row, want, live);
	if (!compare->patch)
		compare->patch = value_new_list();
	compare->patch = value_append(
	    compare->patch, patch_step("test", pointer, live ? value_ref(live) : value_new_null()));
	VALUE_FOREACH(i, steps) {
		compare->patch = value_append(compare->patch, value_ref(value_item(steps, i)));
	}
}

static void compare_at(struct compare *compare, const struct value *want, const struct value *live,
		       const char *field, const char *parent, const struct policy *above)
{
	const struct policy *row = row_at(compare->table, &compare->place, above);

	if (row->kind == POLICY_ONCE && !is_divided(compare->table, &compare->place))
		return;
	if (row->kind == POLICY_MERGED && value_type(want) == VALUE_LIST) {
		compare_merged(compare, want, live, row);
		return;
	}
	/* Of what is missing and divided, only some may be ours to bring back. */
	if (live ? value_type(live) != value_type(want)
		 : !is_divided(compare->table, &compare->place)) {
		if (row->kind != POLICY_ONCE && !fields_is_dropped(want, field, parent))
			differs(compare, row, want, live);
		return;
	}
	if (value_type(want) == VALUE_MAP)
		compare_map(compare, want, live, field, row);
	else if (value_type(want) == VALUE_LIST)
		compare_list(compare, want, live, field, row);
	else if (row->kind != POLICY_ONCE && !value_equal(want, live))
		differs(compare, row, want, live);
}

static enum policy_state run_compare(const struct value *desired, const struct policy *table,
				     const struct value *live, struct buf *why,
				     struct value **ret_patch)
{
	struct compare compare = {
		.table = table,
		.place = FIELDS_PLACE_INIT,
		.quiet = strcmp(value_string_or(value_get(desired, "kind"), ""), "Secret") == 0,
		.why = why,
	};

	compare_at(&compare, desired, live, "", "", &everything);
	fields_place_done(&compare.place);
	if (ret_patch)
		*ret_patch = compare.patch;
	else
		value_unref(compare.patch);
	return compare.state;
}

enum policy_state policy_compare(const struct value *desired, const struct policy *policy,
				 const struct value *live, struct buf *why)
{
	if (!live) {
		(void)buf_append_string(why, "it is missing");
		return POLICY_MISSING;
	}
	return run_compare(desired, policy, live, why, NULL);
}

struct value *policy_merge_patch(const struct value *desired, const struct policy *policy,
				 const struct value *live)
{
	struct value *patch = NULL;

	(void)run_compare(desired, policy, live, NULL, &patch);
	return patch;
}
