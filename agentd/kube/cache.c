/* list+watch of a collection; see cache.h. One op is in flight at a time: a page of a list, the
 * read of one object, or the watch; the timer is for what comes next or for a watch that is
 * overdue. */
#include "agentd/kube/cache.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/store.h"
#include "common/alloc.h"
#include "common/backoff.h"
#include "common/strv.h"

#define PAGE_MAX	   500 /* objects of a list's page, so that it stays under 8 MiB */
#define PAGE_MIN	   2
#define WATCH_MIN_S	   1800
#define WATCH_MAX_S	   3600
#define OVERDUE_S	   60 /* after its time-out, a watch that has not ended is given up */
#define GOOD_S		   30 /* a watch that lived so long says that the server is well */
#define POLL_S		   1800
#define SPREAD_S	   30
#define RETRY_MAX_S	   300
#define WATCHES_PER_LIST   3
#define SLACK_OF_WATCH_NS  (OVERDUE_S * NSEC_PER_SEC)
#define SLACK_OF_RETRY(ns) ((ns) / 8)

enum cache_state { CACHE_IDLE, CACHE_LISTING, CACHE_WATCHING };

struct cache {
	struct kube *kube;
	char *collection, *selector;
	struct apipath path;
	cache_changed_fn changed;
	void *userdata;
	struct strv names;
	bool narrow;
	/* The version of one object may be older than all that the server still knows of (after its
	 * restart): then the watch begins with what is there, and takes no version. */
	bool from_now;

	enum cache_state state;
	struct loop_deferred first;
	struct loop_timer *timer;
	struct op *op;
	struct store items;
	struct store fresh; /* of the list in progress */
	char *version;	    /* where the next watch begins; NULL = at what is there by then */
	unsigned page;	    /* objects to ask for in a list */
	unsigned endings;   /* watches that ended in order since the last list */
	bool had_event;	    /* in this watch */
	uint64_t watched_since_ns;

	bool synced;
	struct error error;
	struct backoff backoff;
};

static void cache_list(void *userdata);
static void cache_watch(struct cache *cache);

/* -- Small things ------------------------------------------------------------------------------ */

static uint64_t now_ns(const struct cache *cache)
{
	return clock_ns(loop_clock(kube_loop(cache->kube)));
}

/* Only spreads load, so the clock will do where the kernel has no random bytes yet. */
static uint32_t random_bits(const struct cache *cache)
{
	uint32_t bits;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
		bits = (uint32_t)now_ns(cache) * 2654435761U;
	return bits;
}

static bool is_kept(const struct cache *cache, const char *name)
{
	return cache->names.count == 0 || strv_contains(&cache->names, name);
}

/* Whether it is about one object, which is then read and watched alone. */
static bool is_single(const struct cache *cache)
{
	return cache->names.count == 1 && *cache->selector == '\0';
}

static void set_version(struct cache *cache, const char *version)
{
	char *copy = version && *version ? xstrdup(version) : NULL;

	free(cache->version);
	cache->version = copy;
}

static void begin(struct cache *cache, enum cache_state state, struct op *op, op_done_fn done)
{
	op_drop(cache->op);
	cache->op = op;
	cache->state = state;
	op_watch(op, done, cache);
}

static void list_after(struct cache *cache, uint64_t delay_ns)
{
	cache->op = op_drop(cache->op);
	cache->state = CACHE_IDLE;
	loop_timer_arm(cache->timer, delay_ns, SLACK_OF_RETRY(delay_ns));
}

/* -- Failure ----------------------------------------------------------------------------------- */

static uint64_t retry_delay(struct cache *cache, const struct error *error, bool lost)
{
	uint64_t delay = backoff_next(&cache->backoff, error, random_bits(cache));

	if (lost && cache->narrow && cache->backoff.failures <= 1)
		delay = random_bits(cache) % (SPREAD_S * 1000) * NSEC_PER_MSEC;
	return MIN(delay, RETRY_MAX_S * NSEC_PER_SEC);
}

