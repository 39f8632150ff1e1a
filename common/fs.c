/* Questions to the file system; see fs.h. */
#include "common/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/alloc.h"
#include "common/secret.h"

enum { OPEN_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

/* Opens a path component by component, for kernels and sandboxes without openat2(). */
static int open_by_steps(const char *path)
{
	_cleanup_close_ int directory = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *copy = xstrdup(path);
	char *rest = NULL, *name, *next;

	if (directory < 0)
		return -errno;
	name = strtok_r(copy, "/", &rest);
	if (!name)
		return -EISDIR;
	for (; (next = strtok_r(NULL, "/", &rest)); name = next) {
		int inner = openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (inner < 0) {
			int r = -errno;

			/* Opened in this way, a link is "not a directory". */
			if (r == -ENOTDIR &&
			    fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISLNK(st.st_mode))
				return -ELOOP;
			return r;
		}
		(void)close(directory);
		directory = inner;
	}
	int fd = openat(directory, name, OPEN_FLAGS);
	return fd < 0 ? -errno : fd;
}

/* Opens a path in which no component is a symbolic link. Negative errno on failure. */
static int open_without_links(const char *path)
{
	struct open_how how = {
		.flags = OPEN_FLAGS,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd >= 0)
		return (int)fd;
	/* A filter may also answer EPERM for a call that it does not know. */
	if (errno == ENOSYS || errno == EPERM)
		return open_by_steps(path);
	return -errno;
}

static int check_trust(const char *path, const struct stat *st, uid_t uid, struct error *err)
{
	if (!S_ISREG(st->st_mode))
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s is not a regular file", path);
	if (st->st_uid != 0 && st->st_uid != uid)
		return error_set(err, ERROR_CONFIG, -EPERM,
				 "%s belongs to user %u and not to root: chown root it", path,
				 (unsigned)st->st_uid);
	if (st->st_mode & 022)
		return error_set(err, ERROR_CONFIG, -EPERM,
				 "%s has mode %04o, others than its owner may write: chmod go-w it",
				 path, st->st_mode & 07777u);
	return 0;
}

static int read_all(int fd, const char *path, struct buf *buf, struct error *err)
{
	size_t before = buf->length;
	char chunk[4096];
	ssize_t n;
	int r = 0;

	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			r = buf_append(buf, chunk, (size_t)n);
	} while (r == 0 && (n > 0 || (n < 0 && errno == EINTR)));
	if (r < 0)
		r = error_set(err, ERROR_CONFIG, -EFBIG, "%s is larger than %zu bytes", path,
			      buf->cap - before);
	else if (n < 0)
		r = error_errno(err, error_class_of_errno(-errno), -errno, "read %s", path);
	secret_wipe(chunk, sizeof(chunk));
	if (r < 0)
		buf_truncate(buf, before);
	return r;
}

int fs_read_trusted(const char *path, uid_t uid, struct buf *buf, mode_t *ret_mode,
		    struct error *err)
{
	_cleanup_close_ int fd = open_without_links(path);
	struct stat st;
	int r;

	assert(*path == '/');
	if (fd == -ENOENT)
		return 0;
	if (fd == -ELOOP)
		return error_set(err, ERROR_CONFIG, -ELOOP,
				 "%s leads through a symbolic link: name the file itself", path);
	if (fd < 0)
		return error_errno(err, error_class_of_errno(fd), fd, "open %s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, error_class_of_errno(-errno), -errno, "stat %s", path);
	r = check_trust(path, &st, uid, err);
	if (r < 0)
		return r;
	r = read_all(fd, path, buf, err);
	if (r < 0)
		return r;
	*ret_mode = st.st_mode & 07777;
	return 1;
}

const char *fs_hidden_by(const char *path)
{
	static const char *const hidden[][2] = {
		{ "/home/", "ProtectHome= hides /home" },
		{ "/root/", "ProtectHome= hides /root" },
		{ "/run/user/", "ProtectHome= hides /run/user" },
		{ "/tmp/", "PrivateTmp= hides /tmp" },
		{ "/var/tmp/", "PrivateTmp= hides /var/tmp" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (strncmp(path, hidden[i][0], strlen(hidden[i][0])) == 0)
			return hidden[i][1];
	return NULL;
}

bool fs_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

int fs_is_empty_directory(const char *path, struct error *err)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	int entries = 0, r;

	if (!stream && errno == ENOENT)
		return 1;
	if (!stream)
		return error_errno(err, error_class_of_errno(-errno), -errno, "open directory %s",
				   path);
	do {
		errno = 0;
		entry = readdir(stream);
		if (entry && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			entries++;
	} while (entry && entries == 0);
	r = entries == 0;
	if (errno != 0)
		r = error_errno(err, error_class_of_errno(-errno), -errno, "read directory %s",
				path);
	(void)closedir(stream);
	return r;
}

bool fs_is_writable(const char *path)
{
	_cleanup_free_ char *existing = xstrdup(path);

	while (faccessat(AT_FDCWD, existing, F_OK, AT_EACCESS) < 0 && errno == ENOENT) {
		char *slash = strrchr(existing, '/');

		if (!slash)
			return false;
		/* The root directory always exists. */
		slash[slash == existing] = '\0';
	}
	return faccessat(AT_FDCWD, existing, W_OK | X_OK, AT_EACCESS) == 0;
}
