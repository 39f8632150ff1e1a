/* The list of rows is checked at start. */
#include <errno.h>
#include <string.h>

#include "agentd/engine/order.h"
#include "tests/unit/test-engine.h"

static enum verdict in_sync(struct context *ctx, const struct resource *row, struct why *why)
{
	(void)ctx;
	(void)row;
	(void)why;
	return IN_SYNC;
}

static const struct resource first = { .name = "first", .roles = FOR_ANY, .observe = in_sync };
static const struct resource second = {
	.name = "second", .roles = FOR_ANY, .needs = { "first" }, .observe = in_sync
};
static const struct resource blind = { .name = "blind", .roles = FOR_ANY };

START_TEST(test_needs_that_point_backwards_pass)
{
	const struct resource *const rows[] = { &first, &second, NULL };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(order_check(rows, &err), 0);
}
END_TEST

START_TEST(test_a_forward_need_is_an_error)
{
	const struct resource *const rows[] = { &second, &first, NULL };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(order_check(rows, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, "second"));
	ck_assert_int_eq(err.class, ERROR_BUG);
}
END_TEST

START_TEST(test_a_name_twice_is_an_error)
{
	const struct resource *const rows[] = { &first, &first, NULL };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(order_check(rows, &err), -EEXIST);
}
END_TEST

START_TEST(test_a_row_without_observe_is_an_error)
{
	const struct resource *const rows[] = { &blind, NULL };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(order_check(rows, &err), -EINVAL);
}
END_TEST

Suite *suite_engine_order(void)
{
	Suite *suite = suite_create("engine-order");
	TCase *tests = tcase_create("order");

	tcase_add_test(tests, test_needs_that_point_backwards_pass);
	tcase_add_test(tests, test_a_forward_need_is_an_error);
	tcase_add_test(tests, test_a_name_twice_is_an_error);
	tcase_add_test(tests, test_a_row_without_observe_is_an_error);
	suite_add_tcase(suite, tests);
	return suite;
}
