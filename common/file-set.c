/* Several files replaced as one; see file.h.
 *
 * The redo record holds everything: paths, modes, owners, bytes, and a digest of it all. Its rename
 * to its final name is the moment that decides: before it nothing has changed, after it the set
 * will be complete, because each file is replaced from the record, now or by file_redo(). There is
 * only ever one record, since a set begins by finishing the one before. */
#include "common/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/secret.h"

enum { RECORD_MAX = 16 * 1024 * 1024, FILES_MAX = 256 };

static const char magic[8] = "redo-1\n";

/* In the record a file is this, its path and its bytes. */
struct entry {
	uint32_t path_length, length;
	uint32_t mode, uid, gid;
};

/* Bytes that are wiped when they are freed. */
struct record {
	char *bytes;
	size_t length;
};

static void record_done(struct record *record)
{
	if (record->bytes)
		secret_wipe(record->bytes, record->length);
	free(record->bytes);
}
DEFINE_CLEANUP_VALUE(struct record, record_done)

static size_t record_size(const struct file_content *contents, size_t count)
{
	size_t size = sizeof(magic) + sizeof(uint32_t);

	for (size_t i = 0; i < count; i++)
		size += sizeof(struct entry) + strlen(contents[i].path) + contents[i].length;
	return size + FILE_DIGEST_SIZE;
}

static char *put(char *to, const void *bytes, size_t length)
{
	if (length > 0)
		memcpy(to, bytes, length);
	return to + length;
}

/* The record of a set. Its buffer has its final size from the start, so that no copies of secrets
 * are left behind by growing. */
static struct record new_record(const struct file_content *contents, size_t count)
{
	struct record record = { .length = record_size(contents, count) };
	uint32_t stored_count = (uint32_t)count;
	char *to;

	record.bytes = to = xmalloc(record.length);
	to = put(to, magic, sizeof(magic));
	to = put(to, &stored_count, sizeof(stored_count));
	for (size_t i = 0; i < count; i++) {
		struct entry entry = {
			.path_length = (uint32_t)strlen(contents[i].path),
			.length = (uint32_t)contents[i].length,
			.mode = contents[i].mode,
			.uid = contents[i].uid,
			.gid = contents[i].gid,
		};

		to = put(to, &entry, sizeof(entry));
		to = put(to, contents[i].path, entry.path_length);
		to = put(to, contents[i].bytes, contents[i].length);
	}
	file_digest(record.bytes, (size_t)(to - record.bytes), to);
	return record;
}

/* Takes length bytes from the front of what is left. NULL where that is less. */
static const char *take(const char **from, size_t *left, size_t length)
{
	const char *bytes = *from;

	if (length > *left)
		return NULL;
	*from += length;
	*left -= length;
	return bytes;
}

/* Whether a record is whole: nothing in it is used before. */
static bool is_whole(const struct buf *record)
{
	char digest[FILE_DIGEST_SIZE];
	size_t body;

	if (record->length < sizeof(magic) + sizeof(uint32_t) + FILE_DIGEST_SIZE ||
	    memcmp(record->data, magic, sizeof(magic)) != 0)
		return false;
	body = record->length - FILE_DIGEST_SIZE;
	file_digest(record->data, body, digest);
	return memcmp(record->data + body, digest, sizeof(digest)) == 0;
}

/* The files of a record, all written and none of them under its name yet. */
struct changes {
	struct file_change *items[FILES_MAX]; /* NULL: it is as it should be */
	size_t count;
};

static void changes_done(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		file_change_free(changes->items[i]);
}
DEFINE_CLEANUP_VALUE(struct changes, changes_done)

