/* Bytes that must never be seen: tokens and private keys.
 *
 * A secret is wiped when it is freed, lives in memory that is left out of core files, and has no
 * text form: nothing in common/log.h, the JSON writer for status, or any format can print it. Only
 * the writers that must hand it on (secret files, TLS, an Authorization header, the body of a
 * request) take it, with secret_bytes(). Counted, immutable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct secret;

/* Copies length bytes (at most 64 KiB). Wiping the source is the caller's business: secret_wipe().
 */
struct secret *secret_new(const void *bytes, size_t length);
/* The same, and wipes and frees the source, which came from malloc. */
struct secret *secret_new_take(char *text, size_t length);
struct secret *secret_ref(struct secret *secret);
struct secret *secret_unref(struct secret *secret); /* returns NULL; accepts NULL */
DEFINE_CLEANUP(struct secret, secret_unref)

/* The bytes, NUL-terminated beyond their length. Borrowed. */
const char *secret_bytes(const struct secret *secret);
size_t secret_length(const struct secret *secret);
/* Compares in constant time. */
bool secret_equal(const struct secret *a, const struct secret *b);
/* Overwrites memory in a way that the compiler keeps. */
void secret_wipe(void *bytes, size_t length);
/* length characters of the alphabet 0-9a-z from the kernel's generator, without bias. */
struct secret *secret_random_text(size_t length);
