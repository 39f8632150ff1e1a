/* The stages of a worker's TLS bootstrap; see bootstrap.h. */
#include "agentd/resources/bootstrap.h"

#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "agentd/resources/node_request.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "common/parse.h"
#include "pki/csr.h"
#include "pki/hmac.h"

#define ROW "tls-bootstrap"

enum {
	QUIET_S = 60,		 /* a request may be open so long before anybody is told */
	DENIED_AGAIN_MS = 300000 /* and one that was denied is asked for anew */
};

/* What the stages hand on to each other. */
struct join {
	struct kube *kube; /* with the bootstrap token */
	struct key *key;
	char csr_name[64];
	bool has_certificate; /* nothing to ask for */
};

static void join_free(void *state)
{
	struct join *join = state;

	kube_free(join->kube);
	key_unref(join->key);
	free(join);
}

static struct join *join_of(struct task *task)
{
	return run_of(task)->state;
}

static char *common_name_of(const struct role *role)
{
	return xasprintf("system:node:%s", role->node.name);
}

/* The key of a request whose certificate has not come yet. */
static char *request_key_path(const struct context *ctx)
{
	return context_state_path(ctx, "pki/kubelet-client.key");
}

bool bootstrap_has_certificate(const struct context *ctx)
{
	_cleanup_free_ char *wanted = common_name_of(ctx->role);
	_cleanup_free_ char *found = NULL;
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;

	if (kubelet_files_load_certificate(ctx, &cert, &key) == 0 || !cert_has_key(cert, key) ||
	    facts_cluster(ctx, &cluster) == 0 ||
	    cert_list_from_pem(cluster.ca_pem, strlen(cluster.ca_pem), &roots, &err) < 0 ||
	    cert_verify(cert, &roots, ctx->now, &err) < 0)
		return false;
	found = cert_common_name(cert);
	return found && strcmp(found, wanted) == 0;
}

/* What is told of a join, beside the error of the last try: notes, so that a restart forgets none.
 */

static void set_trouble(struct context *ctx, const char *word)
{
	ledger_set_note(ctx->ledger, ROW, "trouble", word);
}

const char *bootstrap_trouble(const struct context *ctx)
{
	return ledger_note(ctx->ledger, ROW, "trouble");
}

static uint64_t number_note(const struct context *ctx, const char *key)
{
	const char *text = ledger_note(ctx->ledger, ROW, key);
	uint64_t number = 0;

	return text && parse_u64(text, &number) == 0 ? number : 0;
}

static void set_number_note(struct context *ctx, const char *key, uint64_t number)
{
	_cleanup_free_ char *text = xasprintf("%llu", (unsigned long long)number);

	ledger_set_note(ctx->ledger, ROW, key, text);
}

enum verdict bootstrap_request_observe(struct context *ctx, const struct resource *row,
				       struct why *why)
{
	int64_t asked = (int64_t)number_note(ctx, "asked");
	const char *name = ledger_note(ctx->ledger, ROW, "request");

	(void)row;
	if (!bootstrap_has_request_key(ctx) || asked == 0 || ctx->now < asked + QUIET_S)
		return IN_SYNC;
	if (ledger_note(ctx->ledger, ROW, "approved")) {
		why_set(why,
			"certificate request %s is approved and no certificate has come: is the "
			"controller-manager running, with its --cluster-signing files?",
			name ? name : "");
		why_reason(why, "CSRNotIssued");
	} else {
		why_set(why,
			"certificate request %s is not approved: kubectl certificate approve it, "
			"or join with a token that agentctl token create made",
			name ? name : "");
		why_reason(why, "CSRPending");
	}
	return UNKNOWN;
}

int64_t bootstrap_request_due(struct context *ctx, const struct resource *row)
{
	int64_t asked = (int64_t)number_note(ctx, "asked");

	(void)row;
	if (!bootstrap_has_request_key(ctx))
		return 0;
	/* The key comes before the request. */
	if (asked == 0)
		return ctx->now + QUIET_S;
	return asked + QUIET_S > ctx->now ? asked + QUIET_S : 0;
}

