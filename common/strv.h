/* A list of strings that owns its strings. `items` is NULL-terminated once something is in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/macros.h"

struct strv {
	char **items;
	size_t count;
};

#define STRV_INIT ((struct strv){ 0 })
#define STRV_FOREACH(item, list)                            \
	for (char **item##_p = (list)->items, *item = NULL; \
	     item##_p && (item = *item##_p) != NULL; item##_p++)

void strv_done(struct strv *list);
DEFINE_CLEANUP_VALUE(struct strv, strv_done)

void strv_add(struct strv *list, const char *text);
/* Takes ownership of text. */
void strv_add_take(struct strv *list, char *text);
void strv_addf(struct strv *list, const char *format, ...) PRINTF_LIKE(2, 3);
bool strv_contains(const struct strv *list, const char *text);
/* Adds unless it is there already. */
void strv_add_unique(struct strv *list, const char *text);
void strv_copy(struct strv *to, const struct strv *from); /* appends copies */
void strv_sort(struct strv *list);
/* Splits at each separator; blanks around an item are dropped, empty items too. */
void strv_split(struct strv *list, const char *text, char separator);
char *strv_join(const struct strv *list, const char *separator); /* caller frees; never NULL */
