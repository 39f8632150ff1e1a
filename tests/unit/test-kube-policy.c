/* Tests of agentd/kube/policy.c and fields.c: parts, differences and JSON patches, without a
 * server.
 */
#include <string.h>

#include "agentd/kube/policy.h"
#include "tests/unit/test-kube.h"

static const struct policy binding[] = {
	{ "roleRef", POLICY_FIXED },
	{ "subjects", POLICY_MERGED },
	{},
};
static const struct policy deployment[] = {
	{ "spec.replicas", POLICY_ONCE },
	{ "spec.template.spec.containers[coredns].resources", POLICY_ONCE },
	{},
};
static const struct policy config[] = {
	{ "data", POLICY_ONCE },
	{ "data[config.conf]", POLICY_ENFORCED },
	{},
};
static const struct policy all_once[] = {
	{ "", POLICY_ONCE },
	{ "metadata.labels", POLICY_ENFORCED },
	{},
};
static const struct policy node[] = {
	{ "spec.taints", POLICY_MERGED, .match = "key,effect" },
	{},
};
static const struct policy once_but_merged[] = {
	{ "", POLICY_ONCE },
	{ "subjects", POLICY_MERGED },
	{},
};

/* -- Parts ------------------------------------------------------------------------------------- */

#define OBJECT(rest) \
	"{'apiVersion':'v1','kind':'X','metadata':{'name':'x','namespace':'n'}" rest "}"

static const struct {
	const struct policy *policy;
	const char *desired, *enforced, *once;
} parts[] = {
	{ NULL, OBJECT(",'spec':{'a':1}"), OBJECT(",'spec':{'a':1}"), "null" },
	{ NULL, OBJECT(""), "null", "null" },
	{ NULL, OBJECT(",'status':{'a':1}"), "null", "null" },
	{ deployment, OBJECT(",'spec':{'paused':false,'replicas':2}"),
	  OBJECT(",'spec':{'paused':false}"), OBJECT(",'spec':{'replicas':2}") },
	{ deployment,
	  OBJECT(",'spec':{'template':{'spec':{'containers':[{'image':'i','name':'coredns',"
		 "'resources':{'limits':{'memory':'1'}}},{'name':'b','resources':{}}]}}}"),
	  OBJECT(",'spec':{'template':{'spec':{'containers':[{'image':'i','name':'coredns'},"
		 "{'name':'b','resources':{}}]}}}"),
	  OBJECT(",'spec':{'template':{'spec':{'containers':[{'name':'coredns','resources':"
		 "{'limits':{'memory':'1'}}}]}}}") },
	{ config, "{'apiVersion':'v1','data':{'a':'1','config.conf':'2'},'kind':'X','metadata':{}}",
	  "{'apiVersion':'v1','data':{'config.conf':'2'},'kind':'X'}",
	  "{'apiVersion':'v1','data':{'a':'1'},'kind':'X'}" },
	{ binding, OBJECT(",'roleRef':{'name':'r'},'subjects':[{'name':'s'}]"),
	  OBJECT(",'roleRef':{'name':'r'}"), OBJECT(",'subjects':[{'name':'s'}]") },
	{ all_once,
	  "{'apiVersion':'v1','data':{'a':'1'},'kind':'X','metadata':{'labels':{'l':''},'name':'x',"
	  "'resourceVersion':'0'}}",
	  "{'apiVersion':'v1','kind':'X','metadata':{'labels':{'l':''},'name':'x'}}",
	  "{'apiVersion':'v1','data':{'a':'1'},'kind':'X','metadata':{'name':'x'}}" },
};

START_TEST(test_each_manager_applies_only_its_own_fields)
{
	_cleanup_(value_unref) struct value *desired = test_json(parts[_i].desired);
	_cleanup_(value_unref) struct value *enforced = policy_enforced(desired, parts[_i].policy);
	_cleanup_(value_unref) struct value *once = policy_once(desired, parts[_i].policy);
	_cleanup_free_ char *a = test_text(enforced), *b = test_text(once);

	ck_assert_str_eq(a, parts[_i].enforced);
	ck_assert_str_eq(b, parts[_i].once);
}
END_TEST