int bootstrap_token_take(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	struct error cause = ERROR_INIT;

	(void)op;
	if (!ctx->take_token || bootstrap_has_certificate(ctx) ||
	    ctx->take_token(ctx, &cause) >= 0 || role_of(task)->join.tls_bootstrap_token)
		return STAGE_NEXT;
	*err = cause;
	return err->code;
}

/* 401 is the API server's word that it does not know the token (any more). */
static int explain_denial(struct task *task, const struct op *op, struct error *err)
{
	const struct secret *text = role_of(task)->join.tls_bootstrap_token;
	struct error cause = ERROR_INIT;
	int r = op_result(op, &cause);

	if (cause.class != ERROR_DENIED || cause.code != -EACCES) {
		*err = cause;
		return r;
	}
	set_trouble(ctx_of(task), "TokenExpired");
	return error_set(
	    err, ERROR_DENIED, -EKEYEXPIRED,
	    "bootstrap token %.6s has expired or was deleted before this node joined: "
	    "make a new one with `agentctl token create` on a control plane, and write "
	    "it into the role, its tokenFile or its credential",
	    text ? secret_bytes(text) : "");
}

struct op *bootstrap_node_get(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct role *role = role_of(task);
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	_cleanup_free_ char *path = xasprintf("/api/v1/nodes/%s", role->node.name);
	struct join *join = NEW(struct join);

	run_keep(task, join, join_free);
	join->has_certificate = bootstrap_has_certificate(ctx);
	if (join->has_certificate)
		return NULL;
	if (facts_cluster(ctx, &cluster) == 0 || !role->join.tls_bootstrap_token) {
		error_set(err, ERROR_CONFIG, -ENOKEY, "there is no bootstrap token in the role");
		return NULL;
	}
	join->kube = kube_new(ctx->loop, cluster.server,
			      &(struct http_identity){ .ca_pem = cluster.ca_pem,
						       .bearer = role->join.tls_bootstrap_token });
	return kube_get(join->kube, path);
}

static bool node_is_ready(const struct value *node)
{
	const struct value *conditions = value_at(node, "status", "conditions");

	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);

		if (strcmp(value_string_or(value_get(condition, "type"), ""), "Ready") == 0)
			return strcmp(value_string_or(value_get(condition, "status"), ""),
				      "True") == 0;
	}
	return false;
}

int bootstrap_node_check(struct task *task, struct op *op, struct error *err)
{
	const struct value *node = op_value(op);
	const char *theirs = value_string_or(value_at(node, "status", "nodeInfo", "machineID"), "");
	char ours[33];

	if (op_error(op))
		return explain_denial(task, op, err);
	set_trouble(ctx_of(task), NULL);

	facts_machine_id(ctx_of(task), ours);
	if (!node || strcmp(theirs, ours) == 0)
		return STAGE_NEXT;
	if (role_of(task)->join.replace_node && !node_is_ready(node))
		return STAGE_NEXT;
	return error_set(
	    err, ERROR_PENDING, -EADDRINUSE,
	    "a node named %s is in the cluster already (machine-id %s, this host has "
	    "%s), %s: give this host another name (nodeRegistration.name), delete that "
	    "Node, or set replaceNode: true to take over one that is not Ready",
	    role_of(task)->node.name, theirs[0] ? theirs : "unknown", ours,
	    node_is_ready(node) ? "Ready" : "not Ready");
}

/* The name of the request: another one for each that was denied, since that name is spent. */
static int name_request(const struct context *ctx, struct join *join, const char *common_name,
			struct error *err)
{
	uint64_t denied = number_note(ctx, "denied");
	_cleanup_free_ char *text =
	    denied ? xasprintf("%s %llu", common_name, (unsigned long long)denied)
		   : xstrdup(common_name);

	return csr_node_name(join->key, text, join->csr_name, err);
}

