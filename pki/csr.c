/* PKCS#10 certificate requests; see csr.h. */
#include "pki/csr.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/hmac.h"
#include "pki/openssl.h"
#include "pki/pem.h"

DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)

int csr_make(const struct key *key, const char *common_name, const struct strv *organizations,
	     struct buf *ret_pem, struct error *err)
{
	return ca_request(
	    key, &(struct ca_request){ .common_name = common_name, .organizations = organizations },
	    ret_pem, err);
}

static X509_REQ *parse(const struct pem_block *block)
{
	const unsigned char *p = block->data;

	if (strcmp(block->type, "CERTIFICATE REQUEST") != 0)
		return NULL;
	return d2i_X509_REQ(NULL, &p, (long)block->length);
}

int csr_has_key(const char *pem, size_t length, const struct key *key, struct error *err)
{
	_cleanup_(pem_reader_done) struct pem_reader reader = { 0 };
	_cleanup_(pem_block_done) struct pem_block block = { 0 };
	_cleanup_(X509_REQ_free) X509_REQ *request = NULL;
	EVP_PKEY *pkey;
	int r;

	r = pem_open(pem, length, &reader, err);
	if (r < 0)
		return r;
	r = pem_next(&reader, &block, err);
	if (r < 0)
		return r;

	request = r > 0 ? parse(&block) : NULL;
	pkey = request ? X509_REQ_get0_pubkey(request) : NULL;
	if (!pkey)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG,
				     "there is no readable certificate request in it");
	r = EVP_PKEY_eq(pkey, key->pkey) == 1 && X509_REQ_verify(request, pkey) == 1;
	ERR_clear_error();
	return r;
}

/* Each item goes into the digest as base64url and a delimiter, so that no two lists of items read
 * alike. */
static void digest_item(EVP_MD_CTX *ctx, const void *bytes, size_t length)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	hmac_base64url(bytes, length, &text);
	(void)buf_append_char(&text, '|');
	if (EVP_DigestUpdate(ctx, text.data, text.length) != 1)
		abort();
}

int csr_node_name(const struct key *key, const char *common_name, char ret[static 64],
		  struct error *err)
{
	static const char *const items[] = { "system:nodes", "digital signature",
					     "key encipherment", "client auth" };
	_cleanup_(EVP_MD_CTX_free) EVP_MD_CTX *ctx = openssl_must(EVP_MD_CTX_new());
	_cleanup_(buf_done) struct buf name = BUF_INIT(63);
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned size = 0;
	int length;

	length = i2d_PUBKEY(key->pkey, &der);
	if (length <= 0)
		return openssl_error(err, ERROR_BUG, -EINVAL, "cannot write a public key");
	if (EVP_DigestInit_ex(ctx, EVP_sha512_256(), NULL) != 1)
		abort();
	digest_item(ctx, der, (size_t)length);
	OPENSSL_free(der);
	digest_item(ctx, common_name, strlen(common_name));
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		digest_item(ctx, items[i], strlen(items[i]));
	if (EVP_DigestFinal_ex(ctx, digest, &size) != 1)
		abort();
	(void)buf_append_string(&name, "node-csr-");
	hmac_base64url(digest, size, &name);
	memcpy(ret, name.data, name.length + 1);
	return 0;
}
