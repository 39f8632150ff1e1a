/* Tests of agentd/kube/objects.c against canned answers. */
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/kube/objects.h"
#include "common/strv.h"
#include "tests/unit/test-kube.h"

#define ITEM(name) \
	"{'metadata':{'name':'" name "','namespace':'kube-system','resourceVersion':'1'}}"
#define LIST(items)                                                                             \
	"{'kind':'ConfigMapList','apiVersion':'v1','metadata':{'resourceVersion':'7'},'items':" \
	"[" items "]}"
#define NODE(name) \
	"{'kind':'Node','apiVersion':'v1','metadata':{'name':'" name "','resourceVersion':'1'}}"
#define MAPS KUBE_SYSTEM_CONFIG_MAPS

static struct world world;
static struct objects *objects;
static struct strv changes;

static void changed(const char *collection, const char *name, void *userdata)
{
	strv_addf(&changes, "%s %s", strrchr(collection, '/') + 1, name ? name : "*");
}

static void setup(void)
{
	world_init(&world);
	objects = objects_new(world.loop, changed, NULL);
}

static void teardown(void)
{
	objects_free(objects);
	strv_done(&changes);
	world_done(&world);
}

static int state(const char *collection, const char *name)
{
	const struct value *object = NULL;
	int found = objects_get(objects, collection, name, &object);

	ck_assert_int_eq(found == OBJECT_FOUND, object != NULL);
	return found;
}

START_TEST(test_without_a_client_everything_is_unknown)
{
	objects_watch(objects, MAPS, "a", false);
	world_settle(&world);
	ck_assert_int_eq(state(MAPS, "a"), OBJECT_UNKNOWN);
	ck_assert_ptr_null(objects_cache(objects, MAPS));
	ck_assert_ptr_null(objects_error(objects));
	ck_assert_uint_eq(canned_count(world.canned), 0);
}
END_TEST

START_TEST(test_names_of_a_collection_share_one_cache)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, "a", false);
	objects_watch(objects, MAPS, "b", false);
	objects_watch(objects, MAPS, "a", false);
	canned_reply(world.canned, 200, LIST(ITEM("a") "," ITEM("c")));
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS, "a") == OBJECT_FOUND);
	ck_assert_int_eq(state(MAPS, "b"), OBJECT_MISSING);
	ck_assert_int_eq(state(MAPS, "c"), OBJECT_UNKNOWN);
	ck_assert_int_eq(state(KUBE_NODES, "a"), OBJECT_UNKNOWN);
	ck_assert_ptr_null(objects_cache(objects, MAPS));
	world_settle(&world);
	ck_assert_uint_eq(canned_count(world.canned), 2);
}
END_TEST

START_TEST(test_a_collection_can_be_seen_whole)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, "a", false);
	objects_watch(objects, MAPS, NULL, false);
	canned_reply(world.canned, 200, LIST(ITEM("a") "," ITEM("c")));
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS, "c") == OBJECT_FOUND);
	ck_assert_uint_eq(cache_count(objects_cache(objects, MAPS)), 2);
}
END_TEST

START_TEST(test_a_query_belongs_to_the_collection)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS "?labelSelector=x", NULL, true);
	canned_reply(world.canned, 200, LIST(ITEM("a")));
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS "?labelSelector=x", "a") == OBJECT_FOUND);
	ck_assert_str_eq(canned_line(world.canned, 0), "GET " MAPS "?labelSelector=x&limit=500");
}
END_TEST

START_TEST(test_narrow_names_have_a_cache_each)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, KUBE_NODES, "w1", true);
	canned_reply(world.canned, 200, NODE("w1"));
	canned_stream(world.canned, "", true);
	world_until(&world, state(KUBE_NODES, "w1") == OBJECT_FOUND);
	world_until(&world, canned_count(world.canned) == 2);
	ck_assert_str_eq(canned_line(world.canned, 0), "GET /api/v1/nodes/w1");
	ck_assert_int_eq(state(KUBE_NODES, "w2"), OBJECT_UNKNOWN);
}
END_TEST

START_TEST(test_a_new_name_starts_its_collection_anew)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, "a", false);
	canned_reply(world.canned, 200,
		     "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':"
		     "'a','namespace':'kube-system','resourceVersion':'1'}}");
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS, "a") == OBJECT_FOUND);
	world_until(&world, canned_count(world.canned) == 2);
	objects_watch(objects, MAPS, "b", false);
	canned_reply(world.canned, 200, LIST(ITEM("a") "," ITEM("b")));
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS, "b") == OBJECT_FOUND);
	ck_assert_int_eq(state(MAPS, "a"), OBJECT_FOUND);
}
END_TEST

