/* Path changes by inotify; see notice.h.
 *
 * The kernel watches directories. The one that holds a path reports what happens to its name; those
 * above report only that they themselves are gone; and where one is missing, the one above it also
 * reports new names. arrange() places all watches anew when any of that happens. */
#include "common/notice.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/macros.h"

#define SELF	  (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)
#define NEW_NAMES (IN_CREATE | IN_MOVED_TO)
#define ENTRIES                                                                             \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_MODIFY | \
	 IN_ATTRIB)

enum {
	/* How often everything is reported while the kernel has no watches left for us. */
	POLL_S = 30,
	POLL_SLACK_S = 10,
	READS_PER_ROUND = 16,
};

/* A path that was asked for. */
struct target {
	char *path;
	size_t parent_length; /* of the directory that holds it, without the slash; 0 = the root */
	int wd;		      /* of that directory; -1 while it is missing */
	bool changed, being_written;
	enum notice_kind last;
};

/* A directory on the way. Several names may lead to one directory, which has one wd. */
struct directory {
	char *path; /* "/", "/etc" */
	int wd;
	uint32_t mask;	 /* what the kernel reports */
	uint32_t wanted; /* what it should report */
};

struct notice {
	struct loop *loop;
	notice_fn fn;
	void *userdata;
	int fd; /* -1 if the kernel has none for us */
	struct loop_io *io;
	struct loop_timer *poll_timer;
	struct target **targets;
	size_t target_count;
	struct directory *directories;
	size_t directory_count;
	bool exhausted; /* a watch was refused */
	bool disturbed; /* the watches have to be placed anew */
};

static void mark(struct target *target, enum notice_kind kind)
{
	if (kind == NOTICE_CHANGED)
		target->changed = true;
	else
		target->being_written = true;
	target->last = kind;
}

static void mark_all(struct notice *notice)
{
	for (size_t i = 0; i < notice->target_count; i++)
		mark(notice->targets[i], NOTICE_CHANGED);
}

static struct directory *find_directory(struct notice *notice, const char *path)
{
	for (size_t i = 0; i < notice->directory_count; i++)
		if (strcmp(notice->directories[i].path, path) == 0)
			return &notice->directories[i];
	return NULL;
}

/* What all names of a directory want to know of it. */
static uint32_t wanted_of(const struct notice *notice, int wd)
{
	uint32_t wanted = 0;

	for (size_t i = 0; i < notice->directory_count; i++)
		if (notice->directories[i].wd == wd)
			wanted |= notice->directories[i].wanted;
	return wanted;
}

static void set_mask(struct notice *notice, int wd, uint32_t mask)
{
	for (size_t i = 0; i < notice->directory_count; i++)
		if (notice->directories[i].wd == wd)
			notice->directories[i].mask = mask;
}

/* Another directory has got this name, or the first one has. */
static void replace_wd(struct notice *notice, struct directory *directory, int wd)
{
	int old = directory->wd;

	directory->wd = wd;
	directory->wanted = directory->mask = 0;
	if (old < 0)
		return;
	/* Others may have been placed by what the name meant before. */
	notice->disturbed = true;
	if (wanted_of(notice, old) == 0)
		(void)inotify_rm_watch(notice->fd, old);
}

/* Wants to know such things of a directory. Answers its wd, -1 if it is not there. */
static int want(struct notice *notice, const char *path, uint32_t what)
{
	struct directory *directory = find_directory(notice, path);
	int wd = inotify_add_watch(notice->fd, path, what | IN_MASK_ADD);

	if (wd < 0) {
		if (errno == ENOSPC || errno == ENOMEM)
			notice->exhausted = true;
		return -1;
	}
	if (!directory) {
		notice->directories = xreallocarray(
		    notice->directories, notice->directory_count + 1, sizeof(*notice->directories));
		directory = &notice->directories[notice->directory_count++];
		*directory = (struct directory){ .path = xstrdup(path), .wd = -1 };
	}
	if (directory->wd != wd)
		replace_wd(notice, directory, wd);
	directory->wanted |= what;
	set_mask(notice, wd, directory->mask | what);
	return wd;
}