/* -- Differences ------------------------------------------------------------------------------- */

static const struct {
	const struct policy *policy;
	const char *desired, *live;
	enum policy_state state;
	const char *why;
} differences[] = {
	/* clang-format off */
	{ NULL, OBJECT(",'spec':{'a':1}"), OBJECT(",'spec':{'a':1,'b':2},'status':{}"), POLICY_SAME, "" },
	{ NULL, OBJECT(",'spec':{'a':1}"), OBJECT(",'spec':{'a':2}"), POLICY_DIFFERS, "spec.a is 2, not 1" },
	{ NULL, OBJECT(",'spec':{'a':'x'}"), OBJECT(",'spec':{'a':'y'}"), POLICY_DIFFERS, "spec.a is \"y\", not \"x\"" },
	{ NULL, OBJECT(",'spec':{'a':{'b':1}}"), OBJECT(""), POLICY_DIFFERS, "spec is missing" },
	{ NULL, OBJECT(",'spec':{'a':[1,2]}"), OBJECT(",'spec':{'a':[2,1]}"), POLICY_DIFFERS, "spec.a differs" },
	{ NULL, OBJECT(",'data':{'k':'secret'}"), OBJECT(",'data':{'k':'other'}"), POLICY_DIFFERS, "data.k differs" },
	{ NULL, "{'kind':'Secret','type':'a'}", "{'kind':'Secret','type':'b'}", POLICY_DIFFERS, "type differs" },
	{ NULL, "{'metadata':{'labels':{'a/b.c':''}}}", "{'metadata':{'labels':{'x':''}}}", POLICY_DIFFERS, "metadata.labels[a/b.c] is missing" },
	{ NULL, "{'metadata':{'labels':{'a':''}}}", "{'metadata':{'labels':{'a':''},'uid':'1'}}", POLICY_SAME, "" },
	/* What the server drops when it stores it is not missing. */
	{ NULL, OBJECT(",'spec':{'a':'','b':null,'c':[]}"), OBJECT(",'spec':{}"), POLICY_SAME, "" },
	{ NULL, OBJECT(",'spec':{'a':false}"), OBJECT(",'spec':{}"), POLICY_DIFFERS, "spec.a is missing" },
	{ NULL, OBJECT(",'spec':{'v':{}}"), OBJECT(",'spec':{}"), POLICY_DIFFERS, "spec.v is missing" },
	{ NULL, "{'metadata':{'annotations':{}}}", "{'metadata':{}}", POLICY_SAME, "" },
	{ NULL, "{'metadata':{'creationTimestamp':null,'resourceVersion':'0'}}", "{'metadata':{'resourceVersion':'7'}}", POLICY_SAME, "" },
	{ NULL, "{'rules':[{'verbs':['get']}]}", "{'rules':[{'verbs':['get']},{'verbs':['list']}]}", POLICY_DIFFERS, "rules differs" },
	/* Items with a name: others may be there, in any order. */
	{ NULL, "{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b'}]}}", "{'spec':{'containers':[{'name':'c'},{'name':'b'},{'name':'a','image':'1'}]}}", POLICY_SAME, "" },
	{ NULL, "{'spec':{'containers':[{'name':'a','image':'1'}]}}", "{'spec':{'containers':[{'name':'c'},{'name':'a','image':'2'}]}}", POLICY_DIFFERS, "spec.containers[a].image is \"2\", not \"1\"" },
	{ NULL, "{'spec':{'volumes':[{'name':'a','emptyDir':{}}]}}", "{'spec':{'volumes':[{'name':'b'}]}}", POLICY_DIFFERS, "spec.volumes[a] is missing" },
	{ NULL, "{'ports':[{'port':53,'protocol':'UDP'},{'port':53,'name':'t'}]}", "{'ports':[{'port':53,'protocol':'TCP','name':'t'},{'port':53,'protocol':'UDP','targetPort':53}]}", POLICY_SAME, "" },
	{ NULL, "{'ports':[{'containerPort':53,'protocol':'UDP'}]}", "{'ports':[{'containerPort':54,'protocol':'UDP'}]}", POLICY_DIFFERS, "ports[53] is missing" },
	/* Created once: the administrator's. */
	{ deployment, OBJECT(",'spec':{'replicas':2}"), OBJECT(",'spec':{'replicas':5}"), POLICY_SAME, "" },
	{ deployment, OBJECT(",'spec':{'paused':true,'replicas':2}"), OBJECT(",'spec':{'paused':false,'replicas':5}"), POLICY_DIFFERS, "spec.paused is false, not true" },
	{ deployment, "{'spec':{'template':{'spec':{'containers':[{'name':'coredns','image':'i','resources':{'limits':{'cpu':'1'}}}]}}}}", "{'spec':{'template':{'spec':{'containers':[{'name':'coredns','image':'i'}]}}}}", POLICY_SAME, "" },
	{ config, "{'data':{'a':'1','config.conf':'2'}}", "{'data':{'a':'x','config.conf':'2'}}", POLICY_SAME, "" },
	{ config, "{'data':{'a':'1','config.conf':'2'}}", "{'data':{'a':'x','config.conf':'y'}}", POLICY_DIFFERS, "data[config.conf] differs" },
	{ config, "{'data':{'a':'1','config.conf':'2'}}", "{'data':{}}", POLICY_DIFFERS, "data[config.conf] is missing" },
	{ config, "{'data':{'a':'1'}}", "{}", POLICY_SAME, "" },
	{ all_once, OBJECT(",'data':{'a':'1'}"), OBJECT(",'data':{'b':'2'}"), POLICY_SAME, "" },
	{ all_once, "{'data':{'a':'1'},'metadata':{'labels':{'l':'1'}}}", "{'metadata':{'labels':{'l':'2'}}}", POLICY_DIFFERS, "metadata.labels.l is \"2\", not \"1\"" },
	{ once_but_merged, "{'data':1,'subjects':[{'name':'a'}]}", "{'subjects':[]}", POLICY_DIFFERS, "subjects lacks an entry of ours" },
	/* Merged: ours among others. */
	{ binding, "{'subjects':[{'name':'a'}]}", "{'subjects':[{'name':'b'},{'name':'a','apiGroup':'g'}]}", POLICY_SAME, "" },
	{ binding, "{'subjects':[{'name':'a'}]}", "{'subjects':[{'name':'b'}]}", POLICY_DIFFERS, "subjects lacks an entry of ours" },
	{ binding, "{'subjects':[{'name':'a'}]}", "{}", POLICY_DIFFERS, "subjects lacks an entry of ours" },
	{ node, "{'spec':{'taints':[{'key':'k','value':'','effect':'e'}]}}", "{'spec':{'taints':[{'key':'k','effect':'e'}]}}", POLICY_SAME, "" },
	/* Fixed: not to be changed in place. */
	{ binding, "{'roleRef':{'name':'r'},'subjects':[]}", "{'roleRef':{'name':'other'}}", POLICY_REPLACE, "roleRef.name is \"other\", not \"r\"" },
	{ binding, "{'subjects':[{'name':'a'}],'roleRef':{'name':'r'}}", "{'roleRef':{'name':'other'}}", POLICY_REPLACE, "subjects lacks an entry of ours" },
	/* clang-format on */
};

