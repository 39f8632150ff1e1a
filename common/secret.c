/* Secret bytes; see secret.h. The bytes have pages of their own, which are locked where the limit
 * allows it, left out of core files, and read-only from the moment they are filled. */
#include "common/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/alloc.h"

enum { SECRET_MAX = 64 * 1024 };

struct secret {
	unsigned refs;
	size_t length;
	size_t mapped;
	char *bytes;
};

/* A secret of zero bytes that the caller fills and then seals. */
static struct secret *new_secret(size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct secret *secret;

	assert(length <= SECRET_MAX);
	secret = NEW(struct secret);
	secret->refs = 1;
	secret->length = length;
	secret->mapped = (length + 1 + page - 1) / page * page;
	secret->bytes =
	    mmap(NULL, secret->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret->bytes == MAP_FAILED)
		abort();
	/* Both are a second line of defence, and a kernel or a limit may refuse them. */
	(void)madvise(secret->bytes, secret->mapped, MADV_DONTDUMP);
	(void)mlock(secret->bytes, secret->mapped);
	return secret;
}

static struct secret *seal(struct secret *secret)
{
	/* Nothing writes there any more; a failure only loses that guarantee. */
	(void)mprotect(secret->bytes, secret->mapped, PROT_READ);
	return secret;
}

struct secret *secret_new(const void *bytes, size_t length)
{
	struct secret *secret = new_secret(length);

	if (length > 0)
		memcpy(secret->bytes, bytes, length);
	return seal(secret);
}

struct secret *secret_new_take(char *text, size_t length)
{
	struct secret *secret = secret_new(text, length);

	secret_wipe(text, length);
	free(text);
	return secret;
}

struct secret *secret_ref(struct secret *secret)
{
	if (secret)
		secret->refs++;
	return secret;
}

struct secret *secret_unref(struct secret *secret)
{
	if (!secret)
		return NULL;
	assert(secret->refs > 0);
	if (--secret->refs > 0)
		return NULL;
	if (mprotect(secret->bytes, secret->mapped, PROT_READ | PROT_WRITE) == 0)
		secret_wipe(secret->bytes, secret->length);
	(void)munmap(secret->bytes, secret->mapped);
	free(secret);
	return NULL;
}

const char *secret_bytes(const struct secret *secret)
{
	return secret->bytes;
}

size_t secret_length(const struct secret *secret)
{
	return secret->length;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	unsigned char difference = 0;

	if (a->length != b->length)
		return false;
	for (size_t i = 0; i < a->length; i++)
		difference |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
	return difference == 0;
}

void secret_wipe(void *bytes, size_t length)
{
	if (length > 0)
		explicit_bzero(bytes, length);
}

/* One of 0-9a-z for a number below 36, without a table: its memory accesses would depend on the
 * secret. */
static char alphabet(unsigned number)
{
	unsigned is_letter = (9 - number) >> 31;

	return (char)('0' + number + is_letter * ('a' - '0' - 10));
}

struct secret *secret_random_text(size_t length)
{
	struct secret *secret = new_secret(length);
	unsigned char random[64];
	size_t filled = 0;

	while (filled < length) {
		ssize_t n = getrandom(random, sizeof(random), 0);

		/* Requests of up to 256 bytes are answered whole once the generator is seeded. */
		if (n < 0)
			continue;
		for (ssize_t i = 0; i < n && filled < length; i++)
			/* 252 is the greatest multiple of 36: what is above would be a bias. */
			if (random[i] < 252)
				secret->bytes[filled++] = alphabet(random[i] % 36u);
	}
	secret_wipe(random, sizeof(random));
	return seal(secret);
}
