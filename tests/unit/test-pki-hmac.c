/* HMAC and base64 against published vectors. */
#include <errno.h>
#include <string.h>

#include "pki/hmac.h"
#include "tests/unit/test-pki.h"

/* RFC 4231, test case 2. */
START_TEST(test_hmac_of_rfc_4231)
{
	static const uint8_t want[32] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
					  0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
					  0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
					  0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
	_cleanup_(secret_unref) struct secret *key = secret_new("Jefe", 4);
	const char *text = "what do ya want for nothing?";
	struct error err = ERROR_INIT;
	uint8_t mac[32];

	ck_assert_ok(hmac_sha256(key, text, strlen(text), mac, &err), err);
	ck_assert_mem_eq(mac, want, sizeof(want));
	ck_assert(hmac_equal(mac, want, sizeof(want)));
	mac[31] ^= 1;
	ck_assert(!hmac_equal(mac, want, sizeof(want)));
}
END_TEST

/* RFC 4648, section 10, and bytes that need the two alphabets' own digits. */
static const struct {
	const char *bytes, *base64, *base64url;
} vectors[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xfe", "+//+", "-__-" },
};

START_TEST(test_base64_of_rfc_4648)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(KIB), url = BUF_INIT(KIB);
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(KIB);

	hmac_base64(vectors[_i].bytes, strlen(vectors[_i].bytes), &text);
	ck_assert_str_eq(text.data, vectors[_i].base64);
	hmac_base64url(vectors[_i].bytes, strlen(vectors[_i].bytes), &url);
	ck_assert_str_eq(url.data, vectors[_i].base64url);
	ck_assert_int_eq(hmac_base64_decode(text.data, text.length, &bytes), 0);
	ck_assert_str_eq(bytes.data, vectors[_i].bytes);
}
END_TEST

static const char *const no_base64[] = {
	"Zg",	  "Zg=",  "Zg===", "Z===", "====", "Zh==", "Zm9=",     "Zm8=Zm8=",
	"Zm9v\n", "Zm 9", "Zm9-",  "Zm9_", "Z=9v", "=m9v", "Zm9v====",
};

START_TEST(test_base64_that_is_not_canonical_is_refused)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(KIB);

	(void)buf_append_string(&bytes, "kept");
	ck_assert_int_eq(hmac_base64_decode(no_base64[_i], strlen(no_base64[_i]), &bytes), -EINVAL);
	ck_assert_str_eq(bytes.data, "kept");
	ck_assert_int_eq(bytes.length, 4);
}
END_TEST

START_TEST(test_base64_with_a_nul_in_it_is_refused)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(KIB);

	ck_assert_int_eq(hmac_base64_decode("Zm\0v", 4, &bytes), -EINVAL);
}
END_TEST

START_TEST(test_base64_stops_at_the_buffers_cap)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(5);

	ck_assert_int_eq(hmac_base64_decode("Zm9vYmFy", 8, &bytes), -EFBIG);
	ck_assert_int_eq(bytes.length, 0);
}
END_TEST

TCase *pki_hmac_cases(void)
{
	TCase *tc = tcase_create("hmac");

	tcase_add_test(tc, test_hmac_of_rfc_4231);
	tcase_add_loop_test(tc, test_base64_of_rfc_4648, 0, ARRAY_SIZE(vectors));
	tcase_add_loop_test(tc, test_base64_that_is_not_canonical_is_refused, 0,
			    ARRAY_SIZE(no_base64));
	tcase_add_test(tc, test_base64_with_a_nul_in_it_is_refused);
	tcase_add_test(tc, test_base64_stops_at_the_buffers_cap);
	return tc;
}
