/* Tests of common/file.c, common/file-set.c, common/digest.c and common/fs.c, in a directory of
 * their own. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/alloc.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/fs.h"
#include "tests/unit/test-common.h"

static char root[] = "/tmp/test-common-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void setup(void)
{
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path below the test's directory; the next three stay valid. */
static const char *at(const char *name)
{
	static char paths[4][256];
	static int next;

	next = (next + 1) % 4;
	(void)snprintf(paths[next], sizeof(paths[next]), "%s/%s", root, name);
	return paths[next];
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

static bool holds(const char *name, const char *text, mode_t mode)
{
	return file_is(at(name), text, strlen(text), mode);
}

static bool is_empty(const char *name)
{
	struct error err = ERROR_INIT;

	return fs_is_empty_directory(at(name), &err) == 1;
}

static struct file_content content(const char *path, const char *text, mode_t mode)
{
	return (struct file_content){ path, text, strlen(text), mode, (uid_t)-1, (gid_t)-1 };
}

START_TEST(test_digest_is_sha_256)
{
	char hex[FILE_DIGEST_SIZE];

	file_digest("abc", 3, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_sha256("", 0, hex);
	ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(test_missing_file_is_no_error)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(file_read(at("none"), &buf, &err), 0);
	ck_assert(!error_is_set(&err));
}
END_TEST

START_TEST(test_read_appends_the_whole_file)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	struct error err = ERROR_INIT;

	put("a", "text", 0600);
	(void)buf_append_string(&buf, "before ");
	ck_assert_int_eq(file_read(at("a"), &buf, &err), 1);
	ck_assert_str_eq(buf.data, "before text");
}
END_TEST

START_TEST(test_larger_file_than_the_cap_is_an_error)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(3);
	struct error err = ERROR_INIT;

	put("a", "text", 0600);
	ck_assert_int_eq(file_read(at("a"), &buf, &err), -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.message, "is larger than 3 bytes"));
	ck_assert_str_eq(buf.data, "");
}
END_TEST

START_TEST(test_links_directories_and_fifos_are_not_read)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	struct error err = ERROR_INIT;

	put("a", "text", 0600);
	ck_assert_int_eq(symlink("a", at("link")), 0);
	ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
	ck_assert_int_eq(file_read(at("link"), &buf, &err), -ELOOP);
	ck_assert_ptr_nonnull(strstr(err.message, "is a symbolic link"));
	ck_assert_int_eq(file_read(at("fifo"), &buf, &err), -EINVAL);
	ck_assert_int_eq(file_read(root, &buf, &err), -EISDIR);
	ck_assert_int_eq(file_read(at("a/b"), &buf, &err), -ENOTDIR);
}
END_TEST

