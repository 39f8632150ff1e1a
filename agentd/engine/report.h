/* The engine's state as a value: rows for status, plan and explain. */
#pragma once

#include "agentd/engine/engine.h"
#include "common/error.h"
#include "common/value.h"

/* A list of maps: name, verdict (in-sync | drifted | unknown | held back), reason, since (RFC
 * 3339), policy ("observe" where it is looked at only), stage and stageSince while a task runs,
 * error, failures, nextTry, observed and applied counters. */
struct value *report_rows(const struct engine *engine);
/* The conditions that rows make (.condition of struct resource): a list of maps of type, status
 * ("True" | "False" | "Unknown"), reason, message and since, in the order of the rows. */
struct value *report_conditions(const struct engine *engine);
/* What would be done now, row by row: name, reason, stages (names). Rows in sync are left out. */
struct value *report_plan(const struct engine *engine);
/* One row with title, needs and their verdicts, triggers, stages, state. NULL if there is none. */
struct value *report_explain(const struct engine *engine, const char *name);
