/* Tests of common/diff.c: what `diff -u` would write. */
#include "common/diff.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/unit/test-common.h"

#define HEAD "--- a\n+++ b\n"

/* clang-format off */
static const struct {
	const char *a, *b, *diff;
} cases[] = {
	{ "same\n", "same\n", "" },
	{ "", "", "" },
	{ "", "new\n", HEAD "@@ -0,0 +1 @@\n+new\n" },
	{ "old\n", "", HEAD "@@ -1 +0,0 @@\n-old\n" },
	{ "a\nb\nc\n", "a\nB\nc\n", HEAD "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n" },
	{ "1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n6\n7\n", HEAD "@@ -4,3 +4,4 @@\n 4\n 5\n 6\n+7\n" },
	/* Six equal lines between two changes make one hunk, seven make two. */
	{ "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
	  HEAD "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n" },
	{ "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
	  HEAD "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n" },
	{ "a\n", "a", HEAD "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n" },
	{ "x\na\nb\n", "a\nb\ny\n", HEAD "@@ -1,3 +1,3 @@\n-x\n a\n b\n+y\n" },
};
/* clang-format on */

START_TEST(test_a_diff_is_as_diff_u_writes_it)
{
	_cleanup_(buf_done) struct buf diff = BUF_INIT(KIB);
	const char *a = cases[_i].a, *b = cases[_i].b;

	ck_assert_int_eq(diff_unified(a, strlen(a), "a", b, strlen(b), "b", &diff), 0);
	ck_assert_str_eq(diff.data, cases[_i].diff);
}
END_TEST

START_TEST(test_texts_that_have_little_in_common_are_one_change)
{
	_cleanup_(buf_done) struct buf a = BUF_INIT(MIB), b = BUF_INIT(MIB), diff = BUF_INIT(MIB);

	for (int i = 0; i < 3000; i++) {
		(void)buf_printf(&a, "a%d\n", i);
		(void)buf_printf(&b, "b%d\n", i);
	}
	ck_assert_int_eq(diff_unified(a.data, a.length, "a", b.data, b.length, "b", &diff), 0);
	ck_assert_ptr_nonnull(strstr(diff.data, "@@ -1,3000 +1,3000 @@\n-a0\n"));
	ck_assert_ptr_nonnull(strstr(diff.data, "\n-a2999\n+b0\n"));
}
END_TEST

START_TEST(test_a_diff_that_does_not_fit_leaves_the_buffer_as_it_was)
{
	_cleanup_(buf_done) struct buf diff = BUF_INIT(16);

	(void)buf_append_string(&diff, "before");
	ck_assert_int_eq(diff_unified("a\n", 2, "a", "b\n", 2, "b", &diff), -EFBIG);
	ck_assert_str_eq(diff.data, "before");
}
END_TEST

Suite *suite_diff(void)
{
	Suite *suite = suite_create("diff");
	TCase *tests = tcase_create("diff");

	tcase_add_loop_test(tests, test_a_diff_is_as_diff_u_writes_it, 0, ARRAY_SIZE(cases));
	tcase_add_test(tests, test_texts_that_have_little_in_common_are_one_change);
	tcase_add_test(tests, test_a_diff_that_does_not_fit_leaves_the_buffer_as_it_was);
	suite_add_tcase(suite, tests);
	return suite;
}
