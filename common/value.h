/* An immutable, counted JSON or YAML value with the place where it was written.
 *
 * Numbers keep their text, so that nothing is lost between reading and writing. Maps keep the order
 * of their keys. Strings are wiped when freed, since some are secrets. `const struct value *` is
 * borrowed; value_ref() keeps. Builders consume their arguments and return the new owner's pointer;
 * they change in place when nobody else holds the value and copy otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/macros.h"

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_LIST, VALUE_MAP };

struct value;

struct value *value_ref(const struct value *value);
struct value *value_unref(struct value *value); /* accepts NULL, returns NULL */
DEFINE_CLEANUP(struct value, value_unref)

enum value_type value_type(const struct value *value); /* of NULL: VALUE_NULL */
const char *value_type_name(enum value_type type);     /* "a list", for messages */

/* Readers; all accept NULL. */
const char *value_string(const struct value *value); /* NULL unless it is a string */
size_t value_string_length(const struct value *value);
const char *value_number_text(const struct value *value);   /* NULL unless it is a number */
bool value_to_int(const struct value *value, int64_t *ret); /* false unless an integer that fits */
bool value_is_true(const struct value *value);		    /* a bool, and true */
size_t value_count(const struct value *value);		    /* of a list or map, else 0 */
const struct value *value_item(const struct value *value, size_t index);
const char *value_key(const struct value *value, size_t index);
const struct value *value_get(const struct value *map, const char *key); /* NULL if there is none */
/* value_at(pod, "metadata", "labels", "app"); NULL where the path leads nowhere. */
#define value_at(value, ...) value_at_(value, (const char *const[]){ __VA_ARGS__, NULL })
const struct value *value_at_(const struct value *value, const char *const *keys);
/* The string there, or otherwise. */
const char *value_string_or(const struct value *value, const char *otherwise);

/* Where it was written: 1-based, 0 = unknown. */
unsigned value_line(const struct value *value);
unsigned value_column(const struct value *value);
unsigned value_key_line(const struct value *map, size_t index);
unsigned value_key_column(const struct value *map, size_t index);

#define VALUE_FOREACH(index, value) \
	for (size_t index = 0, index##_n = value_count(value); index < index##_n; index++)

/* Builders. */
struct value *value_new_null(void);
struct value *value_new_bool(bool truth);
struct value *value_new_int(int64_t number);
struct value *value_new_number(const char *text);
struct value *value_new_string(const char *text); /* NULL gives a null value */
struct value *value_new_string_length(const char *text, size_t length);
struct value *value_new_stringf(const char *format, ...) PRINTF_LIKE(1, 2);
struct value *value_new_list(void);
struct value *value_new_map(void);
/* Sets (or replaces) a key; appends an item. Both consume and return; a NULL child or item changes
 * nothing. */
struct value *value_put(struct value *map, const char *key, struct value *child);
struct value *value_append(struct value *list, struct value *item);
struct value *value_replace(struct value *list, size_t index, struct value *item);
struct value *value_remove(struct value *map, const char *key);
/* Sets at a path, making maps on the way (also where something else stood): v = value_put_at(v,
 * child, "spec", "replicas"). */
#define value_put_at(value, child, ...) \
	value_put_at_(value, child, (const char *const[]){ __VA_ARGS__, NULL })
struct value *value_put_at_(struct value *value, struct value *child, const char *const *keys);
#define value_remove_at(value, ...) \
	value_remove_at_(value, (const char *const[]){ __VA_ARGS__, NULL })
struct value *value_remove_at_(struct value *value, const char *const *keys);
struct value *value_sort_keys(struct value *value); /* at every level, bytewise */
struct value *value_set_place(struct value *value, unsigned line, unsigned column);
struct value *value_put_placed(struct value *map, const char *key, unsigned key_line,
			       unsigned key_column, struct value *child);

/* For parsers: adds a key without looking whether it is there already, and finds the first one that
 * is there twice. */
struct value *value_push(struct value *map, const char *key, size_t key_length, unsigned key_line,
			 unsigned key_column, struct value *child);
bool value_find_duplicate(const struct value *map, size_t *ret_first, size_t *ret_second);

/* Deep comparison; the order of map keys does not matter, numbers compare by text. */
bool value_equal(const struct value *a, const struct value *b);
/* JSON merge patch, RFC 7396; consumes target. */
struct value *value_merge_patch(struct value *target, const struct value *patch);
/* Whether everything in wanted is in actual: maps by key, lists item by item with equal counts; a
 * null that is wanted is in there when the key is absent. On false, the path of the first
 * difference is written to ret_path, such as "spec.replicas". */
bool value_contains(const struct value *actual, const struct value *wanted, struct buf *ret_path);
