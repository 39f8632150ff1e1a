/* Signs certificates; see ca.h. The encoding is that of Go's x509.CreateCertificate with kubeadm's
 * templates, extension by extension in its order. */
#include "pki/ca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "pki/openssl.h"

enum { KEY_ID_SIZE = 20 };

DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free)

/* Appends an extension. */
static void add_extension(X509 *x509, int nid, void *value, bool critical)
{
	if (X509_add1_ext_i2d(x509, nid, value, critical, X509V3_ADD_APPEND) != 1)
		abort();
}

static void set_key_usage(X509 *x509, bool is_ca, bool signature_only)
{
	/* The numbers are the bits of KeyUsage in RFC 5280. */
	enum { DIGITAL_SIGNATURE = 0, KEY_ENCIPHERMENT = 2, KEY_CERT_SIGN = 5 };
	ASN1_BIT_STRING *bits = openssl_must(ASN1_BIT_STRING_new());

	if (ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1) != 1 ||
	    (!signature_only && ASN1_BIT_STRING_set_bit(bits, KEY_ENCIPHERMENT, 1) != 1) ||
	    (is_ca && ASN1_BIT_STRING_set_bit(bits, KEY_CERT_SIGN, 1) != 1))
		abort();
	add_extension(x509, NID_key_usage, bits, true);
	ASN1_BIT_STRING_free(bits);
}

static void set_extended_usage(X509 *x509, unsigned usages)
{
	EXTENDED_KEY_USAGE *list;

	if (!usages)
		return;
	list = openssl_must(EXTENDED_KEY_USAGE_new());
	if (usages & CERT_SERVER_AUTH)
		(void)sk_ASN1_OBJECT_push(list, OBJ_nid2obj(NID_server_auth));
	if (usages & CERT_CLIENT_AUTH)
		(void)sk_ASN1_OBJECT_push(list, OBJ_nid2obj(NID_client_auth));
	add_extension(x509, NID_ext_key_usage, list, false);
	EXTENDED_KEY_USAGE_free(list);
}

static void set_basic_constraints(X509 *x509, bool is_ca)
{
	BASIC_CONSTRAINTS *constraints = openssl_must(BASIC_CONSTRAINTS_new());

	constraints->ca = is_ca ? 0xff : 0;
	add_extension(x509, NID_basic_constraints, constraints, true);
	BASIC_CONSTRAINTS_free(constraints);
}

/* The left 160 bits of SHA-256 over the public key (RFC 7093, method 1), as Go has it. */
static void set_subject_key_id(X509 *x509)
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x509);
	ASN1_OCTET_STRING *id = openssl_must(ASN1_OCTET_STRING_new());
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), digest, NULL,
		       EVP_sha256(), NULL) != 1 ||
	    ASN1_OCTET_STRING_set(id, digest, KEY_ID_SIZE) != 1)
		abort();
	add_extension(x509, NID_subject_key_identifier, id, false);
	ASN1_OCTET_STRING_free(id);
}

static void set_authority_key_id(X509 *x509, const X509 *ca)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id((X509 *)ca);
	AUTHORITY_KEYID *authority;

	if (!id)
		return; /* a CA that somebody else made may have none */
	authority = openssl_must(AUTHORITY_KEYID_new());
	authority->keyid = openssl_must(ASN1_OCTET_STRING_dup(id));
	add_extension(x509, NID_authority_key_identifier, authority, false);
	AUTHORITY_KEYID_free(authority);
}

static void add_general_name(GENERAL_NAMES *names, int type, ASN1_STRING *value, const void *bytes,
			     size_t length)
{
	GENERAL_NAME *name = openssl_must(GENERAL_NAME_new());

	openssl_must(value);
	if (ASN1_STRING_set(value, bytes, (int)length) != 1)
		abort();
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) <= 0)
		abort();
}

static void add_dns_names(GENERAL_NAMES *names, const struct strv *list)
{
	_cleanup_(strv_done) struct strv sorted = STRV_INIT;

	STRV_FOREACH(name, list)
		strv_add_unique(&sorted, name);
	strv_sort(&sorted);
	STRV_FOREACH(name, &sorted)
		add_general_name(names, GEN_DNS, ASN1_IA5STRING_new(), name, strlen(name));
}

static bool has_address(const GENERAL_NAMES *names, const uint8_t *bytes, size_t length)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *value =
		    GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_IPADD && (size_t)ASN1_STRING_length(value) == length &&
		    memcmp(ASN1_STRING_get0_data(value), bytes, length) == 0)
			return true;
	}
	return false;
}

static int add_addresses(GENERAL_NAMES *names, const struct strv *list, struct error *err)
{
	STRV_FOREACH(address, list) {
		struct parse_address parsed;
		size_t length;

		if (parse_ip(address, &parsed) < 0)
			return error_set(err, ERROR_CONFIG, -EINVAL, "\"%s\" is not an IP address",
					 address);
		length = parsed.family == AF_INET ? 4 : 16;
		if (!has_address(names, parsed.bytes, length))
			add_general_name(names, GEN_IPADD, ASN1_OCTET_STRING_new(), parsed.bytes,
					 length);
	}
	return 0;
}

