/* The retry machine; see backoff.h. */
#include "common/backoff.h"

#include "common/macros.h"

/* An error of this class is not tried again before something changes. */
#define NEVER UINT64_MAX

/* A retry at once would be a busy loop, whatever the dice say. */
#define LEAST_NS (100 * NSEC_PER_MSEC)

/* What the other side asked for is stretched by up to this part, so that not all come at once. */
enum { ASKED_SPREAD_PERCENT = 25 };

struct row {
	uint64_t first_ns; /* doubles with each further failure */
	uint64_t cap_ns;
	uint64_t joining_cap_ns; /* 0 = the same */
	unsigned random_percent; /* this part of the wait is random; 100 = full jitter */
};

/* clang-format off */
static const struct row rows[_ERROR_CLASS_MAX] = {
	[ERROR_NETWORK]   = { NSEC_PER_SEC,        60 * NSEC_PER_SEC,  30 * NSEC_PER_SEC, .random_percent = 100 },
	[ERROR_THROTTLED] = { NSEC_PER_SEC,        120 * NSEC_PER_SEC, .random_percent = 25 },
	[ERROR_DENIED]    = { 10 * NSEC_PER_SEC,   300 * NSEC_PER_SEC, .random_percent = 25 },
	[ERROR_TRUST]     = { 30 * NSEC_PER_SEC,   600 * NSEC_PER_SEC, .random_percent = 25 },
	[ERROR_PENDING]   = { NSEC_PER_SEC,        300 * NSEC_PER_SEC, .random_percent = 25 },
	[ERROR_BUS]       = { 100 * NSEC_PER_MSEC, 5 * NSEC_PER_SEC,   .random_percent = 0 },
	[ERROR_STORAGE]   = { 10 * NSEC_PER_SEC,   300 * NSEC_PER_SEC, .random_percent = 0 },
	[ERROR_CONFIG]    = { NEVER },
	[ERROR_BUG]       = { NEVER },
};
/* clang-format on */

static uint64_t part_of(uint64_t ns, unsigned percent, uint32_t random)
{
	return (uint64_t)((double)ns * percent / 100 * random / UINT32_MAX);
}

static uint64_t next(struct backoff *backoff, const struct error *error, uint32_t random,
		     bool joining)
{
	const struct row *row;
	uint64_t wait, cap;

	assert(error_is_set(error) && error->class < _ERROR_CLASS_MAX);
	if (error->class != backoff->class)
		*backoff = (struct backoff){ .class = error->class };
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;

	row = &rows[error->class];
	if (row->first_ns == NEVER)
		return NEVER;
	cap = joining && row->joining_cap_ns ? row->joining_cap_ns : row->cap_ns;
	if (error->retry_after_ms > 0) {
		wait = error->retry_after_ms * NSEC_PER_MSEC;
		wait += part_of(wait, ASKED_SPREAD_PERCENT, random);
		return MIN(wait, cap);
	}
	wait = row->first_ns;
	for (unsigned i = 1; i < backoff->failures && wait < cap; i++)
		wait *= 2;
	wait = MIN(wait, cap);
	wait -= part_of(wait, row->random_percent, UINT32_MAX - random);
	return MAX(wait, LEAST_NS);
}

uint64_t backoff_next(struct backoff *backoff, const struct error *error, uint32_t random)
{
	return next(backoff, error, random, false);
}

uint64_t backoff_next_joining(struct backoff *backoff, const struct error *error, uint32_t random)
{
	return next(backoff, error, random, true);
}

void backoff_reset(struct backoff *backoff)
{
	*backoff = BACKOFF_INIT;
}
