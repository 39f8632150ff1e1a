/* Whole files: read, compare, replace, remove; see file.h. Sets of files are in file-set.c.
 *
 * Everything durable ends in one order: the file's bytes are on disk before its name points to
 * them, and the directory is on disk before the caller hears of success. */
#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/digest.h"
#include "common/secret.h"

#define TEMPORARY_SUFFIX ".agentd-tmp"

static int failed(struct error *err, const char *doing, const char *path)
{
	int code = -errno;

	return error_errno(err, error_class_of_errno(code), code, "%s %s", doing, path);
}

/* Opens a regular file without waiting and without following a link. Returns the descriptor, or a
 * negative errno without a message. */
static int open_regular(const char *path, struct stat *ret_st)
{
	_cleanup_close_ int fd =
	    open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret_st) < 0)
		return -errno;
	if (S_ISDIR(ret_st->st_mode))
		return -EISDIR;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	return TAKE_FD(fd);
}

static ssize_t read_some(int fd, void *bytes, size_t length)
{
	ssize_t n;

	do
		n = read(fd, bytes, length);
	while (n < 0 && errno == EINTR);
	return n;
}

int file_read(const char *path, struct buf *buf, struct error *err)
{
	size_t before = buf->length;
	char chunk[4096];
	struct stat st;
	ssize_t n;
	int r = 0;

	_cleanup_close_ int fd = open_regular(path, &st);
	if (fd == -ENOENT)
		return 0;
	if (fd == -ELOOP)
		return error_set(err, ERROR_CONFIG, fd, "%s is a symbolic link", path);
	if (fd == -EINVAL)
		return error_set(err, ERROR_CONFIG, fd, "%s is not a regular file", path);
	if (fd < 0)
		return error_errno(err, error_class_of_errno(fd), fd, "open %s", path);

	while ((n = read_some(fd, chunk, sizeof(chunk))) > 0 && r == 0)
		r = buf_append(buf, chunk, (size_t)n);
	secret_wipe(chunk, sizeof(chunk));
	if (n < 0)
		r = failed(err, "read", path);
	else if (r < 0)
		r = error_set(err, ERROR_CONFIG, -EFBIG, "%s is larger than %zu bytes", path,
			      buf->cap - before);
	if (r == 0)
		return 1;
	buf_truncate(buf, before);
	return r;
}

