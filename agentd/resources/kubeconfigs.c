/* The rows of the kubeconfigs that embed a client certificate: admin.conf, controller-manager.conf
 * and scheduler.conf, and agentd's own client certificate, which lies in the state directory.
 * kubelet.conf is kept by kubelet_identity.c. */
#include <errno.h>
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/leaf.h"
#include "agentd/resources/request.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "discovery/kubeconfig.h"

/* What a row keeps. */
struct kind {
	const char *profile;
	bool local_server; /* talks to this node's API server, not to the cluster's endpoint */
};

static const struct kind admin = { .profile = "admin.conf" };
static const struct kind controller_manager = { "controller-manager.conf", .local_server = true };
static const struct kind scheduler = { "scheduler.conf", .local_server = true };

static char *path_of(const struct context *ctx, const struct kind *kind)
{
	return context_path(ctx, "/etc/kubernetes/%s", kind->profile);
}

static char *server_of(const struct role *role, const struct kind *kind)
{
	return kind->local_server ? role_local_server(role) : role_cluster_server(role);
}

/* Whether the client certificate in it is good; else the reason is in why. */
static enum verdict client_observe(const struct context *ctx, const struct kind *kind,
				   const struct kubeconfig *config, bool *ret_replaceable,
				   struct why *why)
{
	const struct profile *profile = profile_find(kind->profile);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;

	if (!config->certificate_pem || !config->key_pem)
		why_set(why, "embeds no client certificate");
	else if (cert_from_pem(config->certificate_pem, strlen(config->certificate_pem), &cert,
			       &err) < 0 ||
		 key_from_pem(secret_bytes(config->key_pem), secret_length(config->key_pem), &key,
			      &err) < 0)
		why_set(why, "%s", err.message);
	return leaf_observe(ctx, profile, key ? cert : NULL, key, ret_replaceable, why);
}

static bool ca_is_ours(const struct context *ctx, const struct kubeconfig *config)
{
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *ca = NULL;
	struct error err = ERROR_INIT;

	if (!config->ca_pem || !issue_load_ca(ctx, "ca", &roots) ||
	    cert_from_pem(config->ca_pem, strlen(config->ca_pem), &ca, &err) < 0)
		return false;
	for (size_t i = 0; i < roots.count; i++)
		if (cert_equal(roots.items[i], ca))
			return true;
	return false;
}

static enum verdict unfit(const struct context *ctx, const struct resource *row, const char *path,
			  enum verdict verdict, struct why *why, bool replaceable)
{
	struct why detail = *why;

	why_set(why, "%s %s", path, detail.text);
	if (verdict != DRIFTED || replaceable || files_is_ours(ctx, row))
		return verdict;
	why_add(why, "it is not agentd's: remove it, or mend it");
	return BLOCKED;
}

static enum verdict kubeconfig_observe(struct context *ctx, const struct resource *row,
				       struct why *why)
{
	const struct kind *kind = row->data;
	_cleanup_free_ char *path = path_of(ctx, kind);
	_cleanup_free_ char *server = server_of(ctx->role, kind);
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	bool forced = leaf_is_forced(ctx, profile_find(kind->profile)), replaceable;
	struct error err = ERROR_INIT;
	enum verdict verdict;
	int r;

	r = kubeconfig_read(path, &config, &err);
	if (r == 0) {
		why_set(why, "is missing");
		verdict =
		    leaf_observe(ctx, profile_find(kind->profile), NULL, NULL, &replaceable, why);
		return unfit(ctx, row, path, verdict, why, true);
	}
	if (r < 0) {
		why_set(why, "cannot be read: %s", err.message);
		return unfit(ctx, row, path, DRIFTED, why, forced);
	}
	if (!ca_is_ours(ctx, &config)) {
		why_set(why, "is for a cluster with another CA");
		return unfit(ctx, row, path, DRIFTED, why, forced);
	}
	verdict = client_observe(ctx, kind, &config, &replaceable, why);
	if (verdict != IN_SYNC)
		return unfit(ctx, row, path, verdict, why, replaceable);
	if (files_is_ours(ctx, row) && strcmp(config.server, server) != 0) {
		why_set(why, "%s talks to %s, not to %s", path, config.server, server);
		return DRIFTED;
	}
	return files_are_kept(path, 0600, why) ? IN_SYNC : DRIFTED;
}

/* The file with this certificate in it. */
static int kubeconfig_put(struct task *task, const char *certificate_pem, struct secret *key_pem,
			  struct error *err)
{
	const struct kind *kind = row_of(task)->data;
	const struct role *role = role_of(task);
	_cleanup_free_ char *path = path_of(ctx_of(task), kind);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf ca = BUF_INIT(FILES_CAP);
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	int r;

	if (!issue_load_ca(ctx_of(task), "ca", &roots) || roots.count == 0)
		return error_set(err, ERROR_CONFIG, -ENOENT, "ca.crt cannot be read");
	/* The first certificate of a bundle only, as kubeadm does. */
	cert_to_pem(roots.items[0], &ca);
	config.server = server_of(role, kind);
	config.ca_pem = buf_take(&ca);
	config.cluster = xstrdup(role->cluster.cluster_name);
	config.user = profile_common_name(profile_find(kind->profile), role->node.name);
	config.context = xasprintf("%s@%s", config.user, config.cluster);
	config.certificate_pem = xstrdup(certificate_pem);
	config.key_pem = secret_ref(key_pem);
	r = kubeconfig_write(&config, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "%s cannot be written", path);
	r = files_replace(ctx_of(task), path, text.data, text.length, 0600, err);
	secret_wipe(text.data, text.length);
	return r < 0 ? r : STAGE_NEXT;
}

