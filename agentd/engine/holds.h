/* Holds: what an administrator told agentd to leave alone, until a date or until it is released.
 *
 * A hold is a text: the name of a row, a path, a unit, COLLECTION/NAME of a cluster object, or
 * "all" (engine_held_by() says which rows it means). They are kept in a file, replaced as a whole
 * before a change counts. A file that cannot be read holds everything: it is not known what must
 * not be touched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/macros.h"

#define HOLD_ALL "all"

enum { HOLDS_MAX = 200, HOLD_TEXT_MAX = 1024 };

struct hold {
	char *what;
	int64_t since_s, until_s; /* wall clock; until 0 = until it is released */
};

struct holds;

/* path: "/var/lib/agentd/holds.json". now_s dates the hold of everything. */
struct holds *holds_open(const char *path, int64_t now_s);
struct holds *holds_free(struct holds *holds);
DEFINE_CLEANUP(struct holds, holds_free)
/* Why the file could not be read; NULL if it could, or has been replaced since. */
const struct error *holds_error(const struct holds *holds);

size_t holds_count(const struct holds *holds);
/* Borrowed until the next change. In the order in which they were made. */
const struct hold *holds_item(const struct holds *holds, size_t index);
const struct hold *holds_find(const struct holds *holds, const char *what);
/* When the next one ends; 0 = none ends by itself. */
int64_t holds_next_end(const struct holds *holds);

/* The three below have changed nothing if they fail; else the change is on disk.
 * Adds a hold, or gives the one of this text another end. */
int holds_set(struct holds *holds, const char *what, int64_t since_s, int64_t until_s,
	      struct error *err);
/* Returns 1, 0 if there was no hold of this text. */
int holds_remove(struct holds *holds, const char *what, struct error *err);
/* Removes those that have ended. Returns how many. */
int holds_expire(struct holds *holds, int64_t now_s, struct error *err);
