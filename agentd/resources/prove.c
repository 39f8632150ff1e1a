/* The table of who uses which certificate, and the request that proves it; see prove.h. */
#include "agentd/resources/prove.h"

#include <errno.h>
#include <string.h>

#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "agentd/resources/leaf.h"
#include "common/alloc.h"
#include "common/http.h"
#include "common/parse.h"

#define KUBELET_SERVING	     KUBELET_PKI "/kubelet.crt"
#define KUBELET_SERVING_LAST KUBELET_PKI "/kubelet-server-current.pem"

/* A path that only the authenticated may read: /readyz and /version are everybody's. */
#define API_MEMBERS "/api"

/* clang-format off */
const struct use uses[] = {
	/* Servers. etcd reads its files at every handshake, the API server watches them and looks
	 * every minute besides. */
	{ "etcd-server", PROVE_SERVER, "etcd",           5,   PORT_ETCD,      "/health", "etcd-healthcheck-client" },
	{ "etcd-peer",   PROVE_SERVER, "etcd",           5,   PORT_ETCD_PEER, "/version", "etcd-peer" },
	{ "apiserver",   PROVE_SERVER, "kube-apiserver", 70,  PORT_API,       "/livez" },
	/* Clients. The API server reads etcd's pair at every handshake and the kubelets' at every new
	 * connection (kept ones end within five minutes), it watches the front proxy's. */
	{ "apiserver-etcd-client",    PROVE_CLIENT, "kube-apiserver", 5,   PORT_ETCD,    "/health", "apiserver-etcd-client" },
	{ "apiserver-kubelet-client", PROVE_CLIENT, "kube-apiserver", 310, PORT_KUBELET, "/healthz", "apiserver-kubelet-client" },
	{ "front-proxy-client",       PROVE_CLIENT, "kube-apiserver", 70,  PORT_API,     API_MEMBERS, "front-proxy-client", "agentd:proof" },
	{ "etcd-healthcheck-client",  PROVE_CLIENT, "",               1,   PORT_ETCD,    "/health", "etcd-healthcheck-client" },
	{ "agentd",                   PROVE_CLIENT, "",               1,   PORT_API,     API_MEMBERS, "agentd" },
	{ "admin.conf",               PROVE_CLIENT, "",               1,   PORT_API,     API_MEMBERS, "admin.conf" },
	/* A kubeconfig is read when its process starts. */
	{ "controller-manager.conf",  PROVE_CLIENT, "kube-controller-manager", 0, PORT_API, API_MEMBERS, "controller-manager.conf" },
	{ "scheduler.conf",           PROVE_CLIENT, "kube-scheduler", 0,   PORT_API,     API_MEMBERS, "scheduler.conf" },
	{},
};

static const struct port {
	uint16_t number; /* 0 = the role's */
	const char *ca;
} ports[] = {
	[PORT_API]       = { 0,     "ca" },
	[PORT_ETCD]      = { 2379,  "etcd-ca" },
	[PORT_ETCD_PEER] = { 2380,  "etcd-ca" },
	[PORT_KUBELET]   = { 10250, "ca" },
};
/* clang-format on */

const struct use *use_find(const char *profile)
{
	for (const struct use *use = uses; use->profile; use++)
		if (strcmp(use->profile, profile) == 0)
			return use;
	return NULL;
}

bool use_needs_restart(const struct use *use)
{
	return use->reload_s == 0;
}

/* What lives as long as the request. */
struct probe {
	struct http *http;
};

static void probe_free(void *impl)
{
	struct probe *probe = impl;

	http_free(probe->http);
	free(probe);
}

static int probe_done(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct http_reply *reply = http_reply(inner);
	struct value *seen = value_put(value_new_map(), "status", value_new_int(reply->status));

	(void)impl;
	(void)err;
	*ret_value = value_put(seen, "serial", value_new_string(reply->server_certificate));
	return 0;
}

/* Whom the server's certificate is checked against. A kubelet's is signed by nobody that the
 * cluster knows, unless it requested one: then the file that it serves from is trusted, on this
 * host. */
