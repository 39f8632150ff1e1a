/* What another hand made is kept before it is put right, and what agentd made is not: files, units
 * and cluster objects (agentd/resources/keep.h). */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/drift.h"
#include "agentd/kube/names.h"
#include "agentd/resources/keep.h"
#include "agentd/resources/object.h"
#include "common/alloc.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define POD	  "static-pod-kube-scheduler"
#define MANIFEST  "/etc/kubernetes/manifests/kube-scheduler.yaml"
#define CONFIG	  "kubeconfig-scheduler"
#define CONF	  "/etc/kubernetes/scheduler.conf"
#define GET_NODES "clusterrole/kubeadm:get-nodes"
#define UNIT	  "kubelet.service"

static void open_drift(void)
{
	_cleanup_free_ char *path = world_path("/var/lib/agentd/drift");

	world.ctx.drift = drift_open(path, world.ctx.clock);
}

static void setup(void)
{
	world_init();
	open_drift();
	world_set_role(WORLD_CONTROL_PLANE);
	world_make("certificate-ca");
	world_make(POD);
	ledger_set_note(world.ctx.ledger, GET_NODES, "generation", "1");
}

static void teardown(void)
{
	world.ctx.drift = drift_free(world.ctx.drift);
	world_done();
}

static size_t count(void)
{
	_cleanup_(value_unref) struct value *list = drift_list(world.ctx.drift);

	return value_count(list);
}

/* The newest version; the caller unrefs. */
static struct value *newest(struct buf *theirs, struct buf *ours)
{
	_cleanup_(value_unref) struct value *list = drift_list(world.ctx.drift);
	struct value *about = NULL;
	struct error err = ERROR_INIT;
	int64_t id = 0;

	ck_assert(value_to_int(value_get(value_item(list, 0), "id"), &id));
	ck_assert_int_eq(drift_load(world.ctx.drift, (uint64_t)id, &about, theirs, ours, &err), 1);
	return about;
}

static void expect_change(const char *text)
{
	_cleanup_(value_unref) struct value *about = newest(NULL, NULL);

	ck_assert_str_eq(value_string_or(value_get(about, "change"), ""), text);
}

static void edit(void)
{
	world_write(MANIFEST, "edited: true\n", 0600);
}
static void change_mode(void)
{
	world_chmod(MANIFEST, 0644);
}
static void delete (void)
{
	world_remove(MANIFEST);
}
static void replace_by_link(void)
{
	world_remove(MANIFEST);
	world_link(MANIFEST, "/tmp/elsewhere");
}
static void edit_and_change_mode(void)
{
	world_write(MANIFEST, "edited: true\n", 0640);
}

/* clang-format off */
static const struct {
	void (*change)(void);
	const char *told, *theirs;
} file_cases[] = {
	{ edit,                 "content",                          "edited: true\n" },
	{ change_mode,          "mode 0644, not 0600",              NULL },
	{ delete,               "deleted",                          "" },
	{ replace_by_link,      "a link in its place",              "/tmp/elsewhere" },
	{ edit_and_change_mode, "content; mode 0640, not 0600",     "edited: true\n" },
};
/* clang-format on */

START_TEST(test_what_another_hand_made_of_a_file_is_kept_before_the_repair)
{
	_cleanup_(buf_done) struct buf theirs = BUF_INIT(MIB), ours = BUF_INIT(MIB);
	_cleanup_(buf_done) struct buf written = BUF_INIT(MIB);
	_cleanup_(value_unref) struct value *about = NULL;

	file_cases[_i].change();
	world_make(POD);
	ck_assert_uint_eq(count(), 1);
	expect_change(file_cases[_i].told);
	about = newest(&theirs, &ours);
	world_read(MANIFEST, &written);
	ck_assert_str_eq(ours.data, written.data);
	ck_assert_str_eq(theirs.data, file_cases[_i].theirs ? file_cases[_i].theirs : ours.data);
	ck_assert_str_eq(value_string_or(value_get(about, "name"), ""), MANIFEST);
	ck_assert_str_eq(value_string_or(value_get(about, "kind"), ""), "file");
}
END_TEST

