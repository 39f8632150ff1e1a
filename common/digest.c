/* SHA-256 by OpenSSL; see digest.h. */
#include "common/digest.h"

#include <openssl/evp.h>

#include "common/macros.h"

void digest_sha256(const void *bytes, size_t length, char ret[static DIGEST_HEX_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[32];
	unsigned size = 0;

	/* It fails only where memory or OpenSSL's own configuration is broken. */
	if (EVP_Digest(bytes, length, digest, &size, EVP_sha256(), NULL) != 1 ||
	    size != sizeof(digest))
		abort();
	for (size_t i = 0; i < sizeof(digest); i++) {
		ret[2 * i] = hex[digest[i] >> 4];
		ret[2 * i + 1] = hex[digest[i] & 15];
	}
	ret[2 * sizeof(digest)] = '\0';
}
