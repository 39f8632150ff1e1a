/* What goes with each minor version of Kubernetes: a table
 * (kubeadm cmd/kubeadm/app/constants/constants.go of each minor). */
#pragma once

struct version {
	unsigned minor;
	const char *etcd, *coredns, *pause; /* image tags */
};

enum { VERSION_MINOR_MIN = 34, VERSION_MINOR_MAX = 37 };

/* The row of "v1.36.3"; that of the nearest minor where there is none. Never NULL. */
const struct version *version_of(const char *kubernetes_version);
/* 36 of "v1.36.3"; 0 if it is no version. */
unsigned version_minor(const char *kubernetes_version);
