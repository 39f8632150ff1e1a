/* The ordered set of objects behind a cache; see store.h. */
#include "agentd/kube/store.h"

#include <stdbool.h>
#include <string.h>

#include "common/alloc.h"

void store_done(struct store *store)
{
	for (size_t i = 0; i < store->count; i++)
		value_unref(store->items[i]);
	free(store->items);
	*store = STORE_INIT;
}

const char *store_name(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "name"), "");
}

const char *store_namespace(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "namespace"), "");
}

const char *store_version(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "resourceVersion"), "");
}

/* Where the object is, or would have to be. */
static size_t locate(const struct store *store, const char *namespace, const char *name,
		     bool *ret_found)
{
	size_t low = 0, high = store->count;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct value *item = store->items[middle];
		int order = strcmp(store_namespace(item), namespace);

		if (order == 0)
			order = strcmp(store_name(item), name);
		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct value *store_find(const struct store *store, const char *namespace, const char *name)
{
	bool found;
	size_t at = locate(store, namespace, name, &found);

	return found ? store->items[at] : NULL;
}

void store_put(struct store *store, struct value *object)
{
	bool found;
	size_t at = locate(store, store_namespace(object), store_name(object), &found);

	if (found) {
		value_unref(store->items[at]);
		store->items[at] = object;
		return;
	}
	if (store->count == store->allocated) {
		store->allocated = MAX(store->allocated * 2, (size_t)4);
		store->items =
		    xreallocarray(store->items, store->allocated, sizeof(store->items[0]));
	}
	memmove(&store->items[at + 1], &store->items[at],
		(store->count - at) * sizeof(store->items[0]));
	store->items[at] = object;
	store->count++;
}

void store_remove(struct store *store, const char *namespace, const char *name)
{
	bool found;
	size_t at = locate(store, namespace, name, &found);

	if (!found)
		return;
	value_unref(store->items[at]);
	memmove(&store->items[at], &store->items[at + 1],
		(store->count - at - 1) * sizeof(store->items[0]));
	store->count--;
}
