/* Secrets of bootstrap tokens; see token_secret.h. */
#include "agentd/resources/token_secret.h"

#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "pki/hmac.h"

static struct value *put_data(struct value *secret, const char *key, const char *text)
{
	_cleanup_(buf_done) struct buf encoded = BUF_INIT(64 * KIB);
	struct value *result;

	hmac_base64(text, strlen(text), &encoded);
	result = value_put_at(secret, value_new_string(encoded.data), "data", key);
	secret_wipe(encoded.data, encoded.length);
	return result;
}

struct value *token_secret_value(const struct token *token, const struct role_token *description,
				 int64_t now)
{
	_cleanup_free_ char *groups = strv_join(&description->groups, ",");
	struct value *secret = value_new_map();
	char expiration[32];

	secret = value_put(secret, "apiVersion", value_new_string("v1"));
	secret = value_put(secret, "kind", value_new_string("Secret"));
	secret = value_put_at(secret, value_new_stringf(KUBE_TOKEN_SECRET_PREFIX "%s", token->id),
			      "metadata", "name");
	secret = value_put_at(secret, value_new_string(KUBE_SYSTEM), "metadata", "namespace");
	secret = value_put(secret, "type", value_new_string(KUBE_TOKEN_SECRET_TYPE));
	secret = put_data(secret, "token-id", token->id);
	secret = put_data(secret, "token-secret", secret_bytes(token->secret));
	if (description->description && description->description[0])
		secret = put_data(secret, "description", description->description);
	if (description->ttl_s > 0) {
		format_time(now + description->ttl_s, expiration);
		secret = put_data(secret, "expiration", expiration);
	}
	STRV_FOREACH(usage, &description->usages) {
		_cleanup_free_ char *key = xasprintf("usage-bootstrap-%s", usage);

		secret = put_data(secret, key, "true");
	}
	if (groups[0])
		secret = put_data(secret, "auth-extra-groups", groups);
	return secret;
}

bool token_secret_is_live(const struct context *ctx, const char *id)
{
	_cleanup_free_ char *name = xasprintf(KUBE_TOKEN_SECRET_PREFIX "%s", id);
	_cleanup_(buf_done) struct buf text = BUF_INIT(KIB);
	const struct value *secret = NULL;
	const char *encoded;
	int64_t expiration;

	if (objects_get(ctx->objects, TOKEN_SECRETS, name, &secret) != OBJECT_FOUND)
		return false;
	encoded = value_string(value_at(secret, "data", "expiration"));
	if (!encoded)
		return true;
	/* A date that cannot be read fails authentication too. */
	return hmac_base64_decode(encoded, strlen(encoded), &text) == 0 &&
	       parse_time(text.data, &expiration) == 0 && expiration > ctx->now;
}
