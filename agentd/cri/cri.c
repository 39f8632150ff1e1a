/* CRI v1 over the runtime's unix socket (cri.h): HTTP/2 by common/http.h, frames by grpc.h,
 * messages by protobuf-c from the trimmed api.proto. */
#include "agentd/cri/cri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/cri/api.pb-c.h"
#include "agentd/cri/grpc.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "common/http.h"

enum { REPLY_CAP = 1 * MIB, REQUEST_CAP = 4 * KIB, TIMEOUT_MS = 10000 };

/* Labels that the kubelet gives to containers. */
#define LABEL_NAMESPACE "io.kubernetes.pod.namespace"
#define LABEL_POD	"io.kubernetes.pod.name"
#define LABEL_CONTAINER "io.kubernetes.container.name"

struct cri {
	struct loop *loop;
	struct http *http;
	char *socket; /* path */
};

struct method {
	const char *name;
	/* NULL: the reply says nothing. */
	int (*decode)(const void *message, size_t length, struct value **ret, struct error *err);
	/* libcurl before 8 sees a reset stream where a runtime answers that it does not know the
	 * method. A method that old runtimes lack says so here. */
	bool may_be_missing;
	bool gone_is_fine; /* what it is for may be gone */
};

struct call {
	struct op *op;	  /* ours */
	struct op *inner; /* the HTTP request */
	const struct method *method;
	char *socket;
};

static int malformed(struct error *err)
{
	return error_set(err, ERROR_NETWORK, -EBADMSG, "the reply is not a message of CRI v1");
}

int cri_decode_version(const void *message, size_t length, struct value **ret, struct error *err)
{
	Runtime__V1__VersionResponse *m;
	struct value *v;

	m = runtime__v1__version_response__unpack(NULL, length, message);
	if (!m)
		return malformed(err);
	v = value_new_map();
	v = value_put(v, "runtimeName", value_new_string(m->runtime_name));
	v = value_put(v, "runtimeVersion", value_new_string(m->runtime_version));
	v = value_put(v, "runtimeApiVersion", value_new_string(m->runtime_api_version));
	runtime__v1__version_response__free_unpacked(m, NULL);

	*ret = v;
	return 0;
}

int cri_decode_status(const void *message, size_t length, struct value **ret, struct error *err)
{
	const Runtime__V1__RuntimeCondition *runtime = NULL, *network = NULL, *bad = NULL;
	Runtime__V1__StatusResponse *m;
	struct value *v;

	m = runtime__v1__status_response__unpack(NULL, length, message);
	if (!m)
		return malformed(err);
	for (size_t i = 0; m->status && i < m->status->n_conditions; i++) {
		const Runtime__V1__RuntimeCondition *c = m->status->conditions[i];

		if (strcmp(c->type, "RuntimeReady") == 0)
			runtime = c;
		if (strcmp(c->type, "NetworkReady") == 0)
			network = c;
	}
	if (runtime && !runtime->status)
		bad = runtime;
	else if (network && !network->status)
		bad = network;

	v = value_new_map();
	v = value_put(v, "runtimeReady", value_new_bool(runtime && runtime->status));
	v = value_put(v, "networkReady", value_new_bool(network && network->status));
	v = value_put(v, "reason", value_new_string(bad ? bad->reason : ""));
	v = value_put(v, "message", value_new_string(bad ? bad->message : ""));
	runtime__v1__status_response__free_unpacked(m, NULL);

	*ret = v;
	return 0;
}

int cri_decode_runtime_config(const void *message, size_t length, struct value **ret,
			      struct error *err)
{
	Runtime__V1__RuntimeConfigResponse *m;
	const char *driver = NULL;

	m = runtime__v1__runtime_config_response__unpack(NULL, length, message);
	if (!m)
		return malformed(err);
	if (m->linux && m->linux->cgroup_driver == RUNTIME__V1__CGROUP_DRIVER__SYSTEMD)
		driver = "systemd";
	if (m->linux && m->linux->cgroup_driver == RUNTIME__V1__CGROUP_DRIVER__CGROUPFS)
		driver = "cgroupfs";
	runtime__v1__runtime_config_response__free_unpacked(m, NULL);
	if (!driver)
		return error_set(err, ERROR_NETWORK, -EBADMSG,
				 "the reply names no cgroup driver that is known");

