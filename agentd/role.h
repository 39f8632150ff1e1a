/* The role: what this host is told to be. Documents go in, one immutable counted snapshot with a
 * generation comes out. Field names are those of kubeadm v1beta4; defaults are filled in, detected
 * values (node name, address, CRI socket, version) are resolved once, when a role is accepted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/parse.h"
#include "common/secret.h"
#include "common/strv.h"
#include "common/value.h"
#include "pki/key.h"

enum role_kind { ROLE_NONE, ROLE_CONTROL_PLANE, ROLE_WORKER };
const char *role_kind_name(enum role_kind kind); /* "none", "control-plane", "worker" */

/* Classes of resources, by which a role says what agentd may change. */
enum resource_class {
	CLASS_NONE, /* only looks, or writes agentd's own state: no policy is about it */
	CLASS_CERTIFICATES,
	CLASS_KUBECONFIGS,
	CLASS_STATIC_PODS,
	CLASS_KUBELET,
	CLASS_CLUSTER_OBJECTS,
	CLASS_ADDONS,
	CLASS_NODE,
	CLASS_TOKENS,
	_CLASS_MAX,
};
const char *resource_class_name(enum resource_class class); /* "certificates", "staticPods", ... */

/* RoleConfiguration.policy: enforced is repaired, observed is looked at and reported only. */
struct role_policy {
	bool observed[_CLASS_MAX]; /* never of CLASS_NONE */
};

struct role_arg {
	char *name, *value;
};
struct role_args {
	struct role_arg *items;
	size_t count;
};
struct role_mount {
	char *name, *host_path, *mount_path, *path_type; /* path_type may be NULL */
	bool read_only;
};
struct role_mounts {
	struct role_mount *items;
	size_t count;
};
struct role_taint {
	char *key, *value, *effect; /* value may be NULL */
};
struct role_taints {
	struct role_taint *items;
	size_t count;
	bool is_set; /* written, also as []; false: items are the default of the role */
};
struct role_token {
	struct secret *token; /* id.secret; never NULL after acceptance */
	char *description;    /* or NULL */
	int64_t ttl_s;	      /* 0 = never expires */
	struct strv usages, groups;
};
struct role_tokens {
	struct role_token *items;
	size_t count;
};
struct role_component {
	struct role_args extra_args;
	struct role_mounts extra_volumes;
};

struct role_node_registration {
	char *name;	  /* resolved: never NULL */
	char *cri_socket; /* resolved: "unix:///..." */
	struct role_taints taints;
	struct role_args kubelet_extra_args;
	struct strv ignore_preflight_errors;
};

/* ClusterConfiguration, with defaults. */
struct role_cluster {
	char *kubernetes_version; /* "v1.36.3"; NULL on a worker */
	char *cluster_name;
	char *control_plane_endpoint; /* "host:port" or NULL */
	char *certificates_dir;
	char *image_repository;
	enum key_algorithm encryption_algorithm;
	int64_t certificate_validity_s, ca_certificate_validity_s;
	char *service_subnet, *pod_subnet, *dns_domain; /* pod_subnet may be NULL */
	struct strv api_server_sans;
	struct role_component api_server, controller_manager, scheduler;
	char *etcd_image_repository, *etcd_image_tag; /* or NULL */
	char *etcd_data_dir;
	struct role_args etcd_extra_args;
	struct strv etcd_server_sans, etcd_peer_sans;
	bool dns_disabled, proxy_disabled;
	char *dns_image_repository, *dns_image_tag; /* or NULL */
};

/* JoinConfiguration.discovery and RoleConfiguration's flat fields, one way or the other. */
struct role_join {
	char *endpoint;			    /* "host:port", NULL with file discovery */
	struct secret *token;		    /* for discovery; NULL with file discovery */
	struct secret *tls_bootstrap_token; /* default: token */
	struct strv ca_cert_hashes;
	bool unsafe_skip_ca_verification;
	char *file; /* discovery by this kubeconfig, or NULL */
	char *ca_cert_path;
	bool replace_node;
	/* Where the flat fields took the token from, or NULL: it is read there again when the
	 * kubelet needs another certificate. Not in the text of role_write(). */
	char *token_file, *credential;
};

