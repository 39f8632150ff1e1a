/* Tests of agentd/inputs/rolefile.c: real files and inotify, a clock that stands still. */
#include "tests/unit/test-inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agentd/inputs/rolefile.h"
#include "common/alloc.h"
#include "common/file.h"

#define ETC "/etc/agentd/role.yaml"
#define RUN "/run/agentd/role.yaml"
#define LIB "/usr/lib/agentd/role.yaml"

#define MS NSEC_PER_MSEC

/* A root of its own and an owner that takes every text but those that begin with "bad". */
struct host {
	struct clock_fake clock;
	struct loop *loop;
	struct rolefile *rolefile;
	char root[64];
	char seen[FILE_DIGEST_SIZE];
	unsigned offers, reports;
	char role[100];	    /* the last text accepted */
	char reported[600]; /* "" = nothing is wrong */
	char exposed[200];  /* path, "" = none */
	int failure;	    /* what offer fails with, as a full disk does */
};

static const char *hook_seen(void *userdata)
{
	return ((struct host *)userdata)->seen;
}

static void hook_set_seen(const char *digest, void *userdata)
{
	strcpy(((struct host *)userdata)->seen, digest);
}

static int hook_offer(const char *text, size_t length, const char *path, void *userdata,
		      struct error *err)
{
	struct host *host = userdata;

	ck_assert_uint_eq(strlen(text), length);
	host->offers++;
	if (host->failure)
		return error_set(err, ERROR_STORAGE, host->failure, "cannot keep the role");
	if (strncmp(text, "bad", 3) == 0)
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s:1:1: %s", path, text);
	snprintf(host->role, sizeof(host->role), "%s", text);
	return 0;
}

static void hook_report(const char *path, const struct error *error, void *userdata)
{
	struct host *host = userdata;

	host->reports++;
	snprintf(host->reported, sizeof(host->reported), "%s", error ? error->message : "");
}

static void hook_exposed(const char *path, mode_t mode, void *userdata)
{
	struct host *host = userdata;

	ck_assert(!path || (mode & S_IROTH));
	snprintf(host->exposed, sizeof(host->exposed), "%s", path ? path : "");
}

static void host_start(struct host *host)
{
	const struct rolefile_hooks hooks = { hook_seen,   hook_set_seen, hook_offer,
					      hook_report, hook_exposed,  host };

	host->rolefile = rolefile_new(host->loop, host->root, getuid(), &hooks);
}

static void run(struct host *host)
{
	for (unsigned i = 0; i < 5; i++)
		loop_once(host->loop, false);
}

static void pass(struct host *host, uint64_t ns)
{
	run(host);
	clock_fake_advance(&host->clock, ns);
	run(host);
}

static void host_init(struct host *host)
{
	static const char *const directories[] = { "/etc/agentd", "/run/agentd",
						   "/usr/lib/agentd" };

	*host = (struct host){ .root = "/tmp/agentd-rolefile-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(host->root));
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", host->root, directories[i]);
		struct error err = ERROR_INIT;

		ck_assert_int_ge(file_make_directory(path, 0755, &err), 0);
	}
	clock_fake_init(&host->clock, 1000000);
	host->loop = loop_new(&host->clock.clock);
}

static void host_done(struct host *host)
{
	_cleanup_free_ char *command = xasprintf("rm -rf %s", host->root);

	rolefile_free(host->rolefile);
	loop_free(host->loop);
	ck_assert_int_eq(system(command), 0);
}
DEFINE_CLEANUP_VALUE(struct host, host_done)

