/* Tests of agentd/role.c and agentd/schema: what a role holds once a text is accepted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/unit/test-schema.h"

#define TOKEN "q1w2e3.r4t5y6u7i8o9p0a1"
#define PIN   "sha256:d9270176c167b72cceef5cdb63fe44373164cacc9f2374c27c47c9889fb10acd"

#define ROLE(rest)    "{apiVersion: agentd.io/v1alpha1, kind: RoleConfiguration, " rest "}\n"
#define CLUSTER(rest) "{apiVersion: kubeadm.k8s.io/v1beta4, kind: ClusterConfiguration, " rest "}\n"
#define INIT(rest)    "{apiVersion: kubeadm.k8s.io/v1beta4, kind: InitConfiguration, " rest "}\n"
#define JOIN(rest)    "{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, " rest "}\n"

static struct test_host host;

static void setup(void)
{
	test_host_init(&host);
}

static void teardown(void)
{
	test_host_done(&host);
}

START_TEST(test_control_plane_in_one_document_has_all_defaults)
{
	_cleanup_(role_unref) struct role *role = test_role(&host, ROLE("role: control-plane"));
	const struct role_cluster *cluster = &role->cluster;

	ck_assert_int_eq(role->kind, ROLE_CONTROL_PLANE);
	ck_assert(role_is_control_plane(role) && !role_is_worker(role));
	ck_assert_str_eq(role->node.name, "node-1");
	ck_assert_str_eq(role->node.cri_socket, "unix:///var/run/containerd/containerd.sock");
	ck_assert_str_eq(role->advertise_address, "10.0.0.5");
	ck_assert_uint_eq(role->bind_port, 6443);
	ck_assert_int_eq(role->component_health_timeout_s, 240);
	ck_assert_str_eq(cluster->kubernetes_version, "v1.36.3");
	ck_assert_str_eq(cluster->cluster_name, "kubernetes");
	ck_assert_str_eq(cluster->certificates_dir, "/etc/kubernetes/pki");
	ck_assert_str_eq(cluster->image_repository, "registry.k8s.io");
	ck_assert_str_eq(cluster->service_subnet, "10.96.0.0/12");
	ck_assert_str_eq(cluster->dns_domain, "cluster.local");
	ck_assert_str_eq(cluster->etcd_data_dir, "/var/lib/etcd");
	ck_assert_ptr_null(cluster->pod_subnet);
	ck_assert_ptr_null(cluster->control_plane_endpoint);
	ck_assert_int_eq(cluster->certificate_validity_s, 8760 * 3600);
	ck_assert_int_eq(cluster->ca_certificate_validity_s, 87600LL * 3600);
	ck_assert_uint_eq(role->node.taints.count, 1);
	ck_assert(!role->node.taints.is_set);
	ck_assert_str_eq(role->node.taints.items[0].key, "node-role.kubernetes.io/control-plane");
	ck_assert_str_eq(role->node.taints.items[0].effect, "NoSchedule");
	ck_assert_str_eq(role->source, "role.yaml");
	ck_assert_uint_eq(strlen(role->digest), 64);
	ck_assert_ptr_null(role->kubelet);
	ck_assert_ptr_null(role->cluster_document);
}
END_TEST

START_TEST(test_keys_are_p256_unless_a_cluster_document_is_there)
{
	_cleanup_(role_unref) struct role *alone = test_role(&host, ROLE("role: control-plane"));
	_cleanup_(role_unref) struct role *init = test_role(&host, INIT("bootstrapTokens: []"));
	_cleanup_(role_unref) struct role *given = test_role(&host, CLUSTER("clusterName: a"));

	ck_assert_int_eq(alone->cluster.encryption_algorithm, KEY_ECDSA_P256);
	ck_assert(!alone->cluster_given);
	ck_assert_int_eq(init->cluster.encryption_algorithm, KEY_ECDSA_P256);
	ck_assert_int_eq(given->cluster.encryption_algorithm, KEY_RSA_2048);
	ck_assert(given->cluster_given);
	ck_assert_ptr_nonnull(given->cluster_document);
}
END_TEST

START_TEST(test_a_token_is_made_where_none_is_given)
{
	_cleanup_(role_unref) struct role *one = test_role(&host, ROLE("role: control-plane"));
	_cleanup_(role_unref) struct role *other = test_role(
	    &host, INIT("bootstrapTokens: [{description: a, ttl: 0s, usages: [signing]}]"));
	const struct role_token *token = &one->tokens.items[0];

	ck_assert_uint_eq(one->tokens.count, 1);
	ck_assert_uint_eq(secret_length(token->token), 23);
	ck_assert_int_eq(token->ttl_s, 24 * 3600);
	ck_assert_ptr_null(token->description);
	ck_assert_uint_eq(token->usages.count, 2);
	ck_assert_str_eq(token->groups.items[0], "system:bootstrappers:kubeadm:default-node-token");

	token = &other->tokens.items[0];
	ck_assert_uint_eq(secret_length(token->token), 23);
	ck_assert(!secret_equal(token->token, one->tokens.items[0].token));
	ck_assert_int_eq(token->ttl_s, 0);
	ck_assert_str_eq(token->description, "a");
	/* Groups mean nothing without authentication. */
	ck_assert_uint_eq(token->groups.count, 0);
}
END_TEST

