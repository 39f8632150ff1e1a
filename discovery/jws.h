/* The detached signature of cluster-info (kubeadm-behaviour.md, section 10.4). */
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "discovery/token.h"

/* HEADER..SIGNATURE over content. */
int jws_sign(const struct token *token, const char *content, size_t length, struct buf *ret,
	     struct error *err);
/* Recomputes and compares the whole string in constant time; the header is never parsed.
 * ERROR_TRUST if it differs. */
int jws_verify(const struct token *token, const char *content, size_t length, const char *signature,
	       struct error *err);
