/* HTTP requests as ops; see http.h. One curl_multi per identity, driven by the loop through curl's
 * socket interface. All time-outs are timers of ours: curl's own would wake the loop after the
 * request that they were for, and an idle watch must not wake it at all.
 *
 * curl may not be called from inside its own callbacks: what an on_line callback starts or drops
 * waits until curl has returned (`depth`, collect(), start_pending()). */
#include "common/http.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "common/alloc.h"
#include "common/http-reply.h"
#include "common/http-setup.h"
#include "common/macros.h"

enum {
	TIMEOUT_MS = 10 * 1000,
	HEADERS_MAX = 32 * 1024,
	LINE_KEEP = 64 * 1024,	 /* a line buffer that grew beyond is given back */
	CONNECTIONS_SPARE = 2,	 /* idle ones that stay for the next request */
	CONNECTIONS_IDLE_S = 60, /* and for how long when nothing else goes on */
};
#define REPLY_CAP (8 * MIB)
#define LINE_CAP  (8 * MIB)

static uint64_t requests_sent;

struct http {
	struct loop *loop;
	struct http_identity identity; /* our own copies */
	CURLM *multi; /* NULL while nothing was asked for a while: idle connections cost memory */
	struct loop_timer *curl_timer;
	struct loop_timer *idle_timer;
	struct loop_deferred pending;
	struct request *requests; /* doubly linked */
	unsigned active;	  /* requests that curl has */
	unsigned depth;		  /* > 0 inside of curl */
};

struct request {
	struct http *http; /* NULL when it is over */
	struct op *op;	   /* NULL when it was dropped */
	struct request *next, *previous;
	char *what; /* "GET https://host/path", for errors */
	CURL *easy;
	bool added; /* to the multi */
	struct http_lists lists;
	void *body;
	size_t body_length;
	http_line_fn on_line;
	void *userdata;
	struct buf line; /* what came of a line so far */
	struct loop_timer *timer;
	unsigned timeout_ms, stall_s;
	bool answered; /* a stream's headers are complete */
	size_t header_bytes;
	struct error failure; /* set by our callbacks, goes before curl's */
	char curl_error[CURL_ERROR_SIZE];
	struct http_reply reply;
};

/* curl copies Authorization headers and keys around; its memory is wiped when it is given back. */
static void wiping_free(void *block)
{
	if (block)
		secret_wipe(block, malloc_usable_size(block));
	free(block);
}

static void *wiping_realloc(void *block, size_t size)
{
	size_t old = block ? malloc_usable_size(block) : 0;
	void *copy = xmalloc(size);

	if (block)
		memcpy(copy, block, MIN(old, size));
	wiping_free(block);
	return copy;
}

static void *counted_alloc(size_t count, size_t size)
{
	return xcalloc(count, size);
}

static void global_init(void)
{
	static bool done;
	CURLcode code;

	if (done)
		return;
	code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, wiping_free, wiping_realloc,
				    xstrdup, counted_alloc);
	if (code != CURLE_OK)
		abort();
	/* OpenSSL writes to sockets that the other side may have closed. */
	(void)signal(SIGPIPE, SIG_IGN);
	done = true;
}

static void wipe_and_free(void *bytes, size_t length)
{
	if (bytes)
		secret_wipe(bytes, length);
	free(bytes);
}

static void wipe_line(struct request *request)
{
	if (request->line.allocated)
		secret_wipe(request->line.data, request->line.allocated);
	buf_done(&request->line);
}

static void link_request(struct request *request)
{
	struct request **last = &request->http->requests;

	for (; *last; last = &(*last)->next)
		request->previous = *last;
	*last = request;
}

static void unlink_request(struct request *request)
{
	struct http *http = request->http;

	if (request->previous)
		request->previous->next = request->next;
	else
		http->requests = request->next;
	if (request->next)
		request->next->previous = request->previous;
}

/* Takes a request away from curl and from its http, and gives back all but the reply. Not to be
 * called inside of curl. */
static void detach(struct request *request)
{
	struct http *http = request->http;

	assert(http->depth == 0);
	if (request->added) {
		(void)curl_multi_remove_handle(http->multi, request->easy);
		http->active--;
		(void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
					(long)http->active + CONNECTIONS_SPARE);
	}
	curl_easy_cleanup(request->easy);
	request->easy = NULL;
	http_setup_free_lists(&request->lists);
	wipe_and_free(request->body, request->body_length);
	request->timer = loop_timer_free(request->timer);
	wipe_line(request);
	unlink_request(request);
	request->http = NULL;
	if (!http->requests)
		loop_timer_arm(http->idle_timer, CONNECTIONS_IDLE_S * NSEC_PER_SEC,
			       CONNECTIONS_IDLE_S * NSEC_PER_SEC);
}

