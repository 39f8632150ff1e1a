/* Files of other hands; see keep.h. */
#include "agentd/resources/keep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/drift.h"
#include "common/alloc.h"
#include "common/parse.h"

/* Whose notes the ledger keeps them under: no row, so that two rows may write one file. */
#define NOTES "files"

/* A file as it is found, or as it is about to be. */
struct shape {
	mode_t mode; /* with its type; 0 = there is none */
	uid_t uid;
	gid_t gid;
	const char *bytes; /* of a link: its target */
	size_t length;
};

/* Folders whose files are not for others to edit: our own state, and what the kubelet rotates. */
static const char *const private_folders[] = { "/var/lib/agentd/", "/var/lib/kubelet/pki/" };

/* The path on the host; NULL for what is not kept. */
static const char *host_path(const struct context *ctx, const char *path)
{
	const char *host = path + strlen(ctx->settings->root);

	for (size_t i = 0; i < ARRAY_SIZE(private_folders); i++)
		if (strncmp(host, private_folders[i], strlen(private_folders[i])) == 0)
			return NULL;
	return host;
}

static struct shape shape_of(const struct file_content *ours)
{
	bool is_link = S_ISLNK(ours->mode);

	return (struct shape){
		.mode = is_link ? S_IFLNK : S_IFREG | (ours->mode & 07777),
		.uid = ours->uid == (uid_t)-1 ? geteuid() : ours->uid,
		.gid = ours->gid == (gid_t)-1 ? getegid() : ours->gid,
		.bytes = ours->bytes,
		.length = ours->length,
	};
}

/* Reads what is there. Its bytes stay empty where it is neither a file nor a link. */
static int find_shape(const char *path, struct buf *bytes, struct shape *ret, struct stat *ret_st,
		      struct error *err)
{
	char target[PATH_MAX];
	ssize_t length;
	int r = 0;

	if (lstat(path, ret_st) < 0) {
		*ret = (struct shape){ .mode = 0 };
		return errno == ENOENT || errno == ENOTDIR
			   ? 0
			   : error_errno(err, error_class_of_errno(-errno), -errno, "look at %s",
					 path);
	}
	if (S_ISREG(ret_st->st_mode)) {
		r = file_read(path, bytes, err);
	} else if (S_ISLNK(ret_st->st_mode)) {
		length = readlink(path, target, sizeof(target));
		r = length > 0 ? buf_append(bytes, target, (size_t)length) : 0;
	}
	if (r < 0)
		return r;
	*ret = (struct shape){
		.mode = S_ISLNK(ret_st->st_mode) ? S_IFLNK : ret_st->st_mode,
		.uid = ret_st->st_uid,
		.gid = ret_st->st_gid,
		.bytes = bytes->data,
		.length = bytes->length,
	};
	return 0;
}

/* One line that two shapes share only if nothing differs. */
static char *state_of(const struct shape *shape)
{
	char digest[FILE_DIGEST_SIZE];

	if (shape->mode == 0)
		return xstrdup("none");
	file_digest(shape->bytes, shape->length, digest);
	if (S_ISLNK(shape->mode))
		return xasprintf("link %s", digest);
	return xasprintf("%o %u:%u %s", shape->mode, shape->uid, shape->gid, digest);
}

static const char *type_name(mode_t mode)
{
	return mode == 0       ? "none"
	       : S_ISREG(mode) ? "file"
	       : S_ISLNK(mode) ? "link"
	       : S_ISDIR(mode) ? "directory"
			       : "special";
}

static bool has_text(const struct shape *shape, const char *text)
{
	return shape->length > 0 && memmem(shape->bytes, shape->length, text, strlen(text));
}

