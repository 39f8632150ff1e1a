/* Tests of common/value.c and common/value-merge.c. */
#include "common/alloc.h"
#include "common/value.h"
#include "tests/unit/test-common.h"

static struct value *labels(void)
{
	struct value *map = value_new_map();

	map = value_put(map, "app", value_new_string("etcd"));
	return value_put(map, "tier", value_new_string("control-plane"));
}

START_TEST(test_readers_accept_null)
{
	int64_t number = 7;

	ck_assert_int_eq(value_type(NULL), VALUE_NULL);
	ck_assert_ptr_null(value_string(NULL));
	ck_assert_uint_eq(value_string_length(NULL), 0);
	ck_assert_ptr_null(value_number_text(NULL));
	ck_assert(!value_to_int(NULL, &number));
	ck_assert_int_eq(number, 7);
	ck_assert(!value_is_true(NULL));
	ck_assert_uint_eq(value_count(NULL), 0);
	ck_assert_ptr_null(value_item(NULL, 0));
	ck_assert_ptr_null(value_key(NULL, 0));
	ck_assert_ptr_null(value_get(NULL, "a"));
	ck_assert_ptr_null(value_at(NULL, "a", "b"));
	ck_assert_str_eq(value_string_or(NULL, "x"), "x");
	ck_assert_uint_eq(value_line(NULL), 0);
	ck_assert_uint_eq(value_column(NULL), 0);
	ck_assert_uint_eq(value_key_line(NULL, 0), 0);
	ck_assert_ptr_null(value_ref(NULL));
	ck_assert_ptr_null(value_unref(NULL));
}
END_TEST

START_TEST(test_null_string_gives_null_value)
{
	_cleanup_(value_unref) struct value *v = value_new_string(NULL);

	ck_assert_int_eq(value_type(v), VALUE_NULL);
}
END_TEST

START_TEST(test_string_keeps_its_length)
{
	_cleanup_(value_unref) struct value *v = value_new_string_length("abcdefghijkl", 10);

	ck_assert_str_eq(value_string(v), "abcdefghij");
	ck_assert_uint_eq(value_string_length(v), 10);
}
END_TEST

START_TEST(test_number_keeps_its_text)
{
	_cleanup_(value_unref) struct value *v = value_new_number("18446744073709551615");
	int64_t number = 3;

	ck_assert_str_eq(value_number_text(v), "18446744073709551615");
	ck_assert(!value_to_int(v, &number));
	ck_assert_int_eq(number, 3);
}
END_TEST

static const struct {
	const char *text;
	bool fits;
	int64_t number;
} integers[] = {
	{ "0", true, 0 },
	{ "-1", true, -1 },
	{ "9223372036854775807", true, INT64_MAX },
	{ "-9223372036854775808", true, INT64_MIN },
	{ "9223372036854775808", false, 0 },
	{ "1.0", false, 0 },
	{ "1e3", false, 0 },
};

START_TEST(test_only_integers_that_fit_become_int)
{
	_cleanup_(value_unref) struct value *v = value_new_number(integers[_i].text);
	int64_t number = 0;

	ck_assert_int_eq(value_to_int(v, &number), integers[_i].fits);
	ck_assert_int_eq(number, integers[_i].number);
}
END_TEST

START_TEST(test_new_int_reaches_the_limits)
{
	_cleanup_(value_unref) struct value *v = value_new_int(INT64_MIN);

	ck_assert_str_eq(value_number_text(v), "-9223372036854775808");
}
END_TEST

START_TEST(test_map_keeps_the_order_of_keys)
{
	_cleanup_(value_unref) struct value *map = labels();

	map = value_put(map, "app", value_new_string("other"));
	ck_assert_uint_eq(value_count(map), 2);
	ck_assert_str_eq(value_key(map, 0), "app");
	ck_assert_str_eq(value_key(map, 1), "tier");
	ck_assert_str_eq(value_string(value_get(map, "app")), "other");
}
END_TEST

START_TEST(test_put_of_nothing_changes_nothing)
{
	_cleanup_(value_unref) struct value *map = labels();
	_cleanup_(value_unref) struct value *list = value_new_list();

	map = value_put(map, "app", NULL);
	list = value_append(list, NULL);
	ck_assert_str_eq(value_string(value_get(map, "app")), "etcd");
	ck_assert_uint_eq(value_count(list), 0);
}
END_TEST

