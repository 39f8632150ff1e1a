/* The versions of other hands on disk; see drift.h. A file is one line of JSON that describes the
 * version, then its bytes, then ours. Of each an entry in memory says what bounds need to know. */
#include "agentd/drift.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/parse.h"

enum { DRIFT_FORMAT = 1, LINE_MAX_LENGTH = 16 * 1024 };
#define FILE_CAP (2 * (size_t)DRIFT_TEXT_MAX + LINE_MAX_LENGTH)

struct version {
	uint64_t id;
	size_t size;
	char *name, *state; /* of the thing; state as a digest */
};

struct drift {
	char *directory;
	struct clock *clock;
	struct version versions[DRIFT_VERSIONS_MAX]; /* oldest first */
	size_t count, bytes;
};

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static size_t length_of(const struct value *map, const char *key)
{
	int64_t length = 0;

	(void)value_to_int(value_get(map, key), &length);
	return length > 0 ? (size_t)length : 0;
}

static char *path_of(const struct drift *drift, uint64_t id)
{
	return xasprintf("%s/%" PRIu64, drift->directory, id);
}

/* Reading. */

/* Reads one file: its description, and where in it the bytes begin. Returns 1, 0 if it is missing
 * or damaged. */
static int read_version(const struct drift *drift, uint64_t id, struct buf *text,
			struct value **ret, size_t *ret_start, struct error *err)
{
	_cleanup_free_ char *path = path_of(drift, id);
	_cleanup_(value_unref) struct value *about = NULL;
	struct error ignored = ERROR_INIT;
	const char *newline;
	int64_t format;
	int r;

	r = file_read(path, text, err);
	if (r <= 0)
		return r;
	newline = memchr(text->data, '\n', text->length);
	if (!newline ||
	    json_parse(text->data, (size_t)(newline - text->data), path, &about, &ignored) < 0)
		return 0;
	*ret_start = (size_t)(newline - text->data) + 1;
	if (!value_to_int(value_get(about, "format"), &format) || format != DRIFT_FORMAT ||
	    length_of(about, "theirs") + length_of(about, "ours") != text->length - *ret_start)
		return 0;
	*ret = TAKE_PTR(about);
	return 1;
}

/* The description as it is shown. */
static struct value *describe(const struct value *about, uint64_t id)
{
	static const char *const keys[] = { "time",   "kind",	"name", "resource",
					    "change", "secret", "about" };
	struct value *map = value_put(value_new_map(), "id", value_new_int((int64_t)id));

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		map = value_put(map, keys[i], value_ref(value_get(about, keys[i])));
	return map;
}

int drift_load(const struct drift *drift, uint64_t id, struct value **ret, struct buf *theirs,
	       struct buf *ours, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_CAP);
	_cleanup_(value_unref) struct value *about = NULL;
	size_t start, length;
	int r;

	r = drift ? read_version(drift, id, &text, &about, &start, err) : 0;
	if (r <= 0)
		return r;
	length = length_of(about, "theirs");
	if (theirs)
		(void)buf_append(theirs, text.data + start, length);
	if (ours)
		(void)buf_append(ours, text.data + start + length, length_of(about, "ours"));
	*ret = describe(about, id);
	*ret = value_put(*ret, "theirs", value_new_bool(value_get(about, "theirs")));
	*ret = value_put(*ret, "ours", value_new_bool(value_get(about, "ours")));
	return 1;
}

struct value *drift_list(const struct drift *drift)
{
	struct value *list = value_new_list();

	for (size_t i = drift ? drift->count : 0; i-- > 0;) {
		_cleanup_(value_unref) struct value *about = NULL;
		_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_CAP);
		struct error ignored = ERROR_INIT;
		size_t start;

		if (read_version(drift, drift->versions[i].id, &text, &about, &start, &ignored) > 0)
			list = value_append(list, describe(about, drift->versions[i].id));
	}
	return list;
}

/* Bounds. */

static void forget(struct drift *drift, size_t index)
{
	struct version *version = &drift->versions[index];

	drift->bytes -= version->size;
	free(version->name);
	free(version->state);
	drift->count--;
	memmove(version, version + 1, (drift->count - index) * sizeof(*version));
}

static void drop(struct drift *drift, size_t index)
{
	_cleanup_free_ char *path = path_of(drift, drift->versions[index].id);
	struct error ignored = ERROR_INIT;

	/* One that stays is dropped when it is found again at the next start. */
	(void)file_remove(path, &ignored);
	forget(drift, index);
}

static void remember(struct drift *drift, uint64_t id, size_t size, const char *name,
		     const char *state)
{
	size_t same = 0;

	for (size_t i = drift->count; i-- > 0;)
		if (strcmp(drift->versions[i].name, name) == 0 &&
		    ++same >= DRIFT_VERSIONS_OF_ONE_MAX)
			drop(drift, i);
	while (drift->count > 0 &&
	       (drift->count == DRIFT_VERSIONS_MAX || drift->bytes + size > DRIFT_BYTES_MAX))
		drop(drift, 0);
	drift->versions[drift->count++] = (struct version){
		.id = id,
		.size = size,
		.name = xstrdup(name),
		.state = xstrdup(state),
	};
	drift->bytes += size;
}

