/* How the API server sees the fields of objects: which lists are sets of named items and which are
 * one value, which maps are free, and how an object that it stored differs in looks from the one
 * that it was given. */
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/value.h"

/* Where we are in an object: as text for people and policy tables ("spec.replicas",
 * "data[config.conf]", "spec.template.spec.containers[coredns].image"), and as a JSON pointer. */
struct fields_place {
	struct buf text;
	struct buf pointer;
};
#define FIELDS_PLACE_INIT \
	((struct fields_place){ .text = BUF_INIT(4 * KIB), .pointer = BUF_INIT(4 * KIB) })
void fields_place_done(struct fields_place *place);
DEFINE_CLEANUP_VALUE(struct fields_place, fields_place_done)

struct fields_mark {
	size_t text, pointer;
};
/* Goes down by a key of a map or an item of a list; back with what it returned. */
struct fields_mark fields_enter_key(struct fields_place *place, const char *key);
struct fields_mark fields_enter_item(struct fields_place *place, const char *name, size_t index);
void fields_leave(struct fields_place *place, struct fields_mark mark);

/* The keys that name the items of this list, NULL-terminated; NULL where the list is one value. */
const char *const *fields_list_keys(const char *field, const struct value *list);
/* Whether both have the same values under these keys. */
bool fields_same_item(const struct value *a, const struct value *b, const char *const *keys);
/* The item of list that is named like item; its index, or -1. */
int fields_find_item(const struct value *list, const struct value *item, const char *const *keys);
/* Whether any key is allowed in this map, so that an empty text in it is not the same as none. */
bool fields_is_free_map(const char *field);
/* Whether the server drops this value when it stores it, so that absent is the same. */
bool fields_is_dropped(const struct value *value, const char *field, const char *parent);
/* Fields that are the server's, not a writer's: resourceVersion, uid, status, ... */
bool fields_is_servers(const char *place);
/* Whether everything wanted is in live, lists that are one value item by item. */
bool fields_contain(const struct value *live, const struct value *wanted);
