/* Pins of public keys; see pin.h. */
#include "pki/pin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pki/openssl.h"

#define PREFIX "sha256:"

enum { DIGEST_DIGITS = 64, MESSAGE_PINS_MAX = 2 };

int pin_check(const char *pin, struct error *err)
{
	const char *digits = pin + strlen(PREFIX);

	if (strncasecmp(pin, PREFIX, strlen(PREFIX)) != 0)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "the hash \"%.80s\" does not start with \"" PREFIX "\"", pin);
	if (strspn(digits, "0123456789abcdefABCDEF") != DIGEST_DIGITS ||
	    strlen(digits) != DIGEST_DIGITS)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "the hash \"%.80s\" does not have " PREFIX
				 " and %d hexadecimal digits",
				 pin, DIGEST_DIGITS);
	return 0;
}

void pin_of(const struct cert *cert, char ret[static 72])
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert->x509), &der);
	unsigned size = 0;

	if (length <= 0 || EVP_Digest(der, (size_t)length, digest, &size, EVP_sha256(), NULL) != 1)
		abort();
	OPENSSL_free(der);
	(void)snprintf(ret, strlen(PREFIX) + 1, "%s", PREFIX);
	for (size_t i = 0; i < size; i++)
		(void)snprintf(ret + strlen(PREFIX) + 2 * i, 3, "%02x", digest[i]);
}

bool pin_matches(const char *pin, const struct cert *cert)
{
	struct error ignored = ERROR_INIT;
	char own[72];

	if (pin_check(pin, &ignored) < 0)
		return false;
	pin_of(cert, own);
	return strcasecmp(pin, own) == 0;
}

static bool any_matches(const struct strv *pins, const struct cert *cert)
{
	STRV_FOREACH(pin, pins)
		if (pin_matches(pin, cert))
			return true;
	return false;
}

/* A pinned certificate must be able to be what the pin is for. */
static int check_pinned(const struct cert *cert, struct error *err)
{
	_cleanup_free_ char *name = cert_common_name(cert);
	const char *subject = name ? name : "without a common name";

	if (!cert_is_ca(cert))
		return error_set(err, ERROR_TRUST, -EKEYREJECTED,
				 "certificate %.64s has a hash of caCertHashes, but is not a CA's:"
				 " give the hash of the cluster's CA",
				 subject);
	if (!cert_key_is_strong(cert))
		return error_set(err, ERROR_TRUST, -EKEYREJECTED,
				 "CA certificate %.64s has a hash of caCertHashes, but its key is"
				 " too weak or of a kind that is not supported",
				 subject);
	return 0;
}

static int none_matches(const struct cert_list *certs, struct error *err)
{
	_cleanup_(buf_done) struct buf list = BUF_INIT(256);
	size_t shown = MIN(certs->count, (size_t)MESSAGE_PINS_MAX);

	for (size_t i = 0; i < shown; i++) {
		char pin[72];

		pin_of(certs->items[i], pin);
		(void)buf_printf(&list, "%s%s", i == 0 ? "" : ", ", pin);
	}
	return error_set(err, ERROR_TRUST, -EKEYREJECTED,
			 "none of the cluster's CA certificates has a hash of caCertHashes: it has"
			 " %s%s; compare with `agentctl token create --print-join-command` on a"
			 " control plane: if they differ, somebody is in between",
			 shown > 0 ? list.data : "no certificate",
			 certs->count > shown ? " and others" : "");
}

int pin_select(const struct strv *pins, const struct cert_list *certs, struct cert_list *ret,
	       struct error *err)
{
	_cleanup_(cert_list_done) struct cert_list selected = { 0 };
	int r;

	for (size_t i = 0; i < certs->count; i++) {
		if (!any_matches(pins, certs->items[i]))
			continue;
		r = check_pinned(certs->items[i], err);
		if (r < 0)
			return r;
		cert_list_add(&selected, certs->items[i]);
	}
	if (selected.count == 0)
		return none_matches(certs, err);
	for (size_t i = 0; i < selected.count; i++)
		cert_list_add(ret, selected.items[i]);
	return 0;
}
