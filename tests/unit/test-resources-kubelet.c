/* What the rows of the kubelet's files, of its unit and of the static pods' manifests say. */
#include <stdio.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define FLAGS	  "/var/lib/kubelet/kubeadm-flags.env"
#define INSTANCE  "/var/lib/kubelet/instance-config.yaml"
#define DROP_IN	  "/etc/systemd/system/kubelet.service.d/20-agentd.conf"
#define PACKAGE	  "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
#define SCHEDULER "/etc/kubernetes/manifests/kube-scheduler.yaml"

#define CONFIG_ROW    "kubelet-config"
#define FLAGS_ROW     "kubelet-flags"
#define INSTANCE_ROW  "kubelet-instance-config"
#define DROP_IN_ROW   "kubelet-drop-in"
#define UNIT_ROW      "kubelet-unit"
#define SCHEDULER_ROW "static-pod-kube-scheduler"

static void control_plane(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	ledger_set_note(world.ctx.ledger, "container-runtime", "cgroup-driver", "cgroupfs");
}

static void worker(void)
{
	world_init();
	world_set_role(WORLD_WORKER);
}

static bool holds(const char *path, const char *text)
{
	_cleanup_(buf_done) struct buf found = BUF_INIT(MIB);

	world_read(path, &found);
	return strstr(found.data, text) != NULL;
}

/* Files. */

static void config_made(void)
{
	world_make(CONFIG_ROW);
}
static void config_edited(void)
{
	config_made();
	world_write(KUBELET_CONFIG, "kind: KubeletConfiguration\n", 0644);
}
static void config_private(void)
{
	config_made();
	world_chmod(KUBELET_CONFIG, 0600);
}
static void config_linked(void)
{
	config_made();
	world_link(KUBELET_CONFIG, "/etc/kubelet.yaml");
}
static void config_gone(void)
{
	config_made();
	world_remove(KUBELET_CONFIG);
}
static void driver_unknown(void)
{
	ledger_set_note(world.ctx.ledger, "container-runtime", "cgroup-driver", NULL);
}
static void flags_made(void)
{
	world_make(FLAGS_ROW);
}
static void flags_edited(void)
{
	world_write(FLAGS, "KUBELET_KUBEADM_ARGS=\"--v=9\"\n", 0644);
}
static void host_renamed(void)
{
	flags_made();
	world.ctx.hostname = "other";
}
static void instance_made(void)
{
	world_make(INSTANCE_ROW);
}
static void package_has_one(void)
{
	world_write(PACKAGE, "[Service]\n", 0644);
}
static void config_map_missing(void)
{
	world_set_object(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBELET_CONFIG, NULL);
}
static void config_map_torn(void)
{
	world_set_object(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBELET_CONFIG,
			 "{'data':{'kubelet':'a: [1'}}");
}
static void config_map(void)
{
	world_set_object(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBELET_CONFIG,
			 "{'data':{'kubelet':'clusterDomain: one.local\\nkind: "
			 "KubeletConfiguration\\n'}}");
}
static void config_of_cluster(void)
{
	config_map();
	config_made();
}
static void config_map_changed(void)
{
	config_of_cluster();
	world_set_object(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBELET_CONFIG,
			 "{'data':{'kubelet':'clusterDomain: two.local\\nkind: "
			 "KubeletConfiguration\\n'}}");
}

/* The unit. */

static const char *const inputs[] = { KUBELET_CONFIG, FLAGS, KUBELET_CONF, DROP_IN };

/* As the row does when the kubelet's job has ended. */
static void note_started(void)
{
	_cleanup_(buf_done) struct buf all = BUF_INIT(MIB);
	char digest[FILE_DIGEST_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		ck_assert_int_eq(buf_printf(&all, "%s\n", inputs[i]), 0);
		if (world_exists(inputs[i]))
			world_read(inputs[i], &all);
	}
	file_digest(all.data, all.length, digest);
	ledger_set_note(world.ctx.ledger, UNIT_ROW, "started-with", digest);
}

static void unit_is(const char *load, const char *active, const char *file)
{
	world_write(KUBELET_CONF, "kind: Config\n", 0600);
	note_started();
	world_set_unit(KUBELET_UNIT, load, active, file);
}
static void unit_not_found(void)
{
	unit_is("not-found", "inactive", "");
}
static void unit_masked(void)
{
	unit_is("masked", "inactive", "masked");
}
static void unit_masked_file(void)
{
	unit_is("loaded", "active", "masked-runtime");
}
static void unit_masked_before(void)
{
	unit_masked();
	ledger_set_note(world.ctx.ledger, UNIT_ROW, "started-with", NULL);
}
static void unit_disabled(void)
{
	unit_is("loaded", "active", "disabled");
}
static void unit_runs(void)
{
	unit_is("loaded", "active", "enabled");
}
static void unit_restarts(void)
{
	unit_is("loaded", "activating", "enabled");
}
static void unit_stops(void)
{
	unit_is("loaded", "deactivating", "enabled");
}
static void unit_stopped(void)
{
	unit_is("loaded", "inactive", "enabled");
}
static void unit_failed(void)
{
	unit_is("loaded", "failed", "enabled");
}
static void unit_never_started(void)
{
	unit_runs();
	ledger_set_note(world.ctx.ledger, UNIT_ROW, "started-with", NULL);
}
static void conf_changed_since(void)
{
	unit_runs();
	world_write(KUBELET_CONF, "kind: Config # new\n", 0600);
}
static void flags_appeared_since(void)
{
	unit_runs();
	flags_edited();
}

