/* What an administrator told agentd to leave alone: holds are kept (agentd/engine/holds.h), given
 * to the engine, ended by the clock, and told in Status and in the history. */
#pragma once

#include "agentd/context.h"
#include "agentd/engine/engine.h"
#include "common/error.h"
#include "common/value.h"

struct holding;

/* Reads the holds of the state directory and gives them to the engine, which is borrowed. */
struct holding *holding_new(struct context *ctx, struct engine *engine);
struct holding *holding_free(struct holding *holding); /* the engine forgets them */
DEFINE_CLEANUP(struct holding, holding_free)

/* Holds what a text means (engine_held_by()) for so many seconds, 0 = until it is released; on disk
 * when it returns. *ret gets a map as in the list below. ERROR_CONFIG if it means nothing. */
int holding_hold(struct holding *holding, const char *what, int64_t seconds, struct value **ret,
		 struct error *err);
/* Releases the hold of exactly this text. ERROR_CONFIG if there is none. */
int holding_release(struct holding *holding, const char *what, struct value **ret,
		    struct error *err);
/* A new list of {what, since, until (absent = until it is released), resources [name], error (why
 * everything is held)}. */
struct value *holding_list(const struct holding *holding);
