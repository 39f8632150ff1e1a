/* The slow round, the net under all events: every ten minutes or so everything is looked at again,
 * files, units and, as far as the request budget allows, cluster objects. */
#pragma once

#include <stdint.h>

#include "agentd/context.h"
#include "agentd/engine/engine.h"

struct rounds;
/* All is borrowed. A round comes every interval_ns ± 10 %. */
struct rounds *rounds_new(struct context *ctx, struct engine *engine, uint64_t interval_ns);
struct rounds *rounds_free(struct rounds *rounds);
DEFINE_CLEANUP(struct rounds, rounds_free)
