/* The versions of other hands on disk (agentd/drift.c): what survives a restart, and bounds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/drift.h"
#include "common/alloc.h"
#include "common/file.h"
#include "tests/unit/test-agentd.h"
#include "tests/unit/test-resources-world.h"

#define DRIFT "/var/lib/agentd/drift"

static struct drift *drift;

static void reopen(void)
{
	_cleanup_free_ char *path = world_path(DRIFT);

	drift_free(drift);
	drift = drift_open(path, world.ctx.clock);
}

static void setup(void)
{
	world_init();
	drift = NULL;
	reopen();
}

static void teardown(void)
{
	drift = drift_free(drift);
	world_done();
}

static int add(const char *name, const char *state, const char *theirs, struct error *err)
{
	return drift_add(drift,
			 &(struct drift_version){ .kind = "file",
						  .name = name,
						  .change = "content",
						  .state = state,
						  .theirs = theirs,
						  .theirs_length = theirs ? strlen(theirs) : 0,
						  .ours = "ours\n",
						  .ours_length = 5 },
			 err);
}

static void keep(const char *name, const char *theirs)
{
	struct error err = ERROR_INIT;

	ck_assert_msg(add(name, theirs, theirs, &err) == 1, "%s", err.message);
}

static size_t count(void)
{
	_cleanup_(value_unref) struct value *list = drift_list(drift);

	return value_count(list);
}

static int64_t newest_id(void)
{
	_cleanup_(value_unref) struct value *list = drift_list(drift);
	int64_t id = 0;

	ck_assert(value_to_int(value_get(value_item(list, 0), "id"), &id));
	return id;
}

START_TEST(test_a_version_survives_a_restart_and_nobody_else_reads_it)
{
	_cleanup_(buf_done) struct buf theirs = BUF_INIT(MIB), ours = BUF_INIT(MIB);
	_cleanup_(value_unref) struct value *about = NULL;
	_cleanup_free_ char *directory = world_path(DRIFT), *path = world_path(DRIFT "/1");
	struct error err = ERROR_INIT;
	struct stat st;

	keep("/etc/a", "theirs \x01\xff\n");
	reopen();
	ck_assert_int_eq(drift_load(drift, 1, &about, &theirs, &ours, &err), 1);
	ck_assert_str_eq(theirs.data, "theirs \x01\xff\n");
	ck_assert_str_eq(ours.data, "ours\n");
	ck_assert_str_eq(value_string_or(value_get(about, "name"), ""), "/etc/a");
	ck_assert_str_eq(value_string_or(value_get(about, "time"), ""), "2026-09-21T14:13:20Z");
	ck_assert_int_eq(stat(directory, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(drift_load(drift, 2, &about, NULL, NULL, &err), 0);
}
END_TEST

START_TEST(test_the_same_again_is_kept_once)
{
	struct error err = ERROR_INIT;

	keep("/etc/a", "one");
	ck_assert_int_eq(add("/etc/a", "one", "one", &err), 0);
	keep("/etc/b", "one");
	reopen();
	ck_assert_int_eq(add("/etc/a", "one", "one", &err), 0);
	keep("/etc/a", "two");
	keep("/etc/a", "one");
	ck_assert_uint_eq(count(), 4);
}
END_TEST

START_TEST(test_one_thing_does_not_push_out_the_others)
{
	char text[32];

	keep("/etc/a", "precious");
	for (int i = 0; i < 60; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		keep("/etc/b", text);
	}
	ck_assert_uint_eq(count(), 1 + DRIFT_VERSIONS_OF_ONE_MAX);
	ck_assert_int_eq(newest_id(), 61);
	reopen();
	ck_assert_uint_eq(count(), 1 + DRIFT_VERSIONS_OF_ONE_MAX);
	keep("/etc/b", "next");
	ck_assert_int_eq(newest_id(), 62);
}
END_TEST

START_TEST(test_versions_and_bytes_are_bounded_and_the_oldest_go)
{
	_cleanup_free_ char *big = xmalloc(DRIFT_TEXT_MAX + 1);
	struct error err = ERROR_INIT;
	char name[32];

	for (int i = 0; i < 220; i++) {
		(void)snprintf(name, sizeof(name), "/etc/%d", i);
		keep(name, "text");
	}
	ck_assert_uint_eq(count(), DRIFT_VERSIONS_MAX);
	ck_assert_int_eq(newest_id(), 220);
	memset(big, 'a', DRIFT_TEXT_MAX);
	big[DRIFT_TEXT_MAX] = '\0';
	for (int i = 0; i < 10; i++) {
		(void)snprintf(name, sizeof(name), "/big/%d", i);
		keep(name, big);
	}
	ck_assert_uint_eq(count(), 7);
	ck_assert_int_eq(drift_load(drift, 20, NULL, NULL, NULL, &err), 0);
}
END_TEST

START_TEST(test_a_damaged_version_is_left_out)
{
	static const char *const texts[] = { "", "no newline", "{\"format\":1}\nmore",
					     "{\"format\":2}\n", "[]\n" };

	keep("/etc/a", "one");
	keep("/etc/b", "one");
	world_write(DRIFT "/1", texts[_i], 0600);
	reopen();
	ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(test_what_cannot_be_kept_says_so)
{
	struct error err = ERROR_INIT;

	world_write(DRIFT, "a file in the way", 0600);
	ck_assert_int_lt(add("/etc/a", "one", "one", &err), 0);
	ck_assert_ptr_nonnull(
	    strstr(err.message, "the version of /etc/a that another hand made cannot be kept"));
}
END_TEST

START_TEST(test_a_deletion_has_no_bytes)
{
	_cleanup_(value_unref) struct value *about = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(add("/etc/a", "none", NULL, &err), 1);
	ck_assert_int_eq(drift_load(drift, 1, &about, NULL, NULL, &err), 1);
	ck_assert(!value_is_true(value_get(about, "theirs")));
	ck_assert(value_is_true(value_get(about, "ours")));
}
END_TEST

Suite *suite_agentd_drift(void)
{
	Suite *suite = suite_create("drift");
	TCase *tests = tcase_create("drift");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_a_version_survives_a_restart_and_nobody_else_reads_it);
	tcase_add_test(tests, test_the_same_again_is_kept_once);
	tcase_add_test(tests, test_one_thing_does_not_push_out_the_others);
	tcase_add_test(tests, test_versions_and_bytes_are_bounded_and_the_oldest_go);
	tcase_add_loop_test(tests, test_a_damaged_version_is_left_out, 0, 5);
	tcase_add_test(tests, test_what_cannot_be_kept_says_so);
	tcase_add_test(tests, test_a_deletion_has_no_bytes);
	suite_add_tcase(suite, tests);
	return suite;
}
