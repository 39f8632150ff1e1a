/* The caches of all cluster objects that rows look at; see objects.h. Wishes are collected, and
 * turned into caches once per round of the loop: one per collection, or one per object where the
 * identity may not watch more than that. */
#include "agentd/kube/objects.h"

#include <string.h>

#include "common/alloc.h"
#include "common/strv.h"

/* What somebody wants to see. */
struct wish {
	char *collection; /* with its query */
	char *name;	  /* NULL = all of it */
	bool narrow;
};

/* One cache. */
struct feed {
	struct objects *objects;
	char *collection;
	struct strv names; /* none = all */
	bool narrow;
	struct cache *cache;
	bool wanted; /* mark of the round that compares feeds with wishes */
};

struct objects {
	struct loop *loop;
	struct kube *kube;
	objects_changed_fn changed;
	void *userdata;
	struct wish *wishes;
	size_t wish_count;
	struct feed **feeds;
	size_t feed_count;
	struct loop_deferred arrange;
	bool client_changed;
};

/* -- Feeds ------------------------------------------------------------------------------------- */

static void feed_free(struct feed *feed)
{
	cache_free(feed->cache);
	strv_done(&feed->names);
	free(feed->collection);
	free(feed);
}

static void feed_changed(struct cache *cache, const char *name, void *userdata)
{
	struct feed *feed = userdata;

	feed->objects->changed(feed->collection, name, feed->objects->userdata);
}

static void feed_open(struct feed *feed, struct kube *kube)
{
	size_t length = strcspn(feed->collection, "?");
	_cleanup_free_ char *path = xstrndup(feed->collection, length);
	const char *query = feed->collection[length] ? feed->collection + length + 1 : "";

	feed->cache = cache_new(kube, path, query, feed_changed, feed);
	STRV_FOREACH(name, &feed->names) {
		cache_keep(feed->cache, name);
	}
	if (feed->narrow)
		cache_set_narrow(feed->cache);
}

/* A narrow wish for one object has a feed of its own, all others share that of their collection. */
static bool has_own_feed(const struct wish *wish)
{
	return wish->narrow && wish->name;
}

static bool feed_serves(const struct feed *feed, const struct wish *wish)
{
	if (strcmp(feed->collection, wish->collection) != 0)
		return false;
	if (!has_own_feed(wish))
		return !feed->narrow || feed->names.count == 0;
	return feed->narrow && feed->names.count == 1 &&
	       strcmp(feed->names.items[0], wish->name) == 0;
}

static void collect_names(const struct objects *objects, const struct wish *wish,
			  struct strv *names)
{
	if (has_own_feed(wish)) {
		strv_add(names, wish->name);
		return;
	}
	for (size_t i = 0; i < objects->wish_count; i++) {
		const struct wish *other = &objects->wishes[i];

		if (has_own_feed(other) || strcmp(other->collection, wish->collection) != 0)
			continue;
		if (!other->name) {
			strv_done(names);
			return;
		}
		strv_add_unique(names, other->name);
	}
}

static bool same_names(const struct strv *a, const struct strv *b)
{
	if (a->count != b->count)
		return false;
	STRV_FOREACH(name, a) {
		if (!strv_contains(b, name))
			return false;
	}
	return true;
}

static struct feed *find_feed(const struct objects *objects, const struct wish *wish)
{
	for (size_t i = 0; i < objects->feed_count; i++)
		if (feed_serves(objects->feeds[i], wish))
			return objects->feeds[i];
	return NULL;
}

static struct feed *add_feed(struct objects *objects, const struct wish *wish)
{
	struct feed *feed = NEW(struct feed);

	feed->objects = objects;
	feed->collection = xstrdup(wish->collection);
	feed->narrow = wish->narrow;
	objects->feeds =
	    xreallocarray(objects->feeds, objects->feed_count + 1, sizeof(struct feed *));
	objects->feeds[objects->feed_count++] = feed;
	return feed;
}

/* Makes the wish's feed what it must be. One that keeps the right names goes on undisturbed. */
static void serve(struct objects *objects, const struct wish *wish)
{
	_cleanup_(strv_done) struct strv names = STRV_INIT;
	struct feed *feed = find_feed(objects, wish);

	collect_names(objects, wish, &names);
	if (!feed)
		feed = add_feed(objects, wish);
	feed->wanted = true;
	if (feed->cache && same_names(&feed->names, &names))
		return;

	feed->cache = cache_free(feed->cache);
	strv_done(&feed->names);
	strv_copy(&feed->names, &names);
	feed_open(feed, objects->kube);
}

static void drop_feeds(struct objects *objects, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < objects->feed_count; i++) {
		if (all || !objects->feeds[i]->wanted)
			feed_free(objects->feeds[i]);
		else
			objects->feeds[kept++] = objects->feeds[i];
	}
	objects->feed_count = kept;
}

