/* Whether one role may follow another on a running node: the fixed fields of the tables must be the
 * same; see role.h. */
#include <errno.h>
#include <string.h>

#include "agentd/schema/schema.h"
#include "common/alloc.h"

static const char *text_or_none(const struct value *value)
{
	if (value_type(value) == VALUE_NUMBER)
		return value_number_text(value);
	return value_string_or(value, "nothing");
}

static int refuse(const struct decode_row *row, const char *path, const struct value *old,
		  const struct value *new, struct error *err)
{
	if (row->flags & SCHEMA_UPGRADE)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "%s%s cannot change from %s to %s: upgrades are not supported yet",
				 path, row->key, text_or_none(old), text_or_none(new));
	return error_set(err, ERROR_CONFIG, -EINVAL,
			 "%s%s cannot change from %s to %s on a running node: it would have to be "
			 "reset first, which is not supported yet",
			 path, row->key, text_or_none(old), text_or_none(new));
}

/* Compares what two encoded documents say about the fixed fields of a table. */
static int compare(const struct decode_row *rows, const char *path, const struct value *old,
		   const struct value *new, struct error *err)
{
	int r;

	for (const struct decode_row *row = rows; row->key; row++) {
		const struct value *a = value_get(old, row->key), *b = value_get(new, row->key);

		if (row->flags & DECODE_FIXED && !value_equal(a, b))
			return refuse(row, path, a, b, err);
		if (row->kind == DECODE_MAP) {
			_cleanup_free_ char *inner = xasprintf("%s%s.", path, row->key);

			r = compare(row->rows, inner, a, b, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int compare_documents(enum schema_kind kind, const void *old, const void *new,
			     struct error *err)
{
	const struct decode_row *rows = schema_documents[kind].rows;
	_cleanup_(value_unref) struct value *a = schema_encode(rows, old, SCHEMA_REDACTED);
	_cleanup_(value_unref) struct value *b = schema_encode(rows, new, SCHEMA_REDACTED);

	return compare(rows, "", a, b, err);
}

int role_may_follow(const struct role *current, const struct role *next, struct error *err)
{
	int r;

	if (!current || current->kind == ROLE_NONE)
		return 0;
	if (current->kind != next->kind)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "this host is a %s and the new role is %s: nothing is destroyed "
				 "because a role changed; the host would have to be reset first, "
				 "which is not supported yet",
				 current->kind == ROLE_CONTROL_PLANE ? "control plane" : "worker",
				 role_kind_name(next->kind));
	if (next->kind == ROLE_WORKER)
		return compare_documents(SCHEMA_JOIN, current, next, err);
	r = compare_documents(SCHEMA_INIT, current, next, err);
	if (r < 0)
		return r;
	return compare_documents(SCHEMA_CLUSTER, &current->cluster, &next->cluster, err);
}
