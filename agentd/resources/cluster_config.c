/* What the cluster keeps about itself: kubeadm-config, kubelet-config, cluster-info, and the rights
 * of joining nodes to read them and to get their certificates (kubeadm-behaviour.md, sections 8 and
 * 10). */
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/object.h"
#include "agentd/resources/token_secret.h"
#include "agentd/schema/component.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/yaml.h"
#include "discovery/jws.h"
#include "discovery/kubeconfig.h"

#define CONFIG_HASH "kubeadm.kubernetes.io/component-config.hash"

/* Written once, then the administrator's and `kubeadm upgrade`'s. */
static const struct policy config_policy[] = {
	{ "data", POLICY_ONCE, NULL },
	{ "metadata.annotations", POLICY_ONCE, NULL },
	{ 0 },
};
static const struct policy binding_policy[] = {
	{ "roleRef", POLICY_FIXED, NULL },
	{ "subjects", POLICY_MERGED, NULL },
	{ 0 },
};

static struct value *set_text(struct value *map, const char *key, const struct value *document)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);

	(void)yaml_write(document, &text);
	return value_put_at(map, value_new_string(text.data), "data", key);
}

static struct value *fill_kubeadm_config(const struct context *ctx, const struct role *role,
					 struct value *base, struct why *why)
{
	_cleanup_(value_unref) struct value *document = role_cluster_document(role);

	(void)ctx;
	(void)why;
	return set_text(base, "ClusterConfiguration", document);
}

static struct value *fill_kubelet_config(const struct context *ctx, const struct role *role,
					 struct value *base, struct why *why)
{
	_cleanup_(value_unref) struct value *config = NULL;
	const char *driver = facts_cgroup_driver(ctx);
	char digest[FILE_DIGEST_SIZE];
	const char *text;

	if (!driver) {
		why_set(why, "the container runtime's cgroup driver is not known yet");
		value_unref(base);
		return NULL;
	}
	config = kubelet_config_make(role, driver, NULL);
	base = set_text(base, "kubelet", config);
	if (role->kubelet)
		return base;
	/* The mark of a generated configuration, which `kubeadm upgrade` may make anew. */
	text = value_string(value_at(base, "data", "kubelet"));
	file_digest(text, strlen(text), digest);
	return value_put_at(base, value_new_stringf("sha256:%s", digest), "metadata", "annotations",
			    CONFIG_HASH);
}

/* cluster-info is signed at once, for every token that lives in the cluster, whoever made it: the
 * controller would write the same bytes, only later. */
static struct value *sign(const struct context *ctx, struct value *base)
{
	const char *text = value_string(value_at(base, "data", "kubeconfig"));

	for (int i = 0; i < objects_count(ctx->objects, TOKEN_SECRETS); i++) {
		_cleanup_(token_secret_done) struct token_secret token = { 0 };
		_cleanup_(buf_done) struct buf signature = BUF_INIT(FILES_CAP);
		_cleanup_free_ char *key = NULL;
		struct error err = ERROR_INIT;

		if (!token_secret_read(objects_item(ctx->objects, TOKEN_SECRETS, i), &token) ||
		    !token_secret_signs(&token) || !token_secret_is_live(&token, ctx->now) ||
		    jws_sign(&token.token, text, strlen(text), &signature, &err) < 0)
			continue;
		key = xasprintf(KUBE_JWS_PREFIX "%s", token.token.id);
		base = value_put_at(base, value_new_string(signature.data), "data", key);
	}
	return base;
}

static struct value *fill_cluster_info(const struct context *ctx, const struct role *role,
				       struct value *base, struct why *why)
{
	_cleanup_free_ char *path = files_pki(ctx, "ca.crt");
	_cleanup_free_ char *server = role_cluster_server(role);
	_cleanup_(buf_done) struct buf ca = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);

	if (!files_load(path, &ca)) {
		why_set(why, "%s cannot be read", path);
		value_unref(base);
		return NULL;
	}
	(void)kubeconfig_write_cluster_info(server, ca.data, &text);
	base = value_put_at(base, value_new_string(text.data), "data", "kubeconfig");
	return sign(ctx, base);
}

/* clang-format off */
static const struct object kubeadm_config = {
	.collection = KUBE_SYSTEM_CONFIG_MAPS, .kind = "ConfigMap", .namespace = KUBE_SYSTEM,
	.name = KUBE_KUBEADM_CONFIG, .plain = true, .policy = config_policy, .fill = fill_kubeadm_config,
};
static const struct object kubelet_config = {
	.collection = KUBE_SYSTEM_CONFIG_MAPS, .kind = "ConfigMap", .namespace = KUBE_SYSTEM,
	.name = KUBE_KUBELET_CONFIG, .plain = true, .policy = config_policy, .fill = fill_kubelet_config,
};
static const struct object cluster_info = {
	.collection = KUBE_PUBLIC_CONFIG_MAPS, .kind = "ConfigMap", .namespace = KUBE_PUBLIC,
	.name = KUBE_CLUSTER_INFO, .plain = true, .fill = fill_cluster_info,
};

