/* Tests of the tables themselves and of the walk over them, agentd/schema/explain.c. */
#include "agentd/schema/explain.h"

#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/unit/test-schema.h"

/* Finds a field; NULL path of the result if there is none. */
static struct explain_field find(const char *kind, const char *path)
{
	struct explain_walk walk = { 0 };
	struct explain_field field;

	while (explain_next(&walk, &field))
		if (strcmp(field.document->kind, kind) == 0 && strcmp(field.path, path) == 0) {
			/* The path lives in the walk, which ends here. */
			field.path = path;
			return field;
		}
	return (struct explain_field){ 0 };
}

START_TEST(test_every_field_has_type_and_help)
{
	struct explain_walk walk = { 0 };
	struct explain_field field;
	size_t count = 0;

	while (explain_next(&walk, &field)) {
		ck_assert_msg(field.help && *field.help, "%s has no help", field.path);
		ck_assert_msg(field.type && *field.type, "%s has no type", field.path);
		ck_assert_msg(field.help[strlen(field.help) - 1] != '.',
			      "help of %s ends in a full stop", field.path);
		count++;
	}
	ck_assert_uint_gt(count, 120);
	ck_assert(!explain_next(&walk, &field));
}
END_TEST

START_TEST(test_no_field_stands_twice)
{
	struct explain_walk walk = { 0 };
	struct explain_field field;
	_cleanup_(strv_done) struct strv seen = STRV_INIT;

	while (explain_next(&walk, &field)) {
		_cleanup_free_ char *name = xasprintf("%s %s", field.document->kind, field.path);

		ck_assert_msg(!strv_contains(&seen, name), "%s stands twice", name);
		strv_add(&seen, name);
	}
}
END_TEST

START_TEST(test_status_says_what_agentd_does)
{
	ck_assert_int_eq(find("ClusterConfiguration", "networking.podSubnet").status,
			 EXPLAIN_FIXED);
	ck_assert_int_eq(find("ClusterConfiguration", "apiServer.extraArgs.name").status,
			 EXPLAIN_LIVE);
	ck_assert_int_eq(find("ClusterConfiguration", "etcd.external.endpoints").status,
			 EXPLAIN_NOT_SUPPORTED);
	/* What is inside of something that is not supported is not supported. */
	ck_assert_int_eq(find("JoinConfiguration", "controlPlane.localAPIEndpoint.bindPort").status,
			 EXPLAIN_NOT_SUPPORTED);
	ck_assert_str_eq(find("JoinConfiguration", "timeouts.discovery").standard, "5m0s");
	ck_assert_str_eq(explain_status_name(EXPLAIN_NOT_SUPPORTED), "not supported yet");
	ck_assert_ptr_null(find("ClusterConfiguration", "kind").path);
}
END_TEST

/* The names of kubeadm's types (cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go). */
static const char *const known[] = {
	"InitConfiguration bootstrapTokens.token",
	"InitConfiguration bootstrapTokens.description",
	"InitConfiguration bootstrapTokens.ttl",
	"InitConfiguration bootstrapTokens.expires",
	"InitConfiguration bootstrapTokens.usages",
	"InitConfiguration bootstrapTokens.groups",
	"InitConfiguration dryRun",
	"InitConfiguration nodeRegistration.name",
	"InitConfiguration nodeRegistration.criSocket",
	"InitConfiguration nodeRegistration.taints.timeAdded",
	"InitConfiguration nodeRegistration.kubeletExtraArgs.value",
	"InitConfiguration nodeRegistration.ignorePreflightErrors",
	"InitConfiguration nodeRegistration.imagePullPolicy",
	"InitConfiguration nodeRegistration.imagePullSerial",
	"InitConfiguration localAPIEndpoint.advertiseAddress",
	"InitConfiguration certificateKey",
	"InitConfiguration skipPhases",
	"InitConfiguration patches.directory",
	"InitConfiguration timeouts.controlPlaneComponentHealthCheck",
	"InitConfiguration timeouts.upgradeManifests",
	"ClusterConfiguration etcd.local.imageRepository",
	"ClusterConfiguration etcd.local.extraEnvs.valueFrom.fieldRef.fieldPath",
	"ClusterConfiguration etcd.local.peerCertSANs",
	"ClusterConfiguration etcd.external.httpEndpoints",
	"ClusterConfiguration etcd.external.keyFile",
	"ClusterConfiguration networking.dnsDomain",
	"ClusterConfiguration apiServer.certSANs",
	"ClusterConfiguration controllerManager.extraEnvs",
	"ClusterConfiguration scheduler.extraVolumes.pathType",
	"ClusterConfiguration dns.disabled",
	"ClusterConfiguration proxy.disabled",
	"ClusterConfiguration featureGates",
	"ClusterConfiguration caCertificateValidityPeriod",
	"JoinConfiguration discovery.bootstrapToken.unsafeSkipCAVerification",
	"JoinConfiguration discovery.file.kubeConfigPath",
	"JoinConfiguration discovery.tlsBootstrapToken",
	"JoinConfiguration controlPlane.certificateKey",
	"RoleConfiguration replaceNode",
	"RoleConfiguration policy.staticPods",
};

START_TEST(test_fields_of_kubeadm_are_known_by_name)
{
	_cleanup_(strv_done) struct strv words = STRV_INIT;

	strv_split(&words, known[_i], ' ');
	ck_assert_msg(find(words.items[0], words.items[1]).path != NULL, "%s is unknown",
		      known[_i]);
}
END_TEST

Suite *suite_explain(void)
{
	Suite *suite = suite_create("explain");
	TCase *tcase = tcase_create("explain");

	tcase_add_test(tcase, test_every_field_has_type_and_help);
	tcase_add_test(tcase, test_no_field_stands_twice);
	tcase_add_test(tcase, test_status_says_what_agentd_does);
	tcase_add_loop_test(tcase, test_fields_of_kubeadm_are_known_by_name, 0, ARRAY_SIZE(known));
	suite_add_tcase(suite, tcase);
	return suite;
}
