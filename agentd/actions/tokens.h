/* TokenCreate and TokenList. */
#pragma once

#include "agentd/context.h"
#include "common/op.h"

struct actions_token {
	int64_t ttl_s;		 /* 0 = never expires */
	const char *description; /* or NULL */
	const struct strv *usages, *groups;
};

/* Makes a bootstrap token, and signs cluster-info for it at once. Completes with {token, id,
 * expiration, endpoint, caCertHashes}. NULL with err set where that is not possible. */
struct op *actions_token_create(struct context *ctx, const struct actions_token *request,
				struct error *err);
/* Completes with a list of {id, expiration, usages, description, groups}: never the secret. */
struct op *actions_token_list(struct context *ctx, struct error *err);