/* Life. */

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The ids of all files, sorted; the caller frees. */
static uint64_t *find_ids(const char *directory, size_t *ret_count)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	uint64_t *ids = NULL;
	size_t count = 0;

	while (stream && (entry = readdir(stream))) {
		uint64_t id;

		if (parse_u64(entry->d_name, &id) < 0)
			continue;
		ids = xreallocarray(ids, count + 1, sizeof(*ids));
		ids[count++] = id;
	}
	if (stream)
		(void)closedir(stream);
	if (count > 0)
		qsort(ids, count, sizeof(*ids), compare_ids);
	*ret_count = count;
	return ids;
}

struct drift *drift_open(const char *directory, struct clock *clock)
{
	struct drift *drift = NEW(struct drift);
	size_t count;

	drift->directory = xstrdup(directory);
	drift->clock = clock;
	file_sweep(directory);
	_cleanup_free_ uint64_t *ids = find_ids(directory, &count);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(value_unref) struct value *about = NULL;
		_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_CAP);
		struct error ignored = ERROR_INIT;
		size_t start;

		if (read_version(drift, ids[i], &text, &about, &start, &ignored) > 0)
			remember(drift, ids[i], text.length, text_of(about, "name"),
				 text_of(about, "state"));
	}
	return drift;
}

struct drift *drift_free(struct drift *drift)
{
	if (!drift)
		return NULL;
	while (drift->count > 0)
		forget(drift, drift->count - 1);
	free(drift->directory);
	free(drift);
	return NULL;
}

/* Keeping. */

static const struct version *newest_of(const struct drift *drift, const char *name)
{
	for (size_t i = drift->count; i-- > 0;)
		if (strcmp(drift->versions[i].name, name) == 0)
			return &drift->versions[i];
	return NULL;
}

static struct value *put_text(struct value *map, const char *key, const char *text)
{
	return text ? value_put(map, key, value_new_string(text)) : map;
}

static struct value *about_of(const struct drift *drift, const struct drift_version *version,
			      const char *state)
{
	struct value *map = value_put(value_new_map(), "format", value_new_int(DRIFT_FORMAT));
	char time[32];

	format_time(clock_wall(drift->clock), time);
	map = put_text(map, "time", time);
	map = put_text(map, "kind", version->kind);
	map = put_text(map, "name", version->name);
	map = put_text(map, "resource", version->resource);
	map = put_text(map, "change", version->change);
	map = put_text(map, "state", state);
	map = value_put(map, "secret", value_new_bool(version->secret));
	map = value_put(map, "about", value_ref(version->about));
	if (version->theirs)
		map = value_put(map, "theirs", value_new_int((int64_t)version->theirs_length));
	if (version->ours)
		map = value_put(map, "ours", value_new_int((int64_t)version->ours_length));
	return map;
}

static int write_version(const struct drift *drift, uint64_t id,
			 const struct drift_version *version, const struct value *about,
			 size_t *ret_size, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_CAP);
	_cleanup_free_ char *path = path_of(drift, id);
	int r;

	r = file_make_directory(drift->directory, 0700, err);
	if (r < 0)
		return r;
	r = json_write(about, 0, &text);
	if (r >= 0)
		r = buf_append_char(&text, '\n');
	if (r >= 0 && version->theirs)
		r = buf_append(&text, version->theirs, version->theirs_length);
	if (r >= 0 && version->ours)
		r = buf_append(&text, version->ours, version->ours_length);
	if (r < 0)
		return error_set(err, ERROR_CONFIG, r, "it is larger than %d MiB: move it away",
				 DRIFT_TEXT_MAX / (1024 * 1024));
	*ret_size = text.length;
	return file_replace(&(struct file_content){ .path = path,
						    .bytes = text.data,
						    .length = text.length,
						    .mode = 0600,
						    .uid = (uid_t)-1,
						    .gid = (gid_t)-1 },
			    err);
}

int drift_add(struct drift *drift, const struct drift_version *version, struct error *err)
{
	_cleanup_(value_unref) struct value *about = NULL;
	const struct version *newest;
	char state[FILE_DIGEST_SIZE];
	uint64_t id = 1;
	size_t size;
	int r;

	if (!drift)
		return 0;
	file_digest(version->state, strlen(version->state), state);
	newest = newest_of(drift, version->name);
	if (newest && strcmp(newest->state, state) == 0)
		return 0;
	if (drift->count > 0)
		id = drift->versions[drift->count - 1].id + 1;
	about = about_of(drift, version, state);
	r = write_version(drift, id, version, about, &size, err);
	if (r < 0)
		return error_wrap(err, r, "the version of %s that another hand made cannot be kept",
				  version->name);
	remember(drift, id, size, version->name, state);
	return 1;
}
