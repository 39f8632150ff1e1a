/* What the engine tells of itself. */
#include <stdio.h>
#include <string.h>

#include "agentd/engine/report.h"
#include "agentd/role.h"
#include "common/alloc.h"
#include "common/log.h"
#include "tests/unit/test-engine.h"

static enum verdict second_verdict = DRIFTED;

static enum verdict unsettled(struct context *ctx, const struct resource *row, struct why *why)
{
	(void)ctx;
	(void)row;
	why_reason(why, "NotThere");
	why_set(why, second_verdict == IN_SYNC ? "" : "it is not there");
	return second_verdict;
}

static enum verdict drifted(struct context *ctx, const struct resource *row, struct why *why)
{
	(void)ctx;
	(void)row;
	why_set(why, "the file is missing");
	return DRIFTED;
}

static struct op *never(struct task *task, struct error *err)
{
	static const struct op_kind kind = { "never", NULL, NULL };

	(void)err;
	return op_new(task_loop(task), &kind, NULL);
}

static const struct stage stages[] = { { "write the file", never, NULL }, { 0 } };
static const struct resource first = {
	.name = "first",
	.title = "a file",
	.roles = FOR_ANY,
	.observe = drifted,
	.apply = stages,
	.condition = "FileIsThere",
	.triggers = { ON_PATH("/etc/first"), EVERY(30) },
};
static const struct resource second = {
	.name = "second",
	.roles = FOR_ANY,
	.needs = { "first" },
	.observe = unsettled,
	.apply = stages,
	.condition = "SecondIsThere",
};
static const struct resource third = {
	.name = "third",
	.roles = FOR_ANY,
	.observe = unsettled,
	.condition = "SecondIsThere",
};
static const struct resource other = { .name = "other", .roles = FOR_WORKER, .observe = drifted };
static const struct resource *const rows[] = { &first, &second, &third, &other, NULL };

static struct clock_fake fake_clock;
static struct loop *loop;
static struct ledger *ledger;
static struct engine *engine;
static char directory[64];

static void nothing(void *userdata)
{
	(void)userdata;
}

static void prepare(void *userdata, int64_t wall_s)
{
	(void)userdata;
	(void)wall_s;
}

static void silent(int level, const char *scope, const char *message, void *userdata)
{
	(void)level;
	(void)scope;
	(void)message;
	(void)userdata;
}

static void setup(void)
{
	struct engine_hooks hooks = { .prepare = prepare,
				      .triggers_changed = nothing,
				      .changed = nothing };
	struct role *role = NEW(struct role);
	struct error err = ERROR_INIT;

	log_set_sink(silent, NULL);
	second_verdict = DRIFTED;
	strcpy(directory, "/tmp/agentd-report-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	clock_fake_init(&fake_clock, 1800000000);
	loop = loop_new(&fake_clock.clock);
	ck_assert_int_eq(ledger_open(directory, &ledger, &err), 0);
	engine = engine_new(loop, rows, NULL, ledger, &hooks, 1);
	role->refs = 1;
	role->kind = ROLE_CONTROL_PLANE;
	engine_set_role(engine, role, FOR_CONTROL_PLANE, 1);
	role_unref(role);
	engine_pass(engine);
	loop_once(loop, false);
}

static void teardown(void)
{
	char path[128];

	engine_free(engine);
	ledger_free(ledger);
	loop_free(loop);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/ledger.%d", directory, i);
		(void)unlink(path);
	}
	(void)rmdir(directory);
	log_set_sink(NULL, NULL);
}