#define RBAC(of_kind, of_namespace, of_name, of_collection)                         \
	{ .collection = of_collection, .kind = of_kind, .namespace = of_namespace,  \
	  .name = of_name, .policy = binding_policy }

static const struct object rbac[] = {
	RBAC("Role", KUBE_SYSTEM, "kubeadm:nodes-kubeadm-config", KUBE_SYSTEM_ROLES),
	RBAC("RoleBinding", KUBE_SYSTEM, "kubeadm:nodes-kubeadm-config", KUBE_SYSTEM_ROLE_BINDINGS),
	RBAC("Role", KUBE_SYSTEM, "kubeadm:kubelet-config", KUBE_SYSTEM_ROLES),
	RBAC("RoleBinding", KUBE_SYSTEM, "kubeadm:kubelet-config", KUBE_SYSTEM_ROLE_BINDINGS),
	RBAC("ClusterRole", "", "kubeadm:get-nodes", KUBE_CLUSTER_ROLES),
	RBAC("ClusterRoleBinding", "", "kubeadm:get-nodes", KUBE_CLUSTER_ROLE_BINDINGS),
	RBAC("ClusterRoleBinding", "", "kubeadm:kubelet-bootstrap", KUBE_CLUSTER_ROLE_BINDINGS),
	RBAC("ClusterRoleBinding", "", "agentd:node-bootstrapper", KUBE_CLUSTER_ROLE_BINDINGS),
	RBAC("ClusterRoleBinding", "", "kubeadm:node-autoapprove-certificate-rotation", KUBE_CLUSTER_ROLE_BINDINGS),
	RBAC("ClusterRoleBinding", "", "kubeadm:apiserver-kubelet-client", KUBE_CLUSTER_ROLE_BINDINGS),
	RBAC("Role", KUBE_PUBLIC, "kubeadm:bootstrap-signer-clusterinfo", KUBE_PUBLIC_ROLES),
	RBAC("ClusterRoleBinding", "", "agentd:get-nodes", KUBE_CLUSTER_ROLE_BINDINGS),
};

/* Binding a role that is not there yet is denied to who may not bind everything. */
#define RIGHT(index, id, ...) OBJECT(id, &rbac[index], "apiserver", ##__VA_ARGS__)

const struct resource cluster_config_rows[] = {
	RIGHT(4, "clusterrole/kubeadm:get-nodes"),
	RIGHT(5, "clusterrolebinding/kubeadm:get-nodes", "clusterrole/kubeadm:get-nodes"),
	RIGHT(6, "clusterrolebinding/kubeadm:kubelet-bootstrap"),
	RIGHT(7, "clusterrolebinding/agentd:node-bootstrapper"),
	RIGHT(8, "clusterrolebinding/kubeadm:node-autoapprove-certificate-rotation"),
	RIGHT(9, "clusterrolebinding/kubeadm:apiserver-kubelet-client"),
	RIGHT(10, "role/kube-public/kubeadm:bootstrap-signer-clusterinfo"),
	RIGHT(11, "clusterrolebinding/agentd:get-nodes", "clusterrole/kubeadm:get-nodes"),
	RIGHT(0, "role/kube-system/kubeadm:nodes-kubeadm-config"),
	RIGHT(1, "rolebinding/kube-system/kubeadm:nodes-kubeadm-config", "role/kube-system/kubeadm:nodes-kubeadm-config"),
	RIGHT(2, "role/kube-system/kubeadm:kubelet-config"),
	RIGHT(3, "rolebinding/kube-system/kubeadm:kubelet-config", "role/kube-system/kubeadm:kubelet-config"),
	OBJECT("configmap/kube-system/kubeadm-config", &kubeadm_config, "apiserver"),
	OBJECT("configmap/kube-system/kubelet-config", &kubelet_config, "apiserver"),
	{ 0 },
};
/* clang-format on */

/* The tokens' Secrets decide which signatures it carries. */
static void tokens_of_info(struct context *ctx, const struct resource *row,
			   struct trigger_list *ret)
{
	(void)ctx;
	(void)row;
	strv_add(&ret->objects, TOKEN_SECRETS);
}

/* clang-format off */
const struct resource cluster_info_rows[] = {
	{ .name = "configmap/kube-public/cluster-info",
	  .title = "what a joining node reads first, signed for every token that lives",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_CLUSTER_OBJECTS, .data = &cluster_info,
	  .needs = { "apiserver", "bootstrap-tokens" },
	  .triggers = { ON_LIST(object_triggers), READS_LIST(tokens_of_info) },
	  .observe = object_observe, .apply = object_apply },
	{ 0 },
};
/* clang-format on */
