/* Tests of agentd/kube/cache.c on a clock that stands still, against canned answers. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/cache.h"
#include "agentd/kube/names.h"
#include "common/strv.h"
#include "tests/unit/test-kube.h"

#define MAP(name, version)                                                                  \
	"{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'" name "','namespace':'" \
	"kube-system','resourceVersion':'" version "','managedFields':[{}]}}"
#define ITEM(name, version)                                                                    \
	"{'metadata':{'name':'" name "','namespace':'kube-system','resourceVersion':'" version \
	"','managedFields':[{}]}}"
#define LIST(meta, items) \
	"{'kind':'ConfigMapList','apiVersion':'v1','metadata':{" meta "},'items':[" items "]}"
#define EVENT(type, object) "{'type':'" type "','object':" object "}\n"
#define NOT_FOUND	    "{'kind':'Status','reason':'NotFound','message':'no','details':{'name':'a'}}"
#define FORBIDDEN	    "{'kind':'Status','reason':'Forbidden','message':'forbidden'}"

static struct world world;
static struct strv changes;

static void setup(void)
{
	world_init(&world);
}

static void teardown(void)
{
	strv_done(&changes);
	world_done(&world);
}

static void changed(struct cache *cache, const char *name, void *userdata)
{
	strv_add(&changes, name ? name : "*");
}

static void assert_changes(const char *wanted)
{
	_cleanup_free_ char *text = strv_join(&changes, " ");

	ck_assert_str_eq(text, wanted);
	strv_done(&changes);
}

static struct cache *new_cache(void)
{
	return cache_new(world.kube, KUBE_SYSTEM_CONFIG_MAPS, "", changed, NULL);
}

/* A cache whose watch is open. */
static struct cache *watching(const char *list)
{
	struct cache *cache = new_cache();

	canned_reply(world.canned, 200, list);
	canned_stream(world.canned, "", true);
	world_until(&world, canned_count(world.canned) == 2);
	world_settle(&world);
	ck_assert(cache_is_synced(cache));
	return cache;
}

/* Requests so far, of which the last is this one. */
static void assert_request(size_t count, const char *part)
{
	world_until(&world, canned_count(world.canned) >= count);
	ck_assert_uint_eq(canned_count(world.canned), count);
	ck_assert_msg(strstr(canned_line(world.canned, count - 1), part) != NULL, "%s",
		      canned_line(world.canned, count - 1));
}

static const char *version_of(const struct cache *cache, const char *name)
{
	return value_string_or(value_at(cache_get(cache, name), "metadata", "resourceVersion"),
			       "none");
}

START_TEST(test_nothing_is_known_before_the_first_list)
{
	_cleanup_(cache_free) struct cache *cache = new_cache();

	ck_assert(!cache_is_synced(cache));
	ck_assert_ptr_null(cache_error(cache));
	ck_assert_ptr_null(cache_get(cache, "a"));
	ck_assert_uint_eq(canned_count(world.canned), 0);
}
END_TEST

START_TEST(test_a_list_is_followed_by_its_changes)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("b", "2") "," ITEM("a", "1")));

	assert_changes("*");
	ck_assert_str_eq(canned_line(world.canned, 0), "GET " KUBE_SYSTEM_CONFIG_MAPS "?limit=500");
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "resourceVersion=7"));
	ck_assert_uint_eq(cache_count(cache), 2);
	ck_assert_str_eq(value_string(value_at(cache_item(cache, 0), "metadata", "name")), "a");
	ck_assert_str_eq(value_string(value_get(cache_item(cache, 0), "kind")), "ConfigMap");
	ck_assert_ptr_null(value_at(cache_item(cache, 0), "metadata", "managedFields"));
	ck_assert_ptr_null(cache_item(cache, 2));

	canned_more(world.canned, EVENT("MODIFIED", MAP("a", "8")) EVENT("ADDED", MAP("c", "9"))
				      EVENT("DELETED", MAP("b", "10")));
	world_until(&world, changes.count == 3);
	assert_changes("a c b");
	ck_assert_str_eq(version_of(cache, "a"), "8");
	ck_assert_str_eq(version_of(cache, "c"), "9");
	ck_assert_str_eq(version_of(cache, "b"), "none");
	ck_assert_str_eq(version_of(cache, "kube-system/c"), "9");
	ck_assert_str_eq(version_of(cache, "other/c"), "none");
}
END_TEST

