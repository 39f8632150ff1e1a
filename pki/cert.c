/* X.509 certificates; see cert.h. What names say is read with accessors, never with OpenSSL's
 * one-line texts, and a certificate whose names hold a NUL is refused when it is parsed. */
#include "pki/cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "pki/openssl.h"
#include "pki/pem.h"

enum { LIST_MAX = 16 };

DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free)
DEFINE_CLEANUP(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
DEFINE_CLEANUP(X509_STORE, X509_STORE_free)
DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free)
DEFINE_CLEANUP(BIGNUM, BN_free)

struct cert *cert_new_take(X509 *x509)
{
	struct cert *cert = NEW(struct cert);

	*cert = (struct cert){ .refs = 1, .x509 = x509 };
	return cert;
}

struct cert *cert_ref(struct cert *cert)
{
	if (cert)
		cert->refs++;
	return cert;
}

struct cert *cert_unref(struct cert *cert)
{
	if (cert && --cert->refs == 0) {
		X509_free(cert->x509);
		free(cert);
	}
	return NULL;
}

void cert_list_done(struct cert_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		cert_unref(list->items[i]);
	free(list->items);
	*list = (struct cert_list){ 0 };
}

void cert_list_add(struct cert_list *list, struct cert *cert)
{
	list->items = xreallocarray(list->items, list->count + 1, sizeof(struct cert *));
	list->items[list->count++] = cert_ref(cert);
}

static bool string_has_nul(const ASN1_STRING *string)
{
	return memchr(ASN1_STRING_get0_data(string), '\0', (size_t)ASN1_STRING_length(string));
}

static bool name_has_nul(const X509_NAME *name)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		const ASN1_STRING *string = X509_NAME_ENTRY_get_data(entry);

		/* Two-byte encodings are full of NULs and are judged after conversion. */
		if (ASN1_STRING_type(string) != V_ASN1_BMPSTRING &&
		    ASN1_STRING_type(string) != V_ASN1_UNIVERSALSTRING && string_has_nul(string))
			return true;
	}
	return false;
}

static GENERAL_NAMES *alternative_names(const X509 *x509)
{
	return X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
}

static bool alternative_names_have_nul(const X509 *x509)
{
	_cleanup_(GENERAL_NAMES_free) GENERAL_NAMES *names = alternative_names(x509);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const void *name = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_DNS && string_has_nul(name))
			return true;
	}
	return false;
}

static int parse(const struct pem_block *block, struct cert **ret, struct error *err)
{
	const unsigned char *p = block->data;
	_cleanup_(X509_free) X509 *x509 = d2i_X509(NULL, &p, (long)block->length);

	if (!x509)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG, "a certificate is damaged");
	if (p != block->data + block->length)
		return error_set(err, ERROR_CONFIG, -EBADMSG,
				 "there are bytes behind a certificate in its PEM block");
	/* Reads all extensions, so that what is asked later cannot fail. */
	if (X509_check_purpose(x509, -1, 0) != 1)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG,
				     "a certificate has extensions that contradict each other");
	if (!X509_get0_pubkey(x509))
		return openssl_error(err, ERROR_CONFIG, -EBADMSG,
				     "a certificate has a public key that is damaged or of an"
				     " unknown kind");
	if (name_has_nul(X509_get_subject_name(x509)) || name_has_nul(X509_get_issuer_name(x509)) ||
	    alternative_names_have_nul(x509))
		return error_set(err, ERROR_CONFIG, -EBADMSG,
				 "a certificate has a NUL byte in one of its names");
	ERR_clear_error();
	*ret = cert_new_take(TAKE_PTR(x509));
	return 0;
}

/* Reads at most max certificates. */
static int read_list(const char *pem, size_t length, size_t max, struct cert_list *ret,
		     struct error *err)
{
	_cleanup_(pem_reader_done) struct pem_reader reader = { 0 };
	int r;

	r = pem_open(pem, length, &reader, err);
	if (r < 0)
		return r;

