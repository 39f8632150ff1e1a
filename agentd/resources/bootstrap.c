/* The stages of a worker's TLS bootstrap; see bootstrap.h. */
#include "agentd/resources/bootstrap.h"

#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "pki/csr.h"
#include "pki/hmac.h"

#define CSR_COLLECTION "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define CSR_SIGNER     "kubernetes.io/kube-apiserver-client-kubelet"

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

struct op *bootstrap_node_get(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct role *role = role_of(task);
	_cleanup_(kubeconfig_done) struct kubeconfig cluster = { 0 };
	_cleanup_free_ char *path = xasprintf("/api/v1/nodes/%s", role->node.name);
	_cleanup_(secret_unref) struct secret *token = NULL;
	struct join *join = NEW(struct join);

	run_keep(task, join, join_free);
	join->has_certificate = bootstrap_has_certificate(ctx);
	if (join->has_certificate)
		return NULL;
	token = facts_bootstrap_token(ctx);
	if (facts_cluster(ctx, &cluster) == 0 || !token) {
		error_set(err, ERROR_CONFIG, -ENOKEY, "there is no bootstrap token in the role");
		return NULL;
	}
	join->kube = kube_new(ctx->loop, cluster.server,
			      &(struct http_identity){ .ca_pem = cluster.ca_pem, .bearer = token });
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
	const struct error *error = op_error(op);
	const char *theirs = value_string_or(value_at(node, "status", "nodeInfo", "machineID"), "");
	char ours[33];

	if (error && error->class == ERROR_DENIED) {
		*err = *error;
		return error_wrap(
		    err, error->code,
		    "the bootstrap token is not accepted, it may have expired: run "
		    "`agentctl token create` on a control plane and put the new one in "
		    "its place");
	}
	if (error)
		return op_result(op, err);
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
	kubelet_files_expect_certificate(ctx_of(task));
	if (files_load(path, &text)) {
		r = key_from_pem(text.data, text.length, &join->key, err);
		secret_wipe(text.data, text.length);
		if (r < 0)
			return error_wrap(err, r, "%s", path);
		return csr_node_name(join->key, name, join->csr_name, err);
	}
	/* P-256 takes a tenth of a millisecond: not worth a thread. */
	r = key_generate(KEY_ECDSA_P256, &join->key, err);
	if (r < 0)
		return r;
	pem = key_to_pem(join->key);
	r = files_replace(ctx_of(task), path, secret_bytes(pem), secret_length(pem), 0600, err);
	if (r < 0)
		return r;
	return csr_node_name(join->key, name, join->csr_name, err);
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
	map = value_put_at(map, value_new_string(CSR_SIGNER), "spec", "signerName");
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
	return kube_create(join->kube, CSR_COLLECTION, object);
}

/* One that is there already is ours from an earlier try, which awaiting it will prove. */
int bootstrap_csr_posted(struct task *task, struct op *op, struct error *err)
{
	const struct error *error = op_error(op);

	(void)task;
	if (error && error->code == -EEXIST)
		return STAGE_NEXT;
	return op_result(op, err);
}

static const struct value *find_condition(const struct value *csr, const char *type)
{
	const struct value *conditions = value_at(csr, "status", "conditions");

	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);

		if (strcmp(value_string_or(value_get(condition, "type"), ""), type) == 0)
			return condition;
	}
	return NULL;
}

static int csr_is_decided(const struct value *csr, void *argument, struct error *err)
{
	static const char *const refusals[] = { "Denied", "Failed" };

	(void)argument;
	if (!csr)
		return error_set(err, ERROR_PENDING, -ENOENT,
				 "the CSR is gone before it was signed");
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct value *refusal = find_condition(csr, refusals[i]);

		if (refusal)
			return error_set(
			    err, ERROR_PENDING, -EACCES, "the CSR was refused (%s): %s",
			    refusals[i],
			    value_string_or(value_get(refusal, "message"), "no reason given"));
	}
	return value_string(value_at(csr, "status", "certificate")) ? 1 : 0;
}

struct op *bootstrap_csr_await(struct task *task, struct error *err)
{
	struct join *join = join_of(task);
	_cleanup_free_ char *path = xasprintf(CSR_COLLECTION "/%s", join->csr_name);

	(void)err;
	if (join->has_certificate)
		return NULL;
	return kube_wait(join->kube, path, csr_is_decided, NULL, NULL);
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
	_cleanup_free_ char *path = request_key_path(ctx_of(task));
	int r = file_remove(path, err);

	(void)op;
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
