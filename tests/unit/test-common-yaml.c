/* Tests of common/yaml.c and common/yaml-scalar.c. The files in tests/unit/common/ were written by
 * the real kubeadm 1.36.3, or by sigs.k8s.io/yaml 1.6.0 for configmap.yaml and strings.yaml. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/yaml-scalar.h"
#include "common/yaml.h"
#include "tests/unit/test-common.h"

static const char *const golden[] = {
	"cluster-configuration",
	"configmap",
	"etcd",
	"init-configuration",
	"kube-apiserver",
	"kube-proxy-configuration",
	"kubeconfig",
	"kubelet-configuration",
	"strings",
};

START_TEST(test_documents_of_kubeadm_are_written_byte_for_byte)
{
	_cleanup_free_ char *path =
	    xasprintf(TEST_SOURCE_DIRECTORY "/unit/common/%s.yaml", golden[_i]);
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB), written = BUF_INIT(64 * KIB);
	_cleanup_(value_unref) struct value *value = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(file_read(path, &text, &err), 1);
	ck_assert_int_eq(yaml_parse_one(text.data, text.length, path, &value, &err), 0);
	ck_assert_int_eq(yaml_write(value, &written), 0);
	ck_assert_str_eq(written.data, text.data);

	/* Their keys are sorted already. */
	value = value_sort_keys(value);
	buf_reset(&written);
	ck_assert_int_eq(yaml_write(value, &written), 0);
	ck_assert(strcmp(golden[_i], "strings") == 0 || strcmp(written.data, text.data) == 0);
}
END_TEST

/* Plain scalars and what kubeadm's reader makes of them, as JSON. */
static const struct {
	const char *text, *json;
} scalars[] = {
	{ "", "null" },
	{ "~", "null" },
	{ "NULL", "null" },
	{ "nULL", "\"nULL\"" },
	{ "yes", "true" },
	{ "Off", "false" },
	{ "y", "true" },
	{ "oN", "\"oN\"" },
	{ "0", "0" },
	{ "-0", "0" },
	{ "+12", "12" },
	{ "017", "15" },
	{ "0o17", "15" },
	{ "08", "8" },
	{ "0x1F", "31" },
	{ "-0b101", "-5" },
	{ "0b102", "\"0b102\"" },
	{ "0x", "\"0x\"" },
	{ "1_000", "1000" },
	{ "_1", "\"_1\"" },
	{ "9223372036854775807", "9223372036854775807" },
	{ "-9223372036854775808", "-9223372036854775808" },
	{ "18446744073709551615", "18446744073709551615" },
	{ "18446744073709551616", "18446744073709551616" },
	{ "0x1ffffffffffffffff", "\"0x1ffffffffffffffff\"" },
	{ "1.5", "1.5" },
	{ "1.0", "1" },
	{ "1.", "1" },
	{ ".5", "0.5" },
	{ "-.5e-3", "-0.5e-3" },
	{ "+007.50", "7.50" },
	{ "-.0", "0" },
	{ "-00.00", "0" },
	{ "-0.5", "-0.5" },
	{ "1e3", "1e3" },
	{ ".", "\".\"" },
	{ "1e", "\"1e\"" },
	{ "1.2.3", "\"1.2.3\"" },
	{ "+-1", "\"+-1\"" },
	{ "12:30", "\"12:30\"" },
	{ "2001-01-01", "\"2001-01-01\"" },
	{ "=", "\"=\"" },
	{ "'017'", "\"017\"" },
	{ "\"yes\"", "\"yes\"" },
	{ "!!str 5", "\"5\"" },
	{ "!!int \"5\"", "5" },
	{ "!!float 5", "5" },
	{ "!!bool yes", "true" },
	{ "!!null ''", "null" },
	{ "v1.36.3", "\"v1.36.3\"" },
	{ "8760h0m0s", "\"8760h0m0s\"" },
	{ "--foo=bar", "\"--foo=bar\"" },
};

