/* Time; see clock.h. */
#include "common/clock.h"

#include "common/macros.h"

static uint64_t system_monotonic(struct clock *clock)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static int64_t system_wall(struct clock *clock)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

struct clock *clock_system(void)
{
	static struct clock system = { .monotonic_ns = system_monotonic, .wall_s = system_wall };

	return &system;
}

static uint64_t fake_monotonic(struct clock *clock)
{
	return container_of(clock, struct clock_fake, clock)->now_ns;
}

static int64_t fake_wall(struct clock *clock)
{
	struct clock_fake *fake = container_of(clock, struct clock_fake, clock);

	return fake->now_s + (int64_t)(fake->now_ns / NSEC_PER_SEC);
}

void clock_fake_init(struct clock_fake *fake, int64_t wall_s)
{
	*fake = (struct clock_fake){
		.clock = { .monotonic_ns = fake_monotonic, .wall_s = fake_wall },
		.now_s = wall_s,
	};
}

void clock_fake_advance(struct clock_fake *fake, uint64_t ns)
{
	fake->now_ns += ns;
}
