/* The rows of the certificates in certificatesDir, one for each file pair of pki/profiles.h, and
 * the service account's key pair. Valid things are kept, never made again; what somebody else put
 * there and does not fit is reported, not overwritten. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/issue.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "pki/profiles.h"

static const struct profile *profile_of_row(const struct resource *row)
{
	return profile_find(row->data);
}

struct pair {
	char *crt_path, *key_path;
	bool has_crt, has_key;
	struct cert *cert; /* NULL if it cannot be parsed */
	struct key *key;
	struct error err; /* why not */
};

static void pair_done(struct pair *pair)
{
	free(pair->crt_path);
	free(pair->key_path);
	cert_unref(pair->cert);
	key_unref(pair->key);
}
DEFINE_CLEANUP_VALUE(struct pair, pair_done)

static void pair_load(const struct context *ctx, const struct profile *profile, struct pair *ret)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);

	*ret = (struct pair){
		.crt_path = files_pki(ctx, "%s.crt", profile->base_name),
		.key_path = files_pki(ctx, "%s.key", profile->base_name),
	};
	ret->has_crt = fs_exists(ret->crt_path);
	ret->has_key = fs_exists(ret->key_path);
	if (files_load(ret->crt_path, &text))
		(void)cert_from_pem(text.data, text.length, &ret->cert, &ret->err);
	buf_reset(&text);
	if (files_load(ret->key_path, &text)) {
		(void)key_from_pem(text.data, text.length, &ret->key, &ret->err);
		secret_wipe(text.data, text.length);
	}
}

static bool mode_is(const char *path, mode_t mode, struct why *why)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == mode)
		return true;
	why_set(why, "%s has mode %04o, not %04o", path, st.st_mode & 07777, mode);
	return false;
}

/* Something is there that does not fit: ours is made again, somebody else's is reported. */
static enum verdict unfit(const struct context *ctx, const struct resource *row, const char *path,
			  enum verdict verdict, struct why *why)
{
	struct why detail = *why;

	why_set(why, "%s %s", path, detail.text);
	if (verdict == UNKNOWN || files_is_ours(ctx, row))
		return verdict;
	why_add(why, "it is not agentd's: remove it and its key, or mend it");
	return BLOCKED;
}

static enum verdict observe_ca(const struct context *ctx, const struct resource *row,
			       const struct pair *pair, struct why *why)
{
	if (pair->has_crt && !pair->has_key) {
		why_set(why, "%s is there without its key; an external CA is not supported yet",
			pair->crt_path);
		return BLOCKED;
	}
	if (!pair->has_crt) {
		why_set(why,
			"%s is there without its certificate: put that back, or remove the key",
			pair->key_path);
		return BLOCKED;
	}
	/* A CA is never replaced silently, not even our own. */
	if (!pair->cert || !pair->key) {
		why_set(why, "%s or its key cannot be read: %s", pair->crt_path, pair->err.message);
		return BLOCKED;
	}
	if (!cert_has_key(pair->cert, pair->key) || !cert_is_ca(pair->cert)) {
		why_set(why, "%s is not a CA's certificate for %s", pair->crt_path, pair->key_path);
		return BLOCKED;
	}
	(void)ctx;
	(void)row;
	return IN_SYNC;
}

static enum verdict observe_leaf(const struct context *ctx, const struct resource *row,
				 const struct profile *profile, const struct pair *pair,
				 struct why *why)
{
	enum verdict verdict;

	if (!pair->has_crt || !pair->has_key) {
		why_set(why, "is there without its other half");
		return unfit(ctx, row, pair->has_crt ? pair->crt_path : pair->key_path, DRIFTED,
			     why);
	}
	if (!pair->cert || !pair->key) {
		why_set(why, "cannot be read: %s", pair->err.message);
		return unfit(ctx, row, pair->crt_path, DRIFTED, why);
	}
	verdict = issue_observe(ctx, profile, pair->cert, pair->key, why);
	return verdict == IN_SYNC ? IN_SYNC : unfit(ctx, row, pair->crt_path, verdict, why);
}

static enum verdict certificate_look(const struct context *ctx, const struct resource *row,
				     const struct pair *pair, struct why *why)
{
	const struct profile *profile = profile_of_row(row);

	if (!pair->has_crt && !pair->has_key) {
		why_set(why, "%s is missing", pair->crt_path);
		if (profile->ca || ledger_get(ctx->ledger, row->name) != LEDGER_APPLIED)
			return DRIFTED;
		/* The cluster has been made with it. */
		why_add(why, "and so is its key: put them back; with a new CA every node and every "
			     "client would have to join again");
		return BLOCKED;
	}
	return profile->ca ? observe_leaf(ctx, row, profile, pair, why)
			   : observe_ca(ctx, row, pair, why);
}