int bootstrap_key_make(struct task *task, struct op *op, struct error *err)
{
	_cleanup_free_ char *path = request_key_path(ctx_of(task));
	_cleanup_free_ char *name = common_name_of(role_of(task));
	_cleanup_(secret_unref) struct secret *pem = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	struct join *join = join_of(task);
	int r;

	(void)op;
	if (join->has_certificate)
		return STAGE_NEXT;
	if (files_load(path, &text)) {
		r = key_from_pem(text.data, text.length, &join->key, err);
		secret_wipe(text.data, text.length);
		if (r < 0)
			return error_wrap(err, r, "%s", path);
		return name_request(ctx_of(task), join, name, err);
	}
	/* P-256 takes a tenth of a millisecond: not worth a thread. */
	r = key_generate(KEY_ECDSA_P256, &join->key, err);
	if (r < 0)
		return r;
	pem = key_to_pem(join->key);
	r = files_replace(ctx_of(task), path, secret_bytes(pem), secret_length(pem), 0600, err);
	if (r < 0)
		return r;
	return name_request(ctx_of(task), join, name, err);
}

static struct value *csr_object(const struct join *join, const struct buf *pem)
{
	_cleanup_(buf_done) struct buf request = BUF_INIT(FILES_CAP);
	struct value *usages = value_new_list(), *map = value_new_map();

	hmac_base64(pem->data, pem->length, &request);
	usages = value_append(usages, value_new_string("digital signature"));
	usages = value_append(usages, value_new_string("client auth"));
	map = value_put(map, "apiVersion", value_new_string("certificates.k8s.io/v1"));
	map = value_put(map, "kind", value_new_string("CertificateSigningRequest"));
	map = value_put_at(map, value_new_string(join->csr_name), "metadata", "name");
	map = value_put_at(map, value_new_string(request.data), "spec", "request");
	map = value_put_at(map, value_new_string(KUBE_SIGNER_CLIENT_KUBELET), "spec", "signerName");
	return value_put_at(map, usages, "spec", "usages");
}

struct op *bootstrap_csr_post(struct task *task, struct error *err)
{
	_cleanup_free_ char *name = common_name_of(role_of(task));
	_cleanup_(strv_done) struct strv organizations = STRV_INIT;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP);
	_cleanup_(value_unref) struct value *object = NULL;
	struct join *join = join_of(task);

	if (join->has_certificate)
		return NULL;
	strv_add(&organizations, "system:nodes");
	if (csr_make(join->key, name, &organizations, &pem, err) < 0)
		return NULL;
	object = csr_object(join, &pem);
	return kube_create(join->kube, KUBE_CSRS, object);
}

/* One that is there already is ours from an earlier try, which awaiting it will prove. */
int bootstrap_csr_posted(struct task *task, struct op *op, struct error *err)
{
	const struct error *error = op_error(op);
	struct context *ctx = ctx_of(task);
	const char *asked = ledger_note(ctx->ledger, ROW, "request");

	if (error && error->code != -EEXIST)
		return explain_denial(task, op, err);
	/* One that was asked for by an earlier try has been open since then. */
	if (asked && strcmp(asked, join_of(task)->csr_name) == 0)
		return STAGE_NEXT;
	ledger_set_note(ctx->ledger, ROW, "request", join_of(task)->csr_name);
	ledger_set_note(ctx->ledger, ROW, "approved", NULL);
	set_number_note(ctx, "asked", (uint64_t)clock_wall(ctx->clock));
	return STAGE_NEXT;
}

static int refused(struct context *ctx, const struct value *refusal, const char *trouble,
		   struct error *err)
{
	set_trouble(ctx, trouble);
	set_number_note(ctx, "denied", number_note(ctx, "denied") + 1);
	error_set(err, ERROR_PENDING, -EACCES, "the certificate request was %s: %s",
		  strcmp(trouble, "CSRDenied") == 0 ? "denied" : "approved and could not be signed",
		  value_string_or(value_get(refusal, "message"), "no reason given"));
	err->retry_after_ms = DENIED_AGAIN_MS;
	return err->code;
}

