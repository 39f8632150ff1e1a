/* inotify on the loop: something happened to a path. Parents are watched, so a path may be missing,
 * be replaced by rename, or have missing parents that appear later. */
#pragma once

#include "common/loop.h"

enum notice_kind {
	NOTICE_CHANGED,	     /* replaced, deleted, mode or owner changed, or closed after writing */
	NOTICE_BEING_WRITTEN /* opened for writing or modified in place, not closed yet */
};

struct notice;
typedef void (*notice_fn)(const char *path, enum notice_kind kind, void *userdata);

struct notice *notice_new(struct loop *loop, notice_fn fn, void *userdata);
struct notice *notice_free(struct notice *notice);
DEFINE_CLEANUP(struct notice, notice_free)
/* Watches an absolute path (a file, or a directory's entries if it ends in '/'). Watching twice is
 * watching once. An overflow of the kernel's queue reports every path. */
void notice_watch(struct notice *notice, const char *path);
