/* The add-ons: kube-proxy, then CoreDNS. Their Deployment waits until kube-proxy is Ready on a
 * node: started earlier, CoreDNS runs into a connection time-out of 30 seconds, because its first
 * packet is tracked before kube-proxy's rules exist (kubeadm-behaviour.md, section 11). */
#include <string.h>

#include "agentd/manifests/static_pods.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/object.h"
#include "agentd/schema/component.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/http.h"
#include "common/parse.h"
#include "common/yaml.h"

#define CONFIG_HASH "kubeadm.kubernetes.io/component-config.hash"

/* What an administrator or `kubeadm upgrade` sets in these stays. */
static const struct policy once_policy[] = {
	{ "data", POLICY_ONCE, NULL },
	{ "spec", POLICY_ONCE, NULL },
	{ "metadata.annotations", POLICY_ONCE, NULL },
	{ 0 },
};
static const struct policy binding_policy[] = {
	{ "roleRef", POLICY_FIXED, NULL },
	{ "subjects", POLICY_MERGED, NULL },
	{ 0 },
};
/* The cluster address of a Service cannot be changed, and ports are the administrator's. */
static const struct policy service_policy[] = {
	{ "spec", POLICY_ONCE, NULL },
	{ "metadata.annotations", POLICY_ONCE, NULL },
	{ 0 },
};

static bool wants_proxy(const struct role *role)
{
	return !role->cluster.proxy_disabled;
}

static bool wants_dns(const struct role *role)
{
	return !role->cluster.dns_disabled;
}

static struct value *set_image(struct value *workload, struct value *image)
{
	const struct value *list = value_at(workload, "spec", "template", "spec", "containers");
	struct value *container = value_put(value_ref(value_item(list, 0)), "image", image);

	return value_put_at(workload, value_append(value_new_list(), container), "spec", "template",
			    "spec", "containers");
}

/* kube-proxy */

static struct value *fill_proxy_config(const struct context *ctx, const struct role *role,
				       struct value *base, struct why *why)
{
	_cleanup_(value_unref) struct value *config = kube_proxy_config_make(role);
	_cleanup_free_ char *server = role_cluster_server(role);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf all = BUF_INIT(FILES_CAP);
	char digest[FILE_DIGEST_SIZE];
	const char *kubeconfig;

	(void)ctx;
	(void)why;
	(void)yaml_write(config, &text);
	/* kubeadm's text has no end of line. */
	if (text.length > 0)
		text.data[--text.length] = '\0';
	base = value_put_at(base, value_new_string(text.data), "data", "config.conf");
	base = value_put_at(
	    base,
	    value_new_stringf("apiVersion: v1\n"
			      "kind: Config\n"
			      "clusters:\n"
			      "- cluster:\n"
			      "    certificate-authority: "
			      "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt\n"
			      "    server: %s\n"
			      "  name: default\n"
			      "contexts:\n"
			      "- context:\n"
			      "    cluster: default\n"
			      "    namespace: default\n"
			      "    user: default\n"
			      "  name: default\n"
			      "current-context: default\n"
			      "users:\n"
			      "- name: default\n"
			      "  user:\n"
			      "    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token",
			      server),
	    "data", "kubeconfig.conf");
	if (role->kube_proxy)
		return base;
	kubeconfig = value_string(value_at(base, "data", "kubeconfig.conf"));
	(void)buf_printf(&all, "%s%s", text.data, kubeconfig);
	file_digest(all.data, all.length, digest);
	return value_put_at(base, value_new_stringf("sha256:%s", digest), "metadata", "annotations",
			    CONFIG_HASH);
}

static struct value *fill_proxy(const struct context *ctx, const struct role *role,
				struct value *base, struct why *why)
{
	(void)ctx;
	(void)why;
	return set_image(base, static_pod_image(role, "kube-proxy"));
}

/* CoreDNS */

static struct value *fill_corefile(const struct context *ctx, const struct role *role,
				   struct value *base, struct why *why)
{
	const char *domain = role->cluster.dns_domain;

	(void)ctx;
	(void)why;
	return value_put_at(base,
			    value_new_stringf(".:53 {\n"
					      "    errors\n"
					      "    health {\n"
					      "       lameduck 5s\n"
					      "    }\n"
					      "    ready\n"
					      "    kubernetes %s in-addr.arpa ip6.arpa {\n"
					      "       pods insecure\n"
					      "       fallthrough in-addr.arpa ip6.arpa\n"
					      "       ttl 30\n"
					      "    }\n"
					      "    prometheus :9153\n"
					      "    forward . /etc/resolv.conf {\n"
					      "       max_concurrent 1000\n"
					      "    }\n"
					      "    cache 30 {\n"
					      "       disable success %s\n"
					      "       disable denial %s\n"
					      "    }\n"
					      "    loop\n"
					      "    reload\n"
					      "    loadbalance\n"
					      "}\n",
					      domain, domain, domain),
			    "data", "Corefile");
}

