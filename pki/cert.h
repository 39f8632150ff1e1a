/* X.509 certificates: parse, and ask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strv.h"
#include "pki/key.h"

struct cert; /* counted, immutable */

struct cert *cert_ref(struct cert *cert);
struct cert *cert_unref(struct cert *cert);
DEFINE_CLEANUP(struct cert, cert_unref)

struct cert_list {
	struct cert **items;
	size_t count;
};
void cert_list_done(struct cert_list *list);
/* Appends a reference of its own. */
void cert_list_add(struct cert_list *list, struct cert *cert);
DEFINE_CLEANUP_VALUE(struct cert_list, cert_list_done)

/* The first certificate of a PEM text; all of them (at most 16, at most 64 KiB of text). */
int cert_from_pem(const char *pem, size_t length, struct cert **ret, struct error *err);
int cert_list_from_pem(const char *pem, size_t length, struct cert_list *ret, struct error *err);
void cert_to_pem(const struct cert *cert, struct buf *buf);

int64_t cert_not_before(const struct cert *cert); /* seconds since 1970 */
int64_t cert_not_after(const struct cert *cert);
bool cert_expires_before(const struct cert *cert, int64_t when);
void cert_serial(const struct cert *cert, struct buf *buf); /* lower-case hex */
/* Common name (caller frees, NULL if there is none) and organizations of the subject. */
char *cert_common_name(const struct cert *cert);
char *cert_issuer_common_name(const struct cert *cert);
void cert_organizations(const struct cert *cert, struct strv *ret);
void cert_dns_names(const struct cert *cert, struct strv *ret);
void cert_addresses(const struct cert *cert, struct strv *ret); /* as text */
bool cert_is_ca(const struct cert *cert);
enum { CERT_SERVER_AUTH = 1, CERT_CLIENT_AUTH = 2 };
unsigned cert_usages(const struct cert *cert); /* of ExtendedKeyUsage */
bool cert_equal(const struct cert *a, const struct cert *b);
bool cert_has_key(const struct cert *cert, const struct key *key);
/* RSA of at least 2048 bits, or ECDSA on P-256, P-384 or P-521. */
bool cert_key_is_strong(const struct cert *cert);
/* Whether cert chains to one of roots (PEM bundle parsed) at `when`; the reason is in err. Each
 * root is an anchor, self-signed or not, as for Go; usages are not looked at. */
int cert_verify(const struct cert *cert, const struct cert_list *roots, int64_t when,
		struct error *err);
/* A listing for people and golden files: subject, issuer, SANs, usages, one per line. */
void cert_describe(const struct cert *cert, struct buf *buf);
