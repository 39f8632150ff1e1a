/* Makes, lists, deletes and rotates bootstrap tokens on request; see tokens.h. */
#include "agentd/actions/tokens.h"

#include <errno.h>
#include <string.h>

#include "agentd/resources/files.h"
#include "agentd/resources/token_rotation.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "common/task.h"
#include "discovery/jws.h"
#include "pki/cert.h"
#include "pki/hmac.h"
#include "pki/pin.h"

/* A token for one node is for a host that is about to come. */
enum { DEFAULT_TTL_S = 24 * 3600, DEFAULT_TTL_ONCE_S = 3600 };

struct creation {
	struct context *ctx;
	struct token token;
	struct role_token description;
	struct token_secret marks;
	int64_t now;
};

static void creation_free(void *state)
{
	struct creation *creation = state;

	token_done(&creation->token);
	token_secret_done(&creation->marks);
	free(creation->description.description);
	strv_done(&creation->description.usages);
	strv_done(&creation->description.groups);
	free(creation);
}

static bool is_for_signing(const struct creation *creation)
{
	return strv_contains(&creation->description.usages, "signing");
}

/* A token that is made while the cluster comes up: unsigned it would have to wait for a controller
 * that has not found its leader yet. */
static int await_cluster_info(struct task *task, struct op *op, struct error *err)
{
	const struct creation *creation = task_context(task);
	const struct value *map = NULL;

	(void)op;
	(void)err;
	if (!is_for_signing(creation) ||
	    objects_get(creation->ctx->objects, KUBE_PUBLIC_CONFIG_MAPS, KUBE_CLUSTER_INFO, &map) ==
		OBJECT_FOUND)
		return STAGE_NEXT;
	return STAGE_AGAIN;
}

static struct op *create_secret(struct task *task, struct error *err)
{
	const struct creation *creation = task_context(task);
	struct context *ctx = creation->ctx;
	_cleanup_(value_unref) struct value *secret = token_secret_value(
	    &creation->token, &creation->description, &creation->marks, creation->now);

	if (!ctx->kube) {
		error_set(err, ERROR_CONFIG, -ENODATA, "agentd has no identity in the cluster yet");
		return NULL;
	}
	return kube_create(ctx->kube, KUBE_SYSTEM_SECRETS, secret);
}

/* Without it a join would wait for the controller; the bytes are the same. */
static struct op *sign_cluster_info(struct task *task, struct error *err)
{
	const struct creation *creation = task_context(task);
	struct context *ctx = creation->ctx;
	_cleanup_free_ char *key = xasprintf(KUBE_JWS_PREFIX "%s", creation->token.id);
	_cleanup_(buf_done) struct buf signature = BUF_INIT(FILES_CAP);
	_cleanup_(value_unref) struct value *patch = NULL;
	const struct value *map = NULL;
	const char *text;

	if (!is_for_signing(creation))
		return NULL;
	if (objects_get(ctx->objects, KUBE_PUBLIC_CONFIG_MAPS, KUBE_CLUSTER_INFO, &map) !=
	    OBJECT_FOUND)
		return NULL;
	text = value_string(value_at(map, "data", "kubeconfig"));
	if (!text || jws_sign(&creation->token, text, strlen(text), &signature, err) < 0)
		return NULL;
	patch = value_put_at(value_new_map(), value_new_string(signature.data), "data", key);
	return kube_merge_patch(ctx->kube, KUBE_PUBLIC_CONFIG_MAPS "/" KUBE_CLUSTER_INFO, patch,
				KUBE_MANAGER_ONCE);
}

static const struct stage create_stages[] = {
	{ "await cluster-info", NULL, await_cluster_info, .again_ms = 50, .timeout_s = 30 },
	{ "create the token's Secret", create_secret, NULL, .timeout_s = 30 },
	{ "sign cluster-info", sign_cluster_info, NULL, .timeout_s = 30 },
	{ 0 },
};

static struct value *ca_hashes(const struct context *ctx)
{
	_cleanup_free_ char *path = files_pki(ctx, "ca.crt");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(cert_list_done) struct cert_list certs = { 0 };
	struct value *list = value_new_list();
	struct error err = ERROR_INIT;
	char pin[72];

	if (!files_load(path, &text) ||
	    cert_list_from_pem(text.data, text.length, &certs, &err) < 0)
		return list;
	for (size_t i = 0; i < certs.count; i++) {
		pin_of(certs.items[i], pin);
		list = value_append(list, value_new_string(pin));
	}
	return list;
}

/* All that joining takes. */
static struct value *joining(const struct context *ctx, const struct token *token,
			     int64_t expires_s)
{
	_cleanup_free_ char *server = role_cluster_server(ctx->role);
	_cleanup_(secret_unref) struct secret *text = token_text(token);
	struct value *map = value_new_map();
	char expiration[32];

	map = value_put(map, "token", value_new_string(secret_bytes(text)));
	map = value_put(map, "id", value_new_string(token->id));
	if (expires_s > 0) {
		format_time(expires_s, expiration);
		map = value_put(map, "expiration", value_new_string(expiration));
	}
	map = value_put(map, "endpoint", value_new_string(server + strlen("https://")));
	return value_put(map, "caCertHashes", ca_hashes(ctx));
}

