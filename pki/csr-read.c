/* Reading certificate requests of strangers; see csr.h. */
#include "pki/csr.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/alloc.h"
#include "pki/openssl.h"
#include "pki/pem.h"

/* More names than any node has: a request is refused before the lists grow. */
enum { NAMES_MAX = 64, NAME_LENGTH_MAX = 253 };

DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free)

static void extensions_free(STACK_OF(X509_EXTENSION) * extensions)
{
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
DEFINE_CLEANUP(STACK_OF(X509_EXTENSION), extensions_free)

void csr_names_done(struct csr_names *names)
{
	free(names->common_name);
	strv_done(&names->organizations);
	strv_done(&names->dns_names);
	strv_done(&names->addresses);
	*names = (struct csr_names){ 0 };
}

#define REFUSE(err, ...) error_set(err, ERROR_CONFIG, -EBADMSG, __VA_ARGS__)

/* The request of a text that is one PEM block; white space may follow. */
static int parse_one(const char *pem, size_t length, X509_REQ **ret, struct error *err)
{
	_cleanup_(pem_reader_done) struct pem_reader reader = { 0 };
	_cleanup_(pem_block_done) struct pem_block block = { 0 }, second = { 0 };
	const unsigned char *p;
	X509_REQ *request;
	int r;

	r = pem_open(pem, length, &reader, err);
	if (r < 0)
		return r;
	r = pem_next(&reader, &block, err);
	if (r < 0)
		return r;
	if (r == 0 || strcmp(block.type, "CERTIFICATE REQUEST") != 0)
		return REFUSE(err, "there is no certificate request in it");
	r = pem_next(&reader, &second, err);
	if (r != 0)
		return r < 0 ? r : REFUSE(err, "there is more than one block in it");

	p = block.data;
	request = d2i_X509_REQ(NULL, &p, (long)block.length);
	if (!request)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG, "the request cannot be read");
	if (p != block.data + block.length) {
		X509_REQ_free(request);
		return REFUSE(err, "bytes follow the request");
	}
	*ret = request;
	return 0;
}

static int check_key(X509_REQ *request, struct error *err)
{
	EVP_PKEY *pkey = X509_REQ_get0_pubkey(request);

	if (!pkey)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG, "its key cannot be read");
	if (!key_is_strong(pkey))
		return REFUSE(err, "its key is too weak, or of a kind that is not known");
	if (X509_REQ_verify(request, pkey) != 1)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG,
				     "it is not signed by its own key");
	return 0;
}

/* Text of printable ASCII without blanks at its ends; NULL for anything else. */
static char *plain_text(const ASN1_STRING *string)
{
	const char *bytes = (const char *)ASN1_STRING_get0_data(string);
	int length = ASN1_STRING_length(string);

	if (length <= 0 || length > NAME_LENGTH_MAX)
		return NULL;
	for (int i = 0; i < length; i++)
		if (bytes[i] <= ' ' || bytes[i] >= 0x7f)
			return NULL;
	return xstrndup(bytes, (size_t)length);
}

static int read_subject(X509_REQ *request, struct csr_names *names, struct error *err)
{
	const X509_NAME *subject = X509_REQ_get_subject_name(request);

	if (X509_NAME_entry_count(subject) > NAMES_MAX)
		return REFUSE(err, "its subject is too long");
	for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
		int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
		char *text = plain_text(X509_NAME_ENTRY_get_data(entry));

		if (!text)
			return REFUSE(err, "its subject has text that is not plain");
		if (nid == NID_organizationName) {
			strv_add_take(&names->organizations, text);
			continue;
		}
		if (nid != NID_commonName || names->common_name) {
			free(text);
			return nid == NID_commonName
				   ? REFUSE(err, "its subject has two common names")
				   : REFUSE(err, "its subject has more than organization and "
						 "common name");
		}
		names->common_name = text;
	}
	return 0;
}

static int read_name(const GENERAL_NAME *name, struct csr_names *names, struct error *err)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	char *text = NULL;

	if (type == GEN_DNS)
		text = plain_text(value);
	else if (type == GEN_IPADD)
		text = openssl_address_text(value);
	else
		return REFUSE(err, "it asks for names that are neither DNS names nor addresses");
	if (!text)
		return REFUSE(err, "it asks for %s that is not well-formed",
			      type == GEN_DNS ? "a DNS name" : "an address");
	strv_add_take(type == GEN_DNS ? &names->dns_names : &names->addresses, text);
	return 0;
}

static int read_names(const X509_EXTENSION *extension, struct csr_names *names, struct error *err)
{
	_cleanup_(GENERAL_NAMES_free) GENERAL_NAMES *list =
	    X509V3_EXT_d2i((X509_EXTENSION *)extension);
	int r;

	if (!list || sk_GENERAL_NAME_num(list) > NAMES_MAX)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG,
				     "its names cannot be read, or are too many");
	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		r = read_name(sk_GENERAL_NAME_value(list, i), names, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_extensions(X509_REQ *request, struct csr_names *names, struct error *err)
{
	_cleanup_(extensions_free) STACK_OF(X509_EXTENSION) *extensions = NULL;
	int count = X509_REQ_get_attr_count(request);

	if (count == 0)
		return 0;
	/* Challenge passwords and the like; of two lists only the first would be seen here. */
	if (count > 1 || X509_REQ_get_attr_by_NID(request, NID_ext_req, -1) < 0)
		return REFUSE(err, "it has attributes beside its extensions");
	extensions = X509_REQ_get_extensions(request);
	if (!extensions || sk_X509_EXTENSION_num(extensions) > 1)
		return openssl_error(err, ERROR_CONFIG, -EBADMSG,
				     "its extensions cannot be read, or are more than names");
	if (sk_X509_EXTENSION_num(extensions) == 0)
		return 0;
	if (OBJ_obj2nid(X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, 0))) !=
	    NID_subject_alt_name)
		return REFUSE(err, "it asks for an extension that is not names");
	return read_names(sk_X509_EXTENSION_value(extensions, 0), names, err);
}

int csr_read(const char *pem, size_t length, struct csr_names *ret, struct error *err)
{
	_cleanup_(csr_names_done) struct csr_names names = { 0 };
	_cleanup_(X509_REQ_free) X509_REQ *request = NULL;
	int r;

	r = parse_one(pem, length, &request, err);
	if (r >= 0)
		r = check_key(request, err);
	if (r >= 0)
		r = read_subject(request, &names, err);
	if (r >= 0 && !names.common_name)
		r = REFUSE(err, "its subject has no common name");
	if (r >= 0)
		r = read_extensions(request, &names, err);
	ERR_clear_error();
	if (r < 0)
		return r;
	*ret = names;
	names = (struct csr_names){ 0 };
	return 0;
}

bool csr_same_key(const char *a, size_t a_length, const char *b, size_t b_length)
{
	_cleanup_(X509_REQ_free) X509_REQ *first = NULL, *second = NULL;
	struct error err = ERROR_INIT;
	bool same = false;

	if (parse_one(a, a_length, &first, &err) >= 0 &&
	    parse_one(b, b_length, &second, &err) >= 0) {
		EVP_PKEY *one = X509_REQ_get0_pubkey(first), *two = X509_REQ_get0_pubkey(second);

		same = one && two && EVP_PKEY_eq(one, two) == 1;
	}
	ERR_clear_error();
	return same;
}
