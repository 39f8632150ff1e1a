/* Who gets a certificate: a table of requests, each of which differs in one thing from one that is
 * right, in a small cluster of one control plane and some workers. */
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/approval.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"
#include "common/json.h"
#include "pki/hmac.h"
#include "tests/unit/made-csr.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define W1     "O=system:nodes,CN=system:node:w1"
#define USER   KUBE_USER_TOKEN_PREFIX "aaaaaa"
#define CLIENT KUBE_SIGNER_CLIENT_KUBELET
#define SERVER KUBE_SIGNER_KUBELET_SERVING

/* A request, and what is not as usual about it. */
struct asked {
	const char *name; /* NULL = "r" */
	struct made_csr csr;
	const char *signer, *user, *groups, *usages;
	const char *state; /* a condition that it has already */
	int64_t age_s;
};

static struct {
	struct value *objects[16];
	size_t count;
	const struct value *nodes[8], *requests[8], *tokens[8];
	struct approval_world cluster;
} own;

static const struct value *keep(struct value *value)
{
	ck_assert_uint_lt(own.count, ARRAY_SIZE(own.objects));
	own.objects[own.count++] = value;
	return value;
}

static struct value *list_of(const char *text)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;
	struct value *list = value_new_list();

	strv_split(&parts, text, ',');
	STRV_FOREACH(part, &parts) {
		list = value_append(list, value_new_string(part));
	}
	return list;
}

static const struct value *request(const struct asked *asked)
{
	struct made_csr csr = asked->csr;
	_cleanup_(buf_done) struct buf encoded = BUF_INIT(64 * KIB);
	_cleanup_free_ char *pem = NULL;
	struct value *object = value_new_map();
	bool serves = asked->signer && strcmp(asked->signer, SERVER) == 0;
	char made[32];

	csr.subject = csr.subject ? csr.subject : W1;
	pem = made_csr(&csr);
	hmac_base64(pem, strlen(pem), &encoded);
	format_time(WORLD_NOW - asked->age_s, made);
	object = value_put_at(object, value_new_string(asked->name ? asked->name : "r"), "metadata",
			      "name");
	object = value_put_at(object, value_new_string(made), "metadata", "creationTimestamp");
	object = value_put_at(object, value_new_string(encoded.data), "spec", "request");
	object = value_put_at(object, value_new_string(asked->signer ? asked->signer : CLIENT),
			      "spec", "signerName");
	object = value_put_at(object,
			      value_new_string(asked->user ? asked->user
					       : serves	   ? "system:node:w1"
							   : USER),
			      "spec", "username");
	object = value_put_at(object,
			      list_of(asked->groups ? asked->groups
				      : serves	    ? "system:nodes,system:authenticated"
					       : "system:bootstrappers," KUBE_GROUP_TOKEN_NODE),
			      "spec", "groups");
	object = value_put_at(object,
			      list_of(asked->usages ? asked->usages
				      : serves	    ? "digital signature,server auth"
						    : "digital signature,client auth"),
			      "spec", "usages");
	if (asked->state)
		object = value_put_at(
		    object,
		    value_append(value_new_list(), value_put(value_new_map(), "type",
							     value_new_string(asked->state))),
		    "status", "conditions");
	return keep(object);
}

/* addresses: "Hostname=w1,InternalIP=10.0.0.1". */
static void add_node(const char *name, const char *ready, bool control_plane, const char *addresses)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;
	struct value *node = value_new_map(), *list = value_new_list(),
		     *condition = value_new_map();

	strv_split(&parts, addresses, ',');
	STRV_FOREACH(part, &parts) {
		_cleanup_free_ char *type = xstrndup(part, strcspn(part, "="));
		struct value *address = value_put(value_new_map(), "type", value_new_string(type));

		address = value_put(address, "address", value_new_string(strchr(part, '=') + 1));
		list = value_append(list, address);
	}
	condition = value_put(condition, "type", value_new_string("Ready"));
	condition = value_put(condition, "status", value_new_string(ready));
	node = value_put_at(node, value_new_string(name), "metadata", "name");
	if (control_plane)
		node = value_put_at(node, value_new_string(""), "metadata", "labels",
				    KUBE_LABEL_CONTROL_PLANE);
	node = value_put_at(node, list, "status", "addresses");
	node =
	    value_put_at(node, value_append(value_new_list(), condition), "status", "conditions");
	own.nodes[own.cluster.nodes.count++] = keep(node);
}

