/* Makes and lists bootstrap tokens on request; see tokens.h. */
#include "agentd/actions/tokens.h"

#include <errno.h>
#include <string.h>

#include "agentd/actions/control_plane.h"
#include "agentd/resources/files.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "common/task.h"
#include "discovery/jws.h"
#include "pki/cert.h"
#include "pki/hmac.h"
#include "pki/pin.h"

enum { DEFAULT_TTL_S = 24 * 3600 };

struct creation {
	struct context *ctx;
	struct token token;
	struct role_token description;
	int64_t now;
};

static void creation_free(void *state)
{
	struct creation *creation = state;

	token_done(&creation->token);
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
	_cleanup_(value_unref) struct value *secret =
	    token_secret_value(&creation->token, &creation->description, creation->now);

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

static int created(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct creation *creation = op_impl(inner);
	_cleanup_free_ char *server = role_cluster_server(creation->ctx->role);
	_cleanup_(secret_unref) struct secret *text = token_text(&creation->token);
	struct value *map = value_new_map();
	char expiration[32];

	map = value_put(map, "token", value_new_string(secret_bytes(text)));
	map = value_put(map, "id", value_new_string(creation->token.id));
	if (creation->description.ttl_s > 0) {
		format_time(creation->now + creation->description.ttl_s, expiration);
		map = value_put(map, "expiration", value_new_string(expiration));
	}
	map = value_put(map, "endpoint", value_new_string(server + strlen("https://")));
	*ret_value = value_put(map, "caCertHashes", ca_hashes(creation->ctx));
	(void)impl;
	(void)err;
	return 0;
}

static const struct op_kind create_kind = { .name = "create a token" };

struct op *actions_token_create(struct context *ctx, const struct actions_token *request,
				struct error *err)
{
	struct creation *creation;

	if (actions_need_control_plane(ctx, "bootstrap tokens are made", err) < 0)
		return NULL;
	STRV_FOREACH(group, request->groups) {
		if (token_group_is_valid(group))
			continue;
		error_set(err, ERROR_CONFIG, -EINVAL,
			  "group %s: must be like system:bootstrappers:NAME", group);
		return NULL;
	}
	creation = NEW(struct creation);
	creation->ctx = ctx;
	token_generate(&creation->token);
	creation->now = clock_wall(ctx->clock);
	creation->description.ttl_s = request->ttl_s < 0 ? DEFAULT_TTL_S : request->ttl_s;
	creation->description.description = xstrdup(request->description);
	strv_copy(&creation->description.usages, request->usages);
	if (request->usages->count == 0) {
		strv_add(&creation->description.usages, "signing");
		strv_add(&creation->description.usages, "authentication");
	}
	strv_copy(&creation->description.groups, request->groups);
	if (request->groups->count == 0)
		strv_add(&creation->description.groups, KUBE_GROUP_TOKEN_DEFAULT);
	return op_new_then(ctx->loop, &create_kind, NULL,
			   task_op_new(ctx->loop, create_stages, creation, creation_free), created);
}

/* List. */

static char *data_text(const struct value *secret, const char *key)
{
	const char *encoded = value_string(value_at(secret, "data", key));
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	if (!encoded || hmac_base64_decode(encoded, strlen(encoded), &text) < 0)
		return NULL;
	return buf_take(&text);
}

static struct value *put_text(struct value *map, const char *name, const struct value *secret,
			      const char *key)
{
	_cleanup_free_ char *text = data_text(secret, key);

	return text ? value_put(map, name, value_new_string(text)) : map;
}

static struct value *listed(const struct value *secret)
{
	static const char *const usages[] = { "signing", "authentication" };
	_cleanup_free_ char *groups = data_text(secret, "auth-extra-groups");
	_cleanup_(strv_done) struct strv group_list = STRV_INIT;
	struct value *map = value_new_map(), *used = value_new_list(), *list = value_new_list();

	map = put_text(map, "id", secret, "token-id");
	map = put_text(map, "expiration", secret, "expiration");
	map = put_text(map, "description", secret, "description");
	for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
		_cleanup_free_ char *key = xasprintf("usage-bootstrap-%s", usages[i]);
		_cleanup_free_ char *text = data_text(secret, key);

		if (text && strcmp(text, "true") == 0)
			used = value_append(used, value_new_string(usages[i]));
	}
	if (groups)
		strv_split(&group_list, groups, ',');
	STRV_FOREACH(group, &group_list)
		list = value_append(list, value_new_string(group));
	map = value_put(map, "usages", used);
	return value_put(map, "groups", list);
}

struct op *actions_token_list(struct context *ctx, struct error *err)
{
	const struct cache *cache;
	struct value *list;

	if (actions_need_control_plane(ctx, "bootstrap tokens are made", err) < 0)
		return NULL;
	cache = objects_cache(ctx->objects, TOKEN_SECRETS);
	if (!cache || !cache_is_synced(cache)) {
		error_set(err, ERROR_NETWORK, -EAGAIN, "the API server cannot be seen now");
		return NULL;
	}
	list = value_new_list();
	for (size_t i = 0; i < cache_count(cache); i++)
		list = value_append(list, listed(cache_item(cache, i)));
	return op_new_done(ctx->loop, list);
}
