/* Leaf certificates: where they lie, when they are renewed, what makes the next one; see leaf.h. */
#include "agentd/resources/leaf.h"

#include <string.h>

#include "agentd/resources/files.h"
#include "agentd/resources/request.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "discovery/kubeconfig.h"
#include "pki/renew.h"

enum {
	AT_PERCENT = 66,
	SPREAD_PERCENT = 5,
	/* Certificates are dated back, for clocks that are behind; their life begins later. */
	DATED_BACK_S = 5 * 60,
};

/* Notes of the row that keeps a certificate: the serial that is to be replaced, and how. */
#define NOTE_RENEW "renew"
#define NOTE_FORCE "force"

static bool is_agentds(const struct profile *profile)
{
	return !profile->in_kubeconfig && !profile->base_name;
}

char *leaf_row(const struct profile *profile)
{
	static const char ending[] = ".conf";

	if (is_agentds(profile))
		return xstrdup("agentd-identity");
	if (!profile->in_kubeconfig)
		return xasprintf("certificate-%s", profile->name);
	return xasprintf("kubeconfig-%.*s", (int)(strlen(profile->name) - strlen(ending)),
			 profile->name);
}

char *leaf_path(const struct context *ctx, const struct profile *profile)
{
	if (is_agentds(profile))
		return xasprintf("/var/lib/agentd/pki/%s.crt", profile->name);
	if (profile->in_kubeconfig)
		return xasprintf("/etc/kubernetes/%s", profile->name);
	return xasprintf("%s/%s.crt", ctx->role->cluster.certificates_dir, profile->base_name);
}

static int parse(const char *cert_pem, size_t cert_length, const char *key_pem, size_t key_length,
		 struct cert **ret_cert, struct key **ret_key)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;

	if (cert_from_pem(cert_pem, cert_length, &cert, &err) < 0)
		return 0;
	if (ret_key && key_from_pem(key_pem, key_length, &key, &err) < 0)
		return 0;
	*ret_cert = TAKE_PTR(cert);
	if (ret_key)
		*ret_key = TAKE_PTR(key);
	return 1;
}

static int load_kubeconfig(const char *path, struct cert **ret_cert, struct key **ret_key)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	if (kubeconfig_read(path, &config, &err) <= 0 || !config.certificate_pem || !config.key_pem)
		return 0;
	return parse(config.certificate_pem, strlen(config.certificate_pem),
		     secret_bytes(config.key_pem), secret_length(config.key_pem), ret_cert,
		     ret_key);
}

static char *key_path(const char *crt)
{
	return xasprintf("%.*skey", (int)(strlen(crt) - strlen("crt")), crt);
}

static int load_pair(const char *crt, struct cert **ret_cert, struct key **ret_key)
{
	_cleanup_free_ char *key = key_path(crt);
	_cleanup_(buf_done) struct buf crt_text = BUF_INIT(FILES_CAP);
	_cleanup_(buf_done) struct buf key_text = BUF_INIT(FILES_CAP);
	int r;

	if (!files_load(crt, &crt_text) || (ret_key && !files_load(key, &key_text)))
		return 0;
	r = parse(crt_text.data, crt_text.length, key_text.data, key_text.length, ret_cert,
		  ret_key);
	secret_wipe(key_text.data, key_text.length);
	return r;
}

int leaf_load(const struct context *ctx, const struct profile *profile, struct cert **ret_cert,
	      struct key **ret_key)
{
	_cleanup_free_ char *path = leaf_path(ctx, profile);
	_cleanup_free_ char *real = context_path(ctx, "%s", path);

	return profile->in_kubeconfig ? load_kubeconfig(real, ret_cert, ret_key)
				      : load_pair(real, ret_cert, ret_key);
}

/* When. */

int64_t leaf_due(const struct context *ctx, const struct profile *profile, const struct cert *cert)
{
	const struct role_renewal *wanted = &ctx->role->renewal;
	const struct renew_window window = {
		.at_percent = wanted->at_percent ? wanted->at_percent : AT_PERCENT,
		.spread_percent = wanted->spread_percent ? wanted->spread_percent : SPREAD_PERCENT,
	};
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);
	int64_t begin = MIN(cert_not_before(cert) + DATED_BACK_S, cert_not_after(cert));

	cert_serial(cert, &serial);
	return renew_due(begin, cert_not_after(cert), &window,
			 renew_random(ctx->role->node.name, profile->name, serial.data));
}

int64_t leaf_due_of(const struct context *ctx, const struct profile *profile)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	int64_t due;

	if (leaf_load(ctx, profile, &cert, NULL) == 0)
		return 0;
	due = leaf_due(ctx, profile, cert);
	return due > ctx->now ? due : 0;
}

/* On request. */

