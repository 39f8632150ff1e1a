/* The walk over all fields; see explain.h. */
#include "agentd/schema/explain.h"

#include <stdio.h>
#include <string.h>

#include "common/names.h"

static const char *const status_names[] = { [EXPLAIN_LIVE] = "live",
					    [EXPLAIN_FIXED] = "fixed",
					    [EXPLAIN_NOT_SUPPORTED] = "not supported yet" };

const char *explain_status_name(enum explain_status status)
{
	return names_text(status_names, ARRAY_SIZE(status_names), (int)status);
}

static void enter(struct explain_walk *walk, const struct decode_row *rows, bool not_supported)
{
	assert(walk->depth < EXPLAIN_DEPTH_MAX);
	walk->levels[walk->depth].row = rows;
	walk->levels[walk->depth].path_length = strlen(walk->path);
	walk->levels[walk->depth].not_supported = not_supported;
	walk->depth++;
}

/* What a row refuses or takes as it is still has a type for people. */
static const char *type_of(const struct decode_row *row)
{
	if (row->kind == DECODE_CUSTOM && row->rows)
		return decode_kind_name(DECODE_MAP);
	if (row->kind == DECODE_CUSTOM)
		return decode_kind_name(row->standard ? DECODE_SECONDS : DECODE_STRING);
	return decode_kind_name(row->kind);
}

static void append_path(struct explain_walk *walk, size_t length, const char *key)
{
	int n = snprintf(walk->path + length, sizeof(walk->path) - length, "%s%s",
			 length ? "." : "", key);

	assert(n > 0 && (size_t)n < sizeof(walk->path) - length);
}

bool explain_next(struct explain_walk *walk, struct explain_field *ret)
{
	for (;;) {
		const struct decode_row *row;
		bool not_supported;
		size_t level;

		if (walk->depth == 0) {
			if (walk->document == schema_document_count)
				return false;
			walk->path[0] = '\0';
			if (schema_documents[walk->document].rows)
				enter(walk, schema_documents[walk->document].rows, false);
			else
				walk->document++;
			continue;
		}
		level = walk->depth - 1;
		row = walk->levels[level].row;
		walk->path[walk->levels[level].path_length] = '\0';
		if (!row->key) {
			walk->depth--;
			walk->document += walk->depth == 0;
			continue;
		}
		walk->levels[level].row++;
		if (row->kind == DECODE_NOTHING)
			continue;

		not_supported = walk->levels[level].not_supported ||
				row->flags & (DECODE_NOT_SUPPORTED | SCHEMA_REFUSED);
		append_path(walk, walk->levels[level].path_length, row->key);
		*ret = (struct explain_field){
			.document = &schema_documents[walk->document],
			.path = walk->path,
			.type = type_of(row),
			.help = row->help,
			.standard = row->standard,
			.status = not_supported		      ? EXPLAIN_NOT_SUPPORTED
				  : row->flags & DECODE_FIXED ? EXPLAIN_FIXED
							      : EXPLAIN_LIVE,
		};
		if (row->rows)
			enter(walk, row->rows, not_supported);
		return true;
	}
}
