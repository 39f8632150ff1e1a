/* DriftShow and DriftRestore: the versions of other hands (agentd/drift.h). */
#pragma once

#include "agentd/context.h"
#include "common/op.h"

/* One version as drift_list() tells it, with {diff}: what the other hand changed, as a unified diff
 * from agentd's version to theirs; absent where nothing can be shown (secrets, bytes that are no
 * text, units). NULL with err set if there is none of that id. */
struct value *actions_drift_show(const struct context *ctx, uint64_t id, struct error *err);
/* What has to be held so that a version that is put back stays: a path, a unit, or COLLECTION/NAME;
 * the caller frees. NULL with err set if there is none of that id. */
char *actions_drift_what(const struct context *ctx, uint64_t id, struct error *err);
/* Puts a version back; completes without a value. */
struct op *actions_drift_restore(struct context *ctx, uint64_t id, struct error *err);