START_TEST(test_replaced_file_has_its_bytes_and_mode_whatever_the_umask)
{
	struct file_content wanted = content(at("x/y/file"), "new", 0644);
	struct error err = ERROR_INIT;
	mode_t before = umask(0077);
	struct stat st;

	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	(void)umask(before);
	ck_assert(holds("x/y/file", "new", 0644));
	ck_assert_int_eq(stat(at("x"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(access(at("x/y/.file.agentd-tmp"), F_OK), -1);
}
END_TEST

START_TEST(test_file_that_is_so_already_is_not_touched)
{
	struct file_content wanted = content(at("file"), "same", 0600);
	struct error err = ERROR_INIT;
	struct stat before, after;

	put("file", "same", 0600);
	ck_assert_int_eq(stat(at("file"), &before), 0);
	ck_assert_int_eq(file_replace(&wanted, &err), 0);
	ck_assert(file_is_replaced(&wanted));
	ck_assert_int_eq(stat(at("file"), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(test_file_that_differs_in_anything_is_written)
{
	struct error err = ERROR_INIT;
	struct file_content wanted = content(at("file"), "same", 0600);

	put("file", "same", 0644);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	put("file", "samf", 0600);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	put("file", "same and more", 0600);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	put("file", "sam", 0600);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	ck_assert(holds("file", "same", 0600));
	if (geteuid() == 0) {
		wanted.gid = 12345;
		ck_assert_int_eq(file_replace(&wanted, &err), 1);
		ck_assert_int_eq(file_replace(&wanted, &err), 0);
		wanted.uid = 12345;
		ck_assert_int_eq(file_replace(&wanted, &err), 1);
		ck_assert_int_eq(file_replace(&wanted, &err), 0);
	}
}
END_TEST

START_TEST(test_replacing_does_not_follow_a_link)
{
	struct file_content wanted = content(at("link"), "new", 0600);
	struct error err = ERROR_INIT;

	put("target", "old", 0600);
	ck_assert_int_eq(symlink("target", at("link")), 0);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	ck_assert(holds("target", "old", 0600));
	ck_assert(holds("link", "new", 0600));
}
END_TEST

START_TEST(test_left_over_temporary_is_in_nobodys_way)
{
	struct file_content wanted = content(at("file"), "new", 0600);
	struct error err = ERROR_INIT;

	put("target", "old", 0600);
	ck_assert_int_eq(symlink("target", at(".file.agentd-tmp")), 0);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	ck_assert(holds("file", "new", 0600));
	ck_assert(holds("target", "old", 0600));
}
END_TEST

START_TEST(test_failed_replacement_leaves_the_old_and_no_temporary)
{
	_cleanup_free_ char *path = xasprintf("%s/d/file", root);
	struct file_content wanted = content(path, "new", 0600);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(file_make_directory(path, 0700, &err), 0);
	put("d/file/inside", "theirs", 0600);
	/* No more names for a directory that has to go out of the way. */
	for (int i = 1; i < 100; i++) {
		_cleanup_free_ char *kept = xasprintf("%s/d/.file.agentd-kept-%d", root, i);

		ck_assert_int_eq(mkdir(kept, 0700), 0);
	}
	ck_assert_int_eq(file_replace(&wanted, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.message, "d/file"));
	ck_assert(holds("d/file/inside", "theirs", 0600));
	ck_assert_int_eq(access(at("d/.file.agentd-tmp"), F_OK), -1);
}
END_TEST

START_TEST(test_directory_goes_out_of_the_way_and_keeps_what_is_in_it)
{
	_cleanup_free_ char *path = xasprintf("%s/d/file", root);
	struct file_content wanted = content(path, "new", 0600);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(file_make_directory(path, 0700, &err), 0);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	ck_assert(holds("d/file", "new", 0600));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(is_empty("d"));

	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("d/file/inside", "theirs", 0600);
	ck_assert_int_eq(file_replace(&wanted, &err), 1);
	ck_assert(holds("d/file", "new", 0600));
	ck_assert(holds("d/.file.agentd-kept-1/inside", "theirs", 0600));
	ck_assert_int_eq(mkdir(at("d/link"), 0700), 0);
	ck_assert_int_eq(file_link(at("d/link"), "x", &err), 1);
}
END_TEST

START_TEST(test_write_that_fails_in_the_middle_leaves_the_old)
{
	struct rlimit limit, small;
	struct error err = ERROR_INIT;
	struct file_content wanted = content(at("d/file"), "longer than four", 0600);

	ck_assert_int_eq(mkdir(at("d"), 0700), 0);
	put("d/file", "old", 0600);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ .rlim_cur = 4, .rlim_max = limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(file_replace(&wanted, &err), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	ck_assert(holds("d/file", "old", 0600));
	ck_assert_int_eq(access(at("d/.file.agentd-tmp"), F_OK), -1);
}
END_TEST

START_TEST(test_made_directory_has_its_mode_and_parents_0755)
{
	struct error err = ERROR_INIT;
	struct stat st;

	ck_assert_int_eq(file_make_directory(at("a/b//c/"), 0700, &err), 0);
	ck_assert_int_eq(stat(at("a/b/c"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(at("a/b"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(file_make_directory(at("a/b"), 0700, &err), 0);
	ck_assert_int_eq(stat(at("a/b"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	put("file", "", 0600);
	ck_assert_int_eq(file_make_directory(at("file/x"), 0700, &err), -ENOTDIR);
}
END_TEST

START_TEST(test_removing_twice_is_no_error)
{
	struct error err = ERROR_INIT;

	put("file", "x", 0600);
	ck_assert_int_eq(symlink("nowhere", at("link")), 0);
	ck_assert_int_eq(file_remove(at("file"), &err), 1);
	ck_assert_int_eq(file_remove(at("file"), &err), 0);
	ck_assert_int_eq(file_remove(at("link"), &err), 1);
	ck_assert_int_eq(file_remove(at("no/such/directory"), &err), 0);
	ck_assert_int_eq(mkdir(at("d"), 0700), 0);
	ck_assert_int_eq(file_remove(at("d"), &err), -EISDIR);
}
END_TEST

START_TEST(test_link_points_to_its_target)
{
	struct error err = ERROR_INIT;
	char target[16] = "";

	ck_assert_int_eq(file_link(at("d/link"), "one", &err), 1);
	ck_assert_int_eq(file_link(at("d/link"), "one", &err), 0);
	ck_assert_int_eq(file_link(at("d/link"), "two", &err), 1);
	ck_assert_int_eq(readlink(at("d/link"), target, sizeof(target) - 1), 3);
	ck_assert_str_eq(target, "two");
	put("file", "", 0600);
	ck_assert_int_eq(file_link(at("file/link"), "x", &err), -ENOTDIR);
}
END_TEST

START_TEST(test_sweep_takes_only_our_temporaries)
{
	put(".a.agentd-tmp", "", 0600);
	put("b.agentd-tmp", "", 0600);
	put(".agentd-tmp", "", 0600);
	put(".c", "", 0600);
	file_sweep(root);
	file_sweep(at("none"));
	ck_assert_int_eq(access(at(".a.agentd-tmp"), F_OK), -1);
	ck_assert_int_eq(access(at("b.agentd-tmp"), F_OK), 0);
	ck_assert_int_eq(access(at(".agentd-tmp"), F_OK), 0);
	ck_assert_int_eq(access(at(".c"), F_OK), 0);
}
END_TEST

/* A set of three files in two directories. */
static void make_set(struct file_content set[static 3], const char *text)
{
	static char paths[3][256];
	static const char *const names[] = { "pki/ca.crt", "pki/ca.key", "etcd/ca.crt" };

	for (int i = 0; i < 3; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", root, names[i]);
		set[i] = content(paths[i], text, i == 1 ? 0600 : 0644);
	}
}

static bool is_set(const char *text)
{
	return holds("pki/ca.crt", text, 0644) && holds("pki/ca.key", text, 0600) &&
	       holds("etcd/ca.crt", text, 0644);
}

START_TEST(test_set_is_replaced_and_its_record_removed)
{
	struct error err = ERROR_INIT;
	struct file_content set[3];

	make_set(set, "old");
	ck_assert_int_eq(file_replace_set(at("state"), set, 3, &err), 1);
	ck_assert(is_set("old"));
	make_set(set, "new");
	ck_assert_int_eq(file_replace_set(at("state"), set, 3, &err), 1);
	ck_assert(is_set("new"));
	ck_assert(is_empty("state/redo"));
	ck_assert_int_eq(file_replace_set(at("state"), set, 3, &err), 0);
	ck_assert_int_eq(file_redo(at("state"), &err), 0);
	ck_assert_int_eq(file_redo(at("none"), &err), 0);
}
END_TEST

START_TEST(test_one_changed_file_of_a_set_needs_no_record)
{
	struct error err = ERROR_INIT;
	struct file_content set[3];

	make_set(set, "old");
	ck_assert_int_eq(file_replace(&set[0], &err), 1);
	ck_assert_int_eq(file_replace(&set[2], &err), 1);
	ck_assert_int_eq(file_replace_set(at("state"), set, 3, &err), 1);
	ck_assert(is_set("old"));
	ck_assert_int_eq(access(at("state"), F_OK), -1);
}
END_TEST

/* Leaves a set half replaced, with its record: the second directory cannot be made, so that no name
 * changes, and then one does as if agentd had been killed between two renames. */
static void interrupt_set(const char *text)
{
	struct error err = ERROR_INIT;
	struct file_content set[3];
	struct stat st;

	put("etcd", "in the way", 0600);
	make_set(set, text);
	ck_assert_int_eq(file_replace_set(at("state"), set, 3, &err), -ENOTDIR);
	ck_assert(!holds("pki/ca.key", text, 0600));
	ck_assert_int_eq(access(at("pki/.ca.key.agentd-tmp"), F_OK), -1);
	put("pki/ca.key", text, 0600);
	put("pki/ca.crt", text, 0644);
	ck_assert_int_eq(stat(at("state/redo/set"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(at("state/redo"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
}

START_TEST(test_interrupted_set_is_finished_at_the_next_start)
{
	struct error err = ERROR_INIT;

	interrupt_set("new");
	ck_assert_int_eq(file_redo(at("state"), &err), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(err.message, "finish the interrupted change"));
	ck_assert_int_eq(unlink(at("etcd")), 0);
	/* The kill may have hit before any file, and in the middle of one. */
	ck_assert_int_eq(unlink(at("pki/ca.crt")), 0);
	put("pki/.ca.crt.agentd-tmp", "ne", 0600);
	ck_assert_int_eq(file_redo(at("state"), &err), 0);
	ck_assert(is_set("new"));
	ck_assert(is_empty("state/redo"));
}
END_TEST

START_TEST(test_interrupted_set_is_finished_before_the_next_set)
{
	struct error err = ERROR_INIT;
	struct file_content other[2];

	interrupt_set("new");
	ck_assert_int_eq(unlink(at("etcd")), 0);
	other[0] = content(at("other"), "a", 0600);
	other[1] = content(at("another"), "b", 0600);
	ck_assert_int_eq(file_replace_set(at("state"), other, 2, &err), 1);
	ck_assert(is_set("new"));
	ck_assert(holds("another", "b", 0600));
}
END_TEST

START_TEST(test_link_in_a_set_comes_with_its_file)
{
	struct error err = ERROR_INIT;
	_cleanup_free_ char *pair = xstrdup(at("pki/date.pem"));
	_cleanup_free_ char *link = xstrdup(at("in-the-way/current"));
	struct file_content set[] = { content(pair, "pair", 0600),
				      content(link, "date.pem", S_IFLNK) };
	char target[16] = "";

	put("in-the-way", "", 0600);
	ck_assert_int_eq(file_replace_set(at("state"), set, 2, &err), -ENOTDIR);
	ck_assert_int_eq(unlink(at("in-the-way")), 0);
	ck_assert_int_eq(file_redo(at("state"), &err), 0);
	ck_assert(holds("pki/date.pem", "pair", 0600));
	ck_assert_int_eq(readlink(link, target, sizeof(target) - 1), 8);
	ck_assert_str_eq(target, "date.pem");
	ck_assert_int_eq(file_replace_set(at("state"), set, 2, &err), 0);
}
END_TEST

START_TEST(test_record_that_never_got_its_name_is_forgotten)
{
	struct error err = ERROR_INIT;

	interrupt_set("new");
	ck_assert_int_eq(unlink(at("etcd")), 0);
	ck_assert_int_eq(rename(at("state/redo/set"), at("state/redo/.set.agentd-tmp")), 0);
	ck_assert_int_eq(unlink(at("pki/ca.crt")), 0);
	ck_assert_int_eq(file_redo(at("state"), &err), 0);
	ck_assert_int_eq(access(at("pki/ca.crt"), F_OK), -1);
	ck_assert_int_eq(access(at("etcd"), F_OK), -1);
}
END_TEST

/* Where in the record a byte is changed or its end cut off. */
START_TEST(test_damaged_record_changes_nothing)
{
	_cleanup_(buf_done) struct buf record = BUF_INIT(10000);
	struct error err = ERROR_INIT;
	int fd;

	interrupt_set("new");
	ck_assert_int_eq(unlink(at("etcd")), 0);
	ck_assert_int_eq(unlink(at("pki/ca.crt")), 0);
	ck_assert_int_eq(file_read(at("state/redo/set"), &record, &err), 1);
	for (size_t i = 0; i < record.length; i += 7) {
		size_t length = i % 2 ? record.length : i;

		record.data[i] ^= 1;
		fd = open(at("state/redo/set"), O_WRONLY | O_TRUNC | O_CLOEXEC);
		ck_assert_int_eq(write(fd, record.data, length), (ssize_t)length);
		(void)close(fd);
		record.data[i] ^= 1;
		err = ERROR_INIT;
		ck_assert_int_eq(file_redo(at("state"), &err), -EBADMSG);
		ck_assert_int_eq(err.class, ERROR_STORAGE);
	}
	ck_assert_int_eq(access(at("pki/ca.crt"), F_OK), -1);
	ck_assert_int_eq(access(at("etcd"), F_OK), -1);
}
END_TEST

/* Runs file_replace_set() in a child that is killed at its nth system call. Returns false when it
 * came to its end before. */
static bool replace_and_kill(const struct file_content set[static 3], int nth)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct error err = ERROR_INIT;

		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		(void)file_replace_set(at("state"), set, 3, &err);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSTOPPED(status));
	for (int i = 0; i <= nth; i++) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		if (WIFEXITED(status))
			return false;
	}
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return true;
}

/* Whether this process may trace a child; some containers forbid it. */
static bool may_trace(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(test_kill_at_any_system_call_leaves_the_old_or_the_new_set)
{
	struct error err = ERROR_INIT;
	struct file_content old[3], new[3];
	int olds = 0, news = 0, kills = 0;
	bool was_killed = true;

	if (!may_trace())
		return;
	for (int nth = 0; was_killed; nth++) {
		make_set(old, "old");
		ck_assert_int_ge(file_replace_set(at("state"), old, 3, &err), 0);
		make_set(new, "new");
		was_killed = replace_and_kill(new, nth);
		ck_assert_int_eq(file_redo(at("state"), &err), 0);
		file_sweep(at("state/redo"));
		ck_assert_msg(is_set("old") || is_set("new"), "mixed after call %d", nth);
		ck_assert(is_empty("state/redo"));
		olds += is_set("old");
		news += is_set("new");
		kills += was_killed;
	}
	/* The last round was not killed; the moment that decides lies in between. */
	ck_assert_int_gt(kills, 50);
	ck_assert_int_gt(olds, 10);
	ck_assert_int_gt(news, 10);
}
END_TEST

START_TEST(test_trusted_file_is_read_with_its_mode)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	struct error err = ERROR_INIT;
	mode_t mode = 0;

	put("role", "text", 0640);
	ck_assert_int_eq(fs_read_trusted(at("role"), getuid(), &buf, &mode, &err), 1);
	ck_assert_str_eq(buf.data, "text");
	ck_assert_uint_eq(mode, 0640);
	ck_assert_int_eq(fs_read_trusted(at("none"), getuid(), &buf, &mode, &err), 0);
}
END_TEST

/* What must not be trusted. Also runs where openat2() is unknown. */
static void check_distrust(void)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100), small = BUF_INIT(3);
	struct error err = ERROR_INIT;
	mode_t mode = 0;

	ck_assert_int_eq(mkdir(at("d"), 0700), 0);
	put("d/role", "text", 0600);
	put("d/group", "text", 0620);
	ck_assert_int_eq(symlink("d", at("link")), 0);
	ck_assert_int_eq(symlink("role", at("d/link")), 0);
	ck_assert_int_eq(mkfifo(at("d/fifo"), 0600), 0);

	ck_assert_int_eq(fs_read_trusted(at("d/role"), getuid(), &buf, &mode, &err), 1);
	ck_assert_int_eq(fs_read_trusted(at("link/role"), getuid(), &buf, &mode, &err), -ELOOP);
	ck_assert_ptr_nonnull(strstr(err.message, "symbolic link"));
	ck_assert_int_eq(fs_read_trusted(at("d/link"), getuid(), &buf, &mode, &err), -ELOOP);
	ck_assert_int_eq(fs_read_trusted(at("d/group"), getuid(), &buf, &mode, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.message, "chmod go-w"));
	ck_assert_int_eq(fs_read_trusted(at("d/fifo"), getuid(), &buf, &mode, &err), -EINVAL);
	ck_assert_int_eq(fs_read_trusted(at("d"), getuid(), &buf, &mode, &err), -EINVAL);
	ck_assert_int_eq(fs_read_trusted(at("d/role/x"), getuid(), &buf, &mode, &err), -ENOTDIR);
	ck_assert_int_eq(fs_read_trusted(at("none/role"), getuid(), &buf, &mode, &err), 0);
	ck_assert_int_eq(fs_read_trusted(at("d/role"), getuid(), &small, &mode, &err), -EFBIG);
	ck_assert_str_eq(small.data, "");
	ck_assert_str_eq(buf.data, "text");
}

START_TEST(test_file_that_others_could_have_made_is_refused)
{
	check_distrust();
}
END_TEST

START_TEST(test_file_of_another_user_is_refused)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	struct error err = ERROR_INIT;
	mode_t mode = 0;

	if (geteuid() != 0)
		return;
	put("role", "text", 0600);
	ck_assert_int_eq(chown(at("role"), 12345, 0), 0);
	ck_assert_int_eq(fs_read_trusted(at("role"), 0, &buf, &mode, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.message, "belongs to user 12345"));
	ck_assert_int_eq(fs_read_trusted(at("role"), 12345, &buf, &mode, &err), 1);
}
END_TEST

/* Makes openat2() an unknown call from now on. */
static void forget_openat2(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(test_old_kernels_are_as_strict)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		forget_openat2();
		check_distrust();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_questions_about_directories)
{
	struct error err = ERROR_INIT;

	ck_assert(fs_exists(root));
	ck_assert(!fs_exists(at("none")));
	ck_assert_int_eq(fs_is_empty_directory(root, &err), 1);
	ck_assert_int_eq(fs_is_empty_directory(at("none"), &err), 1);
	put(".hidden", "", 0600);
	ck_assert_int_eq(fs_is_empty_directory(root, &err), 0);
	ck_assert_int_eq(fs_is_empty_directory(at(".hidden"), &err), -ENOTDIR);
	ck_assert(fs_is_writable(root));
	ck_assert(fs_is_writable(at("a/b/c")));
	ck_assert(!fs_is_writable(at(".hidden/x")));
	ck_assert(!fs_is_writable("relative"));
}
END_TEST

Suite *suite_file(void)
{
	Suite *suite = suite_create("file");
	TCase *tests = tcase_create("file");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, test_digest_is_sha_256);
	tcase_add_test(tests, test_missing_file_is_no_error);
	tcase_add_test(tests, test_read_appends_the_whole_file);
	tcase_add_test(tests, test_larger_file_than_the_cap_is_an_error);
	tcase_add_test(tests, test_links_directories_and_fifos_are_not_read);
	tcase_add_test(tests, test_replaced_file_has_its_bytes_and_mode_whatever_the_umask);
	tcase_add_test(tests, test_file_that_is_so_already_is_not_touched);
	tcase_add_test(tests, test_file_that_differs_in_anything_is_written);
	tcase_add_test(tests, test_replacing_does_not_follow_a_link);
	tcase_add_test(tests, test_left_over_temporary_is_in_nobodys_way);
	tcase_add_test(tests, test_failed_replacement_leaves_the_old_and_no_temporary);
	tcase_add_test(tests, test_directory_goes_out_of_the_way_and_keeps_what_is_in_it);
	tcase_add_test(tests, test_write_that_fails_in_the_middle_leaves_the_old);
	tcase_add_test(tests, test_made_directory_has_its_mode_and_parents_0755);
	tcase_add_test(tests, test_removing_twice_is_no_error);
	tcase_add_test(tests, test_link_points_to_its_target);
	tcase_add_test(tests, test_sweep_takes_only_our_temporaries);
	tcase_add_test(tests, test_set_is_replaced_and_its_record_removed);
	tcase_add_test(tests, test_one_changed_file_of_a_set_needs_no_record);
	tcase_add_test(tests, test_interrupted_set_is_finished_at_the_next_start);
	tcase_add_test(tests, test_interrupted_set_is_finished_before_the_next_set);
	tcase_add_test(tests, test_link_in_a_set_comes_with_its_file);
	tcase_add_test(tests, test_record_that_never_got_its_name_is_forgotten);
	tcase_add_test(tests, test_damaged_record_changes_nothing);
	tcase_add_test(tests, test_kill_at_any_system_call_leaves_the_old_or_the_new_set);
	tcase_add_test(tests, test_trusted_file_is_read_with_its_mode);
	tcase_add_test(tests, test_file_that_others_could_have_made_is_refused);
	tcase_add_test(tests, test_file_of_another_user_is_refused);
	tcase_add_test(tests, test_old_kernels_are_as_strict);
	tcase_add_test(tests, test_questions_about_directories);
	suite_add_tcase(suite, tests);
	return suite;
}
