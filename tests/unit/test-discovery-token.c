/* Bootstrap tokens and the signature that is made with them. */
#include <errno.h>
#include <string.h>

#include "discovery/jws.h"
#include "tests/unit/test-discovery.h"

static int parse(const char *text, struct token *ret, struct error *err)
{
	_cleanup_(secret_unref) struct secret *secret = secret_new(text, strlen(text));

	return token_parse(secret, ret, err);
}

START_TEST(test_token_is_read_and_written_back)
{
	_cleanup_(token_done) struct token token = { 0 };
	_cleanup_(secret_unref) struct secret *text = NULL;
	struct error err = ERROR_INIT;

	ck_assert_ok(parse("07401b.f395accd246ae52d", &token, &err), err);
	ck_assert_str_eq(token.id, "07401b");
	ck_assert_str_eq(secret_bytes(token.secret), "f395accd246ae52d");
	text = token_text(&token);
	ck_assert_str_eq(secret_bytes(text), "07401b.f395accd246ae52d");
	ck_assert_uint_eq(secret_length(text), 23);
}
END_TEST

START_TEST(test_line_break_after_a_token_is_none_of_it)
{
	_cleanup_(token_done) struct token token = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse("07401b.f395accd246ae52d\n", &token, &err), err);
	ck_assert_str_eq(secret_bytes(token.secret), "f395accd246ae52d");
}
END_TEST

static const char *const malformed[] = {
	"",
	"\n",
	"07401b",
	"07401b.",
	"07401b.f395accd246ae52",
	"07401b.f395accd246ae52dd",
	"07401bf.395accd246ae52d",
	"07401b-f395accd246ae52d",
	"07401B.f395accd246ae52d",
	"07401b.F395accd246ae52d",
	" 07401b.f395accd246ae52d",
	"07401b.f395accd246ae52d ",
	"07401b.f395accd246ae52d\n\n",
	"0740_b.f395accd246ae52d",
};

START_TEST(test_malformed_token_is_refused_without_being_shown)
{
	struct token token = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(parse(malformed[_i], &token, &err), -EINVAL);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_ptr_null(token.secret);
	ck_assert_ptr_null(strcasestr(err.message, "395accd"));
	ck_assert_part(err.message, "agentctl token create");
}
END_TEST

START_TEST(test_token_with_a_nul_is_refused)
{
	_cleanup_(secret_unref) struct secret *text = secret_new("07401b.f395accd246ae5\0d", 23);
	struct token token = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(token_parse(text, &token, &err), -EINVAL);
}
END_TEST

START_TEST(test_generated_tokens_are_well_formed_and_use_the_whole_alphabet)
{
	unsigned seen[256] = { 0 };

	for (int i = 0; i < 500; i++) {
		_cleanup_(token_done) struct token token = { 0 }, again = { 0 };
		_cleanup_(secret_unref) struct secret *text = NULL;
		struct error err = ERROR_INIT;

		token_generate(&token);
		text = token_text(&token);
		ck_assert_ok(token_parse(text, &again, &err), err);
		ck_assert(secret_equal(token.secret, again.secret));
		ck_assert(!token_is_weak(&token));
		for (const char *c = secret_bytes(text); *c; c++)
			seen[(unsigned char)*c]++;
	}
	/* 11000 characters of 36: about 305 of each, and never a third more or less. */
	for (const char *c = "abcdefghijklmnopqrstuvwxyz0123456789"; *c; c++) {
		ck_assert_uint_gt(seen[(unsigned char)*c], 200);
		ck_assert_uint_lt(seen[(unsigned char)*c], 420);
	}
}
END_TEST

static const struct {
	const char *text;
	bool weak;
} strengths[] = {
	{ "abcdef.0123456789abcdef", true },  { "abcdef.1234567890123456", true },
	{ "abcdef.1234567890abcdef", true },  { "abcdef.abcdef0123456789", true },
	{ "123456.aabbccddeeffgghh", true },  { "aaaaaa.aaaaaaaaaaaaaaaa", true },
	{ "aaaaaa.0123456789aaaaaa", true },  { "x7k2p9.abababababababab", true },
	{ "x7k2p9.zyxwvutsrqponmlk", true },  { "07401b.f395accd246ae52d", true },
	{ "9a08jv.c0izixklcxtmnze7", true },  { "x7k2p9.m3q8w1z5c6v0b2n4", false },
	{ "07401b.f395accd246ae52e", false },
};

START_TEST(test_tokens_of_the_documentation_and_patterns_are_weak)
{
	_cleanup_(token_done) struct token token = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse(strengths[_i].text, &token, &err), err);
	ck_assert_msg(token_is_weak(&token) == strengths[_i].weak, "%s", strengths[_i].text);
}
END_TEST

START_TEST(test_groups_are_those_of_bootstrappers)
{
	char name[400] = "system:bootstrappers:";

	ck_assert(token_group_is_valid("system:bootstrappers:kubeadm:default-node-token"));
	ck_assert(token_group_is_valid("system:bootstrappers:a"));
	ck_assert(!token_group_is_valid("system:bootstrappers:"));
	ck_assert(!token_group_is_valid("system:bootstrappers"));
	ck_assert(!token_group_is_valid("system:masters"));
	ck_assert(!token_group_is_valid(""));
	ck_assert(!token_group_is_valid("system:bootstrappers:a:"));
	ck_assert(!token_group_is_valid("system:bootstrappers:a-"));
	ck_assert(!token_group_is_valid("system:bootstrappers:A"));
	ck_assert(!token_group_is_valid("system:bootstrappers:a,system:masters"));
	memset(name + strlen(name), 'a', 256);
	ck_assert(token_group_is_valid(name));
	name[strlen(name)] = 'a';
	ck_assert(!token_group_is_valid(name));
}
END_TEST

