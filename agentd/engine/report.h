/* The engine's state as a value: rows for status, plan and explain. */
#pragma once

#include "agentd/engine/engine.h"
#include "common/error.h"
#include "common/value.h"

/* A list of maps: name, verdict (in-sync | drifted | unknown | blocked), reason, since (RFC 3339),
 * policy ("observe" where it is looked at only), heldBy (the hold's text) and heldUntil, waitsFor,
 * stage and stageSince while a task runs, error and errorClass of the last task, fightSince and
 * repairs while another hand changes it again and again, nextTry, lastRepair, and the counters
 * observed, applied, failed, repaired and fights. */
struct value *report_rows(const struct engine *engine);
/* The condition Undisputed, False with reason DriftFight while another hand changes rows again and
 * again, and those that rows make (.condition of struct resource): a list of maps of type, status
 * ("True" | "False" | "Unknown"), reason, message and since, in the order of the rows. */
struct value *report_conditions(const struct engine *engine);
/* What would be done now, row by row: name, reason, stages (names). Rows in sync are left out. */
struct value *report_plan(const struct engine *engine);
/* One row with title, needs and their verdicts, triggers, stages, state. NULL if there is none. */
struct value *report_explain(const struct engine *engine, const char *name);
