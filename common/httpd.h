/* A minimal HTTP/1.0 responder on loopback: GET of one page, each connection for one request.
 *
 * It listens on 127.0.0.1 and, where the host has it, on ::1, and nowhere else. A request has 5 s
 * and 4 KiB; there are at most 16 connections, more are closed at once. */
#pragma once

#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/loop.h"

struct httpd;

/* Appends the page that a path names and says its type. Returns 1, 0 if there is none (404), or a
 * negative errno (500). */
typedef int (*httpd_page_fn)(const char *path, struct buf *page, const char **ret_type,
			     void *userdata);

int httpd_new(struct loop *loop, uint16_t port, httpd_page_fn page, void *userdata,
	      struct httpd **ret, struct error *err);
struct httpd *httpd_free(struct httpd *httpd);
DEFINE_CLEANUP(struct httpd, httpd_free)
/* The port; what the kernel gave where 0 was asked for (tests). */
uint16_t httpd_port(const struct httpd *httpd);