	*ret = value_put(value_new_map(), "cgroupDriver", value_new_string(driver));
	return 0;
}

static const char *label_of(const Runtime__V1__Container *container, const char *key)
{
	for (size_t i = 0; i < container->n_labels; i++)
		if (strcmp(container->labels[i]->key, key) == 0)
			return container->labels[i]->value;
	return "";
}

static int newest_first(const void *a, const void *b)
{
	const Runtime__V1__Container *const *one = a, *const *other = b;

	return ((*one)->created_at < (*other)->created_at) -
	       ((*one)->created_at > (*other)->created_at);
}

int cri_decode_containers(const void *message, size_t length, struct value **ret, struct error *err)
{
	Runtime__V1__ListContainersResponse *m;
	struct value *list = value_new_list();

	m = runtime__v1__list_containers_response__unpack(NULL, length, message);
	if (!m) {
		value_unref(list);
		return malformed(err);
	}
	if (m->n_containers > 1)
		qsort(m->containers, m->n_containers, sizeof(*m->containers), newest_first);
	for (size_t i = 0; i < m->n_containers; i++) {
		const Runtime__V1__Container *c = m->containers[i];
		struct value *v = value_put(value_new_map(), "id", value_new_string(c->id));

		v = value_put(v, "pod", value_new_string(label_of(c, LABEL_POD)));
		v = value_put(v, "createdAt", value_new_int(c->created_at));
		list = value_append(list, v);
	}
	runtime__v1__list_containers_response__free_unpacked(m, NULL);

	*ret = list;
	return 0;
}

/* clang-format off */
static const struct method
	method_version        = { "Version",        cri_decode_version },
	method_status         = { "Status",         cri_decode_status },
	method_runtime_config = { "RuntimeConfig",  cri_decode_runtime_config, .may_be_missing = true },
	method_list           = { "ListContainers", cri_decode_containers },
	method_stop           = { "StopContainer",  NULL, .gone_is_fine = true };
/* clang-format on */

static void call_cancel(void *impl)
{
	struct call *call = impl;

	call->inner = op_drop(call->inner);
}

static void call_free(void *impl)
{
	struct call *call = impl;

	op_drop(call->inner);
	free(call->socket);
	free(call);
}

static const struct op_kind call_kind = {
	.name = "cri",
	.cancel = call_cancel,
	.free = call_free,
};

static int read_reply(const struct call *call, struct value **ret, struct error *err)
{
	struct error refusal = ERROR_INIT;
	const struct http_reply *reply;
	const char *message;
	size_t length;
	int r;

	r = op_result(call->inner, err);
	if (r == -EPROTO && call->method->may_be_missing)
		return error_set(err, ERROR_NETWORK, -ENOSYS,
				 "the runtime does not know the method");
	if (r < 0)
		return r;
	reply = http_reply(call->inner);
	r = grpc_status_error(reply, &refusal);
	if (r == -ENOENT && call->method->gone_is_fine)
		return 0;
	if (r < 0) {
		*err = refusal;
		return r;
	}
	r = grpc_unframe(&reply->body, &message, &length, err);
	if (r < 0 || !call->method->decode)
		return r;
	return call->method->decode(message, length, ret, err);
}

static void on_reply(struct op *inner, void *userdata)
{
	struct error error = ERROR_INIT;
	struct call *call = userdata;
	struct value *value = NULL;
	int r;

	r = read_reply(call, &value, &error);
	call->inner = op_drop(call->inner);
	if (r < 0) {
		error_wrap(&error, r, "container runtime at %s: %s", call->socket,
			   call->method->name);
		op_fail(call->op, &error);
	} else {
		op_complete(call->op, value);
	}
}

static struct op *call_failed(struct cri *cri, struct error *error)
{
	error_wrap(error, error->code, "container runtime at %s", cri->socket);
	return op_new_failed(cri->loop, error);
}

