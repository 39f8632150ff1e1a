/* Certificates: parse, ask, verify. */
#include <errno.h>
#include <string.h>

#include "pki/ca.h"
#include "tests/unit/test-pki.h"

static int load(const char *name, struct cert **ret, struct error *err)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);

	fixture_read(name, &pem);
	return cert_from_pem(pem.data, pem.length, ret, err);
}

static struct cert *leaf_of(unsigned ca_index, const char *common_name, int64_t not_after)
{
	_cleanup_(key_unref) struct key *ca_key = fixture_key(ca_index), *key = fixture_key(3);
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(ca_index, "kubernetes");
	struct ca_request request = {
		.common_name = common_name,
		.usages = CERT_CLIENT_AUTH,
		.not_before = NOW - HOUR,
		.not_after = not_after,
	};
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_ok(ca_sign(ca, ca_key, key, &request, &cert, &err), err);
	return cert;
}

START_TEST(test_pem_is_read_back)
{
	_cleanup_(cert_unref) struct cert *cert = fixture_ca(0, "kubernetes"), *again = NULL;
	_cleanup_(cert_unref) struct cert *other = fixture_ca(0, "kubernetes");
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_free_ char *name = NULL;
	struct error err = ERROR_INIT;

	cert_to_pem(cert, &pem);
	ck_assert_ok(cert_from_pem(pem.data, pem.length, &again, &err), err);
	ck_assert(cert_equal(cert, again));
	ck_assert(!cert_equal(cert, other));
	name = cert_common_name(again);
	ck_assert_str_eq(name, "kubernetes");
}
END_TEST

START_TEST(test_bundle_is_read_in_order_and_strangers_are_skipped)
{
	_cleanup_(cert_unref) struct cert *a = fixture_ca(0, "a"), *b = fixture_ca(1, "b");
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(cert_list_done) struct cert_list list = { 0 };
	_cleanup_(cert_unref) struct cert *first = NULL;
	struct error err = ERROR_INIT;

	(void)buf_append_string(&pem, "# a comment\n");
	fixture_read("ec.pub", &pem);
	cert_to_pem(a, &pem);
	cert_to_pem(b, &pem);
	ck_assert_ok(cert_list_from_pem(pem.data, pem.length, &list, &err), err);
	ck_assert_uint_eq(list.count, 2);
	ck_assert(cert_equal(list.items[0], a));
	ck_assert(cert_equal(list.items[1], b));
	ck_assert_ok(cert_from_pem(pem.data, pem.length, &first, &err), err);
	ck_assert(cert_equal(first, a));
}
END_TEST

START_TEST(test_more_than_16_certificates_are_refused)
{
	_cleanup_(cert_unref) struct cert *cert = fixture_ca(0, "kubernetes");
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct cert_list list = { 0 };
	struct error err = ERROR_INIT;

	for (int i = 0; i < 16; i++)
		cert_to_pem(cert, &pem);
	ck_assert_ok(cert_list_from_pem(pem.data, pem.length, &list, &err), err);
	ck_assert_uint_eq(list.count, 16);
	cert_list_done(&list);
	cert_to_pem(cert, &pem);
	ck_assert_int_eq(cert_list_from_pem(pem.data, pem.length, &list, &err), -E2BIG);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(test_text_without_a_certificate_is_an_error)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct cert *cert = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(cert_from_pem("", 0, &cert, &err), -ENODATA);
	fixture_read("ec.pub", &pem);
	ck_assert_int_eq(cert_from_pem(pem.data, pem.length, &cert, &err), -ENODATA);
	ck_assert_ptr_null(cert);
}
END_TEST

START_TEST(test_name_with_a_nul_is_refused)
{
	struct cert *cert = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(load("nul-in-name.crt", &cert, &err), -EBADMSG);
	ck_assert_msg(strstr(err.message, "NUL") != NULL, "%s", err.message);
	ck_assert_ptr_null(cert);
}
END_TEST

START_TEST(test_every_truncation_is_refused)
{
	_cleanup_(cert_unref) struct cert *cert = fixture_ca(0, "kubernetes");
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;

	cert_to_pem(cert, &pem);
	/* Without the last line break it is still whole. */
	for (size_t length = 0; length < pem.length - 1; length++) {
		struct cert *part = NULL;

		ck_assert_int_lt(cert_from_pem(pem.data, length, &part, &err), 0);
		ck_assert_ptr_null(part);
	}
}
END_TEST

START_TEST(test_weak_key_is_seen)
{
	_cleanup_(cert_unref) struct cert *weak = NULL, *ed25519 = NULL;
	_cleanup_(cert_unref) struct cert *good = fixture_ca(0, "kubernetes");
	struct error err = ERROR_INIT;

	ck_assert_ok(load("weak.crt", &weak, &err), err);
	ck_assert_ok(load("ed25519.crt", &ed25519, &err), err);
	ck_assert(!cert_key_is_strong(weak));
	ck_assert(!cert_key_is_strong(ed25519));
	ck_assert(cert_key_is_strong(good));
}
END_TEST

