/* The history of this node; see history.h. Entries are values in memory and one file on disk, in
 * the ledger's form: a digest, then JSON, replaced as a whole. */
#include "agentd/history.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agentd/history_types.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/parse.h"

LOG_SCOPE("history");

/* A storm of entries costs one write in so long. */
#define SAVE_SOON_NS  NSEC_PER_SEC
#define SAVE_PAUSE_NS (10 * NSEC_PER_SEC)

enum { MESSAGE_MAX = 512, FILE_CAP = HISTORY_BYTES_MAX + 4096, HISTORY_VERSION = 1 };

struct history {
	struct loop *loop;
	struct loop_timer *timer;
	char *path;
	/* Oldest first; the three strings of each are one block that begins with type. */
	struct history_entry entries[HISTORY_ENTRIES_MAX];
	size_t count;
	size_t bytes; /* of the entries as JSON, at most */
	uint64_t sequence, saved_ns;
	bool dirty;
};

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static int64_t int_of(const struct value *map, const char *key)
{
	int64_t number = 0;

	(void)value_to_int(value_get(map, key), &number);
	return number;
}

/* What an entry takes on disk, at most. */
static size_t size_of(const struct history_entry *entry)
{
	return 160 + strlen(entry->type) + strlen(entry->resource) + 2 * strlen(entry->message);
}

/* Secrets. */