START_TEST(test_worker_in_one_document)
{
	_cleanup_(role_unref) struct role *role =
	    test_role(&host, ROLE("role: worker, endpoint: api.example.org, token: " TOKEN
				  ", caCertHashes: [\"" PIN "\"], replaceNode: true"));

	ck_assert_int_eq(role->kind, ROLE_WORKER);
	ck_assert_str_eq(role->join.endpoint, "api.example.org:6443");
	ck_assert_str_eq(secret_bytes(role->join.token), TOKEN);
	ck_assert(secret_equal(role->join.tls_bootstrap_token, role->join.token));
	ck_assert_str_eq(role->join.ca_cert_hashes.items[0], PIN);
	ck_assert(role->join.replace_node);
	ck_assert_str_eq(role->join.ca_cert_path, "/etc/kubernetes/pki/ca.crt");
	ck_assert_ptr_null(role->advertise_address);
	ck_assert_ptr_null(role->cluster.kubernetes_version);
	ck_assert_uint_eq(role->tokens.count, 0);
	ck_assert_uint_eq(role->node.taints.count, 0);
}
END_TEST

START_TEST(test_everything_is_enforced_unless_the_policy_says_otherwise)
{
	_cleanup_(role_unref) struct role *silent = test_role(&host, ROLE("role: control-plane"));
	_cleanup_(role_unref) struct role *all =
	    test_role(&host, ROLE("role: control-plane, policy: observe"));
	_cleanup_(role_unref) struct role *some = test_role(
	    &host, ROLE("role: control-plane, policy: {kubelet: observe, addons: enforce}"));
	_cleanup_(role_unref) struct role *beside =
	    test_role(&host, ROLE("policy: {tokens: observe}") "---\n" INIT("skipPhases: []"));

	for (int class = 0; class < _CLASS_MAX; class ++) {
		ck_assert(!silent->policy.observed[class]);
		ck_assert_int_eq(all->policy.observed[class], class != CLASS_NONE);
		ck_assert_int_eq(some->policy.observed[class], class == CLASS_KUBELET);
		ck_assert_int_eq(beside->policy.observed[class], class == CLASS_TOKENS);
	}
}
END_TEST

