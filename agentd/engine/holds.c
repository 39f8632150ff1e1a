/* The holds and their file; see holds.h. Works with common/decode.h and common/file.h. */
#include "agentd/engine/holds.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/decode.h"
#include "common/file.h"
#include "common/json.h"
#include "common/parse.h"

enum { HOLDS_VERSION = 1, HOLDS_CAP = 512 * 1024 };

struct list {
	struct hold *items;
	size_t count;
};

struct holds {
	char *path;
	struct list list;
	struct error error;
};

/* The file. */

static int decode_time(const struct decode_row *row, const struct value *value, void *field,
		       void *userdata, struct error *err)
{
	const char *text = value_string(value);

	(void)row;
	(void)userdata;
	if (!text || parse_time(text, field) < 0)
		return error_set(err, ERROR_CONFIG, -EINVAL, "is not a date");
	return 0;
}

static int check_what(const char *text, struct error *err)
{
	if (!*text || strlen(text) > HOLD_TEXT_MAX)
		return error_set(err, ERROR_CONFIG, -EINVAL, "is empty or too long");
	return 0;
}

struct content {
	int64_t version;
	struct list list;
};

/* clang-format off */
static const struct decode_row hold_rows[] = {
	{ "what", DECODE_STRING, DECODE_FIELD(struct hold, what), .flags = DECODE_REQUIRED,
	  .check = check_what },
	{ "since", DECODE_CUSTOM, DECODE_FIELD(struct hold, since_s), .flags = DECODE_REQUIRED,
	  .decode = decode_time },
	{ "until", DECODE_CUSTOM, DECODE_FIELD(struct hold, until_s), .decode = decode_time },
	{},
};

static const struct decode_row content_rows[] = {
	{ "version", DECODE_INT, DECODE_FIELD(struct content, version), .flags = DECODE_REQUIRED,
	  .minimum = HOLDS_VERSION, .maximum = HOLDS_VERSION },
	{ "holds", DECODE_LIST, DECODE_ITEMS(struct content, list), .flags = DECODE_REQUIRED,
	  .rows = hold_rows, .maximum_items = HOLDS_MAX },
	{},
};
/* clang-format on */

static int load(struct holds *holds, struct error *err)
{
	const struct decode_options options = {
		.name = holds->path,
		.strict = true,
		.class = ERROR_CONFIG,
	};
	_cleanup_(buf_done) struct buf text = BUF_INIT(HOLDS_CAP);
	_cleanup_(value_unref) struct value *value = NULL;
	struct content content = { 0 };
	int r;

	r = file_read(holds->path, &text, err);
	if (r <= 0)
		return r;
	r = json_parse(text.data, text.length, holds->path, &value, err);
	if (r >= 0)
		r = decode_map(content_rows, value, &options, &content, err);
	if (r < 0) {
		decode_free(content_rows, &content);
		return r;
	}
	holds->list = content.list;
	return 0;
}

static struct value *put_time(struct value *map, const char *key, int64_t s)
{
	char text[32];

	format_time(s, text);
	return value_put(map, key, value_new_string(text));
}

static int save(const struct holds *holds, const struct list *list, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(HOLDS_CAP);
	_cleanup_(value_unref) struct value *content = value_new_map();
	struct value *items = value_new_list();
	int r;

	for (size_t i = 0; i < list->count; i++) {
		const struct hold *hold = &list->items[i];
		struct value *map = value_new_map();

		map = value_put(map, "what", value_new_string(hold->what));
		map = put_time(map, "since", hold->since_s);
		if (hold->until_s != 0)
			map = put_time(map, "until", hold->until_s);
		items = value_append(items, map);
	}
	content = value_put(content, "version", value_new_int(HOLDS_VERSION));
	content = value_put(content, "holds", items);
	r = json_write(content, 1, &text);
	if (r < 0)
		return error_set(err, ERROR_CONFIG, r, "the holds are too large to be kept");
	r = file_replace(&(struct file_content){ .path = holds->path,
						 .bytes = text.data,
						 .length = text.length,
						 .mode = 0600,
						 .uid = (uid_t)-1,
						 .gid = (gid_t)-1 },
			 err);
	return r < 0 ? r : 0;
}

