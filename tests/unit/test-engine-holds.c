/* The file of holds, and which rows a hold means. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/engine/engine.h"
#include "agentd/engine/report.h"
#include "agentd/role.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/log.h"
#include "tests/unit/test-engine.h"

#define NOW 1800000000

static char directory[64], *path;
static struct holds *holds;
static struct error err;

static void setup(void)
{
	strcpy(directory, "/tmp/agentd-holds-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	path = xasprintf("%s/holds.json", directory);
	holds = holds_open(path, NOW);
	err = ERROR_INIT;
}

static void teardown(void)
{
	holds_free(holds);
	(void)unlink(path);
	(void)rmdir(directory);
	free(path);
}

static void reopen(void)
{
	holds_free(holds);
	holds = holds_open(path, NOW + 1);
}

static void write_file(const char *text)
{
	ck_assert_int_ge(file_replace(&(struct file_content){ .path = path,
							      .bytes = text,
							      .length = strlen(text),
							      .mode = 0600,
							      .uid = (uid_t)-1,
							      .gid = (gid_t)-1 },
				      &err),
			 0);
}

START_TEST(test_holds_survive_a_restart)
{
	struct stat st;

	ck_assert_uint_eq(holds_count(holds), 0);
	ck_assert_int_eq(holds_set(holds, "kubelet-config", NOW, NOW + 7200, &err), 0);
	ck_assert_int_eq(holds_set(holds, "/etc/kubernetes", NOW + 1, 0, &err), 0);
	reopen();
	ck_assert_ptr_null(holds_error(holds));
	ck_assert_uint_eq(holds_count(holds), 2);
	ck_assert_str_eq(holds_item(holds, 0)->what, "kubelet-config");
	ck_assert_int_eq(holds_item(holds, 0)->until_s, NOW + 7200);
	ck_assert_int_eq(holds_item(holds, 1)->since_s, NOW + 1);
	ck_assert_int_eq(holds_item(holds, 1)->until_s, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(test_a_hold_again_gives_it_another_end)
{
	ck_assert_int_eq(holds_set(holds, "a", NOW, 0, &err), 0);
	ck_assert_int_eq(holds_set(holds, "a", NOW + 9, NOW + 60, &err), 0);
	ck_assert_uint_eq(holds_count(holds), 1);
	ck_assert_int_eq(holds_item(holds, 0)->since_s, NOW);
	ck_assert_int_eq(holds_item(holds, 0)->until_s, NOW + 60);
}
END_TEST

START_TEST(test_holds_end)
{
	ck_assert_int_eq(holds_next_end(holds), 0);
	ck_assert_int_eq(holds_set(holds, "a", NOW, NOW + 60, &err), 0);
	ck_assert_int_eq(holds_set(holds, "b", NOW, NOW + 30, &err), 0);
	ck_assert_int_eq(holds_set(holds, "c", NOW, 0, &err), 0);
	ck_assert_int_eq(holds_next_end(holds), NOW + 30);
	ck_assert_int_eq(holds_expire(holds, NOW + 29, &err), 0);
	ck_assert_int_eq(holds_expire(holds, NOW + 30, &err), 1);
	ck_assert_ptr_null(holds_find(holds, "b"));
	ck_assert_int_eq(holds_next_end(holds), NOW + 60);
	ck_assert_int_eq(holds_remove(holds, "b", &err), 0);
	ck_assert_int_eq(holds_remove(holds, "a", &err), 1);
	reopen();
	ck_assert_uint_eq(holds_count(holds), 1);
	ck_assert_ptr_nonnull(holds_find(holds, "c"));
}
END_TEST

START_TEST(test_what_cannot_be_written_has_not_changed)
{
	ck_assert_int_eq(holds_set(holds, "a", NOW, 0, &err), 0);
	(void)unlink(path);
	/* A file stands where the directory was. */
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(close(creat(directory, 0600)), 0);
	ck_assert_int_lt(holds_set(holds, "b", NOW, 0, &err), 0);
	ck_assert_int_lt(holds_remove(holds, "a", &err), 0);
	ck_assert_uint_eq(holds_count(holds), 1);
	ck_assert_str_eq(holds_item(holds, 0)->what, "a");
	ck_assert_int_eq(unlink(directory), 0);
}
END_TEST

