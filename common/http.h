/* HTTP requests as ops, on one curl_multi per identity. The only includer of curl is http.c.
 *
 * It takes a request value and gives a reply value and nothing else. Never: redirects, proxies of
 * the environment, cookies, netrc, compression, the system's trust store, plain http but to unix
 * sockets and loopback, TLS before 1.2. HTTP/1.1, but for CRI's h2c over a unix socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/secret.h"

/* Who we are to a server, and whom we believe. All borrowed by http_new(), which copies. */
struct http_identity {
	const char *ca_pem;	     /* trusted roots; NULL and !insecure: only plain http works */
	const char *certificate_pem; /* client certificate chain, or NULL */
	struct secret *key_pem;	     /* its key */
	struct secret *bearer;	     /* token for an Authorization header, or NULL */
	/* Do not verify: only for the first fetch of cluster-info; goes with no credential. */
	bool insecure;
};

struct http;
struct http *http_new(struct loop *loop, const struct http_identity *identity);
/* Ops still in flight fail with -ECANCELED from the loop. Accepts NULL, returns NULL. */
struct http *http_free(struct http *http);
DEFINE_CLEANUP(struct http, http_free)

/* One line of a streamed body of a 2xx reply, without its end, NUL-terminated, at most 8 MiB; empty
 * lines are left out. A negative answer ends the request with that errno. The callback may drop ops
 * and send requests, but must not free http. */
typedef int (*http_line_fn)(const char *line, size_t length, void *userdata);

struct http_request {
	const char *method; /* "GET" */
	const char *url;
	const char *unix_path; /* connect to this socket instead of url's host, or NULL */
	/* Connect to this IP address instead of looking url's host up, whose certificate is wanted
	 * all the same; or NULL. */
	const char *address;
	/* "Name: value", NULL-terminated, or NULL. A body without a Content-Type is JSON. */
	const char *const *headers;
	const void *body; /* copied; the copy is wiped when the request is over */
	size_t body_length;
	unsigned timeout_ms; /* 0 = 10 s; for a stream: until the reply's headers are there */
	unsigned stall_s;    /* for a stream: seconds without a byte that end it; 0 = never */
	size_t reply_cap;    /* 0 = 8 MiB; a larger reply fails with -EFBIG */
	bool h2c;	     /* HTTP/2 with prior knowledge, for CRI */
	/* Opens a new connection and puts the server's certificate into the reply. */
	bool want_certificate;
	/* The body of a 2xx reply arrives here line by line (watch) instead of in the reply. */
	http_line_fn on_line;
	void *userdata;
};

struct http_reply {
	unsigned status;
	struct buf body;
	unsigned retry_after_s; /* 0 if there was none */
	int grpc_status;	/* -1 if there was none */
	char grpc_message[256];
	/* Serial of the peer's certificate in lower-case hex, "" if none was asked for. */
	char server_certificate[65];
};

/* Sends. Success means that a reply came, whatever its status. Failures: ERROR_NETWORK (-EPROTO
 * also when the server resets a stream of HTTP/2), ERROR_TRUST (the server's certificate was not
 * accepted), ERROR_DENIED (the server does not accept ours), ERROR_CONFIG (our own cannot be used).
 * err is for a request that cannot be built: then NULL. */
struct op *http_send(struct http *http, const struct http_request *request, struct error *err);
/* The reply of a completed op of http_send(); borrowed. */
const struct http_reply *http_reply(const struct op *op);
/* Turns a status outside 2xx into an error with its class (401/403 denied, 429 and 503 with
 * Retry-After throttled, 404 -ENOENT, 409 -EEXIST and 410 -ESTALE pending, 422 -EINVAL and other
 * 4xx config, 5xx network), text being what the server said, or NULL. Returns 0 for 2xx. */
int http_status_error(const struct http_reply *reply, const char *text, struct error *err);
/* Requests sent since start, for the footprint benchmark. */
uint64_t http_requests(void);
