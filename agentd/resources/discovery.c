/* A joining node finds and trusts its cluster: what it found, server and CA, is kept in the state
 * directory (cluster.conf); the CA also where kubeadm puts it (caCertPath). */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "discovery/discover.h"
#include "discovery/token.h"

/* A digest of what the role says about the cluster: another endpoint or pin means to look again. */
static void wanted_digest(const struct role *role, char ret[static FILE_DIGEST_SIZE])
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	const struct role_join *join = &role->join;

	(void)buf_printf(&text, "%s\n%s\n%d\n", join->endpoint ? join->endpoint : "",
			 join->file ? join->file : "", join->unsafe_skip_ca_verification);
	STRV_FOREACH(pin, &join->ca_cert_hashes)
		(void)buf_printf(&text, "%s\n", pin);
	file_digest(text.data, text.length, ret);
}

static enum verdict discovery_observe(struct context *ctx, const struct resource *row,
				      struct why *why)
{
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	const char *found = ledger_note(ctx->ledger, row->name, "found");
	char wanted[FILE_DIGEST_SIZE];

	wanted_digest(ctx->role, wanted);
	if (facts_cluster(ctx, &cluster) == 0) {
		why_set(why, "the cluster at %s is not known yet",
			ctx->role->join.endpoint ? ctx->role->join.endpoint : ctx->role->join.file);
		return DRIFTED;
	}
	if (!found || strcmp(found, wanted) != 0) {
		why_set(why, "the role names another endpoint or other pins");
		return DRIFTED;
	}
	return IN_SYNC;
}

static struct op *discovery_start(struct task *task, struct error *err)
{
	const struct role_join *join = &role_of(task)->join;
	_cleanup_(secret_unref) struct secret *secret =
	    join->file ? NULL : facts_bootstrap_token(ctx_of(task));
	_cleanup_(token_done) struct token token = { 0 };

	if (secret && token_parse(secret, &token, err) < 0)
		return NULL;
	return discover_start(task_loop(task),
			      &(struct discover_request){
				  .endpoint = join->endpoint,
				  .token = secret ? &token : NULL,
				  .pins = &join->ca_cert_hashes,
				  .unsafe_skip = join->unsafe_skip_ca_verification,
				  .file_path = join->file,
			      },
			      err);
}

/* In the first minutes of a join a cluster that is not there yet is asked every half second; after
 * that the back-off table decides. */
static int discovery_keep(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct error *error = op_error(op);
	const struct clusterinfo *info;
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_free_ char *path = context_state_path(ctx, "cluster.conf");
	char digest[FILE_DIGEST_SIZE];
	const char *slow = ledger_note(ctx->ledger, "discovery", "slow");
	int r;

	if (error) {
		bool first_minutes =
		    clock_ns(ctx->clock) - task_stage_since_ns(task) < 110 * NSEC_PER_SEC;

		if ((error->class == ERROR_NETWORK || error->class == ERROR_PENDING) && !slow &&
		    first_minutes)
			return STAGE_AGAIN;
		ledger_set_note(ctx->ledger, "discovery", "slow", "yes");
		return op_result(op, err);
	}
	info = discover_result(op);
	config.server = xstrdup(info->server);
	config.ca_pem = xstrdup(info->ca_pem);
	config.cluster = xstrdup("kubernetes");
	config.user = xstrdup("none");
	config.context = xstrdup("none@kubernetes");
	r = kubeconfig_write(&config, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "cluster.conf cannot be written");
	r = files_replace(ctx, path, text.data, text.length, 0600, err);
	if (r < 0)
		return r;
	wanted_digest(role_of(task), digest);
	ledger_set_note(ctx->ledger, "discovery", "found", digest);
	ledger_set_note(ctx->ledger, "discovery", "slow", NULL);
	return STAGE_NEXT;
}

static const struct stage discovery_apply[] = {
	{ "find and trust the cluster", discovery_start, discovery_keep, .again_ms = 500,
	  .timeout_s = 125, .may_fail = true },
	{ 0 },
};

static void discovery_paths(struct context *ctx, const struct resource *row,
			    struct trigger_list *ret)
{
	(void)row;
	strv_add(&ret->paths, "/var/lib/agentd/cluster.conf");
	if (ctx->role->join.token_file)
		strv_add(&ret->paths, ctx->role->join.token_file);
	if (ctx->role->join.file)
		strv_add(&ret->paths, ctx->role->join.file);
}

/* The cluster's CA where kubeadm puts it. */

static enum verdict ca_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	_cleanup_free_ char *path = context_path(ctx, "%s", ctx->role->join.ca_cert_path);
	struct buf wanted = BUF_INIT(FILES_CAP);

	(void)row;
	if (facts_cluster(ctx, &cluster) == 0) {
		why_set(why, "the cluster is not known yet");
		return UNKNOWN;
	}
	wanted.data = cluster.ca_pem;
	wanted.length = strlen(cluster.ca_pem);
	return files_observe(path, &wanted, 0644, why);
}

static int ca_write(struct task *task, struct op *op, struct error *err)
{
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *path = context_path(ctx, "%s", role_of(task)->join.ca_cert_path);

	(void)op;
	if (facts_cluster(ctx, &cluster) == 0)
		return error_set(err, ERROR_PENDING, -EAGAIN, "the cluster is not known yet");
	return files_replace(ctx, path, cluster.ca_pem, strlen(cluster.ca_pem), 0644, err);
}

static const struct stage ca_apply[] = {
	{ "write the cluster's CA", NULL, ca_write },
	{ 0 },
};

static void ca_paths(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	(void)row;
	strv_add(&ret->paths, ctx->role->join.ca_cert_path);
}

/* clang-format off */
const struct resource discovery_rows[] = {
	{ .name = "discovery", .title = "endpoint and CA of the cluster, found and trusted",
	  .roles = FOR_WORKER, .needs = { "preflight" },
	  .triggers = { ON_LIST(discovery_paths) },
	  .observe = discovery_observe, .apply = discovery_apply },
	{ .name = "ca-certificate", .title = "the cluster's CA in caCertPath",
	  .roles = FOR_WORKER, .class = CLASS_CERTIFICATES, .needs = { "discovery" },
	  .triggers = { ON_LIST(ca_paths) },
	  .observe = ca_observe, .apply = ca_apply },
	{ 0 },
};
/* clang-format on */
