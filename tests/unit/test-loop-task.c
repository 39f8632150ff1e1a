/* Tests of common/task.c. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/macros.h"
#include "common/task.h"

/* The context of a task under test: what its stages did, and what they shall do. */
struct story {
	struct fixture f;
	char text[64];
	struct task *task;
	unsigned rounds; /* how often `again` answers STAGE_AGAIN */
	struct op *hanging;
	unsigned done;
	struct error error; /* what done got */
	bool freed;
};

static void tell(struct story *story, char letter)
{
	size_t length = strlen(story->text);

	ck_assert_uint_lt(length + 1, sizeof(story->text));
	story->text[length] = letter;
}

static void story_freed(void *context)
{
	((struct story *)context)->freed = true;
}

static void story_done(struct task *task, const struct error *error, void *userdata)
{
	struct story *story = userdata;

	ck_assert_ptr_null(task_stage(task));
	story->done++;
	if (error)
		story->error = *error;
	story->task = task_free(story->task);
}

static void story_start(struct story *story, const struct stage *stages)
{
	fixture_init(&story->f);
	story->task = task_new(story->f.loop, stages, story, story_freed, story_done, story);
}

/* Runs until the task has ended. */
static void story_run(struct story *story)
{
	while (!story->done)
		fixture_next(&story->f);
	ck_assert(story->freed);
	fixture_done(&story->f);
}

static struct op *ask(struct task *task, struct error *err)
{
	tell(task_context(task), 'a');
	return op_new_done(task_loop(task), value_new_string("reply"));
}

static int take(struct task *task, struct op *op, struct error *err)
{
	tell(task_context(task), 't');
	ck_assert_str_eq(value_string(op_value(op)), "reply");
	return STAGE_NEXT;
}

static int step(struct task *task, struct op *op, struct error *err)
{
	tell(task_context(task), 's');
	ck_assert_ptr_null(op);
	return STAGE_NEXT;
}

static int last(struct task *task, struct op *op, struct error *err)
{
	return STAGE_END;
}

static int again(struct task *task, struct op *op, struct error *err)
{
	struct story *story = task_context(task);

	tell(story, 'g');
	if (story->rounds == 0)
		return STAGE_NEXT;
	story->rounds--;
	return STAGE_AGAIN;
}

static int fall(struct task *task, struct op *op, struct error *err)
{
	return error_set(err, ERROR_TRUST, -EBADMSG, "pin does not match");
}

static struct op *nothing_to_do(struct task *task, struct error *err)
{
	tell(task_context(task), 'n');
	return NULL;
}

static struct op *cannot_start(struct task *task, struct error *err)
{
	(void)error_set(err, ERROR_CONFIG, -ENOENT, "no socket");
	return NULL;
}

static struct op *refused(struct task *task, struct error *err)
{
	struct error error = ERROR_INIT;

	(void)error_set(&error, ERROR_DENIED, -EACCES, "refused");
	return op_new_failed(task_loop(task), &error);
}

static int forgive(struct task *task, struct op *op, struct error *err)
{
	ck_assert_str_eq(op_error(op)->message, "refused");
	tell(task_context(task), 'f');
	return STAGE_NEXT;
}

static void hang_cancelled(void *impl)
{
	struct story *story = impl;

	story->hanging = NULL;
	tell(story, 'c');
}

static struct op *hang(struct task *task, struct error *err)
{
	static const struct op_kind kind = { .name = "hanging", .cancel = hang_cancelled };
	struct story *story = task_context(task);

	tell(story, 'h');
	story->hanging = op_new(task_loop(task), &kind, story);
	return story->hanging;
}

