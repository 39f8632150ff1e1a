/* The accepted role on disk; see role_store.h. */
#include "agentd/role_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "discovery/token.h"

enum { STORE_CAP = 2 * 1024 * 1024, STORE_VERSION = 1 };

struct role_store {
	char *path;
	struct value *content; /* {version, generation, digest, source, text, found, tokenFile,
				  credential, tokenForgotten, seen} */
};

static void drop_token(struct role *role)
{
	role->join.token = secret_unref(role->join.token);
	role->join.tls_bootstrap_token = secret_unref(role->join.tls_bootstrap_token);
}

/* What the text of a role does not say: which of its values were found out, and where its token
 * came from. A file from before that has none of it, and then everything counts as named. */

static void get_origins(const struct value *content, struct role *role)
{
	role->address_is_found = value_is_true(value_at(content, "found", "address"));
	role->name_is_found = value_is_true(value_at(content, "found", "name"));
	role->join.token_file = xstrdup(value_string(value_get(content, "tokenFile")));
	role->join.credential = xstrdup(value_string(value_get(content, "credential")));
}

static struct value *text_or_null(const char *text)
{
	return text ? value_new_string(text) : value_new_null();
}

static struct value *put_origins(struct value *content, const struct role *role)
{
	content = value_put_at(content, value_new_bool(role->address_is_found), "found", "address");
	content = value_put_at(content, value_new_bool(role->name_is_found), "found", "name");
	content = value_put(content, "tokenFile", text_or_null(role->join.token_file));
	return value_put(content, "credential", text_or_null(role->join.credential));
}

static int parse(const struct role_store *store, const struct role_host *host, struct role **ret,
		 struct error *err)
{
	const struct value *content = store->content;
	const char *text = value_string(value_get(content, "text"));
	const char *digest = value_string_or(value_get(content, "digest"), "");
	_cleanup_(role_unref) struct role *role = NULL;
	int64_t generation = 0;
	int r;

	if (!text)
		return 0;
	r = role_parse(text, strlen(text), store->path, host, &role, err);
	if (r < 0)
		return r;
	(void)value_to_int(value_get(content, "generation"), &generation);
	role->generation = (uint64_t)generation;
	(void)snprintf(role->digest, sizeof(role->digest), "%s", digest);
	free(role->source);
	role->source = xstrdup(value_string_or(value_get(content, "source"), "socket"));
	if (value_is_true(value_get(content, "tokenForgotten")))
		drop_token(role);
	get_origins(content, role);
	*ret = TAKE_PTR(role);
	return 1;
}

int role_store_open(const char *path, const struct role_host *host, struct role_store **ret,
		    struct role **ret_role, struct error *err)
{
	_cleanup_(role_store_free) struct role_store *store = NEW(struct role_store);
	_cleanup_(buf_done) struct buf text = BUF_INIT(STORE_CAP);
	struct role *role = NULL;
	int64_t version = 0;
	int r;

	store->path = xstrdup(path);
	r = file_read(path, &text, err);
	if (r < 0)
		return r;
	if (r == 0)
		store->content =
		    value_put(value_new_map(), "version", value_new_int(STORE_VERSION));
	else
		r = json_parse(text.data, text.length, path, &store->content, err);
	secret_wipe(text.data, text.length);
	if (r < 0)
		return r;
	if (!value_to_int(value_get(store->content, "version"), &version) ||
	    version != STORE_VERSION)
		return error_set(
		    err, ERROR_CONFIG, -EPROTO,
		    "%s is of another version of agentd (format %lld, this one knows %d)", path,
		    (long long)version, STORE_VERSION);
	r = parse(store, host, &role, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	*ret_role = role;
	return 0;
}

struct role_store *role_store_free(struct role_store *store)
{
	if (!store)
		return NULL;
	value_unref(store->content);
	free(store->path);
	free(store);
	return NULL;
}

/* Writes a new content; the old one stays in memory if that fails. */
static int save(struct role_store *store, struct value *content, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(STORE_CAP);
	int r;

	r = json_write(content, 1, &text);
	if (r < 0)
		r = error_set(err, ERROR_CONFIG, r, "the role is too large to be kept");
	else
		r = file_replace(&(struct file_content){ .path = store->path,
							 .bytes = text.data,
							 .length = text.length,
							 .mode = 0600,
							 .uid = (uid_t)-1,
							 .gid = (gid_t)-1 },
				 err);
	secret_wipe(text.data, text.length);
	if (r < 0) {
		value_unref(content);
		return r;
	}
	value_unref(store->content);
	store->content = content;
	return 0;
}

static int put_text(struct value **content, const struct role *role, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(STORE_CAP);
	int r;

	r = role_write(role, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "the role cannot be written");
	*content = value_put(*content, "text", value_new_string(text.data));
	secret_wipe(text.data, text.length);
	return 0;
}

int role_store_accept(struct role_store *store, struct role *role, struct error *err)
{
	struct value *content = value_ref(store->content);
	int64_t generation = 0;
	int r;

	(void)value_to_int(value_get(store->content, "generation"), &generation);
	r = put_text(&content, role, err);
	if (r < 0) {
		value_unref(content);
		return r;
	}
	content = put_origins(content, role);
	content = value_put(content, "generation", value_new_int(generation + 1));
	content = value_put(content, "digest", value_new_string(role->digest));
	content = value_put(content, "source", value_new_string(role->source));
	content = value_put(content, "tokenForgotten", value_new_bool(false));
	r = save(store, content, err);
	if (r < 0)
		return r;
	role->generation = (uint64_t)generation + 1;
	return 0;
}

int role_store_move(struct role_store *store, const struct role *role, struct error *err)
{
	struct value *content = value_ref(store->content);
	int r;

	r = put_text(&content, role, err);
	if (r < 0) {
		value_unref(content);
		return r;
	}
	return save(store, put_origins(content, role), err);
}

/* The text must stay one that parses, so a token that never existed takes the place of the spent
 * one. */
int role_store_forget_token(struct role_store *store, struct role *role, struct error *err)
{
	_cleanup_(token_done) struct token nobody = { 0 };
	_cleanup_(secret_unref) struct secret *token = NULL, *tls_token = NULL;
	struct value *content;
	int r;

	if (!role->join.token && !role->join.tls_bootstrap_token)
		return 0;
	content = value_ref(store->content);
	token_generate(&nobody);
	token = TAKE_PTR(role->join.token);
	tls_token = TAKE_PTR(role->join.tls_bootstrap_token);
	role->join.token = token ? token_text(&nobody) : NULL;
	role->join.tls_bootstrap_token = token_text(&nobody);
	r = put_text(&content, role, err);
	drop_token(role);
	if (r >= 0) {
		content = value_put(content, "tokenForgotten", value_new_bool(true));
		r = save(store, content, err);
	} else {
		value_unref(content);
	}
	if (r >= 0)
		return 0;
	role->join.token = TAKE_PTR(token);
	role->join.tls_bootstrap_token = TAKE_PTR(tls_token);
	return r;
}

const char *role_store_seen(const struct role_store *store)
{
	return value_string_or(value_get(store->content, "seen"), "");
}

int role_store_set_seen(struct role_store *store, const char *digest, struct error *err)
{
	if (strcmp(digest, role_store_seen(store)) == 0)
		return 0;
	return save(store, value_put(value_ref(store->content), "seen", value_new_string(digest)),
		    err);
}