/* Lists. */

static void list_done(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].what);
	free(list->items);
	*list = (struct list){ 0 };
}
DEFINE_CLEANUP_VALUE(struct list, list_done)

static void list_add(struct list *list, const char *what, int64_t since_s, int64_t until_s)
{
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = (struct hold){ xstrdup(what), since_s, until_s };
}

/* The list without the hold of a text (NULL = any) and without those that ended by a date. */
static void list_copy(struct list *to, const struct list *from, const char *without, int64_t ended)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct hold *hold = &from->items[i];
		bool over = hold->until_s != 0 && hold->until_s <= ended;

		if (!over && (!without || strcmp(hold->what, without) != 0))
			list_add(to, hold->what, hold->since_s, hold->until_s);
	}
}

/* Makes a new list the present one, once it is on disk; consumes it. */
static int put_in_place(struct holds *holds, struct list *list, struct error *err)
{
	int r = save(holds, list, err);

	if (r < 0)
		return r;
	list_done(&holds->list);
	holds->list = *list;
	*list = (struct list){ 0 };
	holds->error = ERROR_INIT;
	return 0;
}

struct holds *holds_open(const char *path, int64_t now_s)
{
	struct holds *holds = NEW(struct holds);
	struct error err = ERROR_INIT;

	holds->path = xstrdup(path);
	if (load(holds, &err) < 0) {
		list_add(&holds->list, HOLD_ALL, now_s, 0);
		holds->error = err;
	}
	return holds;
}

struct holds *holds_free(struct holds *holds)
{
	if (!holds)
		return NULL;
	list_done(&holds->list);
	free(holds->path);
	free(holds);
	return NULL;
}

const struct error *holds_error(const struct holds *holds)
{
	return error_is_set(&holds->error) ? &holds->error : NULL;
}

size_t holds_count(const struct holds *holds)
{
	return holds ? holds->list.count : 0;
}

const struct hold *holds_item(const struct holds *holds, size_t index)
{
	assert(index < holds->list.count);
	return &holds->list.items[index];
}

const struct hold *holds_find(const struct holds *holds, const char *what)
{
	for (size_t i = 0; i < holds_count(holds); i++)
		if (strcmp(holds->list.items[i].what, what) == 0)
			return &holds->list.items[i];
	return NULL;
}

int64_t holds_next_end(const struct holds *holds)
{
	int64_t next = 0;

	for (size_t i = 0; i < holds_count(holds); i++) {
		int64_t until = holds->list.items[i].until_s;

		if (until != 0 && (next == 0 || until < next))
			next = until;
	}
	return next;
}

int holds_set(struct holds *holds, const char *what, int64_t since_s, int64_t until_s,
	      struct error *err)
{
	_cleanup_(list_done) struct list list = { 0 };
	const struct hold *present = holds_find(holds, what);
	int r;

	r = check_what(what, err);
	if (r < 0)
		return error_wrap(err, r, "what is to be held");
	if (!present && holds_count(holds) >= HOLDS_MAX)
		return error_set(err, ERROR_CONFIG, -E2BIG,
				 "there are %d holds already: release some", HOLDS_MAX);
	list_copy(&list, &holds->list, what, 0);
	list_add(&list, what, present ? present->since_s : since_s, until_s);
	return put_in_place(holds, &list, err);
}

int holds_remove(struct holds *holds, const char *what, struct error *err)
{
	_cleanup_(list_done) struct list list = { 0 };
	int r;

	if (!holds_find(holds, what))
		return 0;
	list_copy(&list, &holds->list, what, 0);
	r = put_in_place(holds, &list, err);
	return r < 0 ? r : 1;
}

int holds_expire(struct holds *holds, int64_t now_s, struct error *err)
{
	_cleanup_(list_done) struct list list = { 0 };
	size_t before = holds_count(holds);
	int r;

	list_copy(&list, &holds->list, NULL, now_s);
	if (list.count == before)
		return 0;
	r = put_in_place(holds, &list, err);
	return r < 0 ? r : (int)(before - holds_count(holds));
}
