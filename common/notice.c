/* Path changes by inotify; see notice.h.
 *
 * The kernel watches directories. For each path that is asked for, the nearest existing parent is
 * watched; when the next part of the path appears there, or a parent goes away, the watches of the
 * path are placed anew. */
#include "common/notice.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/strv.h"

enum {
	WATCHED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB |
		  IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

/* A directory that the kernel watches. */
struct directory {
	char *path; /* without an end slash; "" is the root */
	int wd;
	struct directory *next;
};

struct notice {
	struct loop *loop;
	notice_fn fn;
	void *userdata;
	int fd;
	struct loop_io *io;
	struct strv paths;
	struct directory *directories;
};

static struct directory *find_by_wd(struct notice *notice, int wd)
{
	for (struct directory *d = notice->directories; d; d = d->next)
		if (d->wd == wd)
			return d;
	return NULL;
}

static struct directory *find_by_path(struct notice *notice, const char *path)
{
	for (struct directory *d = notice->directories; d; d = d->next)
		if (strcmp(d->path, path) == 0)
			return d;
	return NULL;
}

/* Forgets a directory that is gone or was moved away. */
static void forget(struct notice *notice, struct directory *gone)
{
	for (struct directory **at = &notice->directories; *at; at = &(*at)->next) {
		if (*at != gone)
			continue;
		*at = gone->next;
		(void)inotify_rm_watch(notice->fd, gone->wd);
		free(gone->path);
		free(gone);
		return;
	}
}

/* Watches a directory. false if it does not exist. */
static bool watch_directory(struct notice *notice, const char *path)
{
	struct directory *known = find_by_path(notice, path);
	struct directory *directory;
	int wd = inotify_add_watch(notice->fd, path[0] ? path : "/", WATCHED);

	if (wd < 0) {
		if (known)
			forget(notice, known);
		return false;
	}
	if (known && known->wd == wd)
		return true;
	if (known)
		forget(notice, known);
	/* The same directory under another name: the first name keeps the events. */
	if (find_by_wd(notice, wd))
		return true;
	directory = NEW(struct directory);
	directory->path = xstrdup(path);
	directory->wd = wd;
	directory->next = notice->directories;
	notice->directories = directory;
	return true;
}

/* The parent of a path, without an end slash. */
static char *parent_of(const char *path)
{
	const char *slash;
	size_t length = strlen(path);

	/* "/dir/" means the entries of /dir, which is then the parent itself. */
	slash = memrchr(path, '/', length);
	return xstrndup(path, slash ? (size_t)(slash - path) : 0);
}

/* Places the watch of one path: its parent, or the nearest one that exists. */
static void place(struct notice *notice, const char *path)
{
	_cleanup_free_ char *parent = parent_of(path);

	while (!watch_directory(notice, parent) && parent[0]) {
		char *grandparent = parent_of(parent);

		free(parent);
		parent = grandparent;
	}
}

/* Whether something at `changed` concerns the path: itself, an entry of a watched folder, or a part
 * of the way to it. */
static bool concerns(const char *path, const char *changed)
{
	size_t length = strlen(path), changed_length = strlen(changed);

	if (strcmp(path, changed) == 0)
		return true;
	if (path[length - 1] == '/' && strncmp(path, changed, length) == 0)
		return true;
	return changed_length < length && strncmp(path, changed, changed_length) == 0 &&
	       (changed_length == 0 || path[changed_length] == '/');
}

static bool is_on_the_way(const char *path, const char *changed)
{
	size_t length = strlen(changed);

	return length < strlen(path) && strncmp(path, changed, length) == 0 && path[length] == '/';
}

static void report_all(struct notice *notice)
{
	for (size_t i = 0; i < notice->paths.count; i++) {
		place(notice, notice->paths.items[i]);
		notice->fn(notice->paths.items[i], NOTICE_CHANGED, notice->userdata);
	}
}

/* A regular file that was just created is about to be written; a link, a folder or a socket has no
 * more to come. */
static bool is_being_written(const char *path, uint32_t mask)
{
	struct stat st;

	if (mask & IN_MODIFY)
		return true;
	return (mask & IN_CREATE) && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_nlink == 1;
}

static void report(struct notice *notice, const char *changed, uint32_t mask)
{
	bool writing = is_being_written(changed, mask);

	for (size_t i = 0; i < notice->paths.count; i++) {
		const char *path = notice->paths.items[i];
		size_t length = strlen(path);
		bool folder = path[length - 1] == '/';

		if (!concerns(path, changed))
			continue;
		if (is_on_the_way(path, changed) &&
		    !(folder && strncmp(path, changed, length) == 0)) {
			if (writing || (mask & IN_CLOSE_WRITE))
				continue;
			place(notice, path);
		}
		notice->fn(folder && strncmp(path, changed, length) == 0 ? changed : path,
			   writing ? NOTICE_BEING_WRITTEN : NOTICE_CHANGED, notice->userdata);
	}
}

static void handle(struct notice *notice, const struct inotify_event *event)
{
	struct directory *directory;
	_cleanup_free_ char *changed = NULL;

	if (event->mask & IN_Q_OVERFLOW) {
		report_all(notice);
		return;
	}
	directory = find_by_wd(notice, event->wd);
	if (!directory)
		return;
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
		changed = xstrdup(directory->path);
		forget(notice, directory);
		report(notice, changed, IN_DELETE);
		return;
	}
	changed = event->len > 0 ? xasprintf("%s/%s", directory->path, event->name)
				 : xstrdup(directory->path);
	report(notice, changed, event->mask);
}

static void ready(int fd, unsigned events, void *userdata)
{
	struct notice *notice = userdata;
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	(void)events;
	n = read(fd, bytes, sizeof(bytes));
	for (char *at = bytes; n > 0 && at < bytes + n;) {
		const struct inotify_event *event = (const struct inotify_event *)(void *)at;

		at += sizeof(*event) + event->len;
		handle(notice, event);
	}
}

struct notice *notice_new(struct loop *loop, notice_fn fn, void *userdata)
{
	struct notice *notice = NEW(struct notice);

	notice->loop = loop;
	notice->fn = fn;
	notice->userdata = userdata;
	notice->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert(notice->fd >= 0);
	notice->io = loop_io_new(loop, notice->fd, ready, notice);
	loop_io_want(notice->io, LOOP_READ);
	return notice;
}

struct notice *notice_free(struct notice *notice)
{
	if (!notice)
		return NULL;
	loop_io_free(notice->io);
	while (notice->directories)
		forget(notice, notice->directories);
	(void)close(notice->fd);
	strv_done(&notice->paths);
	free(notice);
	return NULL;
}

void notice_watch(struct notice *notice, const char *path)
{
	if (strv_contains(&notice->paths, path))
		return;
	strv_add(&notice->paths, path);
	place(notice, path);
}