static int created(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct creation *creation = op_impl(inner);
	int64_t ttl = creation->description.ttl_s;

	(void)impl;
	(void)err;
	history_add(creation->ctx->history, "Created", "bootstrap-tokens",
		    "bootstrap token %s%s%s, on request", creation->token.id,
		    creation->marks.node ? " for node " : "",
		    creation->marks.node ? creation->marks.node : "");
	*ret_value = joining(creation->ctx, &creation->token, ttl > 0 ? creation->now + ttl : 0);
	return 0;
}

static const struct op_kind create_kind = { .name = "create a token" };

static int needs_control_plane(const struct context *ctx, struct error *err)
{
	if (!ctx->role)
		return error_set(err, ERROR_CONFIG, -ENODATA, "this host has no role");
	if (!role_is_control_plane(ctx->role))
		return error_set(err, ERROR_CONFIG, -EOPNOTSUPP,
				 "bootstrap tokens are made on a control plane; this host is a %s",
				 role_kind_name(ctx->role->kind));
	if (!ctx->kube)
		return error_set(err, ERROR_NETWORK, -EAGAIN,
				 "agentd has no identity in the cluster yet: try again later");
	return 0;
}

static bool is_once(const struct actions_token *request)
{
	return request->node || request->single_use;
}

/* What the request asks for has to make sense together. */
static int check_request(const struct actions_token *request, struct error *err)
{
	STRV_FOREACH(usage, request->usages) {
		if (strcmp(usage, "signing") != 0 && strcmp(usage, "authentication") != 0)
			return error_set(err, ERROR_CONFIG, -EINVAL,
					 "usage %.32s: must be signing or authentication", usage);
	}
	STRV_FOREACH(group, request->groups) {
		if (!token_group_is_valid(group))
			return error_set(err, ERROR_CONFIG, -EINVAL,
					 "group %s: must be like system:bootstrappers:NAME", group);
		if (!is_once(request) && strcmp(group, KUBE_GROUP_TOKEN_NODE) == 0)
			return error_set(err, ERROR_CONFIG, -EINVAL,
					 "group %s is for tokens of one node: say which (--node), "
					 "or --single-use",
					 group);
	}
	if (request->groups->count > 0 && request->usages->count > 0 &&
	    !strv_contains(request->usages, "authentication"))
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "groups need the usage \"authentication\"");
	if (!is_once(request))
		return 0;
	if (request->groups->count > 0)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "a token for one node has a group of its own: leave groups out");
	if (request->usages->count > 0 && !strv_contains(request->usages, "authentication"))
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "a token for one node needs the usage \"authentication\"");
	if (request->node && !parse_is_dns_subdomain(request->node))
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "node %.64s: is not a name of a node (lower case, a-z, 0-9, -, .)",
				 request->node);
	if (request->has_ttl && request->ttl_s == 0)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "a token for one node has to expire: give it a ttl");
	return 0;
}

static char *describe_once(const struct actions_token *request)
{
	if (request->description)
		return xstrdup(request->description);
	if (request->node)
		return xasprintf("joins node %s, once", request->node);
	return request->single_use ? xstrdup("joins one node, once") : NULL;
}

static void describe(const struct actions_token *request, struct creation *creation)
{
	struct role_token *description = &creation->description;
	const char *group = is_once(request) ? KUBE_GROUP_TOKEN_NODE : KUBE_GROUP_TOKEN_DEFAULT;

	creation->marks.single_use = is_once(request);
	creation->marks.node = xstrdup(request->node);
	description->ttl_s = request->has_ttl	? request->ttl_s
			     : is_once(request) ? DEFAULT_TTL_ONCE_S
						: DEFAULT_TTL_S;
	description->description = describe_once(request);
	strv_copy(&description->usages, request->usages);
	if (request->usages->count == 0) {
		strv_add(&description->usages, "signing");
		strv_add(&description->usages, "authentication");
	}
	strv_copy(&description->groups, request->groups);
	if (request->groups->count == 0 && strv_contains(&description->usages, "authentication"))
		strv_add(&description->groups, group);
}

struct op *actions_token_create(struct context *ctx, const struct actions_token *request,
				struct error *err)
{
	struct creation *creation;

	if (needs_control_plane(ctx, err) < 0 || check_request(request, err) < 0)
		return NULL;
	creation = NEW(struct creation);
	creation->ctx = ctx;
	token_generate(&creation->token);
	creation->now = clock_wall(ctx->clock);
	describe(request, creation);
	return op_new_then(ctx->loop, &create_kind, NULL,
			   task_op_new(ctx->loop, create_stages, creation, creation_free), created);
}

