/* The table of InitConfiguration (kubeadm.k8s.io/v1beta4); see schema.h. */
#include <errno.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/schema.h"
#include "common/alloc.h"

enum { TOKEN_TTL_S = 24 * 3600 };

static const char *const usages[] = { "signing", "authentication", NULL };

static void token_prepare(void *item)
{
	struct role_token *token = item;

	token->ttl_s = TOKEN_TTL_S;
}

static int refuse_expires(const struct decode_row *row, const struct value *value, void *field,
			  void *userdata, struct error *err)
{
	return error_set(err, ERROR_CONFIG, -EINVAL,
			 "is not supported: kubeadm refuses it beside ttl, which is always set; "
			 "use ttl");
}

/* clang-format off */
static const struct decode_row token_rows[] = {
	{ "token", DECODE_SECRET, DECODE_FIELD(struct role_token, token), .check = check_token,
	  .standard = "a random one", .help = "The token, id.secret" },
	{ "description", DECODE_STRING, DECODE_FIELD(struct role_token, description),
	  .help = "What it is for, for people" },
	{ "ttl", DECODE_SECONDS, DECODE_FIELD(struct role_token, ttl_s), .standard = "24h0m0s",
	  .flags = SCHEMA_ALWAYS, .help = "How long it is valid; 0s for ever" },
	{ "expires", DECODE_CUSTOM, .decode = refuse_expires, .flags = SCHEMA_REFUSED,
	  .help = "When it expires; kubeadm refuses it as well, since ttl is always set: use ttl" },
	{ "usages", DECODE_STRINGS, DECODE_FIELD(struct role_token, usages), .choices = usages,
	  .standard = "[signing, authentication]", .help = "What it may be used for" },
	{ "groups", DECODE_STRINGS, DECODE_FIELD(struct role_token, groups),
	  .check = check_token_group,
	  .standard = "[system:bootstrappers:kubeadm:default-node-token]",
	  .help = "Groups of who uses it" },
	{},
};

static const struct decode_row timeout_rows[] = {
	{ "controlPlaneComponentHealthCheck", DECODE_SECONDS,
	  DECODE_FIELD(struct role, component_health_timeout_s), .standard = "4m0s",
	  .help = "How long a control plane component may take to start before the kubelet restarts it" },
#define TIMEOUT(name, length, what) \
	{ name, DECODE_CUSTOM, .decode = schema_decode_timeout, .standard = length, \
	  .flags = SCHEMA_REFUSED, .help = what }
	TIMEOUT("kubeletHealthCheck", "4m0s", "How long kubeadm waits for the kubelet"),
	TIMEOUT("kubernetesAPICall", "1m0s", "How long kubeadm tries an API call"),
	TIMEOUT("etcdAPICall", "2m0s", "How long kubeadm tries a call of etcd"),
	TIMEOUT("tlsBootstrap", "5m0s", "How long kubeadm waits for the kubelet's certificate"),
	TIMEOUT("discovery", "5m0s", "How long kubeadm looks for the cluster"),
	TIMEOUT("upgradeManifests", "5m0s", "How long kubeadm waits for a changed static pod"),
	{},
};

const struct decode_row schema_init_rows[] = {
	{ "apiVersion", DECODE_NOTHING, .help = "kubeadm.k8s.io/v1beta4" },
	{ "kind", DECODE_NOTHING, .help = "InitConfiguration" },
	{ "nodeRegistration", DECODE_MAP, DECODE_FIELD(struct role, node), .rows = schema_node_rows,
	  .help = "How the node registers itself" },
	{ "localAPIEndpoint", DECODE_MAP, .rows = schema_endpoint_rows,
	  .help = "Where this node's API server listens" },
	{ "bootstrapTokens", DECODE_LIST, DECODE_ITEMS(struct role, tokens), .rows = token_rows,
	  .prepare = token_prepare, .standard = "one random token",
	  .help = "Tokens with which nodes join; made once when the role is accepted" },
	{ "timeouts", DECODE_MAP, .rows = timeout_rows, .help = "How long things are waited for" },
	{ "certificateKey", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED | DECODE_NOT_PRINTED,
	  .help = "Key with which uploaded certificates are encrypted" },
	{ "skipPhases", DECODE_STRINGS, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Phases of kubeadm that are left out" },
	{ "patches", DECODE_MAP, .rows = schema_patches_rows, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Patches of what is made" },
	{ "dryRun", DECODE_BOOL, .flags = DECODE_NOT_SUPPORTED, .standard = "false",
	  .help = "Changes nothing; agentctl plan shows what would be done" },
	{},
};
/* clang-format on */