static void request_free(struct request *request)
{
	http_reply_done(&request->reply);
	free(request->what);
	free(request);
}

static void fail(struct request *request, const struct error *error)
{
	struct op *op = request->op;
	struct error wrapped = *error;

	(void)error_wrap(&wrapped, wrapped.code, "%.200s", request->what);
	detach(request);
	op_fail(op, &wrapped);
}

static void op_cancelled(void *impl)
{
	struct request *request = impl;

	/* Inside of curl it stays until collect(). */
	request->op = NULL;
	if (request->http->depth == 0)
		detach(request);
}

static void op_freed(void *impl)
{
	struct request *request = impl;

	if (!request->http)
		request_free(request);
}

static const struct op_kind request_kind = {
	.name = "http",
	.cancel = op_cancelled,
	.free = op_freed,
};

/* Hands the last line over if the server did not end it; answers as on_line does. */
static int flush_line(struct request *request)
{
	size_t length = request->line.length;
	int r = 0;

	if (length > 0 && request->line.data[length - 1] == '\r')
		request->line.data[--length] = '\0';
	if (length > 0)
		r = request->on_line(request->line.data, length, request->userdata);
	if (request->line.allocated > LINE_KEEP)
		wipe_line(request);
	buf_reset(&request->line);
	return r;
}

/* Curl is through with a request. */
static void finish(struct request *request, CURLcode curl)
{
	struct error err = ERROR_INIT;
	struct op *op;
	int r;

	/* What a gRPC server says when it does not know a method: its status, then a reset. */
	if (curl == CURLE_HTTP2_STREAM && request->reply.grpc_status >= 0)
		curl = CURLE_OK;
	if (error_is_set(&request->failure)) {
		fail(request, &request->failure);
		return;
	}
	if (curl != CURLE_OK) {
		http_setup_error(request->easy, (int)curl, request->curl_error, &err);
		fail(request, &err);
		return;
	}
	if (request->line.length > 0) {
		request->http->depth++;
		r = flush_line(request);
		request->http->depth--;
		if (!request->op)
			return;
		if (r < 0) {
			(void)error_errno(&err, ERROR_NETWORK, r, "the last line was refused");
			fail(request, &err);
			return;
		}
	}
	http_setup_serial(request->easy, request->reply.server_certificate,
			  sizeof(request->reply.server_certificate));
	op = request->op;
	detach(request);
	op_complete(op, NULL);
}

/* Takes out of curl what has ended and what was dropped meanwhile. */
static void collect(struct http *http)
{
	struct request *request, *next;
	const CURLMsg *message;
	CURLcode result;
	char *private;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		result = message->data.result;
		if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) != CURLE_OK)
			abort();
		request = (struct request *)(void *)private;
		if (request->op)
			finish(request, result);
	}
	for (request = http->requests; request; request = next) {
		next = request->next;
		if (!request->op) {
			detach(request);
			request_free(request);
		}
	}
}

static void act(struct http *http, curl_socket_t fd, int what)
{
	int running;

	http->depth++;
	(void)curl_multi_socket_action(http->multi, fd, what, &running);
	http->depth--;
	collect(http);
}