START_TEST(test_stages_run_one_after_the_other)
{
	static const struct stage stages[] = {
		{ "ask", ask, take },
		{ "step", NULL, step },
		{ "ask only", ask, NULL },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	ck_assert_str_eq(task_stage(story.task), "ask");
	ck_assert_str_eq(story.text, "");
	story_run(&story);
	ck_assert_str_eq(story.text, "atsa");
	ck_assert(!error_is_set(&story.error));
}
END_TEST

START_TEST(test_stage_with_nothing_to_do_is_skipped_without_its_finish)
{
	static const struct stage stages[] = {
		{ "nothing", nothing_to_do, take },
		{ "step", NULL, step },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	story_run(&story);
	ck_assert_str_eq(story.text, "ns");
	ck_assert(!error_is_set(&story.error));
}
END_TEST

START_TEST(test_stage_may_end_the_task)
{
	static const struct stage stages[] = {
		{ "enough", NULL, last },
		{ "step", NULL, step },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	story_run(&story);
	ck_assert_str_eq(story.text, "");
	ck_assert(!error_is_set(&story.error));
}
END_TEST

START_TEST(test_empty_table_succeeds)
{
	static const struct stage stages[] = { {} };
	struct story story = { 0 };

	story_start(&story, stages);
	story_run(&story);
	ck_assert(!error_is_set(&story.error));
}
END_TEST

START_TEST(test_again_pauses_and_starts_the_stage_anew)
{
	static const struct stage stages[] = {
		{ "poll", ask, again, .again_ms = 2000 },
		{},
	};
	struct story story = { .rounds = 2 };
	uint64_t start;

	story_start(&story, stages);
	start = story.f.clock.now_ns;
	fixture_next(&story.f);
	ck_assert_str_eq(story.text, "ag");
	clock_fake_advance(&story.f.clock, 2 * NSEC_PER_SEC - 1);
	loop_once(story.f.loop, false);
	ck_assert_str_eq(story.text, "ag");
	ck_assert_uint_eq(task_stage_since_ns(story.task), start);
	story_run(&story);
	ck_assert_str_eq(story.text, "agagag");
}
END_TEST

/* A failing stage table, and the error that its owner gets. */
static const struct failure {
	struct stage stages[2];
	enum error_class class;
	int code;
	const char *message;
} failures[] = {
	{ { { "start", cannot_start, take }, {} }, ERROR_CONFIG, -ENOENT, "start: no socket" },
	{ { { "verify", ask, fall }, {} }, ERROR_TRUST, -EBADMSG, "verify: pin does not match" },
	{ { { "check", NULL, fall }, {} }, ERROR_TRUST, -EBADMSG, "check: pin does not match" },
	{ { { "join", refused, take }, {} }, ERROR_DENIED, -EACCES, "join: refused" },
	{ { { "await certificate", hang, take }, {} },
	  ERROR_NETWORK,
	  -ETIMEDOUT,
	  "await certificate: no result after 60 s" },
	{ { { "poll", ask, again, .timeout_s = 7 }, {} },
	  ERROR_NETWORK,
	  -ETIMEDOUT,
	  "poll: no result after 7 s" },
};

START_TEST(test_failure_carries_the_name_of_its_stage)
{
	const struct failure *failure = &failures[_i];
	struct story story = { .rounds = 1000 };

	story_start(&story, failure->stages);
	story_run(&story);
	ck_assert_int_eq(story.error.class, failure->class);
	ck_assert_int_eq(story.error.code, failure->code);
	ck_assert_str_eq(story.error.message, failure->message);
}
END_TEST

START_TEST(test_timeout_cancels_what_is_in_flight)
{
	static const struct stage stages[] = { { "wait", hang, NULL, .timeout_s = 5 }, {} };
	struct story story = { 0 };

	story_start(&story, stages);
	fixture_next(&story.f);
	clock_fake_advance(&story.f.clock, 5 * NSEC_PER_SEC - 1);
	loop_once(story.f.loop, false);
	ck_assert_str_eq(story.text, "h");
	story_run(&story);
	ck_assert_str_eq(story.text, "hc");
}
END_TEST

START_TEST(test_timeout_counts_all_rounds_of_a_stage)
{
	static const struct stage stages[] = {
		{ "poll", ask, again, .again_ms = 3000, .timeout_s = 7 },
		{},
	};
	struct story story = { .rounds = 1000 };

	story_start(&story, stages);
	story_run(&story);
	ck_assert_str_eq(story.text, "agagag");
	ck_assert_int_eq(story.error.code, -ETIMEDOUT);
}
END_TEST

START_TEST(test_failure_that_is_allowed_reaches_finish)
{
	static const struct stage stages[] = {
		{ "try", refused, forgive, .may_fail = true },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	story_run(&story);
	ck_assert_str_eq(story.text, "f");
	ck_assert(!error_is_set(&story.error));
}
END_TEST

START_TEST(test_stop_waits_for_the_stage_boundary)
{
	static const struct stage stages[] = {
		{ "wait", hang, NULL },
		{ "step", NULL, step },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	fixture_next(&story.f);
	task_stop(story.task);
	loop_once(story.f.loop, false);
	ck_assert_uint_eq(story.done, 0);
	op_complete(story.hanging, NULL);
	story_run(&story);
	ck_assert_str_eq(story.text, "h");
	ck_assert_int_eq(story.error.code, -ECANCELED);
	ck_assert_str_eq(story.error.message, "step: stopped");
}
END_TEST

START_TEST(test_stop_ends_a_pause)
{
	static const struct stage stages[] = { { "poll", ask, again }, {} };
	struct story story = { .rounds = 1000 };

	story_start(&story, stages);
	fixture_next(&story.f);
	task_stop(story.task);
	ck_assert_uint_eq(story.done, 0);
	loop_once(story.f.loop, false);
	ck_assert_uint_eq(story.done, 1);
	ck_assert_int_eq(story.error.code, -ECANCELED);
	fixture_done(&story.f);
}
END_TEST

START_TEST(test_stop_ends_a_stage_that_only_waits)
{
	static const struct stage stages[] = {
		{ "wait", hang, NULL, .may_stop = true },
		{ "step", NULL, step },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	fixture_next(&story.f);
	task_stop(story.task);
	ck_assert_uint_eq(story.done, 0);
	story_run(&story);
	ck_assert_str_eq(story.text, "hc");
	ck_assert_int_eq(story.error.code, -ECANCELED);
}
END_TEST

START_TEST(test_stop_in_the_last_stage_changes_nothing)
{
	static const struct stage stages[] = { { "wait", hang, NULL }, {} };
	struct story story = { 0 };

	story_start(&story, stages);
	fixture_next(&story.f);
	task_stop(story.task);
	op_complete(story.hanging, NULL);
	story_run(&story);
	ck_assert(!error_is_set(&story.error));
}
END_TEST

START_TEST(test_freed_task_cancels_and_never_reports)
{
	static const struct stage stages[] = { { "wait", hang, NULL }, {} };
	struct story story = { 0 };

	story_start(&story, stages);
	fixture_next(&story.f);
	ck_assert_uint_eq(task_stage_since_ns(story.task), story.f.clock.now_ns);
	story.task = task_free(story.task);
	loop_once(story.f.loop, false);
	ck_assert_str_eq(story.text, "hc");
	ck_assert_uint_eq(story.done, 0);
	ck_assert(story.freed);
	fixture_done(&story.f);
}
END_TEST

START_TEST(test_descriptors_get_their_turn_between_stages)
{
	static const struct stage stages[] = {
		{ "one", NULL, step },
		{ "two", NULL, step },
		{},
	};
	struct story story = { 0 };

	story_start(&story, stages);
	loop_once(story.f.loop, true);
	ck_assert_str_eq(story.text, "s");
	loop_once(story.f.loop, true);
	ck_assert_str_eq(story.text, "ss");
	story_run(&story);
}
END_TEST

Suite *task_suite(void)
{
	Suite *suite = suite_create("task");
	TCase *tcase = tcase_create("task");

	tcase_add_test(tcase, test_stages_run_one_after_the_other);
	tcase_add_test(tcase, test_stage_with_nothing_to_do_is_skipped_without_its_finish);
	tcase_add_test(tcase, test_stage_may_end_the_task);
	tcase_add_test(tcase, test_empty_table_succeeds);
	tcase_add_test(tcase, test_again_pauses_and_starts_the_stage_anew);
	tcase_add_loop_test(tcase, test_failure_carries_the_name_of_its_stage, 0,
			    ARRAY_SIZE(failures));
	tcase_add_test(tcase, test_timeout_cancels_what_is_in_flight);
	tcase_add_test(tcase, test_timeout_counts_all_rounds_of_a_stage);
	tcase_add_test(tcase, test_failure_that_is_allowed_reaches_finish);
	tcase_add_test(tcase, test_stop_waits_for_the_stage_boundary);
	tcase_add_test(tcase, test_stop_ends_a_pause);
	tcase_add_test(tcase, test_stop_ends_a_stage_that_only_waits);
	tcase_add_test(tcase, test_stop_in_the_last_stage_changes_nothing);
	tcase_add_test(tcase, test_freed_task_cancels_and_never_reports);
	tcase_add_test(tcase, test_descriptors_get_their_turn_between_stages);
	suite_add_tcase(suite, tcase);
	return suite;
}
