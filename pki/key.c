/* Private and public keys; see key.h. */
#include "pki/key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/alloc.h"
#include "common/names.h"
#include "pki/openssl.h"
#include "pki/pem.h"

/* clang-format off */
static const struct {
	const char *name;
	const char *curve; /* NULL = RSA */
	size_t bits;
} algorithms[_KEY_ALGORITHM_MAX] = {
	[KEY_RSA_2048]   = { "RSA-2048",   NULL,    2048 },
	[KEY_RSA_3072]   = { "RSA-3072",   NULL,    3072 },
	[KEY_RSA_4096]   = { "RSA-4096",   NULL,    4096 },
	[KEY_ECDSA_P256] = { "ECDSA-P256", "P-256", 256 },
	[KEY_ECDSA_P384] = { "ECDSA-P384", "P-384", 384 },
};

/* Curves that a key which somebody else made may lie on, and the digests to sign with. */
static const struct {
	const char *curve;
	const EVP_MD *(*digest)(void);
} curves[] = {
	{ SN_X9_62_prime256v1, EVP_sha256 },
	{ SN_secp384r1,        EVP_sha384 },
	{ SN_secp521r1,        EVP_sha512 },
	{},
};
/* clang-format on */

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 16384 };

const char *key_algorithm_name(enum key_algorithm algorithm)
{
	return algorithm < _KEY_ALGORITHM_MAX ? algorithms[algorithm].name : "?";
}

int key_algorithm_from_name(const char *text)
{
	for (int i = 0; i < _KEY_ALGORITHM_MAX; i++)
		if (text && strcmp(algorithms[i].name, text) == 0)
			return i;
	return -1;
}

struct key *key_new_take(EVP_PKEY *pkey)
{
	struct key *key = NEW(struct key);

	*key = (struct key){ .refs = 1, .pkey = pkey };
	return key;
}

struct key *key_ref(struct key *key)
{
	if (key)
		key->refs++;
	return key;
}

struct key *key_unref(struct key *key)
{
	if (key && --key->refs == 0) {
		EVP_PKEY_free(key->pkey);
		free(key);
	}
	return NULL;
}

int key_generate(enum key_algorithm algorithm, struct key **ret, struct error *err)
{
	EVP_PKEY *pkey;

	assert(algorithm < _KEY_ALGORITHM_MAX);
	if (algorithms[algorithm].curve)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", algorithms[algorithm].curve);
	else
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", algorithms[algorithm].bits);
	if (!pkey)
		return openssl_error(err, ERROR_BUG, -EIO, "cannot make a key of type %s",
				     algorithms[algorithm].name);
	*ret = key_new_take(pkey);
	return 0;
}

/* The row of curves[] that an EC key lies on, or -1. */
static int curve_of(const EVP_PKEY *pkey)
{
	char name[64];
	size_t length;

	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
	    EVP_PKEY_get_group_name(pkey, name, sizeof(name), &length) != 1)
		return -1;
	for (int i = 0; curves[i].curve; i++)
		if (strcmp(curves[i].curve, name) == 0)
			return i;
	return -1;
}

bool key_is_strong(const EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA)
		return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
	return curve_of(pkey) >= 0;
}

const EVP_MD *key_digest(const EVP_PKEY *pkey)
{
	int curve = curve_of(pkey);

	return curve >= 0 ? curves[curve].digest() : EVP_sha256();
}

/* Takes pkey, which OpenSSL made or failed to make of a block. */
static int accept_key(EVP_PKEY *pkey_in, const char *type, struct key **ret, struct error *err)
{
	_cleanup_(EVP_PKEY_free) EVP_PKEY *pkey = pkey_in;

	if (!pkey)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG, "the block \"%s\" holds no key",
				     type);
	if (!key_is_strong(pkey))
		return error_set(err, ERROR_CONFIG, -EKEYREJECTED,
				 "the key is of a kind that is not supported: use RSA with at least"
				 " %d bits or ECDSA on P-256, P-384 or P-521",
				 RSA_BITS_MIN);
	*ret = key_new_take(TAKE_PTR(pkey));
	return 0;
}

static EVP_PKEY *parse_pkcs8(const struct pem_block *block)
{
	const unsigned char *p = block->data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)block->length);
	EVP_PKEY *pkey = info ? EVP_PKCS82PKEY(info) : NULL;

	PKCS8_PRIV_KEY_INFO_free(info);
	return pkey;
}