/* Something is in the way: what we have is kept for when the server is back, but nobody may take it
 * for the truth until then. */
static void cache_failed(struct cache *cache, const struct error *error)
{
	bool lost = cache->state == CACHE_WATCHING;
	bool news = cache->synced || !error_is_set(&cache->error);

	cache->error = *error;
	cache->synced = false;
	store_done(&cache->fresh);
	list_after(cache, retry_delay(cache, error, lost));
	if (news)
		cache->changed(cache, NULL, cache->userdata);
}

/* -- Listing ----------------------------------------------------------------------------------- */

/* Tells what differs between what was there and what is there now. */
static void announce(struct cache *cache, const struct store *before)
{
	for (size_t i = 0; i < cache->items.count; i++) {
		const struct value *item = cache->items.items[i];
		const struct value *old =
		    store_find(before, store_namespace(item), store_name(item));

		if (!old || strcmp(store_version(old), store_version(item)) != 0)
			cache->changed(cache, store_name(item), cache->userdata);
	}
	for (size_t i = 0; i < before->count; i++) {
		const struct value *old = before->items[i];

		if (!store_find(&cache->items, store_namespace(old), store_name(old)))
			cache->changed(cache, store_name(old), cache->userdata);
	}
}

static void list_over(struct cache *cache, const char *version)
{
	_cleanup_(store_done) struct store before = cache->items;
	bool was_synced = cache->synced;

	cache->items = cache->fresh;
	cache->fresh = STORE_INIT;
	cache->synced = true;
	cache->error = ERROR_INIT;
	cache->endings = 0;
	set_version(cache, cache->from_now ? NULL : version);
	cache_watch(cache);
	if (was_synced)
		announce(cache, &before);
	else
		cache->changed(cache, NULL, cache->userdata);
}

/* Without what nobody here reads and is long: the images of a Node alone may be 20 KiB. */
static struct value *trimmed(struct value *item)
{
	item = value_remove_at(item, "metadata", "managedFields");
	return value_remove_at(item, "status", "images");
}

/* Items of a list do not say what they are. */
static void keep_item(struct cache *cache, const struct value *given)
{
	const char *kind = apipath_kind(&cache->path);
	struct value *item;

	if (!is_kept(cache, store_name(given)))
		return;
	item = trimmed(value_ref(given));
	if (kind) {
		item = value_put(item, "kind", value_new_string(kind));
		item = value_put(item, "apiVersion", value_new_string(cache->path.api_version));
	}
	store_put(&cache->fresh, item);
}

static void object_done(struct op *op, void *userdata)
{
	struct cache *cache = userdata;
	const struct value *object = op_value(op);
	_cleanup_free_ char *version = NULL;

	if (op_error(op)) {
		cache_failed(cache, op_error(op));
		return;
	}
	version = xstrdup(store_version(object));
	if (object)
		keep_item(cache, object);
	list_over(cache, version);
}

static void list_page(struct cache *cache, const char *next);

static void page_failed(struct cache *cache, const struct error *error)
{
	if ((error->code == -EFBIG || error->code == -E2BIG) && cache->page > PAGE_MIN) {
		cache->page = MAX(cache->page / 4, (unsigned)PAGE_MIN);
		store_done(&cache->fresh);
		list_page(cache, NULL);
		return;
	}
	cache_failed(cache, error);
}

static void page_done(struct op *op, void *userdata)
{
	struct cache *cache = userdata;
	const struct value *meta, *items;
	_cleanup_free_ char *version = NULL, *next = NULL;

	if (op_error(op)) {
		page_failed(cache, op_error(op));
		return;
	}
	meta = value_get(op_value(op), "metadata");
	items = value_get(op_value(op), "items");
	version = xstrdup(value_string_or(value_get(meta, "resourceVersion"), ""));
	next = xstrdup(value_string_or(value_get(meta, "continue"), ""));
	VALUE_FOREACH(i, items) {
		keep_item(cache, value_item(items, i));
	}
	if (*next)
		list_page(cache, next);
	else
		list_over(cache, version);
}

