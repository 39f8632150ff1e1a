/* A watch of a collection as an op: lines of a stream become events; see kube_watch() in client.h.
 */
#include <errno.h>
#include <string.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/client.h"
#include "agentd/kube/reply.h"
#include "common/alloc.h"
#include "common/json.h"

struct watch {
	struct op *op;	  /* the op that this belongs to */
	struct op *inner; /* the stream */
	char *what;	  /* "watch of /api/v1/nodes", for errors */
	struct apipath path;
	kube_event_fn on_event;
	void *userdata;
	struct error failure; /* why we ended the stream ourselves */
};

static void watch_cancel(void *impl)
{
	struct watch *watch = impl;

	watch->inner = op_drop(watch->inner);
}

static void watch_free(void *impl)
{
	struct watch *watch = impl;

	op_drop(watch->inner);
	free(watch->what);
	apipath_done(&watch->path);
	free(watch);
}

static const struct op_kind watch_kind = {
	.name = "kube-watch",
	.cancel = watch_cancel,
	.free = watch_free,
};

static int deliver(struct watch *watch, const char *change, const struct value *given)
{
	_cleanup_(value_unref) struct value *object = value_ref(given);
	int r;

	r = reply_check(object, &watch->path, false, &watch->failure);
	if (r < 0)
		return r;
	if (!value_string(value_at(object, "metadata", "name")))
		return error_set(&watch->failure, ERROR_NETWORK, -EBADMSG,
				 "an object without a name");

	object = value_remove_at(object, "metadata", "managedFields");
	r = watch->on_event(change, object, watch->userdata);
	if (r < 0)
		return error_set(&watch->failure, ERROR_PENDING, r, "ended by its reader");
	return 0;
}

static int read_line(struct watch *watch, const char *line, size_t length)
{
	_cleanup_(value_unref) struct value *event = NULL;
	const struct value *object;
	const char *type;
	int r;

	r = json_parse(line, length, "event", &event, &watch->failure);
	if (r < 0)
		return r;

	type = value_string_or(value_get(event, "type"), "");
	object = value_get(event, "object");
	if (strcmp(type, "BOOKMARK") == 0)
		return 0;
	if (strcmp(type, "ERROR") == 0)
		return reply_status_error(object, &watch->failure);
	if (strcmp(type, "ADDED") != 0 && strcmp(type, "MODIFIED") != 0 &&
	    strcmp(type, "DELETED") != 0)
		return error_set(&watch->failure, ERROR_NETWORK, -EBADMSG,
				 "an event of type \"%.40s\"", type);
	return deliver(watch, type, object);
}

static int watch_line(const char *line, size_t length, void *userdata)
{
	if (length == 0)
		return 0;
	return read_line(userdata, line, length);
}

static void watch_done(struct op *inner, void *userdata)
{
	struct watch *watch = userdata;
	const struct http_reply *reply = http_reply(inner);
	struct error err = ERROR_INIT;
	int r = 0;

	if (error_is_set(&watch->failure)) {
		err = watch->failure;
		r = err.code;
	} else if (op_error(inner)) {
		r = op_result(inner, &err);
	} else if (reply->status / 100 != 2) {
		r = reply_refusal(reply, &err);
	}

	if (r < 0) {
		error_wrap(&err, r, "%s", watch->what);
		op_fail(watch->op, &err);
	} else {
		op_complete(watch->op, NULL);
	}
}

struct op *kube_watch(struct kube *kube, const char *collection, const char *query,
		      kube_event_fn on_event, void *userdata)
{
	_cleanup_free_ char *full = xasprintf("%s%swatch=1", query, *query ? "&" : "");
	_cleanup_free_ char *url = kube_url(kube, collection, full);
	const char *headers[] = { "Accept: application/json", NULL };
	struct watch *watch = NEW(struct watch);
	struct http_request request = {
		.method = "GET",
		.url = url,
		.headers = headers,
		.on_line = watch_line,
		.userdata = watch,
	};
	struct error err = ERROR_INIT;

	watch->what = xasprintf("watch of %s", collection);
	watch->on_event = on_event;
	watch->userdata = userdata;
	(void)apipath_parse(collection, &watch->path);
	watch->inner = http_send(kube_http(kube), &request, &err);
	if (!watch->inner) {
		error_wrap(&err, err.code, "%s", watch->what);
		watch_free(watch);
		return op_new_failed(kube_loop(kube), &err);
	}
	watch->op = op_new(kube_loop(kube), &watch_kind, watch);
	op_watch(watch->inner, watch_done, watch);
	return watch->op;
}
