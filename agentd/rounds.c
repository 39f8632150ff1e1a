/* The slow round; see rounds.h. */
#include "agentd/rounds.h"

#include <sys/random.h>

#include "common/alloc.h"

struct rounds {
	struct context *ctx;
	struct engine *engine;
	uint64_t interval_ns;
	struct loop_timer *timer;
};

/* Nodes that were started together do not ask the API server together. */
static void arm(struct rounds *rounds)
{
	uint64_t tenth = rounds->interval_ns / 10;
	uint32_t bits = 0;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
		bits = UINT32_MAX / 2;
	loop_timer_arm(rounds->timer, rounds->interval_ns - tenth + bits % (2 * tenth + 1),
		       tenth / 2);
}

static void go_round(void *userdata)
{
	struct rounds *rounds = userdata;

	(void)engine_mark(rounds->engine, NULL);
	units_refresh(rounds->ctx->units);
	objects_check(rounds->ctx->objects);
	arm(rounds);
}

struct rounds *rounds_new(struct context *ctx, struct engine *engine, uint64_t interval_ns)
{
	struct rounds *rounds = NEW(struct rounds);

	rounds->ctx = ctx;
	rounds->engine = engine;
	rounds->interval_ns = interval_ns;
	rounds->timer = loop_timer_new(ctx->loop, go_round, rounds);
	arm(rounds);
	return rounds;
}

struct rounds *rounds_free(struct rounds *rounds)
{
	if (!rounds)
		return NULL;
	loop_timer_free(rounds->timer);
	free(rounds);
	return NULL;
}
