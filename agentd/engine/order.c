/* Checks the list of rows once, at start; see order.h. */
#include "agentd/engine/order.h"

#include <errno.h>
#include <string.h>

static const struct resource *find_before(const struct resource *const *rows, size_t end,
					  const char *name)
{
	for (size_t i = 0; i < end; i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

int order_check(const struct resource *const *rows, struct error *err)
{
	for (size_t i = 0; rows[i]; i++) {
		const struct resource *row = rows[i];

		if (find_before(rows, i, row->name))
			return error_set(err, ERROR_BUG, -EEXIST, "resource %s: stands twice",
					 row->name);
		if (!row->observe || !row->roles)
			return error_set(err, ERROR_BUG, -EINVAL,
					 "resource %s: has no observe function or no role",
					 row->name);
		for (size_t n = 0; n < RESOURCE_NEEDS_MAX && row->needs[n]; n++)
			if (!find_before(rows, i, row->needs[n]))
				return error_set(
				    err, ERROR_BUG, -ENOENT,
				    "resource %s: needs %s, which does not stand before it",
				    row->name, row->needs[n]);
	}
	return 0;
}