START_TEST(test_only_names_that_somebody_wants_are_kept)
{
	struct cache *cache = new_cache();

	cache_keep(cache, "a");
	cache_keep(cache, "b");
	canned_reply(world.canned, 200, LIST("", ITEM("a", "1") "," ITEM("x", "2")));
	canned_stream(world.canned, EVENT("ADDED", MAP("y", "3")) EVENT("ADDED", MAP("b", "4")),
		      true);
	world_until(&world, changes.count == 2);
	assert_changes("* b");
	ck_assert_uint_eq(cache_count(cache), 2);
	cache_free(cache);
}
END_TEST

START_TEST(test_pages_make_one_list)
{
	struct cache *cache = new_cache();

	canned_reply(world.canned, 200,
		     LIST("'resourceVersion':'7','continue':'a=b'", ITEM("a", "1")));
	canned_reply(world.canned, 200, LIST("'resourceVersion':'7'", ITEM("b", "2")));
	canned_stream(world.canned, "", true);
	world_until(&world, canned_count(world.canned) == 3);
	world_settle(&world);
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "continue=a%3Db"));
	assert_changes("*");
	ck_assert_uint_eq(cache_count(cache), 2);
	cache_free(cache);
}
END_TEST

/* A watch ended in order by its time-out goes on; the third reads all. */
START_TEST(test_every_third_watch_is_preceded_by_a_list)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	canned_more(world.canned, EVENT("MODIFIED", MAP("a", "9")));
	world_until(&world, changes.count == 2);
	strv_done(&changes);
	for (size_t i = 0; i < 2; i++) {
		canned_stream(world.canned, "", true);
		clock_fake_advance(&world.clock, 1800 * NSEC_PER_SEC);
		canned_end(world.canned);
		assert_request(3 + i, "resourceVersion=9");
		world_settle(&world);
		ck_assert(cache_is_synced(cache));
	}
	canned_reply(world.canned, 200, LIST("'resourceVersion':'20'", ITEM("b", "20")));
	canned_stream(world.canned, "", true);
	clock_fake_advance(&world.clock, 1800 * NSEC_PER_SEC);
	canned_end(world.canned);
	assert_request(6, "resourceVersion=20");
	world_settle(&world);
	assert_changes("b a");
}
END_TEST

START_TEST(test_a_watch_that_ends_at_once_is_not_repeated_at_once)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	canned_end(world.canned);
	world_settle(&world);
	ck_assert_uint_eq(canned_count(world.canned), 2);
	ck_assert(cache_is_synced(cache));
	canned_reply(world.canned, 200, LIST("'resourceVersion':'7'", ITEM("a", "1")));
	world_advance(&world, 2);
	assert_request(3, "limit=500");
}
END_TEST

START_TEST(test_a_version_that_is_too_old_is_listed_again)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	strv_done(&changes);
	clock_fake_advance(&world.clock, 60 * NSEC_PER_SEC);
	canned_reply(world.canned, 200, LIST("'resourceVersion':'30'", ""));
	canned_stream(world.canned, "", true);
	canned_more(world.canned,
		    "{'type':'ERROR','object':{'kind':'Status','code':410,'message':'old'}}\n");
	world_until(&world, changes.count == 1);
	assert_changes("a");
	ck_assert(cache_is_synced(cache));
}
END_TEST

START_TEST(test_a_lost_connection_leaves_objects_that_are_not_the_truth)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	strv_done(&changes);
	canned_hang_up(world.canned);
	world_until(&world, !cache_is_synced(cache));
	assert_changes("*");
	ck_assert_int_eq(cache_error(cache)->class, ERROR_NETWORK);
	ck_assert_str_eq(version_of(cache, "a"), "1");

	/* A second failure is no news. */
	canned_reply(world.canned, 503, "{}");
	world_advance(&world, 2);
	world_until(&world, canned_count(world.canned) == 3);
	world_settle(&world);
	assert_changes("");

	canned_reply(world.canned, 200, LIST("'resourceVersion':'9'", ITEM("a", "8")));
	canned_stream(world.canned, "", true);
	world_advance(&world, 5);
	world_until(&world, cache_is_synced(cache));
	assert_changes("*");
	ck_assert_ptr_null(cache_error(cache));
	ck_assert_str_eq(version_of(cache, "a"), "8");
}
END_TEST

