/* From decoded documents to a whole role: defaults, detected values, and the rules that need more
 * than one field; see schema.h. Where kubeadm has a rule, the verdict is kubeadm's. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/component.h"
#include "agentd/schema/detect.h"
#include "agentd/schema/schema.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "discovery/token.h"

enum {
	MAJOR = 1,
	MINOR_MIN = 34,
	MINOR_MAX = 37,
	API_PORT = 6443,
	NODE_MASK_IPV4 = 24,
	NODE_MASK_IPV6 = 64,
	NODE_MASK_DIFFERENCE_MAX = 16,
	HOST_MAX = 254,
};

#define CONTROL_PLANE_TAINT "node-role.kubernetes.io/control-plane"
#define NODE_TOKEN_GROUP    "system:bootstrappers:kubeadm:default-node-token"

/* Whether a text was left out; "" is the same, as in kubeadm. */
static bool is_unset(const char *text)
{
	return !text || !*text;
}

static void set_default(char **field, const char *text)
{
	if (!is_unset(*field))
		return;
	free(*field);
	*field = xstrdup(text);
}

static void replace(char **field, char *text)
{
	free(*field);
	*field = text;
}

/* "" becomes NULL, so that one question is enough everywhere else. */
static void unset_empty(char **field)
{
	if (is_unset(*field))
		replace(field, NULL);
}

