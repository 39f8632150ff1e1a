/* The ledger: what we applied and what we are about to, on disk and crash-safe.
 *
 * A row's entry says "pending" from before its first stage until observe says in sync; then
 * "applied". Beside that it keeps notes: small texts that a row must remember (the digest of a file
 * last applied, the UID for which something was created once). It is saved in turn to two files
 * beginning with their digest, so that a damaged one leaves the generation before it. */
#pragma once

#include <stdbool.h>

#include "common/error.h"

enum ledger_state { LEDGER_ABSENT, LEDGER_PENDING, LEDGER_APPLIED };

struct ledger;
/* directory: "/var/lib/agentd"; the files are ledger.0 and ledger.1 in it. A directory with none,
 * or with damaged ones only, gives an empty ledger. */
int ledger_open(const char *directory, struct ledger **ret, struct error *err);
struct ledger *ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger, ledger_free)

enum ledger_state ledger_get(const struct ledger *ledger, const char *row);
void ledger_set(struct ledger *ledger, const char *row, enum ledger_state state);
/* NULL if there is none; borrowed until the note is set again. */
const char *ledger_note(const struct ledger *ledger, const char *row, const char *key);
void ledger_set_note(struct ledger *ledger, const char *row, const char *key, const char *text);
/* Writes if something changed since. */
int ledger_save(struct ledger *ledger, struct error *err);
