/* Bootstrap tokens: `id.secret`, [a-z0-9]{6}.[a-z0-9]{16}
 * (k8s.io/cluster-bootstrap/token; kubeadm-behaviour.md, section 10). */
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/secret.h"

struct token {
	char id[7];
	struct secret *secret; /* the 16 characters after the dot */
};
void token_done(struct token *token);
DEFINE_CLEANUP_VALUE(struct token, token_done)

/* Messages never contain the text. */
int token_parse(const struct secret *text, struct token *ret, struct error *err);
void token_generate(struct token *ret);
/* The whole `id.secret`. */
struct secret *token_text(const struct token *token);
/* A token of the documentation, or of too few different characters. */
bool token_is_weak(const struct token *token);
/* Whether a group may stand in a token: system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]. */
bool token_group_is_valid(const char *group);
