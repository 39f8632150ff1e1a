/* Whole files: read, replace atomically and durably, compare. There is no other way to write a
 * managed file (tests/lint enforces it).
 *
 * Replacing: temporary file `.NAME.agentd-tmp` in the same directory, write, fchmod, fchown, fsync,
 * rename, fsync of the directory. A reader sees the old or the new file, whole. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

enum { FILE_DIGEST_SIZE = 65 }; /* SHA-256 in hex and a NUL */

/* Reads a regular file into buf (appends). Returns 1; 0 if there is no such file. More than the
 * buffer's cap is -EFBIG. Follows no symbolic link in the last component. */
int file_read(const char *path, struct buf *buf, struct error *err);

struct file_content {
	const char *path; /* absolute */
	const void *bytes;
	size_t length;
	mode_t mode; /* permission bits; S_IFLNK = a symbolic link whose target the bytes are */
	uid_t uid;   /* (uid_t)-1 = leave as created; so is a link's, always */
	gid_t gid;
};
/* Replaces one file. Missing parents are made with mode 0755; a directory that wants another mode
 * is made before, with file_make_directory(). Does nothing and returns 0 if the file has these
 * bytes, mode and owner already; 1 if it was written. A symbolic link there is replaced, not
 * followed; a directory goes out of the way, to ".NAME.agentd-kept-N" unless it is empty. */
int file_replace(const struct file_content *content, struct error *err);
/* The same in steps, so that several files change at one moment: all that takes time comes before
 * the first name changes. file_prepare() writes the temporary file, whole and on disk: 1, or 0 and
 * *ret NULL if there is nothing to do. file_put() is one rename. file_settle() makes it durable.
 * Freed before file_put(), a change leaves nothing behind. */
struct file_change;
int file_prepare(const struct file_content *content, struct file_change **ret, struct error *err);
int file_put(struct file_change *change, struct error *err);
int file_settle(const struct file_change *change, struct error *err);
struct file_change *file_change_free(struct file_change *change);
DEFINE_CLEANUP(struct file_change, file_change_free)
/* Whether file_replace() would do nothing. */
bool file_is_replaced(const struct file_content *content);
/* Replaces several files under one redo record in state_directory (redo/set, 0600): once the record
 * is durable, the set will be complete, now or at the next start, or before the next set. The names
 * change in the order of the contents, one rename directly after the other. Returns 1, 0 if all of
 * them were so already. */
int file_replace_set(const char *state_directory, const struct file_content *contents, size_t count,
		     struct error *err);
/* Finishes what a kill interrupted: completes the redo record of state_directory. Called once at
 * start, before anything is swept or observed. */
int file_redo(const char *state_directory, struct error *err);
/* Removes left-over temporary files of ours in a directory. */
void file_sweep(const char *directory);
/* Removes a file durably. Returns 1, 0 if it was not there. */
int file_remove(const char *path, struct error *err);
/* Makes a directory; its missing parents get mode 0755, an existing one keeps its mode. */
int file_make_directory(const char *path, mode_t mode, struct error *err);
/* Points a symbolic link at target, atomically. Returns 1, 0 if it did so already. */
int file_link(const char *path, const char *target, struct error *err);
/* Whether a regular file has these bytes and permission bits. */
bool file_is(const char *path, const void *bytes, size_t length, mode_t mode);
/* SHA-256 of bytes in hex. */
void file_digest(const void *bytes, size_t length, char ret[static FILE_DIGEST_SIZE]);
