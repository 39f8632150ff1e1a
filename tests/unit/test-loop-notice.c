/* Tests of common/notice.c on a directory below /tmp. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/macros.h"
#include "common/notice.h"

struct world {
	struct fixture f;
	char top[64];
	struct notice *notice;
	struct buf log; /* "C config;W config;": changed, being written */
};

static void noticed(const char *path, enum notice_kind kind, void *userdata)
{
	struct world *world = userdata;

	ck_assert_int_eq(strncmp(path, world->top, strlen(world->top)), 0);
	(void)buf_printf(&world->log, "%c %s;", kind == NOTICE_CHANGED ? 'C' : 'W',
			 path + strlen(world->top) + 1);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void world_init(struct world *world)
{
	*world = (struct world){ .top = "/tmp/agentd-notice-XXXXXX", .log = BUF_INIT(64 * KIB) };
	ck_assert_ptr_nonnull(mkdtemp(world->top));
	fixture_init(&world->f);
	world->notice = notice_new(world->f.loop, noticed, world);
}

static void world_done(struct world *world)
{
	notice_free(world->notice);
	fixture_done(&world->f);
	(void)nftw(world->top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	buf_done(&world->log);
}
DEFINE_CLEANUP_VALUE(struct world, world_done)

/* The full path of a name; valid until the fourth call after this one. */
static const char *at(const struct world *world, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", world->top, name);
	return path;
}

static void watch(struct world *world, const char *name)
{
	notice_watch(world->notice, at(world, name));
}

static void make_directory(struct world *world, const char *name)
{
	ck_assert_int_eq(mkdir(at(world, name), 0755), 0);
}

static void move(struct world *world, const char *from, const char *to)
{
	ck_assert_int_eq(rename(at(world, from), at(world, to)), 0);
}

static int open_for_writing(struct world *world, const char *name)
{
	int fd = open(at(world, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void make_file(struct world *world, const char *name)
{
	int fd = open_for_writing(world, name);

	ck_assert_int_eq(write(fd, "x", 1), 1);
	(void)close(fd);
}

/* What was reported since the last call. */
static const char *seen(struct world *world)
{
	static char text[4096];

	for (unsigned i = 0; i < 3; i++)
		loop_once(world->f.loop, false);
	(void)snprintf(text, sizeof(text), "%s", world->log.data);
	buf_reset(&world->log);
	return text;
}

START_TEST(test_file_written_in_place_is_first_being_written_then_changed)
{
	_cleanup_(world_done) struct world w;
	int fd;

	world_init(&w);
	watch(&w, "config");
	ck_assert_str_eq(seen(&w), "");
	fd = open_for_writing(&w, "config");
	ck_assert_str_eq(seen(&w), "W config;");
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_str_eq(seen(&w), "W config;");
	(void)close(fd);
	ck_assert_str_eq(seen(&w), "C config;");
	/* All of it at once: the reader must know that it was no rename. */
	make_file(&w, "config");
	ck_assert_str_eq(seen(&w), "W config;C config;");
	/* Closed, and already being written again. */
	make_file(&w, "config");
	fd = open_for_writing(&w, "config");
	ck_assert_int_eq(write(fd, "y", 1), 1);
	ck_assert_str_eq(seen(&w), "C config;W config;");
	(void)close(fd);
}
END_TEST

START_TEST(test_whole_changes_are_never_being_written)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	make_file(&w, "other");
	watch(&w, "config");
	move(&w, "other", "config");
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(chmod(at(&w, "config"), 0640), 0);
	ck_assert_str_eq(seen(&w), "C config;");
	move(&w, "config", "other");
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(link(at(&w, "other"), at(&w, "config")), 0);
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(unlink(at(&w, "config")), 0);
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(symlink("other", at(&w, "config")), 0);
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(symlink("elsewhere", at(&w, "new")), 0);
	move(&w, "new", "config");
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(unlink(at(&w, "config")), 0);
	make_directory(&w, "config");
	ck_assert_str_eq(seen(&w), "C config;");
}
END_TEST

START_TEST(test_neighbours_are_not_reported_and_reading_is_no_change)
{
	_cleanup_(world_done) struct world w;
	int fd;

	world_init(&w);
	make_file(&w, "config");
	watch(&w, "config");
	watch(&w, "config");
	make_file(&w, "config2");
	make_file(&w, "con");
	ck_assert_str_eq(seen(&w), "");
	fd = open(at(&w, "config"), O_RDONLY);
	(void)close(fd);
	ck_assert_str_eq(seen(&w), "");
	make_file(&w, "config");
	ck_assert_str_eq(seen(&w), "W config;C config;");
}
END_TEST

START_TEST(test_missing_parents_may_appear_one_by_one)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	watch(&w, "etc/kubernetes/pki/ca.crt");
	make_directory(&w, "etc");
	ck_assert_str_eq(seen(&w), "");
	make_directory(&w, "etc/kubernetes");
	ck_assert_str_eq(seen(&w), "");
	make_directory(&w, "etc/kubernetes/pki");
	ck_assert_str_eq(seen(&w), "C etc/kubernetes/pki/ca.crt;");
	make_file(&w, "etc/kubernetes/pki/ca.crt");
	ck_assert_str_eq(seen(&w), "W etc/kubernetes/pki/ca.crt;C etc/kubernetes/pki/ca.crt;");
}
END_TEST

START_TEST(test_missing_parents_may_appear_all_at_once)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	watch(&w, "etc/kubernetes/pki/ca.crt");
	watch(&w, "etc/kubernetes/manifests/");
	make_directory(&w, "etc");
	make_directory(&w, "etc/kubernetes");
	make_directory(&w, "etc/kubernetes/pki");
	make_file(&w, "etc/kubernetes/pki/ca.crt");
	ck_assert_str_eq(seen(&w), "C etc/kubernetes/pki/ca.crt;");

	/* Moved in as a whole. */
	move(&w, "etc", "gone");
	ck_assert_str_eq(seen(&w), "C etc/kubernetes/pki/ca.crt;");
	make_directory(&w, "gone/kubernetes/manifests");
	move(&w, "gone", "etc");
	ck_assert_str_eq(seen(&w), "C etc/kubernetes/pki/ca.crt;C etc/kubernetes/manifests/;");
}
END_TEST

START_TEST(test_parents_moved_away_are_noticed_at_any_height)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	make_directory(&w, "a");
	make_directory(&w, "a/b");
	make_directory(&w, "a/b/c");
	make_file(&w, "a/b/c/file");
	watch(&w, "a/b/c/file");
	move(&w, "a", "a.bak");
	ck_assert_str_eq(seen(&w), "C a/b/c/file;");
	/* What happens to the old one is nobody's business now. */
	make_file(&w, "a.bak/b/c/file");
	ck_assert_str_eq(seen(&w), "");
	make_directory(&w, "a");
	make_directory(&w, "a/b");
	make_directory(&w, "a/b/c");
	ck_assert_str_eq(seen(&w), "C a/b/c/file;");
	make_file(&w, "a/b/c/file");
	ck_assert_str_eq(seen(&w), "W a/b/c/file;C a/b/c/file;");
}
END_TEST

START_TEST(test_removed_tree_is_watched_again_when_it_is_back)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	for (unsigned i = 0; i < 3; i++) {
		make_directory(&w, "a");
		make_directory(&w, "a/b");
		make_file(&w, "a/b/file");
		if (i == 0)
			watch(&w, "a/b/file");
		else
			ck_assert_str_eq(seen(&w), "C a/b/file;");
		ck_assert_int_eq(nftw(at(&w, "a"), remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
		ck_assert_str_eq(seen(&w), "C a/b/file;");
	}
	/* Removed and back between two looks. */
	make_directory(&w, "a");
	make_directory(&w, "a/b");
	ck_assert_str_eq(seen(&w), "C a/b/file;");
	ck_assert_int_eq(rmdir(at(&w, "a/b")), 0);
	make_directory(&w, "a/b");
	ck_assert_str_eq(seen(&w), "C a/b/file;");
	make_file(&w, "a/b/file");
	ck_assert_str_eq(seen(&w), "W a/b/file;C a/b/file;");
}
END_TEST

START_TEST(test_folder_reports_its_entries)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	make_directory(&w, "conf.d");
	watch(&w, "conf.d/");
	watch(&w, "conf.d/10.yaml");
	make_file(&w, "conf.d/20.yaml");
	ck_assert_str_eq(seen(&w), "W conf.d/;C conf.d/;");
	make_file(&w, "conf.d/10.yaml");
	ck_assert_str_eq(seen(&w), "W conf.d/;C conf.d/;W conf.d/10.yaml;C conf.d/10.yaml;");
	ck_assert_int_eq(unlink(at(&w, "conf.d/20.yaml")), 0);
	ck_assert_str_eq(seen(&w), "C conf.d/;");
	ck_assert_int_eq(chmod(at(&w, "conf.d"), 0700), 0);
	ck_assert_str_eq(seen(&w), "C conf.d/;");
}
END_TEST

START_TEST(test_directory_with_two_names_reports_under_both)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	make_directory(&w, "real");
	ck_assert_int_eq(symlink("real", at(&w, "link")), 0);
	watch(&w, "real/file");
	watch(&w, "link/file");
	make_file(&w, "real/file");
	ck_assert_str_eq(seen(&w), "W real/file;C real/file;W link/file;C link/file;");
	/* The link goes, the directory stays watched under its own name. */
	watch(&w, "link");
	ck_assert_int_eq(unlink(at(&w, "link")), 0);
	ck_assert_str_eq(seen(&w), "C link/file;C link;");
	make_file(&w, "real/file");
	ck_assert_str_eq(seen(&w), "W real/file;C real/file;");
}
END_TEST

