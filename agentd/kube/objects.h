/* The cluster objects that rows look at: caches by collection, all of one identity. */
#pragma once

#include "agentd/kube/cache.h"
#include "agentd/kube/client.h"

struct objects;
typedef void (*objects_changed_fn)(const char *collection, const char *name, void *userdata);

enum object_state { OBJECT_UNKNOWN = -1, OBJECT_MISSING = 0, OBJECT_FOUND = 1 };

struct objects *objects_new(struct loop *loop, objects_changed_fn changed, void *userdata);
struct objects *objects_free(struct objects *objects);
DEFINE_CLEANUP(struct objects, objects_free)

/* The client of all caches (borrowed, NULL = none: everything is unknown). Starts anew with it. */
void objects_set_client(struct objects *objects, struct kube *kube);
/* Keeps one object, or with name NULL all of a collection (COLLECTION?QUERY adds a selector).
 * narrow: this identity may only watch single objects by name (a node); where even that is denied,
 * the object is read every 30 minutes ± 10 %. */
void objects_watch(struct objects *objects, const char *collection, const char *name, bool narrow);
/* Forgets all watches (another role). */
void objects_clear(struct objects *objects);
/* *ret is borrowed until the loop's next round; NULL unless found. */
enum object_state objects_get(const struct objects *objects, const char *collection,
			      const char *name, const struct value **ret);
/* All objects of a watched collection as a new list; OBJECT_UNKNOWN and NULL while they are not
 * known.
 */
enum object_state objects_all(const struct objects *objects, const char *collection,
			      struct value **ret);
/* The cache of a watched collection, for rows that look at all of it; NULL if it is not watched. */
const struct cache *objects_cache(const struct objects *objects, const char *collection);
/* Tries at once what waits after a failure: the server is known to be back, or rights were given.
 */
void objects_retry(struct objects *objects);
/* What stands in the way of the API server as a whole, NULL if nothing. */
const struct error *objects_error(const struct objects *objects);