/* Before version 3 nothing said what is a CA; such a certificate is none for us. */
START_TEST(test_certificate_of_version_1_is_no_ca)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	struct error err = ERROR_INIT;

	ck_assert_ok(load("v1.crt", &cert, &err), err);
	ck_assert(!cert_is_ca(cert));
}
END_TEST

START_TEST(test_leaf_chains_to_its_ca)
{
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	_cleanup_(cert_unref) struct cert *stranger = fixture_ca(1, "stranger");
	_cleanup_(cert_unref) struct cert *leaf = leaf_of(0, "cp1", NOW + YEAR);
	struct error err = ERROR_INIT;

	cert_list_add(&roots, stranger);
	cert_list_add(&roots, ca);
	cert_list_add(&roots, ca);
	ck_assert_ok(cert_verify(leaf, &roots, NOW, &err), err);
	/* A CA verifies by itself. */
	ck_assert_ok(cert_verify(ca, &roots, NOW, &err), err);
}
END_TEST

/* The CA's name and a key that is not its own: the likeness of names is worth nothing. */
START_TEST(test_leaf_of_a_ca_with_the_same_name_is_refused)
{
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *impostor = fixture_ca(1, "kubernetes");
	_cleanup_(cert_unref) struct cert *leaf = leaf_of(0, "cp1", NOW + YEAR);
	struct error err = ERROR_INIT;

	cert_list_add(&roots, impostor);
	ck_assert_int_lt(cert_verify(leaf, &roots, NOW, &err), 0);
	ck_assert_int_eq(err.class, ERROR_TRUST);
}
END_TEST

START_TEST(test_leaf_is_refused_without_roots)
{
	_cleanup_(cert_unref) struct cert *leaf = leaf_of(0, "cp1", NOW + YEAR);
	struct cert_list roots = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(cert_verify(leaf, &roots, NOW, &err), -EKEYREJECTED);
	ck_assert_msg(strstr(err.message, "cp1 (issuer kubernetes) is not signed by") != NULL, "%s",
		      err.message);
}
END_TEST

START_TEST(test_expired_ca_is_not_reused)
{
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	_cleanup_(cert_unref) struct cert *leaf = leaf_of(0, "cp1", NOW + 20 * YEAR);
	struct error err = ERROR_INIT;

	cert_list_add(&roots, ca);
	ck_assert_ok(cert_verify(leaf, &roots, NOW + 9 * YEAR, &err), err);
	ck_assert_int_eq(cert_verify(leaf, &roots, NOW + 11 * YEAR, &err), -EKEYEXPIRED);
	ck_assert(cert_expires_before(ca, NOW + 11 * YEAR));
	ck_assert(!cert_expires_before(ca, NOW + 9 * YEAR));
}
END_TEST

START_TEST(test_certificate_of_the_future_names_the_clock)
{
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	struct error err = ERROR_INIT;

	cert_list_add(&roots, ca);
	ck_assert_int_eq(cert_verify(ca, &roots, NOW - 2 * HOUR, &err), -EKEYREJECTED);
	ck_assert_msg(strstr(err.message, "clock") != NULL, "%s", err.message);
}
END_TEST

START_TEST(test_certificate_among_the_roots_is_an_anchor)
{
	_cleanup_(cert_unref) struct cert *leaf = leaf_of(0, "cp1", NOW + YEAR);
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	struct error err = ERROR_INIT;

	/* As in Go. */
	cert_list_add(&roots, leaf);
	ck_assert_ok(cert_verify(leaf, &roots, NOW, &err), err);
}
END_TEST

START_TEST(test_leaf_with_a_weak_key_is_not_trusted)
{
	_cleanup_(cert_unref) struct cert *weak = NULL;
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(load("weak.crt", &weak, &err), err);
	cert_list_add(&roots, weak);
	ck_assert_int_lt(cert_verify(weak, &roots, cert_not_before(weak) + 1, &err), 0);
}
END_TEST

TCase *pki_cert_cases(void)
{
	TCase *tc = tcase_create("cert");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_pem_is_read_back);
	tcase_add_test(tc, test_bundle_is_read_in_order_and_strangers_are_skipped);
	tcase_add_test(tc, test_more_than_16_certificates_are_refused);
	tcase_add_test(tc, test_text_without_a_certificate_is_an_error);
	tcase_add_test(tc, test_name_with_a_nul_is_refused);
	tcase_add_test(tc, test_every_truncation_is_refused);
	tcase_add_test(tc, test_weak_key_is_seen);
	tcase_add_test(tc, test_certificate_of_version_1_is_no_ca);
	tcase_add_test(tc, test_leaf_chains_to_its_ca);
	tcase_add_test(tc, test_leaf_of_a_ca_with_the_same_name_is_refused);
	tcase_add_test(tc, test_leaf_is_refused_without_roots);
	tcase_add_test(tc, test_expired_ca_is_not_reused);
	tcase_add_test(tc, test_certificate_of_the_future_names_the_clock);
	tcase_add_test(tc, test_certificate_among_the_roots_is_an_anchor);
	tcase_add_test(tc, test_leaf_with_a_weak_key_is_not_trusted);
	return tc;
}