START_TEST(test_watching_more_keeps_what_was_watched)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	make_directory(&w, "a");
	watch(&w, "a/one");
	/* The directory is replaced, and nobody has looked since. */
	move(&w, "a", "old");
	make_directory(&w, "a");
	watch(&w, "a/two");
	make_file(&w, "a/one");
	ck_assert_ptr_nonnull(strstr(seen(&w), "C a/one;"));
	make_file(&w, "a/one");
	make_file(&w, "a/two");
	ck_assert_str_eq(seen(&w), "W a/one;C a/one;W a/two;C a/two;");
	make_file(&w, "old/one");
	ck_assert_str_eq(seen(&w), "");
}
END_TEST

START_TEST(test_overflow_reports_every_path)
{
	_cleanup_(world_done) struct world w;
	char limit[32] = "";
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(limit, sizeof(limit), file));
	(void)fclose(file);
	world_init(&w);
	make_directory(&w, "quiet");
	watch(&w, "busy");
	watch(&w, "quiet/file");
	for (long i = 0; i < strtol(limit, NULL, 10) / 2 + 10; i++) {
		ck_assert_int_eq(symlink("x", at(&w, "busy")), 0);
		ck_assert_int_eq(unlink(at(&w, "busy")), 0);
	}
	while (w.log.length == 0 || !strstr(w.log.data, "quiet"))
		loop_once(w.f.loop, true);
	ck_assert_ptr_nonnull(strstr(seen(&w), "C quiet/file;"));
	make_file(&w, "quiet/file");
	ck_assert_str_eq(seen(&w), "W quiet/file;C quiet/file;");
}
END_TEST

