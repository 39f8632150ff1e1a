/* What the rows of cluster objects say of what the caches hold: tokens, the Node, cluster-info, and
 * objects whose fields have a policy; and what they send to mend it. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/object.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define TOKENS	  "bootstrap-tokens"
#define TOKEN_ID  "q3ob5z"
#define SECRET	  KUBE_TOKEN_SECRET_PREFIX TOKEN_ID
#define INFO	  "configmap/kube-public/cluster-info"
#define KUBEADM	  "configmap/kube-system/kubeadm-config"
#define GET_NODES "clusterrole/kubeadm:get-nodes"
#define BINDING	  "clusterrolebinding/kubeadm:get-nodes"
#define RIGHTS	  "agentd-rights"
#define READY	  "node-ready"
#define LABELS	  "node-labels"
#define TAINTS	  "node-taints"
#define FORGET	  "bootstrap-token-forgotten"

static void control_plane(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	world_make("certificate-ca");
}

static void worker(void)
{
	world_init();
	world_set_role(WORLD_WORKER);
}

/* Tokens. */

static void token_made(void)
{
	ledger_set_note(world.ctx.ledger, TOKENS, TOKEN_ID, "1");
}
static void token_made_before_this_role(void)
{
	token_made();
	world.ctx.role->generation = 2;
}
static void token_made_and_deleted(void)
{
	token_made();
	world_set_object(TOKEN_SECRETS, SECRET, NULL);
}
static void two_tokens(void)
{
	world_set_role(WORLD_ROLE(
	    "control-plane") "---\napiVersion: kubeadm.k8s.io/v1beta4\n"
			     "kind: InitConfiguration\nbootstrapTokens: [{token: " WORLD_TOKEN
			     "}, {token: zzzzzz.7tq1m2zk9x0c4w8d}]\n"
			     "localAPIEndpoint: {advertiseAddress: " WORLD_ADDRESS "}\n");
	token_made();
}

/* The Node. */

#define NODE(uid, labels, taints, ready, message)                                               \
	"{'apiVersion':'v1','kind':'Node','metadata':{'name':'" WORLD_NODE "','uid':'" uid      \
	"','labels':{" labels "}},'spec':{" taints "},'status':{'conditions':[{'type':'Ready'," \
	"'status':'" ready "','message':'" message "'}]}}"
#define GOOD_LABELS "'" KUBE_LABEL_CONTROL_PLANE "':'','" KUBE_LABEL_NO_LB "':'','mine':'x'"

static void node_missing(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE, NULL);
}
static void node_ready(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE, NODE("u1", GOOD_LABELS, "", "True", ""));
}
static void node_not_ready(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE,
			 NODE("u1", "", "", "False", "cni plugin not initialized"));
}
static void node_without_status(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE, "{'metadata':{'name':'" WORLD_NODE "'}}");
}
static void label_edited(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE,
			 NODE("u1", "'" KUBE_LABEL_CONTROL_PLANE "':'no','" KUBE_LABEL_NO_LB "':''",
			      "", "True", ""));
}
static void tainted(void)
{
	node_ready();
	ledger_set_note(world.ctx.ledger, TAINTS, "uid", "u1");
}
static void tainted_and_made_again(void)
{
	tainted();
	world_set_object(KUBE_NODES, WORLD_NODE, NODE("u2", GOOD_LABELS, "", "True", ""));
}
static void server_lost(void)
{
	world_set_objects_error(ERROR_NETWORK, "connection refused");
}

/* The token of a worker. */

static void token_spent(void)
{
	world.ctx.role->join.token = secret_unref(world.ctx.role->join.token);
	world.ctx.role->join.tls_bootstrap_token =
	    secret_unref(world.ctx.role->join.tls_bootstrap_token);
}

/* Objects. */

/* An object as the row wants it. */
static struct value *wanted(const char *name)
{
	struct why why = { .text = "" };
	struct value *value = object_wanted(&world.ctx, world.ctx.role, world_row(name), &why);

	ck_assert_msg(value != NULL, "%s: %s", name, why.text);
	return value;
}
/* Puts it into the cache, with one field set. */
static void put(const char *row, const char *key, const char *text)
{
	const struct object *object = world_row(row)->data;
	struct value *value = wanted(row);

	if (key)
		value = value_put_at(value, value_new_string(text), "data", key);
	world_set_value(object->collection, object->name, value);
}