static void add_token(const char *text, int64_t ttl_s, const char *node, bool single_use,
		      const char *request)
{
	struct token_secret marks = { .node = (char *)node, .single_use = single_use };
	_cleanup_(secret_unref) struct secret *secret = secret_new(text, strlen(text));
	_cleanup_(token_done) struct token token = { 0 };
	struct role_token description = { .ttl_s = ttl_s };
	struct error err = ERROR_INIT;
	struct value *object;

	ck_assert_int_eq(token_parse(secret, &token, &err), 0);
	object = token_secret_value(&token, &description, &marks, WORLD_NOW - 60);
	if (request)
		object = value_put_at(object, value_new_string(request), "metadata", "annotations",
				      KUBE_ANNOTATION_REQUEST);
	own.tokens[own.cluster.tokens.count++] = keep(object);
}

static void setup(void)
{
	memset(&own, 0, sizeof(own));
	own.cluster = (struct approval_world){
		.own_node = "cp1",
		.nodes = { .items = own.nodes },
		.requests = { .items = own.requests },
		.tokens = { .items = own.tokens },
		.serving = APPROVAL_SERVING_ON,
		.service_subnet_count = 2,
		.dns_domain = "cluster.local",
		.now = WORLD_NOW,
	};
	strv_add(&own.cluster.reserved, "cp1");
	strv_add(&own.cluster.reserved, "10.0.0.9");
	strv_add(&own.cluster.reserved, "api.example.org");
	strv_add(&own.cluster.reserved, "fd00::9");
	ck_assert_int_eq(parse_cidr("10.96.0.0/12", &own.cluster.service_subnets[0]), 0);
	ck_assert_int_eq(parse_cidr("fd00:96::/108", &own.cluster.service_subnets[1]), 0);
	add_node("cp1", "True", true, "Hostname=cp1,InternalIP=10.0.0.9");
	add_node("gone", "Unknown", false, "Hostname=gone,InternalIP=10.0.0.3");
	add_node("w2", "True", false, "Hostname=w2,InternalIP=10.0.0.2");
	add_token("aaaaaa.7tq1m2zk9x0c4w8d", 3600, "w1", false, NULL);
	add_token("bbbbbb.7tq1m2zk9x0c4w8d", 3600, NULL, true, NULL);
	add_token("cccccc.7tq1m2zk9x0c4w8d", 30, "w1", false, NULL);
	add_token("dddddd.7tq1m2zk9x0c4w8d", 3600, NULL, false, NULL);
	add_token("eeeeee.7tq1m2zk9x0c4w8d", 3600, "w1", false, "former");
}

static void teardown(void)
{
	strv_done(&own.cluster.reserved);
	while (own.count > 0)
		value_unref(own.objects[--own.count]);
}

static void expect(const struct asked *asked, enum approval wanted, const char *reason)
{
	static const char *const names[] = { "ignore", "wait", "give", "refuse" };
	struct why why = { .text = "" };
	enum approval verdict;

	own.requests[own.cluster.requests.count++] = request(asked);
	verdict = approval_decide(own.requests[own.cluster.requests.count - 1], &own.cluster, &why);
	ck_assert_msg(verdict == wanted, "%s, not %s: %s", names[verdict], names[wanted], why.text);
	ck_assert_msg(!reason || strstr(why.text, reason), "\"%s\" has no \"%s\"", why.text,
		      reason);
	ck_assert((verdict == APPROVAL_IGNORE) == (why.text[0] == '\0'));
}