START_TEST(test_without_inotify_everything_is_reported_again_and_again)
{
	_cleanup_(world_done) struct world w;
	struct rlimit limit, none;

	world_init(&w);
	notice_free(w.notice);
	/* No descriptor is left. */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	w.notice = notice_new(w.f.loop, noticed, &w);
	ck_assert(notice_is_polling(w.notice));
	watch(&w, "config");
	fixture_next(&w.f);
	ck_assert_str_eq(seen(&w), "C config;");
	fixture_next(&w.f);
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fixture_next(&w.f);
	ck_assert_str_eq(seen(&w), "C config;");
	ck_assert(!notice_is_polling(w.notice));
	ck_assert_uint_eq(loop_next_deadline(w.f.loop), UINT64_MAX);
	make_file(&w, "config");
	ck_assert_str_eq(seen(&w), "W config;C config;");
}
END_TEST

static void watch_another(const char *path, enum notice_kind kind, void *userdata)
{
	struct world *world = userdata;

	noticed(path, kind, userdata);
	watch(world, "another");
	watch(world, "deeper/one");
}

START_TEST(test_callback_may_watch_more)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	notice_free(w.notice);
	w.notice = notice_new(w.f.loop, watch_another, &w);
	watch(&w, "config");
	make_file(&w, "config");
	ck_assert_str_eq(seen(&w), "W config;C config;");
	make_file(&w, "another");
	ck_assert_str_eq(seen(&w), "W another;C another;");
	make_directory(&w, "deeper");
	ck_assert_str_eq(seen(&w), "C deeper/one;");
}
END_TEST

Suite *notice_suite(void)
{
	Suite *suite = suite_create("notice");
	TCase *tcase = tcase_create("notice");

	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, test_file_written_in_place_is_first_being_written_then_changed);
	tcase_add_test(tcase, test_whole_changes_are_never_being_written);
	tcase_add_test(tcase, test_neighbours_are_not_reported_and_reading_is_no_change);
	tcase_add_test(tcase, test_missing_parents_may_appear_one_by_one);
	tcase_add_test(tcase, test_missing_parents_may_appear_all_at_once);
	tcase_add_test(tcase, test_parents_moved_away_are_noticed_at_any_height);
	tcase_add_test(tcase, test_removed_tree_is_watched_again_when_it_is_back);
	tcase_add_test(tcase, test_folder_reports_its_entries);
	tcase_add_test(tcase, test_directory_with_two_names_reports_under_both);
	tcase_add_test(tcase, test_watching_more_keeps_what_was_watched);
	tcase_add_test(tcase, test_overflow_reports_every_path);
	tcase_add_test(tcase, test_without_inotify_everything_is_reported_again_and_again);
	tcase_add_test(tcase, test_callback_may_watch_more);
	suite_add_tcase(suite, tcase);
	return suite;
}
