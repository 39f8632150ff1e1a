/* Bootstrap tokens as Secrets of the cluster (kubeadm-behaviour.md, section 10.1). */
#pragma once

#include <stdbool.h>

#include "agentd/context.h"
#include "agentd/kube/names.h"
#include "discovery/token.h"

/* All token Secrets, watched as one collection. */
#define TOKEN_SECRETS	    KUBE_SYSTEM_SECRETS "?" TOKEN_SECRETS_QUERY
#define TOKEN_SECRETS_QUERY "fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken"

/* What a Secret says. */
struct token_secret {
	struct token token;
	int64_t expiration; /* 0 = never */
	char *description;  /* or NULL */
	struct strv usages, groups;
	bool rotated;	 /* made by the rotation */
	bool single_use; /* for one node, whichever comes first unless node is set */
	char *node;	 /* for this node only, or NULL */
	char *request;	 /* the CSR that it was used for, or NULL */
};
void token_secret_done(struct token_secret *secret);
DEFINE_CLEANUP_VALUE(struct token_secret, token_secret_done)

/* The Secret of a token that expires ttl_s after now (0 = never); marks says what it is beside
 * that (rotated, single_use, node), or is NULL. The caller unrefs. */
struct value *token_secret_value(const struct token *token, const struct role_token *description,
				 const struct token_secret *marks, int64_t now);
/* False for a Secret with which nobody can authenticate: a wrong name, an id or a date that cannot
 * be read. */
bool token_secret_read(const struct value *object, struct token_secret *ret);
bool token_secret_is_live(const struct token_secret *secret, int64_t now);
static inline bool token_secret_signs(const struct token_secret *secret)
{
	return strv_contains(&secret->usages, "signing");
}
/* Whether the controller approves, without looking, who comes with it. */
static inline bool token_secret_is_for_all(const struct token_secret *secret)
{
	return strv_contains(&secret->usages, "authentication") &&
	       strv_contains(&secret->groups, KUBE_GROUP_TOKEN_DEFAULT);
}
