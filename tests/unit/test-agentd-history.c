/* The history of the node (agentd/history.c): what survives a restart, bounds, and what is never
 * told. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/history.h"
#include "common/alloc.h"
#include "common/json.h"
#include "common/log.h"
#include "tests/unit/test-agentd.h"
#include "tests/unit/test-resources-world.h"

#define HISTORY "/var/lib/agentd/history.json"

static struct history *history;

static void reopen(void)
{
	_cleanup_free_ char *path = world_path(HISTORY);

	history_free(history);
	history = history_open(world.ctx.loop, path);
}

static void setup(void)
{
	world_init();
	log_setup(LOG_EMERG, true);
	history = NULL;
	reopen();
}

static void teardown(void)
{
	history = history_free(history);
	world_done();
}

/* The list as JSON, for comparing. */
static char *list_of(const char *resource)
{
	_cleanup_(value_unref) struct value *list = history_list(history, 0, resource);
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);

	ck_assert_int_eq(json_write(list, 0, &text), 0);
	return buf_take(&text);
}

static const char *newest_message(char *buffer, size_t size)
{
	_cleanup_(value_unref) struct value *list = history_list(history, 0, NULL);
	const struct value *entry = value_item(list, value_count(list) - 1);

	(void)snprintf(buffer, size, "%s", value_string_or(value_get(entry, "message"), ""));
	return buffer;
}

static size_t count(void)
{
	_cleanup_(value_unref) struct value *list = history_list(history, 0, NULL);

	return value_count(list);
}

START_TEST(test_the_history_survives_a_restart)
{
	_cleanup_free_ char *before = NULL, *after = NULL, *path = world_path(HISTORY);
	struct stat st;

	history_add(history, "Repaired", "kubelet-config", "mode of %s", "/x");
	clock_fake_advance(&world.clock, 5 * NSEC_PER_SEC);
	history_add(history, "Renewed", "cert-apiserver", "until 2027");
	before = list_of(NULL);
	reopen();
	after = list_of(NULL);
	ck_assert_str_eq(before, after);
	ck_assert_ptr_nonnull(strstr(after, "\"message\":\"mode of /x\""));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(test_the_same_again_counts_up_and_is_the_newest)
{
	_cleanup_free_ char *text = NULL;

	history_add(history, "Repaired", "a", "deleted");
	history_add(history, "Repaired", "b", "deleted");
	clock_fake_advance(&world.clock, 60 * NSEC_PER_SEC);
	history_add(history, "Repaired", "a", "deleted");
	ck_assert_uint_eq(count(), 2);
	text = list_of("a");
	ck_assert_str_eq(
	    text, "[{\"time\":\"2026-09-21T14:14:20Z\",\"type\":\"Repaired\",\"resource\":\"a\","
		  "\"message\":\"deleted\",\"count\":2,\"firstTime\":\"2026-09-21T14:13:20Z\"}]");
	/* Another message between makes another entry. */
	history_add(history, "Repaired", "a", "chmod");
	history_add(history, "Repaired", "a", "deleted");
	ck_assert_uint_eq(count(), 4);
}
END_TEST

START_TEST(test_since_and_resource_select)
{
	_cleanup_(value_unref) struct value *late = NULL, *other = NULL;

	history_add(history, "Renewed", "a", "one");
	clock_fake_advance(&world.clock, 3600 * NSEC_PER_SEC);
	history_add(history, "Renewed", "a", "two");
	late = history_list(history, WORLD_NOW + 1, "a");
	other = history_list(history, 0, "b");
	ck_assert_uint_eq(value_count(late), 1);
	ck_assert_uint_eq(value_count(other), 0);
}
END_TEST

START_TEST(test_a_storm_is_bounded_in_entries_bytes_and_writes)
{
	_cleanup_free_ char *path = world_path(HISTORY);
	_cleanup_(buf_done) struct buf long_text = BUF_INIT(4 * KIB);
	struct stat first, st;

	while (long_text.length < 2000)
		(void)buf_append_string(&long_text, "\x01 word ");
	history_add(history, "Repaired", "a", "first");
	clock_fake_advance(&world.clock, 3 * NSEC_PER_SEC);
	loop_once(world.ctx.loop, false);
	ck_assert_int_eq(stat(path, &first), 0);
	for (int i = 0; i < 5000; i++)
		history_add(history, "Repaired", "a", "%d %s", i, long_text.data);
	clock_fake_advance(&world.clock, 5 * NSEC_PER_SEC);
	loop_once(world.ctx.loop, false);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_ino, first.st_ino);
	clock_fake_advance(&world.clock, 7 * NSEC_PER_SEC);
	loop_once(world.ctx.loop, false);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_ne(st.st_ino, first.st_ino);
	ck_assert_int_le(st.st_size, HISTORY_BYTES_MAX + 4096);
	ck_assert_uint_le(count(), HISTORY_ENTRIES_MAX);
	ck_assert_uint_gt(count(), 100);
}
END_TEST