struct line {
	struct asked asked;
	enum approval verdict;
	const char *reason;
};

/* clang-format off */
#define BY(id)	 .user = KUBE_USER_TOKEN_PREFIX id
#define FOR(who) .csr = { .subject = "O=system:nodes,CN=system:node:" who }

static const struct line client[] = {
	{ { .name = NULL }, APPROVAL_GIVE, "node w1 joins with its token aaaaaa" },
	{ { .usages = "client auth,key encipherment,digital signature" }, APPROVAL_GIVE, NULL },
	{ { BY("bbbbbb"), FOR("w1") }, APPROVAL_GIVE, NULL },
	{ { BY("bbbbbb"), FOR("gone") }, APPROVAL_GIVE, "node gone joins" },

	/* Not ours to decide. */
	{ { .state = "Approved" }, APPROVAL_IGNORE, NULL },
	{ { .state = "Denied" }, APPROVAL_IGNORE, NULL },
	{ { .state = "Failed" }, APPROVAL_IGNORE, NULL },
	{ { .signer = "kubernetes.io/kube-apiserver-client" }, APPROVAL_IGNORE, NULL },
	{ { .signer = "" }, APPROVAL_IGNORE, NULL },
	{ { .user = "system:node:w1", .groups = "system:nodes" }, APPROVAL_IGNORE, NULL },
	{ { .user = "admin", .groups = KUBE_GROUP_TOKEN_NODE }, APPROVAL_IGNORE, NULL },
	{ { .groups = "system:bootstrappers," KUBE_GROUP_TOKEN_DEFAULT }, APPROVAL_IGNORE, NULL },

	/* The token. */
	{ { BY("zzzzzz") }, APPROVAL_WAIT, "token is not in the cluster" },
	{ { BY("zzzzzz"), .age_s = 100 }, APPROVAL_REFUSE, "token is not in the cluster" },
	{ { BY("zzzzzz"), .age_s = -100000 }, APPROVAL_REFUSE, "token is not in the cluster" },
	{ { BY("../x") , .age_s = 100 }, APPROVAL_REFUSE, "token is not in the cluster" },
	{ { BY("cccccc") }, APPROVAL_REFUSE, "token cccccc has expired" },
	{ { BY("dddddd") }, APPROVAL_REFUSE, "says for which node" },
	{ { BY("eeeeee") }, APPROVAL_REFUSE, "has been used by request former" },

	/* The name. */
	{ { FOR("w3") }, APPROVAL_REFUSE, "for node w1, not for w3" },
	{ { FOR("cp1") }, APPROVAL_REFUSE, "for node w1, not for cp1" },
	{ { BY("bbbbbb"), FOR("cp1") }, APPROVAL_REFUSE, "cp1 is a control plane" },
	{ { BY("bbbbbb"), FOR("w2") }, APPROVAL_REFUSE, "node w2 is in the cluster and Ready" },
	{ { FOR("W1") }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { FOR("w1/../cp1") }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { FOR("") }, APPROVAL_REFUSE, NULL },

	/* The form. */
	{ { .csr = { .subject = "CN=system:node:w1" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .subject = "O=system:masters,CN=system:node:w1" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .subject = "O=system:nodes,O=system:masters,CN=system:node:w1" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .subject = "O=system:nodes,+O=system:masters,CN=system:node:w1" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .subject = "O=system:nodes,CN=admin" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .names = "DNS:w1" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .names = "IP:10.0.0.1" } }, APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .csr = { .extension = "basicConstraints=CA:TRUE" } }, APPROVAL_REFUSE, "not names" },
	{ { .csr = { .damaged = true } }, APPROVAL_REFUSE, "not signed by its own key" },
	{ { .usages = "digital signature" }, APPROVAL_REFUSE, "usages" },
	{ { .usages = "client auth" }, APPROVAL_REFUSE, "usages" },
	{ { .usages = "digital signature,client auth,server auth" }, APPROVAL_REFUSE, "usages" },
	{ { .usages = "digital signature,client auth,client auth" }, APPROVAL_REFUSE, "usages" },
	{ { .usages = "digital signature,client auth,cert sign" }, APPROVAL_REFUSE, "usages" },
	{ { .usages = "digital signature,server auth" }, APPROVAL_REFUSE, "usages" },
};

