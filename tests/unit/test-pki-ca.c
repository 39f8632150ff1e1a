/* Signing: what is in a certificate, in kubeadm's encoding. */
#include <errno.h>
#include <string.h>

#include "pki/ca.h"
#include "tests/unit/test-pki.h"

struct cert *fixture_ca(unsigned index, const char *common_name)
{
	_cleanup_(key_unref) struct key *key = fixture_key(index);
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_ok(ca_self_sign(key, common_name, NOW - HOUR, NOW + 10 * YEAR, &cert, &err), err);
	return cert;
}

static struct cert *leaf(const struct ca_request *request)
{
	_cleanup_(key_unref) struct key *ca_key = fixture_key(0), *key = fixture_key(1);
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_ok(ca_sign(ca, ca_key, key, request, &cert, &err), err);
	return cert;
}

START_TEST(test_ca_is_kubeadms)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	_cleanup_(key_unref) struct key *key = fixture_key(0);
	_cleanup_(buf_done) struct buf text = BUF_INIT(4 * KIB);

	cert_describe(ca, &text);
	ck_assert_str_eq(text.data, "subject: CN=kubernetes\n"
				    "issuer: CN=kubernetes\n"
				    "key: EC, 256 bits\n"
				    "signature: ecdsa-with-SHA256\n"
				    "extensions: keyUsage (critical), basicConstraints (critical),"
				    " subjectKeyIdentifier, subjectAltName\n"
				    "key usage: digitalSignature, keyEncipherment, keyCertSign\n"
				    "extended key usage:\n"
				    "CA: yes\n"
				    "DNS: kubernetes\n");
	ck_assert(cert_is_ca(ca));
	ck_assert(cert_has_key(ca, key));
	ck_assert_int_eq(cert_not_before(ca), NOW - HOUR);
	ck_assert_int_eq(cert_not_after(ca), NOW + 10 * YEAR);
}
END_TEST

START_TEST(test_leaf_is_kubeadms)
{
	_cleanup_(strv_done) struct strv organizations = STRV_INIT, dns = STRV_INIT;
	_cleanup_(strv_done) struct strv addresses = STRV_INIT;
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(4 * KIB);
	struct ca_request request = {
		.common_name = "system:node:cp1",
		.organizations = &organizations,
		.dns_names = &dns,
		.addresses = &addresses,
		.usages = CERT_SERVER_AUTH | CERT_CLIENT_AUTH,
		.not_before = NOW,
		.not_after = NOW + YEAR,
	};

	strv_add(&organizations, "system:nodes");
	strv_add(&dns, "localhost");
	strv_add(&dns, "cp1");
	strv_add(&dns, "localhost");
	strv_add(&addresses, "::1");
	strv_add(&addresses, "10.0.0.1");
	strv_add(&addresses, "0:0:0:0:0:0:0:1");
	strv_add(&addresses, "::ffff:10.0.0.1");
	strv_add(&addresses, "2001:db8::1");
	cert = leaf(&request);
	cert_describe(cert, &text);
	ck_assert_str_eq(text.data,
			 "subject: O=system:nodes, CN=system:node:cp1\n"
			 "issuer: CN=kubernetes\n"
			 "key: EC, 256 bits\n"
			 "signature: ecdsa-with-SHA256\n"
			 "extensions: keyUsage (critical), extendedKeyUsage,"
			 " basicConstraints (critical), authorityKeyIdentifier, subjectAltName\n"
			 "key usage: digitalSignature, keyEncipherment\n"
			 "extended key usage: serverAuth, clientAuth\n"
			 "CA: no\n"
			 "DNS: cp1\n"
			 "DNS: localhost\n"
			 "IP: ::1\n"
			 "IP: 10.0.0.1\n"
			 "IP: 2001:db8::1\n");
	ck_assert_int_eq((int)cert_usages(cert), CERT_SERVER_AUTH | CERT_CLIENT_AUTH);
	ck_assert(!cert_is_ca(cert));
}
END_TEST

START_TEST(test_leaf_without_names_has_no_san_extension)
{
	struct ca_request request = {
		.common_name = "kube-apiserver-kubelet-client",
		.usages = CERT_CLIENT_AUTH,
		.not_before = NOW,
		.not_after = NOW + YEAR,
	};
	_cleanup_(cert_unref) struct cert *cert = leaf(&request);
	_cleanup_(buf_done) struct buf text = BUF_INIT(4 * KIB);

	cert_describe(cert, &text);
	ck_assert(strstr(text.data, "subjectAltName") == NULL);
	ck_assert_int_eq((int)cert_usages(cert), CERT_CLIENT_AUTH);
}
END_TEST

