/* The history of this node: what agentd did and found, newest last, bounded, kept over restarts.
 *
 * An entry is added where an effect was proven. It also goes to the journal, with the message id of
 * its type, and where the table of types (history.c) says so it becomes an Event on the Node. What
 * looks like a secret is cut out of every message. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agentd/history_types.h"
#include "common/error.h"
#include "common/loop.h"
#include "common/macros.h"
#include "common/value.h"

struct history;

enum { HISTORY_ENTRIES_MAX = 500, HISTORY_BYTES_MAX = 256 * 1024 };

/* path: "/var/lib/agentd/history.json". A file that is missing or damaged gives an empty one. */
struct history *history_open(struct loop *loop, const char *path);
/* Writes what has not been written yet. */
struct history *history_free(struct history *history);
DEFINE_CLEANUP(struct history, history_free)

/* type is a verb in CamelCase: "Repaired", "Renewed", "Restarted", "Moved", "Approved", "Refused",
 * "Created", "Expired" ... resource is a row's name, or what else was concerned; never NULL. The
 * message is one line for operators. The same as the newest of that resource counts up instead of
 * making another entry. Nothing happens where history is NULL (tests of rows have none). */
void history_add(struct history *history, const char *type, const char *resource,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* A new list, oldest first, of {time, type, resource, message, count, firstTime}: those not older
 * than since_s and, unless it is NULL, of that resource. firstTime is there where count is more
 * than one. */
struct value *history_list(const struct history *history, int64_t since_s, const char *resource);
/* The entries as they are, for who follows them. Strings are borrowed until the next history_add().
 */
struct history_entry {
	uint64_t sequence; /* grows with each history_add(), not over restarts */
	int64_t time_s, first_s;
	unsigned count;
	const char *type, *resource, *message;
};
/* The sequence of the newest entry. */
uint64_t history_sequence(const struct history *history);
/* The oldest entry after a sequence; one that was counted up is a new one. false = there is none.
 */
bool history_next(const struct history *history, uint64_t after, struct history_entry *ret);

/* Writes at once what has changed. Otherwise that happens by itself: a second after a change, and
 * at most every ten seconds. */
int history_save(struct history *history, struct error *err);