static int kubeconfig_put_issued(struct task *task, const struct issued *issued, struct error *err)
{
	const struct kind *kind = row_of(task)->data;
	const struct profile *profile = profile_find(kind->profile);
	int r;

	if (issued->request_pem)
		return request_keep(ctx_of(task), profile, issued, err);
	r = kubeconfig_put(task, issued->certificate_pem, issued->key_pem, err);
	return r < 0 ? r : leaf_made(ctx_of(task), profile, err);
}

static struct op *kubeconfig_make(struct task *task, struct error *err)
{
	const struct kind *kind = row_of(task)->data;
	struct issue_order order = {
		.profile = profile_find(kind->profile),
		.algorithm = role_of(task)->cluster.encryption_algorithm,
	};
	_cleanup_free_ char *path = path_of(ctx_of(task), kind);
	_cleanup_(kubeconfig_done) struct kubeconfig found = { 0 };
	_cleanup_(issued_done) struct issued signed_elsewhere = { 0 };
	struct error unread = ERROR_INIT;
	struct why why = { .text = "" };
	bool replaceable;
	struct op *op;

	/* A good certificate is kept: then only what is around it is to be written. */
	if (kubeconfig_read(path, &found, &unread) > 0 && ca_is_ours(ctx_of(task), &found) &&
	    client_observe(ctx_of(task), kind, &found, &replaceable, &why) != DRIFTED) {
		(void)kubeconfig_put(task, found.certificate_pem, found.key_pem, err);
		return NULL;
	}
	op = leaf_make(ctx_of(task), role_of(task), order, &signed_elsewhere, err);
	if (signed_elsewhere.certificate_pem)
		(void)kubeconfig_put_issued(task, &signed_elsewhere, err);
	return op;
}

static int kubeconfig_keep(struct task *task, struct op *op, struct error *err)
{
	return kubeconfig_put_issued(task, issue_result(op), err);
}

static const struct stage kubeconfig_apply[] = {
	{ "make key and client certificate", kubeconfig_make, kubeconfig_keep, .timeout_s = 120 },
	{ 0 },
};

/* agentd's own identity at the API server: CN=agentd:NODE, O=agentd:control-plane. */

static enum verdict agentd_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct profile *profile = profile_find("agentd");
	_cleanup_free_ char *crt = context_state_path(ctx, "pki/agentd.crt");
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	enum verdict verdict;
	bool replaceable;

	(void)row;
	if (leaf_load(ctx, profile, &cert, &key) == 0)
		why_set(why, "or its key is missing");
	verdict = leaf_observe(ctx, profile, cert, key, &replaceable, why);
	if (verdict != IN_SYNC) {
		struct why detail = *why;

		why_set(why, "%s %s", crt, detail.text);
	}
	return verdict;
}

static struct op *agentd_make(struct task *task, struct error *err)
{
	struct issue_order order = { .profile = profile_find("agentd"),
				     .algorithm = KEY_ECDSA_P256 };
	_cleanup_(issued_done) struct issued signed_elsewhere = { 0 };
	struct op *op;

	op = leaf_make(ctx_of(task), role_of(task), order, &signed_elsewhere, err);
	if (signed_elsewhere.certificate_pem)
		(void)leaf_keep_pair(ctx_of(task), order.profile, &signed_elsewhere, err);
	return op;
}

static int agentd_keep(struct task *task, struct op *op, struct error *err)
{
	return leaf_keep_pair(ctx_of(task), profile_find("agentd"), issue_result(op), err);
}

static const struct stage agentd_apply[] = {
	{ "make key and client certificate", agentd_make, agentd_keep, .timeout_s = 120 },
	{ 0 },
};

static void agentd_paths(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)ctx;
	(void)row;
	strv_add(&ret->paths, "/var/lib/agentd/pki/agentd.crt");
	strv_add(&ret->paths, "/var/lib/agentd/pki/agentd.key");
	request_paths(profile_find("agentd"), ret);
}

static int64_t agentd_due(struct context *ctx, const struct resource *row)
{
	(void)row;
	return leaf_due_of(ctx, profile_find("agentd"));
}

static void kubeconfig_paths(struct context *ctx, const struct resource *row,
			     struct trigger_list *ret)
{
	const struct kind *kind = row->data;

	(void)ctx;
	strv_addf(&ret->paths, "/etc/kubernetes/%s", kind->profile);
	request_paths(profile_find(kind->profile), ret);
}

static int64_t kubeconfig_due(struct context *ctx, const struct resource *row)
{
	const struct kind *kind = row->data;

	return leaf_due_of(ctx, profile_find(kind->profile));
}

/* clang-format off */
#define KUBECONFIG(id, of_kind)                                                          \
	{ .name = "kubeconfig-" id, .title = "/etc/kubernetes/" id ".conf", .data = of_kind, \
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_KUBECONFIGS,                        \
	  .needs = { "certificate-ca" },                                                 \
	  .triggers = { ON_LIST(kubeconfig_paths), DUE(kubeconfig_due), EVERY(12 * 3600) }, \
	  .observe = kubeconfig_observe, .apply = kubeconfig_apply }

const struct resource kubeconfig_rows[] = {
	{ .name = "agentd-identity", .title = "agentd's own client certificate",
	  .roles = FOR_CONTROL_PLANE, .needs = { "certificate-ca" },
	  .triggers = { ON_LIST(agentd_paths), DUE(agentd_due), EVERY(12 * 3600) },
	  .observe = agentd_observe, .apply = agentd_apply },
	KUBECONFIG("controller-manager", &controller_manager),
	KUBECONFIG("scheduler", &scheduler),
	KUBECONFIG("admin", &admin),
	{ 0 },
};
/* clang-format on */
