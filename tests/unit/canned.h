/* A server for unit tests on a thread: it answers requests with canned texts, in order, and keeps
 * what it was asked. Plain HTTP on loopback. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct canned;

struct canned *canned_new(void);
void canned_free(struct canned *canned);
const char *canned_url(const struct canned *canned); /* "http://127.0.0.1:PORT" */

/* What the next request is answered with: a status and a body of JSON with ' for ". Requests that
 * nothing was canned for are answered with 500. */
void canned_reply(struct canned *canned, unsigned status, const char *body);
/* The same as a chunked stream of lines, which ends in order or (open) goes on until
 * canned_hang_up(). */
void canned_stream(struct canned *canned, const char *lines, bool open);
/* More lines for the stream that is open, and its end in order. */
void canned_more(struct canned *canned, const char *lines);
void canned_end(struct canned *canned);
/* Closes all connections, in the middle of what they are doing. */
void canned_hang_up(struct canned *canned);

/* Requests so far. */
size_t canned_count(struct canned *canned);
/* Request by number: "GET /path?query", its headers, its body with ' for ". Valid until free. */
const char *canned_line(struct canned *canned, size_t index);
const char *canned_headers(struct canned *canned, size_t index);
const char *canned_body(struct canned *canned, size_t index);