START_TEST(test_plain_scalars_mean_what_kubeadm_takes_them_for)
{
	_cleanup_free_ char *text = xasprintf("a: %s\n", scalars[_i].text);
	_cleanup_(buf_done) struct buf json = BUF_INIT(1000);
	_cleanup_(value_unref) struct value *value = NULL;
	struct error err = ERROR_INIT;
	int r;

	r = yaml_parse_one(text, strlen(text), "x", &value, &err);
	ck_assert_msg(r == 0, "%s", err.message);
	ck_assert_int_eq(json_write(value_get(value, "a"), 0, &json), 0);
	ck_assert_str_eq(json.data, scalars[_i].json);
}
END_TEST

/* What other readers of YAML 1.1 take for a time or a number, and what only looks like it. */
static const struct {
	const char *text;
	bool plain;
} strings[] = {
	{ "2001-12-14t21:59:43.1Z", false },
	{ "2001-12-14T21:59:43,123+01:00", false },
	{ "2001-12-14T1:2:3-25:00", true },
	{ "2001-12-14T1:2:3+1:00", true },
	{ "2001-12-14 21:59:43 Z", true },
	{ "2001-12-14T21:59:43", true },
	{ "2001-12-14T24:00:00Z", true },
	{ "2001-12-14T1:60:00Z", true },
	{ "2001-12-14T1:2:60Z", true },
	{ "2001-12-14T1:2", true },
	{ "2001-12-14 1:2:3.", true },
	{ "2001-13-01", true },
	{ "2001-00-01", true },
	{ "2001-04-31", true },
	{ "2000-02-29", false },
	{ "1900-02-29", true },
	{ "20011-02-01", true },
	{ "2001-1", true },
	{ "-1:30", false },
	{ "1:60", true },
	{ "1:", true },
	{ "1:2x", true },
	{ "1:30.5_0", false },
	{ "1:2:3:4", false },
	{ "+a", true },
	{ "<<", false },
};

START_TEST(test_strings_that_look_like_times_and_numbers_are_quoted)
{
	ck_assert_int_eq(yaml_scalar_is_plain_string(strings[_i].text), strings[_i].plain);
}
END_TEST

static const struct {
	const char *text, *message;
} refusals[] = {
	{ "a: &x 1\n", "x:1:4: anchors (&x) are not supported" },
	{ "a:\n  - &x {}\n", "x:2:5: anchors (&x) are not supported" },
	{ "a: *x\n", "x:1:4: aliases (*x) are not supported" },
	{ "a: !!binary YQ==\n", "x:1:4: the tag tag:yaml.org,2002:binary is not supported" },
	{ "a: !local b\n", "x:1:4: the tag !local is not supported" },
	{ "a: !!map []\n", "x:1:4: a list is tagged as a map" },
	{ "a: !!int b\n", "x:1:4: a string is tagged as a number" },
	{ "<<: {a: 1}\n", "x:1:1: merge keys (<<) are not supported" },
	{ "a: 1\nb: 2\na: 3\n", "x:3:1: \"a\" is there twice, first in line 1" },
	{ "x: {b: 1, a: 2, b: 3}\n", "x:1:17: \"b\" is there twice, first in line 1" },
	{ "1: a\n", "x:1:1: the key 1 is a number: put it in quotes" },
	{ "a: 1\non: b\n", "x:2:1: the key on is a boolean: put it in quotes" },
	{ "~: b\n", "x:1:1: the key ~ is null: put it in quotes" },
	{ "[a]: b\n", "x:1:1: a list is used as a key" },
	{ "{a: b}: c\n", "x:1:1: a map is used as a key" },
	{ "a: .inf\n", "x:1:4: .inf is not a number that can be kept" },
	{ "a: \"b\\0c\"\n", "x:1:4: a text contains a NUL" },
	{ "\"a\\0\": b\n", "x:1:1: a text contains a NUL" },
	{ "ok: 1\na: \x01\n", "x:2:4: the control character U+0001" },
	{ "a: \xc2\x9f\n", "x:1:4: the control character U+009F" },
	{ "a: \xef\xbf\xbf\n", "x:1:4: the control character U+FFFF" },
	{ "\xc3\xbc: \xff\n", "x:1:4: bytes that are not UTF-8" },
	{ "a: \xe2\x82", "x:1:4: bytes that are not UTF-8" },
	{ "a: [1, 2\nb: 3\n", "x:2:2: did not find expected ',' or ']' while parsing a flow" },
	{ "a: \"b\n", "x:2:1: found unexpected end of stream while scanning a quoted scalar" },
	{ "a:\n\t- b\n", "x:2:1: found character that cannot start any token" },
	{ "a: b: c\n", "x:1:5: mapping values are not allowed in this context" },
	{ "a: @b\n", "x:1:4: found character that cannot start any token" },
	{ "- a\nb: c\n", "x:2:1: did not find expected '-' indicator" },
	{ "%YAML 2.0\n--- a\n", "x:1:1: found incompatible YAML document" },
};