/* List. */

static struct value *put_text(struct value *map, const char *name, const char *text)
{
	return text && text[0] ? value_put(map, name, value_new_string(text)) : map;
}

static struct value *list_of(const struct strv *texts)
{
	struct value *list = value_new_list();

	STRV_FOREACH(text, texts)
		list = value_append(list, value_new_string(text));
	return list;
}

static struct value *listed(const struct token_secret *secret)
{
	_cleanup_(secret_unref) struct secret *text = token_text(&secret->token);
	struct value *map = value_new_map();
	char expiration[32];

	map = value_put(map, "token", value_new_string(secret_bytes(text)));
	map = value_put(map, "id", value_new_string(secret->token.id));
	if (secret->expiration > 0) {
		format_time(secret->expiration, expiration);
		map = value_put(map, "expiration", value_new_string(expiration));
	}
	map = put_text(map, "description", secret->description);
	map = put_text(map, "node", secret->node);
	map = put_text(map, "used", secret->request);
	if (secret->single_use)
		map = value_put(map, "singleUse", value_new_bool(true));
	map = value_put(map, "usages", list_of(&secret->usages));
	return value_put(map, "groups", list_of(&secret->groups));
}

static int needs_tokens(const struct context *ctx, struct error *err)
{
	int r = needs_control_plane(ctx, err);

	if (r < 0)
		return r;
	if (objects_count(ctx->objects, TOKEN_SECRETS) < 0)
		return error_set(err, ERROR_NETWORK, -EAGAIN, "the API server cannot be seen now");
	return 0;
}

/* A Secret with which nobody can authenticate is no token. */
struct op *actions_token_list(struct context *ctx, struct error *err)
{
	struct value *list;

	if (needs_tokens(ctx, err) < 0)
		return NULL;
	list = value_new_list();
	for (int i = 0; i < objects_count(ctx->objects, TOKEN_SECRETS); i++) {
		_cleanup_(token_secret_done) struct token_secret secret = { 0 };

		if (token_secret_read(objects_item(ctx->objects, TOKEN_SECRETS, i), &secret))
			list = value_append(list, listed(&secret));
	}
	return op_new_done(ctx->loop, list);
}

/* Delete. */

enum { ID_LENGTH = 6 };

struct deletion {
	struct history *history;
	char id[ID_LENGTH + 1];
};

static int deleted(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct deletion *deletion = impl;

	if (!op_value(inner))
		return error_set(err, ERROR_CONFIG, -ENOENT, "there is no bootstrap token %s",
				 deletion->id);
	history_add(deletion->history, "Deleted", "bootstrap-tokens",
		    "bootstrap token %s, on request", deletion->id);
	*ret_value = value_put(value_new_map(), "id", value_new_string(deletion->id));
	return 0;
}

static const struct op_kind delete_kind = { .name = "delete a token", .free = free };

static bool is_id(const char *id, size_t length)
{
	return length == ID_LENGTH &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") >= ID_LENGTH;
}

struct op *actions_token_delete(struct context *ctx, const char *id, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	struct deletion *deletion;

	if (needs_control_plane(ctx, err) < 0)
		return NULL;
	if (!is_id(id, strcspn(id, "."))) {
		error_set(err, ERROR_CONFIG, -EINVAL,
			  "a token begins with six characters of a-z and 0-9; agentctl token list "
			  "shows them");
		return NULL;
	}
	deletion = NEW(struct deletion);
	deletion->history = ctx->history;
	memcpy(deletion->id, id, ID_LENGTH);
	path = xasprintf(KUBE_SYSTEM_SECRETS "/" KUBE_TOKEN_SECRET_PREFIX "%s", deletion->id);
	return op_new_then(ctx->loop, &delete_kind, deletion, kube_delete(ctx->kube, path),
			   deleted);
}

/* Rotate. */

static int rotated(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	int64_t expiration;
	const struct token *token = rotation_made(inner, &expiration);

	if (!token)
		return error_set(err, ERROR_PENDING, -EAGAIN,
				 "another agent has just rotated the token: see agentctl token "
				 "list");
	*ret_value = joining(impl, token, expiration);
	return 0;
}

static const struct op_kind rotate_kind = { .name = "rotate the token" };

struct op *actions_token_rotate(struct context *ctx, struct error *err)
{
	if (needs_tokens(ctx, err) < 0)
		return NULL;
	if (!ctx->role->rotation.rotate) {
		error_set(err, ERROR_CONFIG, -EINVAL,
			  "no rotation is wanted: set bootstrapTokens: {rotate: true} in the role, "
			  "or make a token with agentctl token create");
		return NULL;
	}
	return op_new_then(ctx->loop, &rotate_kind, ctx,
			   rotation_run(ctx, &ctx->role->rotation, true), rotated);
}
