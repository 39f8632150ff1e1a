/* The table of JoinConfiguration (kubeadm.k8s.io/v1beta4); see schema.h. What it must say about the
 * cluster may stand in the flat fields of RoleConfiguration too, so that no row here requires it.
 */
#include <errno.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/schema.h"

static int refuse_control_plane(const struct decode_row *row, const struct value *value,
				void *field, void *userdata, struct error *err)
{
	return error_set(err, ERROR_CONFIG, -EINVAL,
			 "is not supported yet: joining a second control plane node comes later");
}

/* clang-format off */
static const struct decode_row token_rows[] = {
	{ "token", DECODE_SECRET, DECODE_FIELD(struct role, join.token), .check = check_token,
	  .help = "Token for reading cluster-info, id.secret" },
	{ "apiServerEndpoint", DECODE_STRING, DECODE_FIELD(struct role, join.endpoint),
	  .check = check_endpoint_port, .help = "host:port of the control plane" },
	{ "caCertHashes", DECODE_STRINGS, DECODE_FIELD(struct role, join.ca_cert_hashes),
	  .check = check_pin, .help = "Pins of the cluster's CA: sha256: and 64 hex digits" },
	{ "unsafeSkipCAVerification", DECODE_BOOL,
	  DECODE_FIELD(struct role, join.unsafe_skip_ca_verification), .standard = "false",
	  .help = "Trusts a cluster without a pin of its CA, by the token alone" },
	{},
};
static const struct decode_row file_rows[] = {
	{ "kubeConfigPath", DECODE_STRING, DECODE_FIELD(struct role, join.file),
	  .flags = DECODE_REQUIRED, .check = check_kubeconfig_path,
	  .help = "Path of the kubeconfig" },
	{},
};
static const struct decode_row discovery_rows[] = {
	{ "bootstrapToken", DECODE_MAP, .rows = token_rows,
	  .help = "Finds and trusts the cluster by a token and pins" },
	{ "file", DECODE_MAP, .rows = file_rows, .help = "Finds the cluster by a kubeconfig" },
	{ "tlsBootstrapToken", DECODE_SECRET, DECODE_FIELD(struct role, join.tls_bootstrap_token),
	  .check = check_token, .standard = "bootstrapToken.token",
	  .help = "Token for requesting the node's certificate" },
	{},
};
static const struct decode_row control_plane_rows[] = {
	{ "localAPIEndpoint", DECODE_MAP, .rows = schema_endpoint_rows,
	  .flags = DECODE_NOT_SUPPORTED, .help = "Where this node's API server listens" },
	{ "certificateKey", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED | DECODE_NOT_PRINTED,
	  .help = "Key with which uploaded certificates are decrypted" },
	{},
};

static const struct decode_row timeout_rows[] = {
#define TIMEOUT(name, length, what) \
	{ name, DECODE_CUSTOM, .decode = schema_decode_timeout, .standard = length, \
	  .flags = SCHEMA_REFUSED, .help = what }
	TIMEOUT("controlPlaneComponentHealthCheck", "4m0s",
		"How long kubeadm waits for a control plane component"),
	TIMEOUT("kubeletHealthCheck", "4m0s", "How long kubeadm waits for the kubelet"),
	TIMEOUT("kubernetesAPICall", "1m0s", "How long kubeadm tries an API call"),
	TIMEOUT("etcdAPICall", "2m0s", "How long kubeadm tries a call of etcd"),
	TIMEOUT("tlsBootstrap", "5m0s", "How long kubeadm waits for the kubelet's certificate"),
	TIMEOUT("discovery", "5m0s", "How long kubeadm looks for the cluster"),
	TIMEOUT("upgradeManifests", "5m0s", "How long kubeadm waits for a changed static pod"),
	{},
};

const struct decode_row schema_join_rows[] = {
	{ "apiVersion", DECODE_NOTHING, .help = "kubeadm.k8s.io/v1beta4" },
	{ "kind", DECODE_NOTHING, .help = "JoinConfiguration" },
	{ "nodeRegistration", DECODE_MAP, DECODE_FIELD(struct role, node), .rows = schema_node_rows,
	  .help = "How the node registers itself" },
	{ "discovery", DECODE_MAP, .rows = discovery_rows,
	  .help = "How the cluster is found: one of bootstrapToken and file" },
	{ "caCertPath", DECODE_STRING, DECODE_FIELD(struct role, join.ca_cert_path),
	  .flags = DECODE_FIXED, .check = check_ca_path, .standard = "/etc/kubernetes/pki/ca.crt",
	  .help = "Where the cluster's CA certificate is put" },
	{ "controlPlane", DECODE_CUSTOM, .rows = control_plane_rows, .decode = refuse_control_plane,
	  .flags = SCHEMA_REFUSED, .help = "Joins as a further control plane node" },
	{ "timeouts", DECODE_MAP, .rows = timeout_rows, .help = "How long things are waited for" },
	{ "skipPhases", DECODE_STRINGS, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Phases of kubeadm that are left out" },
	{ "patches", DECODE_MAP, .rows = schema_patches_rows, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Patches of what is made" },
	{ "dryRun", DECODE_BOOL, .flags = DECODE_NOT_SUPPORTED, .standard = "false",
	  .help = "Changes nothing; agentctl plan shows what would be done" },
	{},
};
/* clang-format on */
