/* When a thing that somebody else keeps changing is mended again; see fight.h. */
#include "agentd/engine/fight.h"

#include "common/macros.h"
#include "common/parse.h"

#define AT_ONCE	 5
#define FIRST_NS NSEC_PER_SEC
#define CAP_NS	 (5 * 60 * NSEC_PER_SEC)
#define QUIET_NS (10 * 60 * NSEC_PER_SEC)

static bool is_over(const struct fight *fight, uint64_t now_ns)
{
	return now_ns >= MAX(fight->repaired_ns, fight->drifted_ns) + QUIET_NS;
}

bool fight_drifted(struct fight *fight, uint64_t now_ns)
{
	bool was_on;

	if (is_over(fight, now_ns))
		*fight = (struct fight){ 0 };
	was_on = fight->on;
	fight->drifted_ns = now_ns;
	fight->on = fight->repairs >= AT_ONCE;
	return fight->on && !was_on;
}

void fight_repaired(struct fight *fight, uint64_t now_ns, int64_t wall_s)
{
	if (fight->repairs == 0)
		fight->since_s = wall_s;
	fight->repairs++;
	fight->repaired_ns = now_ns;
}

uint64_t fight_not_before_ns(const struct fight *fight)
{
	unsigned doubled = fight->repairs - AT_ONCE;

	if (fight->repairs < AT_ONCE)
		return 0;
	return fight->repaired_ns + (doubled < 16 ? MIN(FIRST_NS << doubled, CAP_NS) : CAP_NS);
}

void fight_forgive(struct fight *fight)
{
	fight->repaired_ns = 0;
}

uint64_t fight_quiet_ns(const struct fight *fight)
{
	if (!fight->on)
		return UINT64_MAX;
	return MAX(fight->repaired_ns, fight->drifted_ns) + QUIET_NS;
}
