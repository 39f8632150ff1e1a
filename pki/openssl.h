/* What the files of pki/ share of OpenSSL: the insides of keys and certificates, and errors.
 * Only pki/ includes this. */
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/buf.h"
#include "common/error.h"

/* Counted by one thread at a time; handing a key from a worker to the loop is such a change. */
struct key {
	unsigned refs;
	EVP_PKEY *pkey;
};

struct cert {
	unsigned refs;
	X509 *x509;
};

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(X509_REQ, X509_REQ_free)
DEFINE_CLEANUP(BIO, BIO_free)

/* Wraps, consuming. */
struct key *key_new_take(EVP_PKEY *pkey);
struct cert *cert_new_take(X509 *x509);
/* Whether the key is of a kind and size that a cluster may stand on: RSA of at least 2048 bits,
 * ECDSA on P-256, P-384 or P-521. */
bool key_is_strong(const EVP_PKEY *pkey);
/* The digest that Go, and so kubeadm, signs with for a key of this kind. */
const EVP_MD *key_digest(const EVP_PKEY *pkey);

/* Appends what OpenSSL says went wrong to the message, and empties its queue. Returns code. */
int openssl_error(struct error *err, enum error_class class, int code, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Aborts on NULL: for OpenSSL's allocations, which fail only when memory is out. */
void *openssl_must(void *object) __attribute__((returns_nonnull));
/* Appends what was written to a memory BIO. */
/* Text of an iPAddress name (4 or 16 bytes); the caller frees; NULL for other lengths. */
char *openssl_address_text(const ASN1_OCTET_STRING *address);
void openssl_append(BIO *bio, struct buf *buf);
/* Adds an attribute as Go encodes it: PrintableString where the characters allow, else UTF8String.
 * `same_set`: another value of the attribute added before, in the same set. */
void openssl_name_add(X509_NAME *name, int nid, const char *text, bool same_set);