static void connection_ready(int fd, unsigned events, void *userdata)
{
	struct http *http = userdata;

	act(http, fd,
	    (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
		(events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void curl_timer_over(void *userdata)
{
	act(userdata, CURL_SOCKET_TIMEOUT, 0);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket)
{
	struct http *http = userdata;
	struct loop_io *io = socket;
	unsigned events = 0;

	if (what == CURL_POLL_REMOVE) {
		loop_io_free(io);
		(void)curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (!io) {
		io = loop_io_new(http->loop, fd, connection_ready, http);
		(void)curl_multi_assign(http->multi, fd, io);
	}
	events |= what & CURL_POLL_IN ? LOOP_READ : 0;
	events |= what & CURL_POLL_OUT ? LOOP_WRITE : 0;
	loop_io_want(io, events);
	return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct http *http = userdata;

	if (timeout_ms < 0)
		loop_timer_disarm(http->curl_timer);
	else
		loop_timer_arm(http->curl_timer, (uint64_t)timeout_ms * NSEC_PER_MSEC,
			       (uint64_t)timeout_ms * NSEC_PER_MSEC / 8);
	return 0;
}

static void open_multi(struct http *http)
{
	http->multi = curl_multi_init();
	if (!http->multi || curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_socket) ||
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_timer) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http))
		abort();
}

static void close_multi(void *userdata)
{
	struct http *http = userdata;

	if (http->multi)
		(void)curl_multi_cleanup(http->multi);
	http->multi = NULL;
	loop_timer_disarm(http->curl_timer);
}

/* Gives curl what http_send() has made since. */
static void start_pending(void *userdata)
{
	struct http *http = userdata;
	struct error err = ERROR_INIT;
	struct request *next;
	CURLMcode code;

	loop_timer_disarm(http->idle_timer);
	if (!http->multi)
		open_multi(http);
	for (struct request *request = http->requests; request; request = next) {
		next = request->next;
		if (request->added)
			continue;
		code = curl_multi_add_handle(http->multi, request->easy);
		if (code != CURLM_OK) {
			(void)error_set(&err, ERROR_BUG, -EIO, "%s", curl_multi_strerror(code));
			fail(request, &err);
			continue;
		}
		request->added = true;
		requests_sent++;
		http->active++;
		(void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
					(long)http->active + CONNECTIONS_SPARE);
	}
}

static void time_is_over(void *userdata)
{
	struct request *request = userdata;
	struct error err = ERROR_INIT;

	if (request->answered)
		(void)error_set(&err, ERROR_NETWORK, -ETIMEDOUT, "not a byte for %u s",
				request->stall_s);
	else
		(void)error_set(&err, ERROR_NETWORK, -ETIMEDOUT, "no %s within %u.%u s",
				request->on_line ? "answer" : "complete answer",
				request->timeout_ms / 1000, request->timeout_ms % 1000 / 100);
	fail(request, &err);
}

/* A stream's first time-out ends with the headers of its reply; from then on only silence counts.
 */
static void stream_is_alive(struct request *request)
{
	request->answered = true;
	if (request->stall_s)
		loop_timer_arm(request->timer, request->stall_s * NSEC_PER_SEC,
			       request->stall_s * NSEC_PER_SEC / 8);
	else
		loop_timer_disarm(request->timer);
}

static size_t on_header(char *line, size_t size, size_t count, void *userdata)
{
	struct request *request = userdata;
	size_t length = size * count;
	bool blank = length > 0 && (line[0] == '\r' || line[0] == '\n');

	request->header_bytes += length;
	if (request->header_bytes > HEADERS_MAX) {
		(void)error_set(&request->failure, ERROR_NETWORK, -EFBIG,
				"the headers of the reply are larger than %d bytes", HEADERS_MAX);
		return 0;
	}
	http_reply_header(&request->reply, line, length);
	if (blank && request->on_line && request->reply.status >= 200)
		stream_is_alive(request);
	return length;
}

/* Cuts a stream into lines. A bad return leaves request->failure set, or the request dropped. */
static int take_lines(struct request *request, const char *data, size_t length)
{
	const char *end;
	size_t part;
	int r;

	while (length > 0) {
		end = memchr(data, '\n', length);
		part = end ? (size_t)(end - data) : length;
		if (buf_append(&request->line, data, part) < 0)
			return error_set(&request->failure, ERROR_NETWORK, -EFBIG,
					 "a line of the stream is longer than %llu bytes",
					 LINE_CAP);
		if (!end)
			return 0;
		data += part + 1;
		length -= part + 1;
		r = flush_line(request);
		if (!request->op)
			return -ECANCELED;
		if (r < 0)
			return error_errno(&request->failure, ERROR_NETWORK, r,
					   "the stream was ended by its reader");
	}
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata)
{
	struct request *request = userdata;
	size_t length = size * count;

	if (!request->op)
		return 0;
	if (request->on_line && http_reply_is_success(&request->reply)) {
		stream_is_alive(request);
		return take_lines(request, data, length) < 0 ? 0 : length;
	}
	if (buf_append(&request->reply.body, data, length) < 0) {
		(void)error_set(&request->failure, ERROR_NETWORK, -EFBIG,
				"the reply is larger than %zu bytes", request->reply.body.cap);
		return 0;
	}
	return length;
}

/* Methods whose requests say how long their body is even if they have none. */
static bool takes_body(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	       strcmp(method, "PATCH") == 0;
}

static struct request *request_new(struct http *http, const struct http_request *r)
{
	struct request *request = NEW(struct request);

	request->http = http;
	link_request(request);
	request->what = xasprintf("%s %.*s", r->method, (int)strcspn(r->url, "?"), r->url);
	if (r->body || takes_body(r->method)) {
		request->body_length = r->body_length;
		request->body = xmalloc(r->body_length + 1);
		memcpy(request->body, r->body ? r->body : "", r->body_length);
	}
	request->on_line = r->on_line;
	request->userdata = r->userdata;
	request->line = BUF_INIT(LINE_CAP);
	request->timeout_ms = r->timeout_ms ? r->timeout_ms : TIMEOUT_MS;
	request->stall_s = r->stall_s;
	http_reply_init(&request->reply, r->reply_cap ? r->reply_cap : REPLY_CAP);
	request->timer = loop_timer_new(http->loop, time_is_over, request);
	request->easy = curl_easy_init();
	if (!request->easy)
		abort();
	return request;
}

/* The callbacks, whose errors can only be ours. */
static void set_callbacks(struct request *request)
{
	CURL *easy = request->easy;

	if (curl_easy_setopt(easy, CURLOPT_PRIVATE, request) ||
	    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error) ||
	    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
	    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request))
		abort();
}