START_TEST(test_change_of_a_held_value_is_a_copy)
{
	_cleanup_(value_unref) struct value *mine = labels();
	_cleanup_(value_unref) struct value *held = value_ref(mine);

	mine = value_put(mine, "app", value_new_string("new"));
	ck_assert_ptr_ne(mine, held);
	ck_assert_str_eq(value_string(value_get(held, "app")), "etcd");
	ck_assert_str_eq(value_string(value_get(mine, "app")), "new");
	ck_assert_ptr_eq(value_get(held, "tier"), value_get(mine, "tier"));
}
END_TEST

START_TEST(test_change_of_an_own_value_is_in_place)
{
	_cleanup_(value_unref) struct value *mine = labels();
	struct value *before = mine;

	mine = value_put(mine, "app", value_new_string("new"));
	ck_assert_ptr_eq(mine, before);
}
END_TEST

START_TEST(test_change_at_a_path_leaves_holders_alone)
{
	_cleanup_(value_unref) struct value *pod = test_json("{'metadata':{'labels':{'a':'1'}}}");
	_cleanup_(value_unref) struct value *held = value_ref(value_at(pod, "metadata", "labels"));

	pod = value_put_at(pod, value_new_string("2"), "metadata", "labels", "a");
	pod = value_put_at(pod, value_new_int(3), "spec", "replicas");
	ck_assert_str_eq(value_string(value_get(held, "a")), "1");
	ck_assert_str_eq(value_string(value_at(pod, "metadata", "labels", "a")), "2");
	ck_assert_str_eq(value_number_text(value_at(pod, "spec", "replicas")), "3");
}
END_TEST

START_TEST(test_put_at_replaces_what_is_no_map)
{
	_cleanup_(value_unref) struct value *v = test_json("{'a':7}");

	v = value_put_at(v, value_new_bool(true), "a", "b");
	ck_assert(value_is_true(value_at(v, "a", "b")));
}
END_TEST

START_TEST(test_remove_at_a_missing_path_changes_nothing)
{
	_cleanup_(value_unref) struct value *v = test_json("{'a':{'b':1,'c':2}}");
	struct value *before = v;

	v = value_remove_at(v, "a", "x");
	v = value_remove_at(v, "x", "b");
	ck_assert_ptr_eq(v, before);
	v = value_remove_at(v, "a", "b");
	ck_assert_ptr_null(value_at(v, "a", "b"));
	ck_assert_ptr_nonnull(value_at(v, "a", "c"));
}
END_TEST

START_TEST(test_collections_grow_after_shrinking)
{
	_cleanup_(value_unref) struct value *map = value_new_map();

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 33; i++) {
			_cleanup_free_ char *key = xasprintf("k%d", i);

			map = value_put(map, key, value_new_int(i));
		}
		ck_assert_uint_eq(value_count(map), 33);
		for (int i = 32; i >= round; i--) {
			_cleanup_free_ char *key = xasprintf("k%d", i);

			map = value_remove(map, key);
		}
		ck_assert_uint_eq(value_count(map), (size_t)round);
	}
}
END_TEST

START_TEST(test_list_items_are_replaced_in_a_copy)
{
	_cleanup_(value_unref) struct value *list = test_json("[1,2,3]");
	_cleanup_(value_unref) struct value *held = value_ref(list);

	list = value_replace(list, 1, value_new_int(9));
	list = value_append(list, value_new_int(4));
	ck_assert_str_eq(value_number_text(value_item(list, 1)), "9");
	ck_assert_str_eq(value_number_text(value_item(list, 3)), "4");
	ck_assert_str_eq(value_number_text(value_item(held, 1)), "2");
	ck_assert_uint_eq(value_count(held), 3);
}
END_TEST

START_TEST(test_sorting_reaches_every_level)
{
	_cleanup_(value_unref) struct value *v =
	    test_json("{'b':[{'z':1,'a':2}],'a':{'y':1,'x':2}}");
	_cleanup_(value_unref) struct value *held = value_ref(v);

	v = value_sort_keys(v);
	ck_assert_str_eq(value_key(v, 0), "a");
	ck_assert_str_eq(value_key(value_get(v, "a"), 0), "x");
	ck_assert_str_eq(value_key(value_item(value_get(v, "b"), 0), 0), "a");
	ck_assert_str_eq(value_key(held, 0), "b");
	ck_assert_str_eq(value_key(value_get(held, "a"), 0), "y");
}
END_TEST