	while (ret->count < max) {
		_cleanup_(pem_block_done) struct pem_block block = { 0 };
		_cleanup_(cert_unref) struct cert *cert = NULL;

		r = pem_next(&reader, &block, err);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		if (strcmp(block.type, "CERTIFICATE") != 0)
			continue;
		r = parse(&block, &cert, err);
		if (r < 0)
			return r;
		cert_list_add(ret, cert);
	}
	if (ret->count == 0)
		return error_set(err, ERROR_CONFIG, -ENODATA, "there is no certificate in it");
	return 0;
}

int cert_from_pem(const char *pem, size_t length, struct cert **ret, struct error *err)
{
	_cleanup_(cert_list_done) struct cert_list list = { 0 };
	int r;

	r = read_list(pem, length, 1, &list, err);
	if (r < 0)
		return r;

	*ret = cert_ref(list.items[0]);
	return 0;
}

int cert_list_from_pem(const char *pem, size_t length, struct cert_list *ret, struct error *err)
{
	_cleanup_(cert_list_done) struct cert_list list = { 0 };
	int r;

	r = read_list(pem, length, LIST_MAX + 1, &list, err);
	if (r < 0)
		return r;

	if (list.count > LIST_MAX)
		return error_set(err, ERROR_CONFIG, -E2BIG, "there are more than %d certificates",
				 LIST_MAX);
	*ret = list;
	list = (struct cert_list){ 0 };
	return 0;
}

void cert_to_pem(const struct cert *cert, struct buf *buf)
{
	_cleanup_(BIO_free) BIO *bio = openssl_must(BIO_new(BIO_s_mem()));

	if (PEM_write_bio_X509(bio, cert->x509) != 1)
		abort();
	openssl_append(bio, buf);
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return 0; /* reads as long expired */
	return timegm(&tm);
}

int64_t cert_not_before(const struct cert *cert)
{
	return seconds_of(X509_get0_notBefore(cert->x509));
}

int64_t cert_not_after(const struct cert *cert)
{
	return seconds_of(X509_get0_notAfter(cert->x509));
}

bool cert_expires_before(const struct cert *cert, int64_t when)
{
	return cert_not_after(cert) < when;
}

void cert_serial(const struct cert *cert, struct buf *buf)
{
	_cleanup_(BN_free) BIGNUM *number =
	    openssl_must(ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert->x509), NULL));
	char *hex = openssl_must(BN_bn2hex(number));

	for (char *c = hex; *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
	(void)buf_append_string(buf, hex);
	OPENSSL_free(hex);
}

/* Caller frees; NULL if it is no text or has a NUL in it. */
static char *text_of(const ASN1_STRING *string)
{
	unsigned char *utf8 = NULL;
	int length = ASN1_STRING_to_UTF8(&utf8, string);
	char *text = NULL;

	if (length >= 0 && !memchr(utf8, '\0', (size_t)length))
		text = xstrndup((const char *)utf8, (size_t)length);
	OPENSSL_free(utf8);
	ERR_clear_error();
	return text;
}

static void name_values(const X509_NAME *name, int nid, struct strv *ret)
{
	int at = -1;

	while ((at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);
		char *text = text_of(X509_NAME_ENTRY_get_data(entry));

		if (text)
			strv_add_take(ret, text);
	}
}

/* Go takes the last common name where there are several, and so do the API server's users. */
static char *last_common_name(const X509_NAME *name)
{
	_cleanup_(strv_done) struct strv values = STRV_INIT;

	name_values(name, NID_commonName, &values);
	return values.count > 0 ? xstrdup(values.items[values.count - 1]) : NULL;
}

char *cert_common_name(const struct cert *cert)
{
	return last_common_name(X509_get_subject_name(cert->x509));
}

char *cert_issuer_common_name(const struct cert *cert)
{
	return last_common_name(X509_get_issuer_name(cert->x509));
}

void cert_organizations(const struct cert *cert, struct strv *ret)
{
	name_values(X509_get_subject_name(cert->x509), NID_organizationName, ret);
}

