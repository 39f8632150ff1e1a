/* Tests of common/backoff.c. */
#include "tests/unit/test-loop.h"

#include <errno.h>

#include "common/backoff.h"
#include "common/macros.h"

static struct error error_of(enum error_class class)
{
	return (struct error){ .code = -EIO, .class = class };
}

/* The longest waits of a class: first, second, and after many failures. */
static const struct expectation {
	enum error_class class;
	uint64_t first_ms, second_ms, last_ms;
	uint64_t least_first_ms; /* the shortest first wait */
} expectations[] = {
	{ ERROR_NETWORK, 1000, 2000, 60000, 100 },
	{ ERROR_THROTTLED, 1000, 2000, 120000, 750 },
	{ ERROR_DENIED, 10000, 20000, 300000, 7500 },
	{ ERROR_TRUST, 30000, 60000, 600000, 22500 },
	{ ERROR_PENDING, 1000, 2000, 300000, 750 },
	{ ERROR_BUS, 100, 200, 5000, 100 },
	{ ERROR_STORAGE, 10000, 20000, 300000, 10000 },
};

START_TEST(test_each_class_waits_by_its_row)
{
	const struct expectation *expected = &expectations[_i];
	struct backoff backoff = BACKOFF_INIT;
	struct error error = error_of(expected->class);
	uint64_t wait = 0;

	ck_assert_uint_eq(backoff_next(&backoff, &error, UINT32_MAX),
			  expected->first_ms * NSEC_PER_MSEC);
	ck_assert_uint_eq(backoff_next(&backoff, &error, UINT32_MAX),
			  expected->second_ms * NSEC_PER_MSEC);
	for (unsigned i = 0; i < 100; i++)
		wait = backoff_next(&backoff, &error, UINT32_MAX);
	ck_assert_uint_eq(wait, expected->last_ms * NSEC_PER_MSEC);
	ck_assert_uint_eq(backoff.failures, 102);
	backoff_reset(&backoff);
	ck_assert_uint_eq(backoff.failures, 0);
	ck_assert_uint_eq(backoff_next(&backoff, &error, 0),
			  expected->least_first_ms * NSEC_PER_MSEC);
}
END_TEST

START_TEST(test_a_node_that_joins_waits_half_as_long_for_a_server)
{
	const struct expectation *expected = &expectations[_i];
	uint64_t last_ms =
	    expected->class == ERROR_NETWORK ? expected->last_ms / 2 : expected->last_ms;
	struct backoff backoff = BACKOFF_INIT;
	struct error error = error_of(expected->class);
	uint64_t wait = 0;

	ck_assert_uint_eq(backoff_next_joining(&backoff, &error, UINT32_MAX),
			  expected->first_ms * NSEC_PER_MSEC);
	for (unsigned i = 0; i < 100; i++)
		wait = backoff_next_joining(&backoff, &error, UINT32_MAX);
	ck_assert_uint_eq(wait, last_ms * NSEC_PER_MSEC);
}
END_TEST

START_TEST(test_nothing_is_retried_before_the_role_changes)
{
	static const enum error_class classes[] = { ERROR_CONFIG, ERROR_BUG };
	struct backoff backoff = BACKOFF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct error error = error_of(classes[i]);

		ck_assert_uint_eq(backoff_next(&backoff, &error, 0), UINT64_MAX);
		ck_assert_uint_eq(backoff_next(&backoff, &error, UINT32_MAX), UINT64_MAX);
	}
}
END_TEST

START_TEST(test_what_the_server_asked_for_is_kept_and_stretched)
{
	struct backoff backoff = BACKOFF_INIT;
	struct error error = error_of(ERROR_THROTTLED);

	error.retry_after_ms = 8000;
	ck_assert_uint_eq(backoff_next(&backoff, &error, 0), 8 * NSEC_PER_SEC);
	ck_assert_uint_eq(backoff_next(&backoff, &error, UINT32_MAX), 10 * NSEC_PER_SEC);
	error.retry_after_ms = 3600000;
	ck_assert_uint_eq(backoff_next(&backoff, &error, 0), 120 * NSEC_PER_SEC);
}
END_TEST

START_TEST(test_another_class_starts_from_its_first_wait)
{
	struct backoff backoff = BACKOFF_INIT;
	struct error bus = error_of(ERROR_BUS), denied = error_of(ERROR_DENIED);

	for (unsigned i = 0; i < 5; i++)
		(void)backoff_next(&backoff, &bus, 0);
	ck_assert_uint_eq(backoff_next(&backoff, &denied, UINT32_MAX), 10 * NSEC_PER_SEC);
	ck_assert_int_eq(backoff.class, ERROR_DENIED);
	ck_assert_uint_eq(backoff.failures, 1);
}
END_TEST

START_TEST(test_network_waits_are_spread_over_the_whole_range)
{
	struct error error = error_of(ERROR_NETWORK);
	unsigned below_half = 0;

	for (uint32_t i = 0; i < 64; i++) {
		struct backoff backoff = { .class = ERROR_NETWORK, .failures = 20 };
		uint64_t wait = backoff_next(&backoff, &error, i << 26);

		ck_assert_uint_ge(wait, 100 * NSEC_PER_MSEC);
		ck_assert_uint_le(wait, 60 * NSEC_PER_SEC);
		below_half += wait < 30 * NSEC_PER_SEC;
	}
	ck_assert_uint_eq(below_half, 32);
}
END_TEST

Suite *backoff_suite(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tcase = tcase_create("backoff");

	tcase_add_loop_test(tcase, test_each_class_waits_by_its_row, 0, ARRAY_SIZE(expectations));
	tcase_add_loop_test(tcase, test_a_node_that_joins_waits_half_as_long_for_a_server, 0,
			    ARRAY_SIZE(expectations));
	tcase_add_test(tcase, test_nothing_is_retried_before_the_role_changes);
	tcase_add_test(tcase, test_what_the_server_asked_for_is_kept_and_stretched);
	tcase_add_test(tcase, test_another_class_starts_from_its_first_wait);
	tcase_add_test(tcase, test_network_waits_are_spread_over_the_whole_range);
	suite_add_tcase(suite, tcase);
	return suite;
}