/* Watches the directory that holds a target and those above it, as far as they exist. */
static int place(struct notice *notice, const struct target *target)
{
	_cleanup_free_ char *above = xstrdup("/");
	size_t length = 0;
	int wd = want(notice, "/", SELF | (target->parent_length == 0 ? ENTRIES : 0));

	while (wd >= 0 && length < target->parent_length) {
		_cleanup_free_ char *path = NULL;
		uint32_t what;

		length += 1 + strcspn(target->path + length + 1, "/");
		path = xstrndup(target->path, length);
		what = SELF | (length == target->parent_length ? ENTRIES : 0);
		wd = want(notice, path, what);
		if (wd < 0) {
			/* It may have come between the two. */
			(void)want(notice, above, SELF | NEW_NAMES);
			wd = want(notice, path, what);
		}
		free(above);
		above = TAKE_PTR(path);
	}
	return wd;
}

/* Takes back what nobody wants to know any more; false if a directory changed meanwhile. */
static bool sweep(struct notice *notice)
{
	bool stable = true;
	size_t kept = 0;

	for (size_t i = 0; i < notice->directory_count; i++) {
		struct directory *directory = &notice->directories[i];
		uint32_t wanted = wanted_of(notice, directory->wd);

		if (wanted && wanted != directory->mask) {
			stable &=
			    inotify_add_watch(notice->fd, directory->path, wanted) == directory->wd;
			set_mask(notice, directory->wd, wanted);
		}
	}
	for (size_t i = 0; i < notice->directory_count; i++) {
		if (notice->directories[i].wanted)
			notice->directories[kept++] = notice->directories[i];
		else
			free(notice->directories[i].path);
	}
	notice->directory_count = kept;
	return stable;
}

/* The kernel's watches that no directory of ours has any more. */
static void forget(struct notice *notice, const int *wds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (wds[i] >= 0 && wanted_of(notice, wds[i]) == 0)
			/* Fails if the directory is gone, and its watch with it. */
			(void)inotify_rm_watch(notice->fd, wds[i]);
}

/* Places all watches anew, and marks the targets whose directory came, went or was replaced. */
static void arrange_once(struct notice *notice)
{
	size_t count = notice->directory_count;
	_cleanup_free_ int *before = NEW_ARRAY(int, count + 1);

	notice->disturbed = false;
	for (size_t i = 0; i < count; i++) {
		before[i] = notice->directories[i].wd;
		notice->directories[i].wanted = 0;
	}
	for (size_t i = 0; i < notice->target_count; i++) {
		struct target *target = notice->targets[i];
		int wd = place(notice, target);

		if (wd != target->wd)
			mark(target, NOTICE_CHANGED);
		target->wd = wd;
	}
	notice->disturbed |= !sweep(notice);
	forget(notice, before, count);
}

static void arrange(struct notice *notice)
{
	/* Who moves directories all the time is heard again at the next event. */
	for (unsigned i = 0; i < 3 && notice->disturbed; i++)
		arrange_once(notice);
}

static void deliver(struct notice *notice)
{
	for (size_t i = 0; i < notice->target_count; i++) {
		struct target *target = notice->targets[i];
		bool changed = target->changed, being_written = target->being_written;
		enum notice_kind last = target->last;

		target->changed = target->being_written = false;
		if (changed && last != NOTICE_CHANGED)
			notice->fn(target->path, NOTICE_CHANGED, notice->userdata);
		if (being_written)
			notice->fn(target->path, NOTICE_BEING_WRITTEN, notice->userdata);
		if (changed && last == NOTICE_CHANGED)
			notice->fn(target->path, NOTICE_CHANGED, notice->userdata);
	}
}

/* Whether there is more to come: a regular file that was just made is written next, but not a link
 * to one, a directory or a socket. */