void cert_dns_names(const struct cert *cert, struct strv *ret)
{
	_cleanup_(GENERAL_NAMES_free) GENERAL_NAMES *names = alternative_names(cert->x509);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const void *name = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		char *text = type == GEN_DNS ? text_of(name) : NULL;

		if (text)
			strv_add_take(ret, text);
	}
}

void cert_addresses(const struct cert *cert, struct strv *ret)
{
	_cleanup_(GENERAL_NAMES_free) GENERAL_NAMES *names = alternative_names(cert->x509);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const void *name = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		char *text = type == GEN_IPADD ? openssl_address_text(name) : NULL;

		if (text)
			strv_add_take(ret, text);
	}
}

bool cert_is_ca(const struct cert *cert)
{
	return X509_check_ca(cert->x509) == 1;
}

unsigned cert_usages(const struct cert *cert)
{
	_cleanup_(EXTENDED_KEY_USAGE_free) EXTENDED_KEY_USAGE *list =
	    X509_get_ext_d2i(cert->x509, NID_ext_key_usage, NULL, NULL);
	unsigned usages = 0;

	for (int i = 0; i < sk_ASN1_OBJECT_num(list); i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(list, i));

		if (nid == NID_server_auth)
			usages |= CERT_SERVER_AUTH;
		if (nid == NID_client_auth)
			usages |= CERT_CLIENT_AUTH;
	}
	return usages;
}

bool cert_equal(const struct cert *a, const struct cert *b)
{
	return X509_cmp(a->x509, b->x509) == 0;
}

bool cert_has_key(const struct cert *cert, const struct key *key)
{
	bool equal = EVP_PKEY_eq(X509_get0_pubkey(cert->x509), key->pkey) == 1;

	ERR_clear_error();
	return equal;
}

bool cert_key_is_strong(const struct cert *cert)
{
	return key_is_strong(X509_get0_pubkey(cert->x509));
}

/* Translates what OpenSSL's verification said into an error with something to do. */
static int verify_error(const struct cert *cert, int reason, struct error *err)
{
	_cleanup_free_ char *name = cert_common_name(cert);
	_cleanup_free_ char *issuer = cert_issuer_common_name(cert);
	const char *subject = name ? name : "without a common name";

	switch (reason) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return error_set(err, ERROR_TRUST, -EKEYEXPIRED,
				 "certificate %s, or the CA that signed it, has expired", subject);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return error_set(
		    err, ERROR_TRUST, -EKEYREJECTED,
		    "certificate %s, or the CA that signed it, is not valid yet: is the"
		    " clock of this host right?",
		    subject);
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return error_set(err, ERROR_TRUST, -EKEYREJECTED,
				 "certificate %s (issuer %s) is not signed by the given CA",
				 subject, issuer ? issuer : "without a common name");
	default:
		return error_set(err, ERROR_TRUST, -EKEYREJECTED, "certificate %s: %s", subject,
				 X509_verify_cert_error_string(reason));
	}
}

int cert_verify(const struct cert *cert, const struct cert_list *roots, int64_t when,
		struct error *err)
{
	_cleanup_(X509_STORE_free) X509_STORE *store = openssl_must(X509_STORE_new());
	_cleanup_(X509_STORE_CTX_free) X509_STORE_CTX *ctx = openssl_must(X509_STORE_CTX_new());
	X509_VERIFY_PARAM *param;
	int r = 0;

	for (size_t i = 0; i < roots->count; i++)
		if (X509_STORE_add_cert(store, roots->items[i]->x509) != 1)
			abort();
	if (X509_STORE_CTX_init(ctx, store, cert->x509, NULL) != 1)
		abort();
	param = X509_STORE_CTX_get0_param(ctx);
	/* Like Go's: each given certificate is an anchor, self-signed or not. */
	(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(param, when);
	X509_VERIFY_PARAM_set_auth_level(param, 2);
	if (X509_verify_cert(ctx) != 1)
		r = verify_error(cert, X509_STORE_CTX_get_error(ctx), err);
	ERR_clear_error();
	return r;
}

static void describe_name(const char *label, const X509_NAME *name, struct buf *buf)
{
	int set = -1;

	(void)buf_printf(buf, "%s:", label);
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		_cleanup_free_ char *text = text_of(X509_NAME_ENTRY_get_data(entry));
		const char *separator = i == 0				    ? " "
					: X509_NAME_ENTRY_set(entry) == set ? " + "
									    : ", ";

		(void)buf_printf(buf, "%s%s=%s", separator,
				 OBJ_nid2sn(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))),
				 text ? text : "?");
		set = X509_NAME_ENTRY_set(entry);
	}
	(void)buf_append_char(buf, '\n');
}

