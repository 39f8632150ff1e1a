/* What certificates there are, and new ones on request; see certificates.h. The work is done by the
 * rows of agentd/resources: a request leaves a note for them and watches what comes of it. */
#include "agentd/actions/certificates.h"

#include <errno.h>
#include <string.h>

#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "agentd/resources/leaf.h"
#include "agentd/resources/proof.h"
#include "agentd/resources/request.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "common/task.h"

enum { DAY_S = 24 * 3600, RENEWAL_TIMEOUT_S = 600 };

#define KUBELET "kubelet.conf"

/* Describing. */

static const char *kind_of(const struct cert *cert)
{
	unsigned usages = cert_usages(cert);

	if (cert_is_ca(cert))
		return "ca";
	if ((usages & (CERT_SERVER_AUTH | CERT_CLIENT_AUTH)) ==
	    (CERT_SERVER_AUTH | CERT_CLIENT_AUTH))
		return "server+client";
	return usages & CERT_SERVER_AUTH ? "server" : "client";
}

static struct value *put_time(struct value *map, const char *key, int64_t when)
{
	char date[32];

	format_time(when, date);
	return value_put(map, key, value_new_string(date));
}

static struct value *put_certificate(struct value *map, const struct context *ctx,
				     const struct cert *cert)
{
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);
	_cleanup_free_ char *issuer = cert_issuer_common_name(cert);
	int64_t left = cert_not_after(cert) - clock_wall(ctx->clock);

	cert_serial(cert, &serial);
	map = value_put(map, "kind", value_new_string(kind_of(cert)));
	if (issuer)
		map = value_put(map, "signer", value_new_string(issuer));
	map = value_put(map, "serial", value_new_string(serial.data));
	map = put_time(map, "expires", cert_not_after(cert));
	return value_put(map, "daysLeft",
			 value_new_int(left >= 0 ? left / DAY_S : (left - DAY_S + 1) / DAY_S));
}

/* seen: what a server has just shown, or NULL; then what is known from before counts. */
static struct value *put_use(struct value *map, const struct context *ctx,
			     const struct profile *profile, const char *seen)
{
	const struct use *use = use_find(profile->name);
	const char *serial, *at;

	if (use && seen) {
		map = value_put(map, "served", value_new_string(seen));
		return put_time(map, "servedAt", clock_wall(ctx->clock));
	}
	if (!use || !proof_get(ctx, use, &serial, &at))
		return map;
	map = value_put(map, "served", value_new_string(serial));
	return value_put(map, "servedAt", value_new_string(at));
}

static bool awaits_signature(const struct context *ctx, const struct profile *profile)
{
	struct why why = { .text = "" };

	return request_is_needed(ctx, profile->ca) &&
	       request_observe(ctx, profile, &why) == BLOCKED;
}

static struct value *describe(const struct context *ctx, const struct profile *profile,
			      const char *seen)
{
	struct value *map = value_put(value_new_map(), "name", value_new_string(profile->name));
	_cleanup_free_ char *path = leaf_path(ctx, profile);
	_cleanup_(cert_unref) struct cert *cert = NULL;

	map = value_put(map, "path", value_new_string(path));
	if (leaf_load(ctx, profile, &cert, NULL) == 0)
		return map;
	map = put_certificate(map, ctx, cert);
	if (!profile->ca)
		return value_put(map, "renewedBy", value_new_string("nobody: plan its change"));
	map = put_use(map, ctx, profile, seen);
	map = put_time(map, "nextRenewal", leaf_due(ctx, profile, cert));
	if (awaits_signature(ctx, profile))
		map = value_put(map, "request",
				value_new_stringf(REQUEST_DIRECTORY "%s.csr", profile->name));
	return value_put(map, "renewedBy",
			 value_new_string(request_is_needed(ctx, profile->ca)
					      ? "the holder of the CA's key"
					      : "agentd"));
}

static struct value *describe_kubelet(const struct context *ctx)
{
	struct value *map = value_put(value_new_map(), "name", value_new_string(KUBELET));
	_cleanup_(cert_unref) struct cert *cert = NULL;