static int load_roots(const struct context *ctx, const struct use *use, struct buf *roots,
		      struct error *err)
{
	static const char *const serving[] = { KUBELET_SERVING, KUBELET_SERVING_LAST };
	_cleanup_free_ char *ca =
	    files_pki(ctx, "%s.crt", profile_find(ports[use->port].ca)->base_name);

	if (!files_load(ca, roots))
		return error_set(err, ERROR_CONFIG, -ENOENT, "%s cannot be read", ca);
	for (size_t i = 0; use->port == PORT_KUBELET && i < ARRAY_SIZE(serving); i++) {
		_cleanup_free_ char *path = context_path(ctx, "%s", serving[i]);

		(void)files_load(path, roots);
	}
	return 0;
}

static char *url_of(const struct context *ctx, const struct use *use)
{
	const struct role *role = ctx->role;
	uint16_t number = ports[use->port].number ? ports[use->port].number : role->bind_port;
	_cleanup_(buf_done) struct buf host = BUF_INIT(KIB);

	/* A kubelet's certificate names the node, not its address. */
	format_host_port(use->port == PORT_KUBELET ? role->node.name : role->advertise_address,
			 number, &host);
	return xasprintf("https://%s%s", host.data, use->path);
}

static int load_identity(const struct context *ctx, const struct use *use, struct buf *roots,
			 struct buf *cert_pem, struct http_identity *ret, struct error *err)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	int r;

	r = load_roots(ctx, use, roots, err);
	if (r < 0)
		return r;
	*ret = (struct http_identity){ .ca_pem = roots->data };
	if (!use->client)
		return 0;
	if (leaf_load(ctx, profile_find(use->client), &cert, &key) == 0)
		return error_set(err, ERROR_PENDING, -EAGAIN,
				 "there is no certificate %s that can be read", use->client);
	cert_to_pem(cert, cert_pem);
	ret->certificate_pem = cert_pem->data;
	ret->key_pem = key_to_pem(key);
	return 0;
}

struct op *prove(const struct context *ctx, const struct use *use, struct error *err)
{
	static const struct op_kind kind = { .name = "prove", .free = probe_free };
	_cleanup_(buf_done) struct buf roots = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf cert_pem = BUF_INIT(FILES_CAP);
	_cleanup_free_ char *url = url_of(ctx, use);
	_cleanup_free_ char *user = xasprintf("X-Remote-User: %s", use->user ? use->user : "");
	const char *const headers[] = { use->user ? user : NULL, NULL };
	struct http_identity identity = { 0 };
	struct probe *probe;
	struct op *inner;

	if (load_identity(ctx, use, &roots, &cert_pem, &identity, err) < 0)
		return NULL;
	probe = NEW(struct probe);
	probe->http = http_new(ctx->loop, &identity);
	secret_unref(identity.key_pem);
	inner = http_send(probe->http,
			  &(struct http_request){
			      .method = "GET",
			      .url = url,
			      .address = ctx->role->advertise_address,
			      .headers = headers,
			      .want_certificate = true,
			      .reply_cap = MIB,
			  },
			  err);
	if (!inner) {
		probe_free(probe);
		return NULL;
	}
	return op_new_then(ctx->loop, &kind, probe, inner, probe_done);
}

int prove_result(const struct use *use, const struct value *seen, const char *serial,
		 struct error *err)
{
	const char *served = value_string_or(value_get(seen, "serial"), "");
	int64_t status = 0;

	(void)value_to_int(value_get(seen, "status"), &status);
	if (use->kind == PROVE_SERVER && strcmp(served, serial) != 0)
		return error_set(err, ERROR_PENDING, -EAGAIN,
				 "%s still serves certificate %s, not %s", use->component, served,
				 serial);
	if (use->kind == PROVE_CLIENT && (status < 200 || status > 299))
		return error_set(err, ERROR_DENIED, -EACCES,
				 "a request with certificate %s was answered with %lld",
				 use->profile, (long long)status);
	return 0;
}
