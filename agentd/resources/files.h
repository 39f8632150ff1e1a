/* What rows that keep one local file share: paths under the role's folders, looking, replacing. */
#pragma once

#include <sys/types.h>

#include "agentd/context.h"
#include "common/buf.h"

enum { FILES_CAP = 1024 * 1024 };

/* Below the role's certificatesDir, with the root in front: files_pki(ctx, "%s.crt", name). */
char *files_pki(const struct context *ctx, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends a file's bytes. false if it cannot be read, for whatever reason. */
bool files_load(const char *path, struct buf *buf);
/* IN_SYNC if the file has these bytes and permission bits, else DRIFTED with the reason. */
enum verdict files_observe(const char *path, const struct buf *wanted, mode_t mode,
			   struct why *why);
/* Replaces one file, owner as created. */
int files_replace(const char *path, const void *bytes, size_t length, mode_t mode,
		  struct error *err);
/* Whether this row ever wrote (or began to write) what it keeps; if not, what is there is somebody
 * else's and is adopted only where it fits (architecture rule 9). */
bool files_is_ours(const struct context *ctx, const struct resource *row);