START_TEST(test_without_its_client_nothing_is_known_any_more)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, NULL, false);
	canned_reply(world.canned, 200, LIST(ITEM("a")));
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS, "a") == OBJECT_FOUND);
	world_settle(&world);
	strv_done(&changes);
	objects_set_client(objects, NULL);
	ck_assert_int_eq(state(MAPS, "a"), OBJECT_UNKNOWN);
	world_settle(&world);
	ck_assert_uint_eq(changes.count, 1);
	ck_assert_str_eq(changes.items[0], "configmaps *");

	canned_reply(world.canned, 200, LIST(ITEM("a")));
	canned_stream(world.canned, "", true);
	objects_set_client(objects, world.kube);
	world_until(&world, state(MAPS, "a") == OBJECT_FOUND);
}
END_TEST

START_TEST(test_wishes_can_be_forgotten)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, NULL, false);
	canned_reply(world.canned, 200, LIST(ITEM("a")));
	canned_stream(world.canned, "", true);
	world_until(&world, state(MAPS, "a") == OBJECT_FOUND);
	objects_clear(objects);
	world_settle(&world);
	ck_assert_int_eq(state(MAPS, "a"), OBJECT_UNKNOWN);
	ck_assert_ptr_null(objects_cache(objects, MAPS));
}
END_TEST

START_TEST(test_what_failed_can_be_tried_at_once)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, NULL, false);
	canned_reply(world.canned, 403, "{'kind':'Status','message':'no right'}");
	world_until(&world, objects_error(objects) != NULL);
	canned_reply(world.canned, 200, LIST(ITEM("a")));
	canned_stream(world.canned, "", true);
	objects_retry(objects);
	world_until(&world, state(MAPS, "a") == OBJECT_FOUND);
	world_until(&world, canned_count(world.canned) == 3);
	ck_assert_ptr_null(objects_error(objects));

	objects_retry(objects);
	world_settle(&world);
	ck_assert_uint_eq(canned_count(world.canned), 3);
}
END_TEST

START_TEST(test_an_error_of_one_collection_is_not_that_of_the_server)
{
	objects_set_client(objects, world.kube);
	objects_watch(objects, MAPS, NULL, false);
	canned_reply(world.canned, 403, "{'kind':'Status','message':'no right'}");
	world_until(&world, objects_error(objects) != NULL);
	ck_assert_int_eq(objects_error(objects)->class, ERROR_DENIED);
	ck_assert_int_eq(state(MAPS, "a"), OBJECT_UNKNOWN);

	canned_reply(world.canned, 200, NODE("w1"));
	canned_stream(world.canned, "", true);
	objects_watch(objects, KUBE_NODES, "w1", true);
	world_until(&world, state(KUBE_NODES, "w1") == OBJECT_FOUND);
	ck_assert_ptr_null(objects_error(objects));

	world_until(&world, canned_count(world.canned) == 3);
	world_settle(&world);
	canned_hang_up(world.canned);
	world_until(&world, objects_error(objects) != NULL);
	ck_assert_int_eq(objects_error(objects)->class, ERROR_NETWORK);
}
END_TEST

Suite *suite_objects(void)
{
	Suite *suite = suite_create("objects");
	TCase *tcase = tcase_create("objects");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_without_a_client_everything_is_unknown);
	tcase_add_test(tcase, test_names_of_a_collection_share_one_cache);
	tcase_add_test(tcase, test_a_collection_can_be_seen_whole);
	tcase_add_test(tcase, test_a_query_belongs_to_the_collection);
	tcase_add_test(tcase, test_narrow_names_have_a_cache_each);
	tcase_add_test(tcase, test_a_new_name_starts_its_collection_anew);
	tcase_add_test(tcase, test_without_its_client_nothing_is_known_any_more);
	tcase_add_test(tcase, test_wishes_can_be_forgotten);
	tcase_add_test(tcase, test_what_failed_can_be_tried_at_once);
	tcase_add_test(tcase, test_an_error_of_one_collection_is_not_that_of_the_server);
	suite_add_tcase(suite, tcase);
	return suite;
}
