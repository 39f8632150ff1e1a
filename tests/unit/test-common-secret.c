/* Tests of common/secret.c. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "common/alloc.h"
#include "common/secret.h"
#include "tests/unit/test-common.h"

START_TEST(test_secret_keeps_its_bytes)
{
	_cleanup_(secret_unref) struct secret *secret = secret_new("ab\0cd", 5);

	ck_assert_uint_eq(secret_length(secret), 5);
	ck_assert_mem_eq(secret_bytes(secret), "ab\0cd\0", 6);
}
END_TEST

START_TEST(test_taken_source_is_gone)
{
	_cleanup_(secret_unref) struct secret *secret = secret_new_take(xstrdup("hunter2"), 7);

	ck_assert_str_eq(secret_bytes(secret), "hunter2");
}
END_TEST

START_TEST(test_secret_is_left_out_of_core_files)
{
	_cleanup_(secret_unref) struct secret *secret = secret_new("hunter2", 7);
	unsigned long start = 0, end = 0;
	bool is_ours = false, is_left_out = false;
	char line[512];
	FILE *maps = fopen("/proc/self/smaps", "re");

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long address = (unsigned long)secret_bytes(secret);

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_ours = address >= start && address < end;
		else if (is_ours && strncmp(line, "VmFlags:", 8) == 0)
			is_left_out = strstr(line, " dd") != NULL;
	}
	(void)fclose(maps);
	ck_assert(is_left_out);
}
END_TEST

START_TEST(test_secret_is_counted)
{
	struct secret *secret = secret_new("x", 1);
	struct secret *second = secret_ref(secret);

	ck_assert_ptr_null(secret_unref(secret));
	ck_assert_str_eq(secret_bytes(second), "x");
	ck_assert_ptr_null(secret_unref(second));
	ck_assert_ptr_null(secret_unref(NULL));
	ck_assert_ptr_null(secret_ref(NULL));
}
END_TEST

START_TEST(test_comparison_sees_every_byte_and_the_length)
{
	_cleanup_(secret_unref) struct secret *a = secret_new("abcd", 4);
	_cleanup_(secret_unref) struct secret *same = secret_new("abcd", 4);
	_cleanup_(secret_unref) struct secret *other = secret_new("abce", 4);
	_cleanup_(secret_unref) struct secret *shorter = secret_new("abc", 3);
	_cleanup_(secret_unref) struct secret *empty = secret_new("", 0);

	ck_assert(secret_equal(a, same));
	ck_assert(!secret_equal(a, other));
	ck_assert(!secret_equal(a, shorter));
	ck_assert(secret_equal(empty, empty));
}
END_TEST

START_TEST(test_wiped_memory_is_zero)
{
	char text[] = "hunter2";

	secret_wipe(text, sizeof(text));
	ck_assert_mem_eq(text, "\0\0\0\0\0\0\0\0", 8);
	secret_wipe(NULL, 0);
}
END_TEST

START_TEST(test_random_text_uses_the_whole_alphabet_and_nothing_else)
{
	_cleanup_(secret_unref) struct secret *a = secret_random_text(20000);
	_cleanup_(secret_unref) struct secret *b = secret_random_text(20000);
	unsigned seen[256] = { 0 };

	ck_assert_uint_eq(strlen(secret_bytes(a)), 20000);
	ck_assert(!secret_equal(a, b));
	for (size_t i = 0; i < 20000; i++)
		seen[(unsigned char)secret_bytes(a)[i]]++;
	/* 555 of each are expected; 300 is more than ten standard deviations away. */
	for (int c = 0; c < 256; c++) {
		bool allowed = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');

		ck_assert_msg(allowed ? seen[c] > 300 && seen[c] < 900 : seen[c] == 0,
			      "%c: %u times", c, seen[c]);
	}
}
END_TEST

Suite *suite_secret(void)
{
	Suite *suite = suite_create("secret");
	TCase *tests = tcase_create("secret");

	tcase_add_test(tests, test_secret_keeps_its_bytes);
	tcase_add_test(tests, test_taken_source_is_gone);
	tcase_add_test(tests, test_secret_is_left_out_of_core_files);
	tcase_add_test(tests, test_secret_is_counted);
	tcase_add_test(tests, test_comparison_sees_every_byte_and_the_length);
	tcase_add_test(tests, test_wiped_memory_is_zero);
	tcase_add_test(tests, test_random_text_uses_the_whole_alphabet_and_nothing_else);
	suite_add_tcase(suite, tests);
	return suite;
}
