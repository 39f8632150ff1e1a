/* list+watch of a collection, kept to the objects that somebody asked for.
 *
 * No bookmarks, time-outs of 30 to 60 minutes; 410 lists again; a lost connection is tried again by
 * the back-off table, and says so until it is back. A watch that ended by its time-out goes on from
 * where it was; every third time all is read anew, because a watch from a version that the server
 * has not reached yet (etcd restored from a snapshot) is silent for ever. managedFields and
 * the images of Nodes are dropped. A cache of one name reads and watches that object only.
 *
 * Idle, a cache has one connection and one timer, which guards the end of its watch. */
#pragma once

#include <stdbool.h>

#include "agentd/kube/client.h"
#include "common/value.h"

struct cache;
/* name is the object's metadata.name; called from the loop. With name NULL everything changed
 * (first list arrived, or the connection was lost or found again). It must not free the cache. */
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
/* For one of many hosts that lack rights: where watching is denied, the one object is read every 30
 * minutes ± 10 %, and after a lost connection it waits up to 30 s, so that the hosts of a cluster
 * do not all come back at once. Call it before the first round. */
void cache_set_narrow(struct cache *cache);
/* Reads everything anew, at once. */
void cache_refresh(struct cache *cache);
/* True once a list has arrived and the last attempt to reach the server did not fail. */
bool cache_is_synced(const struct cache *cache);
/* What stands in the way, NULL if nothing. */
const struct error *cache_error(const struct cache *cache);
/* Borrowed; NULL if it does not exist (as of now, if synced). A collection across namespaces takes
 * "NAMESPACE/NAME" too. */
const struct value *cache_get(const struct cache *cache, const char *name);
/* In order of namespace and name. */
size_t cache_count(const struct cache *cache);
const struct value *cache_item(const struct cache *cache, size_t index);
