/* TokenCreate, TokenList, TokenDelete and TokenRotate. */
#pragma once

#include "agentd/context.h"
#include "common/op.h"

struct actions_token {
	bool has_ttl;
	int64_t ttl_s;		 /* 0 = never expires */
	const char *description; /* or NULL */
	const struct strv *usages, *groups;
	const char *node; /* for this one only, once; or NULL */
	bool single_use;  /* for one node */
};

/* Makes a bootstrap token, and signs cluster-info for it at once. Completes with {token, id,
 * expiration, endpoint, caCertHashes}. NULL with err set where that is not possible. */
struct op *actions_token_create(struct context *ctx, const struct actions_token *request,
				struct error *err);
/* Completes with a list of {token, id, expiration, usages, description, groups, node, singleUse,
 * used}. Who may see token is the caller's business. */
struct op *actions_token_list(struct context *ctx, struct error *err);
/* By id or by the whole token; completes with {id}. */
struct op *actions_token_delete(struct context *ctx, const char *id, struct error *err);
/* Replaces the token of the rotation; completes like actions_token_create(). */
struct op *actions_token_rotate(struct context *ctx, struct error *err);
