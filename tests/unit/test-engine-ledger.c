/* The ledger survives restarts and damage. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/engine/ledger.h"
#include "common/alloc.h"
#include "tests/unit/test-engine.h"

static char directory[64];

static void setup(void)
{
	strcpy(directory, "/tmp/agentd-ledger-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void teardown(void)
{
	char path[128];

	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/ledger.%d", directory, i);
		(void)unlink(path);
	}
	(void)rmdir(directory);
}

static struct ledger *open_ledger(void)
{
	struct error err = ERROR_INIT;
	struct ledger *ledger = NULL;

	ck_assert_int_eq(ledger_open(directory, &ledger, &err), 0);
	return ledger;
}

static void save(struct ledger *ledger)
{
	struct error err = ERROR_INIT;

	ck_assert_int_eq(ledger_save(ledger, &err), 0);
}

START_TEST(test_what_was_saved_is_there_after_a_restart)
{
	struct ledger *ledger = open_ledger();

	ck_assert_int_eq(ledger_get(ledger, "a"), LEDGER_ABSENT);
	ledger_set(ledger, "a", LEDGER_PENDING);
	ledger_set_note(ledger, "a", "digest", "abc");
	ledger_set(ledger, "b", LEDGER_APPLIED);
	save(ledger);
	ledger_free(ledger);

	ledger = open_ledger();
	ck_assert_int_eq(ledger_get(ledger, "a"), LEDGER_PENDING);
	ck_assert_str_eq(ledger_note(ledger, "a", "digest"), "abc");
	ck_assert_int_eq(ledger_get(ledger, "b"), LEDGER_APPLIED);
	ck_assert_ptr_null(ledger_note(ledger, "b", "digest"));
	ledger_free(ledger);
}
END_TEST

START_TEST(test_a_note_can_be_taken_back)
{
	struct ledger *ledger = open_ledger();

	ledger_set_note(ledger, "a", "k", "v");
	ledger_set_note(ledger, "a", "k", NULL);
	ck_assert_ptr_null(ledger_note(ledger, "a", "k"));
	save(ledger);
	ledger_free(ledger);
}
END_TEST

static void flip_byte(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char c;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

START_TEST(test_a_damaged_file_leaves_the_generation_before)
{
	char path[128];
	struct stat st;

	struct ledger *ledger = open_ledger();

	ledger_set(ledger, "a", LEDGER_PENDING);
	save(ledger); /* generation 1, ledger.1 */
	ledger_set(ledger, "a", LEDGER_APPLIED);
	save(ledger); /* generation 2, ledger.0 */
	ledger_free(ledger);

	(void)snprintf(path, sizeof(path), "%s/ledger.0", directory);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		flip_byte(path, at);
		ledger = open_ledger();
		/* The end of line between digest and content carries no meaning. */
		if (at != 64)
			ck_assert_int_eq(ledger_get(ledger, "a"), LEDGER_PENDING);
		ledger_free(ledger);
		flip_byte(path, at);
	}
	ledger = open_ledger();
	ck_assert_int_eq(ledger_get(ledger, "a"), LEDGER_APPLIED);
	ledger_free(ledger);
}
END_TEST

START_TEST(test_nothing_is_written_where_nothing_changed)
{
	struct ledger *ledger = open_ledger();
	char path[128];
	struct stat before, after;

	ledger_set(ledger, "a", LEDGER_APPLIED);
	save(ledger);
	(void)snprintf(path, sizeof(path), "%s/ledger.1", directory);
	ck_assert_int_eq(stat(path, &before), 0);
	ledger_set(ledger, "a", LEDGER_APPLIED);
	save(ledger);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ledger_free(ledger);
}
END_TEST

Suite *suite_engine_ledger(void)
{
	Suite *suite = suite_create("engine-ledger");
	TCase *tests = tcase_create("ledger");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_what_was_saved_is_there_after_a_restart);
	tcase_add_test(tests, test_a_note_can_be_taken_back);
	tcase_add_test(tests, test_a_damaged_file_leaves_the_generation_before);
	tcase_add_test(tests, test_nothing_is_written_where_nothing_changed);
	suite_add_tcase(suite, tests);
	return suite;
}