static enum verdict certificate_observe(struct context *ctx, const struct resource *row,
					struct why *why)
{
	_cleanup_(pair_done) struct pair pair = { 0 };
	enum verdict verdict;

	pair_load(ctx, profile_of_row(row), &pair);
	verdict = certificate_look(ctx, row, &pair, why);
	if (verdict != IN_SYNC)
		return verdict;
	return mode_is(pair.crt_path, 0644, why) && mode_is(pair.key_path, 0600, why) ? IN_SYNC
										      : DRIFTED;
}

/* Gives an existing good pair its modes back, keeping its bytes. */
static int keep_pair(const struct context *ctx, const struct pair *pair, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	int r;

	if (!files_load(pair->crt_path, &text))
		return 0;
	r = files_replace(ctx, pair->crt_path, text.data, text.length, 0644, err);
	if (r < 0)
		return r;

	buf_reset(&text);
	if (!files_load(pair->key_path, &text))
		return 0;
	r = files_replace(ctx, pair->key_path, text.data, text.length, 0600, err);
	secret_wipe(text.data, text.length);
	return r;
}

static struct op *certificate_make(struct task *task, struct error *err)
{
	const struct resource *row = row_of(task);
	const struct profile *profile = profile_of_row(row);
	struct context *ctx = ctx_of(task);
	_cleanup_(pair_done) struct pair pair = { 0 };
	struct why why = { .text = "" };

	pair_load(ctx, profile, &pair);
	if (certificate_look(ctx, row, &pair, &why) == IN_SYNC) {
		(void)keep_pair(ctx, &pair, err);
		return NULL;
	}
	return issue_certificate(ctx, role_of(task), profile,
				 role_of(task)->cluster.encryption_algorithm, err);
}

static int certificate_keep(struct task *task, struct op *op, struct error *err)
{
	const struct profile *profile = profile_of_row(row_of(task));
	const struct issued *issued = issue_result(op);
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *crt = files_pki(ctx, "%s.crt", profile->base_name);
	_cleanup_free_ char *key = files_pki(ctx, "%s.key", profile->base_name);
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
		  .mode = 0644,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
	};

	return files_replace_set(ctx, contents, ARRAY_SIZE(contents), err);
}

static const struct stage certificate_apply[] = {
	{ "make key and certificate", certificate_make, certificate_keep, .timeout_s = 120 },
	{ 0 },
};

static void certificate_paths(struct context *ctx, const struct resource *row,
			      struct trigger_list *ret)
{
	const struct profile *profile = profile_of_row(row);
	const char *directory = ctx->role->cluster.certificates_dir;

	strv_addf(&ret->paths, "%s/%s.crt", directory, profile->base_name);
	strv_addf(&ret->paths, "%s/%s.key", directory, profile->base_name);
}

/* The service account's key pair. */

static enum verdict service_account_observe(struct context *ctx, const struct resource *row,
					    struct why *why)
{
	_cleanup_free_ char *key_path = files_pki(ctx, "sa.key");
	_cleanup_free_ char *pub_path = files_pki(ctx, "sa.pub");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf pub = BUF_INIT(FILES_CAP);
	_cleanup_(key_unref) struct key *key = NULL, *public = NULL;
	struct error err = ERROR_INIT;
	int r;

	if (!fs_exists(key_path)) {
		why_set(why, "%s is missing", key_path);
		return DRIFTED;
	}
	if (!files_load(key_path, &text)) {
		why_set(why, "%s cannot be read", key_path);
		return BLOCKED;
	}
	r = key_from_pem(text.data, text.length, &key, &err);
	secret_wipe(text.data, text.length);
	if (r < 0) {
		why_set(why, "%s: %s", key_path, err.message);
		return BLOCKED;
	}
	if (!files_load(pub_path, &pub) ||
	    key_public_from_pem(pub.data, pub.length, &public, &err) < 0 ||
	    !key_matches(key, public)) {
		why_set(why, "%s does not hold the public half of sa.key", pub_path);
		return DRIFTED;
	}
	(void)row;
	return mode_is(key_path, 0600, why) && mode_is(pub_path, 0600, why) ? IN_SYNC : DRIFTED;
}