static EVP_PKEY *parse_rsa(const struct pem_block *block)
{
	const unsigned char *p = block->data;

	return d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, (long)block->length);
}

static EVP_PKEY *parse_ec(const struct pem_block *block)
{
	const unsigned char *p = block->data;

	return d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, (long)block->length);
}

static EVP_PKEY *parse_public(const struct pem_block *block)
{
	const unsigned char *p = block->data;

	return d2i_PUBKEY(NULL, &p, (long)block->length);
}

static EVP_PKEY *parse_public_rsa(const struct pem_block *block)
{
	const unsigned char *p = block->data;

	return d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)block->length);
}

static EVP_PKEY *parse_certificate(const struct pem_block *block)
{
	const unsigned char *p = block->data;
	_cleanup_(X509_free) X509 *x509 = d2i_X509(NULL, &p, (long)block->length);

	return x509 ? X509_get_pubkey(x509) : NULL;
}

struct parser {
	const char *type;
	EVP_PKEY *(*parse)(const struct pem_block *block);
};

/* clang-format off */
static const struct parser private_parsers[] = {
	{ "RSA PRIVATE KEY", parse_rsa },
	{ "EC PRIVATE KEY",  parse_ec },
	{ "PRIVATE KEY",     parse_pkcs8 },
	{},
};
static const struct parser public_parsers[] = {
	{ "PUBLIC KEY",     parse_public },
	{ "RSA PUBLIC KEY", parse_public_rsa },
	{ "CERTIFICATE",    parse_certificate },
	{},
};
/* clang-format on */

static const struct parser *find_parser(const struct parser *parsers, const char *type)
{
	for (; parsers->type; parsers++)
		if (strcmp(parsers->type, type) == 0)
			return parsers;
	return NULL;
}

/* The first block that one of the parsers knows. */
static int first_key(const char *pem, size_t length, const struct parser *parsers, const char *what,
		     struct key **ret, struct error *err)
{
	_cleanup_(pem_reader_done) struct pem_reader reader = { 0 };
	int r;

	r = pem_open(pem, length, &reader, err);
	if (r < 0)
		return r;

	for (;;) {
		_cleanup_(pem_block_done) struct pem_block block = { 0 };
		const struct parser *parser;

		r = pem_next(&reader, &block, err);
		if (r < 0)
			return r;
		if (r == 0)
			return error_set(err, ERROR_CONFIG, -ENODATA, "there is no %s in it", what);
		if (strcmp(block.type, "ENCRYPTED PRIVATE KEY") == 0 || block.encrypted)
			return error_set(
			    err, ERROR_CONFIG, -EKEYREJECTED,
			    "the key is protected by a passphrase: store it without one");
		parser = find_parser(parsers, block.type);
		if (parser)
			return accept_key(parser->parse(&block), parser->type, ret, err);
	}
}

int key_from_pem(const char *pem, size_t length, struct key **ret, struct error *err)
{
	return first_key(pem, length, private_parsers, "private key", ret, err);
}

int key_public_from_pem(const char *pem, size_t length, struct key **ret, struct error *err)
{
	return first_key(pem, length, public_parsers, "public key", ret, err);
}

struct secret *key_to_pem(const struct key *key)
{
	/* This kind of BIO wipes what it held. */
	_cleanup_(BIO_free) BIO *bio = openssl_must(BIO_new(BIO_s_secmem()));
	char *data = NULL;
	long length;

	if (PEM_write_bio_PrivateKey_traditional(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		abort(); /* a public key: a mistake of the caller */
	length = BIO_get_mem_data(bio, &data);
	return secret_new(data, (size_t)length);
}

int key_public_to_pem(const struct key *key, struct buf *buf, struct error *err)
{
	_cleanup_(BIO_free) BIO *bio = openssl_must(BIO_new(BIO_s_mem()));

	if (PEM_write_bio_PUBKEY(bio, key->pkey) != 1)
		return openssl_error(err, ERROR_BUG, -EINVAL, "cannot write a public key");
	openssl_append(bio, buf);
	return 0;
}

bool key_matches(const struct key *a, const struct key *b)
{
	bool equal = EVP_PKEY_eq(a->pkey, b->pkey) == 1;

	ERR_clear_error();
	return equal;
}