START_TEST(test_places_are_kept)
{
	_cleanup_(value_unref) struct value *map = value_new_map();
	_cleanup_(value_unref) struct value *held = NULL;

	map = value_put_placed(map, "a", 3, 5, value_set_place(value_new_int(1), 3, 8));
	ck_assert_uint_eq(value_key_line(map, 0), 3);
	ck_assert_uint_eq(value_key_column(map, 0), 5);
	ck_assert_uint_eq(value_line(value_get(map, "a")), 3);
	ck_assert_uint_eq(value_column(value_get(map, "a")), 8);

	held = value_ref(value_get(map, "a"));
	held = value_set_place(held, 9, 9);
	ck_assert_uint_eq(value_line(value_get(map, "a")), 3);
	ck_assert_str_eq(value_number_text(held), "1");
}
END_TEST

START_TEST(test_first_repeated_key_is_found)
{
	static const char *const keys[] = { "z", "b", "a", "b", "a", "b" };
	_cleanup_(value_unref) struct value *map = value_new_map();
	size_t first = 99, second = 99;

	ck_assert(!value_find_duplicate(map, &first, &second));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		map = value_push(map, keys[i], 1, 1, 1, value_new_null());
	ck_assert(value_find_duplicate(map, &first, &second));
	ck_assert_uint_eq(first, 1);
	ck_assert_uint_eq(second, 3);
	map = value_remove(map, "b");
	map = value_remove(map, "b");
	map = value_remove(map, "b");
	map = value_remove(map, "a");
	ck_assert(!value_find_duplicate(map, &first, &second));
}
END_TEST

static const struct {
	const char *a, *b;
	bool equal;
} comparisons[] = {
	{ "{'a':1,'b':2}", "{'b':2,'a':1}", true },
	{ "{'a':1}", "{'a':1,'b':2}", false },
	{ "{'a':null}", "{'b':null}", false },
	{ "[1,2]", "[2,1]", false },
	{ "1.0", "1", false },
	{ "'1'", "1", false },
	{ "true", "false", false },
	{ "'abc'", "'abd'", false },
	{ "{'a':[{'b':{}}]}", "{'a':[{'b':{}}]}", true },
	{ "{'a':[{'b':{}}]}", "{'a':[{'b':[]}]}", false },
	{ "null", "null", true },
};

START_TEST(test_equality_ignores_only_the_order_of_keys)
{
	_cleanup_(value_unref) struct value *a = test_json(comparisons[_i].a);
	_cleanup_(value_unref) struct value *b = test_json(comparisons[_i].b);

	ck_assert_int_eq(value_equal(a, b), comparisons[_i].equal);
	ck_assert_int_eq(value_equal(b, a), comparisons[_i].equal);
	ck_assert(value_equal(a, a));
}
END_TEST

/* The examples of RFC 7396, appendix A. */
static const struct {
	const char *target, *patch, *result;
} patches[] = {
	{ "{'a':'b'}", "{'a':'c'}", "{'a':'c'}" },
	{ "{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}" },
	{ "{'a':'b'}", "{'a':null}", "{}" },
	{ "{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}" },
	{ "{'a':['b']}", "{'a':'c'}", "{'a':'c'}" },
	{ "{'a':'c'}", "{'a':['b']}", "{'a':['b']}" },
	{ "{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}" },
	{ "{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}" },
	{ "['a','b']", "['c','d']", "['c','d']" },
	{ "{'a':'b'}", "['c']", "['c']" },
	{ "{'a':'foo'}", "null", "null" },
	{ "{'a':'foo'}", "'bar'", "'bar'" },
	{ "{'e':null}", "{'a':1}", "{'e':null,'a':1}" },
	{ "[1,2]", "{'a':'b','c':null}", "{'a':'b'}" },
	{ "{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}" },
};