static void list_page(struct cache *cache, const char *next)
{
	_cleanup_free_ char *token = next ? apipath_escape(next) : NULL;
	_cleanup_free_ char *query =
	    xasprintf("%s%slimit=%u%s%s", cache->selector, *cache->selector ? "&" : "", cache->page,
		      token ? "&continue=" : "", token ? token : "");

	begin(cache, CACHE_LISTING, kube_list(cache->kube, cache->collection, query), page_done);
}

static void cache_list(void *userdata)
{
	struct cache *cache = userdata;
	_cleanup_free_ char *path = NULL;

	store_done(&cache->fresh);
	if (!is_single(cache)) {
		list_page(cache, NULL);
		return;
	}
	path = apipath_join(cache->collection, cache->names.items[0]);
	begin(cache, CACHE_LISTING, kube_get(cache->kube, path), object_done);
}

/* -- Watching ---------------------------------------------------------------------------------- */

static int on_event(const char *change, const struct value *object, void *userdata)
{
	struct cache *cache = userdata;
	const char *name = store_name(object);

	cache->had_event = true;
	if (!cache->from_now)
		set_version(cache, store_version(object));
	if (!is_kept(cache, name))
		return 0;

	if (strcmp(change, "DELETED") == 0)
		store_remove(&cache->items, store_namespace(object), name);
	else
		store_put(&cache->items, trimmed(value_ref(object)));
	cache->changed(cache, name, cache->userdata);
	return 0;
}

/* The server is there, but this did not go well: not a loss, yet no reason to hurry. */
static void list_calmly(struct cache *cache, bool good, const char *what)
{
	struct error err = ERROR_INIT;

	if (good) {
		list_after(cache, 0);
		return;
	}
	error_set(&err, ERROR_NETWORK, -ECONNRESET, "watch of %s: %s", cache->collection, what);
	if (cache->backoff.failures > 0)
		cache_failed(cache, &err);
	else
		list_after(cache, retry_delay(cache, &err, false));
}

static void watch_ended(struct cache *cache, bool good)
{
	if (!good)
		list_calmly(cache, good, "the server ends it at once");
	else if (++cache->endings % WATCHES_PER_LIST == 0)
		cache_list(cache);
	else
		cache_watch(cache);
}

static void poll_later(struct cache *cache)
{
	uint64_t tenth_ms = POLL_S * 1000 / 10;
	uint64_t delay_ms = POLL_S * 1000 - tenth_ms + random_bits(cache) % (2 * tenth_ms);

	backoff_reset(&cache->backoff);
	list_after(cache, delay_ms * NSEC_PER_MSEC);
}

static void watch_done(struct op *op, void *userdata)
{
	struct cache *cache = userdata;
	const struct error *error = op_error(op);
	bool good =
	    cache->had_event || now_ns(cache) - cache->watched_since_ns >= GOOD_S * NSEC_PER_SEC;

	loop_timer_disarm(cache->timer);
	if (good)
		backoff_reset(&cache->backoff);
	if (!error)
		watch_ended(cache, good);
	else if (error->code == -ESTALE && is_single(cache) && !cache->from_now) {
		cache->from_now = true;
		cache_list(cache);
	} else if (error->code == -ESTALE)
		list_calmly(cache, good, "the server forgets too fast");
	else if (error->class == ERROR_DENIED && cache->narrow && is_single(cache))
		poll_later(cache);
	else
		cache_failed(cache, error);
}