static int csr_is_decided(const struct value *csr, void *argument, struct error *err)
{
	struct context *ctx = argument;

	if (!csr)
		return error_set(err, ERROR_PENDING, -ENOENT,
				 "the CSR is gone before it was signed");
	if (node_request_condition(csr, "Denied"))
		return refused(ctx, node_request_condition(csr, "Denied"), "CSRDenied", err);
	if (node_request_condition(csr, "Failed"))
		return refused(ctx, node_request_condition(csr, "Failed"), "CSRNotIssued", err);
	if (node_request_condition(csr, "Approved"))
		ledger_set_note(ctx->ledger, ROW, "approved", "yes");
	return value_string(value_at(csr, "status", "certificate")) ? 1 : 0;
}

struct op *bootstrap_csr_await(struct task *task, struct error *err)
{
	struct join *join = join_of(task);
	_cleanup_free_ char *path = xasprintf(KUBE_CSRS "/%s", join->csr_name);

	(void)err;
	if (join->has_certificate)
		return NULL;
	return kube_wait(join->kube, path, csr_is_decided, ctx_of(task), NULL);
}

static int csr_is_ours(const struct value *csr, const struct key *key, struct error *err)
{
	const char *request = value_string_or(value_at(csr, "spec", "request"), "");
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP);
	int r;

	r = hmac_base64_decode(request, strlen(request), &pem);
	if (r < 0)
		return error_set(err, ERROR_TRUST, r, "the CSR's request is not base64");
	r = csr_has_key(pem.data, pem.length, key, err);
	if (r == 0)
		return error_set(err, ERROR_TRUST, -EKEYREJECTED,
				 "the CSR of this name was made with another key");
	return r;
}

int bootstrap_csr_collect(struct task *task, struct op *op, struct error *err)
{
	const struct value *csr = op_value(op);
	const char *text = value_string_or(value_at(csr, "status", "certificate"), "");
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(secret_unref) struct secret *key = NULL;
	struct join *join = join_of(task);
	int r;

	if (op_error(op))
		return explain_denial(task, op, err);
	r = csr_is_ours(csr, join->key, err);
	if (r < 0)
		return r;
	r = hmac_base64_decode(text, strlen(text), &pem);
	if (r < 0)
		return error_set(err, ERROR_NETWORK, r, "the certificate is not base64");
	r = cert_from_pem(pem.data, pem.length, &cert, err);
	if (r < 0)
		return r;
	if (!cert_has_key(cert, join->key))
		return error_set(err, ERROR_TRUST, -EKEYREJECTED,
				 "the certificate is not for our key");

	key = key_to_pem(join->key);
	r = kubelet_files_keep_certificate(ctx_of(task), pem.data, key, err);
	return r < 0 ? r : STAGE_NEXT;
}

bool bootstrap_has_request_key(const struct context *ctx)
{
	_cleanup_free_ char *path = request_key_path(ctx);

	return fs_exists(path);
}

int bootstrap_key_remove(struct task *task, struct op *op, struct error *err)
{
	static const char *const notes[] = { "request", "asked", "approved", "denied", "trouble" };
	_cleanup_free_ char *path = request_key_path(ctx_of(task));
	int r = file_remove(path, err);

	(void)op;
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
		ledger_set_note(ctx_of(task)->ledger, ROW, notes[i], NULL);
	return r < 0 ? r : STAGE_NEXT;
}

struct op *bootstrap_prove(struct task *task, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/api/v1/nodes/%s", role_of(task)->node.name);
	struct join *join = join_of(task);

	kube_free(join->kube);
	join->kube = facts_node_client(ctx_of(task));
	if (!join->kube) {
		error_set(err, ERROR_BUG, -ENOENT, "the new certificate cannot be read back");
		return NULL;
	}
	return kube_get(join->kube, path);
}
