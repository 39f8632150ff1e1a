/* When a certificate is due for renewal; see renew.h. */
#include "pki/renew.h"

/* The spread is drawn in thousandths of itself. */
enum { STEPS = 1000 };

int64_t renew_due(int64_t not_before, int64_t not_after, const struct renew_window *window,
		  uint32_t random)
{
	int64_t life = not_after - not_before;
	int64_t step = (int64_t)(random % (2 * STEPS + 1)) - STEPS;
	int64_t due;

	if (life <= 0)
		return not_after;
	due = not_before + life * window->at_percent / 100 +
	      life * window->spread_percent / 100 * step / STEPS;
	if (due < not_before)
		return not_before;
	return due > not_after ? not_after : due;
}

/* FNV-1a: spreads, no more is asked of it. */
static uint32_t hash(uint32_t state, const char *text)
{
	for (; *text; text++)
		state = (state ^ (uint8_t)*text) * 16777619;
	/* A text's end counts, so that "a", "bc" and "ab", "c" differ. */
	return state * 16777619;
}

uint32_t renew_random(const char *node, const char *name, const char *serial)
{
	return hash(hash(hash(2166136261, node), name), serial);
}
