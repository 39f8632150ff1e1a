/* Tests of common/log.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/log.h"
#include "tests/unit/test-common.h"

LOG_SCOPE("test-scope");

static struct seen {
	int count, level;
	char scope[32], message[256];
} seen;

static void sink(int level, const char *scope, const char *message, void *userdata)
{
	struct seen *record = userdata;

	record->count++;
	record->level = level;
	(void)snprintf(record->scope, sizeof(record->scope), "%s", scope);
	(void)snprintf(record->message, sizeof(record->message), "%s", message);
}

static void setup(void)
{
	seen = (struct seen){ 0 };
	log_set_sink(sink, &seen);
	log_setup(LOG_INFO, true);
}

static void teardown(void)
{
	log_set_sink(NULL, NULL);
	log_setup(LOG_INFO, true);
}

START_TEST(test_record_carries_its_scope_and_level)
{
	log_warning("%s is %d", "answer", 42);
	ck_assert_int_eq(seen.count, 1);
	ck_assert_int_eq(seen.level, LOG_WARNING);
	ck_assert_str_eq(seen.scope, "test-scope");
	ck_assert_str_eq(seen.message, "answer is 42");
}
END_TEST

START_TEST(test_records_above_the_level_are_dropped)
{
	log_debug("nobody sees this");
	ck_assert_int_eq(seen.count, 0);
	log_setup(LOG_DEBUG, true);
	log_debug("everybody sees this");
	ck_assert_int_eq(seen.count, 1);
}
END_TEST

START_TEST(test_logging_keeps_errno)
{
	errno = ENOENT;
	log_info("x");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static const struct {
	const char *text, *escaped;
} escapes[] = {
	{ "plain text", "plain text" },
	{ "two\nlines\tand\rmore", "two\\nlines\\tand\\x0dmore" },
	{ "\x1b[31mred\x7f", "\\x1b[31mred\\x7f" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	{ "\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "\xc2\x9b"
	  "31m",
	  "\\xc2\\x9b31m" },				/* a C1 control character */
	{ "\xff\xc3(", "\\xff\\xc3(" },			/* no UTF-8 */
	{ "\xc0\x80", "\\xc0\\x80" },			/* overlong NUL */
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* a surrogate */
	{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },		/* overlong slash */
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond Unicode */
	{ "cut \xe2\x82", "cut \\xe2\\x82" },
};

START_TEST(test_foreign_text_cannot_speak_to_a_terminal)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);

	log_escape(escapes[_i].text, &buf);
	ck_assert_str_eq(buf.data, escapes[_i].escaped);
	log_info("%s", escapes[_i].text);
	ck_assert_str_eq(seen.message, escapes[_i].escaped);
}
END_TEST

/* Runs one record with standard error in a file, and returns what was written. */
static char *on_stderr(const struct log_field *fields, const char *message)
{
	int file = memfd_create("stderr", MFD_CLOEXEC), saved = fcntl(2, F_DUPFD_CLOEXEC, 3);
	static char text[512];
	ssize_t length;

	ck_assert_int_ge(file, 0);
	(void)dup2(file, 2);
	log_set_sink(NULL, NULL);
	log_fields(LOG_ERR, fields, "%s", message);
	(void)dup2(saved, 2);
	(void)close(saved);
	length = pread(file, text, sizeof(text) - 1, 0);
	(void)close(file);
	text[MAX(length, 0)] = '\0';
	return text;
}

START_TEST(test_stderr_gets_one_line_with_its_priority)
{
	static const struct log_field fields[] = { { "AGENTD_RESOURCE", "x" }, {} };

	ck_assert_str_eq(on_stderr(fields, "a\nb"), "<3>test-scope: a\\nb\n");
}
END_TEST

START_TEST(test_stderr_is_the_fallback_without_a_journal)
{
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	log_setup(LOG_INFO, false);
	(void)unsetenv("JOURNAL_STREAM");
	ck_assert_str_eq(on_stderr(NULL, "x"), "<3>test-scope: x\n");
}
END_TEST

/* Says that standard error is the journal's, and nothing may appear there. */
START_TEST(test_journal_gets_the_record_instead_of_stderr)
{
	static const struct log_field fields[] = { { "AGENTD_RESOURCE", "x" },
						   { "NONE", NULL },
						   {} };
	int file = memfd_create("stderr", MFD_CLOEXEC), saved = fcntl(2, F_DUPFD_CLOEXEC, 3);
	char stream[64], text[16];
	struct stat st;

	ck_assert_int_eq(fstat(file, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	(void)setenv("JOURNAL_STREAM", stream, 1);
	(void)dup2(file, 2);
	log_set_sink(NULL, NULL);
	log_setup(LOG_INFO, false);
	log_fields(LOG_DEBUG, fields, "below the level");
	log_fields(LOG_INFO, fields, "a record of agentd's unit tests");
	(void)dup2(saved, 2);
	(void)close(saved);
	(void)unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(pread(file, text, sizeof(text), 0), 0);
	(void)close(file);
}
END_TEST

Suite *suite_log(void)
{
	Suite *suite = suite_create("log");
	TCase *tests = tcase_create("log");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_record_carries_its_scope_and_level);
	tcase_add_test(tests, test_records_above_the_level_are_dropped);
	tcase_add_test(tests, test_logging_keeps_errno);
	tcase_add_loop_test(tests, test_foreign_text_cannot_speak_to_a_terminal, 0,
			    ARRAY_SIZE(escapes));
	tcase_add_test(tests, test_stderr_gets_one_line_with_its_priority);
	tcase_add_test(tests, test_stderr_is_the_fallback_without_a_journal);
	tcase_add_test(tests, test_journal_gets_the_record_instead_of_stderr);
	suite_add_tcase(suite, tests);
	return suite;
}
