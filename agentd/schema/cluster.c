/* The table of ClusterConfiguration (kubeadm.k8s.io/v1beta4); see schema.h. */
#include <errno.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/schema.h"

/* In the order of enum key_algorithm. */
static const char *const algorithms[] = {
	[KEY_RSA_2048] = "RSA-2048",	 [KEY_RSA_3072] = "RSA-3072",
	[KEY_RSA_4096] = "RSA-4096",	 [KEY_ECDSA_P256] = "ECDSA-P256",
	[KEY_ECDSA_P384] = "ECDSA-P384", NULL
};

/* clang-format off */
static const struct decode_row networking_rows[] = {
	{ "serviceSubnet", DECODE_STRING, DECODE_FIELD(struct role_cluster, service_subnet),
	  .flags = DECODE_FIXED, .check = check_service_subnet, .standard = "10.96.0.0/12",
	  .help = "Addresses of services: one subnet, or one of each family" },
	{ "podSubnet", DECODE_STRING, DECODE_FIELD(struct role_cluster, pod_subnet),
	  .flags = DECODE_FIXED, .check = check_pod_subnet,
	  .help = "Addresses of pods: one subnet, or one of each family; unset: the pod network's business" },
	{ "dnsDomain", DECODE_STRING, DECODE_FIELD(struct role_cluster, dns_domain),
	  .flags = DECODE_FIXED, .check = check_dns_name, .standard = "cluster.local",
	  .help = "DNS domain of services" },
	{},
};