/* Prepares the next file of a record. */
static int prepare_next(const char **from, size_t *left, struct changes *changes, struct error *err)
{
	const char *header = take(from, left, sizeof(struct entry));
	const char *path_bytes = NULL, *bytes = NULL;
	_cleanup_free_ char *path = NULL;
	struct entry entry;
	int r;

	if (header) {
		memcpy(&entry, header, sizeof(entry));
		path_bytes = take(from, left, entry.path_length);
		bytes = path_bytes ? take(from, left, entry.length) : NULL;
	}
	if (!bytes || *path_bytes != '/' || changes->count == FILES_MAX)
		return error_set(err, ERROR_BUG, -EBADMSG, "a redo record makes no sense");

	path = xstrndup(path_bytes, entry.path_length);
	r = file_prepare(
	    &(struct file_content){
		.path = path,
		.bytes = bytes,
		.length = entry.length,
		.mode = entry.mode,
		.uid = entry.uid,
		.gid = entry.gid,
	    },
	    &changes->items[changes->count], err);
	if (r >= 0)
		changes->count++;
	return r;
}

static int apply_record(const char *bytes, size_t length, struct error *err)
{
	_cleanup_(changes_done) struct changes changes = { .count = 0 };
	const char *from = bytes + sizeof(magic);
	size_t left = length - sizeof(magic) - FILE_DIGEST_SIZE;
	uint32_t count;
	int r = 0;

	memcpy(&count, take(&from, &left, sizeof(count)), sizeof(count));
	for (uint32_t i = 0; i < count && r >= 0; i++)
		r = prepare_next(&from, &left, &changes, err);
	for (size_t i = 0; i < changes.count && r >= 0; i++)
		r = changes.items[i] ? file_put(changes.items[i], err) : 0;
	for (size_t i = 0; i < changes.count && r >= 0; i++)
		r = changes.items[i] ? file_settle(changes.items[i], err) : 0;
	return r < 0 ? r : 0;
}

static char *record_path(const char *state_directory)
{
	return xasprintf("%s/redo/set", state_directory);
}

int file_redo(const char *state_directory, struct error *err)
{
	_cleanup_free_ char *path = record_path(state_directory);
	_cleanup_(buf_done) struct buf record = BUF_INIT(RECORD_MAX);
	int r;

	r = file_read(path, &record, err);
	if (r <= 0)
		return r;
	if (!is_whole(&record))
		return error_set(err, ERROR_STORAGE, -EBADMSG,
				 "redo record %s is damaged; look at the files of the last change, "
				 "then remove it",
				 path);
	r = apply_record(record.data, record.length, err);
	if (r < 0)
		return error_wrap(err, r, "finish the interrupted change in %s", path);
	r = file_remove(path, err);
	return r < 0 ? r : 0;
}

/* The set as the record holds it, on disk under its final name. */
static int keep_record(const char *path, const struct record *record, struct error *err)
{
	_cleanup_free_ char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int r;

	r = file_make_directory(directory, 0700, err);
	if (r < 0)
		return r;
	return file_replace(
	    &(struct file_content){
		.path = path,
		.bytes = record->bytes,
		.length = record->length,
		.mode = 0600,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	    },
	    err);
}

int file_replace_set(const char *state_directory, const struct file_content *contents, size_t count,
		     struct error *err)
{
	_cleanup_free_ char *path = record_path(state_directory);
	_cleanup_(record_done) struct record record = { 0 };
	size_t differing = 0, last = 0;
	int r;

	r = file_redo(state_directory, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (!file_is_replaced(&contents[i])) {
			differing++;
			last = i;
		}
	if (differing == 0)
		return 0;
	/* One rename needs no record. */
	if (differing == 1)
		return file_replace(&contents[last], err);
	if (count > FILES_MAX || record_size(contents, count) > RECORD_MAX)
		return error_set(err, ERROR_BUG, -EFBIG, "a set of %zu files is too large", count);

	record = new_record(contents, count);
	r = keep_record(path, &record, err);
	if (r < 0)
		return r;
	r = apply_record(record.bytes, record.length, err);
	if (r < 0)
		return r;
	r = file_remove(path, err);
	return r < 0 ? r : 1;
}