static int open_file(const struct host *host, const char *path, mode_t mode)
{
	_cleanup_free_ char *full = xasprintf("%s%s", host->root, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void write_some(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* As an editor without temporary files does, and cloud-init. */
static void write_in_place(const struct host *host, const char *path, const char *text)
{
	int fd = open_file(host, path, 0600);

	write_some(fd, text);
	(void)close(fd);
}

static void put_by_rename(const struct host *host, const char *path, const char *text)
{
	_cleanup_free_ char *full = xasprintf("%s%s", host->root, path);
	const struct file_content content = { .path = full,
					      .bytes = text,
					      .length = strlen(text),
					      .mode = 0600,
					      .uid = (uid_t)-1,
					      .gid = (gid_t)-1 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(file_replace(&content, &err), 1);
}

static void change_mode(const struct host *host, const char *path, mode_t mode)
{
	_cleanup_free_ char *full = xasprintf("%s%s", host->root, path);

	ck_assert_int_eq(chmod(full, mode), 0);
}

static void remove_file(const struct host *host, const char *path)
{
	_cleanup_free_ char *full = xasprintf("%s%s", host->root, path);

	ck_assert_int_eq(unlink(full), 0);
}

START_TEST(test_file_that_is_there_at_the_start_is_offered_at_once)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	write_in_place(&host, ETC, "role: worker\n");
	host_start(&host);
	ck_assert_uint_eq(host.offers, 0);
	run(&host);
	ck_assert_str_eq(host.role, "role: worker\n");
	ck_assert_uint_eq(host.offers, 1);
	ck_assert_uint_eq(host.reports, 1);
	ck_assert_str_eq(host.reported, "");
}
END_TEST

START_TEST(test_file_of_this_second_is_given_time_at_the_start)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host.clock.now_s = time(NULL);
	write_in_place(&host, ETC, "role: worker\n");
	host_start(&host);
	pass(&host, 249 * MS);
	ck_assert_uint_eq(host.offers, 0);
	pass(&host, 1 * MS);
	ck_assert_uint_eq(host.offers, 1);
}
END_TEST

START_TEST(test_etc_counts_before_run_and_run_before_lib)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host_start(&host);
	put_by_rename(&host, LIB, "lib\n");
	run(&host);
	ck_assert_str_eq(host.role, "lib\n");
	put_by_rename(&host, RUN, "run\n");
	run(&host);
	ck_assert_str_eq(host.role, "run\n");
	put_by_rename(&host, ETC, "etc\n");
	run(&host);
	ck_assert_str_eq(host.role, "etc\n");
	put_by_rename(&host, RUN, "another\n");
	put_by_rename(&host, LIB, "another\n");
	run(&host);
	ck_assert_str_eq(host.role, "etc\n");
	ck_assert_uint_eq(host.offers, 3);
}
END_TEST

START_TEST(test_file_that_was_seen_is_not_offered_again)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	write_in_place(&host, ETC, "one\n");
	host_start(&host);
	run(&host);
	/* The same text written again, also after a restart, is no news. */
	write_in_place(&host, ETC, "one\n");
	pass(&host, 300 * MS);
	host.rolefile = rolefile_free(host.rolefile);
	host_start(&host);
	run(&host);
	ck_assert_uint_eq(host.offers, 1);
	put_by_rename(&host, ETC, "two\n");
	run(&host);
	ck_assert_str_eq(host.role, "two\n");
}
END_TEST

START_TEST(test_file_written_in_place_is_read_after_quiet)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host_start(&host);
	run(&host);
	write_in_place(&host, ETC, "role: worker\n");
	pass(&host, 200 * MS);
	ck_assert_uint_eq(host.offers, 0);
	/* cloud-init changes the mode last. */
	change_mode(&host, ETC, 0640);
	pass(&host, 200 * MS);
	ck_assert_uint_eq(host.offers, 0);
	pass(&host, 50 * MS);
	ck_assert_str_eq(host.role, "role: worker\n");
}
END_TEST

START_TEST(test_file_is_not_read_while_it_is_written)
{
	_cleanup_(host_done) struct host host;
	int fd;

	host_init(&host);
	host_start(&host);
	run(&host);
	fd = open_file(&host, ETC, 0600);
	write_some(fd, "first half, ");
	pass(&host, 3600 * NSEC_PER_SEC);
	rolefile_look(host.rolefile);
	run(&host);
	ck_assert_uint_eq(host.offers, 0);
	write_some(fd, "second half\n");
	pass(&host, 10 * NSEC_PER_SEC);
	ck_assert_uint_eq(host.offers, 0);
	(void)close(fd);
	pass(&host, 250 * MS);
	ck_assert_str_eq(host.role, "first half, second half\n");
}
END_TEST

START_TEST(test_renamed_file_is_read_at_once)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host_start(&host);
	run(&host);
	put_by_rename(&host, ETC, "role: worker\n");
	run(&host);
	ck_assert_str_eq(host.role, "role: worker\n");
}
END_TEST

