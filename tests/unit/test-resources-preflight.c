/* Everything that is found before anything is changed, by kubeadm's names; and the two rows beside
 * it: the container runtime and the cluster to join. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "discovery/kubeconfig.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define ROW	 "preflight"
#define RUNTIME	 "container-runtime"
#define DISCOVER "discovery"
#define NAME	 "node-name"
#define FORWARD	 "/proc/sys/net/ipv4/ip_forward"

static void runtime_known(void)
{
	ledger_set_note(world.ctx.ledger, RUNTIME, "cgroup-driver", "systemd");
	ledger_set_note(world.ctx.ledger, RUNTIME, "socket", WORLD_CRI);
}

static void control_plane(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	world_set_unit(KUBELET_UNIT, "loaded", "inactive", "disabled");
	runtime_known();
}

static void worker(void)
{
	world_init();
	world_set_role(WORLD_WORKER);
	world_set_unit(KUBELET_UNIT, "loaded", "inactive", "disabled");
	runtime_known();
}

/* What may stand in the way. */

static void runtime_unknown(void)
{
	ledger_set_note(world.ctx.ledger, RUNTIME, "cgroup-driver", NULL);
}
static void etcd_manifest(void)
{
	world_write("/etc/kubernetes/manifests/etcd.yaml", "kind: Pod\n", 0600);
}
static void api_server_manifest(void)
{
	world_write("/etc/kubernetes/manifests/kube-apiserver.yaml", "kind: Pod\n", 0600);
}
static void controller_manager_manifest(void)
{
	world_write("/etc/kubernetes/manifests/kube-controller-manager.yaml", "kind: Pod\n", 0600);
}
static void scheduler_manifest(void)
{
	world_write("/etc/kubernetes/manifests/kube-scheduler.yaml", "kind: Pod\n", 0600);
}
static void etcd_data(void)
{
	world_write("/var/lib/etcd/member/wal", "", 0600);
}
static void no_forwarding(void)
{
	world_write(FORWARD, "0\n", 0644);
}
static void swap_on(void)
{
	world_write("/proc/swaps", "Filename Type\n/dev/sda2 partition\n", 0644);
}
static void not_in_hosts(void)
{
	world_write("/etc/hosts", "127.0.0.1 localhost\n# " WORLD_ADDRESS " " WORLD_NODE "\n",
		    0644);
}
static void note_name(const char *name, const char *problem)
{
	_cleanup_free_ char *now = xasprintf("%d", WORLD_NOW);

	not_in_hosts();
	ledger_set_note(world.ctx.ledger, NAME, "name", name);
	ledger_set_note(world.ctx.ledger, NAME, "problem", problem);
	ledger_set_note(world.ctx.ledger, NAME, "asked", now);
}
static void name_resolves(void)
{
	note_name(WORLD_NODE, NULL);
}
static void name_unknown(void)
{
	note_name(WORLD_NODE, WORLD_NODE ": Name or service not known");
}
static void other_name_resolves(void)
{
	note_name("node-2", NULL);
}
static void name_unknown_long_ago(void)
{
	name_unknown();
	world.ctx.now += 301;
}
static void name_unknown_and_begun(void)
{
	name_unknown_long_ago();
	ledger_set(world.ctx.ledger, "certificate-ca", LEDGER_PENDING);
}
static void name_unknown_then_in_hosts(void)
{
	name_unknown();
	world_write("/etc/hosts", WORLD_ADDRESS " other " WORLD_NODE "\n", 0644);
}
static void name_long(void)
{
	free(world.ctx.role->node.name);
	world.ctx.role->node.name = xstrdup("a-name-of-sixty-four-characters-which-is-one-too-"
					    "many-for-labels");
	note_name(world.ctx.role->node.name, NULL);
}
static void no_kubelet(void)
{
	world.ctx.kubelet_version = NULL;
}
static void kubelet_new(void)
{
	world.ctx.kubelet_version = "v1.37.2";
}
static void kubelet_old(void)
{
	world.ctx.kubelet_version = "v1.32.9";
}
static void no_unit(void)
{
	world_set_unit(KUBELET_UNIT, "not-found", "inactive", "");
}
static void folder_is_a_file(void)
{
	world_write("/var/lib/etcd", "", 0600);
}
static void write_kubelet_conf(const struct cert *ca)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(MIB), text = BUF_INIT(MIB);

	cert_to_pem(ca, &pem);
	ck_assert_int_eq(kubeconfig_write_kubelet("https://other.example.org:6443", pem.data,
						  KUBELET_CURRENT, &text),
			 0);
	world_write(KUBELET_CONF, text.data, 0600);
}
static void conf_of_another_cluster(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();
	_cleanup_(cert_unref) struct cert *ca = world_self_signed(key);

	write_kubelet_conf(ca);
}
static void conf_of_this_cluster(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();
	_cleanup_(cert_unref) struct cert *ca = world_self_signed(key);

	write_kubelet_conf(ca);
	world_write_cert(WORLD_PKI "ca.crt", ca);
	world_write_key(WORLD_PKI "ca.key", key);
}
static void bootstrap_conf(void)
{
	world_write("/etc/kubernetes/bootstrap-kubelet.conf", "", 0600);
}
static void ca_is_there(void)
{
	world_write(WORLD_PKI "ca.crt", "", 0644);
}
static void everything_at_once(void)
{
	etcd_manifest();
	etcd_data();
	no_forwarding();
	swap_on();
	no_kubelet();
}
static void begun(void)
{
	everything_at_once();
	ledger_set(world.ctx.ledger, "certificate-ca", LEDGER_PENDING);
}
static void ignoring(const char *checks)
{
	_cleanup_(strv_done) struct strv names = STRV_INIT;

	strv_split(&names, checks, ' ');
	STRV_FOREACH(name, &names)
		strv_add(&world.ctx.role->node.ignore_preflight_errors, name);
}
static void ignored_by_name(void)
{
	etcd_manifest();
	no_forwarding();
	ignoring("fileavailable--ETC-kubernetes-manifests-etcd.yaml "
		 "FileContent--proc-sys-net-ipv4-ip_forward");
}
static void one_of_two_ignored(void)
{
	etcd_manifest();
	no_forwarding();
	ignoring("FileContent--proc-sys-net-ipv4-ip_forward");
}
static void all_ignored(void)
{
	everything_at_once();
	ignoring("all");
}
static void ipv6_only(void)
{
	world_set_role("apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
		       "discovery: {bootstrapToken: {apiServerEndpoint: '[fd00::1]:6443', "
		       "token: " WORLD_TOKEN ", caCertHashes: ['" WORLD_PIN
		       "']}}\n" WORLD_REGISTRATION);
	no_forwarding();
}