static struct value *fill_dns(const struct context *ctx, const struct role *role,
			      struct value *base, struct why *why)
{
	(void)ctx;
	(void)why;
	return set_image(base, static_pod_coredns_image(role));
}

static struct value *fill_dns_service(const struct context *ctx, const struct role *role,
				      struct value *base, struct why *why)
{
	_cleanup_(strv_done) struct strv subnets = STRV_INIT;
	struct parse_address address;
	struct parse_cidr cidr;
	char text[INET6_ADDRSTRLEN];

	(void)ctx;
	strv_split(&subnets, role->cluster.service_subnet, ',');
	if (subnets.count == 0 || parse_cidr(subnets.items[0], &cidr) < 0 ||
	    parse_cidr_nth(&cidr, 10, &address) < 0) {
		why_set(why, "serviceSubnet %s has no tenth address", role->cluster.service_subnet);
		value_unref(base);
		return NULL;
	}
	format_ip(&address, text);
	return value_put_at(base, value_new_string(text), "spec", "clusterIP");
}

/* kube-proxy runs somewhere, and here its rules are written: only until CoreDNS has been made. Its
 * pod is Ready as soon as its process runs, which is too early for others' first packets. */
static enum verdict proxy_ready_observe(struct context *ctx, const struct resource *row,
					struct why *why)
{
	const struct value *set = NULL;
	int64_t ready = 0;

	if (ledger_get(ctx->ledger, "deployment/kube-system/coredns") == LEDGER_APPLIED ||
	    ledger_note(ctx->ledger, row->name, "rules"))
		return IN_SYNC;
	if (objects_get(ctx->objects, KUBE_SYSTEM_DAEMON_SETS, KUBE_KUBE_PROXY, &set) !=
		OBJECT_FOUND ||
	    !value_to_int(value_at(set, "status", "numberReady"), &ready) || ready == 0) {
		why_set(why, "kube-proxy is not Ready on any node yet");
		return UNKNOWN;
	}
	why_set(why, "kube-proxy runs, its rules have not been seen yet");
	return DRIFTED;
}

struct waiting {
	struct http *http;
	unsigned tries;
};

static void waiting_free(void *state)
{
	struct waiting *waiting = state;

	http_free(waiting->http);
	free(waiting);
}

static struct op *proxy_rules_get(struct task *task, struct error *err)
{
	struct waiting *waiting = run_of(task)->state;

	if (!waiting) {
		waiting = NEW(struct waiting);
		waiting->http = http_new(task_loop(task), &(struct http_identity){ 0 });
		run_keep(task, waiting, waiting_free);
	}
	return http_send(waiting->http,
			 &(struct http_request){ .method = "GET",
						 .url = "http://127.0.0.1:10249/metrics",
						 .timeout_ms = 2000 },
			 err);
}

/* The metric is 0 until the first rules are written. A kube-proxy whose metrics are elsewhere is
 * not waited for longer than this. */
static int proxy_rules_seen(struct task *task, struct op *op, struct error *err)
{
	static const char metric[] = "\nkubeproxy_sync_proxy_rules_last_timestamp_seconds";
	const unsigned tries_max = 40;
	struct waiting *waiting = run_of(task)->state;
	const char *line = op_error(op) ? NULL : strstr(http_reply(op)->body.data, metric);
	const char *number = line ? strchr(line, ' ') : NULL;
	bool written = number && number[1] >= '1' && number[1] <= '9';

	(void)err;
	if (!written && ++waiting->tries < tries_max)
		return STAGE_AGAIN;
	ledger_set_note(ctx_of(task)->ledger, row_of(task)->name, "rules",
			written ? "seen" : "not seen");
	return STAGE_NEXT;
}

/* Where nodes join at the same moment, a replica of CoreDNS may land on one whose kube-proxy is a
 * second behind ours. */
static struct op *proxy_others_follow(struct task *task, struct error *err)
{
	const struct value *set = NULL;
	int64_t nodes = 0;

	(void)err;
	if (objects_get(ctx_of(task)->objects, KUBE_SYSTEM_DAEMON_SETS, KUBE_KUBE_PROXY, &set) !=
		OBJECT_FOUND ||
	    !value_to_int(value_at(set, "status", "desiredNumberScheduled"), &nodes) || nodes < 2)
		return NULL;
	return op_new_sleep(task_loop(task), 2 * NSEC_PER_SEC);
}

static const struct stage proxy_ready_apply[] = {
	{ "await its rules", proxy_rules_get, proxy_rules_seen, .again_ms = 250, .timeout_s = 120,
	  .may_fail = true },
	{ "let other nodes follow", proxy_others_follow, NULL },
	{ 0 },
};

/* clang-format off */
#define RBAC(of_kind, of_namespace, of_name, of_collection)                         \
	{ .collection = of_collection, .kind = of_kind, .namespace = of_namespace,  \
	  .name = of_name, .policy = binding_policy }