/* Keys, and what carries one: never shown. */
static bool is_secret(const char *path, const struct shape *theirs, const struct shape *ours)
{
	static const char *const marks[] = { "PRIVATE KEY-----", "client-key-data",
					     "token:", "password" };
	size_t length = strlen(path);

	if (length > 4 && strcmp(path + length - 4, ".key") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (has_text(theirs, marks[i]) || has_text(ours, marks[i]))
			return true;
	return false;
}

static void describe_change(const struct shape *theirs, const struct shape *ours, struct buf *buf)
{
	if (theirs->mode == 0) {
		(void)buf_append_string(buf, "deleted");
		return;
	}
	if ((theirs->mode & S_IFMT) != (ours->mode & S_IFMT)) {
		(void)buf_printf(buf, "a %s in its place", type_name(theirs->mode));
		return;
	}
	if (theirs->length != ours->length || memcmp(theirs->bytes, ours->bytes, ours->length) != 0)
		(void)buf_append_string(buf, S_ISLNK(ours->mode) ? "leads elsewhere" : "content");
	if (S_ISLNK(ours->mode))
		return;
	if ((theirs->mode & 07777) != (ours->mode & 07777))
		(void)buf_printf(buf, "%smode %04o, not %04o", buf->length > 0 ? "; " : "",
				 theirs->mode & 07777, ours->mode & 07777);
	if (theirs->uid != ours->uid || theirs->gid != ours->gid)
		(void)buf_printf(buf, "%sowner %u:%u, not %u:%u", buf->length > 0 ? "; " : "",
				 theirs->uid, theirs->gid, ours->uid, ours->gid);
}

static struct value *put_time(struct value *map, const char *key, int64_t s)
{
	char text[32];

	format_time(s, text);
	return value_put(map, key, value_new_string(text));
}

/* What it takes to put it back. Who: all that a file tells is its owner. */
static struct value *about_shape(const struct shape *theirs, const struct stat *st)
{
	struct value *map =
	    value_put(value_new_map(), "type", value_new_string(type_name(theirs->mode)));

	if (theirs->mode == 0)
		return map;
	map = value_put(map, "mode", value_new_stringf("%04o", theirs->mode & 07777));
	map = value_put(map, "uid", value_new_int(theirs->uid));
	map = value_put(map, "gid", value_new_int(theirs->gid));
	map = put_time(map, "modified", st->st_mtime);
	return put_time(map, "changed", st->st_ctime);
}

static int keep(const struct context *ctx, const char *host, const struct shape *theirs,
		const struct shape *ours, const struct stat *st, struct error *err)
{
	_cleanup_(value_unref) struct value *about = about_shape(theirs, st);
	_cleanup_(buf_done) struct buf change = BUF_INIT(KIB);
	_cleanup_free_ char *state = state_of(theirs);
	bool secret = is_secret(host, theirs, ours);
	struct drift_version version = {
		.kind = "file",
		.name = host,
		.change = change.data,
		.state = state,
		.about = about,
		.theirs = S_ISREG(theirs->mode) || S_ISLNK(theirs->mode) ? theirs->bytes : NULL,
		.theirs_length = theirs->length,
		/* A key of ours has no second place. */
		.ours = secret ? NULL : ours->bytes,
		.ours_length = secret ? 0 : ours->length,
		.secret = secret,
	};

	describe_change(theirs, ours, &change);
	version.change = change.data;
	return drift_add(ctx->drift, &version, err);
}

int keep_file(const struct context *ctx, const struct file_content *content, struct error *err)
{
	const char *host = host_path(ctx, content->path);
	const char *last = host ? ledger_note(ctx->ledger, NOTES, host) : NULL;
	struct shape ours = shape_of(content), theirs = { 0 };
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(DRIFT_TEXT_MAX);
	_cleanup_free_ char *found = NULL, *wanted = NULL;
	struct stat st = { 0 };
	int r;

	if (!host || !ctx->drift)
		return 0;
	r = find_shape(content->path, &bytes, &theirs, &st, err);
	if (r < 0)
		return r;
	/* What has never been there is not deleted. */
	if (theirs.mode == 0 && !last)
		return 0;
	found = state_of(&theirs);
	wanted = state_of(&ours);
	if (strcmp(found, wanted) == 0 || (last && strcmp(found, last) == 0))
		return 0;
	return keep(ctx, host, &theirs, &ours, &st, err);
}

void keep_note_file(const struct context *ctx, const struct file_content *content)
{
	const char *host = host_path(ctx, content->path);
	struct shape ours = shape_of(content);
	_cleanup_free_ char *state = state_of(&ours);

	if (host && ctx->drift)
		ledger_set_note(ctx->ledger, NOTES, host, state);
}
