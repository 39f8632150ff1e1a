/* The decisions of identity_rules.h. */
#include "agentd/resources/identity_rules.h"

#include <stddef.h>
#include <string.h>

#include "common/macros.h"
#include "common/parse.h"
#include "common/strv.h"

enum { QUIET_S = 600, REGISTERS_WITHIN_S = 5 };

/* By the number of restarts that came before. */
static const unsigned graces_s[] = { 1, 5, 30, 60, 120, 300 };

struct identity_restarts identity_restarts_read(const char *note, int64_t now_s)
{
	_cleanup_(strv_done) struct strv words = STRV_INIT;
	uint64_t count = 0;
	int64_t last = 0;

	strv_split(&words, note ? note : "", ' ');
	if (words.count != 2 || parse_u64(words.items[0], &count) < 0 ||
	    parse_i64(words.items[1], &last) < 0 || count > 1000)
		return (struct identity_restarts){ 0 };
	/* After a step back of the clock the last one counts as recent. */
	if (now_s - last > QUIET_S)
		return (struct identity_restarts){ 0 };
	return (struct identity_restarts){ .count = (unsigned)count, .last_s = last };
}

unsigned identity_registration_grace_s(struct identity_restarts restarts, int64_t age_s)
{
	unsigned grace = graces_s[MIN(restarts.count, ARRAY_SIZE(graces_s) - 1)];
	int64_t age = MAX(age_s, (int64_t)0);

	if (age >= REGISTERS_WITHIN_S)
		return grace;
	return MAX(grace, (unsigned)(REGISTERS_WITHIN_S - age));
}

enum identity_move identity_address_decide(const struct identity_address *seen)
{
	if (!seen->known || seen->is_present)
		return IDENTITY_STAY;
	if (seen->is_named)
		return IDENTITY_TELL;
	return seen->has_other ? IDENTITY_MOVE : IDENTITY_WAIT;
}

enum identity_clock_verdict identity_clock_decide(const struct identity_clock *seen)
{
	/* One that was wrong, and now is possible, was set right. */
	int64_t former = seen->now_s - seen->since_jump_s - seen->jump_s;

	if (seen->synchronized)
		return IDENTITY_CLOCK_GOOD;
	/* A few minutes are what a clock is off that runs by itself, and what certificates allow
	 * for. */
	if (seen->now_s < seen->floor_s - IDENTITY_BEHIND_S)
		return IDENTITY_CLOCK_BEHIND;
	if (seen->jump_s > IDENTITY_JUMP_S && seen->since_jump_s < IDENTITY_CLOCK_WAIT_S &&
	    former >= seen->floor_s - IDENTITY_BEHIND_S)
		return IDENTITY_CLOCK_JUMPED;
	return IDENTITY_CLOCK_GOOD;
}