static const struct object proxy_account = RBAC("ServiceAccount", KUBE_SYSTEM, "kube-proxy", KUBE_SYSTEM_SERVICE_ACCOUNTS);
static const struct object proxy_binding = RBAC("ClusterRoleBinding", "", "kubeadm:node-proxier", KUBE_CLUSTER_ROLE_BINDINGS);
static const struct object proxy_role = RBAC("Role", KUBE_SYSTEM, "kube-proxy", KUBE_SYSTEM_ROLES);
static const struct object proxy_role_binding = RBAC("RoleBinding", KUBE_SYSTEM, "kube-proxy", KUBE_SYSTEM_ROLE_BINDINGS);
static const struct object proxy_config = {
	.collection = KUBE_SYSTEM_CONFIG_MAPS, .kind = "ConfigMap", .namespace = KUBE_SYSTEM,
	.name = KUBE_KUBE_PROXY, .policy = once_policy, .fill = fill_proxy_config,
};
static const struct object proxy = {
	.collection = KUBE_SYSTEM_DAEMON_SETS, .kind = "DaemonSet", .namespace = KUBE_SYSTEM,
	.name = KUBE_KUBE_PROXY, .policy = once_policy, .fill = fill_proxy,
};
static const struct object dns_account = RBAC("ServiceAccount", KUBE_SYSTEM, "coredns", KUBE_SYSTEM_SERVICE_ACCOUNTS);
static const struct object dns_role = RBAC("ClusterRole", "", "system:coredns", KUBE_CLUSTER_ROLES);
static const struct object dns_binding = RBAC("ClusterRoleBinding", "", "system:coredns", KUBE_CLUSTER_ROLE_BINDINGS);
static const struct object corefile = {
	.collection = KUBE_SYSTEM_CONFIG_MAPS, .kind = "ConfigMap", .namespace = KUBE_SYSTEM,
	.name = KUBE_COREDNS, .policy = once_policy, .fill = fill_corefile,
};
static const struct object dns = {
	.collection = KUBE_SYSTEM_DEPLOYMENTS, .kind = "Deployment", .namespace = KUBE_SYSTEM,
	.name = KUBE_COREDNS, .policy = once_policy, .fill = fill_dns,
};
static const struct object dns_service = {
	.collection = KUBE_SYSTEM_SERVICES, .kind = "Service", .namespace = KUBE_SYSTEM,
	.name = KUBE_KUBE_DNS, .policy = service_policy, .fill = fill_dns_service,
};

#define ADDON(id, description, is_wanted, ...)                                      \
	{ .name = id, .title = "cluster object " id, .roles = FOR_CONTROL_PLANE,    \
	  .class = CLASS_ADDONS, .data = description, .wanted = is_wanted, .needs = { __VA_ARGS__ },       \
	  .triggers = { ON_LIST(object_triggers) },                                 \
	  .observe = object_observe, .apply = object_apply }
#define PROXY(id, description, ...) ADDON(id, description, wants_proxy, __VA_ARGS__)
#define DNS(id, description, ...)   ADDON(id, description, wants_dns, __VA_ARGS__)

const struct resource addon_rows[] = {
	PROXY("serviceaccount/kube-system/kube-proxy", &proxy_account, "apiserver"),
	PROXY("clusterrolebinding/kubeadm:node-proxier", &proxy_binding, "apiserver"),
	PROXY("configmap/kube-system/kube-proxy", &proxy_config, "apiserver"),
	PROXY("role/kube-system/kube-proxy", &proxy_role, "apiserver"),
	PROXY("rolebinding/kube-system/kube-proxy", &proxy_role_binding, "role/kube-system/kube-proxy"),
	PROXY("daemonset/kube-system/kube-proxy", &proxy, "configmap/kube-system/kube-proxy",
	      "serviceaccount/kube-system/kube-proxy"),
	{ .name = "kube-proxy-ready", .title = "kube-proxy is Ready on a node",
	  .roles = FOR_CONTROL_PLANE, .wanted = wants_proxy,
	  .needs = { "daemonset/kube-system/kube-proxy" },
	  .triggers = { ON_OBJECT(KUBE_SYSTEM_DAEMON_SETS, KUBE_KUBE_PROXY) },
	  .observe = proxy_ready_observe, .apply = proxy_ready_apply },
	DNS("configmap/kube-system/coredns", &corefile, "apiserver"),
	DNS("clusterrole/system:coredns", &dns_role, "apiserver"),
	DNS("clusterrolebinding/system:coredns", &dns_binding, "clusterrole/system:coredns"),
	DNS("serviceaccount/kube-system/coredns", &dns_account, "apiserver"),
	DNS("service/kube-system/kube-dns", &dns_service, "apiserver"),
	DNS("deployment/kube-system/coredns", &dns, "configmap/kube-system/coredns",
	    "serviceaccount/kube-system/coredns", "kube-proxy-ready"),
	{ 0 },
};
/* clang-format on */
