/* HMAC, SHA-256, base64; see hmac.h. */
#include "pki/hmac.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/types.h>

#include "common/alloc.h"
#include "pki/openssl.h"

int hmac_sha256(const struct secret *key, const void *bytes, size_t length, uint8_t ret[static 32],
		struct error *err)
{
	uint8_t mac[32];
	size_t size = 0;

	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret_bytes(key), secret_length(key),
		       bytes, length, mac, sizeof(mac), &size) ||
	    size != sizeof(mac))
		return openssl_error(err, ERROR_BUG, -EIO, "cannot compute HMAC-SHA256");
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

/* A secret has at most 64 KiB. */
enum { SECRET_TEXT_MAX = 64 * 1024 / 3 * 4 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const void *bytes, size_t length, const char *digits, bool pad, struct buf *buf)
{
	const uint8_t *in = bytes;

	for (size_t i = 0; i < length; i += 3) {
		size_t have = MIN(length - i, (size_t)3);
		uint32_t group = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				 (have > 2 ? in[i + 2] : 0);
		char out[] = "====";

		for (size_t digit = 0; digit <= have; digit++)
			out[digit] = digits[group >> (18 - 6 * digit) & 63];
		(void)buf_append(buf, out, pad ? 4 : have + 1);
	}
}

void hmac_base64(const void *bytes, size_t length, struct buf *buf)
{
	encode(bytes, length, alphabet, true, buf);
}

void hmac_base64url(const void *bytes, size_t length, struct buf *buf)
{
	encode(bytes, length, alphabet_url, false, buf);
}

static int digit_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* The bytes of four digits, the last of which may be padding; 0 if they are no base64. */
static size_t decode_group(const char text[static 4], bool last, uint8_t ret[static 3])
{
	size_t digits = !last || text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = i < digits ? digit_of(text[i]) : 0;

		if (digit < 0)
			return 0;
		group = group << 6 | (uint32_t)digit;
	}
	/* Bits that no byte takes must be zero, so that each byte string has one text. */
	if ((digits == 3 && group & 0xff) || (digits == 2 && group & 0xffff))
		return 0;
	ret[0] = (uint8_t)(group >> 16);
	ret[1] = (uint8_t)(group >> 8);
	ret[2] = (uint8_t)group;
	return digits - 1;
}

/* Decodes to ret, which has room for length / 4 * 3 bytes. The number of bytes, or -EINVAL. */
static ssize_t decode(const char *text, size_t length, uint8_t *ret)
{
	uint8_t *at = ret;

	if (length % 4 != 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i += 4) {
		size_t count = decode_group(text + i, i + 4 == length, at);

		if (count == 0)
			return -EINVAL;
		at += count;
	}
	return at - ret;
}

int hmac_base64_decode(const char *text, size_t length, struct buf *buf)
{
	_cleanup_free_ uint8_t *bytes = xmalloc(length / 4 * 3);
	ssize_t count = decode(text, length, bytes);

	return count < 0 ? (int)count : buf_append(buf, bytes, (size_t)count);
}

int hmac_base64_decode_secret(const char *text, size_t length, struct secret **ret)
{
	char *bytes;
	ssize_t count;

	if (length > SECRET_TEXT_MAX)
		return -EFBIG;
	bytes = xmalloc(length / 4 * 3);
	count = decode(text, length, (uint8_t *)bytes);
	if (count < 0) {
		secret_wipe(bytes, length / 4 * 3);
		free(bytes);
		return (int)count;
	}
	*ret = secret_new_take(bytes, (size_t)count);
	return 0;
}

bool hmac_equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}