static void cache_watch(struct cache *cache)
{
	unsigned seconds = WATCH_MIN_S + random_bits(cache) % (WATCH_MAX_S - WATCH_MIN_S + 1);
	_cleanup_free_ char *name = NULL, *query = NULL;

	if (is_single(cache)) {
		_cleanup_free_ char *escaped = apipath_escape(cache->names.items[0]);

		name = xasprintf("fieldSelector=metadata.name%%3D%s", escaped);
	}
	query = xasprintf("%s%stimeoutSeconds=%u%s%s", name ? name : cache->selector,
			  name || *cache->selector ? "&" : "", seconds,
			  cache->version ? "&resourceVersion=" : "",
			  cache->version ? cache->version : "");
	cache->had_event = false;
	cache->watched_since_ns = now_ns(cache);
	begin(cache, CACHE_WATCHING,
	      kube_watch(cache->kube, cache->collection, query, on_event, cache), watch_done);
	loop_timer_arm(cache->timer, (seconds + OVERDUE_S) * NSEC_PER_SEC, SLACK_OF_WATCH_NS);
}

static void on_timer(void *userdata)
{
	struct cache *cache = userdata;
	struct error err = ERROR_INIT;

	if (cache->state != CACHE_WATCHING) {
		cache_list(cache);
		return;
	}
	error_set(&err, ERROR_NETWORK, -ETIMEDOUT,
		  "watch of %s: the server does not end it in time", cache->collection);
	cache_failed(cache, &err);
}

/* -- For owners -------------------------------------------------------------------------------- */

struct cache *cache_new(struct kube *kube, const char *collection, const char *selector,
			cache_changed_fn changed, void *userdata)
{
	struct cache *cache = NEW(struct cache);

	cache->kube = kube;
	cache->collection = xstrdup(collection);
	cache->selector = xstrdup(selector);
	(void)apipath_parse(collection, &cache->path);
	cache->changed = changed;
	cache->userdata = userdata;
	cache->page = PAGE_MAX;
	cache->backoff = BACKOFF_INIT;
	cache->timer = loop_timer_new(kube_loop(kube), on_timer, cache);
	cache->first = (struct loop_deferred){ .fn = cache_list, .userdata = cache };
	loop_defer(kube_loop(kube), &cache->first);
	return cache;
}

struct cache *cache_free(struct cache *cache)
{
	if (!cache)
		return NULL;
	op_drop(cache->op);
	loop_undefer(kube_loop(cache->kube), &cache->first);
	loop_timer_free(cache->timer);
	store_done(&cache->items);
	store_done(&cache->fresh);
	strv_done(&cache->names);
	apipath_done(&cache->path);
	free(cache->collection);
	free(cache->selector);
	free(cache->version);
	free(cache);
	return NULL;
}

void cache_keep(struct cache *cache, const char *name)
{
	strv_add_unique(&cache->names, name);
}

void cache_set_narrow(struct cache *cache)
{
	cache->narrow = true;
}

void cache_refresh(struct cache *cache)
{
	loop_timer_disarm(cache->timer);
	cache->op = op_drop(cache->op);
	cache->state = CACHE_IDLE;
	loop_defer(kube_loop(cache->kube), &cache->first);
}

bool cache_is_synced(const struct cache *cache)
{
	return cache->synced;
}

const struct error *cache_error(const struct cache *cache)
{
	return error_is_set(&cache->error) ? &cache->error : NULL;
}

const struct value *cache_get(const struct cache *cache, const char *name)
{
	const char *slash = strchr(name, '/');
	_cleanup_free_ char *namespace = NULL;
	const struct value *found;

	if (slash) {
		namespace = xstrndup(name, (size_t)(slash - name));
		return store_find(&cache->items, namespace, slash + 1);
	}
	found = store_find(&cache->items, cache->path.namespace ? cache->path.namespace : "", name);
	for (size_t i = 0; !found && !cache->path.namespace && i < cache->items.count; i++)
		if (strcmp(store_name(cache->items.items[i]), name) == 0)
			found = cache->items.items[i];
	return found;
}

size_t cache_count(const struct cache *cache)
{
	return cache->items.count;
}

const struct value *cache_item(const struct cache *cache, size_t index)
{
	return index < cache->items.count ? cache->items.items[index] : NULL;
}