/* Go puts all organizations of a name into one set. */
START_TEST(test_organizations_share_a_set)
{
	_cleanup_(strv_done) struct strv organizations = STRV_INIT;
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(4 * KIB);
	struct ca_request request = {
		.common_name = "somebody",
		.organizations = &organizations,
		.usages = CERT_CLIENT_AUTH,
		.not_before = NOW,
		.not_after = NOW + YEAR,
	};

	strv_add(&organizations, "a");
	strv_add(&organizations, "b");
	cert = leaf(&request);
	cert_describe(cert, &text);
	ck_assert_msg(strstr(text.data, "subject: O=a + O=b, CN=somebody\n") != NULL, "%s",
		      text.data);
}
END_TEST

START_TEST(test_serials_are_positive_and_differ)
{
	_cleanup_(cert_unref) struct cert *a = fixture_ca(0, "kubernetes");
	_cleanup_(cert_unref) struct cert *b = fixture_ca(0, "kubernetes");
	_cleanup_(buf_done) struct buf first = BUF_INIT(KIB), second = BUF_INIT(KIB);

	cert_serial(a, &first);
	cert_serial(b, &second);
	ck_assert_str_ne(first.data, second.data);
	ck_assert_uint_le(first.length, 16);
	ck_assert_uint_eq(strspn(first.data, "0123456789abcdef"), first.length);
}
END_TEST

START_TEST(test_validity_after_2050_is_kept)
{
	_cleanup_(key_unref) struct key *key = fixture_key(0);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	struct error err = ERROR_INIT;

	ck_assert_ok(ca_self_sign(key, "kubernetes", NOW, NOW + 100 * YEAR, &cert, &err), err);
	ck_assert_int_eq(cert_not_after(cert), NOW + 100 * YEAR);
}
END_TEST

START_TEST(test_p384_signs_with_sha384)
{
	_cleanup_(key_unref) struct key *key = NULL;
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(4 * KIB);
	struct error err = ERROR_INIT;

	ck_assert_ok(key_generate(KEY_ECDSA_P384, &key, &err), err);
	ck_assert_ok(ca_self_sign(key, "kubernetes", NOW, NOW + YEAR, &cert, &err), err);
	cert_describe(cert, &text);
	ck_assert(strstr(text.data, "signature: ecdsa-with-SHA384\n") != NULL);
}
END_TEST

START_TEST(test_key_of_another_ca_is_refused)
{
	_cleanup_(key_unref) struct key *other = fixture_key(2), *key = fixture_key(1);
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	struct ca_request request = { .common_name = "x", .usages = CERT_CLIENT_AUTH };
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_int_eq(ca_sign(ca, other, key, &request, &cert, &err), -EKEYREJECTED);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_ptr_null(cert);
}
END_TEST

START_TEST(test_leaf_cannot_sign)
{
	struct ca_request request = {
		.common_name = "x",
		.usages = CERT_CLIENT_AUTH,
		.not_before = NOW,
		.not_after = NOW + YEAR,
	};
	_cleanup_(cert_unref) struct cert *cert = leaf(&request), *second = NULL;
	_cleanup_(key_unref) struct key *key = fixture_key(1);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(ca_sign(cert, key, key, &request, &second, &err), -EINVAL);
	ck_assert_ptr_null(second);
}
END_TEST

START_TEST(test_bad_request_is_refused)
{
	_cleanup_(key_unref) struct key *ca_key = fixture_key(0), *key = fixture_key(1);
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	_cleanup_(strv_done) struct strv addresses = STRV_INIT;
	struct ca_request request = { .common_name = "", .usages = CERT_CLIENT_AUTH };
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_int_eq(ca_sign(ca, ca_key, key, &request, &cert, &err), -EINVAL);
	strv_add(&addresses, "10.0.0.256");
	request.common_name = "x";
	request.addresses = &addresses;
	ck_assert_int_eq(ca_sign(ca, ca_key, key, &request, &cert, &err), -EINVAL);
	ck_assert(strstr(err.message, "10.0.0.256") != NULL);
	ck_assert_ptr_null(cert);
}
END_TEST

TCase *pki_ca_cases(void)
{
	TCase *tc = tcase_create("ca");

	tcase_add_test(tc, test_ca_is_kubeadms);
	tcase_add_test(tc, test_leaf_is_kubeadms);
	tcase_add_test(tc, test_leaf_without_names_has_no_san_extension);
	tcase_add_test(tc, test_organizations_share_a_set);
	tcase_add_test(tc, test_serials_are_positive_and_differ);
	tcase_add_test(tc, test_validity_after_2050_is_kept);
	tcase_add_test(tc, test_p384_signs_with_sha384);
	tcase_add_test(tc, test_key_of_another_ca_is_refused);
	tcase_add_test(tc, test_leaf_cannot_sign);
	tcase_add_test(tc, test_bad_request_is_refused);
	return tc;
}
