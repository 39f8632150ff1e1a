/* The static pods of a control plane, as kubeadm renders them
 * (kubeadm cmd/kubeadm/app/phases/controlplane, .../etcd; kubeadm-behaviour.md, section 5). */
#pragma once

#include "agentd/role.h"
#include "common/strv.h"
#include "common/value.h"

enum static_pod { POD_ETCD, POD_API_SERVER, POD_CONTROLLER_MANAGER, POD_SCHEDULER, _POD_MAX };

/* "etcd", "kube-apiserver", ...: name of pod, container, image and file. */
const char *static_pod_name(enum static_pod pod);
/* The pod. ca_directories: those of static_pod_ca_directories() that this host has. */
struct value *static_pod_render(enum static_pod pod, const struct role *role,
				const struct strv *ca_directories);
/* By which URLs other members reach this one's etcd, joined by commas. The caller frees. */
char *static_pod_etcd_peer_urls(const struct role *role);
/* Directories with trusted CA certificates that API server and controller manager mount, if the
 * host (its files lying below root) has them. */
void static_pod_ca_directories(const char *root, struct strv *ret);

/* "registry.k8s.io/kube-proxy:v1.36.3": the image of a component of the cluster's own version. */
struct value *static_pod_image(const struct role *role, const char *component);
/* "registry.k8s.io/coredns/coredns:v1.14.2", with dns.imageRepository and imageTag. */
struct value *static_pod_coredns_image(const struct role *role);