START_TEST(test_a_watch_that_does_not_end_in_time_is_given_up)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	world_advance(&world, 3600 + 121);
	world_until(&world, !cache_is_synced(cache));
	ck_assert_int_eq(cache_error(cache)->code, -ETIMEDOUT);
}
END_TEST

START_TEST(test_idle_caches_have_nothing_to_wake_up_for_but_the_end_of_the_watch)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	ck_assert_uint_ge(loop_next_deadline(world.loop), world.clock.now_ns + 1800 * NSEC_PER_SEC);
}
END_TEST

/* -- One object -------------------------------------------------------------------------------- */

static struct cache *single(bool narrow)
{
	struct cache *cache = new_cache();

	cache_keep(cache, "a");
	if (narrow)
		cache_set_narrow(cache);
	return cache;
}

START_TEST(test_one_object_is_read_and_watched_by_name)
{
	_cleanup_(cache_free) struct cache *cache = single(false);

	canned_reply(world.canned, 200, MAP("a", "4"));
	canned_stream(world.canned, EVENT("DELETED", MAP("a", "5")), true);
	world_until(&world, changes.count == 2);
	assert_changes("* a");
	ck_assert_str_eq(canned_line(world.canned, 0), "GET " KUBE_SYSTEM_CONFIG_MAPS "/a");
	ck_assert_ptr_nonnull(
	    strstr(canned_line(world.canned, 1), "?fieldSelector=metadata.name%3Da&"));
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "resourceVersion=4"));
	ck_assert(cache_is_synced(cache));
	ck_assert_uint_eq(cache_count(cache), 0);
}
END_TEST

START_TEST(test_a_missing_object_is_watched_from_now)
{
	_cleanup_(cache_free) struct cache *cache = single(false);

	canned_reply(world.canned, 404, NOT_FOUND);
	canned_stream(world.canned, EVENT("ADDED", MAP("a", "5")), true);
	world_until(&world, changes.count == 2);
	assert_changes("* a");
	ck_assert_ptr_null(strstr(canned_line(world.canned, 1), "resourceVersion"));
	ck_assert_str_eq(version_of(cache, "a"), "5");
}
END_TEST

/* A server that was restarted knows of nothing older than its start, and the object may be older.
 */
START_TEST(test_an_object_older_than_the_servers_memory_is_watched_from_now)
{
	_cleanup_(cache_free) struct cache *cache = single(false);

	canned_reply(world.canned, 200, MAP("a", "4"));
	canned_stream(world.canned,
		      "{'type':'ERROR','object':{'kind':'Status','code':410,'message':'old'}}\n",
		      false);
	canned_reply(world.canned, 200, MAP("a", "4"));
	canned_stream(world.canned, EVENT("ADDED", MAP("a", "4")) EVENT("MODIFIED", MAP("a", "9")),
		      true);
	world_until(&world, changes.count == 3);
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "resourceVersion=4"));
	ck_assert_str_eq(canned_line(world.canned, 2), "GET " KUBE_SYSTEM_CONFIG_MAPS "/a");
	ck_assert_ptr_null(strstr(canned_line(world.canned, 3), "resourceVersion"));
	ck_assert(cache_is_synced(cache));
	ck_assert_str_eq(version_of(cache, "a"), "9");
}
END_TEST

START_TEST(test_where_watching_is_denied_it_is_read_every_half_hour)
{
	_cleanup_(cache_free) struct cache *cache = single(true);

	for (unsigned i = 0; i < 20; i++) {
		canned_reply(world.canned, 200, MAP("a", "4"));
		canned_reply(world.canned, 403, FORBIDDEN);
		world_until(&world, canned_count(world.canned) == 2 * i + 2);
		world_settle(&world);
		ck_assert(cache_is_synced(cache));
		world_advance(&world, 27 * 60 - 1);
		world_settle(&world);
		ck_assert_uint_eq(canned_count(world.canned), 2 * i + 2);
		/* Ten per cent more, and an eighth of slack. */
		world_advance(&world, 6 * 60 + 4 * 60 + 10);
	}
	assert_changes("*");
}
END_TEST