START_TEST(test_what_is_refused_is_named_with_its_place)
{
	struct value *value = NULL;
	struct error err = ERROR_INIT;
	const char *text = refusals[_i].text;

	ck_assert_int_lt(yaml_parse(text, strlen(text), "x", &value, &err), 0);
	ck_assert_ptr_null(value);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_msg(strncmp(err.message, refusals[_i].message, strlen(refusals[_i].message)) == 0,
		      "%s", err.message);
}
END_TEST

START_TEST(test_nul_byte_is_refused)
{
	struct value *value = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_lt(yaml_parse("a: b\0c", 6, "x", &value, &err), 0);
	ck_assert_str_eq(err.message, "x:1:5: the control character U+0000");
}
END_TEST

START_TEST(test_places_of_keys_and_values_are_kept)
{
	_cleanup_(value_unref) struct value *value = NULL;
	struct error err = ERROR_INIT;
	const char *text = "# comment\na: b\nlist:\n  - x: \xc3\xbc\n    \"y\": [1]\n";
	const struct value *item;

	ck_assert_int_eq(yaml_parse_one(text, strlen(text), "x", &value, &err), 0);
	ck_assert_uint_eq(value_line(value), 2);
	ck_assert_uint_eq(value_key_line(value, 1), 3);
	ck_assert_uint_eq(value_column(value_get(value, "a")), 4);
	item = value_item(value_get(value, "list"), 0);
	ck_assert_uint_eq(value_key_line(item, 1), 5);
	ck_assert_uint_eq(value_key_column(item, 1), 5);
	ck_assert_uint_eq(value_line(value_item(value_get(item, "y"), 0)), 5);
	ck_assert_uint_eq(value_column(value_item(value_get(item, "y"), 0)), 11);
}
END_TEST

static const struct {
	const char *text;
	size_t count;
} streams[] = {
	{ "", 0 },
	{ "# only a comment\n", 0 },
	{ "---\n---\n...\n", 0 },
	{ "a: 1\n---\n# nothing\n---\nb: 2\n", 2 },
	{ "--- {a: 1}\n--- [x]\n--- text\n", 3 },
	{ "\xef\xbb\xbf"
	  "a: 1\n",
	  1 },
	{ "{\"a\": [1, true, null, \"x\\/y\\u00fc\"]}", 1 },
	{ "a: 1\r\n---\r\nb: 2\r\n", 2 },
};

START_TEST(test_every_document_that_is_not_empty_counts)
{
	_cleanup_(value_unref) struct value *value = NULL;
	struct error err = ERROR_INIT;
	const char *text = streams[_i].text;
	int r;

	r = yaml_parse(text, strlen(text), "x", &value, &err);
	ck_assert_msg(r == 0, "%s", err.message);
	ck_assert_int_eq(value_type(value), VALUE_LIST);
	ck_assert_uint_eq(value_count(value), streams[_i].count);
}
END_TEST

