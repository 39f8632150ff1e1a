/* Time, replaceable in tests. Nobody else calls clock_gettime() or time(). */
#pragma once

#include <stdint.h>
#include <time.h>

struct clock {
	uint64_t (*monotonic_ns)(struct clock *clock); /* CLOCK_BOOTTIME */
	int64_t (*wall_s)(struct clock *clock);	       /* seconds since 1970, UTC */
};

/* The system's clocks. */
struct clock *clock_system(void);

/* A clock that stands still until it is told: for tests and engine scripts. */
struct clock_fake {
	struct clock clock;
	uint64_t now_ns;
	int64_t now_s; /* wall clock when now_ns was 0 */
};
void clock_fake_init(struct clock_fake *fake, int64_t wall_s);
void clock_fake_advance(struct clock_fake *fake, uint64_t ns); /* moves both clocks */

static inline uint64_t clock_ns(struct clock *clock)
{
	return clock->monotonic_ns(clock);
}
static inline int64_t clock_wall(struct clock *clock)
{
	return clock->wall_s(clock);
}