static void info_written(void)
{
	put(INFO, NULL, NULL);
}
static void info_missing(void)
{
	world_set_object(KUBE_PUBLIC_CONFIG_MAPS, KUBE_CLUSTER_INFO, NULL);
}
static void info_edited(void)
{
	put(INFO, "kubeconfig", "another cluster");
}
static void info_without_ca(void)
{
	info_written();
	world_remove(WORLD_PKI "ca.crt");
}
static void token_lives(void)
{
	WORLD_SET_TOKEN(.token = WORLD_TOKEN, .expiration = 3600);
}
static void info_unsigned(void)
{
	info_written();
	token_lives();
}
static void info_signed(void)
{
	token_lives();
	info_written();
}
static void kubeadm_config_written(void)
{
	put(KUBEADM, NULL, NULL);
}
static void kubeadm_config_edited(void)
{
	put(KUBEADM, "ClusterConfiguration", "kind: ClusterConfiguration # upgraded\n");
}
static void kubeadm_config_missing(void)
{
	world_set_object(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBEADM_CONFIG, NULL);
}
static void role_written(void)
{
	const struct object *object = world_row(GET_NODES)->data;

	world_set_value(object->collection, object->name, wanted(GET_NODES));
}
static void role_edited(void)
{
	world_set_object(KUBE_CLUSTER_ROLES, "kubeadm:get-nodes",
			 "{'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRole','metadata':"
			 "{'name':'kubeadm:get-nodes'},'rules':[{'apiGroups':[''],"
			 "'resources':['nodes'],'verbs':['list']}]}");
}
static void subject_added(void)
{
	world_set_object(
	    KUBE_CLUSTER_ROLE_BINDINGS, "kubeadm:get-nodes",
	    "{'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRoleBinding','metadata':{'name':"
	    "'kubeadm:get-nodes'},'roleRef':{'apiGroup':'" KUBE_RBAC "','kind':'ClusterRole',"
	    "'name':'kubeadm:get-nodes'},'subjects':[{'apiGroup':'" KUBE_RBAC "','kind':'User',"
	    "'name':'me'},{'apiGroup':'" KUBE_RBAC
	    "','kind':'Group','name':'" KUBE_GROUP_TOKEN_DEFAULT "'}]}");
}
static void subject_removed(void)
{
	world_set_object(
	    KUBE_CLUSTER_ROLE_BINDINGS, "kubeadm:get-nodes",
	    "{'apiVersion':'" KUBE_RBAC_V1 "','kind':'ClusterRoleBinding','metadata':{'name':"
	    "'kubeadm:get-nodes'},'roleRef':{'apiGroup':'" KUBE_RBAC "','kind':'ClusterRole',"
	    "'name':'kubeadm:get-nodes'},'subjects':[{'apiGroup':'" KUBE_RBAC "','kind':'User',"
	    "'name':'me'}]}");
}
static void rights_given(void)
{
	ledger_set_note(world.ctx.ledger, RIGHTS, "given", "yes");
}
static void rights_taken(void)
{
	rights_given();
	world_set_objects_error(ERROR_DENIED, "nodes is forbidden");
}
static void rights_and_no_server(void)
{
	rights_given();
	server_lost();
}
static void api_answers(void)
{
	world.ctx.api_answers = true;
}