START_TEST(test_who_and_when_of_a_file)
{
	_cleanup_(value_unref) struct value *about = NULL;
	_cleanup_free_ char *path = world_path(MANIFEST);
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1790000001 } };
	int64_t uid = -1;

	edit();
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	world_make(POD);
	about = newest(NULL, NULL);
	ck_assert_str_eq(value_string_or(value_at(about, "about", "modified"), ""),
			 "2026-09-21T14:13:21Z");
	ck_assert(value_to_int(value_at(about, "about", "uid"), &uid));
	ck_assert_int_eq(uid, geteuid());
}
END_TEST

START_TEST(test_what_agentd_made_itself_is_not_kept)
{
	/* Another role wants another manifest. */
	world_set_role(WORLD_CONTROL_PLANE
		       "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
		       "scheduler: {extraArgs: [{name: v, value: '4'}]}\n");
	world_expect(POD, DRIFTED, "differs");
	world_make(POD);
	ck_assert_uint_eq(count(), 0);
	world_restart();
	world_set_role(WORLD_CONTROL_PLANE);
	world_make(POD);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_a_file_with_a_key_is_kept_and_marked_as_secret)
{
	_cleanup_(buf_done) struct buf theirs = BUF_INIT(MIB), ours = BUF_INIT(MIB);
	_cleanup_(value_unref) struct value *about = NULL;

	world_make(CONFIG);
	world_write(CONF, "token: abc\n", 0600);
	world_make(CONFIG);
	ck_assert_uint_eq(count(), 1);
	about = newest(&theirs, &ours);
	ck_assert(value_is_true(value_get(about, "secret")));
	ck_assert_str_eq(theirs.data, "token: abc\n");
	ck_assert_uint_eq(ours.length, 0);
}
END_TEST

START_TEST(test_what_cannot_be_kept_is_not_overwritten)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;

	world_write("/var/lib/agentd/drift", "in the way", 0600);
	edit();
	ck_assert_int_lt(world_apply(POD, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.message, "cannot be kept"));
	world_read(MANIFEST, &text);
	ck_assert_str_eq(text.data, "edited: true\n");
}
END_TEST

START_TEST(test_a_first_bring_up_keeps_nothing)
{
	ck_assert_uint_eq(count(), 0);
	ck_assert(!world_exists("/var/lib/agentd/drift"));
}
END_TEST

/* Units. */

/* clang-format off */
static const struct {
	const char *load, *active, *file;
	uint64_t ran;
	const char *told; /* NULL = not kept */
} unit_cases[] = {
	{ "loaded", "active",   "enabled",  1, NULL },
	{ "loaded", "inactive", "enabled",  0, NULL },
	{ "loaded", "failed",   "enabled",  1, NULL },
	{ "loaded", "inactive", "enabled",  1, "stopped" },
	{ "masked", "inactive", "masked",   1, "masked, stopped" },
	{ "masked", "active",   "masked",   1, "masked" },
	{ "loaded", "active",   "disabled", 1, "disabled" },
};
/* clang-format on */

START_TEST(test_a_unit_that_was_stopped_disabled_or_masked_is_noted)
{
	struct unit_state *state;
	struct error err = ERROR_INIT;
	int kept;

	world_set_unit(UNIT, unit_cases[_i].load, unit_cases[_i].active, unit_cases[_i].file);
	state = (struct unit_state *)units_get(world.ctx.units, UNIT);
	state->active_enter_us = unit_cases[_i].ran;
	kept = keep_unit(&world.ctx, world_row("kubelet-unit"), UNIT, &err);
	ck_assert_int_eq(kept, unit_cases[_i].told != NULL);
	if (unit_cases[_i].told)
		expect_change(unit_cases[_i].told);
}
END_TEST

/* Cluster objects. */

#define ROLE(verb)                                                                         \
	"'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRole','rules':[{'apiGroups':['']," \
	"'resources':['nodes'],'verbs':['" verb "']}]"
#define META "'metadata':{'name':'kubeadm:get-nodes','uid':'u1'"
#define ENTRY(manager, time, fields)                                       \
	"{'manager':'" manager "','operation':'Update','time':'" time "'," \
	"'fieldsV1':{" fields "}}"
#define LIVE(entries) "{" ROLE("list") "," META ",'managedFields':[" entries "]}}"