START_TEST(test_one_document_is_neither_none_nor_two)
{
	struct value *value = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_lt(yaml_parse_one("---\n", 4, "x", &value, &err), 0);
	ck_assert_str_eq(err.message, "x: no document in it");
	err = ERROR_INIT;
	ck_assert_int_lt(yaml_parse_one("a: 1\n---\nb: 2\n", 14, "x", &value, &err), 0);
	ck_assert_str_eq(err.message, "x:3: a second document, where one is wanted");
	ck_assert_ptr_null(value);
}
END_TEST

static int parse_repeated(const char *before, const char *text, size_t count, struct error *err)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(2 * MIB);
	struct value *value = NULL;
	int r;

	(void)buf_append_string(&buf, before);
	for (size_t i = 0; i < count; i++)
		(void)buf_append_string(&buf, text);
	r = yaml_parse(buf.data, buf.length, "x", &value, err);
	value_unref(value);
	return r;
}

/* Each would take libyaml very long, or us much memory, if nobody stopped it. */
static const struct {
	const char *before, *text;
	size_t count;
	const char *message;
} hostile[] = {
	{ "", "[", 200000, "nested deeper than 32" },
	{ "", "{a: ", 60000, "nested deeper than 32" },
	{ "", "- ", 100000, "nested deeper than 32" },
	{ "", "? ", 100000, "a map is used as a key" },
	{ "[", "a, ", 12000, "more than 10,000 values" },
	{ "", "- a\n", 12000, "more than 10,000 values" },
	{ "", "0123456789abcdef", 16385, "x: more than 256 KiB of YAML" },
	{ "a: ", "!", 100000, "" },
	{ "a: ", "&x", 100000, "" },
	{ "", "a: b\n", 4000, "\"a\" is there twice" },
	{ "", "---\n", 60000, "more than 10,000 values" },
};

START_TEST(test_hostile_texts_are_refused_at_once)
{
	struct error err = ERROR_INIT;

	ck_assert_int_lt(
	    parse_repeated(hostile[_i].before, hostile[_i].text, hostile[_i].count, &err), 0);
	ck_assert_msg(strstr(err.message, hostile[_i].message) != NULL, "%s", err.message);
}
END_TEST

START_TEST(test_limits_can_be_reached)
{
	struct error err = ERROR_INIT;

	ck_assert_int_eq(parse_repeated("", "- a\n", 9999, &err), 0);
	ck_assert_int_lt(parse_repeated("", "- a\n", 10000, &err), 0);
	err = ERROR_INIT;
	ck_assert_int_eq(parse_repeated("", "- ", 32, &err), 0);
	ck_assert_int_lt(parse_repeated("", "- ", 33, &err), 0);
}
END_TEST

/* Texts in every style that the emitter knows, and the odd line breaks that only one style keeps.
 */
static const char *const round_trips[] = {
	"'\\u0085'",
	"'a\\u2028b\\nc'",
	"'\\ufeff'",
	"'a\\r\\nb'",
	"'\\u0001'",
	"' \\n '",
	"'\\n\\n a'",
	"'\\ud83d\\ude00'",
	"{'a\\nb':[{'c\\n':'d\\n\\n'}]}",
	"[[[]],[{}],[[],[{'':''}]]]",
	"'---'",
	"'...'",
	"{'--- a':'--- b\\n--- c'}",
	"'# a'",
	"[' a\\nb','\\ta\\nb\\n']",
};

START_TEST(test_what_was_written_is_read_again)
{
	_cleanup_(value_unref) struct value *value = test_json(round_trips[_i]);
	_cleanup_(value_unref) struct value *again = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(1000);
	struct error err = ERROR_INIT;
	int r;

	ck_assert_int_eq(yaml_write(value, &text), 0);
	r = yaml_parse_one(text.data, text.length, "x", &again, &err);
	ck_assert_msg(r == 0, "%s in %s", err.message, text.data);
	ck_assert_msg(value_equal(value, again), "%s", text.data);
}
END_TEST