START_TEST(test_mistake_is_reported_only_after_two_quiet_seconds)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host_start(&host);
	run(&host);
	put_by_rename(&host, ETC, "bad\n");
	pass(&host, 1999 * MS);
	ck_assert_uint_ge(host.offers, 1);
	ck_assert_str_eq(host.reported, "");
	pass(&host, 1 * MS);
	ck_assert_ptr_nonnull(strstr(host.reported, ETC ":1:1: bad"));
	ck_assert_str_eq(host.seen, "");
}
END_TEST

START_TEST(test_mistake_that_is_mended_in_time_is_never_reported)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host_start(&host);
	run(&host);
	write_in_place(&host, ETC, "bad\n");
	pass(&host, 1000 * MS);
	write_in_place(&host, ETC, "role: worker\n");
	pass(&host, 250 * MS);
	ck_assert_str_eq(host.role, "role: worker\n");
	pass(&host, 60 * NSEC_PER_SEC);
	ck_assert_str_eq(host.reported, "");
	/* Once that there was no file, once that it is fine. */
	ck_assert_uint_eq(host.reports, 2);
}
END_TEST

START_TEST(test_refused_file_is_said_once_and_mended_by_an_edit)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	write_in_place(&host, ETC, "role: worker\n");
	host_start(&host);
	run(&host);
	put_by_rename(&host, ETC, "bad\n");
	pass(&host, 2000 * MS);
	ck_assert_uint_eq(host.reports, 2);
	rolefile_look(host.rolefile);
	run(&host);
	change_mode(&host, ETC, 0640);
	pass(&host, 2000 * MS);
	ck_assert_uint_eq(host.reports, 2);
	/* The role stays as it was until the file is right. */
	ck_assert_str_eq(host.role, "role: worker\n");
	put_by_rename(&host, ETC, "role: none\n");
	run(&host);
	ck_assert_str_eq(host.role, "role: none\n");
	ck_assert_str_eq(host.reported, "");
}
END_TEST

START_TEST(test_refused_file_is_reported_again_after_a_restart)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	write_in_place(&host, ETC, "bad\n");
	host_start(&host);
	pass(&host, 2000 * MS);
	ck_assert_str_ne(host.reported, "");
	host.rolefile = rolefile_free(host.rolefile);
	host.reported[0] = '\0';
	host_start(&host);
	pass(&host, 2000 * MS);
	ck_assert_str_ne(host.reported, "");
}
END_TEST

START_TEST(test_role_of_the_socket_stays_until_the_file_is_edited)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	write_in_place(&host, ETC, "bad\n");
	host_start(&host);
	pass(&host, 2000 * MS);
	rolefile_supersede(host.rolefile);
	host.offers = 0;
	host.rolefile = rolefile_free(host.rolefile);
	host_start(&host);
	run(&host);
	ck_assert_uint_eq(host.offers, 0);
	put_by_rename(&host, ETC, "role: worker\n");
	run(&host);
	ck_assert_str_eq(host.role, "role: worker\n");
}
END_TEST

START_TEST(test_failure_that_is_not_the_files_fault_is_tried_again)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	host.failure = -ENOSPC;
	write_in_place(&host, ETC, "role: worker\n");
	host_start(&host);
	run(&host);
	ck_assert_str_eq(host.reported, "cannot keep the role");
	host.failure = 0;
	pass(&host, 9999 * MS);
	ck_assert_uint_eq(host.offers, 1);
	pass(&host, 1 * MS);
	ck_assert_str_eq(host.role, "role: worker\n");
	ck_assert_str_eq(host.reported, "");
}
END_TEST

START_TEST(test_file_that_goes_away_changes_nothing)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	write_in_place(&host, ETC, "bad\n");
	host_start(&host);
	pass(&host, 2000 * MS);
	ck_assert_str_ne(host.reported, "");
	remove_file(&host, ETC);
	run(&host);
	ck_assert_str_eq(host.reported, "");
	ck_assert_str_eq(host.role, "");
	put_by_rename(&host, ETC, "role: worker\n");
	run(&host);
	remove_file(&host, ETC);
	run(&host);
	ck_assert_str_eq(host.role, "role: worker\n");
}
END_TEST

