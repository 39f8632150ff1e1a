/* The ledger on disk; see ledger.h. Works with common/file.h and common/json.h. */
#include "agentd/engine/ledger.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/names.h"
#include "common/value.h"

enum { LEDGER_CAP = 1024 * 1024, LEDGER_VERSION = 1 };

struct ledger {
	char *directory;
	uint64_t generation; /* of the last save; its lowest bit names the file */
	struct value *rows;  /* NAME: {state: "pending"|"applied", KEY: TEXT (notes)} */
	bool dirty;
};

static const char *const state_names[] = {
	[LEDGER_ABSENT] = "absent",
	[LEDGER_PENDING] = "pending",
	[LEDGER_APPLIED] = "applied",
};

/* Reads one of the two files. Returns 1 with its content, 0 if it is missing or damaged. */
static int load(const char *directory, unsigned which, uint64_t *ret_generation,
		struct value **ret_rows)
{
	_cleanup_free_ char *path = xasprintf("%s/ledger.%u", directory, which);
	_cleanup_(buf_done) struct buf text = BUF_INIT(LEDGER_CAP);
	_cleanup_(value_unref) struct value *content = NULL;
	struct error err = ERROR_INIT;
	char digest[FILE_DIGEST_SIZE];
	int64_t version, generation;

	if (file_read(path, &text, &err) <= 0 || text.length < FILE_DIGEST_SIZE)
		return 0;
	file_digest(text.data + FILE_DIGEST_SIZE, text.length - FILE_DIGEST_SIZE, digest);
	if (memcmp(digest, text.data, FILE_DIGEST_SIZE - 1) != 0)
		return 0;
	if (json_parse(text.data + FILE_DIGEST_SIZE, text.length - FILE_DIGEST_SIZE, path, &content,
		       &err) < 0)
		return 0;
	if (!value_to_int(value_get(content, "version"), &version) || version != LEDGER_VERSION ||
	    !value_to_int(value_get(content, "generation"), &generation))
		return 0;

	*ret_generation = (uint64_t)generation;
	*ret_rows = value_ref(value_get(content, "rows"));
	return 1;
}

int ledger_open(const char *directory, struct ledger **ret, struct error *err)
{
	struct ledger *ledger = NEW(struct ledger);

	ledger->directory = xstrdup(directory);
	for (unsigned which = 0; which < 2; which++) {
		struct value *rows = NULL;
		uint64_t generation;

		if (load(directory, which, &generation, &rows) == 0)
			continue;
		if (ledger->rows && generation < ledger->generation) {
			value_unref(rows);
			continue;
		}
		value_unref(ledger->rows);
		ledger->rows = rows;
		ledger->generation = generation;
	}
	if (value_type(ledger->rows) != VALUE_MAP) {
		value_unref(ledger->rows);
		ledger->rows = value_new_map();
	}
	*ret = ledger;
	return 0;
}

struct ledger *ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	value_unref(ledger->rows);
	free(ledger->directory);
	free(ledger);
	return NULL;
}

enum ledger_state ledger_get(const struct ledger *ledger, const char *row)
{
	const char *text = value_string(value_at(ledger->rows, row, "state"));
	int state = text ? names_value(state_names, ARRAY_SIZE(state_names), text) : -1;

	return state < 0 ? LEDGER_ABSENT : (enum ledger_state)state;
}

void ledger_set(struct ledger *ledger, const char *row, enum ledger_state state)
{
	if (ledger_get(ledger, row) == state)
		return;
	ledger->rows =
	    value_put_at(ledger->rows, value_new_string(state_names[state]), row, "state");
	ledger->dirty = true;
}

const char *ledger_note(const struct ledger *ledger, const char *row, const char *key)
{
	return value_string(value_at(ledger->rows, row, "notes", key));
}

void ledger_set_note(struct ledger *ledger, const char *row, const char *key, const char *text)
{
	const char *old = ledger_note(ledger, row, key);

	if (old && text && strcmp(old, text) == 0)
		return;
	if (!old && !text)
		return;
	if (text)
		ledger->rows =
		    value_put_at(ledger->rows, value_new_string(text), row, "notes", key);
	else
		ledger->rows = value_remove_at(ledger->rows, row, "notes", key);
	ledger->dirty = true;
}

int ledger_save(struct ledger *ledger, struct error *err)
{
	_cleanup_(buf_done) struct buf json = BUF_INIT(LEDGER_CAP);
	_cleanup_(buf_done) struct buf text = BUF_INIT(LEDGER_CAP);
	_cleanup_(value_unref) struct value *content = value_new_map();
	_cleanup_free_ char *path = NULL;
	char digest[FILE_DIGEST_SIZE];
	uint64_t generation = ledger->generation + 1;
	int r;

	if (!ledger->dirty)
		return 0;
	content = value_put(content, "version", value_new_int(LEDGER_VERSION));
	content = value_put(content, "generation", value_new_int((int64_t)generation));
	content = value_put(content, "rows", value_ref(ledger->rows));
	r = json_write(content, 0, &json);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "ledger: it has grown beyond 1 MiB");

	file_digest(json.data, json.length, digest);
	(void)buf_printf(&text, "%s\n%s", digest, json.data);
	path = xasprintf("%s/ledger.%u", ledger->directory, (unsigned)(generation & 1));
	r = file_replace(&(struct file_content){ .path = path,
						 .bytes = text.data,
						 .length = text.length,
						 .mode = 0600,
						 .uid = (uid_t)-1,
						 .gid = (gid_t)-1 },
			 err);
	if (r < 0)
		return error_wrap(err, r, "ledger");
	ledger->generation = generation;
	ledger->dirty = false;
	return 0;
}