/* clang-format off */
static const struct world_case control_plane_cases[] = {
	{ "token, not made",        NULL,                   TOKENS, DRIFTED, "bootstrap token " TOKEN_ID " has not been made yet" },
	{ "token, made",            token_made,             TOKENS, IN_SYNC, NULL },
	{ "token, deleted since",   token_made_and_deleted, TOKENS, IN_SYNC, NULL },
	{ "token, of a former role", token_made_before_this_role, TOKENS, DRIFTED, TOKEN_ID },
	{ "token, one of two",      two_tokens,             TOKENS, DRIFTED, "bootstrap token zzzzzz has not been made yet" },

	{ "node, not told",         NULL,                   READY, UNKNOWN, "the API server has not told yet" },
	{ "node, server lost",      server_lost,            READY, UNKNOWN, "connection refused" },
	{ "node, not registered",   node_missing,           READY, UNKNOWN, "has not registered node " WORLD_NODE },
	{ "node, ready",            node_ready,             READY, IN_SYNC, NULL },
	{ "node, not ready",        node_not_ready,         READY, UNKNOWN, "cni plugin not initialized" },
	{ "node, silent kubelet",   node_without_status,    READY, UNKNOWN, "the kubelet has not said why" },
	{ "labels, no node",        node_missing,           LABELS, UNKNOWN, "has not registered node" },
	{ "labels, none",           node_not_ready,         LABELS, DRIFTED, "metadata.labels" },
	{ "labels, edited",         label_edited,           LABELS, DRIFTED, KUBE_LABEL_CONTROL_PLANE },
	{ "labels, with others",    node_ready,             LABELS, IN_SYNC, NULL },
	{ "taints, new node",       node_ready,             TAINTS, DRIFTED, "has not been given its taints yet" },
	{ "taints, given; an admin's from then on", tainted, TAINTS, IN_SYNC, NULL },
	{ "taints, another node of the name", tainted_and_made_again, TAINTS, DRIFTED, "has not been given its taints yet" },

	{ "object, not told",       NULL,                   KUBEADM, UNKNOWN, "the API server has not told yet" },
	{ "object, missing",        kubeadm_config_missing, KUBEADM, DRIFTED, "kubeadm-config is missing in the cluster" },
	{ "object, written",        kubeadm_config_written, KUBEADM, IN_SYNC, NULL },
	{ "object, created once",   kubeadm_config_edited,  KUBEADM, IN_SYNC, NULL },
	{ "enforced, written",      role_written,           GET_NODES, IN_SYNC, NULL },
	{ "enforced, edited",       role_edited,            GET_NODES, DRIFTED, "rules" },
	{ "merged, one more",       subject_added,          BINDING, IN_SYNC, NULL },
	{ "merged, ours is gone",   subject_removed,        BINDING, DRIFTED, "subjects" },
	{ "info, missing",          info_missing,           INFO, DRIFTED, "cluster-info is missing in the cluster" },
	{ "info, written",          info_written,           INFO, IN_SYNC, NULL },
	{ "info, edited",           info_edited,            INFO, DRIFTED, "data.kubeconfig" },
	{ "info, token is new",     info_unsigned,          INFO, DRIFTED, KUBE_JWS_PREFIX TOKEN_ID },
	{ "info, signed",           info_signed,            INFO, IN_SYNC, NULL },
	{ "info, CA gone",          info_without_ca,        INFO, UNKNOWN, "ca.crt cannot be read" },

	{ "server, silent",         NULL,                   "apiserver", DRIFTED, "has not answered yet" },
	{ "server, refuses",        server_lost,            "apiserver", DRIFTED, "connection refused" },
	{ "server, answers",        api_answers,            "apiserver", IN_SYNC, NULL },
	{ "rights, none",           NULL,                   RIGHTS, DRIFTED, "agentd has no rights in the cluster yet" },
	{ "rights, given",          rights_given,           RIGHTS, IN_SYNC, NULL },
	{ "rights, taken",          rights_taken,           RIGHTS, DRIFTED, "nodes is forbidden" },
	{ "rights, server lost",    rights_and_no_server,   RIGHTS, IN_SYNC, NULL },
};

static const struct world_case worker_cases[] = {
	{ "token kept",             NULL,                   FORGET, DRIFTED, "has served and is still kept" },
	{ "token forgotten",        token_spent,            FORGET, IN_SYNC, NULL },
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

static bool is_signed(void)
{
	_cleanup_(value_unref) struct value *value = wanted(INFO);

	return value_at(value, "data", KUBE_JWS_PREFIX TOKEN_ID) != NULL;
}

START_TEST(test_cluster_info_is_signed_while_the_token_lives)
{
	ck_assert(!is_signed());
	token_lives();
	ck_assert(is_signed());
	WORLD_SET_TOKEN(.token = WORLD_TOKEN, .expiration = 1);
	ck_assert(is_signed());
	WORLD_SET_TOKEN(.token = WORLD_TOKEN, .expiration = -1);
	ck_assert(!is_signed());
	/* "never" is no date. */
	world_set_object(TOKEN_SECRETS, SECRET, "{'data':{'expiration':'bmV2ZXI='}}");
	ck_assert(!is_signed());
}
END_TEST

#define STORED                                                           \
	"{'apiVersion':'v1','kind':'Secret','metadata':{'name':'" SECRET \
	"','namespace':'" KUBE_SYSTEM "'}}"

START_TEST(test_a_token_is_made_once_for_each_generation_of_the_role)
{
	world_serve();
	canned_reply(world.canned, 201, STORED);
	canned_reply(world.canned, 200, STORED);
	world_make(TOKENS);
	ck_assert_uint_eq(canned_count(world.canned), 2);
	ck_assert_ptr_nonnull(strstr(canned_line(world.canned, 0), "POST " KUBE_SYSTEM_SECRETS));
	ck_assert_ptr_nonnull(
	    strstr(canned_line(world.canned, 1), "PATCH " KUBE_SYSTEM_SECRETS "/" SECRET));
	world_restart();
	world_expect(TOKENS, IN_SYNC, NULL);
	world.ctx.role->generation++;
	world_expect(TOKENS, DRIFTED, TOKEN_ID);
}
END_TEST

START_TEST(test_a_token_that_is_there_gets_what_the_role_says)
{
	world_serve();
	canned_reply(world.canned, 409,
		     "{'kind':'Status','apiVersion':'v1','code':409,'reason':'AlreadyExists',"
		     "'message':'secrets \\'" SECRET "\\' already exists'}");
	canned_reply(world.canned, 200, STORED);
	world_make(TOKENS);
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 1), "auth-extra-groups"));
}
END_TEST

