/* The token that agentd keeps alive while joins are wanted (RoleConfiguration.bootstrapTokens).
 *
 * At most two tokens of the rotation exist at any instant, and while one lives, never none: a new
 * one is made before an old one goes. It is all done under the Lease agentd-tokens, by what the
 * server says then; whatever is interrupted is gone on with by whoever comes next. */
#pragma once

#include "agentd/context.h"
#include "discovery/token.h"

enum rotation_step {
	ROTATION_REST, /* as it should be */
	ROTATION_MAKE,
	ROTATION_DELETE,
};

/* What to do next. secrets is a list of token Secrets; those that are not the rotation's do not
 * count. present is the name of a Secret: all others of the rotation are to go (a rotation at
 * once); NULL otherwise. *ret_victim is borrowed from secrets, for ROTATION_DELETE. *ret_due is
 * when to look again, 0 = never. why says what is the matter. */
enum rotation_step rotation_plan(const struct value *secrets, const struct role_rotation *wanted,
				 const char *present, int64_t now, const struct value **ret_victim,
				 int64_t *ret_due, struct why *why);
/* Does what is to be done; at_once: makes a new token in any case and deletes the old ones, also
 * those that could live on. */
struct op *rotation_run(struct context *ctx, const struct role_rotation *wanted, bool at_once);
/* The token that it made, borrowed from the completed op; NULL if it made none. */
const struct token *rotation_made(const struct op *op, int64_t *ret_expiration);
