/* Drift fights: another hand changes a thing again and again, and agentd mends it again and again.
 * Five repairs come at once; then each waits longer than the one before, 1 s, twice as long each
 * time, at most 5 minutes, until nothing was changed for ten minutes. It is never given up. Pure:
 * time is an argument. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fight {
	unsigned repairs;     /* in a row, without ten quiet minutes between */
	bool on;	      /* changed once more after five repairs */
	uint64_t repaired_ns; /* the last repair */
	uint64_t drifted_ns;  /* when a change was last seen */
	int64_t since_s;      /* wall clock of the first repair */
};

/* The thing differs because another hand changed it. Returns whether a fight begins by that. */
bool fight_drifted(struct fight *fight, uint64_t now_ns);
/* It was mended. */
void fight_repaired(struct fight *fight, uint64_t now_ns, int64_t wall_s);
/* It is to be mended no sooner than this; 0 = at once. */
uint64_t fight_not_before_ns(const struct fight *fight);
/* An administrator asks for it: the next repair comes at once. */
void fight_forgive(struct fight *fight);
/* When the ten minutes are over if nothing more is changed; UINT64_MAX = there is no fight. */
uint64_t fight_quiet_ns(const struct fight *fight);
