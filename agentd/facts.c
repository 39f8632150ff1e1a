/* Facts from files; see facts.h. */
#include "agentd/facts.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/strv.h"
#include "pki/ca.h"
#include "pki/cert.h"

enum { CLOCK_SKEW_S = 5 * 60, MASTERS_LIFE_S = 3600 };

int facts_cluster(const struct context *ctx, struct kubeconfig *ret)
{
	_cleanup_free_ char *path = context_state_path(ctx, "cluster.conf");
	struct error err = ERROR_INIT;

	return kubeconfig_read(path, ret, &err) > 0 ? 1 : 0;
}

void facts_machine_id(const struct context *ctx, char ret[static 33])
{
	_cleanup_free_ char *path = context_path(ctx, "/etc/machine-id");
	_cleanup_(buf_done) struct buf text = BUF_INIT(256);

	ret[0] = '\0';
	if (!files_load(path, &text) || text.length < 32)
		return;
	memcpy(ret, text.data, 32);
	ret[32] = '\0';
}

bool facts_is_hostname(const struct context *ctx, const char *node_name)
{
	return ctx->hostname && strcasecmp(ctx->hostname, node_name) == 0;
}

const char *facts_cgroup_driver(const struct context *ctx)
{
	return ledger_note(ctx->ledger, "container-runtime", "cgroup-driver");
}

bool facts_has_begun(const struct context *ctx)
{
	static const char *const first_rows[] = {
		"certificate-ca",  "certificate-etcd-ca",     "certificate-front-proxy-ca",
		"discovery",	   "service-account-key",     "kubelet-flags",
		"kubelet-drop-in", "kubelet-instance-config",
	};

	for (size_t i = 0; i < ARRAY_SIZE(first_rows); i++)
		if (ledger_get(ctx->ledger, first_rows[i]) != LEDGER_ABSENT)
			return true;
	return false;
}

struct secret *facts_bootstrap_token(const struct context *ctx)
{
	struct context *asked = (struct context *)ctx;
	struct secret *token = NULL;
	struct error err = ERROR_INIT;

	if (ctx->read_token && ctx->read_token(asked, &token, &err) > 0)
		return token;
	return secret_ref(ctx->role->join.tls_bootstrap_token);
}

static struct kube *control_plane_client(const struct context *ctx)
{
	_cleanup_free_ char *crt = context_state_path(ctx, "pki/agentd.crt");
	_cleanup_free_ char *key = context_state_path(ctx, "pki/agentd.key");
	_cleanup_free_ char *ca = files_pki(ctx, "ca.crt");
	_cleanup_free_ char *server = role_local_server(ctx->role);
	_cleanup_(buf_done) struct buf crt_pem = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf key_pem = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf ca_pem = BUF_INIT(FILES_CAP);
	_cleanup_(secret_unref) struct secret *secret = NULL;

	if (!files_load(crt, &crt_pem) || !files_load(key, &key_pem) || !files_load(ca, &ca_pem))
		return NULL;
	secret = secret_new(key_pem.data, key_pem.length);
	secret_wipe(key_pem.data, key_pem.length);
	return kube_new(ctx->loop, server,
			&(struct http_identity){ .ca_pem = ca_pem.data,
						 .certificate_pem = crt_pem.data,
						 .key_pem = secret });
}

static struct kube *worker_client(const struct context *ctx)
{
	_cleanup_free_ char *path = context_path(ctx, KUBELET_CONF);
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	_cleanup_(secret_unref) struct secret *key_pem = NULL;
	_cleanup_(buf_done) struct buf crt_pem = BUF_INIT(FILES_CAP);
	struct error err = ERROR_INIT;

	if (kubeconfig_read(path, &config, &err) <= 0 ||
	    kubelet_files_load_certificate(ctx, &cert, &key) <= 0)
		return NULL;
	cert_to_pem(cert, &crt_pem);
	key_pem = key_to_pem(key);
	return kube_new(ctx->loop, config.server,
			&(struct http_identity){ .ca_pem = config.ca_pem,
						 .certificate_pem = crt_pem.data,
						 .key_pem = key_pem });
}