START_TEST(test_differences_are_judged_by_policy)
{
	_cleanup_(value_unref) struct value *desired = test_json(differences[_i].desired);
	_cleanup_(value_unref) struct value *live = test_json(differences[_i].live);
	_cleanup_(buf_done) struct buf why = BUF_INIT(1000);

	ck_assert_int_eq(policy_compare(desired, differences[_i].policy, live, &why),
			 differences[_i].state);
	ck_assert_str_eq(why.data, differences[_i].why);
}
END_TEST

START_TEST(test_what_is_not_there_is_missing)
{
	_cleanup_(value_unref) struct value *desired = test_json(OBJECT(""));
	_cleanup_(buf_done) struct buf why = BUF_INIT(1000);

	ck_assert_int_eq(policy_compare(desired, NULL, NULL, &why), POLICY_MISSING);
	ck_assert_str_eq(why.data, "it is missing");
}
END_TEST

/* -- Merging ----------------------------------------------------------------------------------- */

static const struct {
	const struct policy *policy;
	const char *desired, *live, *patch;
} merges[] = {
	{ binding, "{'subjects':[{'name':'a'},{'name':'b'}]}",
	  "{'subjects':[{'name':'x'},{'name':'b'}]}",
	  "[{'op':'test','path':'/subjects','value':[{'name':'x'},{'name':'b'}]},"
	  "{'op':'add','path':'/subjects/-','value':{'name':'a'}}]" },
	{ binding, "{'subjects':[{'name':'a'}]}", "{}",
	  "[{'op':'test','path':'/subjects','value':null},"
	  "{'op':'add','path':'/subjects','value':[{'name':'a'}]}]" },
	{ binding, "{'subjects':[{'name':'a'}]}", "{'subjects':[{'name':'a','kind':'User'}]}",
	  "null" },
	{ node, "{'spec':{'taints':[{'key':'k','effect':'e','value':'new'}]}}",
	  "{'spec':{'taints':[{'key':'x','effect':'e'},{'key':'k','effect':'e','value':'old'}]}}",
	  "[{'op':'test','path':'/spec/taints','value':[{'effect':'e','key':'x'},"
	  "{'effect':'e','key':'k','value':'old'}]},"
	  "{'op':'replace','path':'/spec/taints/"
	  "1','value':{'effect':'e','key':'k','value':'new'}}]" },
	{ NULL, "{'subjects':[{'name':'a'}]}", "{}", "null" },
};