static bool is_being_written(const char *path, uint32_t mask)
{
	struct stat st;

	if (mask & IN_MODIFY)
		return true;
	return mask & IN_CREATE && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static bool is_folder(const struct target *target)
{
	return target->path[target->parent_length + 1] == '\0';
}

/* An event of the directory that holds a target; name is "" if it is about the directory itself. */
static void happened_beside(struct target *target, const char *name, uint32_t mask)
{
	_cleanup_free_ char *path = NULL;
	const char *own = target->path + target->parent_length + 1;

	if (!is_folder(target) && strcmp(own, name) != 0)
		return;
	path = xasprintf("%.*s/%s", (int)target->parent_length, target->path, name);
	mark(target, is_being_written(path, mask) ? NOTICE_BEING_WRITTEN : NOTICE_CHANGED);
}

/* Whether directory/name is a directory on the way to the target. */
static bool is_on_the_way(const struct target *target, const char *directory, const char *name)
{
	size_t length = strlen(directory), name_length = strlen(name);

	/* The root is "/". */
	length -= length == 1;
	return length + 1 + name_length <= target->parent_length &&
	       strncmp(target->path, directory, length) == 0 && target->path[length] == '/' &&
	       strncmp(target->path + length + 1, name, name_length) == 0 &&
	       target->path[length + 1 + name_length] == '/';
}

static void handle(struct notice *notice, const struct inotify_event *event)
{
	const char *name = event->len > 0 ? event->name : "";

	if (event->mask & IN_Q_OVERFLOW) {
		mark_all(notice);
		notice->disturbed = true;
		return;
	}
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
		for (size_t i = 0; i < notice->directory_count; i++)
			notice->disturbed |= notice->directories[i].wd == event->wd;
		return;
	}
	for (size_t i = 0; i < notice->target_count; i++)
		if (notice->targets[i]->wd == event->wd)
			happened_beside(notice->targets[i], name, event->mask);
	if (event->mask & (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB))
		return;
	for (size_t i = 0; i < notice->directory_count && !notice->disturbed; i++)
		for (size_t j = 0; j < notice->target_count; j++)
			if (notice->directories[i].wd == event->wd &&
			    is_on_the_way(notice->targets[j], notice->directories[i].path, name))
				notice->disturbed = true;
}

static void poll_if_blind(struct notice *notice)
{
	if (notice_is_polling(notice) && !loop_timer_armed(notice->poll_timer))
		loop_timer_arm(notice->poll_timer, POLL_S * NSEC_PER_SEC,
			       POLL_SLACK_S * NSEC_PER_SEC);
}

static void ready(int fd, unsigned events, void *userdata)
{
	struct notice *notice = userdata;
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n;

	for (unsigned i = 0; i < READS_PER_ROUND; i++) {
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		for (char *at = bytes; at < bytes + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(void *)at;
			handle(notice, event);
		}
	}
	arrange(notice);
	poll_if_blind(notice);
	deliver(notice);
}

static void open_inotify(struct notice *notice)
{
	notice->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (notice->fd < 0)
		return;
	notice->io = loop_io_new(notice->loop, notice->fd, ready, notice);
	loop_io_want(notice->io, LOOP_READ);
}

/* Without watches nothing is known: everything is reported, and watches are tried again. */
static void poll_over(void *userdata)
{
	struct notice *notice = userdata;

	notice->exhausted = false;
	if (notice->fd < 0)
		open_inotify(notice);
	notice->disturbed = notice->fd >= 0;
	arrange(notice);
	poll_if_blind(notice);
	mark_all(notice);
	deliver(notice);
}

struct notice *notice_new(struct loop *loop, notice_fn fn, void *userdata)
{
	struct notice *notice = NEW(struct notice);

	notice->loop = loop;
	notice->fn = fn;
	notice->userdata = userdata;
	notice->poll_timer = loop_timer_new(loop, poll_over, notice);
	open_inotify(notice);
	return notice;
}

struct notice *notice_free(struct notice *notice)
{
	if (!notice)
		return NULL;
	loop_timer_free(notice->poll_timer);
	loop_io_free(notice->io);
	if (notice->fd >= 0)
		(void)close(notice->fd);
	for (size_t i = 0; i < notice->target_count; i++) {
		free(notice->targets[i]->path);
		free(notice->targets[i]);
	}
	for (size_t i = 0; i < notice->directory_count; i++)
		free(notice->directories[i].path);
	free(notice->targets);
	free(notice->directories);
	free(notice);
	return NULL;
}

void notice_watch(struct notice *notice, const char *path)
{
	struct target *target;

	assert(path[0] == '/');
	for (size_t i = 0; i < notice->target_count; i++)
		if (strcmp(notice->targets[i]->path, path) == 0)
			return;
	target = NEW(struct target);
	target->path = xstrdup(path);
	target->parent_length = (size_t)(strrchr(path, '/') - path);
	notice->targets =
	    xreallocarray(notice->targets, notice->target_count + 1, sizeof(struct target *));
	notice->targets[notice->target_count++] = target;
	target->wd = notice->fd >= 0 ? place(notice, target) : -1;
	poll_if_blind(notice);
}

bool notice_is_polling(const struct notice *notice)
{
	return notice->fd < 0 || notice->exhausted;
}