/* Whether an open file has exactly these bytes. */
static bool has_bytes(int fd, const char *bytes, size_t length)
{
	bool is_same = true;
	char chunk[4096];
	ssize_t n;

	while (is_same && (n = read_some(fd, chunk, sizeof(chunk))) != 0) {
		is_same = n > 0 && (size_t)n <= length && memcmp(chunk, bytes, (size_t)n) == 0;
		if (is_same) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	secret_wipe(chunk, sizeof(chunk));
	return is_same && length == 0;
}

static bool leads_to(const char *path, const char *target, size_t target_length)
{
	char current[PATH_MAX];
	ssize_t length = readlink(path, current, sizeof(current));

	return length == (ssize_t)target_length && memcmp(current, target, target_length) == 0;
}

static bool is_replaced(const struct file_content *content)
{
	if (S_ISLNK(content->mode))
		return leads_to(content->path, content->bytes, content->length);

	struct stat st;
	_cleanup_close_ int fd = open_regular(content->path, &st);

	return fd >= 0 && (st.st_mode & 07777) == content->mode &&
	       (content->uid == (uid_t)-1 || st.st_uid == content->uid) &&
	       (content->gid == (gid_t)-1 || st.st_gid == content->gid) &&
	       (size_t)st.st_size == content->length &&
	       has_bytes(fd, content->bytes, content->length);
}

bool file_is(const char *path, const void *bytes, size_t length, mode_t mode)
{
	return is_replaced(&(struct file_content){
	    .path = path,
	    .bytes = bytes,
	    .length = length,
	    .mode = mode,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1,
	});
}

void file_digest(const void *bytes, size_t length, char ret[static FILE_DIGEST_SIZE])
{
	digest_sha256(bytes, length, ret);
}

/* Makes the directory path, whose parent exists. Returns 1 if it was made. */
static int make_one(const char *path, const char *parent, mode_t mode, struct error *err)
{
	if (mkdir(path, 0700) < 0) {
		struct stat st;

		if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return 0;
		if (errno == EEXIST)
			return error_set(err, ERROR_STORAGE, -ENOTDIR,
					 "%s is in the way: it is not a directory", path);
		return failed(err, "make directory", path);
	}
	/* Not by mkdir(), which the umask would change. */
	if (chmod(path, mode) < 0)
		return failed(err, "set mode of", path);

	_cleanup_close_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return failed(err, "sync", parent);
	return 1;
}

int file_make_directory(const char *path, mode_t mode, struct error *err)
{
	_cleanup_free_ char *parent = xstrdup("/"), *part = NULL;
	const char *end = path;
	int r;

	assert(*path == '/');
	for (;;) {
		end += strspn(end, "/");
		if (!*end)
			return 0;
		end = strchrnul(end, '/');
		part = xstrndup(path, (size_t)(end - path));
		r = make_one(part, parent, end[strspn(end, "/")] ? 0755 : mode, err);
		if (r < 0)
			return r;
		free(parent);
		parent = TAKE_PTR(part);
	}
}

/* Where a file is about to be changed: its directory, its name, and that of the temporary. */
struct place {
	int directory;
	char *directory_path;
	const char *name;
	char *temporary;
};
#define PLACE_INIT ((struct place){ .directory = -1 })

static void place_done(struct place *place)
{
	if (place->directory >= 0)
		(void)close(place->directory);
	free(place->directory_path);
	free(place->temporary);
}
DEFINE_CLEANUP_VALUE(struct place, place_done)

static int open_place(const char *path, struct place *place, struct error *err)
{
	const char *slash = strrchr(path, '/');

	assert(slash);
	place->name = slash + 1;
	place->directory_path =
	    slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	place->temporary = xasprintf("."
				     "%s" TEMPORARY_SUFFIX,
				     place->name);
	place->directory = open(place->directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->directory < 0)
		return failed(err, "open directory", place->directory_path);
	return 0;
}

static int open_place_made(const char *path, struct place *place, struct error *err)
{
	_cleanup_free_ char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int r;

	r = file_make_directory(*parent ? parent : "/", 0755, err);
	if (r < 0)
		return r;
	return open_place(path, place, err);
}

static int sync_directory(const struct place *place, struct error *err)
{
	if (fsync(place->directory) < 0)
		return failed(err, "sync directory", place->directory_path);
	return 0;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Writes the temporary file, whole and on disk. Errno without a message. */
static int write_temporary(const struct place *place, const struct file_content *content)
{
	int r;

	/* What an earlier run left there is ours, whatever it is. */
	if (unlinkat(place->directory, place->temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	_cleanup_close_ int fd = openat(place->directory, place->temporary,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, content->bytes, content->length);
	if (r < 0)
		return r;
	if ((content->uid != (uid_t)-1 || content->gid != (gid_t)-1) &&
	    fchown(fd, content->uid, content->gid) < 0)
		return -errno;
	if (fchmod(fd, content->mode) < 0 || fsync(fd) < 0)
		return -errno;
	return close(TAKE_FD(fd)) < 0 ? -errno : 0;
}

/* A directory where the file belongs goes out of the way: an empty one for good, what is in
 * another one stays beside the file, under a name that nobody reads as a configuration. */
static int move_directory(const struct place *place)
{
	for (unsigned i = 1; i < 100; i++) {
		_cleanup_free_ char *aside = xasprintf(".%s.agentd-kept-%u", place->name, i);

		if (unlinkat(place->directory, place->name, AT_REMOVEDIR) == 0)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
		if (renameat2(place->directory, place->name, place->directory, aside,
			      RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int rename_temporary(const struct place *place)
{
	int r;

	if (renameat(place->directory, place->temporary, place->directory, place->name) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	r = move_directory(place);
	if (r < 0)
		return r;
	if (renameat(place->directory, place->temporary, place->directory, place->name) == 0)
		return 0;
	return -errno;
}

struct file_change {
	struct place place;
	char *path;
	bool in_place;
};

struct file_change *file_change_free(struct file_change *change)
{
	if (!change)
		return NULL;
	if (!change->in_place && change->place.directory >= 0)
		(void)unlinkat(change->place.directory, change->place.temporary, 0);
	place_done(&change->place);
	free(change->path);
	free(change);
	return NULL;
}

/* Makes the temporary link. Errno without a message. */
static int link_temporary(const struct place *place, const struct file_content *content)
{
	_cleanup_free_ char *target = xstrndup(content->bytes, content->length);

	(void)unlinkat(place->directory, place->temporary, 0);
	return symlinkat(target, place->directory, place->temporary) < 0 ? -errno : 0;
}

int file_prepare(const struct file_content *content, struct file_change **ret, struct error *err)
{
	_cleanup_(file_change_free) struct file_change *change = NULL;
	int r;

	if (is_replaced(content)) {
		*ret = NULL;
		return 0;
	}
	change = NEW(struct file_change);
	*change = (struct file_change){ .place = PLACE_INIT, .path = xstrdup(content->path) };
	r = open_place_made(change->path, &change->place, err);
	if (r < 0)
		return r;
	r = S_ISLNK(content->mode) ? link_temporary(&change->place, content)
				   : write_temporary(&change->place, content);
	if (r < 0)
		return error_errno(err, error_class_of_errno(r), r, "write %s", content->path);
	*ret = TAKE_PTR(change);
	return 1;
}

int file_put(struct file_change *change, struct error *err)
{
	int r = rename_temporary(&change->place);

	if (r < 0)
		return error_errno(err, error_class_of_errno(r), r, "replace %s", change->path);
	change->in_place = true;
	return 0;
}

int file_settle(const struct file_change *change, struct error *err)
{
	return sync_directory(&change->place, err);
}

int file_replace(const struct file_content *content, struct error *err)
{
	_cleanup_(file_change_free) struct file_change *change = NULL;
	int r;

	r = file_prepare(content, &change, err);
	if (r <= 0)
		return r;
	r = file_put(change, err);
	if (r < 0)
		return r;
	r = file_settle(change, err);
	return r < 0 ? r : 1;
}

bool file_is_replaced(const struct file_content *content)
{
	return is_replaced(content);
}

void file_sweep(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;

	if (!stream)
		return;
	while ((entry = readdir(stream))) {
		size_t length = strlen(entry->d_name), suffix = strlen(TEMPORARY_SUFFIX);

		if (entry->d_name[0] != '.' || length <= suffix + 1 ||
		    strcmp(entry->d_name + length - suffix, TEMPORARY_SUFFIX) != 0)
			continue;
		/* What cannot be removed is replaced when its file is written again. */
		(void)unlinkat(dirfd(stream), entry->d_name, 0);
	}
	(void)closedir(stream);
}

int file_remove(const char *path, struct error *err)
{
	_cleanup_(place_done) struct place place = PLACE_INIT;
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		struct stat st;

		/* A link that leads nowhere is still there. */
		if (lstat(path, &st) < 0)
			return 0;
	}
	r = open_place(path, &place, err);
	if (r < 0)
		return r;
	if (unlinkat(place.directory, place.name, 0) < 0)
		return errno == ENOENT ? 0 : failed(err, "remove", path);
	r = sync_directory(&place, err);
	return r < 0 ? r : 1;
}

int file_link(const char *path, const char *target, struct error *err)
{
	return file_replace(&(struct file_content){ .path = path,
						    .bytes = target,
						    .length = strlen(target),
						    .mode = S_IFLNK,
						    .uid = (uid_t)-1,
						    .gid = (gid_t)-1 },
			    err);
}
