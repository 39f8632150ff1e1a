/* Bootstrap tokens as Secrets of the cluster (kubeadm-behaviour.md, section 10.1). */
#pragma once

#include <stdbool.h>

#include "agentd/context.h"
#include "agentd/kube/names.h"
#include "discovery/token.h"

/* All token Secrets, watched as one collection. */
#define TOKEN_SECRETS KUBE_SYSTEM_SECRETS "?fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken"

/* The Secret of a token that expires ttl_s after now (0 = never). The caller unrefs. */
struct value *token_secret_value(const struct token *token, const struct role_token *description,
				 int64_t now);
/* Whether the Secret of this token id is in the cluster and not expired. */
bool token_secret_is_live(const struct context *ctx, const char *id);