START_TEST(test_there_are_not_endless_holds)
{
	_cleanup_free_ char *text = xcalloc(1, HOLD_TEXT_MAX + 2);
	char name[16];

	for (int i = 0; i < HOLDS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "row-%d", i);
		ck_assert_int_eq(holds_set(holds, name, NOW, 0, &err), 0);
	}
	ck_assert_int_eq(holds_set(holds, "one-more", NOW, 0, &err), -E2BIG);
	ck_assert_int_eq(holds_set(holds, "row-3", NOW, NOW + 1, &err), 0);
	memset(text, 'a', HOLD_TEXT_MAX + 1);
	ck_assert_int_lt(holds_set(holds, text, NOW, 0, &err), 0);
	ck_assert_int_lt(holds_set(holds, "", NOW, 0, &err), 0);
}
END_TEST

static const char *const damaged[] = {
	"",
	"{",
	"[]",
	"{\"version\": 1}",
	"{\"version\": 2, \"holds\": []}",
	"{\"version\": 1, \"holds\": [{\"what\": \"a\"}]}",
	"{\"version\": 1, \"holds\": [{\"what\": \"\", \"since\": \"2027-01-15T08:00:00Z\"}]}",
	"{\"version\": 1, \"holds\": [{\"what\": \"a\", \"since\": \"today\"}]}",
	"{\"version\": 1, \"holds\": [{\"what\": \"a\", \"since\": \"2027-01-15T08:00:00Z\", "
	"\"untill\": \"2027-01-15T08:00:00Z\"}]}",
};

START_TEST(test_a_damaged_file_holds_everything_until_it_is_released)
{
	write_file(damaged[_i]);
	reopen();
	ck_assert_ptr_nonnull(holds_error(holds));
	ck_assert_uint_eq(holds_count(holds), 1);
	ck_assert_str_eq(holds_item(holds, 0)->what, HOLD_ALL);
	ck_assert_int_eq(holds_item(holds, 0)->until_s, 0);
	ck_assert_int_eq(holds_remove(holds, HOLD_ALL, &err), 1);
	ck_assert_ptr_null(holds_error(holds));
	reopen();
	ck_assert_ptr_null(holds_error(holds));
	ck_assert_uint_eq(holds_count(holds), 0);
}
END_TEST

/* Which rows are meant. */

static enum verdict fine(struct context *ctx, const struct resource *row, struct why *why)
{
	(void)ctx;
	(void)row;
	(void)why;
	return IN_SYNC;
}

static void lists(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)ctx;
	(void)row;
	strv_add(&ret->paths, "/etc/kubernetes/pki/ca.crt");
	strv_add(&ret->objects, "/api/v1/namespaces/kube-system/configmaps coredns");
}

static void reads(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)ctx;
	(void)row;
	strv_add(&ret->objects, "/api/v1/namespaces/kube-system/configmaps kubelet-config");
	strv_add(&ret->paths, "/etc/kubernetes/pki/ca.crt");
}

static const struct stage stages[] = { { "nothing", NULL, NULL }, { 0 } };

#define ROW(id, ...)                                                                   \
	{                                                                              \
		.name = id, .roles = FOR_ANY, .class = CLASS_KUBELET, .observe = fine, \
		.apply = stages, .triggers = {                                         \
			__VA_ARGS__                                                    \
		}                                                                      \
	}
static const struct resource list[] = {
	ROW("file", ON_PATH("/var/lib/kubelet/config.yaml")),
	ROW("unit", ON_UNIT("kubelet.service"), READS_PATH("/var/lib/kubelet/config.yaml")),
	ROW("directory", ON_PATH("/var/lib/kubelet/pki/")),
	ROW("lists", ON_LIST(lists)),
	ROW("reads", READS_LIST(reads), READS_UNIT("other.service")),
	ROW("secrets", ON_OBJECT("/api/v1/namespaces/kube-system/secrets", NULL)),
	ROW("configmap/kube-system/coredns", ON_PATH("/nowhere")),
	{ .name = "looks",
	  .roles = FOR_ANY,
	  .class = CLASS_KUBELET,
	  .observe = fine,
	  .triggers = { ON_PATH("/var/lib/kubelet/looks") } },
	{ .name = "own-state",
	  .roles = FOR_ANY,
	  .observe = fine,
	  .apply = stages,
	  .triggers = { ON_PATH("/var/lib/agentd/state") } },
};
static const struct resource *const rows[] = { &list[0], &list[1], &list[2], &list[3], &list[4],
					       &list[5], &list[6], &list[7], &list[8], NULL };

