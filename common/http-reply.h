/* Replies as they come in, header line by header line; the part of HTTP that needs no curl.
 * For http.c, which fills them, and for tests and fuzz targets. */
#pragma once

#include "common/http.h"

/* body_cap is the most that a body may hold. */
void http_reply_init(struct http_reply *reply, size_t body_cap);
/* Wipes the body: it may have been a Secret. */
void http_reply_done(struct http_reply *reply);
DEFINE_CLEANUP_VALUE(struct http_reply, http_reply_done)

/* Reads one line of a header or trailer, with or without its end. A status line starts the reply
 * anew. */
void http_reply_header(struct http_reply *reply, const char *line, size_t length);
static inline bool http_reply_is_success(const struct http_reply *reply)
{
	return reply->status >= 200 && reply->status < 300;
}