#define NAMES(text) .signer = SERVER, .csr = { .names = text }
#define OF(who)	    .signer = SERVER, .user = "system:node:" who

static const struct line serving[] = {
	{ { NAMES("DNS:w1,IP:10.0.0.1") }, APPROVAL_GIVE, "node w1 serves" },
	{ { NAMES("DNS:W1.Example.Org") }, APPROVAL_GIVE, NULL },
	{ { NAMES("IP:fd00::1") }, APPROVAL_GIVE, NULL },
	{ { NAMES("IP:::ffff:10.0.0.1") }, APPROVAL_GIVE, NULL },
	{ { NAMES("DNS:w1"), .usages = "server auth,key encipherment,digital signature" }, APPROVAL_GIVE, NULL },
	{ { OF("cp1"), .csr = { .subject = "O=system:nodes,CN=system:node:cp1", .names = "DNS:cp1,IP:10.0.0.9" } },
	  APPROVAL_GIVE, "node cp1 serves" },

	/* Who asks. */
	{ { NAMES("DNS:w1"), .user = "system:node:w2" }, APPROVAL_REFUSE, "system:node:w2 asks for a certificate of system:node:w1" },
	{ { NAMES("DNS:w1"), .user = "admin", .groups = "system:masters" }, APPROVAL_REFUSE, "admin asks" },
	{ { NAMES("DNS:w1"), .user = USER }, APPROVAL_REFUSE, "asks for a certificate of" },
	{ { NAMES("DNS:w1"), .groups = "system:authenticated" }, APPROVAL_REFUSE, "asks for a certificate of" },
	{ { OF("new"), .csr = { .subject = "O=system:nodes,CN=system:node:new", .names = "DNS:new" } },
	  APPROVAL_WAIT, "Node is not in the cluster" },
	{ { OF("new"), .age_s = 61, .csr = { .subject = "O=system:nodes,CN=system:node:new", .names = "DNS:new" } },
	  APPROVAL_REFUSE, "Node is not in the cluster" },

	/* The form. */
	{ { .signer = SERVER }, APPROVAL_REFUSE, "no name or address" },
	{ { NAMES("DNS:w1"), .usages = "digital signature,client auth" }, APPROVAL_REFUSE, "usages" },
	{ { NAMES("DNS:w1"), .usages = "digital signature,server auth,client auth" }, APPROVAL_REFUSE, "usages" },
	{ { NAMES("DNS:w1,email:root@w1") }, APPROVAL_REFUSE, "neither DNS names nor addresses" },
	{ { .signer = SERVER, .csr = { .subject = "O=system:nodes,O=system:masters,CN=system:node:w1", .names = "DNS:w1" } },
	  APPROVAL_REFUSE, "does not ask for exactly" },
	{ { .signer = SERVER, .csr = { .names = "DNS:w1", .damaged = true } }, APPROVAL_REFUSE, "not signed by its own key" },

	/* Names that are not the node's. */
	{ { NAMES("DNS:w1,DNS:other") }, APPROVAL_WAIT, "does not report other" },
	{ { NAMES("DNS:w1,DNS:other"), .age_s = 61 }, APPROVAL_REFUSE, "does not report other" },
	{ { NAMES("IP:10.0.0.77"), .age_s = 61 }, APPROVAL_REFUSE, "does not report 10.0.0.77" },
	{ { NAMES("IP:10.0.0.2") , .age_s = 61 }, APPROVAL_REFUSE, "does not report 10.0.0.2" },
	{ { NAMES("DNS:*.example.org"), .age_s = 61 }, APPROVAL_REFUSE, "does not report" },
	{ { NAMES("DNS:kubernetes") }, APPROVAL_REFUSE, "a service's name" },
	{ { NAMES("DNS:kubernetes.default.svc") }, APPROVAL_REFUSE, "a service's name" },
	{ { NAMES("DNS:kubernetes.default.svc.cluster.local") }, APPROVAL_REFUSE, "a service's name" },
	{ { NAMES("DNS:localhost") }, APPROVAL_REFUSE, "a service's name" },
	{ { NAMES("IP:10.96.0.1") }, APPROVAL_REFUSE, "a service's address" },
	{ { NAMES("IP:10.111.255.255") }, APPROVAL_REFUSE, "a service's address" },
	{ { NAMES("IP:fd00:96::5") }, APPROVAL_REFUSE, "a service's address" },
	{ { NAMES("IP:127.0.0.1") }, APPROVAL_REFUSE, "no address of one host" },
	{ { NAMES("IP:::1") }, APPROVAL_REFUSE, "no address of one host" },
	{ { NAMES("IP:0.0.0.0") }, APPROVAL_REFUSE, "no address of one host" },
	{ { NAMES("IP:224.0.0.1") }, APPROVAL_REFUSE, "no address of one host" },
	{ { NAMES("IP:169.254.1.1") }, APPROVAL_REFUSE, "no address of one host" },
	{ { NAMES("IP:::ffff:127.0.0.1") }, APPROVAL_REFUSE, "no address of one host" },
	{ { NAMES("IP:::ffff:10.96.0.1") }, APPROVAL_REFUSE, "a service's address" },
};