START_TEST(test_policy_survives_being_kept)
{
	static const char *const texts[] = {
		ROLE("role: control-plane, policy: observe"),
		ROLE("role: control-plane, policy: {node: observe, certificates: observe}"),
		ROLE("role: control-plane, policy: enforce"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(role_unref) struct role *role = test_role(&host, texts[i]);
		_cleanup_(buf_done) struct buf kept = BUF_INIT(64 * KIB);
		_cleanup_(role_unref) struct role *again = NULL;

		ck_assert_int_eq(role_write(role, &kept), 0);
		again = test_role(&host, kept.data);
		ck_assert_mem_eq(&again->policy, &role->policy, sizeof(role->policy));
	}
}
END_TEST

START_TEST(test_a_wrong_policy_is_refused)
{
	test_refused(&host, ROLE("role: control-plane, policy: watch"),
		     "role.yaml:1:88: policy must be enforce, observe, or a map of classes");
	test_refused(
	    &host, ROLE("role: control-plane, policy: {static-pods: observe}"),
	    "role.yaml:1:88: policy has no class \"static-pods\", did you mean \"staticPods\"?");
	test_refused(&host, ROLE("role: control-plane, policy: {node: true}"),
		     "role.yaml:1:88: policy has node, which must be enforce or observe");
	test_refused(&host, ROLE("role: control-plane, policy: {none: observe}"),
		     "role.yaml:1:88: policy has no class \"none\", did you mean \"node\"?");
}
END_TEST

START_TEST(test_token_comes_from_a_file)
{
	_cleanup_(role_unref) struct role *role =
	    test_role(&host, ROLE("role: worker, endpoint: a, unsafeSkipCAVerification: true, "
				  "tokenFile: /etc/agentd/token"));

	ck_assert_str_eq(secret_bytes(role->join.token), TOKEN);

	test_host_write(&host, "/etc/agentd/token", "\n");
	test_refused(&host,
		     ROLE("role: worker, endpoint: a, unsafeSkipCAVerification: true, "
			  "tokenFile: /etc/agentd/token"),
		     "role.yaml:1:129: tokenFile: has no token in it");
	test_refused(&host,
		     ROLE("role: worker, endpoint: a, unsafeSkipCAVerification: true, "
			  "tokenFile: /etc/agentd/none"),
		     "role.yaml:1:129: tokenFile: /etc/agentd/none does not exist");
	/* What the administrator sees there is hidden from the service. */
	test_refused(&host,
		     ROLE("role: worker, endpoint: a, unsafeSkipCAVerification: true, "
			  "tokenFile: /root/token"),
		     "role.yaml:1:129: tokenFile: /root/token does not exist for agentd: "
		     "ProtectHome= hides /root from agentd.service; put the token into "
		     "/etc/agentd, with mode 0600");
}
END_TEST

static int give_credential(void *userdata, const char *name, struct secret **ret)
{
	if (strcmp(name, "agentd.bootstrap-token") != 0)
		return -ENOENT;
	*ret = secret_new(userdata, strlen(userdata));
	return 0;
}

START_TEST(test_token_comes_from_a_credential)
{
	_cleanup_(role_unref) struct role *role = NULL;

	host.host.credential = give_credential;
	host.host.userdata = (char *)TOKEN "\n";
	role =
	    test_role(&host, ROLE("role: worker, credential: agentd.bootstrap-token") "---\n" JOIN(
				 "discovery: {bootstrapToken: {apiServerEndpoint: \"a:1\", "
				 "unsafeSkipCAVerification: true}}"));
	ck_assert_str_eq(secret_bytes(role->join.token), TOKEN);
	ck_assert_str_eq(role->join.endpoint, "a:1");

	test_refused(&host,
		     ROLE("role: worker, endpoint: a, credential: other, "
			  "unsafeSkipCAVerification: true"),
		     "role.yaml:1:98: credential: agentd.service was given no credential other");
	host.host.userdata = (char *)"S3CRET";
	test_refused(&host,
		     ROLE("role: worker, endpoint: a, credential: agentd.bootstrap-token, "
			  "unsafeSkipCAVerification: true"),
		     "role.yaml:1:98: credential: is not a bootstrap token: 6 characters of a-z "
		     "and 0-9, a dot, 16 more");
}
END_TEST

START_TEST(test_flat_token_with_discovery_by_file_is_for_the_certificate)
{
	_cleanup_(role_unref) struct role *role =
	    test_role(&host, ROLE("role: worker, token: " TOKEN) "---\n" JOIN(
				 "discovery: {file: {kubeConfigPath: \"file:///etc/a.conf\"}}"));

	ck_assert_str_eq(role->join.file, "/etc/a.conf");
	ck_assert_ptr_null(role->join.token);
	ck_assert_str_eq(secret_bytes(role->join.tls_bootstrap_token), TOKEN);
}
END_TEST

START_TEST(test_flat_fields_are_the_discovery_of_a_join_document_without_one)
{
	_cleanup_(role_unref) struct role *role = test_role(
	    &host,
	    ROLE("role: worker, endpoint: a, unsafeSkipCAVerification: true, "
		 "tokenFile: /etc/agentd/token") "---\n" JOIN("nodeRegistration: {name: w, taints: "
							      "[{key: k, effect: "
							      "NoSchedule}], kubeletExtraArgs: "
							      "[{name: v, value: \"2\"}]}"));

	ck_assert_str_eq(role->node.name, "w");
	ck_assert_uint_eq(role->node.taints.count, 1);
	ck_assert_str_eq(role->node.kubelet_extra_args.items[0].value, "2");
	ck_assert_str_eq(role->join.endpoint, "a:6443");
	ck_assert_str_eq(secret_bytes(role->join.token), TOKEN);
	ck_assert_str_eq(secret_bytes(role->join.tls_bootstrap_token), TOKEN);
}
END_TEST

START_TEST(test_flat_fields_may_not_contradict_the_join_document)
{
	test_refused(&host,
		     ROLE("role: worker, tokenFile: /etc/agentd/token") "---\n" JOIN(
			 "discovery: {bootstrapToken: {apiServerEndpoint: \"a:1\", token: "
			 "bbbbbb.r4t5y6u7i8o9p0a1, unsafeSkipCAVerification: true}}"),
		     "role.yaml:1:84: tokenFile is not what the JoinConfiguration says in line 3");
}
END_TEST

START_TEST(test_kubeadm_documents_alone_say_what_the_host_is)
{
	_cleanup_(role_unref) struct role *init = test_role(&host, INIT("skipPhases: []"));
	_cleanup_(role_unref) struct role *cluster = test_role(&host, CLUSTER("dns: {}"));
	_cleanup_(role_unref) struct role *join =
	    test_role(&host, JOIN("discovery: {file: {kubeConfigPath: /a}}"));
	_cleanup_(role_unref) struct role *none = test_role(&host, ROLE("role: none"));

	ck_assert_int_eq(init->kind, ROLE_CONTROL_PLANE);
	ck_assert_int_eq(cluster->kind, ROLE_CONTROL_PLANE);
	ck_assert_int_eq(join->kind, ROLE_WORKER);
	ck_assert_int_eq(none->kind, ROLE_NONE);
	ck_assert_str_eq(role_kind_name(init->kind), "control-plane");
	ck_assert_str_eq(role_kind_name(join->kind), "worker");
	ck_assert_str_eq(role_kind_name(none->kind), "none");
}
END_TEST

START_TEST(test_name_of_the_kubelets_arguments_is_the_nodes)
{
	_cleanup_(role_unref) struct role *role = test_role(
	    &host,
	    INIT(
		"nodeRegistration: {kubeletExtraArgs: [{name: hostname-override, value: other}]}"));

	ck_assert_str_eq(role->node.name, "other");
}
END_TEST

START_TEST(test_version_label_is_the_kubelets_version)
{
	_cleanup_(role_unref) struct role *label =
	    test_role(&host, CLUSTER("kubernetesVersion: stable-1"));
	_cleanup_(role_unref) struct role *minor =
	    test_role(&host, CLUSTER("kubernetesVersion: stable-1.36"));
	_cleanup_(role_unref) struct role *given =
	    test_role(&host, CLUSTER("kubernetesVersion: 1.35.4"));

	ck_assert_str_eq(label->cluster.kubernetes_version, "v1.36.3");
	ck_assert_str_eq(minor->cluster.kubernetes_version, "v1.36.3");
	ck_assert_str_eq(given->cluster.kubernetes_version, "v1.35.4");
	host.host.kubelet_version = NULL;
	test_refused(&host, CLUSTER("kubernetesVersion: stable-1"),
		     "role.yaml:1:85: kubernetesVersion: there is no kubelet on this host whose "
		     "version could be taken; install it, or name a version such as v1.36.3");
}
END_TEST

START_TEST(test_host_without_a_usable_name_must_be_named)
{
	host.host.hostname = "";
	test_refused(&host, ROLE("role: control-plane"),
		     "role.yaml:1:1: nodeRegistration.name: this host has no name; name the node");
	host.host.hostname = "my_host";
	test_refused(&host, ROLE("role: control-plane"),
		     "role.yaml:1:1: nodeRegistration.name: \"my_host\" is not a DNS name: "
		     "lower-case letters, digits, '-' and '.', such as node-1.example.org");
}
END_TEST

START_TEST(test_servers_are_urls)
{
	_cleanup_(role_unref) struct role *v4 = test_role(&host, ROLE("role: control-plane"));
	_cleanup_(role_unref) struct role *v6 =
	    test_role(&host, INIT("localAPIEndpoint: {advertiseAddress: \"fd00::5\", bindPort: "
				  "443}") "---\n" CLUSTER("controlPlaneEndpoint: \"fd00::1\""));
	_cleanup_free_ char *local4 = role_local_server(v4);
	_cleanup_free_ char *cluster4 = role_cluster_server(v4);
	_cleanup_free_ char *local6 = role_local_server(v6);
	_cleanup_free_ char *cluster6 = role_cluster_server(v6);

	ck_assert_str_eq(local4, "https://10.0.0.5:6443");
	ck_assert_str_eq(cluster4, "https://10.0.0.5:6443");
	ck_assert_str_eq(local6, "https://[fd00::5]:443");
	ck_assert_str_eq(cluster6, "https://[fd00::1]:443");
}
END_TEST

START_TEST(test_role_is_counted)
{
	struct role *role = test_role(&host, ROLE("role: none"));

	ck_assert_ptr_eq(role_ref(role), role);
	ck_assert_uint_eq(role->refs, 2);
	ck_assert_ptr_null(role_unref(role));
	ck_assert_uint_eq(role->refs, 1);
	ck_assert_ptr_null(role_unref(role));
	ck_assert_ptr_null(role_ref(NULL));
	ck_assert_ptr_null(role_unref(NULL));
}
END_TEST

START_TEST(test_what_is_printed_has_no_secrets)
{
	_cleanup_(role_unref) struct role *init = test_role(
	    &host,
	    INIT("bootstrapTokens: [{token: " TOKEN
		 "}]") "---\n"
		       "{apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, "
		       "staticPodURLHeader: {Authorization: [S3CRET]}}");
	_cleanup_(role_unref) struct role *worker =
	    test_role(&host, ROLE("role: worker, endpoint: a, token: " TOKEN
				  ", unsafeSkipCAVerification: true"));
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(role_print(init, &text), 0);
	ck_assert_int_eq(role_print(worker, &text), 0);
	ck_assert_ptr_null(strstr(text.data, "r4t5y6u7i8o9p0a1"));
	ck_assert_ptr_null(strstr(text.data, "S3CRET"));
	ck_assert_ptr_nonnull(strstr(text.data, "<redacted>"));
}
END_TEST

START_TEST(test_what_does_not_fit_the_buffer_is_said)
{
	_cleanup_(role_unref) struct role *role = test_role(&host, ROLE("role: control-plane"));
	_cleanup_(buf_done) struct buf text = BUF_INIT(100);

	ck_assert_int_eq(role_print(role, &text), -EFBIG);
}
END_TEST

START_TEST(test_a_role_that_could_not_be_read_again_is_refused)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;
	struct role *role = NULL;
	int r;

	/* Close to the limit in one line, beyond it once every item has a line of its own. */
	ck_assert_int_eq(buf_append_string(&text, "{apiVersion: kubelet.config.k8s.io/v1beta1, "
						  "kind: KubeletConfiguration, a: {a: {a: {a: {a: "
						  "{a: ["),
			 0);
	for (size_t i = 0; i < 9000; i++)
		ck_assert_int_eq(buf_append_string(&text, "aaaaaaaaaaaaaaaaaaaaaa,"), 0);
	ck_assert_int_eq(buf_append_string(&text, "]}}}}}}\n---\n" ROLE("role: control-plane")), 0);
	ck_assert_uint_lt(text.length, 256 * KIB);
	r = role_parse(text.data, text.length, "role.yaml", &host.host, &role, &err);
	ck_assert_int_lt(r, 0);
	ck_assert_ptr_null(role);
	ck_assert_ptr_nonnull(strstr(err.message, "role.yaml: too large, once it is completed: "));
}
END_TEST