/* The runtime and the cluster. */

static void another_runtime(void)
{
	ledger_set_note(world.ctx.ledger, RUNTIME, "socket", "unix:///run/other.sock");
}
static void write_cluster(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();
	_cleanup_(cert_unref) struct cert *ca = world_self_signed(key);
	_cleanup_(buf_done) struct buf pem = BUF_INIT(MIB), text = BUF_INIT(MIB);

	cert_to_pem(ca, &pem);
	ck_assert_int_eq(
	    kubeconfig_write_cluster_info("https://" WORLD_ADDRESS ":6443", pem.data, &text), 0);
	world_write("/var/lib/agentd/cluster.conf", text.data, 0600);
}
/* What the row notes about the endpoint and the pins of the role. */
static void note_found(const char *endpoint, const char *pin)
{
	_cleanup_free_ char *text = xasprintf("%s\n\n0\n%s\n", endpoint, pin);
	char digest[FILE_DIGEST_SIZE];

	file_digest(text, strlen(text), digest);
	ledger_set_note(world.ctx.ledger, DISCOVER, "found", digest);
}
static void found(void)
{
	write_cluster();
	note_found(WORLD_ADDRESS ":6443", WORLD_PIN);
}
static void found_elsewhere(void)
{
	write_cluster();
	note_found("other.example.org:6443", WORLD_PIN);
}
static void found_and_torn(void)
{
	found();
	world_write("/var/lib/agentd/cluster.conf", "apiVersion: v1\nki", 0600);
}
static void ca_differs(void)
{
	found();
	world_write(WORLD_PKI "ca.crt", "another\n", 0644);
}

#define ERROR_OF(check) "[ERROR " check "]"
#define MANIFEST(pod)	ERROR_OF("FileAvailable--etc-kubernetes-manifests-" pod ".yaml")

