/* HMAC-SHA256, SHA-256, base64 and base64url: what token signatures and API objects need. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/secret.h"

int hmac_sha256(const struct secret *key, const void *bytes, size_t length, uint8_t ret[static 32],
		struct error *err);
void hmac_base64(const void *bytes, size_t length, struct buf *buf);
void hmac_base64url(const void *bytes, size_t length, struct buf *buf); /* without padding */
/* Strict: no blanks, right padding. -EINVAL. */
int hmac_base64_decode(const char *text, size_t length, struct buf *buf);
/* The same for what must not be left lying about in memory. */
int hmac_base64_decode_secret(const char *text, size_t length, struct secret **ret);
/* Compares in constant time. */
bool hmac_equal(const void *a, const void *b, size_t length);