static void arrange(void *userdata)
{
	struct objects *objects = userdata;
	bool announce = objects->client_changed;

	objects->client_changed = false;
	for (size_t i = 0; i < objects->feed_count; i++)
		objects->feeds[i]->wanted = false;
	for (size_t i = 0; objects->kube && i < objects->wish_count; i++)
		serve(objects, &objects->wishes[i]);
	drop_feeds(objects, false);
	for (size_t i = 0; announce && i < objects->wish_count; i++)
		objects->changed(objects->wishes[i].collection, objects->wishes[i].name,
				 objects->userdata);
}

/* -- For owners -------------------------------------------------------------------------------- */

struct objects *objects_new(struct loop *loop, objects_changed_fn changed, void *userdata)
{
	struct objects *objects = NEW(struct objects);

	objects->loop = loop;
	objects->changed = changed;
	objects->userdata = userdata;
	objects->arrange = (struct loop_deferred){ .fn = arrange, .userdata = objects };
	return objects;
}

static void drop_wishes(struct objects *objects)
{
	for (size_t i = 0; i < objects->wish_count; i++) {
		free(objects->wishes[i].collection);
		free(objects->wishes[i].name);
	}
	free(objects->wishes);
	objects->wishes = NULL;
	objects->wish_count = 0;
}

struct objects *objects_free(struct objects *objects)
{
	if (!objects)
		return NULL;
	loop_undefer(objects->loop, &objects->arrange);
	drop_feeds(objects, true);
	free(objects->feeds);
	drop_wishes(objects);
	free(objects);
	return NULL;
}

void objects_set_client(struct objects *objects, struct kube *kube)
{
	drop_feeds(objects, true);
	objects->kube = kube;
	objects->client_changed = true;
	loop_defer(objects->loop, &objects->arrange);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

void objects_watch(struct objects *objects, const char *collection, const char *name, bool narrow)
{
	struct wish *wish;

	for (size_t i = 0; i < objects->wish_count; i++) {
		wish = &objects->wishes[i];
		if (wish->narrow == narrow && same_text(wish->name, name) &&
		    same_text(wish->collection, collection))
			return;
	}
	objects->wishes =
	    xreallocarray(objects->wishes, objects->wish_count + 1, sizeof(struct wish));
	wish = &objects->wishes[objects->wish_count++];
	*wish = (struct wish){ xstrdup(collection), xstrdup(name), narrow };
	loop_defer(objects->loop, &objects->arrange);
}

void objects_clear(struct objects *objects)
{
	drop_wishes(objects);
	loop_defer(objects->loop, &objects->arrange);
}

/* The feed that keeps an object. */
static const struct feed *feed_of(const struct objects *objects, const char *collection,
				  const char *name)
{
	for (size_t i = 0; i < objects->feed_count; i++) {
		const struct feed *feed = objects->feeds[i];

		if (strcmp(feed->collection, collection) == 0 &&
		    (feed->names.count == 0 || (name && strv_contains(&feed->names, name))))
			return feed;
	}
	return NULL;
}

enum object_state objects_get(const struct objects *objects, const char *collection,
			      const char *name, const struct value **ret)
{
	const struct feed *feed = feed_of(objects, collection, name);
	const struct value *object;

	*ret = NULL;
	if (!feed || !cache_is_synced(feed->cache))
		return OBJECT_UNKNOWN;

	object = cache_get(feed->cache, name);
	if (!object)
		return OBJECT_MISSING;
	*ret = object;
	return OBJECT_FOUND;
}

const struct cache *objects_cache(const struct objects *objects, const char *collection)
{
	const struct feed *feed = feed_of(objects, collection, NULL);

	return feed ? feed->cache : NULL;
}

enum object_state objects_all(const struct objects *objects, const char *collection,
			      struct value **ret)
{
	const struct feed *feed = feed_of(objects, collection, NULL);
	struct value *list;

	*ret = NULL;
	if (!feed || !cache_is_synced(feed->cache))
		return OBJECT_UNKNOWN;
	list = value_new_list();
	for (size_t i = 0; i < cache_count(feed->cache); i++)
		list = value_append(list, value_ref(cache_item(feed->cache, i)));
	*ret = list;
	return OBJECT_FOUND;
}

void objects_retry(struct objects *objects)
{
	for (size_t i = 0; i < objects->feed_count; i++)
		if (cache_error(objects->feeds[i]->cache))
			cache_refresh(objects->feeds[i]->cache);
}

const struct error *objects_error(const struct objects *objects)
{
	const struct error *found = NULL;
	bool any_synced = false;

	for (size_t i = 0; i < objects->feed_count; i++) {
		const struct error *error = cache_error(objects->feeds[i]->cache);

		any_synced = any_synced || cache_is_synced(objects->feeds[i]->cache);
		if (!error)
			continue;
		/* A right that is missing is one collection's trouble, the rest is the server's. */
		if (!found || found->class == ERROR_DENIED)
			found = error;
	}
	if (found && found->class == ERROR_DENIED && any_synced)
		return NULL;
	return found;
}