void leaf_ask(const struct context *ctx, const struct profile *profile, bool force)
{
	_cleanup_free_ char *row = leaf_row(profile);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);

	if (leaf_load(ctx, profile, &cert, NULL) > 0)
		cert_serial(cert, &serial);
	ledger_set_note(ctx->ledger, row, NOTE_RENEW, serial.data);
	ledger_set_note(ctx->ledger, row, NOTE_FORCE, force ? "yes" : NULL);
}

bool leaf_is_asked(const struct context *ctx, const struct profile *profile,
		   const struct cert *cert)
{
	_cleanup_free_ char *row = leaf_row(profile);
	const char *asked = ledger_note(ctx->ledger, row, NOTE_RENEW);
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);

	if (!asked || !cert)
		return false;
	cert_serial(cert, &serial);
	return strcmp(asked, serial.data) == 0;
}

bool leaf_is_forced(const struct context *ctx, const struct profile *profile)
{
	_cleanup_free_ char *row = leaf_row(profile);

	return ledger_note(ctx->ledger, row, NOTE_FORCE) != NULL;
}

/* Looking. */

static bool is_due(const struct context *ctx, const struct profile *profile,
		   const struct cert *cert, struct why *why)
{
	char date[32];

	if (leaf_is_asked(ctx, profile, cert)) {
		why_set(why, "is renewed on request");
		return true;
	}
	if (ctx->now < leaf_due(ctx, profile, cert))
		return false;
	format_time(cert_not_after(cert), date);
	why_set(why, "expires on %s: its time to be renewed has come", date);
	return true;
}

enum verdict leaf_observe(const struct context *ctx, const struct profile *profile,
			  const struct cert *cert, const struct key *key, bool *ret_replaceable,
			  struct why *why)
{
	enum verdict verdict = DRIFTED, waiting;
	struct why fault;

	if (cert && key)
		verdict = issue_observe(ctx, profile, cert, key, why);
	*ret_replaceable = verdict == IN_SYNC || leaf_is_forced(ctx, profile);
	if (verdict == UNKNOWN)
		return UNKNOWN;
	if (verdict == IN_SYNC && !is_due(ctx, profile, cert, why))
		return IN_SYNC;
	if (verdict == IN_SYNC)
		why_planned(why);
	if (!request_is_needed(ctx, profile->ca))
		return DRIFTED;

	fault = *why;
	waiting = request_observe(ctx, profile, why);
	*ret_replaceable = true;
	/* What is good goes on while somebody signs; the row "certificates" tells. */
	if (waiting == BLOCKED && verdict == IN_SYNC) {
		why->text[0] = '\0';
		return IN_SYNC;
	}
	if (fault.text[0]) {
		struct why request = *why;

		*why = fault;
		why_add(why, "%s", request.text);
	}
	return waiting;
}

/* Making. */

struct op *leaf_make(struct context *ctx, const struct role *role, struct issue_order order,
		     struct issued *ret_signed, struct error *err)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct why why = { .text = "" };

	order.request = request_is_needed(ctx, order.profile->ca);
	if (order.request && request_signed(ctx, order.profile, ret_signed) > 0)
		return NULL;
	if (leaf_load(ctx, order.profile, &cert, &key) > 0 &&
	    issue_observe(ctx, order.profile, cert, key, &why) == IN_SYNC)
		order.like = cert;
	return issue_order(ctx, role, &order, err);
}

int leaf_made(const struct context *ctx, const struct profile *profile, struct error *err)
{
	_cleanup_free_ char *row = leaf_row(profile);

	ledger_set_note(ctx->ledger, row, NOTE_FORCE, NULL);
	ledger_set_note(ctx->ledger, row, NOTE_RENEW, NULL);
	return request_remove(ctx, profile, err);
}

int leaf_keep_pair(const struct context *ctx, const struct profile *profile,
		   const struct issued *issued, struct error *err)
{
	_cleanup_free_ char *path = leaf_path(ctx, profile);
	_cleanup_free_ char *crt = context_path(ctx, "%s", path);
	_cleanup_free_ char *key = key_path(crt);
	struct file_content contents[] = {
		{ .path = key,
		  .bytes = secret_bytes(issued->key_pem),
		  .length = secret_length(issued->key_pem),
		  .mode = 0600,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
		{ .path = crt,
		  .bytes = issued->certificate_pem,
		  .length = issued->certificate_pem ? strlen(issued->certificate_pem) : 0,
		  .mode = is_agentds(profile) ? 0600 : 0644,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
	};
	int r;

	if (issued->request_pem)
		return request_keep(ctx, profile, issued, err);
	r = files_replace_set(ctx, contents, ARRAY_SIZE(contents), err);
	return r < 0 ? r : leaf_made(ctx, profile, err);
}