	map = value_put(map, "path", value_new_string(KUBELET_CURRENT));
	if (kubelet_files_load_certificate(ctx, &cert, NULL) == 0)
		return map;
	map = put_certificate(map, ctx, cert);
	return value_put(map, "renewedBy", value_new_string("the kubelet"));
}

/* A worker trusts its CA, and has nothing else. */
static struct value *describe_worker_ca(const struct context *ctx)
{
	struct value *map = value_put(value_new_map(), "name", value_new_string("ca"));
	const char *path = ctx->role->join.ca_cert_path;
	_cleanup_free_ char *real = context_path(ctx, "%s", path);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	struct error err = ERROR_INIT;

	map = value_put(map, "path", value_new_string(path));
	if (files_load(real, &text) && cert_from_pem(text.data, text.length, &cert, &err) == 0)
		map = put_certificate(map, ctx, cert);
	return map;
}

/* Listing. */

struct listing {
	struct context *ctx;
	struct strv names;  /* empty = all */
	struct value *seen; /* NAME: serial */
	const struct use *next;
};

static void listing_free(void *context)
{
	struct listing *listing = context;

	strv_done(&listing->names);
	value_unref(listing->seen);
	free(listing);
}

static struct op *look_start(struct task *task, struct error *err)
{
	struct listing *listing = task_context(task);

	while (listing->next->profile && listing->next->kind != PROVE_SERVER)
		listing->next++;
	return listing->next->profile ? prove(listing->ctx, listing->next, err) : NULL;
}

static int look_finish(struct task *task, struct op *op, struct error *err)
{
	struct listing *listing = task_context(task);
	const char *serial = value_string_or(value_get(op_value(op), "serial"), "-");

	(void)err;
	listing->seen = value_put(listing->seen, listing->next->profile, value_new_string(serial));
	listing->next++;
	return STAGE_AGAIN;
}

static const struct stage list_stages[] = {
	{ "see what servers show", look_start, look_finish, .again_ms = 1, .timeout_s = 60,
	  .may_fail = true },
	{ 0 },
};

static bool is_listed(const struct listing *listing, const char *name)
{
	return listing->names.count == 0 || strv_contains(&listing->names, name);
}

static int listed(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct listing *listing = op_impl(inner);
	const struct context *ctx = listing->ctx;
	struct value *list = value_new_list();

	(void)impl;
	(void)err;
	for (const struct profile *profile = profiles;
	     profile->name && role_is_control_plane(ctx->role); profile++) {
		const char *seen = value_string(value_get(listing->seen, profile->name));

		if (strcmp(profile->name, KUBELET) != 0 && is_listed(listing, profile->name))
			list = value_append(list, describe(ctx, profile, seen));
	}
	if (role_is_worker(ctx->role))
		list = value_append(list, describe_worker_ca(ctx));
	if (is_listed(listing, KUBELET))
		list = value_append(list, describe_kubelet(ctx));
	*ret_value = list;
	return 0;
}

static struct op *list_op(struct context *ctx, const struct strv *names)
{
	static const struct op_kind kind = { .name = "list certificates" };
	static const struct use none = { 0 };
	struct listing *listing = NEW(struct listing);

	*listing = (struct listing){
		.ctx = ctx,
		.seen = value_new_map(),
		.next = role_is_control_plane(ctx->role) ? uses : &none,
	};
	if (names)
		strv_copy(&listing->names, names);
	return op_new_then(ctx->loop, &kind, NULL,
			   task_op_new(ctx->loop, list_stages, listing, listing_free), listed);
}

struct op *actions_certificates_list(struct context *ctx, struct error *err)
{
	if (!ctx->role) {
		(void)error_set(err, ERROR_CONFIG, -ENODATA, "this host has no role");
		return NULL;
	}
	return list_op(ctx, NULL);
}

/* Renewing. */

struct renewal {
	struct context *ctx;
	struct strv names;
	int64_t began_s;
	struct value *result;
};

static void renewal_free(void *context)
{
	struct renewal *renewal = context;

	strv_done(&renewal->names);
	value_unref(renewal->result);
	free(renewal);
}

/* Whether it is another one than was there when it was asked for, and seen in use; with its CA's
 * key elsewhere, whether the request is written. */
