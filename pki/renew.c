/* When a certificate is due for renewal; see renew.h. */
#include "pki/renew.h"

/* The spread is drawn in thousandths of a percent: 5 % of a whole life. */
enum { SPREAD_STEPS = 5000, LIFE_STEPS = 100000 };

int64_t renew_due(int64_t not_before, int64_t not_after, unsigned percent, uint32_t random)
{
	int64_t life = not_after - not_before;
	int64_t step = (int64_t)(random % (2 * SPREAD_STEPS + 1)) - SPREAD_STEPS;
	int64_t due;

	if (life <= 0)
		return not_after;
	due = not_before + life * percent / 100 + life * step / LIFE_STEPS;
	if (due < not_before)
		return not_before;
	return due > not_after ? not_after : due;
}