struct role {
	unsigned refs;
	uint64_t generation; /* counts accepted roles, from 1 */
	char digest[65];     /* of the text */
	char *source;	     /* "/etc/agentd/role.yaml" or "socket" */
	enum role_kind kind;
	struct role_node_registration node;
	char *advertise_address; /* resolved on a control plane, else NULL */
	/* The role left it open and it was found out: it follows the host. Not in the text of
	 * role_write(). */
	bool address_is_found, name_is_found;
	uint16_t bind_port;
	/* timeouts.controlPlaneComponentHealthCheck: how long a component may take to start. */
	int64_t component_health_timeout_s;
	struct role_tokens tokens; /* control plane: at least one; none on a worker */
	struct role_policy policy;
	struct role_cluster cluster;
	struct role_join join;		/* worker */
	struct value *kubelet;		/* KubeletConfiguration as written, or NULL */
	struct value *kube_proxy;	/* KubeProxyConfiguration as written, or NULL */
	struct value *cluster_document; /* ClusterConfiguration as written, or NULL */
	bool cluster_given; /* a ClusterConfiguration document was there (else P-256 is the default)
			     */
};

struct role *role_ref(const struct role *role);
struct role *role_unref(struct role *role);
DEFINE_CLEANUP(struct role, role_unref)

/* An address of the host, for tests. */
struct role_address {
	const char *interface;
	struct parse_address address;
	bool is_up, is_loopback, is_point_to_point;
};

/* What detection needs and tests replace. */
struct role_host {
	const char *hostname;
	const char *root;	     /* prefix of every path, "" on a real host */
	const char *kubelet_version; /* "v1.36.3", or NULL where there is no kubelet */
	int (*credential)(void *userdata, const char *name, struct secret **ret); /* systemd's */
	void *userdata;
	/* The accepted role, or NULL: what was detected for it (name, address, socket, version) is
	 * kept where the new text leaves it open, so that it does not move with the host. */
	const struct role *current;
	const struct role_address *addresses; /* NULL = ask the kernel */
	size_t address_count;
};

/* Parses and validates the documents of a text (name is for messages), fills defaults and resolves
 * what is detected. Tokens left out on a control plane are made. Errors are ERROR_CONFIG with
 * name:line:col, and a suggestion where one is near; nothing is changed by an error. The role gets
 * the text's digest and name as digest and source; its generation is the caller's (0). */
int role_parse(const char *text, size_t length, const char *name, const struct role_host *host,
	       struct role **ret, struct error *err);
/* The token that is now where the role's tokenFile or credential says. Returns 1, 0 if it names
 * neither. */
int role_read_token(const struct role *role, const struct role_host *host, struct secret **ret,
		    struct error *err);
/* The same role with another advertise address: same text, same generation. */
int role_move(const struct role *role, const struct role_host *host, const char *address,
	      struct role **ret, struct error *err);
/* Whether `next` may follow `current` on a running node: a fixed field that changed, or another
 * kind, is refused with the reason. current NULL: anything may; pass NULL while nothing of the
 * current role has been applied, so that a mistake in it can still be mended. */
int role_may_follow(const struct role *current, const struct role *next, struct error *err);
/* The role as YAML documents, completed and without secrets, for GetRole. */
int role_print(const struct role *role, struct buf *buf);
/* The same with its secrets, to be kept in a file of mode 0600: role_parse() of it gives this role
 * again, with what was detected and made (its digest, source and generation are to be kept beside
 * it). The caller wipes the buffer. */
int role_write(const struct role *role, struct buf *buf);
/* The ClusterConfiguration that ConfigMap kube-system/kubeadm-config holds: completed, with sorted
 * keys, byte by byte kubeadm's after yaml_write(). The caller unrefs. */
struct value *role_cluster_document(const struct role *role);

/* Shorthands. */
static inline bool role_is_control_plane(const struct role *role)
{
	return role && role->kind == ROLE_CONTROL_PLANE;
}
static inline bool role_is_worker(const struct role *role)
{
	return role && role->kind == ROLE_WORKER;
}
/* "https://<advertiseAddress>:<bindPort>", brackets for IPv6. */
char *role_local_server(const struct role *role);
/* "https://<controlPlaneEndpoint>" or the local one. */
char *role_cluster_server(const struct role *role);