/* Static pods. */

static void pod_made(void)
{
	world_make(SCHEDULER_ROW);
}
/* Replaces a text in the manifest by another of at most its length. */
static void pod_edit(const char *old, const char *new)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	_cleanup_free_ char *edited = NULL;
	char *at;

	pod_made();
	world_read(SCHEDULER, &text);
	at = strstr(text.data, old);
	ck_assert_ptr_nonnull(at);
	edited = xasprintf("%.*s%s%s", (int)(at - text.data), text.data, new, at + strlen(old));
	world_write(SCHEDULER, edited, 0600);
}
static void pod_formatted(void)
{
	pod_edit("kind: Pod\n", "# by hand\nkind:   \"Pod\"\n");
}
static void pod_edited(void)
{
	pod_edit("--leader-elect=true", "--leader-elect=false");
}
static void pod_upgraded(void)
{
	pod_edit("kube-scheduler:v1.36.3", "kube-scheduler:v1.37.2");
}
static void pod_torn(void)
{
	pod_made();
	world_write(SCHEDULER, "kind: [", 0600);
}
static void pod_readable(void)
{
	pod_made();
	world_chmod(SCHEDULER, 0644);
}
static void foreign_pod_edited(void)
{
	pod_edited();
	world_disown(SCHEDULER_ROW);
}
static void foreign_pod_fits(void)
{
	pod_formatted();
	world_disown(SCHEDULER_ROW);
}
static void foreign_pod_torn(void)
{
	pod_torn();
	world_disown(SCHEDULER_ROW);
}

/* clang-format off */
static const struct world_case control_plane_cases[] = {
	{ "config, nothing",        NULL,            CONFIG_ROW, DRIFTED, "config.yaml is missing" },
	{ "config, made",           config_made,     CONFIG_ROW, IN_SYNC, NULL },
	{ "config, edited",         config_edited,   CONFIG_ROW, DRIFTED, "config.yaml differs" },
	{ "config, mode",           config_private,  CONFIG_ROW, DRIFTED, "has mode 0600, not 0644" },
	{ "config, link",           config_linked,   CONFIG_ROW, DRIFTED, "is not a regular file" },
	{ "config, gone",           config_gone,     CONFIG_ROW, DRIFTED, "is missing" },
	{ "config, driver unknown", driver_unknown,  CONFIG_ROW, UNKNOWN, "cgroup driver is not known yet" },
	{ "flags, nothing",         NULL,            FLAGS_ROW, DRIFTED, "kubeadm-flags.env is missing" },
	{ "flags, made",            flags_made,      FLAGS_ROW, IN_SYNC, NULL },
	{ "flags, edited",          flags_edited,    FLAGS_ROW, DRIFTED, "kubeadm-flags.env differs" },
	{ "flags, host renamed",    host_renamed,    FLAGS_ROW, DRIFTED, "kubeadm-flags.env differs" },
	{ "instance, nothing",      NULL,            INSTANCE_ROW, DRIFTED, "instance-config.yaml is missing" },
	{ "instance, made",         instance_made,   INSTANCE_ROW, IN_SYNC, NULL },
	{ "drop-in, nothing",       NULL,            DROP_IN_ROW, DRIFTED, "20-agentd.conf is missing" },
	{ "drop-in, the package's", package_has_one, DROP_IN_ROW, IN_SYNC, NULL },

	{ "unit, not told",         NULL,            UNIT_ROW, UNKNOWN, "systemd has not told" },
	{ "unit, not found",        unit_not_found,  UNIT_ROW, BLOCKED, "install the kubelet's package" },
	{ "unit, masked",           unit_masked,     UNIT_ROW, DRIFTED, "is masked" },
	{ "unit, file masked",      unit_masked_file, UNIT_ROW, DRIFTED, "is masked" },
	{ "unit, masked before",    unit_masked_before, UNIT_ROW, BLOCKED, "systemctl unmask kubelet" },
	{ "unit, disabled",         unit_disabled,   UNIT_ROW, DRIFTED, "is not enabled" },
	{ "unit, runs",             unit_runs,       UNIT_ROW, IN_SYNC, NULL },
	{ "unit, restarted by PID 1", unit_restarts, UNIT_ROW, UNKNOWN, "is auto-restart" },
	{ "unit, stops",            unit_stops,      UNIT_ROW, UNKNOWN, "is deactivating" },
	{ "unit, stopped",          unit_stopped,    UNIT_ROW, DRIFTED, "is inactive" },
	{ "unit, failed",           unit_failed,     UNIT_ROW, DRIFTED, "is failed" },
	{ "unit, never started",    unit_never_started, UNIT_ROW, DRIFTED, "has not been started with its present configuration" },
	{ "unit, conf is newer",    conf_changed_since, UNIT_ROW, DRIFTED, "has not been started with its present configuration" },
	{ "unit, flags are newer",  flags_appeared_since, UNIT_ROW, DRIFTED, "has not been started with its present configuration" },

	{ "pod, nothing",           NULL,            SCHEDULER_ROW, DRIFTED, "kube-scheduler.yaml is missing" },
	{ "pod, made",              pod_made,        SCHEDULER_ROW, IN_SYNC, NULL },
	{ "pod, formatted anew",    pod_formatted,   SCHEDULER_ROW, IN_SYNC, NULL },
	{ "pod, edited",            pod_edited,      SCHEDULER_ROW, DRIFTED, "differs at spec.containers" },
	{ "pod, upgraded",          pod_upgraded,    SCHEDULER_ROW, BLOCKED, "kube-scheduler:v1.36.3: somebody upgraded it" },
	{ "pod, torn",              pod_torn,        SCHEDULER_ROW, DRIFTED, "cannot be read" },
	{ "pod, readable",          pod_readable,    SCHEDULER_ROW, DRIFTED, "has mode 0644, not 0600" },
	{ "pod, foreign and fits",  foreign_pod_fits, SCHEDULER_ROW, IN_SYNC, NULL },
	{ "pod, foreign, edited",   foreign_pod_edited, SCHEDULER_ROW, BLOCKED, "it is not agentd's" },
	{ "pod, foreign, torn",     foreign_pod_torn, SCHEDULER_ROW, BLOCKED, "cannot be read" },
};

