/* What goes with each minor version of Kubernetes, as the kubeadm of that minor has it: a table.
 * Beside the tags of images (cmd/kubeadm/app/constants) its columns are what differs between the
 * minors in the files and objects that kubeadm writes.
 *
 * Two differences are left out on purpose. kubeadm v1.34 gives the kubelet
 * --pod-infra-container-image, which a container runtime does not need and a kubelet of v1.35
 * refuses to start with. And up to v1.35 it makes the API server's kubelet client a member of
 * kubeadm:cluster-admins; agentd binds it to system:kubelet-api-admin in every version, as kubeadm
 * does from v1.36 on. */
#pragma once

#include <stdbool.h>

struct version {
	unsigned minor;
	const char *etcd, *coredns, *pause; /* image tags */
	const char *kubeadm_api;	    /* of the ClusterConfiguration in kubeadm-config */
	const char *proxy_mode;		    /* of kube-proxy, where nobody says one; "" = its own */
	bool flexvolume;      /* the controller manager has the folder of flexvolume plugins */
	bool etcd_before_3_6; /* an imageTag below 3.6.0 gets the arguments of such an etcd */
};

enum { VERSION_MINOR_MIN = 34, VERSION_MINOR_MAX = 37 };

/* The row of "v1.36.3"; that of the nearest minor where there is none. Never NULL. */
const struct version *version_of(const char *kubernetes_version);
/* 36 of "v1.36.3"; 0 if it is no version. */
unsigned version_minor(const char *kubernetes_version);
