/* All certificates of a cluster and their names; see profiles.h. */
#include "pki/profiles.h"

#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "pki/cert.h"

static bool is_address(const char *text)
{
	struct parse_address address;

	return parse_ip(text, &address) == 0;
}

bool profile_san_is_valid(const char *san)
{
	if (is_address(san))
		return true;
	return parse_is_dns_subdomain(strncmp(san, "*.", 2) == 0 ? san + 2 : san);
}

/* Addresses are written as a certificate's are read again, so that the two can be compared. */
static void add(const char *san, struct strv *ret_dns, struct strv *ret_addresses)
{
	struct parse_address address;
	char text[INET6_ADDRSTRLEN];

	if (parse_ip(san, &address) < 0) {
		strv_add(ret_dns, san);
		return;
	}
	format_ip(&address, text);
	strv_add(ret_addresses, text);
}

/* Like kubeadm, leaves out what is neither an address nor a DNS name. */
static void add_extra(const struct strv *sans, struct strv *ret_dns, struct strv *ret_addresses)
{
	if (!sans)
		return;
	STRV_FOREACH(san, sans)
		if (profile_san_is_valid(san))
			add(san, ret_dns, ret_addresses);
}

static void sans_apiserver(const struct profile_names *names, struct strv *ret_dns,
			   struct strv *ret_addresses)
{
	strv_add(ret_dns, names->node_name);
	strv_add(ret_dns, "kubernetes");
	strv_add(ret_dns, "kubernetes.default");
	strv_add(ret_dns, "kubernetes.default.svc");
	strv_addf(ret_dns, "kubernetes.default.svc.%s", names->dns_domain);
	add(names->service_address, ret_dns, ret_addresses);
	add(names->advertise_address, ret_dns, ret_addresses);
	if (names->control_plane_endpoint)
		add(names->control_plane_endpoint, ret_dns, ret_addresses);
	add_extra(names->api_server_sans, ret_dns, ret_addresses);
}

static void add_etcd(const struct profile_names *names, struct strv *ret_dns,
		     struct strv *ret_addresses)
{
	strv_add(ret_dns, names->node_name);
	strv_add(ret_dns, "localhost");
	add(names->advertise_address, ret_dns, ret_addresses);
	strv_add(ret_addresses, "127.0.0.1");
	strv_add(ret_addresses, "::1");
}

static void sans_etcd_server(const struct profile_names *names, struct strv *ret_dns,
			     struct strv *ret_addresses)
{
	add_etcd(names, ret_dns, ret_addresses);
	add_extra(names->etcd_server_sans, ret_dns, ret_addresses);
}

static void sans_etcd_peer(const struct profile_names *names, struct strv *ret_dns,
			   struct strv *ret_addresses)
{
	add_etcd(names, ret_dns, ret_addresses);
	add_extra(names->etcd_peer_sans, ret_dns, ret_addresses);
}

/* clang-format off */
#define FILE_PAIR(n, b) .name = n, .base_name = b
#define KUBECONFIG(n)	.name = n, .ca = "ca", .usages = CERT_CLIENT_AUTH, .in_kubeconfig = true
#define BOTH		(CERT_SERVER_AUTH | CERT_CLIENT_AUTH)

const struct profile profiles[] = {
	{ FILE_PAIR("ca", "ca"), .common_name = "kubernetes" },
	{ KUBECONFIG("kubelet.conf"), .common_name_prefix = "system:node:", .organization = "system:nodes" },
	{ FILE_PAIR("etcd-ca", "etcd/ca"), .common_name = "etcd-ca", .etcd = true },
	{ FILE_PAIR("etcd-server", "etcd/server"), .ca = "etcd-ca", .usages = BOTH, .sans = sans_etcd_server, .etcd = true },
	{ FILE_PAIR("etcd-peer", "etcd/peer"), .ca = "etcd-ca", .usages = BOTH, .sans = sans_etcd_peer, .etcd = true },
	{ FILE_PAIR("front-proxy-ca", "front-proxy-ca"), .common_name = "front-proxy-ca" },
	{ FILE_PAIR("apiserver-etcd-client", "apiserver-etcd-client"), .ca = "etcd-ca",
	  .common_name = "kube-apiserver-etcd-client", .usages = CERT_CLIENT_AUTH, .etcd = true },
	{ FILE_PAIR("apiserver", "apiserver"), .ca = "ca",
	  .common_name = "kube-apiserver", .usages = CERT_SERVER_AUTH, .sans = sans_apiserver },
	{ FILE_PAIR("apiserver-kubelet-client", "apiserver-kubelet-client"), .ca = "ca",
	  .common_name = "kube-apiserver-kubelet-client", .usages = CERT_CLIENT_AUTH },
	{ FILE_PAIR("front-proxy-client", "front-proxy-client"), .ca = "front-proxy-ca",
	  .common_name = "front-proxy-client", .usages = CERT_CLIENT_AUTH },
	{ FILE_PAIR("agentd", NULL), .ca = "ca", .common_name_prefix = "agentd:",
	  .organization = "agentd:control-plane", .usages = CERT_CLIENT_AUTH },
	{ KUBECONFIG("admin.conf"), .common_name = "kubernetes-admin", .organization = "kubeadm:cluster-admins" },
	{ KUBECONFIG("controller-manager.conf"), .common_name = "system:kube-controller-manager" },
	{ KUBECONFIG("scheduler.conf"), .common_name = "system:kube-scheduler" },
	{ FILE_PAIR("etcd-healthcheck-client", "etcd/healthcheck-client"), .ca = "etcd-ca",
	  .common_name = "kube-etcd-healthcheck-client", .usages = CERT_CLIENT_AUTH, .etcd = true },
	{},
};
/* clang-format on */

const struct profile *profile_find(const char *name)
{
	for (const struct profile *profile = profiles; profile->name; profile++)
		if (strcmp(profile->name, name) == 0)
			return profile;
	return NULL;
}

unsigned profile_rank(const struct profile *profile)
{
	return (unsigned)(profile - profiles);
}

char *profile_common_name(const struct profile *profile, const char *node_name)
{
	if (profile->common_name)
		return xstrdup(profile->common_name);
	return xasprintf("%s%s", profile->common_name_prefix ? profile->common_name_prefix : "",
			 node_name);
}
