/* Requests to a Kubernetes API server; see client.h. Every request is an op around the op of
 * common/http.h that checks the reply against what was asked. Watches are in watch.c. */
#include "agentd/kube/client.h"

#include <errno.h>
#include <string.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/lease.h"
#include "agentd/kube/reply.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/secret.h"

struct kube {
	struct loop *loop;
	struct http *http;
	char *server;
	struct lease_seen *leases;
};

/* What is asked, in one row each. */
struct verb {
	const char *method;
	const char *content_type; /* of the body; NULL = JSON if there is a body */
	enum reply_answer answer;
	bool missing_is_success;
};

static const struct verb verb_get = { "GET", NULL, REPLY_OBJECT, true };
static const struct verb verb_list = { "GET", NULL, REPLY_LIST, false };
static const struct verb verb_probe = { "GET", NULL, REPLY_TEXT, false };
static const struct verb verb_create = { "POST", NULL, REPLY_OBJECT, false };
static const struct verb verb_replace = { "PUT", NULL, REPLY_OBJECT, false };
static const struct verb verb_delete = { "DELETE", NULL, REPLY_ANYTHING, true };
static const struct verb verb_apply = { "PATCH", "application/apply-patch+yaml", REPLY_OBJECT,
					false };
static const struct verb verb_merge = { "PATCH", "application/merge-patch+json", REPLY_OBJECT,
					false };
static const struct verb verb_patch = { "PATCH", "application/json-patch+json", REPLY_OBJECT,
					false };

struct kube *kube_new(struct loop *loop, const char *server, const struct http_identity *identity)
{
	struct kube *kube = NEW(struct kube);

	kube->loop = loop;
	kube->http = http_new(loop, identity);
	kube->server = xstrdup(server);
	for (size_t n = strlen(kube->server); n > 0 && kube->server[n - 1] == '/'; n--)
		kube->server[n - 1] = '\0';
	return kube;
}

struct kube *kube_free(struct kube *kube)
{
	if (!kube)
		return NULL;
	http_free(kube->http);
	lease_seen_free(kube->leases);
	free(kube->server);
	free(kube);
	return NULL;
}

const char *kube_server(const struct kube *kube)
{
	return kube->server;
}

struct loop *kube_loop(const struct kube *kube)
{
	return kube->loop;
}

struct http *kube_http(const struct kube *kube)
{
	return kube->http;
}

struct lease_seen **kube_leases(struct kube *kube)
{
	return &kube->leases;
}

char *kube_url(const struct kube *kube, const char *path, const char *query)
{
	return xasprintf("%s%s%s%s", kube->server, path, *query ? "?" : "", query);
}

/* -- A request as an op ------------------------------------------------------------------------ */

struct call {
	const struct verb *verb;
	char *what; /* "GET /api/v1/nodes/w1", for errors */
	struct apipath path;
};

static void call_free(void *impl)
{
	struct call *call = impl;

	free(call->what);
	apipath_done(&call->path);
	free(call);
}

static const struct op_kind call_kind = { .name = "kube", .free = call_free };

static int call_read(struct op *inner, void *impl, struct value **ret, struct error *err)
{
	const struct http_reply *reply = http_reply(inner);
	struct call *call = impl;
	int r;

	if (reply->status == 404 && call->verb->missing_is_success &&
	    reply_says_missing(reply, &call->path))
		return 0;
	if (reply->status / 100 != 2) {
		r = reply_refusal(reply, err);
		return error_wrap(err, r, "%s", call->what);
	}

	r = reply_read(reply, call->verb->answer, &call->path, ret, err);
	if (r < 0)
		return error_wrap(err, r, "%s", call->what);
	return 0;
}

/* Bytes that a string needs at most as JSON. */
static size_t text_bound(const char *text, size_t length)
{
	size_t bound = length + 2;

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || strchr("\"\\/", text[i]))
			bound += 5; /* a \u escape */
	return bound;
}

static size_t json_bound(const struct value *value)
{
	size_t bound = 8;

	if (value_string(value))
		bound += text_bound(value_string(value), value_string_length(value));
	if (value_number_text(value))
		bound += strlen(value_number_text(value));
	VALUE_FOREACH(i, value) {
		const char *key = value_key(value, i);

		bound += 2 + json_bound(value_item(value, i));
		if (key)
			bound += text_bound(key, strlen(key));
	}
	return bound;
}

/* Makes room beforehand, so that the text never moves and no copy of a secret stays behind in freed
 * memory. */
