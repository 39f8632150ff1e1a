/* Tests of agentd/schema/follow.c: which role may follow which on a running node. */
#include "common/alloc.h"
#include "tests/unit/test-schema.h"

static struct test_host host;

static void setup(void)
{
	test_host_init(&host);
}

static void teardown(void)
{
	test_host_done(&host);
}

#define CLUSTER(rest) "{apiVersion: kubeadm.k8s.io/v1beta4, kind: ClusterConfiguration, " rest "}\n"
#define INIT(rest)    "{apiVersion: kubeadm.k8s.io/v1beta4, kind: InitConfiguration, " rest "}\n"
#define ROLE(rest)    "{apiVersion: agentd.io/v1alpha1, kind: RoleConfiguration, " rest "}\n"
#define JOIN(rest)                                                                         \
	"{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, discovery: {file: " \
	"{kubeConfigPath: /a}}, " rest "}\n"
#define WORKER                                                             \
	ROLE("role: worker, endpoint: a, token: q1w2e3.r4t5y6u7i8o9p0a1, " \
	     "unsafeSkipCAVerification: true")
#define FIXED(field, from, to)                      \
	field " cannot change from " from " to " to \
	      " on a running node: it would have to be reset first, which is not supported yet"

struct sample {
	const char *current, *next;
	const char *message; /* NULL: it may follow */
};

static const struct sample samples[] = {
	{ CLUSTER("clusterName: a"), CLUSTER("clusterName: a"), NULL },
	{ CLUSTER("clusterName: a"), CLUSTER("clusterName: b"), FIXED("clusterName", "a", "b") },
	{ CLUSTER("networking: {}"), CLUSTER("networking: {podSubnet: 10.1.0.0/16}"),
	  FIXED("networking.podSubnet", "nothing", "10.1.0.0/16") },
	{ CLUSTER("networking: {}"), CLUSTER("networking: {serviceSubnet: 10.1.0.0/16}"),
	  FIXED("networking.serviceSubnet", "10.96.0.0/12", "10.1.0.0/16") },
	{ CLUSTER("networking: {}"), CLUSTER("networking: {dnsDomain: a.local}"),
	  FIXED("networking.dnsDomain", "cluster.local", "a.local") },
	{ CLUSTER("etcd: {}"), CLUSTER("etcd: {local: {dataDir: /srv}}"),
	  FIXED("etcd.local.dataDir", "/var/lib/etcd", "/srv") },
	{ CLUSTER("certificatesDir: /a"), CLUSTER("certificatesDir: /b"),
	  FIXED("certificatesDir", "/a", "/b") },
	{ CLUSTER("controlPlaneEndpoint: a"), CLUSTER("controlPlaneEndpoint: b"),
	  FIXED("controlPlaneEndpoint", "a:6443", "b:6443") },
	{ INIT("localAPIEndpoint: {bindPort: 6443}"), INIT("localAPIEndpoint: {bindPort: 7443}"),
	  FIXED("localAPIEndpoint.bindPort", "6443", "7443") },
	{ INIT("localAPIEndpoint: {advertiseAddress: 10.0.0.5}"),
	  INIT("localAPIEndpoint: {advertiseAddress: 10.0.0.6}"), NULL },
	{ INIT("nodeRegistration: {name: a}"), INIT("nodeRegistration: {name: b}"),
	  FIXED("nodeRegistration.name", "a", "b") },
	{ CLUSTER("kubernetesVersion: v1.36.3"), CLUSTER("kubernetesVersion: v1.37.2"),
	  "kubernetesVersion cannot change from v1.36.3 to v1.37.2: upgrades are not supported "
	  "yet" },
	/* What may change. */
	{ CLUSTER("encryptionAlgorithm: RSA-2048, imageRepository: a"),
	  CLUSTER(
	      "encryptionAlgorithm: ECDSA-P256, imageRepository: b, apiServer: {certSANs: [a]}, "
	      "certificateValidityPeriod: 1h, etcd: {local: {imageTag: v1}}"),
	  NULL },
	{ INIT("bootstrapTokens: []"), INIT("nodeRegistration: {taints: [], criSocket: /a.sock}"),
	  NULL },
	/* The same role, said in another way. */
	{ INIT("bootstrapTokens: []"), ROLE("role: control-plane"), NULL },
	{ WORKER, JOIN("caCertPath: /etc/kubernetes/pki/ca.crt"), NULL },
	{ JOIN("caCertPath: /a.crt"), JOIN("caCertPath: /b.crt"),
	  FIXED("caCertPath", "/a.crt", "/b.crt") },
	/* Kinds. */
	{ ROLE("role: none"), WORKER, NULL },
	{ ROLE("role: control-plane"), WORKER,
	  "this host is a control plane and the new role is worker: nothing is destroyed because a "
	  "role changed; the host would have to be reset first, which is not supported yet" },
	{ WORKER, ROLE("role: none"),
	  "this host is a worker and the new role is none: nothing is destroyed because a role "
	  "changed; the host would have to be reset first, which is not supported yet" },
};

START_TEST(test_fixed_fields_and_kinds_stay)
{
	const struct sample *sample = &samples[_i];
	_cleanup_(role_unref) struct role *current = test_role(&host, sample->current);
	_cleanup_(role_unref) struct role *next = test_role(&host, sample->next);
	struct error err = ERROR_INIT;
	int r = role_may_follow(current, next, &err);

	if (!sample->message) {
		ck_assert_msg(r == 0, "%s", err.message);
		return;
	}
	ck_assert_int_lt(r, 0);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_str_eq(err.message, sample->message);
}
END_TEST

START_TEST(test_anything_may_follow_nothing)
{
	_cleanup_(role_unref) struct role *next = test_role(&host, WORKER);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(role_may_follow(NULL, next, &err), 0);
}
END_TEST

START_TEST(test_what_was_detected_does_not_move_with_the_host)
{
	_cleanup_(role_unref) struct role *current = test_role(&host, ROLE("role: control-plane"));
	_cleanup_(role_unref) struct role *next = NULL;
	struct role_address moved = {
		.interface = "eth0",
		.is_up = true,
		.address = { .family = AF_INET, .bytes = { 10, 9, 9, 9 } },
	};
	struct error err = ERROR_INIT;

	host.host.hostname = "renamed";
	host.host.kubelet_version = "v1.37.2";
	host.host.addresses = &moved;
	host.host.address_count = 1;
	host.host.current = current;
	next = test_role(&host, CLUSTER("imageRepository: registry.example.org"));
	ck_assert_str_eq(next->node.name, "node-1");
	ck_assert_str_eq(next->advertise_address, "10.0.0.5");
	ck_assert_str_eq(next->cluster.kubernetes_version, "v1.36.3");
	ck_assert_str_eq(next->node.cri_socket, current->node.cri_socket);
	ck_assert_msg(role_may_follow(current, next, &err) == 0, "%s", err.message);
}
END_TEST

Suite *suite_follow(void)
{
	Suite *suite = suite_create("follow");
	TCase *tcase = tcase_create("follow");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_fixed_fields_and_kinds_stay, 0, ARRAY_SIZE(samples));
	tcase_add_test(tcase, test_anything_may_follow_nothing);
	tcase_add_test(tcase, test_what_was_detected_does_not_move_with_the_host);
	suite_add_tcase(suite, tcase);
	return suite;
}