/* Every request but those of a filter or an object is an empty message: then message is NULL. */
static struct op *call_new(struct cri *cri, const struct method *method, const struct buf *message,
			   unsigned grace_s)
{
	static const char *const headers[] = { "Content-Type: application/grpc", "TE: trailers",
					       NULL };
	_cleanup_(buf_done) struct buf body = BUF_INIT(2 * REQUEST_CAP);
	_cleanup_free_ char *url = NULL;
	struct error error = ERROR_INIT;
	struct call *call;
	struct op *inner;
	int r;

	if (!fs_exists(cri->socket)) {
		error_set(&error, ERROR_NETWORK, -ENOENT,
			  "there is no such socket: is the runtime installed and running?");
		return call_failed(cri, &error);
	}
	r = grpc_frame(message ? message->data : "", message ? message->length : 0, &body);
	assert(r == 0);
	url = xasprintf("http://localhost/runtime.v1.RuntimeService/%s", method->name);
	inner = http_send(cri->http,
			  &(struct http_request){
			      .method = "POST",
			      .url = url,
			      .unix_path = cri->socket,
			      .headers = headers,
			      .body = body.data,
			      .body_length = body.length,
			      .timeout_ms = TIMEOUT_MS + grace_s * 1000,
			      .reply_cap = REPLY_CAP,
			      .h2c = true,
			  },
			  &error);
	if (!inner)
		return call_failed(cri, &error);

	call = NEW(struct call);
	call->inner = inner;
	call->method = method;
	call->socket = xstrdup(cri->socket);
	call->op = op_new(cri->loop, &call_kind, call);
	op_watch(inner, on_reply, call);
	return call->op;
}

struct cri *cri_new(struct loop *loop, const char *socket)
{
	static const char scheme[] = "unix://";
	struct cri *cri = NEW(struct cri);

	if (strncmp(socket, scheme, strlen(scheme)) == 0)
		socket += strlen(scheme);
	cri->loop = loop;
	cri->socket = xstrdup(socket);
	cri->http = http_new(loop, &(struct http_identity){ 0 });
	return cri;
}

struct cri *cri_free(struct cri *cri)
{
	if (!cri)
		return NULL;
	http_free(cri->http);
	free(cri->socket);
	free(cri);
	return NULL;
}

struct op *cri_version(struct cri *cri)
{
	return call_new(cri, &method_version, NULL, 0);
}

struct op *cri_status(struct cri *cri)
{
	return call_new(cri, &method_status, NULL, 0);
}

struct op *cri_runtime_config(struct cri *cri)
{
	return call_new(cri, &method_runtime_config, NULL, 0);
}

static void pack(const ProtobufCMessage *message, struct buf *buf)
{
	_cleanup_free_ uint8_t *bytes = xmalloc(protobuf_c_message_get_packed_size(message) + 1);
	size_t length = protobuf_c_message_pack(message, bytes);

	(void)buf_append(buf, bytes, length);
}

struct op *cri_running(struct cri *cri, const char *namespace, const char *container)
{
	Runtime__V1__Label in_namespace = RUNTIME__V1__LABEL__INIT;
	Runtime__V1__Label of_name = RUNTIME__V1__LABEL__INIT;
	Runtime__V1__Label *labels[] = { &in_namespace, &of_name };
	Runtime__V1__ContainerStateValue state = RUNTIME__V1__CONTAINER_STATE_VALUE__INIT;
	Runtime__V1__ContainerFilter filter = RUNTIME__V1__CONTAINER_FILTER__INIT;
	Runtime__V1__ListContainersRequest m = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	_cleanup_(buf_done) struct buf message = BUF_INIT(REQUEST_CAP);

	in_namespace.key = (char *)(uintptr_t)LABEL_NAMESPACE;
	in_namespace.value = (char *)(uintptr_t) namespace;
	of_name.key = (char *)(uintptr_t)LABEL_CONTAINER;
	of_name.value = (char *)(uintptr_t)container;
	state.state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING;
	filter.state = &state;
	filter.n_label_selector = ARRAY_SIZE(labels);
	filter.label_selector = labels;
	m.filter = &filter;
	pack(&m.base, &message);
	return call_new(cri, &method_list, &message, 0);
}

struct op *cri_stop(struct cri *cri, const char *id, unsigned grace_s)
{
	Runtime__V1__StopContainerRequest m = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
	_cleanup_(buf_done) struct buf message = BUF_INIT(REQUEST_CAP);

	m.container_id = (char *)(uintptr_t)id;
	m.timeout = grace_s;
	pack(&m.base, &message);
	return call_new(cri, &method_stop, &message, grace_s);
}