TCase *discovery_token_cases(void)
{
	TCase *tc = tcase_create("token");

	tcase_add_test(tc, test_token_is_read_and_written_back);
	tcase_add_test(tc, test_line_break_after_a_token_is_none_of_it);
	tcase_add_loop_test(tc, test_malformed_token_is_refused_without_being_shown, 0,
			    ARRAY_SIZE(malformed));
	tcase_add_test(tc, test_token_with_a_nul_is_refused);
	tcase_add_test(tc, test_generated_tokens_are_well_formed_and_use_the_whole_alphabet);
	tcase_add_loop_test(tc, test_tokens_of_the_documentation_and_patterns_are_weak, 0,
			    ARRAY_SIZE(strengths));
	tcase_add_test(tc, test_groups_are_those_of_bootstrappers);
	return tc;
}

/* What the controller-manager's bootstrap signer makes of this text. */
#define CONTENT "agentd\n"
#define SIGNATURE \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..Ndsfba56krjdL2uqxzO5e0Ww4PDGBZ10v4tqcfWQ2J0"

START_TEST(test_signature_is_the_controller_managers)
{
	_cleanup_(token_done) struct token token = { 0 };
	_cleanup_(buf_done) struct buf signature = BUF_INIT(KIB);
	struct error err = ERROR_INIT;

	fixture_token(&token);
	ck_assert_ok(jws_sign(&token, CONTENT, strlen(CONTENT), &signature, &err), err);
	ck_assert_str_eq(signature.data, SIGNATURE);
	ck_assert_ok(jws_verify(&token, CONTENT, strlen(CONTENT), SIGNATURE, &err), err);
}
END_TEST

START_TEST(test_every_changed_character_of_a_signature_is_seen)
{
	_cleanup_(token_done) struct token token = { 0 };
	struct error err = ERROR_INIT;

	fixture_token(&token);
	for (size_t i = 0; i < strlen(SIGNATURE); i++) {
		char changed[] = SIGNATURE;

		changed[i] ^= 1;
		ck_assert_int_eq(jws_verify(&token, CONTENT, strlen(CONTENT), changed, &err),
				 -EKEYREJECTED);
		changed[i] = '\0';
		ck_assert_int_eq(jws_verify(&token, CONTENT, strlen(CONTENT), changed, &err),
				 -EKEYREJECTED);
	}
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_int_lt(jws_verify(&token, CONTENT, strlen(CONTENT), SIGNATURE "A", &err), 0);
	ck_assert_int_lt(jws_verify(&token, "agentd", 6, SIGNATURE, &err), 0);
}
END_TEST

/* {"alg":"none"}: a header that asks for no signature gets none of its wishes. */
START_TEST(test_header_of_the_signature_is_not_believed)
{
	_cleanup_(token_done) struct token token = { 0 };
	struct error err = ERROR_INIT;

	fixture_token(&token);
	ck_assert_int_lt(
	    jws_verify(&token, CONTENT, strlen(CONTENT), "eyJhbGciOiJub25lIn0..", &err), 0);
	ck_assert_int_lt(jws_verify(&token, CONTENT, strlen(CONTENT), "..", &err), 0);
	ck_assert_int_lt(jws_verify(&token, CONTENT, strlen(CONTENT), "", &err), 0);
}
END_TEST

START_TEST(test_other_token_makes_another_signature)
{
	_cleanup_(token_done) struct token other_secret = { 0 }, other_id = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse("abcdef.0123456789abcdeg", &other_secret, &err), err);
	ck_assert_ok(parse("abcdeg.0123456789abcdef", &other_id, &err), err);
	ck_assert_int_lt(jws_verify(&other_secret, CONTENT, strlen(CONTENT), SIGNATURE, &err), 0);
	ck_assert_part(err.message, "abcdef");
	ck_assert_ptr_null(strstr(err.message, "0123456789"));
	ck_assert_int_lt(jws_verify(&other_id, CONTENT, strlen(CONTENT), SIGNATURE, &err), 0);
}
END_TEST

START_TEST(test_endless_content_is_refused)
{
	_cleanup_(token_done) struct token token = { 0 };
	_cleanup_(buf_done) struct buf signature = BUF_INIT(KIB);
	char *content = calloc(1, 64 * KIB + 1);
	struct error err = ERROR_INIT;

	fixture_token(&token);
	ck_assert_ok(jws_sign(&token, content, 64 * KIB, &signature, &err), err);
	buf_reset(&signature);
	ck_assert_int_eq(jws_sign(&token, content, 64 * KIB + 1, &signature, &err), -EFBIG);
	ck_assert_uint_eq(signature.length, 0);
	free(content);
}
END_TEST

TCase *discovery_jws_cases(void)
{
	TCase *tc = tcase_create("jws");

	tcase_add_test(tc, test_signature_is_the_controller_managers);
	tcase_add_test(tc, test_every_changed_character_of_a_signature_is_seen);
	tcase_add_test(tc, test_header_of_the_signature_is_not_believed);
	tcase_add_test(tc, test_other_token_makes_another_signature);
	tcase_add_test(tc, test_endless_content_is_refused);
	return tc;
}