START_TEST(test_entries_of_others_stay_in_merged_lists)
{
	_cleanup_(value_unref) struct value *desired = test_json(merges[_i].desired);
	_cleanup_(value_unref) struct value *live = test_json(merges[_i].live);
	_cleanup_(value_unref) struct value *patch =
	    policy_merge_patch(desired, merges[_i].policy, live);
	_cleanup_free_ char *text = test_text(patch);

	ck_assert_str_eq(text, merges[_i].patch);
}
END_TEST

START_TEST(test_pointers_are_escaped)
{
	static const struct policy policy[] = {
		{ "metadata[a/b~c]", POLICY_MERGED },
		{},
	};
	_cleanup_(value_unref) struct value *desired = test_json("{'metadata':{'a/b~c':[1]}}");
	_cleanup_(value_unref) struct value *live = test_json("{'metadata':{'a/b~c':[2]}}");
	_cleanup_(value_unref) struct value *patch = policy_merge_patch(desired, policy, live);

	ck_assert_str_eq(value_string(value_get(value_item(patch, 0), "path")),
			 "/metadata/a~1b~0c");
}
END_TEST

Suite *suite_policy(void)
{
	Suite *suite = suite_create("policy");
	TCase *tcase = tcase_create("policy");

	tcase_add_loop_test(tcase, test_each_manager_applies_only_its_own_fields, 0,
			    ARRAY_SIZE(parts));
	tcase_add_loop_test(tcase, test_differences_are_judged_by_policy, 0,
			    ARRAY_SIZE(differences));
	tcase_add_test(tcase, test_what_is_not_there_is_missing);
	tcase_add_loop_test(tcase, test_entries_of_others_stay_in_merged_lists, 0,
			    ARRAY_SIZE(merges));
	tcase_add_test(tcase, test_pointers_are_escaped);
	suite_add_tcase(suite, tcase);
	return suite;
}
