/* Keys and certificates for the tests of rows. */
#include <string.h>

#include "common/alloc.h"
#include "pki/ca.h"
#include "tests/unit/test-resources-world.h"

struct cert *world_read_cert(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	world_read(path, &text);
	ck_assert_int_eq(cert_from_pem(text.data, text.length, &cert, &err), 0);
	return cert;
}

struct key *world_read_key(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;
	struct key *key = NULL;

	world_read(path, &text);
	ck_assert_int_eq(key_from_pem(text.data, text.length, &key, &err), 0);
	return key;
}

struct key *world_new_key(void)
{
	struct error err = ERROR_INIT;
	struct key *key = NULL;

	ck_assert_int_eq(key_generate(KEY_ECDSA_P256, &key, &err), 0);
	return key;
}

void world_write_key(const char *path, const struct key *key)
{
	_cleanup_(secret_unref) struct secret *pem = key_to_pem(key);
	_cleanup_free_ char *text = xstrndup(secret_bytes(pem), secret_length(pem));

	world_write(path, text, 0600);
}

void world_write_cert(const char *path, const struct cert *cert)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(MIB);

	cert_to_pem(cert, &pem);
	world_write(path, pem.data, 0644);
}

struct cert *world_self_signed(const struct key *key)
{
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_int_eq(
	    ca_self_sign(key, "kubernetes", WORLD_NOW - 300, WORLD_NOW + 86400, &cert, &err), 0);
	return cert;
}

struct cert *world_sign(const struct cert *ca, const struct key *ca_key, const struct key *key,
			const char *common_name, const char *organization, int64_t not_after)
{
	_cleanup_(strv_done) struct strv organizations = STRV_INIT;
	struct ca_request request = {
		.common_name = common_name,
		.organizations = &organizations,
		.usages = CERT_CLIENT_AUTH,
		.not_before = WORLD_NOW - 86400,
		.not_after = not_after,
	};
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	strv_add(&organizations, organization);
	ck_assert_int_eq(ca_sign(ca, ca_key, key, &request, &cert, &err), 0);
	return cert;
}