/* clang-format off */
static const struct world_case control_plane_cases[] = {
	{ "a fit host",            NULL,                ROW, IN_SYNC, NULL },
	{ "runtime silent",        runtime_unknown,     ROW, UNKNOWN, "waits for the container runtime at " WORLD_CRI },
	{ "etcd's manifest",       etcd_manifest,       ROW, BLOCKED, MANIFEST("etcd") },
	{ "API server's manifest", api_server_manifest, ROW, BLOCKED, MANIFEST("kube-apiserver") },
	{ "controller's manifest", controller_manager_manifest, ROW, BLOCKED, MANIFEST("kube-controller-manager") },
	{ "scheduler's manifest",  scheduler_manifest,  ROW, BLOCKED, MANIFEST("kube-scheduler") },
	{ "etcd's data",           etcd_data,           ROW, BLOCKED, ERROR_OF("DirAvailable--var-lib-etcd") },
	{ "no forwarding",         no_forwarding,       ROW, BLOCKED, ERROR_OF("FileContent--proc-sys-net-ipv4-ip_forward") },
	{ "swap only warns",       swap_on,             ROW, IN_SYNC, "[WARNING Swap]" },
	{ "name only warns",       name_unknown,        ROW, IN_SYNC, "[WARNING Hostname] the node's name does not resolve on this host (" WORLD_NODE ": Name or service not known)" },
	{ "name by DNS",           name_resolves,       ROW, IN_SYNC, NULL },
	{ "another's verdict",     other_name_resolves, ROW, IN_SYNC, NULL },
	{ "name mended",           name_unknown_then_in_hosts, ROW, IN_SYNC, NULL },
	{ "name too long",         name_long,           ROW, IN_SYNC, "is longer than 63 characters" },
	{ "no kubelet",            no_kubelet,          ROW, BLOCKED, ERROR_OF("KubeletVersion") " /usr/bin/kubelet is not there" },
	{ "kubelet too new",       kubelet_new,         ROW, BLOCKED, "v1.37.2 is newer than the control plane v1.36.3" },
	{ "kubelet too old",       kubelet_old,         ROW, BLOCKED, "v1.32.9 is too old" },
	{ "no kubelet.service",    no_unit,             ROW, BLOCKED, ERROR_OF("Service-kubelet") },
	{ "not writable",          folder_is_a_file,    ROW, BLOCKED, ERROR_OF("Writable--var-lib-etcd") },
	{ "another cluster's conf", conf_of_another_cluster, ROW, BLOCKED, "is of another cluster (https://other.example.org:6443)" },
	{ "this cluster's conf",   conf_of_this_cluster, ROW, IN_SYNC, NULL },
	{ "each is found, first",  everything_at_once,  ROW, BLOCKED, MANIFEST("etcd") },
	{ "each is found, second", everything_at_once,  ROW, BLOCKED, ERROR_OF("DirAvailable--var-lib-etcd") },
	{ "each is found, third",  everything_at_once,  ROW, BLOCKED, ERROR_OF("FileContent--proc-sys-net-ipv4-ip_forward") },
	{ "each is found, fourth", everything_at_once,  ROW, BLOCKED, ERROR_OF("KubeletVersion") },
	{ "each is found, fifth",  everything_at_once,  ROW, BLOCKED, "[WARNING Swap]" },
	{ "ignored by name",       ignored_by_name,     ROW, IN_SYNC, "[WARNING FileAvailable--etc-kubernetes-manifests-etcd.yaml]" },
	{ "one of two ignored",    one_of_two_ignored,  ROW, BLOCKED, "[WARNING FileContent--proc-sys-net-ipv4-ip_forward]" },
	{ "all ignored",           all_ignored,         ROW, IN_SYNC, "[WARNING KubeletVersion]" },
	{ "what has begun is ours", begun,              ROW, IN_SYNC, NULL },

	{ "name in hosts",         NULL,                NAME, IN_SYNC, NULL },
	{ "name not asked yet",    not_in_hosts,        NAME, DRIFTED, WORLD_NODE " has not been looked up yet" },
	{ "name resolved",         name_resolves,       NAME, IN_SYNC, NULL },
	{ "another name did",      other_name_resolves, NAME, DRIFTED, "has not been looked up yet" },
	{ "name unknown",          name_unknown,        NAME, IN_SYNC, NULL },
	{ "asked again",           name_unknown_long_ago, NAME, DRIFTED, "has not been looked up yet" },
	{ "not once we have begun", name_unknown_and_begun, NAME, IN_SYNC, NULL },
	{ "name mended",           name_unknown_then_in_hosts, NAME, IN_SYNC, NULL },

	{ "runtime known",         NULL,                RUNTIME, IN_SYNC, NULL },
	{ "runtime not asked",     runtime_unknown,     RUNTIME, DRIFTED, WORLD_CRI " has not answered yet" },
	{ "another runtime",       another_runtime,     RUNTIME, DRIFTED, WORLD_CRI " has not answered yet" },
};