static size_t span_of(const char *text, const char *alphabet)
{
	return strspn(text, alphabet);
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* How many bytes at text are a bootstrap token's "id.secret", or a run that is as long and as dense
 * as a key: 0 if it is neither. *ret_shown of them may be shown. */
static size_t secret_length_at(const char *text, size_t *ret_shown)
{
	size_t id = span_of(text, LOWER DIGITS);
	size_t dense = span_of(text, LOWER UPPER DIGITS "+/=_-");

	*ret_shown = 0;
	if (id == 6 && text[6] == '.' && span_of(text + 7, LOWER DIGITS) == 16) {
		*ret_shown = 7;
		return 7 + 16;
	}
	/* Paths and names have blanks, dots or slashes at short intervals; digests are shown with
	 * their algorithm in front, which append_clean() skips. */
	if (dense >= 40 && !memchr(text, '/', MIN(dense, (size_t)40)) &&
	    strcspn(text, "-_") >= MIN(dense, (size_t)40))
		return dense;
	return 0;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Appends text without what looks like a secret, and with nothing that could speak to a terminal.
 */
static void append_clean(const char *text, struct buf *buf)
{
	static const char pem[] = "-----BEGIN ", digest[] = "sha256:";
	_cleanup_(buf_done) struct buf shown = BUF_INIT(4 * KIB);
	char before = ' ';

	while (*text) {
		size_t may_show = 0, length = 0;

		if (strncmp(text, pem, sizeof(pem) - 1) == 0) {
			(void)buf_append_string(&shown, "(PEM)");
			break;
		}
		if (strncmp(text, digest, sizeof(digest) - 1) == 0)
			may_show = sizeof(digest) - 1 + span_of(text + 7, "abcdef" DIGITS);
		else if (!is_word(before))
			length = secret_length_at(text, &may_show);
		if (length > 0) {
			(void)buf_append(&shown, text, may_show);
			(void)buf_append_string(&shown, "(secret)");
		} else {
			length = MAX(may_show, (size_t)1);
			(void)buf_append(&shown, text, length);
		}
		before = text[length - 1];
		text += length;
	}
	log_escape(shown.data, buf);
}

/* Bounds. */

static void drop_oldest(struct history *history)
{
	history->bytes -= size_of(&history->entries[0]);
	free((char *)history->entries[0].type);
	history->count--;
	memmove(history->entries, history->entries + 1,
		history->count * sizeof(struct history_entry));
}

/* Takes the entry as it is, with texts of its own. */
static const struct history_entry *append(struct history *history,
					  const struct history_entry *entry)
{
	size_t type = strlen(entry->type) + 1, resource = strlen(entry->resource) + 1;
	size_t message = strlen(entry->message) + 1;
	struct history_entry *mine;
	char *text;

	while (history->count > 0 && (history->count == HISTORY_ENTRIES_MAX ||
				      history->bytes + size_of(entry) > HISTORY_BYTES_MAX))
		drop_oldest(history);
	text = xmalloc(type + resource + message);
	memcpy(text, entry->type, type);
	memcpy(text + type, entry->resource, resource);
	memcpy(text + type + resource, entry->message, message);
	mine = &history->entries[history->count++];
	*mine = *entry;
	mine->type = text;
	mine->resource = text + type;
	mine->message = text + type + resource;
	history->bytes += size_of(mine);
	return mine;
}

/* Disk. */

static struct value *load(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_CAP);
	_cleanup_(value_unref) struct value *content = NULL;
	struct error err = ERROR_INIT;
	char digest[FILE_DIGEST_SIZE];

	if (file_read(path, &text, &err) <= 0 || text.length < FILE_DIGEST_SIZE)
		return NULL;
	file_digest(text.data + FILE_DIGEST_SIZE, text.length - FILE_DIGEST_SIZE, digest);
	if (memcmp(digest, text.data, FILE_DIGEST_SIZE - 1) != 0)
		return NULL;
	if (json_parse(text.data + FILE_DIGEST_SIZE, text.length - FILE_DIGEST_SIZE, path, &content,
		       &err) < 0 ||
	    int_of(content, "version") != HISTORY_VERSION)
		return NULL;
	return value_ref(value_get(content, "entries"));
}

static struct value *time_value(int64_t s, bool as_text)
{
	char text[32];

	if (!as_text)
		return value_new_int(s);
	format_time(s, text);
	return value_new_string(text);
}

static struct value *entry_value(const struct history_entry *entry, bool as_text)
{
	struct value *map = value_new_map();

	map = value_put(map, "time", time_value(entry->time_s, as_text));
	map = value_put(map, "type", value_new_string(entry->type));
	map = value_put(map, "resource", value_new_string(entry->resource));
	map = value_put(map, "message", value_new_string(entry->message));
	map = value_put(map, "count", value_new_int(entry->count));
	if (entry->count > 1)
		map = value_put(map, "firstTime", time_value(entry->first_s, as_text));
	return map;
}

static struct value *content_of(const struct history *history)
{
	struct value *content = value_new_map(), *entries = value_new_list();

	for (size_t i = 0; i < history->count; i++)
		entries = value_append(entries, entry_value(&history->entries[i], false));
	content = value_put(content, "version", value_new_int(HISTORY_VERSION));
	return value_put(content, "entries", entries);
}

int history_save(struct history *history, struct error *err)
{
	_cleanup_(buf_done) struct buf json = BUF_INIT(FILE_CAP);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_CAP + FILE_DIGEST_SIZE);
	_cleanup_(value_unref) struct value *content = NULL;
	char digest[FILE_DIGEST_SIZE];
	int r;

	if (!history->dirty)
		return 0;
	history->saved_ns = clock_ns(loop_clock(history->loop));
	content = content_of(history);
	r = json_write(content, 0, &json);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "history: it cannot be written as JSON");
	file_digest(json.data, json.length, digest);
	(void)buf_printf(&text, "%s\n%s", digest, json.data);
	r = file_replace(&(struct file_content){ .path = history->path,
						 .bytes = text.data,
						 .length = text.length,
						 .mode = 0600,
						 .uid = (uid_t)-1,
						 .gid = (gid_t)-1 },
			 err);
	if (r < 0)
		return error_wrap(err, r, "history");
	history->dirty = false;
	return 0;
}

static void arm(struct history *history)
{
	uint64_t now = clock_ns(loop_clock(history->loop));
	uint64_t at = now + SAVE_SOON_NS;

	if (history->saved_ns > 0)
		at = MAX(at, history->saved_ns + SAVE_PAUSE_NS);
	if (!loop_timer_armed(history->timer))
		loop_timer_arm_at(history->timer, at, NSEC_PER_SEC);
}

static void save_is_due(void *userdata)
{
	struct history *history = userdata;
	struct error err = ERROR_INIT;

	if (history_save(history, &err) == 0)
		return;
	log_warning("%s", err.message);
	arm(history);
}

static void restore(struct history *history, const struct value *map)
{
	struct history_entry entry = {
		.time_s = int_of(map, "time"),
		.first_s = int_of(map, value_get(map, "firstTime") ? "firstTime" : "time"),
		.count = (unsigned)MAX(int_of(map, "count"), (int64_t)1),
		.type = text_of(map, "type"),
		.resource = text_of(map, "resource"),
		.message = text_of(map, "message"),
	};

	(void)append(history, &entry);
}