static void describe_extensions(const X509 *x509, struct buf *buf)
{
	(void)buf_append_string(buf, "extensions:");
	for (int i = 0; i < X509_get_ext_count(x509); i++) {
		X509_EXTENSION *extension = X509_get_ext(x509, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));

		(void)buf_printf(buf, "%s%s%s", i == 0 ? " " : ", ", OBJ_nid2sn(nid),
				 X509_EXTENSION_get_critical(extension) ? " (critical)" : "");
	}
	(void)buf_append_char(buf, '\n');
}

struct flag {
	unsigned flag;
	const char *text;
};

/* clang-format off */
static const struct flag key_usages[] = {
	{ X509v3_KU_DIGITAL_SIGNATURE, "digitalSignature" },
	{ X509v3_KU_NON_REPUDIATION,   "contentCommitment" },
	{ X509v3_KU_KEY_ENCIPHERMENT,  "keyEncipherment" },
	{ X509v3_KU_DATA_ENCIPHERMENT, "dataEncipherment" },
	{ X509v3_KU_KEY_AGREEMENT,     "keyAgreement" },
	{ X509v3_KU_KEY_CERT_SIGN,     "keyCertSign" },
	{ X509v3_KU_CRL_SIGN,          "cRLSign" },
	{},
};
static const struct flag extended_usages[] = {
	{ CERT_SERVER_AUTH, "serverAuth" },
	{ CERT_CLIENT_AUTH, "clientAuth" },
	{},
};
/* clang-format on */

static void describe_flags(const char *label, const struct flag *flags, unsigned set,
			   struct buf *buf)
{
	const char *separator = " ";

	(void)buf_printf(buf, "%s:", label);
	for (; flags->text; flags++) {
		if (!(set & flags->flag))
			continue;
		(void)buf_printf(buf, "%s%s", separator, flags->text);
		separator = ", ";
	}
	(void)buf_append_char(buf, '\n');
}

static void describe_list(const char *label, const struct strv *list, struct buf *buf)
{
	STRV_FOREACH(item, list)
		(void)buf_printf(buf, "%s: %s\n", label, item);
}

void cert_describe(const struct cert *cert, struct buf *buf)
{
	_cleanup_(strv_done) struct strv dns_names = STRV_INIT, addresses = STRV_INIT;
	const EVP_PKEY *pkey = X509_get0_pubkey(cert->x509);
	uint32_t usage = X509_get_key_usage(cert->x509);

	cert_dns_names(cert, &dns_names);
	cert_addresses(cert, &addresses);
	describe_name("subject", X509_get_subject_name(cert->x509), buf);
	describe_name("issuer", X509_get_issuer_name(cert->x509), buf);
	(void)buf_printf(buf, "key: %s, %d bits\n", EVP_PKEY_get0_type_name(pkey),
			 EVP_PKEY_get_bits(pkey));
	(void)buf_printf(buf, "signature: %s\n", OBJ_nid2ln(X509_get_signature_nid(cert->x509)));
	describe_extensions(cert->x509, buf);
	describe_flags("key usage", key_usages, usage == UINT32_MAX ? 0 : usage, buf);
	describe_flags("extended key usage", extended_usages, cert_usages(cert), buf);
	(void)buf_printf(buf, "CA: %s\n", cert_is_ca(cert) ? "yes" : "no");
	describe_list("DNS", &dns_names, buf);
	describe_list("IP", &addresses, buf);
}
