/* Every field of every document, from the tables: for `agentctl explain`, for the manual page and
 * for the lint that compares the two. */
#pragma once

#include "agentd/schema/schema.h"

enum explain_status { EXPLAIN_LIVE, EXPLAIN_FIXED, EXPLAIN_NOT_SUPPORTED };
const char *explain_status_name(enum explain_status status); /* "live", "fixed", ... */

struct explain_field {
	const struct schema_document *document;
	const char *path; /* "networking.podSubnet"; until the next step */
	const char *type; /* "string", "list of strings" */
	const char *help, *standard;
	enum explain_status status;
};

enum { EXPLAIN_DEPTH_MAX = 8, EXPLAIN_PATH_MAX = 128 };

/* A walk over all fields, outer before inner:
 *	struct explain_walk walk = { 0 };
 *	while (explain_next(&walk, &field)) ...
 * Names of documents are passed by: apiVersion and kind are no fields. */
struct explain_walk {
	size_t document;
	size_t depth; /* 0 = in front of a document */
	struct {
		const struct decode_row *row; /* the next one */
		size_t path_length;
		bool not_supported;
	} levels[EXPLAIN_DEPTH_MAX];
	char path[EXPLAIN_PATH_MAX];
};
bool explain_next(struct explain_walk *walk, struct explain_field *ret);