struct history *history_open(struct loop *loop, const char *path)
{
	struct history *history = NEW(struct history);
	_cleanup_(value_unref) struct value *entries = load(path);

	history->loop = loop;
	history->timer = loop_timer_new(loop, save_is_due, history);
	history->path = xstrdup(path);
	VALUE_FOREACH(i, entries)
		restore(history, value_item(entries, i));
	return history;
}

struct history *history_free(struct history *history)
{
	struct error err = ERROR_INIT;

	if (!history)
		return NULL;
	if (history_save(history, &err) < 0)
		log_warning("%s", err.message);
	loop_timer_free(history->timer);
	for (size_t i = 0; i < history->count; i++)
		free((char *)history->entries[i].type);
	free(history->path);
	free(history);
	return NULL;
}

/* Entries. */

/* The newest entry of a resource, if it says the same; NULL otherwise. */
static struct history_entry *find_same(struct history *history, const struct history_entry *entry)
{
	for (size_t i = history->count; i-- > 0;) {
		struct history_entry *other = &history->entries[i];

		if (strcmp(other->resource, entry->resource) != 0)
			continue;
		return strcmp(other->type, entry->type) == 0 &&
			       strcmp(other->message, entry->message) == 0
			   ? other
			   : NULL;
	}
	return NULL;
}

/* Counts an entry up and makes it the newest. */
static const struct history_entry *count_up(struct history *history, struct history_entry *same,
					    const struct history_entry *again)
{
	struct history_entry entry = *same;
	size_t newer = (size_t)(&history->entries[history->count] - same) - 1;

	entry.time_s = again->time_s;
	entry.sequence = again->sequence;
	entry.count++;
	memmove(same, same + 1, newer * sizeof(*same));
	history->entries[history->count - 1] = entry;
	return &history->entries[history->count - 1];
}

/* Cuts at a character's boundary. */
static void cut(struct buf *buf, size_t length)
{
	if (buf->length <= length)
		return;
	while (length > 0 && (buf->data[length] & 0xc0) == 0x80)
		length--;
	buf_truncate(buf, length);
}

/* Of what comes again and again the 1st, 2nd, 4th, 8th ... time is told. */
static void log_entry(const struct history_entry *entry)
{
	const struct history_type *row = history_type_find(entry->type);
	const struct log_field fields[] = {
		{ "MESSAGE_ID", row->message_id },
		{ "AGENTD_RESOURCE", entry->resource },
		{ "AGENTD_EVENT", entry->type },
		{ NULL, NULL },
	};
	char times[32] = "";

	if (entry->count & (entry->count - 1))
		return;
	if (entry->count > 1)
		(void)snprintf(times, sizeof(times), " (%u times)", entry->count);
	log_fields(row->level, fields, "%s: %s: %s%s", entry->resource, entry->type, entry->message,
		   times);
}

void history_add(struct history *history, const char *type, const char *resource,
		 const char *format, ...)
{
	_cleanup_(buf_done) struct buf message = BUF_INIT(16 * KIB);
	_cleanup_free_ char *text = NULL;
	struct history_entry entry = { .count = 1, .type = type, .resource = resource };
	struct history_entry *same;
	va_list args;

	if (!history)
		return;
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	append_clean(text, &message);
	cut(&message, MESSAGE_MAX);

	entry.message = message.data;
	entry.time_s = entry.first_s = clock_wall(loop_clock(history->loop));
	same = find_same(history, &entry);
	entry.sequence = ++history->sequence;
	if (same)
		log_entry(count_up(history, same, &entry));
	else
		log_entry(append(history, &entry));
	history->dirty = true;
	arm(history);
}

struct value *history_list(const struct history *history, int64_t since_s, const char *resource)
{
	struct value *list = value_new_list();

	for (size_t i = 0; history && i < history->count; i++) {
		const struct history_entry *entry = &history->entries[i];

		if (entry->time_s >= since_s &&
		    (!resource || strcmp(entry->resource, resource) == 0))
			list = value_append(list, entry_value(entry, true));
	}
	return list;
}

uint64_t history_sequence(const struct history *history)
{
	return history ? history->sequence : 0;
}

bool history_next(const struct history *history, uint64_t after, struct history_entry *ret)
{
	/* Sequences grow with the place. */
	if (after >= history_sequence(history))
		return false;
	for (size_t i = 0; i < history->count; i++)
		if (history->entries[i].sequence > after) {
			*ret = history->entries[i];
			return true;
		}
	return false;
}
