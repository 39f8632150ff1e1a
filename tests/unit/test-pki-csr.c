/* Certificate requests. */
#include <errno.h>
#include <string.h>

#include "pki/csr.h"
#include "tests/unit/test-pki.h"

START_TEST(test_request_is_found_to_be_of_its_key)
{
	_cleanup_(key_unref) struct key *key = fixture_key(0), *other = fixture_key(1);
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(strv_done) struct strv organizations = STRV_INIT;
	struct error err = ERROR_INIT;

	strv_add(&organizations, "system:nodes");
	ck_assert_ok(csr_make(key, "system:node:w1", &organizations, &pem, &err), err);
	ck_assert(strncmp(pem.data, "-----BEGIN CERTIFICATE REQUEST-----\n", 36) == 0);
	ck_assert_int_eq(csr_has_key(pem.data, pem.length, key, &err), 1);
	ck_assert_int_eq(csr_has_key(pem.data, pem.length, other, &err), 0);
}
END_TEST

START_TEST(test_unreadable_request_is_an_error)
{
	_cleanup_(key_unref) struct key *key = fixture_key(0);
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(csr_has_key("", 0, key, &err), -EBADMSG);
	fixture_read("v1.crt", &pem);
	ck_assert_int_eq(csr_has_key(pem.data, pem.length, key, &err), -EBADMSG);
	buf_reset(&pem);
	(void)buf_append_string(&pem, "-----BEGIN CERTIFICATE REQUEST-----\nMAMCAQE=\n"
				      "-----END CERTIFICATE REQUEST-----\n");
	ck_assert_int_eq(csr_has_key(pem.data, pem.length, key, &err), -EBADMSG);
}
END_TEST

/* A request with our key that our key did not sign is somebody else's. */
START_TEST(test_request_with_a_wrong_signature_is_not_ours)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB), key_pem = BUF_INIT(64 * KIB);
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;

	fixture_read("ec.pub", &key_pem);
	ck_assert_ok(key_public_from_pem(key_pem.data, key_pem.length, &key, &err), err);
	fixture_read("wrong-signature.csr", &pem);
	ck_assert_int_eq(csr_has_key(pem.data, pem.length, key, &err), 0);
}
END_TEST

/* The name was computed apart, by the description of the kubelet's digestedName(). */
START_TEST(test_name_of_the_object_is_the_kubelets)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;
	char name[64];

	fixture_read("ec.pub", &pem);
	ck_assert_ok(key_public_from_pem(pem.data, pem.length, &key, &err), err);
	ck_assert_ok(csr_node_name(key, "system:node:w1", name, &err), err);
	ck_assert_str_eq(name, "node-csr-qZwDjB_cLtJqR-1lDXcbl5OPuxnypo-fE30zQfZwxM0");
	ck_assert_uint_eq(strlen(name), 9 + 43);
}
END_TEST

START_TEST(test_name_of_the_object_follows_key_and_node)
{
	_cleanup_(key_unref) struct key *key = fixture_key(0), *other = fixture_key(1);
	struct error err = ERROR_INIT;
	char a[64], b[64], c[64], again[64];

	ck_assert_ok(csr_node_name(key, "system:node:w1", a, &err), err);
	ck_assert_ok(csr_node_name(key, "system:node:w2", b, &err), err);
	ck_assert_ok(csr_node_name(other, "system:node:w1", c, &err), err);
	ck_assert_ok(csr_node_name(key, "system:node:w1", again, &err), err);
	ck_assert_str_ne(a, b);
	ck_assert_str_ne(a, c);
	ck_assert_str_eq(a, again);
}
END_TEST

TCase *pki_csr_cases(void)
{
	TCase *tc = tcase_create("csr");

	tcase_add_test(tc, test_request_is_found_to_be_of_its_key);
	tcase_add_test(tc, test_unreadable_request_is_an_error);
	tcase_add_test(tc, test_request_with_a_wrong_signature_is_not_ours);
	tcase_add_test(tc, test_name_of_the_object_is_the_kubelets);
	tcase_add_test(tc, test_name_of_the_object_follows_key_and_node);
	return tc;
}
