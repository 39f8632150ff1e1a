/* Signs the client certificates of nodes that join, which the controller manager would sign as well
 * (kubernetes pkg/controller/certificates/signer), but not in the first seconds of a cluster: after
 * the API server is up it waits for its Lease, and then for its own client's rate limit while it
 * makes a service account for each of its controllers. Both may sign the same request; the second
 * finds the certificate there.
 *
 * Only first certificates, asked for with a bootstrap token and approved; a kubelet's renewal is the
 * controller's. So is everything where an administrator has said how the controller signs. */
#include <errno.h>
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/issue.h"
#include "agentd/resources/node_request.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "pki/ca.h"
#include "pki/csr.h"
#include "pki/hmac.h"

/* The controller's: --cluster-signing-duration, and how far before now it begins. */
enum { LIFE_S = 365 * 24 * 3600, BACKDATE_S = 5 * 60, LIFE_MIN_S = 600 };

/* Whether the controller would use this CA, and sign for as long as we do. */
static bool signs_as_usual(const struct context *ctx)
{
	const struct role_args *args = &ctx->role->cluster.controller_manager.extra_args;
	_cleanup_free_ char *key = files_pki(ctx, "ca.key");

	for (size_t i = 0; i < args->count; i++)
		if (strncmp(args->items[i].name, "cluster-signing-",
			    strlen("cluster-signing-")) == 0)
			return false;
	return fs_exists(key);
}

static bool wants_signature(const struct value *request)
{
	return strcmp(node_request_signer(request), KUBE_SIGNER_CLIENT_KUBELET) == 0 &&
	       strncmp(node_request_user(request), KUBE_USER_TOKEN_PREFIX,
		       strlen(KUBE_USER_TOKEN_PREFIX)) == 0 &&
	       node_request_condition(request, "Approved") &&
	       !node_request_condition(request, "Denied") &&
	       !node_request_condition(request, "Failed") &&
	       !value_at(request, "status", "certificate");
}

/* The first that waits for its certificate; borrowed, NULL if there is none. */
static const struct value *next_request(const struct context *ctx)
{
	int count = objects_count(ctx->objects, KUBE_CSRS);

	for (int i = 0; i < count; i++) {
		const struct value *request = objects_item(ctx->objects, KUBE_CSRS, i);

		if (wants_signature(request))
			return request;
	}
	return NULL;
}

static enum verdict signing_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	const struct value *request;

	(void)row;
	if (!signs_as_usual(ctx)) {
		why_set(why, "left to the controller manager");
		return IN_SYNC;
	}
	if (objects_count(ctx->objects, KUBE_CSRS) < 0) {
		why_set(why, "the API server has not told of requests yet");
		return UNKNOWN;
	}
	request = next_request(ctx);
	if (!request)
		return IN_SYNC;
	why_set(why, "request %s is approved and not signed", node_request_name(request));
	why_planned(why);
	return DRIFTED;
}

/* -- The certificate --------------------------------------------------------------------------- */

static int64_t life_of(const struct value *request)
{
	int64_t seconds;

	if (!value_to_int(value_at(request, "spec", "expirationSeconds"), &seconds))
		return LIFE_S;
	return MIN(MAX(seconds, (int64_t)LIFE_MIN_S), (int64_t)LIFE_S);
}

/* What the approval has looked at is looked at again: this is where the key of the cluster is used.
 */
static int read_request(const struct value *request, struct csr_names *names, struct key **ret_key,
			struct error *err)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP);
	int r;

	if (!node_request_pem(request, &pem))
		return error_set(err, ERROR_CONFIG, -EBADMSG, "the request is not base64");
	r = csr_read(pem.data, pem.length, names, err);
	if (r < 0)
		return r;
	if (names->organizations.count != 1 ||
	    strcmp(names->organizations.items[0], KUBE_GROUP_NODES) != 0 ||
	    strncmp(names->common_name, KUBE_USER_NODE_PREFIX, strlen(KUBE_USER_NODE_PREFIX)) !=
		0 ||
	    names->dns_names.count > 0 || names->addresses.count > 0)
		return error_set(err, ERROR_CONFIG, -EBADMSG, "it is not a node's");
	return csr_key(pem.data, pem.length, ret_key, err);
}

static int sign(const struct context *ctx, const struct value *request, struct buf *ret_pem,
		struct error *err)
{
	_cleanup_(csr_names_done) struct csr_names names = { 0 };
	_cleanup_(key_unref) struct key *key = NULL, *ca_key = NULL;
	_cleanup_(cert_unref) struct cert *ca = NULL, *cert = NULL;
	int64_t now = clock_wall(ctx->clock);
	struct ca_request wanted = {
		.usages = CERT_CLIENT_AUTH,
		.signature_only = true,
		.not_before = now - BACKDATE_S,
		.not_after = now - BACKDATE_S + life_of(request),
	};
	int r;

	r = read_request(request, &names, &key, err);
	if (r < 0)
		return r;
	r = issue_load_signer(ctx, "ca", &ca, &ca_key, err);
	if (r < 0)
		return r;
	wanted.common_name = names.common_name;
	wanted.organizations = &names.organizations;
	wanted.not_after = MIN(wanted.not_after, cert_not_after(ca));
	r = ca_sign(ca, ca_key, key, &wanted, &cert, err);
	if (r >= 0)
		cert_to_pem(cert, ret_pem);
	return r;
}

static struct op *signing_start(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct value *request = next_request(ctx);
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP), text = BUF_INIT(FILES_CAP);
	_cleanup_(value_unref) struct value *answer = NULL;
	_cleanup_free_ char *path = NULL;

	if (!request || !ctx->kube)
		return NULL;
	if (sign(ctx, request, &pem, err) < 0) {
		error_wrap(err, err->code, "request %s", node_request_name(request));
		return NULL;
	}
	hmac_base64(pem.data, pem.length, &text);
	answer = value_put_at(value_ref(request), value_new_string(text.data), "status",
			      "certificate");
	run_keep(task, xstrdup(node_request_name(request)), free);
	path = xasprintf(KUBE_CSRS "/%s/status", node_request_name(request));
	return kube_replace(ctx->kube, path, answer, KUBE_MANAGER);
}

/* Another one may have been as fast, and the next look finds out. */
static int signing_done(struct task *task, struct op *op, struct error *err)
{
	const struct error *error = op_error(op);

	if (error && error->code == -EAGAIN)
		return STAGE_NEXT;
	if (error)
		return op_result(op, err);
	history_add(ctx_of(task)->history, "Signed", row_of(task)->name, "request %s",
		    (const char *)run_of(task)->state);
	return STAGE_NEXT;
}

static const struct stage signing_apply[] = {
	{ "sign the certificate", signing_start, signing_done, .timeout_s = 30, .may_fail = true },
	{ 0 },
};

/* clang-format off */
const struct resource csr_signing_rows[] = {
	{ .name = "csr-signing",
	  .title = "nodes that join get their certificate, also before the controller manager works",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_TOKENS, .needs = { "apiserver" },
	  .triggers = { ON_OBJECT(KUBE_CSRS, NULL) },
	  .observe = signing_observe, .apply = signing_apply },
	{ 0 },
};
/* clang-format on */