/* What a node reports is its own word: these are refused although it does. */
static const struct line greedy[] = {
	{ { NAMES("DNS:w1") }, APPROVAL_GIVE, NULL },
	{ { NAMES("DNS:w2") }, APPROVAL_REFUSE, "w2 is node w2's" },
	{ { NAMES("DNS:GONE") }, APPROVAL_REFUSE, "node gone's" },
	{ { NAMES("IP:10.0.0.2") }, APPROVAL_REFUSE, "10.0.0.2 is node w2's" },
	{ { NAMES("DNS:cp1") }, APPROVAL_REFUSE, "cp1 is node cp1's" },
	{ { NAMES("IP:10.0.0.9") }, APPROVAL_REFUSE, "10.0.0.9 is node cp1's" },
	{ { NAMES("DNS:api.example.org") }, APPROVAL_REFUSE, "a control plane's" },
	{ { NAMES("IP:fd00:0:0::9") }, APPROVAL_REFUSE, "a control plane's" },
	{ { NAMES("IP:10.96.0.10") }, APPROVAL_REFUSE, "a service's address" },
	{ { NAMES("DNS:kubernetes.default.svc") }, APPROVAL_REFUSE, "a service's name" },
	{ { NAMES("IP:127.0.0.1") }, APPROVAL_REFUSE, "no address of one host" },
};
/* clang-format on */

START_TEST(test_tokens_for_one_node)
{
	expect(&client[_i].asked, client[_i].verdict, client[_i].reason);
}
END_TEST

START_TEST(test_serving_certificates)
{
	add_node("w1", "False", false,
		 "Hostname=w1,InternalDNS=w1.example.org,InternalIP=10.0.0.1,InternalIP=fd00::1");
	expect(&serving[_i].asked, serving[_i].verdict, serving[_i].reason);
}
END_TEST

START_TEST(test_a_node_that_reports_what_is_not_its_own)
{
	add_node("w1", "True", false,
		 "Hostname=w1,InternalDNS=w2,InternalDNS=gone,InternalIP=10.0.0.2,InternalDNS=cp1,"
		 "InternalIP=10.0.0.9,ExternalDNS=api.example.org,InternalIP=fd00::9,"
		 "InternalIP=10.96.0.10,ExternalDNS=kubernetes.default.svc,InternalIP=127.0.0.1");
	expect(&greedy[_i].asked, greedy[_i].verdict, greedy[_i].reason);
}
END_TEST