struct op *http_send(struct http *http, const struct http_request *request, struct error *err)
{
	struct http_request mine = *request;
	struct request *sent;
	int r;

	r = http_setup_check(&http->identity, request, err);
	if (r < 0) {
		(void)error_wrap(err, r, "%s %.200s", request->method, request->url);
		return NULL;
	}
	sent = request_new(http, request);
	set_callbacks(sent);
	mine.body = sent->body;
	r = http_setup_easy(sent->easy, &http->identity, &mine, &sent->lists, err);
	if (r < 0) {
		(void)error_wrap(err, r, "%.200s", sent->what);
		detach(sent);
		request_free(sent);
		return NULL;
	}
	loop_timer_arm(sent->timer, sent->timeout_ms * NSEC_PER_MSEC,
		       sent->timeout_ms * NSEC_PER_MSEC / 16);
	sent->op = op_new(http->loop, &request_kind, sent);
	loop_defer(http->loop, &http->pending);
	return sent->op;
}

const struct http_reply *http_reply(const struct op *op)
{
	assert(op_kind_of(op) == &request_kind);
	return &((const struct request *)op_impl(op))->reply;
}

struct http *http_new(struct loop *loop, const struct http_identity *identity)
{
	struct http *http = NEW(struct http);

	/* A server that nobody has verified gets nothing that is worth stealing. */
	assert(!identity->insecure || (!identity->bearer && !identity->key_pem));
	assert(!identity->certificate_pem == !identity->key_pem);
	global_init();
	http->loop = loop;
	http->identity = (struct http_identity){
		.ca_pem = xstrdup(identity->ca_pem),
		.certificate_pem = xstrdup(identity->certificate_pem),
		.key_pem = identity->key_pem ? secret_ref(identity->key_pem) : NULL,
		.bearer = identity->bearer ? secret_ref(identity->bearer) : NULL,
		.insecure = identity->insecure,
	};
	http->curl_timer = loop_timer_new(loop, curl_timer_over, http);
	http->idle_timer = loop_timer_new(loop, close_multi, http);
	http->pending.fn = start_pending;
	http->pending.userdata = http;
	return http;
}

struct http *http_free(struct http *http)
{
	struct error err = ERROR_INIT;

	if (!http)
		return NULL;
	assert(http->depth == 0);
	(void)error_set(&err, ERROR_PENDING, -ECANCELED, "cancelled");
	while (http->requests)
		fail(http->requests, &err);
	loop_undefer(http->loop, &http->pending);
	close_multi(http);
	loop_timer_free(http->curl_timer);
	loop_timer_free(http->idle_timer);
	free((char *)http->identity.ca_pem);
	free((char *)http->identity.certificate_pem);
	secret_unref(http->identity.key_pem);
	secret_unref(http->identity.bearer);
	free(http);
	return NULL;
}

uint64_t http_requests(void)
{
	return requests_sent;
}