static void lower_case(char *text)
{
	for (; text && *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* The value of the last argument of a name; "" if there is none. */
static const char *last_arg(const struct role_args *args, const char *name)
{
	for (size_t i = args->count; i > 0; i--)
		if (strcmp(args->items[i - 1].name, name) == 0)
			return args->items[i - 1].value;
	return "";
}

static void complete_args(struct role_args *args)
{
	for (size_t i = 0; i < args->count; i++)
		set_default(&args->items[i].value, "");
}

static void complete_component(struct role_component *component)
{
	complete_args(&component->extra_args);
	for (size_t i = 0; i < component->extra_volumes.count; i++)
		unset_empty(&component->extra_volumes.items[i].path_type);
}

/* Node registration. */

static void default_taints(struct role *role)
{
	struct role_taints *taints = &role->node.taints;

	for (size_t i = 0; i < taints->count; i++)
		unset_empty(&taints->items[i].value);
	if (taints->is_set || !role_is_control_plane(role))
		return;
	taints->items = NEW_ARRAY(struct role_taint, 1);
	taints->count = 1;
	taints->items[0] = (struct role_taint){ .key = xstrdup(CONTROL_PLANE_TAINT),
						.effect = xstrdup("NoSchedule") };
}

static int complete_node_name(const struct schema_text *text, const struct value *registration,
			      const struct role_host *host, struct role *role, struct error *err)
{
	const char *override = last_arg(&role->node.kubelet_extra_args, "hostname-override");
	const struct role *current = host->current;
	_cleanup_(strv_done) struct strv words = STRV_INIT;
	struct error cause = ERROR_INIT;

	lower_case(role->node.name);
	if (*override && !is_unset(role->node.name) && strcmp(override, role->node.name) != 0)
		return schema_error(text, value_get(registration, "kubeletExtraArgs"), err,
				    "nodeRegistration.kubeletExtraArgs: hostname-override=%s "
				    "contradicts nodeRegistration.name %s",
				    override, role->node.name);
	if (*override)
		set_default(&role->node.name, override);
	role->name_is_found = is_unset(role->node.name);
	if (role->name_is_found && current && current->kind == role->kind)
		set_default(&role->node.name, current->node.name);
	if (is_unset(role->node.name)) {
		strv_split(&words, host->hostname ? host->hostname : "", '\n');
		if (words.count == 0)
			return schema_error(text, registration, err,
					    "nodeRegistration.name: this host has no name; name "
					    "the node");
		set_default(&role->node.name, words.items[0]);
		lower_case(role->node.name);
	}
	if (check_node_name(role->node.name, &cause) < 0)
		return schema_error(text, registration, err, "nodeRegistration.name: \"%s\" %s",
				    role->node.name, cause.message);
	return 0;
}

static int complete_cri_socket(const struct schema_text *text, const struct value *registration,
			       const struct role_host *host, struct role *role, struct error *err)
{
	struct role_node_registration *node = &role->node;
	const struct role *current = host->current;
	struct error cause = ERROR_INIT;
	char *socket = NULL;

	if (!is_unset(node->cri_socket)) {
		if (*node->cri_socket == '/')
			replace(&node->cri_socket, xasprintf("unix://%s", node->cri_socket));
		return 0;
	}
	if (current && current->kind == role->kind) {
		set_default(&node->cri_socket, current->node.cri_socket);
		return 0;
	}
	if (detect_cri_socket(host, &socket, &cause) < 0)
		return schema_error(text, registration, err, "nodeRegistration.criSocket %s",
				    cause.message);
	replace(&node->cri_socket, socket);
	return 0;
}

static int complete_node(const struct schema_text *text, const struct value *document,
			 const struct role_host *host, struct role *role, struct error *err)
{
	const struct value *registration = value_get(document, "nodeRegistration");
	const struct value *ignored = value_get(registration, "ignorePreflightErrors");
	int r;

	if (!registration)
		registration = document;
	complete_args(&role->node.kubelet_extra_args);
	default_taints(role);
	if (role->node.ignore_preflight_errors.count > 1)
		STRV_FOREACH(name, &role->node.ignore_preflight_errors) {
			if (strcasecmp(name, "all") == 0)
				return schema_error(
				    text, ignored, err,
				    "nodeRegistration.ignorePreflightErrors: \"all\" stands alone, "
				    "without the names of single checks");
		}
	r = complete_node_name(text, registration, host, role, err);
	if (r < 0)
		return r;
	return complete_cri_socket(text, registration, host, role, err);
}

/* Bootstrap tokens of a control plane. */

/* Less than a second is no time: cut to 0 it would even mean "for ever". */
static int check_ttl(const struct schema_text *text, const struct value *item, struct error *err)
{
	const struct value *ttl = value_get(item, "ttl");
	int64_t ns = 0;

	if (value_string(ttl) && parse_duration(value_string(ttl), &ns) == 0 && ns > 0 &&
	    ns < (int64_t)NSEC_PER_SEC)
		return schema_error(text, ttl, err,
				    "bootstrapTokens: a ttl of %s is too short; 0s is for ever",
				    value_string(ttl));
	return 0;
}

static int complete_tokens(const struct schema_text *text, struct role *role, struct error *err)
{
	const struct value *list = value_get(text->documents[SCHEMA_INIT], "bootstrapTokens");
	struct role_tokens *tokens = &role->tokens;

	if (tokens->count == 0) {
		tokens->items = NEW_ARRAY(struct role_token, 1);
		tokens->count = 1;
		tokens->items[0].ttl_s = 24 * 3600;
	}
	for (size_t i = 0; i < tokens->count; i++) {
		struct role_token *item = &tokens->items[i];
		struct token token = { 0 };
		int r = check_ttl(text, value_item(list, i), err);

		if (r < 0)
			return r;
		if (!item->token || secret_length(item->token) == 0) {
			token_generate(&token);
			secret_unref(item->token);
			item->token = token_text(&token);
			token_done(&token);
		}
		unset_empty(&item->description);
		if (item->usages.count == 0) {
			strv_add(&item->usages, "signing");
			strv_add(&item->usages, "authentication");
		}
		/* kubeadm defaults groups first and then refuses them without the usage. */
		if (item->groups.count > 0 && !strv_contains(&item->usages, "authentication"))
			return schema_error(text, value_get(value_item(list, i), "groups"), err,
					    "bootstrapTokens[%zu].groups: groups need the usage "
					    "\"authentication\"",
					    i);
		if (item->groups.count == 0 && strv_contains(&item->usages, "authentication"))
			strv_add(&item->groups, NODE_TOKEN_GROUP);
		for (size_t j = 0; j < i; j++)
			if (strncmp(secret_bytes(tokens->items[j].token), secret_bytes(item->token),
				    6) == 0)
				return schema_error(text, value_item(list, i), err,
						    "bootstrapTokens[%zu].token has the id of "
						    "bootstrapTokens[%zu]",
						    i, j);
	}
	return 0;
}

/* The cluster. */

static void default_cluster(struct role_cluster *cluster)
{
	char **const optional[] = {
		&cluster->control_plane_endpoint, &cluster->pod_subnet,
		&cluster->etcd_image_repository,  &cluster->etcd_image_tag,
		&cluster->dns_image_repository,	  &cluster->dns_image_tag,
	};

	set_default(&cluster->cluster_name, "kubernetes");
	set_default(&cluster->certificates_dir, "/etc/kubernetes/pki");
	set_default(&cluster->image_repository, "registry.k8s.io");
	set_default(&cluster->service_subnet, "10.96.0.0/12");
	set_default(&cluster->dns_domain, "cluster.local");
	set_default(&cluster->etcd_data_dir, "/var/lib/etcd");
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		unset_empty(optional[i]);
	complete_component(&cluster->api_server);
	complete_component(&cluster->controller_manager);
	complete_component(&cluster->scheduler);
	complete_args(&cluster->etcd_extra_args);
	STRV_FOREACH(name, &cluster->api_server_sans)
		lower_case(name);
}

static int complete_version(const struct schema_text *text, const struct role_host *host,
			    struct role *role, struct error *err)
{
	const struct value *document = text->documents[SCHEMA_CLUSTER];
	const struct value *at = value_get(document, "kubernetesVersion");
	const struct role *current = host->current;
	char **version = &role->cluster.kubernetes_version;
	const char *detected = host->kubelet_version;
	unsigned major = 0, minor = 0, label_minor = 0;

	if (!at)
		at = document;
	if (is_unset(*version) || check_is_version_label(*version, &label_minor)) {
		if (role_is_control_plane(current))
			detected = current->cluster.kubernetes_version;
		if (!detected)
			return schema_error(text, at, err,
					    "kubernetesVersion: there is no kubelet on this host "
					    "whose version could be taken; install it, or name a "
					    "version such as v1.36.3");
		replace(version, xstrdup(detected));
	}
	if (!check_parse_version(*version, &major, &minor))
		return schema_error(text, at, err, "kubernetesVersion: \"%s\" is not a version",
				    *version);
	if (**version != 'v')
		replace(version, xasprintf("v%s", *version));
	if (label_minor && label_minor != minor)
		return schema_error(text, at, err,
				    "kubernetesVersion: this host has a kubelet of %s, and agentd "
				    "does not ask the network which version of 1.%u is the "
				    "newest: name it",
				    *version, label_minor);
	if (major != MAJOR || minor < MINOR_MIN || minor > MINOR_MAX)
		return schema_error(text, at, err,
				    "kubernetesVersion: %s is not supported, v%d.%d to v%d.%d are",
				    *version, MAJOR, MINOR_MIN, MAJOR, MINOR_MAX);
	return 0;
}

static int check_pod_mask(const struct schema_text *text, const struct value *at,
			  const struct role_cluster *cluster, const char *subnet, struct error *err)
{
	struct parse_cidr cidr;
	const char *argument, *mask;
	int64_t node_mask;

	if (parse_cidr(subnet, &cidr) < 0)
		return 0;
	argument = cidr.address.family == AF_INET ? "node-cidr-mask-size-ipv4"
						  : "node-cidr-mask-size-ipv6";
	mask = last_arg(&cluster->controller_manager.extra_args, argument);
	node_mask = cidr.address.family == AF_INET ? NODE_MASK_IPV4 : NODE_MASK_IPV6;
	if (*mask && parse_i64(mask, &node_mask) < 0)
		return schema_error(text, at, err,
				    "controllerManager.extraArgs: %s=%s is not a number", argument,
				    mask);
	if ((int64_t)cidr.prefix > node_mask)
		return schema_error(text, at, err,
				    "networking.podSubnet: %s is smaller than the /%d that each "
				    "node gets",
				    subnet, (int)node_mask);
	if (node_mask - cidr.prefix > NODE_MASK_DIFFERENCE_MAX)
		return schema_error(text, at, err,
				    "networking.podSubnet: %s is too large for nodes with a /%d: "
				    "the masks may differ by %d (set %s)",
				    subnet, (int)node_mask, NODE_MASK_DIFFERENCE_MAX, argument);
	return 0;
}

static int check_pod_masks(const struct schema_text *text, const struct role_cluster *cluster,
			   struct error *err)
{
	const struct value *at =
	    value_at(text->documents[SCHEMA_CLUSTER], "networking", "podSubnet");
	const char *allocate =
	    last_arg(&cluster->controller_manager.extra_args, "allocate-node-cidrs");
	_cleanup_(strv_done) struct strv subnets = STRV_INIT;
	int r;

	if (!cluster->pod_subnet || strcmp(allocate, "false") == 0)
		return 0;
	strv_split(&subnets, cluster->pod_subnet, ',');
	STRV_FOREACH(subnet, &subnets) {
		r = check_pod_mask(text, at, cluster, subnet, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_validity(const struct schema_text *text, const struct role_cluster *cluster,
			  struct error *err)
{
	const struct value *document = text->documents[SCHEMA_CLUSTER];

	if (cluster->certificate_validity_s <= 0)
		return schema_error(text, value_get(document, "certificateValidityPeriod"), err,
				    "certificateValidityPeriod: certificates would never be "
				    "valid");
	if (cluster->ca_certificate_validity_s <= 0)
		return schema_error(text, value_get(document, "caCertificateValidityPeriod"), err,
				    "caCertificateValidityPeriod: certificates would never be "
				    "valid");
	return 0;
}

/* Adds the port of this node's API server to an endpoint without one. */
static void complete_port(char **endpoint, uint16_t port)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);
	char host[HOST_MAX + 1];
	uint16_t given = 0;

	if (!*endpoint || parse_host_port(*endpoint, host, sizeof(host), &given) < 0 || given)
		return;
	format_host_port(host, port, &buf);
	replace(endpoint, buf_take(&buf));
}

static int complete_advertise_address(const struct schema_text *text, const struct role_host *host,
				      struct role *role, struct error *err)
{
	const struct value *document = text->documents[SCHEMA_INIT];
	const struct value *at = value_at(document, "localAPIEndpoint", "advertiseAddress");
	struct error cause = ERROR_INIT;
	char *address = NULL;
	int r;

	if (!at)
		at = document;
	role->address_is_found = detect_is_open(role->advertise_address);
	if (is_unset(role->advertise_address) && role_is_control_plane(host->current))
		set_default(&role->advertise_address, host->current->advertise_address);
	r = detect_advertise_address(role->advertise_address, host, &address, &cause);
	if (r < 0)
		return schema_error(text, at, err, "localAPIEndpoint.advertiseAddress %s",
				    cause.message);
	replace(&role->advertise_address, address);
	return 0;
}

static int check_components(const struct schema_text *text, struct error *err)
{
	const struct value *kubelet = text->documents[SCHEMA_KUBELET];
	const struct value *kube_proxy = text->documents[SCHEMA_KUBE_PROXY];
	const struct value *at = NULL;
	struct error cause = ERROR_INIT;

	if (kubelet_config_check(kubelet, &at, &cause) < 0 ||
	    kube_proxy_config_check(kube_proxy, &at, &cause) < 0)
		return schema_error(text, at, err, "%s", cause.message);
	return 0;
}

static int complete_control_plane(const struct schema_text *text, const struct role_host *host,
				  struct role *role, struct error *err)
{
	int r;

	if (role->bind_port == 0)
		role->bind_port = API_PORT;
	if (role->component_health_timeout_s <= 0)
		return schema_error(
		    text,
		    value_at(text->documents[SCHEMA_INIT], "timeouts",
			     "controlPlaneComponentHealthCheck"),
		    err, "timeouts.controlPlaneComponentHealthCheck is too short to start in");
	r = complete_advertise_address(text, host, role, err);
	if (r < 0)
		return r;
	r = complete_version(text, host, role, err);
	if (r < 0)
		return r;
	complete_port(&role->cluster.control_plane_endpoint, role->bind_port);
	r = check_pod_masks(text, &role->cluster, err);
	if (r < 0)
		return r;
	r = check_validity(text, &role->cluster, err);
	if (r < 0)
		return r;
	r = check_components(text, err);
	if (r < 0)
		return r;
	return complete_tokens(text, role, err);
}

/* A worker. */

/* Where it is said, or would be, which cluster a worker joins. */
static const struct value *discovery_place(const struct schema_text *text)
{
	const struct value *join = text->documents[SCHEMA_JOIN];
	const struct value *const places[] = {
		value_at(join, "discovery", "bootstrapToken"),
		value_get(join, "discovery"),
		text->documents[SCHEMA_ROLE],
		join,
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (value_type(places[i]) == VALUE_MAP)
			return places[i];
	return NULL;
}

static const char *no_cluster(const struct schema_text *text)
{
	const struct value *join = text->documents[SCHEMA_JOIN];

	if (value_at(join, "discovery", "bootstrapToken"))
		return "discovery.bootstrapToken.apiServerEndpoint is missing";
	if (!text->documents[SCHEMA_ROLE])
		return "discovery has neither bootstrapToken nor file: choose one";
	return join ? "role is worker, and neither endpoint nor discovery of the JoinConfiguration "
		      "says whose"
		    : "role is worker, and no endpoint says whose";
}

static int complete_discovery(const struct schema_text *text, struct role_join *join,
			      struct error *err)
{
	const struct value *place = discovery_place(text);

	if (join->file && join->endpoint)
		return schema_error(text, place, err,
				    "discovery has both bootstrapToken and file: choose one");
	if (!join->file && !join->endpoint)
		return schema_error(text, place, err, "%s", no_cluster(text));
	if (join->endpoint && !join->token)
		return schema_error(text, place, err,
				    text->documents[SCHEMA_ROLE]
					? "role is worker, and there is no token, tokenFile or "
					  "credential to join with"
					: "discovery.bootstrapToken has no token");
	if (join->endpoint && join->ca_cert_hashes.count == 0 && !join->unsafe_skip_ca_verification)
		return schema_error(text, place, err,
				    "no caCertHashes: without a pin of its CA any cluster that "
				    "knows the token would be trusted; name a pin, or set "
				    "unsafeSkipCAVerification");
	return 0;
}

static int complete_worker(const struct schema_text *text, struct role *role, struct error *err)
{
	struct role_join *join = &role->join;
	int r;

	if (join->file && strncmp(join->file, "file://", 7) == 0)
		replace(&join->file, xstrdup(join->file + 7));
	set_default(&join->ca_cert_path, "/etc/kubernetes/pki/ca.crt");
	if (join->token && secret_length(join->token) == 0)
		join->token = secret_unref(join->token);
	if (join->tls_bootstrap_token && secret_length(join->tls_bootstrap_token) == 0)
		join->tls_bootstrap_token = secret_unref(join->tls_bootstrap_token);
	complete_port(&join->endpoint, API_PORT);
	r = complete_discovery(text, join, err);
	if (r < 0)
		return r;
	if (!join->tls_bootstrap_token && join->token)
		join->tls_bootstrap_token = secret_ref(join->token);
	return 0;
}

int schema_complete(const struct schema_text *text, const struct role_host *host, struct role *role,
		    struct error *err)
{
	const struct value *document = text->documents[SCHEMA_ROLE];
	int r;

	default_cluster(&role->cluster);
	if (role->kind == ROLE_NONE)
		return 0;
	r = role->kind == ROLE_WORKER ? complete_worker(text, role, err)
				      : complete_control_plane(text, host, role, err);
	if (r < 0)
		return r;
	for (size_t i = SCHEMA_INIT; i <= SCHEMA_JOIN; i++)
		if (text->documents[i] && i != SCHEMA_CLUSTER)
			document = text->documents[i];
	return complete_node(text, document, host, role, err);
}
