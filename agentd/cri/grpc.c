/* gRPC's framing and statuses (grpc.h): five bytes before each message, a number in the trailers.
 */
#include "agentd/cri/grpc.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct frame {
	uint8_t compressed;
	uint32_t length; /* big endian */
} __attribute__((packed));

int grpc_frame(const void *message, size_t length, struct buf *buf)
{
	const struct frame frame = { .length = htobe32((uint32_t)length) };
	int r;

	assert(length <= UINT32_MAX);
	r = buf_append(buf, &frame, sizeof(frame));
	if (r < 0)
		return r;
	return buf_append(buf, message, length);
}

int grpc_unframe(const struct buf *body, const char **ret_message, size_t *ret_length,
		 struct error *err)
{
	struct frame frame;

	if (body->length < sizeof(frame))
		return error_set(err, ERROR_NETWORK, -EPROTO, "the reply has no message");
	memcpy(&frame, body->data, sizeof(frame));
	if (frame.compressed != 0)
		return error_set(err, ERROR_NETWORK, -EPROTO,
				 "the reply is compressed, which was not asked for");
	if (be32toh(frame.length) != body->length - sizeof(frame))
		return error_set(err, ERROR_NETWORK, -EPROTO,
				 "the reply has %zu bytes where its frame says %u",
				 body->length - sizeof(frame), be32toh(frame.length));

	*ret_message = body->data + sizeof(frame);
	*ret_length = be32toh(frame.length);
	return 0;
}

/* clang-format off */
static const struct status {
	int code;
	const char *name;
	enum error_class class;
} statuses[] = {
	[1]  = { -ECANCELED,    "cancelled",           ERROR_NETWORK },
	[2]  = { -EIO,          "unknown error",       ERROR_NETWORK },
	[3]  = { -EINVAL,       "invalid argument",    ERROR_NETWORK },
	[4]  = { -ETIMEDOUT,    "deadline exceeded",   ERROR_NETWORK },
	[5]  = { -ENOENT,       "not found",           ERROR_NETWORK },
	[6]  = { -EEXIST,       "already exists",      ERROR_NETWORK },
	[7]  = { -EACCES,       "permission denied",   ERROR_DENIED },
	[8]  = { -ENOBUFS,      "resource exhausted",  ERROR_NETWORK },
	[9]  = { -EBUSY,        "failed precondition", ERROR_NETWORK },
	[10] = { -EAGAIN,       "aborted",             ERROR_NETWORK },
	[11] = { -ERANGE,       "out of range",        ERROR_NETWORK },
	[12] = { -ENOSYS,       "unimplemented",       ERROR_NETWORK },
	[13] = { -EIO,          "internal error",      ERROR_NETWORK },
	[14] = { -EAGAIN,       "unavailable",         ERROR_NETWORK },
	[15] = { -EIO,          "data loss",           ERROR_NETWORK },
	[16] = { -EACCES,       "unauthenticated",     ERROR_DENIED },
};
/* clang-format on */

int grpc_status_error(const struct http_reply *reply, struct error *err)
{
	static const struct status unknown = { -EIO, "unknown status", ERROR_NETWORK };
	const struct status *status = &unknown;

	/* A proxy's or another protocol's reply. */
	if (reply->status != 200)
		return error_set(err, ERROR_NETWORK, -EPROTO,
				 "HTTP status %u where gRPC was expected", reply->status);
	if (reply->grpc_status < 0)
		return error_set(err, ERROR_NETWORK, -EPROTO,
				 "the reply ends without a gRPC status");
	if (reply->grpc_status == 0)
		return 0;

	if ((size_t)reply->grpc_status < ARRAY_SIZE(statuses))
		status = &statuses[reply->grpc_status];
	return error_set(err, status->class, status->code, "%s (gRPC status %d): %s", status->name,
			 reply->grpc_status, reply->grpc_message);
}
