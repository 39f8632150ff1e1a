/* gRPC's framing and statuses, for unary calls; HTTP/2 itself is common/http.h. Pure. */
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/http.h"

/* Appends a message with its frame: a flag (not compressed) and the length. */
int grpc_frame(const void *message, size_t length, struct buf *buf);
/* The one message of a body; borrowed from it. -EPROTO for more or less than one, or a compressed
 * one. */
int grpc_unframe(const struct buf *body, const char **ret_message, size_t *ret_length,
		 struct error *err);
/* Turns everything but an OK into an error: ERROR_NETWORK, but ERROR_DENIED where the server
 * refuses us; -ENOSYS for a method that it does not know. Returns 0 if the call succeeded. */
int grpc_status_error(const struct http_reply *reply, struct error *err);
