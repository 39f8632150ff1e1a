/* The rows of the kubeconfigs that embed a client certificate: admin.conf, controller-manager.conf
 * and scheduler.conf, and agentd's own client certificate, which lies in the state directory.
 * kubelet.conf is kept by kubelet_identity.c. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/issue.h"
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
				   const struct kubeconfig *config, struct why *why)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;

	if (!config->certificate_pem || !config->key_pem) {
		why_set(why, "embeds no client certificate");
		return DRIFTED;
	}
	if (cert_from_pem(config->certificate_pem, strlen(config->certificate_pem), &cert, &err) <
		0 ||
	    key_from_pem(secret_bytes(config->key_pem), secret_length(config->key_pem), &key,
			 &err) < 0) {
		why_set(why, "%s", err.message);
		return DRIFTED;
	}
	return issue_observe(ctx, profile_find(kind->profile), cert, key, why);
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
			  enum verdict verdict, struct why *why)
{
	struct why detail = *why;

	why_set(why, "%s %s", path, detail.text);
	if (verdict == UNKNOWN || files_is_ours(ctx, row))
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
	struct error err = ERROR_INIT;
	enum verdict verdict;
	struct stat st;
	int r;

	r = kubeconfig_read(path, &config, &err);
	if (r == 0) {
		why_set(why, "%s is missing", path);
		return DRIFTED;
	}
	if (r < 0) {
		why_set(why, "cannot be read: %s", err.message);
		return unfit(ctx, row, path, DRIFTED, why);
	}
	if (!ca_is_ours(ctx, &config)) {
		why_set(why, "is for a cluster with another CA");
		return unfit(ctx, row, path, DRIFTED, why);
	}
	verdict = client_observe(ctx, kind, &config, why);
	if (verdict != IN_SYNC)
		return unfit(ctx, row, path, verdict, why);
	if (files_is_ours(ctx, row) && strcmp(config.server, server) != 0) {
		why_set(why, "%s talks to %s, not to %s", path, config.server, server);
		return DRIFTED;
	}
	if (lstat(path, &st) == 0 && (st.st_mode & 07777) != 0600) {
		why_set(why, "%s has mode %04o, not 0600", path, st.st_mode & 07777);
		return DRIFTED;
	}
	return IN_SYNC;
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

static struct op *kubeconfig_make(struct task *task, struct error *err)
{
	const struct kind *kind = row_of(task)->data;
	_cleanup_free_ char *path = path_of(ctx_of(task), kind);
	_cleanup_(kubeconfig_done) struct kubeconfig found = { 0 };
	struct error unread = ERROR_INIT;
	struct why why = { .text = "" };

	/* A good certificate is kept: then only what is around it is to be written. */
	if (kubeconfig_read(path, &found, &unread) > 0 && ca_is_ours(ctx_of(task), &found) &&
	    client_observe(ctx_of(task), kind, &found, &why) != DRIFTED) {
		(void)kubeconfig_put(task, found.certificate_pem, found.key_pem, err);
		return NULL;
	}
	return issue_certificate(ctx_of(task), role_of(task), profile_find(kind->profile),
				 role_of(task)->cluster.encryption_algorithm, err);
}

static int kubeconfig_keep(struct task *task, struct op *op, struct error *err)
{
	const struct issued *issued = issue_result(op);

	return kubeconfig_put(task, issued->certificate_pem, issued->key_pem, err);
}

static const struct stage kubeconfig_apply[] = {
	{ "make key and client certificate", kubeconfig_make, kubeconfig_keep, .timeout_s = 120 },
	{ 0 },
};

/* agentd's own identity at the API server: CN=agentd:NODE, O=agentd:control-plane. */

static enum verdict agentd_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	_cleanup_free_ char *crt = context_state_path(ctx, "pki/agentd.crt");
	_cleanup_free_ char *key_path = context_state_path(ctx, "pki/agentd.key");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;
	enum verdict verdict;

	(void)row;
	if (files_load(crt, &text))
		(void)cert_from_pem(text.data, text.length, &cert, &err);
	buf_reset(&text);
	if (files_load(key_path, &text)) {
		(void)key_from_pem(text.data, text.length, &key, &err);
		secret_wipe(text.data, text.length);
	}
	if (!cert || !key) {
		why_set(why, "%s or its key is missing", crt);
		return DRIFTED;
	}
	verdict = issue_observe(ctx, profile_find("agentd"), cert, key, why);
	if (verdict != IN_SYNC) {
		struct why detail = *why;

		why_set(why, "%s %s", crt, detail.text);
	}
	return verdict;
}

static struct op *agentd_make(struct task *task, struct error *err)
{
	return issue_certificate(ctx_of(task), role_of(task), profile_find("agentd"),
				 KEY_ECDSA_P256, err);
}

static int agentd_keep(struct task *task, struct op *op, struct error *err)
{
	const struct issued *issued = issue_result(op);
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *crt = context_state_path(ctx, "pki/agentd.crt");
	_cleanup_free_ char *key = context_state_path(ctx, "pki/agentd.key");
	struct file_content contents[] = {
		{ .path = key,
		  .bytes = secret_bytes(issued->key_pem),
		  .length = secret_length(issued->key_pem),
		  .mode = 0600,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
		{ .path = crt,
		  .bytes = issued->certificate_pem,
		  .length = strlen(issued->certificate_pem),
		  .mode = 0600,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
	};

	return files_replace_set(ctx, contents, ARRAY_SIZE(contents), err);
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
}

/* clang-format off */
#define KUBECONFIG(id, of_kind)                                                          \
	{ .name = "kubeconfig-" id, .title = "/etc/kubernetes/" id ".conf", .data = of_kind, \
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_KUBECONFIGS,                        \
	  .needs = { "clock", "certificate-ca" },                                        \
	  .triggers = { ON_PATH("/etc/kubernetes/" id ".conf"), EVERY(12 * 3600) },      \
	  .observe = kubeconfig_observe, .apply = kubeconfig_apply }

const struct resource kubeconfig_rows[] = {
	{ .name = "agentd-identity", .title = "agentd's own client certificate",
	  .roles = FOR_CONTROL_PLANE, .needs = { "clock", "certificate-ca" },
	  .triggers = { ON_LIST(agentd_paths), EVERY(12 * 3600) },
	  .observe = agentd_observe, .apply = agentd_apply },
	KUBECONFIG("controller-manager", &controller_manager),
	KUBECONFIG("scheduler", &scheduler),
	KUBECONFIG("admin", &admin),
	{ 0 },
};
/* clang-format on */