static const struct world_case worker_cases[] = {
	{ "a fit host",            NULL,                ROW, IN_SYNC, NULL },
	{ "in a cluster already",  conf_of_another_cluster, ROW, BLOCKED, ERROR_OF("FileAvailable--etc-kubernetes-kubelet.conf") },
	{ "a join under way",      bootstrap_conf,      ROW, BLOCKED, ERROR_OF("FileAvailable--etc-kubernetes-bootstrap-kubelet.conf") },
	{ "another cluster's CA",  ca_is_there,         ROW, BLOCKED, ERROR_OF("FileAvailable--etc-kubernetes-pki-ca.crt") },
	{ "no forwarding",         no_forwarding,       ROW, BLOCKED, ERROR_OF("FileContent--proc-sys-net-ipv4-ip_forward") },
	{ "IPv6 alone",            ipv6_only,           ROW, BLOCKED, ERROR_OF("FileContent--proc-sys-net-ipv6-conf-default-forwarding") },
	{ "manifests are nothing to a worker", etcd_manifest, ROW, IN_SYNC, NULL },
	{ "kubelet too old",       kubelet_old,         ROW, BLOCKED, "v1.32.9 is too old" },

	{ "nothing found yet",     NULL,                DISCOVER, DRIFTED, "the cluster at " WORLD_ADDRESS ":6443 is not known yet" },
	{ "found",                 found,               DISCOVER, IN_SYNC, NULL },
	{ "found elsewhere",       found_elsewhere,     DISCOVER, DRIFTED, "the role names another endpoint or other pins" },
	{ "found without a note",  write_cluster,       DISCOVER, DRIFTED, "the role names another endpoint or other pins" },
	{ "found and torn",        found_and_torn,      DISCOVER, DRIFTED, "is not known yet" },
	{ "CA not known yet",      NULL,                "ca-certificate", UNKNOWN, "the cluster is not known yet" },
	{ "CA missing",            found,               "ca-certificate", DRIFTED, "ca.crt is missing" },
	{ "CA differs",            ca_differs,          "ca-certificate", DRIFTED, "ca.crt differs" },
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

START_TEST(test_a_port_that_is_taken_is_named)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	_cleanup_free_ char *reason = NULL;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	world.ctx.role->bind_port = ntohs(address.sin_port);
	reason = xasprintf("[ERROR Port-%u]", world.ctx.role->bind_port);
	world_expect(ROW, BLOCKED, reason);
}
END_TEST

START_TEST(test_a_name_is_looked_up_as_every_program_would)
{
	/* The name is asked of the machine that the test runs on, and not of the test's files. */
	world_write("/etc/hosts", "", 0644);
	free(world.ctx.role->node.name);
	world.ctx.role->node.name = xstrdup("localhost");
	world_make(NAME);
	ck_assert_ptr_null(ledger_note(world.ctx.ledger, NAME, "problem"));
	world_expect(ROW, IN_SYNC, NULL);
	world_restart();
	world_expect(NAME, IN_SYNC, NULL);
}
END_TEST

START_TEST(test_the_clusters_ca_is_written_where_the_role_says)
{
	found();
	world_make("ca-certificate");
}
END_TEST

Suite *suite_resources_preflight(void)
{
	Suite *suite = suite_create("resources-preflight");
	TCase *control_plane_tests = tcase_create("control plane");
	TCase *worker_tests = tcase_create("worker");

	tcase_add_checked_fixture(control_plane_tests, control_plane, world_done);
	tcase_add_loop_test(control_plane_tests, test_verdicts_on_a_control_plane, 0,
			    ARRAY_SIZE(control_plane_cases));
	tcase_add_test(control_plane_tests, test_a_port_that_is_taken_is_named);
	suite_add_tcase(suite, control_plane_tests);
	tcase_add_checked_fixture(worker_tests, worker, world_done);
	tcase_add_loop_test(worker_tests, test_verdicts_on_a_worker, 0, ARRAY_SIZE(worker_cases));
	tcase_add_test(worker_tests, test_a_name_is_looked_up_as_every_program_would);
	tcase_add_test(worker_tests, test_the_clusters_ca_is_written_where_the_role_says);
	suite_add_tcase(suite, worker_tests);
	return suite;
}
