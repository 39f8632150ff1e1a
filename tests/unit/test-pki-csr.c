/* Certificate requests. */
#include <errno.h>
#include <string.h>

#include "pki/csr.h"
#include "tests/unit/made-csr.h"
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

START_TEST(test_a_plain_request_is_read)
{
	_cleanup_free_ char *pem = made_csr(
	    &(struct made_csr){ .subject = "O=system:nodes,CN=system:node:w1",
				.names = "DNS:w1,DNS:W1.example.org,IP:10.0.0.1,IP:fd00::1" });
	_cleanup_(csr_names_done) struct csr_names names = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(csr_read(pem, strlen(pem), &names, &err), err);
	ck_assert_str_eq(names.common_name, "system:node:w1");
	ck_assert_uint_eq(names.organizations.count, 1);
	ck_assert_str_eq(names.organizations.items[0], "system:nodes");
	ck_assert_uint_eq(names.dns_names.count, 2);
	ck_assert_str_eq(names.dns_names.items[1], "W1.example.org");
	ck_assert_uint_eq(names.addresses.count, 2);
	ck_assert_str_eq(names.addresses.items[0], "10.0.0.1");
	ck_assert_str_eq(names.addresses.items[1], "fd00::1");
}
END_TEST

#define NODE "O=system:nodes,CN=system:node:w1"

static const struct {
	struct made_csr what;
	const char *reason;
} hostile[] = {
	/* clang-format off */
	{ { .subject = NODE, .damaged = true }, "not signed by its own key" },
	{ { .subject = NODE, .weak = true }, "key is too weak" },
	{ { .subject = NODE, .challenge = true }, "attributes beside its extensions" },
	{ { .subject = NODE, .names = "DNS:w1", .challenge = true }, "attributes beside its extensions" },
	{ { .subject = NODE, .extension = "basicConstraints=CA:TRUE" }, "an extension that is not names" },
	{ { .subject = NODE, .names = "DNS:w1", .extension = "basicConstraints=CA:TRUE" }, "more than names" },
	{ { .subject = NODE, .extension = "keyUsage=keyCertSign" }, "an extension that is not names" },
	{ { .subject = NODE, .names = "email:a@example.org" }, "neither DNS names nor addresses" },
	{ { .subject = NODE, .names = "URI:spiffe://a" }, "neither DNS names nor addresses" },
	{ { .subject = NODE, .names = "DNS:w1,RID:1.2.3" }, "neither DNS names nor addresses" },
	{ { .subject = NODE ",CN=system:node:w2" }, "two common names" },
	{ { .subject = "CN=system:node:w1,+CN=system:node:w2" }, "two common names" },
	{ { .subject = NODE ",OU=x" }, "more than organization and common name" },
	{ { .subject = NODE ",emailAddress=a@example.org" }, "more than organization and common name" },
	{ { .subject = "O=system:nodes" }, "no common name" },
	{ { .subject = "O=system:nodes,CN=system:node: w1" }, "text that is not plain" },
	{ { .subject = "O=system:nodes,CN=system:node:w\xc3\xa4" }, "text that is not plain" },
	{ { .subject = NODE, .tail = "-----BEGIN CERTIFICATE REQUEST-----\nMAMCAQE=\n"
				     "-----END CERTIFICATE REQUEST-----\n" }, "more than one block" },
	/* clang-format on */
};

START_TEST(test_what_is_more_than_plain_is_refused)
{
	_cleanup_free_ char *pem = made_csr(&hostile[_i].what);
	static const struct csr_names nothing;
	struct csr_names names = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_lt(csr_read(pem, strlen(pem), &names, &err), 0);
	ck_assert_msg(strstr(err.message, hostile[_i].reason) != NULL, "%s: %s", hostile[_i].reason,
		      err.message);
	ck_assert_mem_eq(&names, &nothing, sizeof(nothing));
}
END_TEST

START_TEST(test_keys_of_requests_are_compared)
{
	_cleanup_free_ char *a = made_csr(&(struct made_csr){ .subject = NODE });
	_cleanup_free_ char *again = made_csr(&(struct made_csr){ .subject = "CN=x" });
	_cleanup_free_ char *other = made_csr(&(struct made_csr){ .key = 1, .subject = NODE });

	ck_assert(csr_same_key(a, strlen(a), again, strlen(again)));
	ck_assert(!csr_same_key(a, strlen(a), other, strlen(other)));
	ck_assert(!csr_same_key(a, strlen(a), "", 0));
	ck_assert(!csr_same_key("", 0, "", 0));
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
	tcase_add_test(tc, test_a_plain_request_is_read);
	tcase_add_loop_test(tc, test_what_is_more_than_plain_is_refused, 0, ARRAY_SIZE(hostile));
	tcase_add_test(tc, test_keys_of_requests_are_compared);
	return tc;
}