static const char *text_at(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

START_TEST(test_rows_of_another_role_are_not_told)
{
	struct value *list = report_rows(engine);

	ck_assert_uint_eq(value_count(list), 3);
	ck_assert_str_eq(text_at(value_item(list, 0), "name"), "first");
	ck_assert_str_eq(text_at(value_item(list, 0), "verdict"), "drifted");
	ck_assert_str_eq(text_at(value_item(list, 0), "reason"), "the file is missing");
	ck_assert_str_eq(text_at(value_item(list, 0), "since"), "2027-01-15T08:00:00Z");
	value_unref(list);
}
END_TEST

START_TEST(test_a_running_task_is_told_by_its_stage)
{
	struct value *list = report_rows(engine);

	ck_assert_str_eq(text_at(value_item(list, 0), "stage"), "write the file");
	ck_assert_str_eq(text_at(value_item(list, 1), "waitsFor"), "first");
	value_unref(list);
}
END_TEST

START_TEST(test_the_plan_lists_stages_without_running_them)
{
	struct value *list = report_plan(engine);
	const struct value *plan = value_item(list, 1);

	ck_assert_uint_eq(value_count(list), 3);
	ck_assert_str_eq(text_at(plan, "name"), "second");
	ck_assert_str_eq(value_string(value_item(value_get(plan, "stages"), 0)), "write the file");
	value_unref(list);
}
END_TEST

START_TEST(test_explain_says_what_a_row_looks_at_and_needs)
{
	struct value *map = report_explain(engine, "second");
	struct value *triggers = report_explain(engine, "first");

	ck_assert_str_eq(text_at(value_item(value_get(map, "needs"), 0), "name"), "first");
	ck_assert_str_eq(value_string(value_item(value_get(triggers, "triggers"), 0)),
			 "path /etc/first");
	ck_assert_str_eq(value_string(value_item(value_get(triggers, "triggers"), 1)),
			 "every 30 s");
	ck_assert_ptr_null(report_explain(engine, "nobody"));
	value_unref(map);
	value_unref(triggers);
}
END_TEST

static void second_becomes(enum verdict verdict, unsigned after_s)
{
	clock_fake_advance(&fake_clock, after_s * NSEC_PER_SEC);
	second_verdict = verdict;
	(void)engine_mark(engine, "second");
	(void)engine_mark(engine, "third");
	engine_pass(engine);
}

static void check_condition(size_t index, const char *type, const char *status, const char *reason,
			    const char *message, const char *since)
{
	struct value *list = report_conditions(engine);
	const struct value *condition = value_item(list, index);

	ck_assert_uint_eq(value_count(list), 3);
	ck_assert_str_eq(text_at(condition, "type"), type);
	ck_assert_str_eq(text_at(condition, "status"), status);
	ck_assert_str_eq(text_at(condition, "reason"), reason);
	ck_assert_str_eq(text_at(condition, "message"), message);
	ck_assert_str_eq(text_at(condition, "since"), since);
	value_unref(list);
}

START_TEST(test_a_row_with_a_condition_is_one)
{
	check_condition(1, "FileIsThere", "False", "Drifted", "the file is missing",
			"2027-01-15T08:00:00Z");
	check_condition(2, "SecondIsThere", "False", "NotThere", "it is not there",
			"2027-01-15T08:00:00Z");
	second_becomes(BLOCKED, 10);
	check_condition(2, "SecondIsThere", "False", "NotThere", "it is not there",
			"2027-01-15T08:00:00Z");
	second_becomes(UNKNOWN, 10);
	check_condition(2, "SecondIsThere", "Unknown", "NotThere", "it is not there",
			"2027-01-15T08:00:20Z");
}
END_TEST

START_TEST(test_a_condition_of_two_rows_is_true_when_both_are_in_sync)
{
	second_verdict = IN_SYNC;
	(void)engine_mark(engine, "second");
	engine_pass(engine);
	check_condition(2, "SecondIsThere", "False", "NotThere", "it is not there",
			"2027-01-15T08:00:00Z");
	second_becomes(IN_SYNC, 30);
	check_condition(2, "SecondIsThere", "True", "NotThere", "", "2027-01-15T08:00:30Z");
}
END_TEST

Suite *suite_engine_report(void)
{
	Suite *suite = suite_create("engine-report");
	TCase *tests = tcase_create("report");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_rows_of_another_role_are_not_told);
	tcase_add_test(tests, test_a_running_task_is_told_by_its_stage);
	tcase_add_test(tests, test_the_plan_lists_stages_without_running_them);
	tcase_add_test(tests, test_a_row_with_a_condition_is_one);
	tcase_add_test(tests, test_a_condition_of_two_rows_is_true_when_both_are_in_sync);
	tcase_add_test(tests, test_explain_says_what_a_row_looks_at_and_needs);
	suite_add_tcase(suite, tests);
	return suite;
}
