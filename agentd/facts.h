/* What rows found out and others need, read again from the files that hold it: no row reads another
 * row's memory, so that a restart anywhere loses nothing. */
#pragma once

#include "agentd/context.h"
#include "agentd/kube/etcd.h"
#include "discovery/kubeconfig.h"

/* The cluster that a worker found and trusts: server and CA, from the state directory. Returns 1,
 * or 0 while there is none. */
int facts_cluster(const struct context *ctx, struct kubeconfig *ret);
/* This host's machine-id, as the kubelet reports it; "" if it has none. */
void facts_machine_id(const struct context *ctx, char ret[static 33]);
/* The cgroup driver that the container runtime told; NULL while it is not known. Borrowed. */
const char *facts_cgroup_driver(const struct context *ctx);

/* Whether a node name is this host's name, lower-cased; then the kubelet needs no override. */
bool facts_is_hostname(const struct context *ctx, const char *node_name);

/* Whether something has been changed on this host for its role: then ports and files are ours, and
 * the role's fixed fields are fixed. */
bool facts_has_begun(const struct context *ctx);

/* The bootstrap token that a worker may use now: that of its tokenFile or credential, which may be
 * a newer one, else the role's. NULL where there is none. The caller unrefs. */
struct secret *facts_bootstrap_token(const struct context *ctx);

/* A client for the API server with this node's own identity, from the files that hold it: agentd's
 * certificate on a control plane, the kubelet's on a worker. NULL while there is none. */
struct kube *facts_node_client(const struct context *ctx);
/* A client for the etcd of this host, as its API server is one. NULL without its certificate. */
struct etcd *facts_etcd_client(const struct context *ctx);
/* A client with a system:masters certificate of one hour that is made here from the cluster's CA
 * and never leaves memory. NULL with err set if the CA cannot be used. Blocks for about a
 * millisecond. */
struct kube *facts_masters_client(const struct context *ctx, struct error *err);
