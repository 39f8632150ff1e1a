/* Configurations of kubelet and kube-proxy as kubeadm writes them: every field that Go marshals,
 * kubeadm's defaults, and over these what the user's document says. */
#pragma once

#include "agentd/role.h"
#include "common/error.h"
#include "common/value.h"

/* The KubeletConfiguration of ConfigMap kube-system/kubelet-config, keys sorted; the caller unrefs.
 * cgroup_driver: what the runtime says, NULL = "systemd"; resolv_conf: set where the document names
 * none, NULL = leave it out. A node's config.yaml differs in containerRuntimeEndpoint only, which
 * kubelet_config_for_node() puts in (consumes and returns). */
struct value *kubelet_config_make(const struct role *role, const char *cgroup_driver,
				  const char *resolv_conf);
struct value *kubelet_config_for_node(struct value *config, const char *cri_socket);
/* The KubeProxyConfiguration of ConfigMap kube-system/kube-proxy. */
struct value *kube_proxy_config_make(const struct role *role);
/* Whether a user's document has the types that the component expects; *ret_at gets the place of one
 * that has not. Messages read "authentication must be a map, not a string". */
int kubelet_config_check(const struct value *document, const struct value **ret_at,
			 struct error *err);
int kube_proxy_config_check(const struct value *document, const struct value **ret_at,
			    struct error *err);

/* What the two have in common. */
struct component {
	const char *base; /* YAML: what Go writes of an empty document, and kubeadm's defaults */
	/* Durations that the base does not show, and fields that Go leaves out when they are false
	 * or 0; paths with dots, the lists end with NULL. */
	const char *const *durations;
	const char *const *omitted;
	bool keeps_empty; /* "" and [] of the document stay */
};
/* The base; the caller adds defaults that depend on the role. */
struct value *component_base(const struct component *component);
/* The document over the base, sorted. Consumes base. */
struct value *component_merge(const struct component *component, struct value *base,
			      const struct value *document);
int component_check(const struct component *component, const struct value *document,
		    const struct value **ret_at, struct error *err);
