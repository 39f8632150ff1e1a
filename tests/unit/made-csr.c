/* Makes certificate requests; see made-csr.h. */
#include "tests/unit/made-csr.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/alloc.h"
#include "common/strv.h"

enum { KEYS = 8 };

static EVP_PKEY *key_of(const struct made_csr *what)
{
	static EVP_PKEY *keys[KEYS], *weak;

	if (what->weak && !weak)
		weak = EVP_RSA_gen(1024);
	if (what->weak)
		return weak;
	ck_assert_uint_lt(what->key, KEYS);
	if (!keys[what->key])
		keys[what->key] = EVP_EC_gen("P-256");
	return keys[what->key];
}

static void add_subject(X509_NAME *name, const char *text)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;

	strv_split(&parts, text, ',');
	STRV_FOREACH(part, &parts) {
		bool same_set = part[0] == '+';
		_cleanup_free_ char *key = xstrndup(part + same_set, strcspn(part + same_set, "="));
		const char *value = strchr(part, '=') + 1;

		ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, key, MBSTRING_UTF8,
							    (const unsigned char *)value, -1, -1,
							    same_set ? -1 : 0),
				 1);
	}
}

static void add_extension(STACK_OF(X509_EXTENSION) * list, const char *name, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, NULL, name, value);

	ck_assert_msg(extension != NULL, "%s=%s", name, value);
	sk_X509_EXTENSION_push(list, extension);
}

static void add_extensions(X509_REQ *request, const struct made_csr *what)
{
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();

	if (what->names)
		add_extension(list, "subjectAltName", what->names);
	if (what->extension) {
		_cleanup_free_ char *name =
		    xstrndup(what->extension, strcspn(what->extension, "="));

		add_extension(list, name, strchr(what->extension, '=') + 1);
	}
	if (sk_X509_EXTENSION_num(list) > 0)
		ck_assert_int_eq(X509_REQ_add_extensions(request, list), 1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

char *made_csr(const struct made_csr *what)
{
	X509_REQ *request = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *key = key_of(what);
	char *data, *text;
	long length;

	add_subject(X509_REQ_get_subject_name(request), what->subject);
	ck_assert_int_eq(X509_REQ_set_pubkey(request, key), 1);
	add_extensions(request, what);
	if (what->challenge)
		ck_assert_int_eq(X509_REQ_add1_attr_by_txt(request, "challengePassword",
							   MBSTRING_ASC, (const unsigned char *)"x",
							   1),
				 1);
	ck_assert_int_gt(X509_REQ_sign(request, key, EVP_sha256()), 0);
	if (what->damaged)
		add_subject(X509_REQ_get_subject_name(request), "O=system:masters");
	ck_assert_int_eq(PEM_write_bio_X509_REQ(bio, request), 1);
	length = BIO_get_mem_data(bio, &data);
	text = xasprintf("%.*s%s", (int)length, data, what->tail ? what->tail : "");
	BIO_free(bio);
	X509_REQ_free(request);
	return text;
}
