/* Pins: only what a pin names is chosen. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/pin.h"
#include "tests/unit/test-pki.h"

/* Of `openssl pkey -pubin -in ec.pub -outform der | sha256sum`. */
#define V1_PIN "sha256:cc922e62ef5c73a9a254ea8ef98600b4047901f278319fb943c2e2b4da3134a2"

START_TEST(test_pin_is_that_of_the_openssl_command)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	struct error err = ERROR_INIT;
	char pin[72];

	fixture_read("v1.crt", &pem);
	ck_assert_ok(cert_from_pem(pem.data, pem.length, &cert, &err), err);
	pin_of(cert, pin);
	ck_assert_str_eq(pin, V1_PIN);
}
END_TEST

START_TEST(test_pin_is_compared_without_case)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	struct error err = ERROR_INIT;
	char pin[72];

	pin_of(ca, pin);
	for (char *c = pin; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	ck_assert_ok(pin_check(pin, &err), err);
	ck_assert(pin_matches(pin, ca));
}
END_TEST

static const char *const malformed[] = {
	"",
	"sha256",
	"sha256:",
	"sha256:abc",
	"sha512:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg",
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
	" sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef ",
};

START_TEST(test_malformed_pin_is_refused_and_matches_nothing)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	struct error err = ERROR_INIT;

	ck_assert_int_eq(pin_check(malformed[_i], &err), -EINVAL);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert(!pin_matches(malformed[_i], ca));
}
END_TEST

START_TEST(test_prefix_of_a_pin_matches_nothing)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	char pin[72];

	pin_of(ca, pin);
	pin[strlen(pin) - 1] = '\0';
	ck_assert(!pin_matches(pin, ca));
}
END_TEST

static void select_from(const struct cert_list *bundle, const struct cert *pinned,
			const char *stranger)
{
	_cleanup_(cert_list_done) struct cert_list selected = { 0 };
	_cleanup_(strv_done) struct strv pins = STRV_INIT;
	struct error err = ERROR_INIT;
	char pin[72];

	strv_add(&pins, stranger);
	pin_of(pinned, pin);
	strv_add(&pins, pin);
	ck_assert_ok(pin_select(&pins, bundle, &selected, &err), err);
	ck_assert_uint_eq(selected.count, 1);
	ck_assert(cert_equal(selected.items[0], pinned));
}

START_TEST(test_only_the_pinned_certificate_of_a_bundle_is_chosen)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "kubernetes");
	_cleanup_(cert_unref) struct cert *smuggled = fixture_ca(1, "kubernetes");
	_cleanup_(cert_list_done) struct cert_list before = { 0 }, after = { 0 };

	cert_list_add(&before, smuggled);
	cert_list_add(&before, ca);
	select_from(&before, ca, malformed[4]);
	cert_list_add(&after, ca);
	cert_list_add(&after, smuggled);
	select_from(&after, ca, malformed[4]);
}
END_TEST

START_TEST(test_bundle_without_a_pinned_certificate_is_refused)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "a"), *other = fixture_ca(1, "b");
	_cleanup_(cert_list_done) struct cert_list bundle = { 0 };
	_cleanup_(strv_done) struct strv pins = STRV_INIT;
	struct cert_list selected = { 0 };
	struct error err = ERROR_INIT;
	char pin[72];

	cert_list_add(&bundle, other);
	pin_of(ca, pin);
	strv_add(&pins, pin);
	ck_assert_int_eq(pin_select(&pins, &bundle, &selected, &err), -EKEYREJECTED);
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_uint_eq(selected.count, 0);
	/* The message has the hash to compare with, and the command that prints the right one. */
	pin_of(other, pin);
	ck_assert(strstr(err.message, pin) != NULL);
	ck_assert(strstr(err.message, "agentctl token create") != NULL);
}
END_TEST

START_TEST(test_no_pins_choose_nothing)
{
	_cleanup_(cert_unref) struct cert *ca = fixture_ca(0, "a");
	_cleanup_(cert_list_done) struct cert_list bundle = { 0 };
	_cleanup_(strv_done) struct strv pins = STRV_INIT;
	struct cert_list selected = { 0 };
	struct error err = ERROR_INIT;

	cert_list_add(&bundle, ca);
	ck_assert_int_lt(pin_select(&pins, &bundle, &selected, &err), 0);
	ck_assert_uint_eq(selected.count, 0);
}
END_TEST

START_TEST(test_pinned_certificate_that_is_no_ca_is_refused)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(cert_list_done) struct cert_list bundle = { 0 };
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(strv_done) struct strv pins = STRV_INIT;
	struct cert_list selected = { 0 };
	struct error err = ERROR_INIT;

	fixture_read("v1.crt", &pem);
	ck_assert_ok(cert_from_pem(pem.data, pem.length, &cert, &err), err);
	cert_list_add(&bundle, cert);
	strv_add(&pins, V1_PIN);
	ck_assert_int_eq(pin_select(&pins, &bundle, &selected, &err), -EKEYREJECTED);
	ck_assert_msg(strstr(err.message, "not a CA's") != NULL, "%s", err.message);
	ck_assert_uint_eq(selected.count, 0);
}
END_TEST

START_TEST(test_pinned_ca_with_a_weak_key_is_refused)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(cert_list_done) struct cert_list bundle = { 0 };
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(strv_done) struct strv pins = STRV_INIT;
	struct cert_list selected = { 0 };
	struct error err = ERROR_INIT;
	char pin[72];

	fixture_read("weak.crt", &pem);
	ck_assert_ok(cert_from_pem(pem.data, pem.length, &cert, &err), err);
	cert_list_add(&bundle, cert);
	pin_of(cert, pin);
	strv_add(&pins, pin);
	ck_assert_int_eq(pin_select(&pins, &bundle, &selected, &err), -EKEYREJECTED);
	ck_assert_msg(strstr(err.message, "weak") != NULL, "%s", err.message);
	ck_assert_uint_eq(selected.count, 0);
}
END_TEST

TCase *pki_pin_cases(void)
{
	TCase *tc = tcase_create("pin");

	tcase_add_test(tc, test_pin_is_that_of_the_openssl_command);
	tcase_add_test(tc, test_pin_is_compared_without_case);
	tcase_add_loop_test(tc, test_malformed_pin_is_refused_and_matches_nothing, 0,
			    ARRAY_SIZE(malformed));
	tcase_add_test(tc, test_prefix_of_a_pin_matches_nothing);
	tcase_add_test(tc, test_only_the_pinned_certificate_of_a_bundle_is_chosen);
	tcase_add_test(tc, test_bundle_without_a_pinned_certificate_is_refused);
	tcase_add_test(tc, test_no_pins_choose_nothing);
	tcase_add_test(tc, test_pinned_certificate_that_is_no_ca_is_refused);
	tcase_add_test(tc, test_pinned_ca_with_a_weak_key_is_refused);
	return tc;
}
