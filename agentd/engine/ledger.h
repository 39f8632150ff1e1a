/* The ledger: what we applied and what we are about to, on disk and crash-safe.
 *
 * One JSON file, replaced atomically by ledger_save() when something changed. A row's entry says
 * "pending" from before its first stage until observe says in sync; then "applied". Beside rows it
 * keeps notes: small texts that a row must remember (digest of a file last applied, the UID for
 * which something was created once). A damaged file gives the previous generation, else an empty
 * ledger: everything in it can be found out again by observation. */
#pragma once

#include <stdbool.h>

#include "common/error.h"

enum ledger_state { LEDGER_ABSENT, LEDGER_PENDING, LEDGER_APPLIED };

struct ledger;
/* path: "/var/lib/agentd/ledger.json". */
int ledger_open(const char *path, struct ledger **ret, struct error *err);
struct ledger *ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger, ledger_free)

enum ledger_state ledger_get(const struct ledger *ledger, const char *row);
void ledger_set(struct ledger *ledger, const char *row, enum ledger_state state);
/* NULL if there is none; borrowed until the note is set again. */
const char *ledger_note(const struct ledger *ledger, const char *row, const char *key);
void ledger_set_note(struct ledger *ledger, const char *row, const char *key, const char *text);
/* Writes if something changed since. */
int ledger_save(struct ledger *ledger, struct error *err);