struct key_job {
	enum key_algorithm algorithm;
	struct key *key;
};

static int key_job_run(void *argument, struct error *err)
{
	struct key_job *job = argument;

	return key_generate(job->algorithm, &job->key, err);
}

static void key_job_free(void *argument)
{
	struct key_job *job = argument;

	key_unref(job->key);
	free(job);
}

static struct op *service_account_make(struct task *task, struct error *err)
{
	_cleanup_free_ char *path = files_pki(ctx_of(task), "sa.key");
	struct key_job *job;

	(void)err;
	if (fs_exists(path))
		return NULL;
	job = NEW(struct key_job);
	job->algorithm = role_of(task)->cluster.encryption_algorithm;
	/* The API server waits for it. */
	return work_run(ctx_of(task)->work, profile_rank(profile_find("apiserver")), key_job_run,
			job, key_job_free);
}

static int service_account_keep(struct task *task, struct op *op, struct error *err)
{
	const struct key_job *job = op_impl(op);
	_cleanup_free_ char *path = files_pki(ctx_of(task), "sa.key");
	_cleanup_(secret_unref) struct secret *pem = key_to_pem(job->key);

	return files_replace(ctx_of(task), path, secret_bytes(pem), secret_length(pem), 0600, err);
}

/* The public half always follows from the private one, whatever is there. */
static int service_account_publish(struct task *task, struct op *op, struct error *err)
{
	_cleanup_free_ char *key_path = files_pki(ctx_of(task), "sa.key");
	_cleanup_free_ char *pub_path = files_pki(ctx_of(task), "sa.pub");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf pub = BUF_INIT(FILES_CAP);
	_cleanup_(key_unref) struct key *key = NULL;
	int r;

	(void)op;
	r = file_read(key_path, &text, err);
	if (r <= 0)
		return r < 0 ? r : error_set(err, ERROR_CONFIG, -ENOENT, "%s is gone", key_path);
	r = key_from_pem(text.data, text.length, &key, err);
	if (r >= 0)
		r = key_public_to_pem(key, &pub, err);
	if (r >= 0)
		r = files_replace(ctx_of(task), pub_path, pub.data, pub.length, 0600, err);
	if (r >= 0)
		r = files_replace(ctx_of(task), key_path, text.data, text.length, 0600, err);
	secret_wipe(text.data, text.length);
	return r < 0 ? r : STAGE_NEXT;
}

static const struct stage service_account_apply[] = {
	{ "make key", service_account_make, service_account_keep, .timeout_s = 120 },
	{ "write its public half", NULL, service_account_publish },
	{ 0 },
};

static void service_account_paths(struct context *ctx, const struct resource *row,
				  struct trigger_list *ret)
{
	(void)row;
	strv_addf(&ret->paths, "%s/sa.key", ctx->role->cluster.certificates_dir);
	strv_addf(&ret->paths, "%s/sa.pub", ctx->role->cluster.certificates_dir);
}

/* clang-format off */
#define CERTIFICATE(profile, ...)                                                   \
	{ .name = "certificate-" profile, .data = profile,                          \
	  .title = "key and certificate \"" profile "\" in certificatesDir",        \
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_CERTIFICATES,                  \
	  .needs = { "clock", __VA_ARGS__ },                                         \
	  .triggers = { ON_LIST(certificate_paths), EVERY(12 * 3600) },             \
	  .observe = certificate_observe, .apply = certificate_apply }

const struct resource certificate_rows[] = {
	CERTIFICATE("ca", "preflight"),
	CERTIFICATE("etcd-ca", "preflight"),
	CERTIFICATE("front-proxy-ca", "preflight"),
	CERTIFICATE("etcd-server", "certificate-etcd-ca"),
	CERTIFICATE("etcd-peer", "certificate-etcd-ca"),
	CERTIFICATE("apiserver-etcd-client", "certificate-etcd-ca"),
	CERTIFICATE("apiserver", "certificate-ca"),
	{ .name = "service-account-key", .title = "sa.key and sa.pub in certificatesDir",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_CERTIFICATES, .needs = { "preflight" },
	  .triggers = { ON_LIST(service_account_paths) },
	  .observe = service_account_observe, .apply = service_account_apply },
	CERTIFICATE("apiserver-kubelet-client", "certificate-ca"),
	CERTIFICATE("front-proxy-client", "certificate-front-proxy-ca"),
	CERTIFICATE("etcd-healthcheck-client", "certificate-etcd-ca"),
	{ 0 },
};
/* clang-format on */
