/* Tests of the small modules of common/: alloc, error, buf, strv, names, clock. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/names.h"
#include "common/strv.h"
#include "tests/unit/test-common.h"

struct value *test_json(const char *text)
{
	_cleanup_free_ char *json = xstrdup(text);
	struct error err = ERROR_INIT;
	struct value *value = NULL;
	int r;

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	r = json_parse(json, strlen(json), "test", &value, &err);
	ck_assert_msg(r == 0, "%s", err.message);
	return value;
}

START_TEST(test_allocation_is_zeroed_and_never_null)
{
	_cleanup_free_ char *block = xcalloc(16, 1);
	_cleanup_free_ void *nothing = xmalloc(0);

	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(block[i], 0);
	ck_assert_ptr_nonnull(nothing);
}
END_TEST

START_TEST(test_overflowing_allocation_aborts)
{
	(void)!xreallocarray(NULL, SIZE_MAX / 2, 4);
}
END_TEST

START_TEST(test_copies_of_nothing_are_nothing)
{
	_cleanup_free_ char *part = xstrndup("abcdef", 3);
	_cleanup_free_ char *block = xmemdup("ab\0cd", 5);

	ck_assert_ptr_null(xstrdup(NULL));
	ck_assert_ptr_null(xstrndup(NULL, 3));
	ck_assert_ptr_null(xmemdup(NULL, 3));
	ck_assert_str_eq(part, "abc");
	ck_assert_mem_eq(block, "ab\0cd", 5);
}
END_TEST

START_TEST(test_error_names_the_object_first)
{
	struct error err = ERROR_INIT;

	ck_assert(!error_is_set(&err));
	ck_assert_int_eq(error_errno(&err, ERROR_STORAGE, -ENOSPC, "write"), -ENOSPC);
	ck_assert_int_eq(error_wrap(&err, -ENOSPC, "role file %s", "x.yaml"), -ENOSPC);
	ck_assert(error_is_set(&err));
	ck_assert_int_eq(err.code, -ENOSPC);
	ck_assert_int_eq(err.class, ERROR_STORAGE);
	ck_assert_str_eq(err.message, "role file x.yaml: write: No space left on device");
}
END_TEST

START_TEST(test_error_keeps_the_front_of_a_long_message)
{
	struct error err = ERROR_INIT;
	char text[600];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)error_set(&err, ERROR_BUG, -EINVAL, "%s", text);
	ck_assert_uint_eq(strlen(err.message), sizeof(err.message) - 1);
	(void)error_wrap(&err, -EINVAL, "front");
	ck_assert_uint_eq(strlen(err.message), sizeof(err.message) - 1);
	ck_assert_int_eq(strncmp(err.message, "front: aaa", 10), 0);
}
END_TEST

START_TEST(test_full_disk_is_a_storage_error)
{
	ck_assert_int_eq(error_class_of_errno(-ENOSPC), ERROR_STORAGE);
	ck_assert_int_eq(error_class_of_errno(-EROFS), ERROR_STORAGE);
	ck_assert_int_eq(error_class_of_errno(-EACCES), ERROR_CONFIG);
}
END_TEST

START_TEST(test_every_error_class_has_a_name)
{
	for (int class = 0; class < _ERROR_CLASS_MAX; class ++)
		ck_assert_str_ne(error_class_name((enum error_class) class), "?");
	ck_assert_str_eq(error_class_name(_ERROR_CLASS_MAX), "?");
}
END_TEST

START_TEST(test_empty_buffer_is_a_string)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(10);
	_cleanup_free_ char *text = NULL;

	ck_assert_str_eq(buf.data, "");
	buf_reset(&buf);
	buf_consume(&buf, 0);
	buf_truncate(&buf, 0);
	text = buf_take(&buf);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(test_buffer_refuses_to_pass_its_cap)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(5);

	ck_assert_int_eq(buf_append(&buf, "abc", 3), 0);
	ck_assert_int_eq(buf_append(&buf, "def", 3), -EFBIG);
	ck_assert(buf.overflow);
	ck_assert_str_eq(buf.data, "abc");
	ck_assert_int_eq(buf_append_string(&buf, "de"), 0);
	ck_assert_str_eq(buf.data, "abcde");
	ck_assert_int_eq(buf_append_char(&buf, 'f'), -EFBIG);
	ck_assert(buf.overflow);
	buf_reset(&buf);
	ck_assert(!buf.overflow);
	ck_assert_int_eq(buf_append(&buf, "x", SIZE_MAX), -EFBIG);
}
END_TEST

START_TEST(test_buffer_is_always_terminated)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(10000);

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(buf_printf(&buf, "%d", i % 10), 0);
	ck_assert_uint_eq(buf.length, 1000);
	ck_assert_uint_eq(strlen(buf.data), 1000);
	buf_consume(&buf, 995);
	ck_assert_str_eq(buf.data, "56789");
	buf_truncate(&buf, 2);
	ck_assert_str_eq(buf.data, "56");
}
END_TEST

START_TEST(test_taking_leaves_an_empty_buffer)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	_cleanup_free_ char *text = NULL;

	(void)buf_append_string(&buf, "text");
	text = buf_take(&buf);
	ck_assert_str_eq(text, "text");
	ck_assert_str_eq(buf.data, "");
	ck_assert_int_eq(buf_append_string(&buf, "more"), 0);
	ck_assert_str_eq(buf.data, "more");
}
END_TEST

START_TEST(test_list_of_strings_owns_copies)
{
	_cleanup_(strv_done) struct strv list = STRV_INIT;
	_cleanup_(strv_done) struct strv copy = STRV_INIT;
	char text[] = "b";
	int seen = 0;

	STRV_FOREACH(item, &list)
		seen++;
	ck_assert_int_eq(seen, 0);

	strv_add(&list, text);
	text[0] = 'x';
	strv_addf(&list, "%c%d", 'a', 1);
	strv_add_unique(&list, "b");
	strv_add_unique(&list, "c");
	strv_copy(&copy, &list);
	strv_sort(&copy);
	ck_assert_uint_eq(list.count, 3);
	ck_assert_str_eq(list.items[0], "b");
	ck_assert_str_eq(copy.items[0], "a1");
	ck_assert_ptr_null(copy.items[3]);
	ck_assert(strv_contains(&copy, "c"));
	ck_assert(!strv_contains(&copy, "x"));
	STRV_FOREACH(item, &list)
		seen++;
	ck_assert_int_eq(seen, 3);
}
END_TEST

START_TEST(test_split_drops_blanks_and_empty_items)
{
	_cleanup_(strv_done) struct strv list = STRV_INIT;
	_cleanup_free_ char *joined = NULL, *nothing = NULL;
	_cleanup_(strv_done) struct strv empty = STRV_INIT;

	strv_split(&list, " a, ,b c ,,d\n", ',');
	joined = strv_join(&list, "|");
	nothing = strv_join(&empty, "|");
	ck_assert_str_eq(joined, "a|b c|d");
	ck_assert_str_eq(nothing, "");
}
END_TEST

static const char *const fruits[] = { "apple", "banana", NULL, "cherry" };

START_TEST(test_names_go_both_ways)
{
	ck_assert_str_eq(names_text(fruits, 4, 1), "banana");
	ck_assert_str_eq(names_text(fruits, 4, 2), "?");
	ck_assert_str_eq(names_text(fruits, 4, -1), "?");
	ck_assert_str_eq(names_text(fruits, 4, 4), "?");
	ck_assert_int_eq(names_value(fruits, 4, "cherry"), 3);
	ck_assert_int_eq(names_value(fruits, 4, "melon"), -1);
	ck_assert_int_eq(names_value(fruits, 4, NULL), -1);
}
END_TEST

START_TEST(test_nearest_name_is_within_two_edits)
{
	char long_text[200];

	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	ck_assert_str_eq(names_nearest(fruits, 4, "aple"), "apple");
	ck_assert_str_eq(names_nearest(fruits, 4, "chery"), "cherry");
	ck_assert_str_eq(names_nearest(fruits, 4, "banyanas"), "banana");
	ck_assert_ptr_null(names_nearest(fruits, 4, "melon"));
	ck_assert_ptr_null(names_nearest(fruits, 4, long_text));
}
END_TEST

START_TEST(test_fake_clock_stands_still_until_told)
{
	struct clock_fake fake;

	clock_fake_init(&fake, 1000);
	ck_assert_uint_eq(clock_ns(&fake.clock), 0);
	ck_assert_int_eq(clock_wall(&fake.clock), 1000);
	clock_fake_advance(&fake, 2500 * NSEC_PER_MSEC);
	ck_assert_uint_eq(clock_ns(&fake.clock), 2500 * NSEC_PER_MSEC);
	ck_assert_int_eq(clock_wall(&fake.clock), 1002);
}
END_TEST

START_TEST(test_system_clock_runs)
{
	uint64_t first = clock_ns(clock_system());

	ck_assert_uint_gt(first, 0);
	ck_assert_uint_ge(clock_ns(clock_system()), first);
	ck_assert_int_gt(clock_wall(clock_system()), 1600000000);
}
END_TEST

Suite *suite_basics(void)
{
	Suite *suite = suite_create("basics");
	TCase *tests = tcase_create("basics");

	tcase_add_test(tests, test_allocation_is_zeroed_and_never_null);
	tcase_add_test(tests, test_copies_of_nothing_are_nothing);
	/* Without a process of its own, the abort would end the whole program. */
	if (!getenv("CK_FORK") || strcmp(getenv("CK_FORK"), "no") != 0)
		tcase_add_test_raise_signal(tests, test_overflowing_allocation_aborts, SIGABRT);
	tcase_add_test(tests, test_error_names_the_object_first);
	tcase_add_test(tests, test_error_keeps_the_front_of_a_long_message);
	tcase_add_test(tests, test_full_disk_is_a_storage_error);
	tcase_add_test(tests, test_every_error_class_has_a_name);
	tcase_add_test(tests, test_empty_buffer_is_a_string);
	tcase_add_test(tests, test_buffer_refuses_to_pass_its_cap);
	tcase_add_test(tests, test_buffer_is_always_terminated);
	tcase_add_test(tests, test_taking_leaves_an_empty_buffer);
	tcase_add_test(tests, test_list_of_strings_owns_copies);
	tcase_add_test(tests, test_split_drops_blanks_and_empty_items);
	tcase_add_test(tests, test_names_go_both_ways);
	tcase_add_test(tests, test_nearest_name_is_within_two_edits);
	tcase_add_test(tests, test_fake_clock_stands_still_until_told);
	tcase_add_test(tests, test_system_clock_runs);
	suite_add_tcase(suite, tests);
	return suite;
}