START_TEST(test_long_strings_are_not_wrapped)
{
	_cleanup_(value_unref) struct value *value = value_new_list();
	_cleanup_(buf_done) struct buf text = BUF_INIT(1000), word = BUF_INIT(1000);

	for (int i = 0; i < 50; i++)
		(void)buf_append_string(&word, i ? " word" : "word");
	value = value_append(value, value_new_string(word.data));
	ck_assert_int_eq(yaml_write(value, &text), 0);
	ck_assert_uint_eq(text.length, word.length + strlen("- \n"));
}
END_TEST

START_TEST(test_full_buffer_is_left_as_it_was)
{
	_cleanup_(value_unref) struct value *value = test_json("['0123456789']");
	_cleanup_(buf_done) struct buf buf = BUF_INIT(8);

	(void)buf_append_string(&buf, "ab");
	ck_assert_int_eq(yaml_write(value, &buf), -EFBIG);
	ck_assert_str_eq(buf.data, "ab");
}
END_TEST

START_TEST(test_bytes_that_are_no_text_are_not_written)
{
	_cleanup_(value_unref) struct value *value = value_new_map();
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);

	value = value_put(value, "a", value_new_string("\xff"));
	ck_assert_int_eq(yaml_write(value, &buf), -EILSEQ);
	ck_assert_str_eq(buf.data, "");
}
END_TEST

START_TEST(test_documents_are_written_one_after_the_other)
{
	_cleanup_(value_unref) struct value *value = test_json("{'a':'b\\n\\n'}");
	_cleanup_(value_unref) struct value *documents = NULL;
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(yaml_write(value, &buf), 0);
	(void)buf_append_string(&buf, "---\n");
	ck_assert_int_eq(yaml_write(value, &buf), 0);
	ck_assert_str_eq(buf.data, "a: |+\n  b\n\n---\na: |+\n  b\n\n");
	ck_assert_int_eq(yaml_parse(buf.data, buf.length, "x", &documents, &err), 0);
	ck_assert_uint_eq(value_count(documents), 2);
	ck_assert(value_equal(value_item(documents, 0), value));
}
END_TEST

Suite *suite_yaml(void)
{
	Suite *suite = suite_create("yaml");
	TCase *tests = tcase_create("yaml");

	tcase_add_loop_test(tests, test_documents_of_kubeadm_are_written_byte_for_byte, 0,
			    ARRAY_SIZE(golden));
	tcase_add_loop_test(tests, test_plain_scalars_mean_what_kubeadm_takes_them_for, 0,
			    ARRAY_SIZE(scalars));
	tcase_add_loop_test(tests, test_strings_that_look_like_times_and_numbers_are_quoted, 0,
			    ARRAY_SIZE(strings));
	tcase_add_loop_test(tests, test_what_is_refused_is_named_with_its_place, 0,
			    ARRAY_SIZE(refusals));
	tcase_add_test(tests, test_nul_byte_is_refused);
	tcase_add_test(tests, test_places_of_keys_and_values_are_kept);
	tcase_add_loop_test(tests, test_every_document_that_is_not_empty_counts, 0,
			    ARRAY_SIZE(streams));
	tcase_add_test(tests, test_one_document_is_neither_none_nor_two);
	tcase_add_loop_test(tests, test_hostile_texts_are_refused_at_once, 0, ARRAY_SIZE(hostile));
	tcase_add_test(tests, test_limits_can_be_reached);
	tcase_add_loop_test(tests, test_what_was_written_is_read_again, 0, ARRAY_SIZE(round_trips));
	tcase_add_test(tests, test_long_strings_are_not_wrapped);
	tcase_add_test(tests, test_full_buffer_is_left_as_it_was);
	tcase_add_test(tests, test_bytes_that_are_no_text_are_not_written);
	tcase_add_test(tests, test_documents_are_written_one_after_the_other);
	suite_add_tcase(suite, tests);
	return suite;
}