START_TEST(test_a_denied_watch_is_a_failure_where_it_should_be_allowed)
{
	_cleanup_(cache_free) struct cache *cache = single(false);

	canned_reply(world.canned, 200, MAP("a", "4"));
	canned_reply(world.canned, 403, FORBIDDEN);
	world_until(&world, cache_error(cache) != NULL);
	ck_assert_int_eq(cache_error(cache)->class, ERROR_DENIED);
	ck_assert(!cache_is_synced(cache));
}
END_TEST

START_TEST(test_many_hosts_do_not_come_back_at_once)
{
	uint64_t latest = 0;

	for (unsigned i = 0; i < 20; i++) {
		struct cache *cache = single(true);
		uint64_t wait;

		canned_reply(world.canned, 200, MAP("a", "4"));
		canned_stream(world.canned, "", true);
		world_until(&world, canned_count(world.canned) % 2 == 0 && cache_is_synced(cache) &&
					canned_count(world.canned) == 2 * i + 2);
		world_settle(&world);
		canned_hang_up(world.canned);
		world_until(&world, !cache_is_synced(cache));
		wait = loop_next_deadline(world.loop) - world.clock.now_ns;
		ck_assert_uint_le(wait, 35 * NSEC_PER_SEC);
		latest = MAX(latest, wait);
		cache_free(cache);
	}
	ck_assert_uint_ge(latest, 10 * NSEC_PER_SEC);
}
END_TEST

/* -- Life -------------------------------------------------------------------------------------- */

START_TEST(test_a_refresh_reads_anew)
{
	_cleanup_(cache_free) struct cache *cache =
	    watching(LIST("'resourceVersion':'7'", ITEM("a", "1")));

	strv_done(&changes);
	canned_reply(world.canned, 200, LIST("'resourceVersion':'9'", ITEM("a", "8")));
	canned_stream(world.canned, "", true);
	cache_refresh(cache);
	world_until(&world, changes.count == 1);
	assert_changes("a");
	assert_request(4, "resourceVersion=9");
}
END_TEST

START_TEST(test_a_cache_may_be_freed_in_every_state)
{
	for (unsigned stop = 0; stop < 3; stop++) {
		struct cache *cache = new_cache();

		canned_reply(world.canned, 200, LIST("", ""));
		canned_stream(world.canned, "", true);
		world_until(&world, canned_count(world.canned) >= stop);
		if (stop == 2)
			world_settle(&world);
		cache_free(cache);
		world_done(&world);
		world_init(&world);
	}
}
END_TEST

Suite *suite_cache(void)
{
	Suite *suite = suite_create("cache");
	TCase *tcase = tcase_create("cache");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_nothing_is_known_before_the_first_list);
	tcase_add_test(tcase, test_a_list_is_followed_by_its_changes);
	tcase_add_test(tcase, test_only_names_that_somebody_wants_are_kept);
	tcase_add_test(tcase, test_pages_make_one_list);
	tcase_add_test(tcase, test_every_third_watch_is_preceded_by_a_list);
	tcase_add_test(tcase, test_a_watch_that_ends_at_once_is_not_repeated_at_once);
	tcase_add_test(tcase, test_a_version_that_is_too_old_is_listed_again);
	tcase_add_test(tcase, test_a_lost_connection_leaves_objects_that_are_not_the_truth);
	tcase_add_test(tcase, test_a_watch_that_does_not_end_in_time_is_given_up);
	tcase_add_test(tcase,
		       test_idle_caches_have_nothing_to_wake_up_for_but_the_end_of_the_watch);
	tcase_add_test(tcase, test_one_object_is_read_and_watched_by_name);
	tcase_add_test(tcase, test_a_missing_object_is_watched_from_now);
	tcase_add_test(tcase, test_an_object_older_than_the_servers_memory_is_watched_from_now);
	tcase_add_test(tcase, test_where_watching_is_denied_it_is_read_every_half_hour);
	tcase_add_test(tcase, test_a_denied_watch_is_a_failure_where_it_should_be_allowed);
	tcase_add_test(tcase, test_many_hosts_do_not_come_back_at_once);
	tcase_add_test(tcase, test_a_refresh_reads_anew);
	tcase_add_test(tcase, test_a_cache_may_be_freed_in_every_state);
	suite_add_tcase(suite, tcase);
	return suite;
}
