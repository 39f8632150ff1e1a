/* What rows that keep one local file share; see files.h. */
#include "agentd/resources/files.h"

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/resources/keep.h"
#include "common/alloc.h"

char *files_pki(const struct context *ctx, const char *format, ...)
{
	_cleanup_free_ char *name = NULL;
	va_list args;

	va_start(args, format);
	name = xvasprintf(format, args);
	va_end(args);
	return context_path(ctx, "%s/%s", ctx->role->cluster.certificates_dir, name);
}

bool files_load(const char *path, struct buf *buf)
{
	struct error err = ERROR_INIT;

	return file_read(path, buf, &err) > 0;
}

bool files_are_kept(const char *path, mode_t mode, struct why *why)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		why_set(why, "%s is missing", path);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		why_set(why, "%s is not a regular file", path);
		return false;
	}
	if (st.st_uid != geteuid() || st.st_gid != getegid()) {
		why_set(why, "%s belongs to %u:%u, not to %u:%u", path, st.st_uid, st.st_gid,
			geteuid(), getegid());
		return false;
	}
	if ((st.st_mode & 07777) != mode) {
		why_set(why, "%s has mode %04o, not %04o", path, st.st_mode & 07777, mode);
		return false;
	}
	return true;
}

enum verdict files_observe(const char *path, const struct buf *wanted, mode_t mode, struct why *why)
{
	_cleanup_(buf_done) struct buf found = BUF_INIT(FILES_CAP);
	struct stat st;

	if (lstat(path, &st) < 0) {
		why_set(why, "%s is missing", path);
		return DRIFTED;
	}
	if (!S_ISREG(st.st_mode)) {
		why_set(why, "%s is not a regular file", path);
		return DRIFTED;
	}
	if (!files_load(path, &found) || found.length != wanted->length ||
	    memcmp(found.data, wanted->data, wanted->length) != 0) {
		why_set(why, "%s differs", path);
		return DRIFTED;
	}
	return files_are_kept(path, mode, why) ? IN_SYNC : DRIFTED;
}

int files_replace(const struct context *ctx, const char *path, const void *bytes, size_t length,
		  mode_t mode, struct error *err)
{
	const struct file_content content = { .path = path,
					      .bytes = bytes,
					      .length = length,
					      .mode = mode,
					      .uid = geteuid(),
					      .gid = getegid() };
	int r;

	r = keep_file(ctx, &content, err);
	if (r >= 0)
		r = file_replace(&content, err);
	if (r < 0)
		return r;
	keep_note_file(ctx, &content);
	return 0;
}

int files_replace_set(const struct context *ctx, const struct file_content *contents, size_t count,
		      struct error *err)
{
	_cleanup_free_ char *state = context_path(ctx, "/var/lib/agentd");
	_cleanup_free_ struct file_content *owned = NEW_ARRAY(struct file_content, count);
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		owned[i] = contents[i];
		owned[i].uid = geteuid();
		owned[i].gid = getegid();
		r = keep_file(ctx, &owned[i], err);
	}
	if (r >= 0)
		r = file_replace_set(state, owned, count, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		keep_note_file(ctx, &owned[i]);
	return 0;
}

bool files_is_ours(const struct context *ctx, const struct resource *row)
{
	return ledger_get(ctx->ledger, row->name) != LEDGER_ABSENT;
}
