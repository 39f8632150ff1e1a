/* Questions to the file system that must not be fooled: owners, modes, symbolic links. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

/* Reads a file that decides what root does: regular, owned by root (or by uid, for tests), not
 * writable by group or others, no symbolic link anywhere in the path (openat2), opened without
 * blocking, at most the buffer's cap. Returns 1, 0 if it is not there; *ret_mode gets its mode. */
int fs_read_trusted(const char *path, uid_t uid, struct buf *buf, mode_t *ret_mode,
		    struct error *err);
/* What of a systemd unit hides this path from its service, as "ProtectHome= hides /root"; NULL if
 * nothing does that usually is set. For messages about a file that an administrator sees and the
 * service does not. */
const char *fs_hidden_by(const char *path);
/* Follows links: one that leads nowhere does not exist. */
bool fs_exists(const char *path);
/* 1 if it is a directory with no entries, or does not exist; 0 if it has some. */
int fs_is_empty_directory(const char *path, struct error *err);
/* Whether this process could write into the directory (or its nearest existing parent); false on a
 * read-only mount, as ProtectSystem= makes them. */
bool fs_is_writable(const char *path);