START_TEST(test_secret_that_everybody_can_read_is_said)
{
	static const struct {
		const char *text;
		bool is_secret;
	} cases[] = {
		{ "token: abcdef.0123456789abcdef\n", true },
		{ "abcdef.0123456789abcdef", true },
		{ "endpoint: api.example.org:6443\n", false },
		{ "xabcdef.0123456789abcdef\n", false },
		{ "abcdef.0123456789abcdefx\n", false },
		{ "abcde.0123456789abcdef a.b\n", false },
		{ "-----BEGIN EC PRIVATE KEY-----\n", true },
		{ ".", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(host_done) struct host host;

		host_init(&host);
		write_in_place(&host, ETC, cases[i].text);
		host_start(&host);
		run(&host);
		ck_assert_str_eq(host.exposed, "");
		change_mode(&host, ETC, 0644);
		run(&host);
		ck_assert_msg((host.exposed[0] != '\0') == cases[i].is_secret, "%s", cases[i].text);
		change_mode(&host, ETC, 0600);
		run(&host);
		ck_assert_str_eq(host.exposed, "");
	}
}
END_TEST

/* Makes something of the name that must not be read as a role. */
static void make_hostile(const struct host *host, unsigned kind)
{
	_cleanup_free_ char *path = xasprintf("%s%s", host->root, ETC);
	_cleanup_free_ char *other = xasprintf("%s/other", host->root);

	switch (kind) {
	case 0:
		write_in_place(host, "/other", "role: worker\n");
		ck_assert_int_eq(symlink(other, path), 0);
		break;
	case 1:
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		break;
	case 2:
		ck_assert_int_eq(mkdir(path, 0755), 0);
		break;
	case 3:
		write_in_place(host, ETC, "role: worker\n");
		change_mode(host, ETC, 0620);
		break;
	case 4:
		write_in_place(host, ETC, "role: worker\n");
		ck_assert_int_eq(truncate(path, 256 * 1024 + 1), 0);
		break;
	case 5:
		write_in_place(host, ETC, "role: worker\n");
		change_mode(host, ETC, 0602);
		break;
	}
}

START_TEST(test_file_that_cannot_be_trusted_is_refused_and_not_offered)
{
	_cleanup_(host_done) struct host host;

	host_init(&host);
	make_hostile(&host, (unsigned)_i);
	host_start(&host);
	pass(&host, 2000 * MS);
	ck_assert_uint_eq(host.offers, 0);
	ck_assert_msg(strstr(host.reported, ETC) != NULL, "%d: %s", _i, host.reported);
	/* A file further down the list does not take its place. */
	put_by_rename(&host, LIB, "role: none\n");
	pass(&host, 2000 * MS);
	ck_assert_uint_eq(host.offers, 0);
}
END_TEST

Suite *rolefile_suite(void)
{
	Suite *suite = suite_create("rolefile");
	TCase *cases = tcase_create("rolefile");

	tcase_add_test(cases, test_file_that_is_there_at_the_start_is_offered_at_once);
	tcase_add_test(cases, test_file_of_this_second_is_given_time_at_the_start);
	tcase_add_test(cases, test_etc_counts_before_run_and_run_before_lib);
	tcase_add_test(cases, test_file_that_was_seen_is_not_offered_again);
	tcase_add_test(cases, test_file_written_in_place_is_read_after_quiet);
	tcase_add_test(cases, test_file_is_not_read_while_it_is_written);
	tcase_add_test(cases, test_renamed_file_is_read_at_once);
	tcase_add_test(cases, test_mistake_is_reported_only_after_two_quiet_seconds);
	tcase_add_test(cases, test_mistake_that_is_mended_in_time_is_never_reported);
	tcase_add_test(cases, test_refused_file_is_said_once_and_mended_by_an_edit);
	tcase_add_test(cases, test_refused_file_is_reported_again_after_a_restart);
	tcase_add_test(cases, test_role_of_the_socket_stays_until_the_file_is_edited);
	tcase_add_test(cases, test_failure_that_is_not_the_files_fault_is_tried_again);
	tcase_add_test(cases, test_file_that_goes_away_changes_nothing);
	tcase_add_test(cases, test_secret_that_everybody_can_read_is_said);
	tcase_add_loop_test(cases, test_file_that_cannot_be_trusted_is_refused_and_not_offered, 0,
			    6);
	suite_add_tcase(suite, cases);
	return suite;
}