/* clang-format off */
static const struct {
	const char *what, *meant;
} meanings[] = {
	{ "file", "file" },
	{ "fil", "" },
	{ "/var/lib/kubelet/config.yaml", "file" },
	{ "/var/lib/kubelet/config.yam", "" },
	{ "/var/lib/kubelet/config.yaml/x", "" },
	{ "/var/lib/kubelet", "file directory" },
	{ "/var/lib/kubelet/", "file directory" },
	{ "/var/lib/kubelet/pki", "directory" },
	{ "/var/lib/kubelet/pki/kubelet-client-current.pem", "directory" },
	{ "/var/lib/kube", "" },
	{ "/etc/kubernetes/pki/ca.crt", "lists" },
	{ "kubelet.service", "unit" },
	{ "other.service", "" },
	{ "configmaps/coredns", "lists" },
	{ "kube-system/configmaps/coredns", "lists" },
	{ "/api/v1/namespaces/kube-system/configmaps/coredns", "lists" },
	{ "maps/coredns", "" },
	{ "configmaps/kubelet-config", "" },
	{ "secrets/bootstrap-token-abcdef", "secrets" },
	{ "configmap/kube-system/coredns", "configmap/kube-system/coredns" },
	{ "looks", "" },
	{ "/var/lib/agentd/state", "" },
	{ "own-state", "" },
	{ "all", "file unit directory lists reads secrets configmap/kube-system/coredns" },
};
/* clang-format on */

static void nothing(void *userdata)
{
	(void)userdata;
}

static void prepare(void *userdata, int64_t wall_s)
{
	(void)userdata;
	(void)wall_s;
}

struct world {
	struct clock_fake clock;
	struct loop *loop;
	struct ledger *ledger;
	struct engine *engine;
};

static void world_begin(struct world *world)
{
	struct engine_hooks hooks = { .prepare = prepare,
				      .triggers_changed = nothing,
				      .changed = nothing };
	struct role *role = NEW(struct role);

	clock_fake_init(&world->clock, NOW);
	world->loop = loop_new(&world->clock.clock);
	ck_assert_int_eq(ledger_open(directory, &world->ledger, &err), 0);
	world->engine = engine_new(world->loop, rows, NULL, world->ledger, &hooks, 1);
	role->refs = 1;
	role->kind = ROLE_WORKER;
	engine_set_role(world->engine, role, FOR_WORKER, 1);
	role_unref(role);
}

static void world_end(struct world *world)
{
	engine_free(world->engine);
	ledger_free(world->ledger);
	loop_free(world->loop);
}

START_TEST(test_a_hold_means_what_owns_it)
{
	struct world world = { 0 };
	_cleanup_(strv_done) struct strv meant = STRV_INIT;
	_cleanup_free_ char *text = NULL;

	world_begin(&world);
	engine_held_by(world.engine, meanings[_i].what, &meant);
	text = strv_join(&meant, " ");
	ck_assert_msg(strcmp(text, meanings[_i].meant) == 0, "%s: %s", meanings[_i].what, text);
	world_end(&world);
}
END_TEST

START_TEST(test_the_hold_that_ends_last_counts)
{
	struct world world = { 0 };
	struct value *report;

	world_begin(&world);
	ck_assert_int_eq(holds_set(holds, "file", NOW, NOW + 60, &err), 0);
	ck_assert_int_eq(holds_set(holds, "/var/lib/kubelet", NOW, NOW + 90, &err), 0);
	engine_set_holds(world.engine, holds);
	report = report_explain(world.engine, "file");
	ck_assert_str_eq(value_string_or(value_get(report, "heldBy"), ""), "/var/lib/kubelet");
	ck_assert_str_eq(value_string_or(value_get(report, "heldUntil"), ""),
			 "2027-01-15T08:01:30Z");
	value_unref(report);

	ck_assert_int_eq(holds_set(holds, "all", NOW, 0, &err), 0);
	engine_set_holds(world.engine, holds);
	report = report_explain(world.engine, "file");
	ck_assert_str_eq(value_string_or(value_get(report, "heldBy"), ""), "all");
	ck_assert_ptr_null(value_get(report, "heldUntil"));
	value_unref(report);
	world_end(&world);
}
END_TEST

Suite *suite_engine_holds(void)
{
	Suite *suite = suite_create("engine-holds");
	TCase *tests = tcase_create("holds");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_holds_survive_a_restart);
	tcase_add_test(tests, test_a_hold_again_gives_it_another_end);
	tcase_add_test(tests, test_holds_end);
	tcase_add_test(tests, test_what_cannot_be_written_has_not_changed);
	tcase_add_test(tests, test_there_are_not_endless_holds);
	tcase_add_loop_test(tests, test_a_damaged_file_holds_everything_until_it_is_released, 0,
			    ARRAY_SIZE(damaged));
	tcase_add_loop_test(tests, test_a_hold_means_what_owns_it, 0, ARRAY_SIZE(meanings));
	tcase_add_test(tests, test_the_hold_that_ends_last_counts);
	suite_add_tcase(suite, tests);
	return suite;
}