static void object_drifted(const char *live)
{
	world_set_object(KUBE_CLUSTER_ROLES, "kubeadm:get-nodes", "{" ROLE("list") "," META "}}");
	world_serve();
	canned_reply(world.canned, 200, live);
	canned_reply(world.canned, 200, "{" ROLE("get") "," META "}}");
}

static void repair_object(void)
{
	struct error err = ERROR_INIT;

	ck_assert_msg(world_apply(GET_NODES, &err) == 0, "%s", err.message);
}

START_TEST(test_an_edited_object_is_kept_with_its_writer)
{
	_cleanup_(buf_done) struct buf theirs = BUF_INIT(MIB), ours = BUF_INIT(MIB);
	_cleanup_(value_unref) struct value *about = NULL;

	object_drifted(LIVE(ENTRY("agentd", "2026-09-21T10:00:00Z", "'f:metadata':{}") "," ENTRY(
	    "kubectl-edit", "2026-09-21T12:00:00Z", "'f:rules':{}")));
	repair_object();
	ck_assert_uint_eq(count(), 1);
	about = newest(&theirs, &ours);
	ck_assert_str_eq(value_string_or(value_get(about, "name"), ""),
			 "ClusterRole kubeadm:get-nodes");
	ck_assert_str_eq(value_string_or(value_at(about, "about", "manager"), ""), "kubectl-edit");
	ck_assert_str_eq(value_string_or(value_at(about, "about", "changed"), ""),
			 "2026-09-21T12:00:00Z");
	ck_assert_ptr_nonnull(strstr(theirs.data, "- list\n"));
	ck_assert_ptr_nonnull(strstr(ours.data, "- get\n"));
	ck_assert_ptr_null(strstr(theirs.data, "managedFields"));
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 0), "GET "));
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 1), "PATCH "));
}
END_TEST

START_TEST(test_an_object_that_agentd_wrote_last_is_not_kept)
{
	object_drifted(LIVE(ENTRY("agentd", "2026-09-21T10:00:00Z", "'f:rules':{}")));
	repair_object();
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_an_object_of_a_new_role_is_not_even_read)
{
	world.ctx.role->generation = 2;
	world_set_object(KUBE_CLUSTER_ROLES, "kubeadm:get-nodes", "{" ROLE("list") "," META "}}");
	world_serve();
	canned_reply(world.canned, 200, "{" ROLE("get") "," META "}}");
	repair_object();
	ck_assert_uint_eq(canned_count(world.canned), 1);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_a_deleted_object_is_noted)
{
	world_set_object(KUBE_CLUSTER_ROLES, "kubeadm:get-nodes", NULL);
	world_serve();
	canned_reply(world.canned, 404,
		     "{'kind':'Status','apiVersion':'v1','status':'Failure','code':404,"
		     "'reason':'NotFound','details':{'name':'kubeadm:get-nodes'},"
		     "'message':'not found'}");
	canned_reply(world.canned, 200, "{" ROLE("get") "," META "}}");
	repair_object();
	ck_assert_uint_eq(count(), 1);
	expect_change("deleted");
}
END_TEST

Suite *suite_resources_keep(void)
{
	Suite *suite = suite_create("resources-keep");
	TCase *tests = tcase_create("keep");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_what_another_hand_made_of_a_file_is_kept_before_the_repair,
			    0, ARRAY_SIZE(file_cases));
	tcase_add_test(tests, test_who_and_when_of_a_file);
	tcase_add_test(tests, test_what_agentd_made_itself_is_not_kept);
	tcase_add_test(tests, test_a_file_with_a_key_is_kept_and_marked_as_secret);
	tcase_add_test(tests, test_what_cannot_be_kept_is_not_overwritten);
	tcase_add_test(tests, test_a_first_bring_up_keeps_nothing);
	tcase_add_loop_test(tests, test_a_unit_that_was_stopped_disabled_or_masked_is_noted, 0,
			    ARRAY_SIZE(unit_cases));
	tcase_add_test(tests, test_an_edited_object_is_kept_with_its_writer);
	tcase_add_test(tests, test_an_object_that_agentd_wrote_last_is_not_kept);
	tcase_add_test(tests, test_an_object_of_a_new_role_is_not_even_read);
	tcase_add_test(tests, test_a_deleted_object_is_noted);
	suite_add_tcase(suite, tests);
	return suite;
}