static void reserve(struct buf *buf, size_t size)
{
	static const char zeros[1024];

	for (size_t part; size > 0; size -= part) {
		part = MIN(size, sizeof(zeros));
		(void)buf_append(buf, zeros, part);
	}
	buf_reset(buf);
}

static struct op *call_fail(struct kube *kube, struct call *call, struct error *err)
{
	error_wrap(err, err->code, "%s", call->what);
	call_free(call);
	return op_new_failed(kube->loop, err);
}

static struct op *call_send(struct kube *kube, struct call *call, const char *path,
			    const char *query, const struct buf *body)
{
	_cleanup_free_ char *url = kube_url(kube, path, query);
	_cleanup_free_ char *type =
	    xasprintf("Content-Type: %s",
		      call->verb->content_type ? call->verb->content_type : "application/json");
	const char *headers[] = { call->verb->answer == REPLY_TEXT ? "Accept: text/plain, */*"
								   : "Accept: application/json",
				  body ? type : NULL, NULL };
	struct http_request request = {
		.method = call->verb->method,
		.url = url,
		.headers = headers,
		.body = body ? body->data : NULL,
		.body_length = body ? body->length : 0,
	};
	struct error err = ERROR_INIT;
	struct op *inner;

	inner = http_send(kube->http, &request, &err);
	if (!inner)
		return call_fail(kube, call, &err);
	return op_new_then(kube->loop, &call_kind, call, inner, call_read);
}

static struct op *call_start(struct kube *kube, const struct verb *verb, const char *path,
			     const char *query, const struct value *body)
{
	struct call *call = NEW(struct call);
	struct error err = ERROR_INIT;
	struct op *op;
	int r;

	call->verb = verb;
	call->what = xasprintf("%s %s", verb->method, path);
	(void)apipath_parse(path, &call->path); /* /readyz and the like name no object */
	if (!body)
		return call_send(kube, call, path, query, NULL);

	struct buf text = BUF_INIT(json_bound(body));

	reserve(&text, text.cap);
	r = json_write(body, 0, &text);
	if (r < 0) {
		error_set(&err, ERROR_BUG, r, "the request cannot be written as JSON");
		op = call_fail(kube, call, &err);
	} else {
		op = call_send(kube, call, path, query, &text);
	}
	secret_wipe(text.data, text.allocated);
	buf_done(&text);
	return op;
}

static struct op *call_write(struct kube *kube, const struct verb *verb, const char *path,
			     const struct value *body, const char *manager, const char *more)
{
	_cleanup_free_ char *query = xasprintf("fieldManager=%s%s", manager, more);

	return call_start(kube, verb, path, query, body);
}

/* -- The requests ------------------------------------------------------------------------------ */

struct op *kube_get(struct kube *kube, const char *path)
{
	return call_start(kube, &verb_get, path, "", NULL);
}

struct op *kube_list(struct kube *kube, const char *collection, const char *query)
{
	return call_start(kube, &verb_list, collection, query, NULL);
}

struct op *kube_probe(struct kube *kube, const char *path)
{
	return call_start(kube, &verb_probe, path, "", NULL);
}

struct op *kube_create(struct kube *kube, const char *collection, const struct value *object)
{
	return call_write(kube, &verb_create, collection, object, KUBE_MANAGER_ONCE, "");
}

struct op *kube_replace(struct kube *kube, const char *path, const struct value *object,
			const char *manager)
{
	return call_write(kube, &verb_replace, path, object, manager, "");
}

struct op *kube_apply(struct kube *kube, const char *path, const struct value *object,
		      const char *manager, bool force)
{
	return call_write(kube, &verb_apply, path, object, manager, force ? "&force=true" : "");
}

struct op *kube_merge_patch(struct kube *kube, const char *path, const struct value *patch,
			    const char *manager)
{
	return call_write(kube, &verb_merge, path, patch, manager, "");
}

struct op *kube_json_patch(struct kube *kube, const char *path, const struct value *patch,
			   const char *manager)
{
	return call_write(kube, &verb_patch, path, patch, manager, "");
}

struct op *kube_delete(struct kube *kube, const char *path)
{
	return call_start(kube, &verb_delete, path, "", NULL);
}

struct op *kube_delete_uid(struct kube *kube, const char *path, const char *uid)
{
	_cleanup_(value_unref) struct value *options = value_new_map();

	options = value_put(options, "kind", value_new_string("DeleteOptions"));
	options = value_put(options, "apiVersion", value_new_string("v1"));
	options = value_put_at(options, value_new_string(uid), "preconditions", "uid");
	return call_start(kube, &verb_delete, path, "", options);
}