static bool is_done(const struct context *ctx, const struct profile *profile)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;

	if (awaits_signature(ctx, profile))
		return true;
	return leaf_load(ctx, profile, &cert, NULL) > 0 && !leaf_is_asked(ctx, profile, cert) &&
	       proof_is_done(ctx, use_find(profile->name));
}

static int await_finish(struct task *task, struct op *op, struct error *err)
{
	const struct renewal *renewal = task_context(task);
	const char *open = NULL;

	(void)op;
	STRV_FOREACH(name, &renewal->names)
		if (!is_done(renewal->ctx, profile_find(name)))
			open = name;
	if (!open)
		return STAGE_NEXT;
	if (clock_wall(renewal->ctx->clock) - renewal->began_s < RENEWAL_TIMEOUT_S)
		return STAGE_AGAIN;
	return error_set(err, ERROR_PENDING, -ETIMEDOUT,
			 "certificate %s is not renewed and in use yet; agentctl status says why",
			 open);
}

static struct op *result_start(struct task *task, struct error *err)
{
	const struct renewal *renewal = task_context(task);

	(void)err;
	return list_op(renewal->ctx, &renewal->names);
}

static int result_finish(struct task *task, struct op *op, struct error *err)
{
	struct renewal *renewal = task_context(task);

	(void)err;
	renewal->result = value_ref(op_value(op));
	return STAGE_NEXT;
}

static const struct stage renew_stages[] = {
	{ "await that they are in use", NULL, await_finish, .again_ms = 100,
	  .timeout_s = RENEWAL_TIMEOUT_S + 60 },
	{ "list them", result_start, result_finish },
	{ 0 },
};

static int check_name(const char *name, struct error *err)
{
	const struct profile *profile = profile_find(name);

	if (strcmp(name, KUBELET) == 0)
		return error_set(err, ERROR_CONFIG, -EOPNOTSUPP,
				 "the kubelet renews its own certificate, agentd only watches it");
	if (!profile)
		return error_set(err, ERROR_CONFIG, -ENOENT,
				 "there is no certificate %s; agentctl certs list shows the names",
				 name);
	if (!profile->ca)
		return error_set(err, ERROR_CONFIG, -EOPNOTSUPP,
				 "%s is a CA: it is never renewed, every node and client trusts it",
				 name);
	return 0;
}

static int choose(const struct context *ctx, const struct actions_renewal *request,
		  struct strv *names, struct error *err)
{
	int r;

	if (!ctx->role)
		return error_set(err, ERROR_CONFIG, -ENODATA, "this host has no role");
	if (!role_is_control_plane(ctx->role))
		return error_set(
		    err, ERROR_CONFIG, -EOPNOTSUPP,
		    "a %s has only the kubelet's certificate, which the kubelet renews",
		    role_kind_name(ctx->role->kind));
	if (request->all == (request->names->count > 0))
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "either name certificates or say that all are to be renewed");
	for (const struct use *use = uses; request->all && use->profile; use++)
		strv_add(names, use->profile);
	STRV_FOREACH(name, request->names) {
		r = check_name(name, err);
		if (r < 0)
			return r;
		strv_add_unique(names, name);
	}
	return 0;
}

static int renewed(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct renewal *renewal = op_impl(inner);

	(void)impl;
	(void)err;
	*ret_value = value_ref(renewal->result);
	return 0;
}

struct op *actions_certificates_renew(struct context *ctx, const struct actions_renewal *request,
				      struct error *err)
{
	static const struct op_kind kind = { .name = "renew certificates" };
	struct renewal *renewal = NEW(struct renewal);

	*renewal = (struct renewal){ .ctx = ctx, .began_s = clock_wall(ctx->clock) };
	if (choose(ctx, request, &renewal->names, err) < 0) {
		renewal_free(renewal);
		return NULL;
	}
	STRV_FOREACH(name, &renewal->names) {
		leaf_ask(ctx, profile_find(name), request->force);
		if (request->force)
			proof_allow_restart(ctx, use_find(name));
	}
	return op_new_then(ctx->loop, &kind, NULL,
			   task_op_new(ctx->loop, renew_stages, renewal, renewal_free), renewed);
}
