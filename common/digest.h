/* SHA-256 of bytes. Beside pki/, this is the one place that includes OpenSSL: cryptography is never
 * ours, and the digest of a file or a role is wanted below pki/. */
#pragma once

#include <stddef.h>

enum { DIGEST_HEX_SIZE = 65 }; /* 64 hex digits and a NUL */

/* In lower-case hex. */
void digest_sha256(const void *bytes, size_t length, char ret[static DIGEST_HEX_SIZE]);
