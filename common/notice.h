/* inotify on the loop: something happened to a path. Parents are watched, so a path may be missing,
 * be replaced by rename, or have missing parents that appear later. What moves a symbolic link
 * among its parents is not seen: whoever needs the truth looks again every few minutes. */
#pragma once

#include <stdbool.h>

#include "common/loop.h"

enum notice_kind {
	NOTICE_CHANGED,	     /* replaced, deleted, mode or owner changed, or closed after writing */
	NOTICE_BEING_WRITTEN /* just made, or modified in place, and not closed yet */
};

struct notice;
/* path is as it was given to notice_watch(). Must not free notice; may call notice_watch(). What
 * happened at once is reported once of each kind, the newest kind last. */
typedef void (*notice_fn)(const char *path, enum notice_kind kind, void *userdata);

struct notice *notice_new(struct loop *loop, notice_fn fn, void *userdata);
struct notice *notice_free(struct notice *notice);
DEFINE_CLEANUP(struct notice, notice_free)
/* Watches an absolute path (a file, or a directory's entries if it ends in '/'). Watching twice is
 * watching once. An overflow of the kernel's queue reports every path. */
void notice_watch(struct notice *notice, const char *path);
/* Whether the kernel has no watches left (fs.inotify.max_user_instances, max_user_watches): then
 * every path is reported every half minute until it has some again. */
bool notice_is_polling(const struct notice *notice);
