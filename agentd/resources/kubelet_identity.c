/* The kubelet's client certificate and kubelet.conf.
 *
 * On a control plane the cluster's own CA signs it here, and the kubelet starts with a certificate
 * that it rotates from then on. On a worker agentd does the TLS bootstrap: key, CSR, watch; the key
 * is on disk before the CSR is posted, so that whatever interrupts it, the same CSR is used again.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/facts.h"
#include "agentd/resources.h"
#include "agentd/resources/bootstrap.h"
#include "agentd/resources/files.h"
#include "agentd/resources/issue.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/parse.h"

static int write_kubelet_conf(const struct context *ctx, const struct buf *text, struct error *err)
{
	_cleanup_free_ char *path = context_path(ctx, KUBELET_CONF);

	return files_replace(ctx, path, text->data, text->length, 0600, err);
}

static enum verdict conf_is_private(const struct context *ctx, struct why *why)
{
	_cleanup_free_ char *path = context_path(ctx, KUBELET_CONF);
	struct stat st;

	if (lstat(path, &st) == 0 && (st.st_mode & 07777) == 0600)
		return IN_SYNC;
	why_set(why, "%s has mode %04o, not 0600", path, st.st_mode & 07777);
	return DRIFTED;
}

/* What both roles look at: kubelet.conf leads to the rotated certificate, which is in date and the
 * node's. *ret_config is for the caller to look at the rest. */
static enum verdict identity_look(const struct context *ctx, struct kubeconfig *ret_config,
				  struct why *why)
{
	_cleanup_free_ char *path = context_path(ctx, KUBELET_CONF);
	_cleanup_free_ char *wanted = xasprintf("system:node:%s", ctx->role->node.name);
	_cleanup_free_ char *common_name = NULL;
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;
	int r;

	r = kubeconfig_read(path, ret_config, &err);
	if (r <= 0) {
		why_set(why, "%s %s", path, r == 0 ? "is missing" : err.message);
		return DRIFTED;
	}
	if (!ret_config->certificate_path ||
	    strcmp(ret_config->certificate_path, KUBELET_CURRENT) != 0) {
		why_set(why, "%s does not use " KUBELET_CURRENT, path);
		return DRIFTED;
	}
	if (kubelet_files_load_certificate(ctx, &cert, &key) == 0 || !cert_has_key(cert, key)) {
		why_set(why, KUBELET_CURRENT " leads to no certificate with its key");
		return DRIFTED;
	}
	common_name = cert_common_name(cert);
	if (!common_name || strcmp(common_name, wanted) != 0) {
		why_reason(why, "CredentialsOfAnother");
		why_set(why, "the kubelet's certificate is %s's, not %s's",
			common_name ? common_name : "nobody", wanted);
		return DRIFTED;
	}
	if (issue_is_early(ctx, cert, why)) {
		struct why detail = *why;

		why_set(why, "the kubelet's certificate %s", detail.text);
		return UNKNOWN;
	}
	if (cert_expires_before(cert, ctx->now)) {
		char date[32];

		format_time(cert_not_after(cert), date);
		why_reason(why, "CredentialsExpired");
		why_set(why, "the kubelet's certificate expired on %s", date);
		return DRIFTED;
	}
	if (cert_list_from_pem(ret_config->ca_pem, strlen(ret_config->ca_pem), &roots, &err) < 0 ||
	    cert_verify(cert, &roots, ctx->now, &err) < 0) {
		why_set(why, "the kubelet's certificate: %s", err.message);
		return DRIFTED;
	}
	return conf_is_private(ctx, why);
}

/* Control plane. */

static enum verdict identity_observe(struct context *ctx, const struct resource *row,
				     struct why *why)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_free_ char *server = role_local_server(ctx->role);
	enum verdict verdict = identity_look(ctx, &config, why);

	(void)row;
	if (verdict == IN_SYNC && strcmp(config.server, server) != 0) {
		why_set(why, "kubelet.conf talks to %s, not to %s", config.server, server);
		return DRIFTED;
	}
	return verdict;
}

static struct op *identity_make(struct task *task, struct error *err)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct why why = { .text = "" };

	/* A good certificate is kept: then only kubelet.conf is to be written. */
	if (kubelet_files_load_certificate(ctx_of(task), &cert, &key) > 0 &&
	    issue_observe(ctx_of(task), profile_find("kubelet.conf"), cert, key, &why) != DRIFTED)
		return NULL;
	kubelet_files_expect_certificate(ctx_of(task));
	return issue_certificate(ctx_of(task), role_of(task), profile_find("kubelet.conf"),
				 KEY_ECDSA_P256, err);
}

static int identity_keep(struct task *task, struct op *op, struct error *err)
{
	const struct issued *issued = issue_result(op);

	return kubelet_files_keep_certificate(ctx_of(task), issued->certificate_pem,
					      issued->key_pem, err);
}

