/* The table of RoleConfiguration (agentd.io/v1alpha1), and the list of all documents with what
 * sorts, decodes and refuses them; see schema.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/schema.h"
#include "common/alloc.h"
#include "common/names.h"

#define AGENTD_API     "agentd.io/v1alpha1"
#define KUBEADM_API    "kubeadm.k8s.io/v1beta4"
#define KUBELET_API    "kubelet.config.k8s.io/v1beta1"
#define KUBE_PROXY_API "kubeproxy.config.k8s.io/v1alpha1"
#define KUBEADM_GROUP  "kubeadm.k8s.io/"

/* In the order of enum role_kind. */
static const char *const roles[] = { "none", "control-plane", "worker", NULL };

/* clang-format off */
static const struct decode_row renewal_rows[] = {
	{ "atPercent", DECODE_INT, DECODE_FIELD(struct role_renewal, at_percent),
	  .minimum = 20, .maximum = 90, .standard = "66",
	  .help = "How much of its life has passed when a certificate is renewed" },
	{ "spreadPercent", DECODE_INT, DECODE_FIELD(struct role_renewal, spread_percent),
	  .minimum = 1, .maximum = 10, .standard = "5",
	  .help = "By how much of it, either way, the certificates' moments differ" },
	{},
};

const struct decode_row schema_role_rows[] = {
	{ "apiVersion", DECODE_NOTHING, .help = AGENTD_API },
	{ "kind", DECODE_NOTHING, .help = "RoleConfiguration" },
	{ "role", DECODE_ENUM, DECODE_FIELD(struct schema_role, role), .choices = roles,
	  .flags = SCHEMA_EVERY_ROLE,
	  .standard = "what kubeadm's documents beside it say",
	  .help = "What this host is: control-plane, worker or none" },
	{ "endpoint", DECODE_STRING, DECODE_FIELD(struct schema_role, endpoint),
	  .check = check_endpoint,
	  .help = "Worker: the control plane, host or host:port (6443)" },
	{ "token", DECODE_SECRET, DECODE_FIELD(struct schema_role, token), .check = check_token,
	  .help = "Worker: bootstrap token, id.secret" },
	{ "tokenFile", DECODE_STRING, DECODE_FIELD(struct schema_role, token_file),
	  .check = check_absolute_path, .help = "Worker: file with the bootstrap token" },
	{ "credential", DECODE_STRING, DECODE_FIELD(struct schema_role, credential),
	  .check = check_credential,
	  .help = "Worker: systemd credential with the bootstrap token" },
	{ "caCertHashes", DECODE_STRINGS, DECODE_FIELD(struct schema_role, ca_cert_hashes),
	  .check = check_pin, .help = "Worker: pins of the cluster's CA: sha256: and 64 hex digits" },
	{ "unsafeSkipCAVerification", DECODE_BOOL,
	  DECODE_FIELD(struct schema_role, unsafe_skip_ca_verification), .standard = "false",
	  .help = "Worker: trusts a cluster without a pin of its CA, by the token alone" },
	{ "replaceNode", DECODE_BOOL, DECODE_FIELD(struct schema_role, replace_node),
	  .standard = "false",
	  .help = "Worker: takes over a NotReady Node of this name that another host made" },
	{ "policy", DECODE_CUSTOM, DECODE_FIELD(struct schema_role, policy),
	  .rows = schema_policy_rows, .decode = schema_decode_policy,
	  .standard = "enforce", .flags = SCHEMA_EVERY_ROLE,
	  .help = "What agentd mends: enforce or observe for everything, or a map of classes" },
	{ "certificateRenewal", DECODE_MAP, DECODE_FIELD(struct schema_role, renewal),
	  .rows = renewal_rows, .flags = SCHEMA_CONTROL_PLANE,
	  .help = "Control plane: when certificates are renewed" },
	{},
};

const struct schema_document schema_documents[] = {
	[SCHEMA_ROLE] = { AGENTD_API, "RoleConfiguration", schema_role_rows,
			  .help = "What this host is" },
	[SCHEMA_INIT] = { KUBEADM_API, "InitConfiguration", schema_init_rows,
			  .help = "This node of a control plane" },
	[SCHEMA_CLUSTER] = { KUBEADM_API, "ClusterConfiguration", schema_cluster_rows,
			     .help = "The cluster" },
	[SCHEMA_JOIN] = { KUBEADM_API, "JoinConfiguration", schema_join_rows,
			  .help = "A node that joins a cluster" },
	[SCHEMA_KUBELET] = { KUBELET_API, "KubeletConfiguration",
			     .help = "Settings of the cluster's kubelets, as the kubelet takes them" },
	[SCHEMA_KUBE_PROXY] = { KUBE_PROXY_API, "KubeProxyConfiguration",
				.help = "Settings of kube-proxy, as kube-proxy takes them" },
	{ KUBEADM_API, "ResetConfiguration",
	  .refusal = "says how a host is reset, which is no role: a reset is asked for, and is not supported yet" },
	{ KUBEADM_API, "UpgradeConfiguration",
	  .refusal = "says how kubeadm upgrades, which is no role: upgrades are not supported yet" },
};
/* clang-format on */
const size_t schema_document_count = ARRAY_SIZE(schema_documents);

