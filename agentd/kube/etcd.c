/* Requests to etcd's JSON gateway (etcd api/etcdserverpb/rpc.proto); see etcd.h. */
#include "agentd/kube/etcd.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"

enum { REPLY_CAP = 1024 * 1024, REQUEST_CAP = 64 * 1024 };

struct etcd {
	struct loop *loop;
	struct http *http;
	char *server;
};

struct etcd *etcd_new(struct loop *loop, const char *server, const struct http_identity *identity)
{
	struct etcd *etcd = NEW(struct etcd);

	etcd->loop = loop;
	etcd->http = http_new(loop, identity);
	etcd->server = xstrdup(server);
	return etcd;
}

struct etcd *etcd_free(struct etcd *etcd)
{
	if (!etcd)
		return NULL;
	http_free(etcd->http);
	free(etcd->server);
	free(etcd);
	return NULL;
}

struct call {
	char *what; /* "etcd: /v3/cluster/member/list", for errors */
};

static void call_free(void *impl)
{
	struct call *call = impl;

	free(call->what);
	free(call);
}

static const struct op_kind call_kind = { .name = "etcd", .free = call_free };

static int call_read(struct op *inner, void *impl, struct value **ret, struct error *err)
{
	const struct http_reply *reply = http_reply(inner);
	const struct call *call = impl;
	_cleanup_(value_unref) struct value *value = NULL;
	struct error unread = ERROR_INIT;
	int r;

	r = json_parse(reply->body.data, reply->body.length, call->what, &value, &unread);
	if (reply->status / 100 != 2) {
		r = http_status_error(reply, value_string(value_get(value, "message")), err);
		return error_wrap(err, r, "%s", call->what);
	}
	if (r < 0)
		return error_set(err, ERROR_NETWORK, r, "%s", unread.message);
	*ret = TAKE_PTR(value);
	return 0;
}

/* Every call of the gateway is a POST of a message; body is consumed. */
static struct op *post(struct etcd *etcd, const char *path, struct value *body)
{
	_cleanup_(value_unref) struct value *message = body;
	_cleanup_(buf_done) struct buf text = BUF_INIT(REQUEST_CAP);
	_cleanup_free_ char *url = xasprintf("%s%s", etcd->server, path);
	struct http_request request = { .method = "POST", .url = url, .reply_cap = REPLY_CAP };
	struct error err = ERROR_INIT;
	struct call *call;
	struct op *inner;
	int r;

	r = json_write(message, 0, &text);
	if (r < 0) {
		(void)error_set(&err, ERROR_BUG, r, "etcd: %s: the request is too large", path);
		return op_new_failed(etcd->loop, &err);
	}
	request.body = text.data;
	request.body_length = text.length;
	inner = http_send(etcd->http, &request, &err);
	if (!inner)
		return op_new_failed(etcd->loop, &err);
	call = NEW(struct call);
	call->what = xasprintf("etcd: %s", path);
	return op_new_then(etcd->loop, &call_kind, call, inner, call_read);
}

struct op *etcd_status(struct etcd *etcd)
{
	return post(etcd, "/v3/maintenance/status", value_new_map());
}

struct op *etcd_members(struct etcd *etcd)
{
	return post(etcd, "/v3/cluster/member/list", value_new_map());
}

struct op *etcd_member_update(struct etcd *etcd, const char *id, const struct strv *peer_urls)
{
	struct value *urls = value_new_list();
	struct value *body = value_put(value_new_map(), "ID", value_new_string(id));

	STRV_FOREACH(url, peer_urls)
		urls = value_append(urls, value_new_string(url));
	return post(etcd, "/v3/cluster/member/update", value_put(body, "peerURLs", urls));
}
