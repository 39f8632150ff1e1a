/* What rows that keep one local file share: paths under the role's folders, looking, replacing. */
#pragma once

#include <sys/types.h>

#include "agentd/context.h"
#include "common/buf.h"
#include "common/file.h"

enum { FILES_CAP = 1024 * 1024 };

/* Below the role's certificatesDir, with the root in front: files_pki(ctx, "%s.crt", name). */
char *files_pki(const struct context *ctx, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends a file's bytes. false if it cannot be read, for whatever reason. */
bool files_load(const char *path, struct buf *buf);
/* Whether a path is a regular file of root's (of who runs agentd) with these permission bits; else
 * the reason is in why. */
bool files_are_kept(const char *path, mode_t mode, struct why *why);
/* IN_SYNC if the file has these bytes, permission bits and root as its owner, else DRIFTED with the
 * reason. */
enum verdict files_observe(const char *path, const struct buf *wanted, mode_t mode,
			   struct why *why);
/* Replaces one file, which is root's then; what another hand made of it is kept first (keep.h).
 * Returns 0 also if there was nothing to do. */
int files_replace(const struct context *ctx, const char *path, const void *bytes, size_t length,
		  mode_t mode, struct error *err);
/* Replaces several files together or not at all, under a redo record in the state directory; they
 * are root's then, whatever their contents say of owners. */
int files_replace_set(const struct context *ctx, const struct file_content *contents, size_t count,
		      struct error *err);
/* Whether this row ever wrote (or began to write) what it keeps; if not, what is there is somebody
 * else's and is adopted only where it fits (architecture rule 9). */
bool files_is_ours(const struct context *ctx, const struct resource *row);
