/* Certificates, keys and requests of strangers: what is accepted reads the same when it is written
 * and read again, what is refused leaves nothing behind. */
#include "pki/cert.h"
#include "pki/csr.h"
#include "pki/key.h"
#include "pki/pin.h"
#include "tests/fuzz/fuzz.h"

static void use_certificates(const struct cert_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		_cleanup_(cert_unref) struct cert *again = NULL;
		_cleanup_(buf_done) struct buf pem = BUF_INIT(MIB), text = BUF_INIT(4 * MIB);
		struct error err = ERROR_INIT;
		char pin[72];

		cert_describe(list->items[i], &text);
		cert_serial(list->items[i], &text);
		pin_of(list->items[i], pin);
		FUZZ_CHECK(pin_check(pin, &err) == 0 && pin_matches(pin, list->items[i]));
		(void)cert_verify(list->items[i], list, cert_not_before(list->items[i]), &err);
		cert_to_pem(list->items[i], &pem);
		/* Long lines of the input may become more text than one PEM may be. */
		if (pem.length > 64 * KIB)
			continue;
		FUZZ_CHECK(cert_from_pem(pem.data, pem.length, &again, &err) == 0);
		FUZZ_CHECK(cert_equal(list->items[i], again));
	}
}

static void use_private(const struct key *key)
{
	_cleanup_(secret_unref) struct secret *pem = key_to_pem(key);
	_cleanup_(key_unref) struct key *again = NULL;
	struct error err = ERROR_INIT;

	FUZZ_CHECK(key_from_pem(secret_bytes(pem), secret_length(pem), &again, &err) == 0);
	FUZZ_CHECK(key_matches(key, again));
}

static void use_public(const struct key *key)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(key_unref) struct key *again = NULL;
	struct error err = ERROR_INIT;

	FUZZ_CHECK(key_public_to_pem(key, &pem, &err) == 0);
	FUZZ_CHECK(key_public_from_pem(pem.data, pem.length, &again, &err) == 0);
	FUZZ_CHECK(key_matches(key, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cert_list_done) struct cert_list list = { 0 };
	_cleanup_(key_unref) struct key *private = NULL, *public = NULL;
	const char *text = (const char *)data;
	struct error err = ERROR_INIT;
	int r;

	r = cert_list_from_pem(text, size, &list, &err);
	FUZZ_CHECK((r == 0) == (list.count > 0) && list.count <= 16);
	use_certificates(&list);

	r = key_from_pem(text, size, &private, &err);
	FUZZ_CHECK((r == 0) == (private != NULL));
	if (private)
		use_private(private);

	r = key_public_from_pem(text, size, &public, &err);
	FUZZ_CHECK((r == 0) == (public != NULL));
	if (public) {
		use_public(public);
		(void)csr_has_key(text, size, public, &err);
	}
	return 0;
}
