/* The table of all certificates of a cluster: one row per certificate
 * (kubeadm cmd/kubeadm/app/phases/certs/certlist.go; kubeadm-behaviour.md, section 3). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/strv.h"
#include "pki/key.h"

/* What a SAN function may ask about the cluster and this node. Borrowed. */
struct profile_names {
	const char *node_name;
	const char *dns_domain;
	const char *advertise_address;
	const char *service_address;	    /* first address of the first service CIDR */
	const char *control_plane_endpoint; /* host only, or NULL */
	const struct strv *api_server_sans;
	const struct strv *etcd_server_sans;
	const struct strv *etcd_peer_sans;
};

struct profile {
	const char *name; /* kubeadm's name: "apiserver", "etcd-server" */
	/* Below certificatesDir, without .crt and .key: "etcd/server". NULL: it is in a kubeconfig,
	 * or it is agentd's own identity, which lies in the state directory. */
	const char *base_name;
	const char *ca;			/* the profile that signs it, NULL = self-signed CA */
	const char *common_name;	/* NULL = common_name_prefix and the node's name */
	const char *common_name_prefix; /* "system:node:"; NULL = the node's name alone */
	const char *organization;	/* NULL = none */
	unsigned usages;		/* CERT_* */
	/* Addresses in their canonical form, as cert_addresses() has them. */
	void (*sans)(const struct profile_names *names, struct strv *ret_dns,
		     struct strv *ret_addresses); /* NULL = none */
	bool in_kubeconfig; /* a client certificate embedded in a kubeconfig, not a file pair */
	bool etcd;	    /* only with a local etcd */
};

/* In the order in which a bring-up needs them: what the kubelet and etcd wait for comes first, then
 * the API server's, and a CA always stands before what it signs. Ends with {}. The rows named
 * "admin.conf" and so on are the kubeconfigs' client certificates. */
extern const struct profile profiles[];
const struct profile *profile_find(const char *name);
/* Its place in that order. */
unsigned profile_rank(const struct profile *profile);
/* The common name of a profile's certificate on a node. Caller frees. */
char *profile_common_name(const struct profile *profile, const char *node_name);
/* Whether an extra SAN is an IP address or a lower-case DNS name, perhaps after "*."; the SAN
 * functions leave out what is neither, as kubeadm does. */
bool profile_san_is_valid(const char *san);