Suite *suite_role(void)
{
	Suite *suite = suite_create("role");
	TCase *tcase = tcase_create("role");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_control_plane_in_one_document_has_all_defaults);
	tcase_add_test(tcase, test_keys_are_p256_unless_a_cluster_document_is_there);
	tcase_add_test(tcase, test_a_token_is_made_where_none_is_given);
	tcase_add_test(tcase, test_worker_in_one_document);
	tcase_add_test(tcase, test_everything_is_enforced_unless_the_policy_says_otherwise);
	tcase_add_test(tcase, test_policy_survives_being_kept);
	tcase_add_test(tcase, test_a_wrong_policy_is_refused);
	tcase_add_test(tcase, test_token_comes_from_a_file);
	tcase_add_test(tcase, test_token_comes_from_a_credential);
	tcase_add_test(tcase, test_flat_token_with_discovery_by_file_is_for_the_certificate);
	tcase_add_test(tcase, test_flat_fields_are_the_discovery_of_a_join_document_without_one);
	tcase_add_test(tcase, test_flat_fields_may_not_contradict_the_join_document);
	tcase_add_test(tcase, test_kubeadm_documents_alone_say_what_the_host_is);
	tcase_add_test(tcase, test_name_of_the_kubelets_arguments_is_the_nodes);
	tcase_add_test(tcase, test_version_label_is_the_kubelets_version);
	tcase_add_test(tcase, test_host_without_a_usable_name_must_be_named);
	tcase_add_test(tcase, test_servers_are_urls);
	tcase_add_test(tcase, test_role_is_counted);
	tcase_add_test(tcase, test_what_is_printed_has_no_secrets);
	tcase_add_test(tcase, test_what_does_not_fit_the_buffer_is_said);
	tcase_add_test(tcase, test_a_role_that_could_not_be_read_again_is_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}