static const struct decode_row local_etcd_rows[] = {
	{ "imageRepository", DECODE_STRING, DECODE_FIELD(struct role_cluster, etcd_image_repository),
	  .check = check_image_repository, .standard = "the cluster's imageRepository",
	  .help = "Where etcd's image comes from" },
	{ "imageTag", DECODE_STRING, DECODE_FIELD(struct role_cluster, etcd_image_tag),
	  .check = check_image_tag, .standard = "the one that goes with kubernetesVersion",
	  .help = "Tag of etcd's image" },
	{ "dataDir", DECODE_STRING, DECODE_FIELD(struct role_cluster, etcd_data_dir),
	  .flags = DECODE_FIXED | SCHEMA_ALWAYS, .check = check_absolute_path,
	  .standard = "/var/lib/etcd", .help = "Directory of etcd's data" },
	{ "extraArgs", DECODE_LIST, DECODE_ITEMS(struct role_cluster, etcd_extra_args),
	  .rows = schema_arg_rows, .help = "Further arguments of etcd" },
	{ "extraEnvs", DECODE_LIST, .rows = schema_env_rows, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Further variables in etcd's environment" },
	{ "serverCertSANs", DECODE_STRINGS, DECODE_FIELD(struct role_cluster, etcd_server_sans),
	  .check = check_san, .help = "Further names in etcd's server certificate" },
	{ "peerCertSANs", DECODE_STRINGS, DECODE_FIELD(struct role_cluster, etcd_peer_sans),
	  .check = check_san, .help = "Further names in etcd's peer certificate" },
	{},
};

static const struct decode_row external_etcd_rows[] = {
	{ "endpoints", DECODE_STRINGS, .flags = DECODE_NOT_SUPPORTED, .help = "URLs of the members" },
	{ "httpEndpoints", DECODE_STRINGS, .flags = DECODE_NOT_SUPPORTED,
	  .help = "URLs for metrics and health" },
	{ "caFile", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "CA of the members" },
	{ "certFile", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "Client certificate" },
	{ "keyFile", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "Key of the client certificate" },
	{},
};

static const struct decode_row etcd_rows[] = {
	{ "local", DECODE_MAP, .rows = local_etcd_rows, .flags = SCHEMA_ALWAYS,
	  .help = "etcd as a static pod on this node" },
	{ "external", DECODE_CUSTOM, .rows = external_etcd_rows, .decode = schema_refuse,
	  .flags = SCHEMA_REFUSED, .help = "etcd that somebody else runs" },
	{},
};

#define COMPONENT_ROWS(part, name) \
	{ "extraArgs", DECODE_LIST, DECODE_ITEMS(struct role_cluster, part.extra_args), \
	  .rows = schema_arg_rows, \
	  .help = "Further arguments of the " name "; they replace agentd's of the same name" }, \
	{ "extraVolumes", DECODE_LIST, DECODE_ITEMS(struct role_cluster, part.extra_volumes), \
	  .rows = schema_mount_rows, .help = "Further host paths mounted into the " name }, \
	{ "extraEnvs", DECODE_LIST, .rows = schema_env_rows, .flags = DECODE_NOT_SUPPORTED, \
	  .help = "Further variables in the environment of the " name }

static const struct decode_row api_server_rows[] = {
	COMPONENT_ROWS(api_server, "API server"),
	{ "certSANs", DECODE_STRINGS, DECODE_FIELD(struct role_cluster, api_server_sans),
	  .check = check_san_any_case, .help = "Further names in the API server's certificate" },
	{},
};
static const struct decode_row controller_manager_rows[] = {
	COMPONENT_ROWS(controller_manager, "controller manager"),
	{},
};
static const struct decode_row scheduler_rows[] = {
	COMPONENT_ROWS(scheduler, "scheduler"),
	{},
};

static const struct decode_row dns_rows[] = {
	{ "imageRepository", DECODE_STRING, DECODE_FIELD(struct role_cluster, dns_image_repository),
	  .check = check_image_repository, .standard = "the cluster's imageRepository",
	  .help = "Where CoreDNS' image comes from" },
	{ "imageTag", DECODE_STRING, DECODE_FIELD(struct role_cluster, dns_image_tag),
	  .check = check_image_tag, .standard = "the one that goes with kubernetesVersion",
	  .help = "Tag of CoreDNS' image" },
	{ "disabled", DECODE_BOOL, DECODE_FIELD(struct role_cluster, dns_disabled),
	  .standard = "false", .help = "Leaves CoreDNS out" },
	{},
};
static const struct decode_row proxy_rows[] = {
	{ "disabled", DECODE_BOOL, DECODE_FIELD(struct role_cluster, proxy_disabled),
	  .standard = "false", .help = "Leaves kube-proxy out" },
	{},
};

const struct decode_row schema_cluster_rows[] = {
	{ "apiVersion", DECODE_NOTHING, .help = "kubeadm.k8s.io/v1beta4" },
	{ "kind", DECODE_NOTHING, .help = "ClusterConfiguration" },
	{ "kubernetesVersion", DECODE_STRING, DECODE_FIELD(struct role_cluster, kubernetes_version),
	  .flags = DECODE_FIXED | SCHEMA_UPGRADE, .check = check_version, .standard = "the kubelet's",
	  .help = "Version of the control plane; stable-1 and the like mean the kubelet's" },
	{ "clusterName", DECODE_STRING, DECODE_FIELD(struct role_cluster, cluster_name),
	  .flags = DECODE_FIXED, .standard = "kubernetes", .help = "Name of the cluster" },
	{ "controlPlaneEndpoint", DECODE_STRING,
	  DECODE_FIELD(struct role_cluster, control_plane_endpoint),
	  .flags = DECODE_FIXED, .check = check_endpoint, .standard = "this node's address",
	  .help = "Stable name or address of the control plane, with or without a port" },
	{ "certificatesDir", DECODE_STRING, DECODE_FIELD(struct role_cluster, certificates_dir),
	  .flags = DECODE_FIXED, .check = check_absolute_path, .standard = "/etc/kubernetes/pki",
	  .help = "Directory of the cluster's certificates and keys" },
	{ "imageRepository", DECODE_STRING, DECODE_FIELD(struct role_cluster, image_repository),
	  .check = check_image_repository, .standard = "registry.k8s.io",
	  .help = "Where images come from" },
	{ "encryptionAlgorithm", DECODE_ENUM, DECODE_FIELD(struct role_cluster, encryption_algorithm),
	  .choices = algorithms,
	  .standard = "RSA-2048; ECDSA-P256 without a ClusterConfiguration",
	  .help = "Algorithm of keys that are made from now on" },
	{ "certificateValidityPeriod", DECODE_SECONDS,
	  DECODE_FIELD(struct role_cluster, certificate_validity_s), .standard = "8760h0m0s",
	  .help = "How long certificates are valid" },
	{ "caCertificateValidityPeriod", DECODE_SECONDS,
	  DECODE_FIELD(struct role_cluster, ca_certificate_validity_s), .standard = "87600h0m0s",
	  .help = "How long CA certificates are valid" },
	{ "networking", DECODE_MAP, .rows = networking_rows, .flags = SCHEMA_ALWAYS,
	  .help = "Addresses and names inside the cluster" },
	{ "etcd", DECODE_MAP, .rows = etcd_rows, .flags = SCHEMA_ALWAYS,
	  .help = "The cluster's database" },
	{ "apiServer", DECODE_MAP, .rows = api_server_rows, .flags = SCHEMA_ALWAYS,
	  .help = "kube-apiserver" },
	{ "controllerManager", DECODE_MAP, .rows = controller_manager_rows, .flags = SCHEMA_ALWAYS,
	  .help = "kube-controller-manager" },
	{ "scheduler", DECODE_MAP, .rows = scheduler_rows, .flags = SCHEMA_ALWAYS,
	  .help = "kube-scheduler" },
	{ "dns", DECODE_MAP, .rows = dns_rows, .flags = SCHEMA_ALWAYS, .help = "CoreDNS" },
	{ "proxy", DECODE_MAP, .rows = proxy_rows, .flags = SCHEMA_ALWAYS, .help = "kube-proxy" },
	{ "featureGates", DECODE_VALUE, .value_type = VALUE_MAP, .flags = DECODE_NOT_SUPPORTED,
	  .help = "kubeadm's feature gates" },
	{},
};
/* clang-format on */