static int identity_write(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct role *role = role_of(task);
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf ca = BUF_INIT(FILES_CAP);
	int r;

	(void)op;
	if (!issue_load_ca(ctx, "ca", &roots) || roots.count == 0)
		return error_set(err, ERROR_CONFIG, -ENOENT, "ca.crt cannot be read");
	cert_to_pem(roots.items[0], &ca);
	config.server = role_local_server(role);
	config.ca_pem = buf_take(&ca);
	config.cluster = xstrdup(role->cluster.cluster_name);
	config.user = xasprintf("system:node:%s", role->node.name);
	config.context = xasprintf("%s@%s", config.user, config.cluster);
	config.certificate_path = xstrdup(KUBELET_CURRENT);
	config.key_path = xstrdup(KUBELET_CURRENT);
	r = kubeconfig_write(&config, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "kubelet.conf cannot be written");
	return write_kubelet_conf(ctx, &text, err);
}

static const struct stage identity_apply[] = {
	{ "make key and client certificate", identity_make, identity_keep },
	{ "write kubelet.conf", NULL, identity_write },
	{ 0 },
};

/* Worker. */

/* A worker whose certificate is of no use any more comes back with a token, without a reset. */
static void tell_next_step(const struct role *role, struct why *why)
{
	const struct role_join *join = &role->join;

	if (join->token_file)
		why_add(why,
			"run `agentctl token create` on a control plane and write the token to "
			"%s",
			join->token_file);
	else if (join->credential)
		why_add(why,
			"run `agentctl token create` on a control plane, put the token into the "
			"credential %s and restart agentd",
			join->credential);
	else
		why_add(why, "run `agentctl token create` on a control plane and write the token "
			     "into the role");
}

static enum verdict bootstrap_observe(struct context *ctx, const struct resource *row,
				      struct why *why)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 }, cluster = { 0 };
	_cleanup_(secret_unref) struct secret *token = facts_bootstrap_token(ctx);
	enum verdict verdict = identity_look(ctx, &config, why);

	(void)row;
	if (verdict == IN_SYNC && facts_cluster(ctx, &cluster) > 0 &&
	    strcmp(config.server, cluster.server) != 0) {
		why_set(why, "kubelet.conf talks to %s, not to %s", config.server, cluster.server);
		return DRIFTED;
	}
	if (verdict == DRIFTED && !token && !bootstrap_has_certificate(ctx)) {
		tell_next_step(ctx->role, why);
		return BLOCKED;
	}
	if (verdict == IN_SYNC && bootstrap_has_request_key(ctx)) {
		why_set(why, "the key of the certificate request has served and is still kept");
		return DRIFTED;
	}
	return verdict;
}

static int bootstrap_write(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	int r;

	(void)op;
	if (facts_cluster(ctx, &cluster) == 0)
		return error_set(err, ERROR_PENDING, -EAGAIN, "the cluster is not known yet");
	r = kubeconfig_write_kubelet(cluster.server, cluster.ca_pem, KUBELET_CURRENT, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "kubelet.conf cannot be written");
	return write_kubelet_conf(ctx, &text, err);
}

static const struct stage bootstrap_apply[] = {
	{ "look up the node's name", bootstrap_node_get, bootstrap_node_check, .may_fail = true },
	{ "make key", NULL, bootstrap_key_make },
	{ "request certificate", bootstrap_csr_post, bootstrap_csr_posted, .may_fail = true },
	{ "await certificate", bootstrap_csr_await, bootstrap_csr_collect, .timeout_s = 3600 },
	{ "write kubelet.conf", NULL, bootstrap_write },
	{ "remove the request's key", NULL, bootstrap_key_remove },
	{ "see the certificate work", bootstrap_prove, NULL },
	{ 0 },
};

static void token_paths(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)row;
	if (ctx->role->join.token_file)
		strv_add(&ret->paths, ctx->role->join.token_file);
}

/* When the certificate stops to be good, unless the kubelet rotates it before. */
static int64_t certificate_end(struct context *ctx, const struct resource *row)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	int64_t end;

	(void)row;
	if (kubelet_files_load_certificate(ctx, &cert, NULL) == 0)
		return 0;
	end = cert_not_after(cert) + 1;
	return end > ctx->now ? end : 0;
}

/* clang-format off */
const struct resource identity_rows[] = {
	{ .name = "kubelet-identity", .title = "the kubelet's client certificate and kubelet.conf",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_KUBELET,
	  .needs = { "clock", "certificate-ca" }, .condition = "CredentialsValid",
	  .triggers = { ON_PATH(KUBELET_CONF), ON_PATH(KUBELET_PKI "/"), DUE(certificate_end),
			EVERY(3600) },
	  .observe = identity_observe, .apply = identity_apply },
	{ .name = "tls-bootstrap", .title = "the kubelet's client certificate, by TLS bootstrap",
	  .roles = FOR_WORKER, .class = CLASS_KUBELET,
	  .needs = { "clock", "discovery", "ca-certificate" },
	  .condition = "CredentialsValid",
	  .triggers = { ON_PATH(KUBELET_CONF), ON_PATH(KUBELET_PKI "/"), ON_LIST(token_paths),
			DUE(certificate_end), EVERY(3600) },
	  .observe = bootstrap_observe, .apply = bootstrap_apply },
	{ 0 },
};
/* clang-format on */
