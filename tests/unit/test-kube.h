/* What the suites of the kube test program share. */
#pragma once

#include <check.h>

#include "agentd/kube/client.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/value.h"
#include "tests/unit/canned.h"

Suite *suite_apipath(void);
Suite *suite_client(void);
Suite *suite_cache(void);
Suite *suite_objects(void);
Suite *suite_policy(void);
Suite *suite_mend(void);
Suite *suite_lease(void);

/* A loop on a clock that stands still, and a client of a server with canned answers. */
struct world {
	struct clock_fake clock;
	struct loop *loop;
	struct canned *canned;
	struct kube *kube;
};
void world_init(struct world *world);
void world_done(struct world *world);
/* Runs the loop until the condition holds, while the clock stands still (or goes on by so many
 * milliseconds a round); fails the test if it does not within some seconds. */
#define world_until(world, condition) world_pass(world, 0, condition)
#define world_pass(world, ms, condition)                                           \
	do {                                                                       \
		int rounds_ = 0;                                                   \
		while (!(condition)) {                                             \
			ck_assert_msg(rounds_++ < 25000, "never: %s", #condition); \
			clock_fake_advance(&(world)->clock, (ms)*NSEC_PER_MSEC);   \
			world_round(world);                                        \
		}                                                                  \
	} while (0)
void world_round(struct world *world);
/* Runs the loop for a little while, in which nothing is expected to happen. */
void world_settle(struct world *world);
/* Runs an op to its end. */
void world_finish(struct world *world, struct op *op);
/* Moves the clock and lets what is due happen. */
void world_advance(struct world *world, unsigned seconds);

/* A value from JSON text with ' for ", which fails the test if it does not parse. */
struct value *test_json(const char *text);
/* Compact JSON with ' for ", keys in order of the alphabet; the caller frees. */
char *test_text(const struct value *value);
