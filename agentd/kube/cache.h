/* list+watch of a collection, kept to the objects that somebody asked for.
 *
 * No bookmarks, time-outs of 30 to 60 minutes; 410 lists again; a lost connection is tried again by
 * the back-off table and, after the time-out of a watch, compared with a fresh list. managedFields
 * are dropped. */
#pragma once

#include <stdbool.h>

#include "agentd/kube/client.h"
#include "common/value.h"

struct cache;
/* name is the object's metadata.name; called from the loop. With name NULL everything changed
 * (first list arrived, or the connection was lost or found again). */
typedef void (*cache_changed_fn)(struct cache *cache, const char *name, void *userdata);

/* collection: "/api/v1/namespaces/kube-system/configmaps"; selector: "" or a query such as
 * "fieldSelector=metadata.name%3Dw1". */
struct cache *cache_new(struct kube *kube, const char *collection, const char *selector,
			cache_changed_fn changed, void *userdata);
struct cache *cache_free(struct cache *cache);
DEFINE_CLEANUP(struct cache, cache_free)
/* Keeps objects of this name only (may be called several times); without any, keeps all. Takes
 * effect at the next list: call it before the first round. */
void cache_keep(struct cache *cache, const char *name);
/* True once a list has arrived and the last attempt to reach the server did not fail. */
bool cache_is_synced(const struct cache *cache);
/* What stands in the way, NULL if nothing. */
const struct error *cache_error(const struct cache *cache);
/* Borrowed; NULL if it does not exist (as of now, if synced). */
const struct value *cache_get(const struct cache *cache, const char *name);
size_t cache_count(const struct cache *cache);
const struct value *cache_item(const struct cache *cache, size_t index);