START_TEST(test_merge_patch_follows_the_rfc)
{
	_cleanup_(value_unref) struct value *target = test_json(patches[_i].target);
	_cleanup_(value_unref) struct value *before = value_ref(target);
	_cleanup_(value_unref) struct value *copy = test_json(patches[_i].target);
	_cleanup_(value_unref) struct value *patch = test_json(patches[_i].patch);
	_cleanup_(value_unref) struct value *result = test_json(patches[_i].result);

	target = value_merge_patch(target, patch);
	ck_assert(value_equal(target, result));
	ck_assert(value_equal(before, copy));
}
END_TEST

static const struct {
	const char *actual, *wanted, *difference;
} containments[] = {
	{ "{'a':1,'b':2}", "{'a':1}", NULL },
	{ "{'a':1}", "{'a':1,'b':2}", "b" },
	{ "{'a':1}", "{'a':1,'b':null}", NULL },
	{ "{'spec':{'replicas':1}}", "{'spec':{'replicas':2}}", "spec.replicas" },
	{ "{'c':[{'image':'a','x':1}]}", "{'c':[{'image':'a'}]}", NULL },
	{ "{'c':[{'image':'a'}]}", "{'c':[{'image':'b'}]}", "c[0].image" },
	{ "{'c':[1,2]}", "{'c':[1]}", "c" },
	{ "{'c':[1]}", "{'c':[1,2]}", "c" },
	{ "{'c':'1'}", "{'c':1}", "c" },
	{ "[[1]]", "[[2]]", "[0][0]" },
	{ "{'a':'x'}", "{'a':{}}", "a" },
};

START_TEST(test_containment_names_the_first_difference)
{
	_cleanup_(value_unref) struct value *actual = test_json(containments[_i].actual);
	_cleanup_(value_unref) struct value *wanted = test_json(containments[_i].wanted);
	_cleanup_(buf_done) struct buf path = BUF_INIT(100);
	bool contained = !containments[_i].difference;

	ck_assert_int_eq(value_contains(actual, wanted, &path), contained);
	ck_assert_str_eq(path.data, contained ? "" : containments[_i].difference);
	ck_assert_int_eq(value_contains(actual, wanted, NULL), contained);
}
END_TEST

START_TEST(test_type_names_fit_into_sentences)
{
	ck_assert_str_eq(value_type_name(VALUE_LIST), "a list");
	ck_assert_str_eq(value_type_name(VALUE_NULL), "null");
}
END_TEST

Suite *suite_value(void)
{
	Suite *suite = suite_create("value");
	TCase *tests = tcase_create("value");

	tcase_add_test(tests, test_readers_accept_null);
	tcase_add_test(tests, test_null_string_gives_null_value);
	tcase_add_test(tests, test_string_keeps_its_length);
	tcase_add_test(tests, test_number_keeps_its_text);
	tcase_add_loop_test(tests, test_only_integers_that_fit_become_int, 0, ARRAY_SIZE(integers));
	tcase_add_test(tests, test_new_int_reaches_the_limits);
	tcase_add_test(tests, test_map_keeps_the_order_of_keys);
	tcase_add_test(tests, test_put_of_nothing_changes_nothing);
	tcase_add_test(tests, test_change_of_a_held_value_is_a_copy);
	tcase_add_test(tests, test_change_of_an_own_value_is_in_place);
	tcase_add_test(tests, test_change_at_a_path_leaves_holders_alone);
	tcase_add_test(tests, test_put_at_replaces_what_is_no_map);
	tcase_add_test(tests, test_remove_at_a_missing_path_changes_nothing);
	tcase_add_test(tests, test_collections_grow_after_shrinking);
	tcase_add_test(tests, test_list_items_are_replaced_in_a_copy);
	tcase_add_test(tests, test_sorting_reaches_every_level);
	tcase_add_test(tests, test_places_are_kept);
	tcase_add_test(tests, test_first_repeated_key_is_found);
	tcase_add_loop_test(tests, test_equality_ignores_only_the_order_of_keys, 0,
			    ARRAY_SIZE(comparisons));
	tcase_add_loop_test(tests, test_merge_patch_follows_the_rfc, 0, ARRAY_SIZE(patches));
	tcase_add_loop_test(tests, test_containment_names_the_first_difference, 0,
			    ARRAY_SIZE(containments));
	tcase_add_test(tests, test_type_names_fit_into_sentences);
	suite_add_tcase(suite, tests);
	return suite;
}
