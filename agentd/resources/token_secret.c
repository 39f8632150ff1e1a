/* Secrets of bootstrap tokens; see token_secret.h. */
#include "agentd/resources/token_secret.h"

#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "pki/hmac.h"

static const char *const known_usages[] = { "signing", "authentication" };

void token_secret_done(struct token_secret *secret)
{
	token_done(&secret->token);
	free(secret->description);
	strv_done(&secret->usages);
	strv_done(&secret->groups);
	free(secret->node);
	free(secret->request);
	*secret = (struct token_secret){ 0 };
}

static struct value *put_data(struct value *secret, const char *key, const char *text)
{
	_cleanup_(buf_done) struct buf encoded = BUF_INIT(64 * KIB);
	struct value *result;

	hmac_base64(text, strlen(text), &encoded);
	result = value_put_at(secret, value_new_string(encoded.data), "data", key);
	secret_wipe(encoded.data, encoded.length);
	return result;
}

static struct value *put_marks(struct value *secret, const struct token_secret *marks)
{
	if (marks->rotated)
		secret = value_put_at(secret, value_new_string("true"), "metadata", "labels",
				      KUBE_LABEL_ROTATED);
	if (marks->single_use)
		secret = value_put_at(secret, value_new_string("true"), "metadata", "annotations",
				      KUBE_ANNOTATION_ONCE);
	if (marks->node)
		secret = value_put_at(secret, value_new_string(marks->node), "metadata",
				      "annotations", KUBE_ANNOTATION_NODE);
	return secret;
}

struct value *token_secret_value(const struct token *token, const struct role_token *description,
				 const struct token_secret *marks, int64_t now)
{
	_cleanup_free_ char *groups = strv_join(&description->groups, ",");
	struct value *secret = value_new_map();
	char expiration[32];

	secret = value_put(secret, "apiVersion", value_new_string("v1"));
	secret = value_put(secret, "kind", value_new_string("Secret"));
	secret = value_put_at(secret, value_new_stringf(KUBE_TOKEN_SECRET_PREFIX "%s", token->id),
			      "metadata", "name");
	secret = value_put_at(secret, value_new_string(KUBE_SYSTEM), "metadata", "namespace");
	if (marks)
		secret = put_marks(secret, marks);
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

/* NULL if there is no such key, or no text in it. */
static char *data_text(const struct value *object, const char *key)
{
	const char *encoded = value_string(value_at(object, "data", key));
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	if (!encoded || hmac_base64_decode(encoded, strlen(encoded), &text) < 0 ||
	    strlen(text.data) != text.length) {
		secret_wipe(text.data, text.length);
		return NULL;
	}
	return buf_take(&text);
}

/* The token of an id and a secret. */
static bool read_token(const struct value *object, struct token *ret)
{
	_cleanup_free_ char *id = data_text(object, "token-id");
	_cleanup_(secret_unref) struct secret *text = NULL;
	char *half = data_text(object, "token-secret");
	struct error err = ERROR_INIT;

	if (id && half) {
		_cleanup_free_ char *whole = xasprintf("%s.%s", id, half);

		text = secret_new(whole, strlen(whole));
		secret_wipe(whole, strlen(whole));
	}
	if (half)
		secret_wipe(half, strlen(half));
	free(half);
	return text && token_parse(text, ret, &err) >= 0;
}

static const char *annotation(const struct value *object, const char *name)
{
	const char *text = value_string_or(value_at(object, "metadata", "annotations", name), "");

	return text[0] ? text : NULL;
}

static void read_rest(const struct value *object, struct token_secret *secret)
{
	_cleanup_free_ char *groups = data_text(object, "auth-extra-groups");

	secret->description = data_text(object, "description");
	if (groups)
		strv_split(&secret->groups, groups, ',');
	for (size_t i = 0; i < ARRAY_SIZE(known_usages); i++) {
		_cleanup_free_ char *key = xasprintf("usage-bootstrap-%s", known_usages[i]);
		_cleanup_free_ char *text = data_text(object, key);

		if (text && strcmp(text, "true") == 0)
			strv_add(&secret->usages, known_usages[i]);
	}
	secret->rotated = value_at(object, "metadata", "labels", KUBE_LABEL_ROTATED) != NULL;
	secret->single_use = annotation(object, KUBE_ANNOTATION_ONCE) != NULL;
	secret->node = xstrdup(annotation(object, KUBE_ANNOTATION_NODE));
	secret->request = xstrdup(annotation(object, KUBE_ANNOTATION_REQUEST));
}

bool token_secret_read(const struct value *object, struct token_secret *ret)
{
	const char *name = value_string_or(value_at(object, "metadata", "name"), "");
	_cleanup_free_ char *expiration = data_text(object, "expiration");
	_cleanup_(token_secret_done) struct token_secret secret = { 0 };
	_cleanup_free_ char *wanted = NULL;

	if (!read_token(object, &secret.token))
		return false;
	wanted = xasprintf(KUBE_TOKEN_SECRET_PREFIX "%s", secret.token.id);
	if (strcmp(name, wanted) != 0)
		return false;
	/* A date that cannot be read fails authentication too. */
	if (value_at(object, "data", "expiration") &&
	    (!expiration || parse_time(expiration, &secret.expiration) < 0))
		return false;
	read_rest(object, &secret);
	*ret = secret;
	secret = (struct token_secret){ 0 };
	return true;
}

bool token_secret_is_live(const struct token_secret *secret, int64_t now)
{
	return secret->expiration == 0 || secret->expiration > now;
}
