/* Tests of common/json.c. */
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"
#include "tests/unit/test-common.h"

static const char *const round_trips[] = {
	"null",
	"true",
	"[]",
	"{}",
	"[[],{},[{}]]",
	"{\"b\":1,\"a\":[true,false,null]}",
	"\"\\u0001\\n\\t\\\"\\\\/\"",
	"[0,-1,1.50,1e400,18446744073709551615,1234567890123456789012345678901234567890]",
	"\"gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80\"",
};

START_TEST(test_what_was_read_is_written_again)
{
	_cleanup_(value_unref) struct value *value = NULL;
	_cleanup_(buf_done) struct buf buf = BUF_INIT(1000);
	struct error err = ERROR_INIT;
	const char *text = round_trips[_i];

	ck_assert_int_eq(json_parse(text, strlen(text), "x", &value, &err), 0);
	ck_assert_int_eq(json_write(value, 0, &buf), 0);
	ck_assert_str_eq(buf.data, text);
}
END_TEST

START_TEST(test_escapes_become_characters)
{
	_cleanup_(value_unref) struct value *value = NULL;
	struct error err = ERROR_INIT;
	const char *text = "\"\\u20ac \\ud83d\\ude00 \\\\ud800 \\/\"";

	ck_assert_int_eq(json_parse(text, strlen(text), "x", &value, &err), 0);
	ck_assert_str_eq(value_string(value), "\xe2\x82\xac \xf0\x9f\x98\x80 \\ud800 /");
}
END_TEST

static const struct {
	const char *text, *message;
} refusals[] = {
	{ "", "x:1:1: not JSON" },
	{ "{\"a\":1,\n \"b\":2,\n \"a\":3}", "x:3:8: key \"a\" is there twice" },
	{ "[1,2", "x:1:5: not JSON" },
	{ "[1] [2]", "x:1:" },
	{ "[1]x", "x:1:" },
	{ "{\"a\":}", "x:1:" },
	{ "[1,\n  x]", "x:2:" },
	{ "// comment\n1", "x:1:" },
	{ "'a'", "x:1:" },
	{ "nul", "x:1:" },
	{ "01", "x:1:" },
	{ "[1,]", "x:1:" },
	{ "\"\\u0000\"", "a string contains a NUL" },
	{ "{\"\\u0000\":1}", "a key contains a NUL" },
	{ "[1,\n\"\\ud800\"]", "x:2:2: half of a surrogate pair" },
	{ "\"\\udc00\\ud800\"", "x:1:2: half of a surrogate pair" },
	{ "\"\\uD800\\u0041\"", "x:1:2: half of a surrogate pair" },
	{ "\"\\ud800\\", "x:1:2: half of a surrogate pair" },
	{ "\"\xff\"", "x:1:" },
	{ "\"\xc3(\"", "x:1:" },
	{ "\"a\nb\"", "x:1:" },
};

START_TEST(test_what_is_no_json_is_refused_with_its_place)
{
	struct value *value = NULL;
	struct error err = ERROR_INIT;
	const char *text = refusals[_i].text;

	ck_assert_int_lt(json_parse(text, strlen(text), "x", &value, &err), 0);
	ck_assert_ptr_null(value);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_msg(strstr(err.message, refusals[_i].message) != NULL, "%s", err.message);
}
END_TEST

/* count times text, between two ends. */
static char *repeated(const char *before, const char *text, int count, const char *after)
{
	struct buf buf = BUF_INIT(16 * MIB);

	(void)buf_append_string(&buf, before);
	for (int i = 0; i < count; i++)
		(void)buf_append_string(&buf, text);
	(void)buf_append_string(&buf, after);
	return buf_take(&buf);
}

static int parse(const char *text, struct error *err)
{
	struct value *value = NULL;
	int r;

	*err = ERROR_INIT;
	r = json_parse(text, strlen(text), "x", &value, err);
	value_unref(value);
	return r;
}

START_TEST(test_depth_is_limited)
{
	_cleanup_free_ char *deep = repeated("", "[", 64, "");
	_cleanup_free_ char *closed = repeated(deep, "]", 64, "");
	_cleanup_free_ char *deeper = repeated("", "[", 1000000, "");
	struct error err;

	ck_assert_int_eq(parse(closed, &err), 0);
	ck_assert_int_lt(parse(deeper, &err), 0);
	ck_assert_str_eq(err.message, "x:1:66: nested deeper than 64");
}
END_TEST

