/* Kubernetes objects by namespace and name, kept in that order. For agentd/kube only. */
#pragma once

#include <stddef.h>

#include "common/macros.h"
#include "common/value.h"

struct store {
	struct value **items;
	size_t count, allocated;
};
#define STORE_INIT ((struct store){ 0 })
void store_done(struct store *store); /* leaves a valid empty store */
DEFINE_CLEANUP_VALUE(struct store, store_done)

const char *store_name(const struct value *object);
/* "" for a cluster-scoped object. */
const char *store_namespace(const struct value *object);
/* resourceVersion, "" if there is none. */
const char *store_version(const struct value *object);

/* Borrowed; NULL if there is none. */
const struct value *store_find(const struct store *store, const char *namespace, const char *name);
/* Adds or replaces; consumes object. */
void store_put(struct store *store, struct value *object);
void store_remove(struct store *store, const char *namespace, const char *name);