int schema_error(const struct schema_text *text, const struct value *at, struct error *err,
		 const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list args;

	va_start(args, format);
	message = xvasprintf(format, args);
	va_end(args);
	if (value_line(at) == 0)
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s: %s", text->name, message);
	return error_set(err, ERROR_CONFIG, -EINVAL, "%s:%u:%u: %s", text->name, value_line(at),
			 value_column(at), message);
}

static int refuse_kind(const struct schema_text *text, const struct value *kind, struct error *err)
{
	const char *names[ARRAY_SIZE(schema_documents)];
	const char *nearest;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		names[i] = schema_documents[i].kind;
	nearest = names_nearest(names, ARRAY_SIZE(names), value_string(kind));
	if (nearest)
		return schema_error(text, kind, err, "unknown kind \"%s\", did you mean \"%s\"?",
				    value_string(kind), nearest);
	return schema_error(text, kind, err,
			    "unknown kind \"%s\": a role has RoleConfiguration, "
			    "InitConfiguration, ClusterConfiguration, JoinConfiguration, "
			    "KubeletConfiguration, KubeProxyConfiguration",
			    value_string(kind));
}

static int refuse_version(const struct schema_text *text, const struct schema_document *document,
			  const struct value *version, struct error *err)
{
	const char *given = value_string(version);

	if (strncmp(given, KUBEADM_GROUP, strlen(KUBEADM_GROUP)) == 0 &&
	    strncmp(document->api_version, KUBEADM_GROUP, strlen(KUBEADM_GROUP)) == 0)
		return schema_error(text, version, err,
				    "apiVersion of %s must be %s, not %s: convert it with "
				    "\"kubeadm config migrate\"",
				    document->kind, document->api_version, given);
	return schema_error(text, version, err, "apiVersion of %s must be %s, not %s",
			    document->kind, document->api_version, given);
}

/* The place of a value in messages; a missing one is said to be at its document. */
static int required(const struct schema_text *text, const struct value *document, const char *key,
		    const struct value **ret, struct error *err)
{
	const struct value *value = value_get(document, key);

	if (!value_string(value))
		return schema_error(text, value ? value : document, err,
				    value ? "%s must be a string" : "document has no %s", key);
	*ret = value;
	return 0;
}

static int sort_one(const struct value *document, struct schema_text *text, struct error *err)
{
	const struct value *version = NULL, *kind = NULL;
	size_t i = 0;
	int r;

	if (value_type(document) != VALUE_MAP)
		return schema_error(text, document, err, "document must be a map, not %s",
				    value_type_name(value_type(document)));
	r = required(text, document, "apiVersion", &version, err);
	if (r < 0)
		return r;
	r = required(text, document, "kind", &kind, err);
	if (r < 0)
		return r;

	while (i < schema_document_count &&
	       strcmp(schema_documents[i].kind, value_string(kind)) != 0)
		i++;
	if (i == schema_document_count)
		return refuse_kind(text, kind, err);
	if (strcmp(schema_documents[i].api_version, value_string(version)) != 0)
		return refuse_version(text, &schema_documents[i], version, err);
	if (schema_documents[i].refusal)
		return schema_error(text, kind, err, "%s %s", schema_documents[i].kind,
				    schema_documents[i].refusal);
	if (text->documents[i])
		return schema_error(text, document, err, "a second %s; the first is in line %u",
				    schema_documents[i].kind, value_line(text->documents[i]));
	text->documents[i] = document;
	return 0;
}

int schema_sort(const struct value *list, const char *name, struct schema_text *ret,
		struct error *err)
{
	struct schema_text text = { .name = name };
	int r;

	VALUE_FOREACH(i, list) {
		r = sort_one(value_item(list, i), &text, err);
		if (r < 0)
			return r;
	}
	*ret = text;
	return 0;
}

int schema_decode(const struct schema_text *text, enum schema_kind kind, void *target,
		  struct error *err)
{
	const struct decode_options options = {
		.name = text->name,
		.root = schema_documents[kind].kind,
		.strict = true,
		.class = ERROR_CONFIG,
	};

	if (!text->documents[kind])
		return 0;
	return decode_map(schema_documents[kind].rows, text->documents[kind], &options, target,
			  err);
}

struct value *schema_new_document(enum schema_kind kind)
{
	struct value *document = value_new_map();

	document =
	    value_put(document, "apiVersion", value_new_string(schema_documents[kind].api_version));
	return value_put(document, "kind", value_new_string(schema_documents[kind].kind));
}