struct kube *facts_node_client(const struct context *ctx)
{
	if (role_is_control_plane(ctx->role))
		return control_plane_client(ctx);
	if (role_is_worker(ctx->role))
		return worker_client(ctx);
	return NULL;
}

struct etcd *facts_etcd_client(const struct context *ctx)
{
	_cleanup_free_ char *crt = files_pki(ctx, "apiserver-etcd-client.crt");
	_cleanup_free_ char *key = files_pki(ctx, "apiserver-etcd-client.key");
	_cleanup_free_ char *ca = files_pki(ctx, "etcd/ca.crt");
	_cleanup_(buf_done) struct buf crt_pem = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf key_pem = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf ca_pem = BUF_INIT(FILES_CAP);
	_cleanup_(secret_unref) struct secret *secret = NULL;
	bool v6 = strchr(ctx->role->advertise_address, ':') != NULL;

	if (!files_load(crt, &crt_pem) || !files_load(key, &key_pem) || !files_load(ca, &ca_pem))
		return NULL;
	secret = secret_new(key_pem.data, key_pem.length);
	secret_wipe(key_pem.data, key_pem.length);
	return etcd_new(ctx->loop, v6 ? "https://[::1]:2379" : "https://127.0.0.1:2379",
			&(struct http_identity){ .ca_pem = ca_pem.data,
						 .certificate_pem = crt_pem.data,
						 .key_pem = secret });
}

static int sign_masters(const struct context *ctx, const struct buf *ca_pem,
			const struct buf *ca_key_pem, struct cert **ret_cert, struct key **ret_key,
			struct error *err)
{
	_cleanup_(cert_unref) struct cert *ca = NULL;
	_cleanup_(key_unref) struct key *ca_key = NULL, *key = NULL;
	_cleanup_(strv_done) struct strv masters = STRV_INIT;
	int64_t now = clock_wall(ctx->clock);
	struct ca_request request = {
		.common_name = "agentd:bootstrap",
		.organizations = &masters,
		.usages = CERT_CLIENT_AUTH,
		.not_before = now - CLOCK_SKEW_S,
		.not_after = now + MASTERS_LIFE_S,
	};
	int r;

	strv_add(&masters, "system:masters");
	r = cert_from_pem(ca_pem->data, ca_pem->length, &ca, err);
	if (r >= 0)
		r = key_from_pem(ca_key_pem->data, ca_key_pem->length, &ca_key, err);
	if (r >= 0)
		r = key_generate(KEY_ECDSA_P256, &key, err);
	if (r >= 0)
		r = ca_sign(ca, ca_key, key, &request, ret_cert, err);
	if (r < 0)
		return r;
	*ret_key = TAKE_PTR(key);
	return 0;
}

struct kube *facts_masters_client(const struct context *ctx, struct error *err)
{
	_cleanup_free_ char *ca = files_pki(ctx, "ca.crt");
	_cleanup_free_ char *ca_key = files_pki(ctx, "ca.key");
	_cleanup_free_ char *server = role_local_server(ctx->role);
	_cleanup_(buf_done) struct buf ca_pem = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf ca_key_pem = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf crt_pem = BUF_INIT(FILES_CAP);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	_cleanup_(secret_unref) struct secret *key_pem = NULL;
	int r;

	if (!files_load(ca, &ca_pem) || !files_load(ca_key, &ca_key_pem)) {
		error_set(err, ERROR_CONFIG, -ENOENT, "%s or its key cannot be read", ca);
		return NULL;
	}
	r = sign_masters(ctx, &ca_pem, &ca_key_pem, &cert, &key, err);
	secret_wipe(ca_key_pem.data, ca_key_pem.length);
	if (r < 0)
		return NULL;
	cert_to_pem(cert, &crt_pem);
	key_pem = key_to_pem(key);
	return kube_new(ctx->loop, server,
			&(struct http_identity){ .ca_pem = ca_pem.data,
						 .certificate_pem = crt_pem.data,
						 .key_pem = key_pem });
}