static int set_alternative_names(X509 *x509, const struct strv *dns_names,
				 const struct strv *addresses, struct error *err)
{
	_cleanup_(GENERAL_NAMES_free) GENERAL_NAMES *names = openssl_must(GENERAL_NAMES_new());
	int r = 0;

	if (dns_names)
		add_dns_names(names, dns_names);
	if (addresses)
		r = add_addresses(names, addresses, err);
	if (r < 0)
		return r;
	if (sk_GENERAL_NAME_num(names) > 0)
		add_extension(x509, NID_subject_alt_name, names, false);
	return 0;
}

/* A random number from 1 to 2^63 - 2. */
static int set_serial(X509 *x509, struct error *err)
{
	uint64_t serial;

	do {
		if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
			return openssl_error(err, ERROR_BUG, -EIO, "no random bytes to be had");
		serial &= INT64_MAX;
	} while (serial == 0 || serial == INT64_MAX);
	if (ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial) != 1)
		abort();
	return 0;
}

static void set_time(ASN1_TIME *time, int64_t seconds)
{
	openssl_must(ASN1_TIME_set(time, seconds));
}

static void set_subject(X509 *x509, const struct ca_request *request)
{
	X509_NAME *name = X509_get_subject_name(x509);

	if (request->organizations)
		for (size_t i = 0; i < request->organizations->count; i++)
			openssl_name_add(name, NID_organizationName,
					 request->organizations->items[i], i > 0);
	openssl_name_add(name, NID_commonName, request->common_name, false);
}

/* All but the extensions and the signature. */
static int fill(X509 *x509, const struct key *subject_key, const struct ca_request *request,
		struct error *err)
{
	if (!request->common_name || !*request->common_name)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "a certificate needs a common name, and it is empty");
	if (X509_set_version(x509, X509_VERSION_3) != 1 ||
	    X509_set_pubkey(x509, subject_key->pkey) != 1)
		abort();
	set_time(X509_getm_notBefore(x509), request->not_before);
	set_time(X509_getm_notAfter(x509), request->not_after);
	set_subject(x509, request);
	return set_serial(x509, err);
}

static int sign(X509 *x509, const struct key *key, struct error *err)
{
	if (X509_sign(x509, key->pkey, key_digest(key->pkey)) == 0)
		return openssl_error(err, ERROR_CONFIG, -EIO, "cannot sign with the CA's key");
	return 0;
}

int ca_self_sign(const struct key *key, const char *common_name, int64_t not_before,
		 int64_t not_after, struct cert **ret, struct error *err)
{
	_cleanup_(X509_free) X509 *x509 = openssl_must(X509_new());
	_cleanup_(strv_done) struct strv dns_names = STRV_INIT;
	struct ca_request request = {
		.common_name = common_name,
		.not_before = not_before,
		.not_after = not_after,
	};
	int r;

	r = fill(x509, key, &request, err);
	if (r < 0)
		return r;

	if (X509_set_issuer_name(x509, X509_get_subject_name(x509)) != 1)
		abort();
	strv_add(&dns_names, common_name);
	set_key_usage(x509, true, false);
	set_basic_constraints(x509, true);
	set_subject_key_id(x509);
	r = set_alternative_names(x509, &dns_names, NULL, err);
	if (r < 0)
		return r;
	r = sign(x509, key, err);
	if (r < 0)
		return r;

	*ret = cert_new_take(TAKE_PTR(x509));
	return 0;
}

static int check_ca(const struct cert *ca_cert, const struct key *ca_key, struct error *err)
{
	_cleanup_free_ char *name = cert_common_name(ca_cert);

	if (!cert_is_ca(ca_cert))
		return error_set(err, ERROR_CONFIG, -EINVAL, "certificate %s is not a CA's",
				 name ? name : "without a common name");
	if (!cert_has_key(ca_cert, ca_key))
		return error_set(err, ERROR_CONFIG, -EKEYREJECTED,
				 "the CA's key does not belong to its certificate %s",
				 name ? name : "without a common name");
	return 0;
}

int ca_sign(const struct cert *ca_cert, const struct key *ca_key, const struct key *subject_key,
	    const struct ca_request *request, struct cert **ret, struct error *err)
{
	_cleanup_(X509_free) X509 *x509 = openssl_must(X509_new());
	int r;

	r = check_ca(ca_cert, ca_key, err);
	if (r < 0)
		return r;
	r = fill(x509, subject_key, request, err);
	if (r < 0)
		return r;

	if (X509_set_issuer_name(x509, X509_get_subject_name(ca_cert->x509)) != 1)
		abort();
	set_key_usage(x509, false, request->signature_only);
	set_extended_usage(x509, request->usages);
	set_basic_constraints(x509, false);
	set_authority_key_id(x509, ca_cert->x509);
	r = set_alternative_names(x509, request->dns_names, request->addresses, err);
	if (r < 0)
		return r;
	r = sign(x509, ca_key, err);
	if (r < 0)
		return r;

	*ret = cert_new_take(TAKE_PTR(x509));
	return 0;
}