static const struct world_case worker_cases[] = {
	{ "config, API silent",     NULL,               CONFIG_ROW, UNKNOWN, "kubelet-config cannot be read now" },
	{ "config, no ConfigMap",   config_map_missing, CONFIG_ROW, UNKNOWN, "kubelet-config is missing in the cluster" },
	{ "config, torn ConfigMap", config_map_torn,    CONFIG_ROW, UNKNOWN, "kubelet-config: " },
	{ "config, nothing",        config_map,         CONFIG_ROW, DRIFTED, "config.yaml is missing" },
	{ "config, made",           config_of_cluster,  CONFIG_ROW, IN_SYNC, NULL },
	{ "config, changed",        config_map_changed, CONFIG_ROW, DRIFTED, "config.yaml differs" },
};
/* clang-format on */

START_TEST(test_verdicts_on_a_control_plane)
{
	world_check_case(&control_plane_cases[_i]);
}
END_TEST

START_TEST(test_verdicts_on_a_worker)
{
	world_check_case(&worker_cases[_i]);
}
END_TEST

START_TEST(test_a_worker_follows_the_cluster_but_for_what_is_its_own)
{
	config_map_changed();
	config_made();
	ck_assert(holds(KUBELET_CONFIG, "clusterDomain: two.local\n"));
	ck_assert(holds(KUBELET_CONFIG, "containerRuntimeEndpoint: " WORLD_CRI "\n"));
}
END_TEST

START_TEST(test_a_name_that_is_not_the_hosts_is_told_to_the_kubelet)
{
	flags_made();
	ck_assert(!holds(FLAGS, "--hostname-override"));
	host_renamed();
	world_make(FLAGS_ROW);
	ck_assert(holds(FLAGS, "--hostname-override=" WORLD_NODE));
}
END_TEST

static bool config_stands(void)
{
	const struct resource *row = world_row(CONFIG_ROW);

	return row->stands(&world.ctx, row);
}

START_TEST(test_a_file_stands_while_it_is_what_was_applied)
{
	ck_assert(!config_stands());
	config_of_cluster();
	ck_assert(config_stands());
	world_restart();
	ck_assert(config_stands());
	world_write(KUBELET_CONFIG, "kind: KubeletConfiguration\n", 0644);
	ck_assert(!config_stands());
}
END_TEST

Suite *suite_resources_kubelet(void)
{
	Suite *suite = suite_create("resources-kubelet");
	TCase *control_plane_tests = tcase_create("control plane");
	TCase *worker_tests = tcase_create("worker");

	tcase_add_checked_fixture(control_plane_tests, control_plane, world_done);
	tcase_add_loop_test(control_plane_tests, test_verdicts_on_a_control_plane, 0,
			    ARRAY_SIZE(control_plane_cases));
	tcase_add_test(control_plane_tests,
		       test_a_name_that_is_not_the_hosts_is_told_to_the_kubelet);
	suite_add_tcase(suite, control_plane_tests);
	tcase_add_checked_fixture(worker_tests, worker, world_done);
	tcase_add_loop_test(worker_tests, test_verdicts_on_a_worker, 0, ARRAY_SIZE(worker_cases));
	tcase_add_test(worker_tests, test_a_worker_follows_the_cluster_but_for_what_is_its_own);
	tcase_add_test(worker_tests, test_a_file_stands_while_it_is_what_was_applied);
	suite_add_tcase(suite, worker_tests);
	return suite;
}
