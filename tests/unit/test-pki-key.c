/* Keys: what is read, what is refused, what is written. */
#include <errno.h>
#include <string.h>

#include "tests/unit/test-pki.h"

static int load(const char *name, struct key **ret, struct error *err)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);

	fixture_read(name, &pem);
	return key_from_pem(pem.data, pem.length, ret, err);
}

START_TEST(test_names_are_kubeadms)
{
	ck_assert_str_eq(key_algorithm_name(KEY_RSA_2048), "RSA-2048");
	ck_assert_str_eq(key_algorithm_name(KEY_ECDSA_P384), "ECDSA-P384");
	ck_assert_int_eq(key_algorithm_from_name("RSA-4096"), KEY_RSA_4096);
	ck_assert_int_eq(key_algorithm_from_name("ECDSA-P256"), KEY_ECDSA_P256);
	ck_assert_int_eq(key_algorithm_from_name("rsa-2048"), -1);
	ck_assert_int_eq(key_algorithm_from_name(NULL), -1);
}
END_TEST

/* Every algorithm's key is written in its traditional form and read back. */
static const struct {
	enum key_algorithm algorithm;
	const char *first_line;
} written[] = {
	{ KEY_RSA_2048, "-----BEGIN RSA PRIVATE KEY-----\n" },
	{ KEY_ECDSA_P256, "-----BEGIN EC PRIVATE KEY-----\n" },
	{ KEY_ECDSA_P384, "-----BEGIN EC PRIVATE KEY-----\n" },
};

START_TEST(test_key_is_written_as_kubeadm_writes_and_read_back)
{
	_cleanup_(key_unref) struct key *key = NULL, *again = NULL, *public = NULL;
	_cleanup_(secret_unref) struct secret *pem = NULL;
	_cleanup_(buf_done) struct buf public_pem = BUF_INIT(64 * KIB);
	const char *first_line = written[_i].first_line;
	struct error err = ERROR_INIT;

	ck_assert_ok(key_generate(written[_i].algorithm, &key, &err), err);
	pem = key_to_pem(key);
	ck_assert(strncmp(secret_bytes(pem), first_line, strlen(first_line)) == 0);
	ck_assert_ok(key_from_pem(secret_bytes(pem), secret_length(pem), &again, &err), err);
	ck_assert(key_matches(key, again));

	ck_assert_ok(key_public_to_pem(key, &public_pem, &err), err);
	ck_assert(strncmp(public_pem.data, "-----BEGIN PUBLIC KEY-----\n", 27) == 0);
	ck_assert_ok(key_public_from_pem(public_pem.data, public_pem.length, &public, &err), err);
	ck_assert(key_matches(key, public));
}
END_TEST

START_TEST(test_two_keys_differ)
{
	_cleanup_(key_unref) struct key *a = fixture_key(0), *b = fixture_key(1);
	_cleanup_(key_unref) struct key *rsa = NULL;
	struct error err = ERROR_INIT;

	ck_assert(!key_matches(a, b));
	ck_assert_ok(load("rsa.key", &rsa, &err), err);
	ck_assert(!key_matches(a, rsa));
}
END_TEST

START_TEST(test_unknown_blocks_before_the_key_are_skipped)
{
	_cleanup_(key_unref) struct key *after_parameters = NULL, *pkcs8 = NULL;
	struct error err = ERROR_INIT;

	ck_assert_ok(load("ec-with-parameters.key", &after_parameters, &err), err);
	ck_assert_ok(load("ec-pkcs8.key", &pkcs8, &err), err);
	ck_assert(key_matches(after_parameters, pkcs8));
}
END_TEST

static const char *const readable_public[] = { "ec.pub", "v1.crt" };

START_TEST(test_public_key_is_read_of_every_form)
{
	_cleanup_(key_unref) struct key *private = NULL, *public = NULL;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;

	ck_assert_ok(load("ec-with-parameters.key", &private, &err), err);
	fixture_read(readable_public[_i], &pem);
	ck_assert_ok(key_public_from_pem(pem.data, pem.length, &public, &err), err);
	ck_assert(key_matches(private, public));
}
END_TEST

START_TEST(test_public_key_of_pkcs1_is_read)
{
	_cleanup_(key_unref) struct key *private = NULL, *public = NULL;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;

	ck_assert_ok(load("rsa.key", &private, &err), err);
	fixture_read("rsa-pkcs1.pub", &pem);
	ck_assert_ok(key_public_from_pem(pem.data, pem.length, &public, &err), err);
	ck_assert(key_matches(private, public));
}
END_TEST

static const struct {
	const char *name;
	int code;
	const char *part; /* of the message */
} refused[] = {
	{ "weak-rsa.key", -EKEYREJECTED, "at least 2048 bits" },
	{ "ed25519.key", -EKEYREJECTED, "ECDSA" },
	{ "other-curve.key", -EKEYREJECTED, "ECDSA" },
	{ "ec-encrypted.key", -EKEYREJECTED, "passphrase" },
	{ "ec-encrypted-traditional.key", -EKEYREJECTED, "passphrase" },
	{ "ec.pub", -ENODATA, "no private key" },
};

START_TEST(test_unsuitable_key_is_refused_with_the_reason)
{
	struct key *key = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(load(refused[_i].name, &key, &err), refused[_i].code);
	ck_assert_ptr_null(key);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_msg(strstr(err.message, refused[_i].part) != NULL, "%s", err.message);
}
END_TEST

START_TEST(test_damaged_key_is_refused)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;
	struct key *key = NULL;

	fixture_read("rsa.key", &pem);
	pem.data[100] = '!';
	ck_assert_int_eq(key_from_pem(pem.data, pem.length, &key, &err), -EBADMSG);
	ck_assert_ptr_null(key);
	buf_reset(&pem);
	(void)buf_append_string(&pem, "-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n"
				      "-----END EC PRIVATE KEY-----\n");
	ck_assert_int_eq(key_from_pem(pem.data, pem.length, &key, &err), -EBADMSG);
	ck_assert_int_eq(key_from_pem("", 0, &key, &err), -ENODATA);
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(test_endless_text_is_refused)
{
	struct error err = ERROR_INIT;
	struct key *key = NULL;
	char *text = calloc(1, 65 * KIB);

	ck_assert_int_eq(key_from_pem(text, 65 * KIB, &key, &err), -EFBIG);
	ck_assert_ptr_null(key);
	free(text);
}
END_TEST

TCase *pki_key_cases(void)
{
	TCase *tc = tcase_create("key");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_names_are_kubeadms);
	tcase_add_loop_test(tc, test_key_is_written_as_kubeadm_writes_and_read_back, 0,
			    ARRAY_SIZE(written));
	tcase_add_test(tc, test_two_keys_differ);
	tcase_add_test(tc, test_unknown_blocks_before_the_key_are_skipped);
	tcase_add_loop_test(tc, test_public_key_is_read_of_every_form, 0,
			    ARRAY_SIZE(readable_public));
	tcase_add_test(tc, test_public_key_of_pkcs1_is_read);
	tcase_add_loop_test(tc, test_unsuitable_key_is_refused_with_the_reason, 0,
			    ARRAY_SIZE(refused));
	tcase_add_test(tc, test_damaged_key_is_refused);
	tcase_add_test(tc, test_endless_text_is_refused);
	return tc;
}