START_TEST(test_number_of_values_is_limited)
{
	_cleanup_free_ char *many = repeated("[1", ",1", 399998, "]");
	_cleanup_free_ char *more = repeated("[1", ",1", 399999, "]");
	struct error err;

	ck_assert_int_eq(parse(many, &err), 0);
	ck_assert_int_lt(parse(more, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.message, "more than 400,000 values"));
}
END_TEST

START_TEST(test_size_is_limited)
{
	_cleanup_free_ char *large = repeated("\"", "0123456789abcdef", 8 * 65536, "\"");
	struct error err;

	ck_assert_int_eq(parse(large, &err), -EFBIG);
	ck_assert_str_eq(err.message, "x: more than 8 MiB of JSON");
}
END_TEST

/* A map of 100,000 keys must not take the square of that in comparisons. */
START_TEST(test_large_map_is_read_in_good_time)
{
	struct buf buf = BUF_INIT(8 * MIB);
	_cleanup_free_ char *text = NULL;
	struct error err;

	(void)buf_append_char(&buf, '{');
	for (int i = 0; i < 100000; i++)
		(void)buf_printf(&buf, "%s\"%d\":1", i ? "," : "", i);
	(void)buf_append_char(&buf, '}');
	text = buf_take(&buf);
	ck_assert_int_eq(parse(text, &err), 0);
}
END_TEST

START_TEST(test_indented_json_is_for_people)
{
	_cleanup_(value_unref) struct value *value = test_json("{'a':[1,{'b':{}}],'c':[]}");
	_cleanup_(buf_done) struct buf buf = BUF_INIT(1000);

	ck_assert_int_eq(json_write(value, 2, &buf), 0);
	ck_assert_str_eq(buf.data, "{\n"
				   "  \"a\": [\n"
				   "    1,\n"
				   "    {\n"
				   "      \"b\": {}\n"
				   "    }\n"
				   "  ],\n"
				   "  \"c\": []\n"
				   "}\n");
}
END_TEST

START_TEST(test_full_buffer_is_left_as_it_was)
{
	_cleanup_(value_unref) struct value *value = test_json("['0123456789']");
	_cleanup_(buf_done) struct buf buf = BUF_INIT(8);

	(void)buf_append_string(&buf, "ab");
	ck_assert_int_eq(json_write(value, 0, &buf), -EFBIG);
	ck_assert_str_eq(buf.data, "ab");
}
END_TEST

START_TEST(test_bytes_that_are_no_text_are_not_written)
{
	_cleanup_(value_unref) struct value *value = value_new_string("\xff");
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);

	ck_assert_int_eq(json_write(value, 0, &buf), -EILSEQ);
	ck_assert_str_eq(buf.data, "");
}
END_TEST

START_TEST(test_too_deep_a_value_is_not_written)
{
	_cleanup_(value_unref) struct value *value = value_new_list();
	_cleanup_(buf_done) struct buf buf = BUF_INIT(1000);

	for (int i = 0; i < 200; i++)
		value = value_append(value_new_list(), value);
	ck_assert_int_eq(json_write(value, 0, &buf), -EINVAL);
	ck_assert_str_eq(buf.data, "");
}
END_TEST

Suite *suite_json(void)
{
	Suite *suite = suite_create("json");
	TCase *tests = tcase_create("json");

	tcase_add_loop_test(tests, test_what_was_read_is_written_again, 0, ARRAY_SIZE(round_trips));
	tcase_add_test(tests, test_escapes_become_characters);
	tcase_add_loop_test(tests, test_what_is_no_json_is_refused_with_its_place, 0,
			    ARRAY_SIZE(refusals));
	tcase_add_test(tests, test_depth_is_limited);
	tcase_add_test(tests, test_number_of_values_is_limited);
	tcase_add_test(tests, test_size_is_limited);
	tcase_add_test(tests, test_large_map_is_read_in_good_time);
	tcase_add_test(tests, test_indented_json_is_for_people);
	tcase_add_test(tests, test_full_buffer_is_left_as_it_was);
	tcase_add_test(tests, test_bytes_that_are_no_text_are_not_written);
	tcase_add_test(tests, test_too_deep_a_value_is_not_written);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return suite;
}