START_TEST(test_a_damaged_history_is_an_empty_one)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);

	history_add(history, "Renewed", "a", "one");
	reopen();
	world_read(HISTORY, &text);
	text.data[text.length / 2] ^= 1;
	world_write(HISTORY, text.data, 0600);
	reopen();
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* clang-format off */
static const struct {
	const char *said, *kept;
} secrets[] = {
	{ "token q3ob5z.7tq1m2zk9x0c4w8d expired",    "token q3ob5z.(secret) expired" },
	{ "token q3ob5z expired",                     "token q3ob5z expired" },
	{ "key -----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ", "key (PEM)" },
	{ "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9abcdef", "Bearer (secret)" },
	{ "key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff end",
	  "key (secret) end" },
	{ "pin sha256:1111111111111111111111111111111111111111111111111111111111111111",
	  "pin sha256:1111111111111111111111111111111111111111111111111111111111111111" },
	{ "/etc/kubernetes/pki/apiserver-kubelet-client.crt has mode 0644, not 0600",
	  "/etc/kubernetes/pki/apiserver-kubelet-client.crt has mode 0644, not 0600" },
	{ "/var/lib/kubelet/pki/kubelet-client-2026-11-25-04-19-04.pem is a link",
	  "/var/lib/kubelet/pki/kubelet-client-2026-11-25-04-19-04.pem is a link" },
	{ "line\nand \x1b[31m colour",                "line\\nand \\x1b[31m colour" },
	{ "serial 4004b6a66d90480b846ac7456ea06027",  "serial 4004b6a66d90480b846ac7456ea06027" },
};
/* clang-format on */

START_TEST(test_what_looks_like_a_secret_is_not_kept)
{
	char kept[1024];

	history_add(history, "Refused", "a", "%s", secrets[_i].said);
	ck_assert_str_eq(newest_message(kept, sizeof(kept)), secrets[_i].kept);
}
END_TEST

START_TEST(test_without_a_history_nothing_happens)
{
	_cleanup_(value_unref) struct value *list = NULL;

	history_add(NULL, "Renewed", "a", "one");
	list = history_list(NULL, 0, NULL);
	ck_assert_uint_eq(value_count(list), 0);
}
END_TEST

Suite *suite_agentd_history(void)
{
	Suite *suite = suite_create("history");
	TCase *tests = tcase_create("history");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_the_history_survives_a_restart);
	tcase_add_test(tests, test_the_same_again_counts_up_and_is_the_newest);
	tcase_add_test(tests, test_since_and_resource_select);
	tcase_add_test(tests, test_a_storm_is_bounded_in_entries_bytes_and_writes);
	tcase_add_test(tests, test_a_damaged_history_is_an_empty_one);
	tcase_add_loop_test(tests, test_what_looks_like_a_secret_is_not_kept, 0,
			    ARRAY_SIZE(secrets));
	tcase_add_test(tests, test_without_a_history_nothing_happens);
	suite_add_tcase(suite, tests);
	return suite;
}