START_TEST(test_serving_is_decided_only_where_kubelets_ask_for_it)
{
	static const struct asked asked = { NAMES("DNS:w1") };

	add_node("w1", "True", false, "Hostname=w1");
	own.cluster.serving = APPROVAL_SERVING_OFF;
	expect(&asked, APPROVAL_IGNORE, NULL);
	own.cluster.serving = APPROVAL_SERVING_UNKNOWN;
	expect(&asked, APPROVAL_WAIT, "not known yet");
}
END_TEST

/* Others that are there, and whether a request for w1 is given then. */
static const struct {
	struct asked other;
	enum approval verdict;
	const char *reason;
} rivals[] = {
	/* clang-format off */
	/* The same key is the same host, which asks again. */
	{ { .name = "o", .state = "Denied" }, APPROVAL_GIVE, NULL },
	{ { .name = "o" }, APPROVAL_GIVE, NULL },
	/* The same token with another key, whatever became of it. */
	{ { .name = "o", .csr = { .key = 1 } }, APPROVAL_REFUSE, "another key already (request o)" },
	{ { .name = "o", .csr = { .key = 1 }, .state = "Denied" }, APPROVAL_REFUSE, "another key already" },
	{ { .name = "o", .csr = { .key = 1 }, .state = "Approved" }, APPROVAL_REFUSE, "another key already" },
	/* Another living token for the same name, while it is open. */
	{ { .name = "o", BY("bbbbbb"), .csr = { .key = 1 } }, APPROVAL_REFUSE, "another request for node w1 is open: o" },
	{ { .name = "o", BY("bbbbbb"), .csr = { .key = 1 }, .state = "Denied" }, APPROVAL_GIVE, NULL },
	{ { .name = "o", BY("bbbbbb"), .csr = { .key = 1, .subject = "O=system:nodes,CN=system:node:w3" } }, APPROVAL_GIVE, NULL },
	{ { .name = "o", BY("cccccc"), .csr = { .key = 1 } }, APPROVAL_GIVE, NULL },
	{ { .name = "o", BY("zzzzzz"), .csr = { .key = 1 } }, APPROVAL_GIVE, NULL },
	{ { .name = "o", .signer = SERVER, .user = "system:node:w1", .csr = { .key = 1, .names = "DNS:w1" } }, APPROVAL_GIVE, NULL },
	/* clang-format on */
};

START_TEST(test_one_token_has_one_key_and_one_name_one_request)
{
	static const struct asked asked = { .name = NULL };

	own.requests[own.cluster.requests.count++] = request(&rivals[_i].other);
	expect(&asked, rivals[_i].verdict, rivals[_i].reason);
}
END_TEST

START_TEST(test_a_token_that_is_marked_goes_on_with_its_own_request)
{
	static const struct asked former = { .name = "former", BY("eeeeee") };
	static const struct asked again = { .name = "again", BY("eeeeee") };

	expect(&former, APPROVAL_GIVE, NULL);
	/* The same host under another name of its request. */
	expect(&again, APPROVAL_GIVE, NULL);
}
END_TEST

Suite *suite_resources_approval(void)
{
	Suite *suite = suite_create("approval");
	TCase *cases = tcase_create("approval");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_loop_test(cases, test_tokens_for_one_node, 0, ARRAY_SIZE(client));
	tcase_add_loop_test(cases, test_serving_certificates, 0, ARRAY_SIZE(serving));
	tcase_add_loop_test(cases, test_a_node_that_reports_what_is_not_its_own, 0,
			    ARRAY_SIZE(greedy));
	tcase_add_test(cases, test_serving_is_decided_only_where_kubelets_ask_for_it);
	tcase_add_loop_test(cases, test_one_token_has_one_key_and_one_name_one_request, 0,
			    ARRAY_SIZE(rivals));
	tcase_add_test(cases, test_a_token_that_is_marked_goes_on_with_its_own_request);
	suite_add_tcase(suite, cases);
	return suite;
}