START_TEST(test_a_token_that_could_not_be_made_is_not_noted_as_made)
{
	struct error err = ERROR_INIT;

	world_serve();
	canned_reply(world.canned, 403,
		     "{'kind':'Status','apiVersion':'v1','code':403,'reason':'Forbidden',"
		     "'message':'no'}");
	ck_assert_int_lt(world_apply(TOKENS, &err), 0);
	ck_assert_int_eq(err.class, ERROR_DENIED);
	world_expect(TOKENS, DRIFTED, TOKEN_ID);
}
END_TEST

START_TEST(test_taints_are_added_to_those_that_are_there)
{
	world_set_object(KUBE_NODES, WORLD_NODE,
			 NODE("u1", GOOD_LABELS,
			      "'taints':[{'key':'node.kubernetes.io/not-ready',"
			      "'effect':'NoSchedule'}]",
			      "True", ""));
	world_serve();
	canned_reply(world.canned, 200,
		     "{'apiVersion':'v1','kind':'Node','metadata':{'name':'" WORLD_NODE "'}}");
	world_make(TAINTS);
	ck_assert_str_eq(ledger_note(world.ctx.ledger, TAINTS, "uid"), "u1");
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 0), "'value':'u1'"));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 0), KUBE_LABEL_CONTROL_PLANE));
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 0), "node.kubernetes.io/not-ready"));
}
END_TEST

START_TEST(test_what_the_server_has_not_told_is_not_written_over)
{
	static const char *const rows[] = { LABELS, TAINTS, KUBEADM };
	struct error err = ERROR_INIT;

	world_serve();
	ck_assert_int_eq(world_apply(rows[_i], &err), -EAGAIN);
	ck_assert_uint_eq(canned_count(world.canned), 0);
}
END_TEST

START_TEST(test_the_token_is_forgotten_through_the_role)
{
	struct error err = ERROR_INIT;

	ck_assert_int_eq(world_apply(FORGET, &err), 0);
	ck_assert_uint_eq(world.forgotten, 1);
}
END_TEST

Suite *suite_resources_cluster(void)
{
	Suite *suite = suite_create("resources-cluster");
	TCase *control_plane_tests = tcase_create("control plane");
	TCase *worker_tests = tcase_create("worker");

	tcase_add_checked_fixture(control_plane_tests, control_plane, world_done);
	tcase_add_loop_test(control_plane_tests, test_verdicts_on_a_control_plane, 0,
			    ARRAY_SIZE(control_plane_cases));
	tcase_add_test(control_plane_tests, test_cluster_info_is_signed_while_the_token_lives);
	tcase_add_test(control_plane_tests,
		       test_a_token_is_made_once_for_each_generation_of_the_role);
	tcase_add_test(control_plane_tests, test_a_token_that_is_there_gets_what_the_role_says);
	tcase_add_test(control_plane_tests,
		       test_a_token_that_could_not_be_made_is_not_noted_as_made);
	tcase_add_test(control_plane_tests, test_taints_are_added_to_those_that_are_there);
	tcase_add_loop_test(control_plane_tests,
			    test_what_the_server_has_not_told_is_not_written_over, 0, 3);
	suite_add_tcase(suite, control_plane_tests);
	tcase_add_checked_fixture(worker_tests, worker, world_done);
	tcase_add_loop_test(worker_tests, test_verdicts_on_a_worker, 0, ARRAY_SIZE(worker_cases));
	tcase_add_test(worker_tests, test_the_token_is_forgotten_through_the_role);
	suite_add_tcase(suite, worker_tests);
	return suite;
}
