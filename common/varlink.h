/* Varlink: calls and replies as JSON objects ended by a NUL, over a Unix stream socket.
 *
 * A call is {method, parameters, more, oneway}, a reply {parameters, continues} or {error,
 * parameters}; replies come in the order of the calls. Parameters that are absent, null or {} mean
 * the same. Messages may contain secrets, so their bytes are wiped once they are used. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/loop.h"
#include "common/macros.h"
#include "common/value.h"

/* Most bytes of one message, in either direction. */
#define VARLINK_MESSAGE_MAX (1 * MIB)

/* Errors that every service knows. */
#define VARLINK_INTERFACE_NOT_FOUND    "org.varlink.service.InterfaceNotFound"
#define VARLINK_METHOD_NOT_FOUND       "org.varlink.service.MethodNotFound"
#define VARLINK_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define VARLINK_INVALID_PARAMETER      "org.varlink.service.InvalidParameter"
#define VARLINK_PERMISSION_DENIED      "org.varlink.service.PermissionDenied"
#define VARLINK_EXPECTED_MORE	       "org.varlink.service.ExpectedMore"

/* Cuts a stream into messages. */
struct varlink_frames {
	struct buf bytes; /* what came in and was not taken yet */
	size_t scanned;	  /* so far there is no NUL in it */
};
#define VARLINK_FRAMES_INIT(limit) ((struct varlink_frames){ .bytes = BUF_INIT((limit) + 1) })
void varlink_frames_done(struct varlink_frames *frames);
DEFINE_CLEANUP_VALUE(struct varlink_frames, varlink_frames_done)
/* How many bytes fit now. */
size_t varlink_frames_room(const struct varlink_frames *frames);
/* Takes what fits of some bytes; returns how many. */
size_t varlink_frames_feed(struct varlink_frames *frames, const void *bytes, size_t length);
/* 1 with the first whole message (borrowed, without its NUL), 0 if it is not complete yet,
 * -EMSGSIZE if it is over the limit. */
int varlink_frames_peek(struct varlink_frames *frames, const char **ret_text, size_t *ret_length);
/* Wipes and drops the message that peek gave. */
void varlink_frames_drop(struct varlink_frames *frames);
bool varlink_frames_is_empty(const struct varlink_frames *frames);

struct varlink_call {
	char *method;		  /* "io.agentd.Node.Status", well formed */
	struct value *parameters; /* a map, never NULL */
	bool more, oneway;
};
void varlink_call_done(struct varlink_call *call);
DEFINE_CLEANUP_VALUE(struct varlink_call, varlink_call_done)
/* Unknown keys are ignored; a connection cannot be upgraded. Errors: -EPROTO and those of json.h.
 */
int varlink_call_parse(const char *text, size_t length, struct varlink_call *ret,
		       struct error *err);
/* Appends the message with its NUL. -EFBIG when it does not fit. */
int varlink_call_write(const struct varlink_call *call, struct buf *buf);

struct varlink_reply {
	char *error;		  /* NULL = it succeeded */
	struct value *parameters; /* a map, never NULL */
	bool continues;
};
void varlink_reply_done(struct varlink_reply *reply);
DEFINE_CLEANUP_VALUE(struct varlink_reply, varlink_reply_done)
int varlink_reply_parse(const char *text, size_t length, struct varlink_reply *ret,
			struct error *err);
int varlink_reply_write(const struct varlink_reply *reply, struct buf *buf);
/* Whether a text is INTERFACE.MEMBER; *ret_interface gets the length of the first part. */
bool varlink_name_is_valid(const char *text, size_t *ret_interface);

/* One client of a server.
 *
 * Calls of a connection are given one at a time: the next when the reply to the one before has
 * been sent, so that at most one reply is kept. A call must be complete within 5 s of its first
 * byte, a reply taken within 30 s. A client that shuts down its sending side gets the replies to
 * what it asked and the newest state of its stream, then the connection is closed. */
struct varlink_connection;

struct varlink_connection_hooks {
	/* A call, borrowed. It is answered once by varlink_answer() or varlink_fail(), from within
	 * or later; if it says `more`, varlink_stream() may come before. A oneway call is answered
	 * alike, and nothing is sent. The connection must not be freed from within. */
	void (*call)(struct varlink_connection *connection, const struct varlink_call *call,
		     void *userdata);
	/* The client is gone, or did what it must not (reason is for a debug record). Nothing else
	 * is called; the owner frees the connection, at once or later. Never from within a function
	 * of the owner's. */
	void (*closed)(struct varlink_connection *connection, const char *reason, void *userdata);
};

/* fd is a connected non-blocking socket and belongs to the connection. message_max is for calls,
 * at most VARLINK_MESSAGE_MAX. */
struct varlink_connection *varlink_connection_new(struct loop *loop, int fd, size_t message_max,
						  const struct varlink_connection_hooks *hooks,
						  void *userdata);
struct varlink_connection *varlink_connection_free(struct varlink_connection *connection);
DEFINE_CLEANUP(struct varlink_connection, varlink_connection_free)

/* The last reply to the call at hand. parameters are consumed; NULL = none. A reply over
 * VARLINK_MESSAGE_MAX closes the connection. */
void varlink_answer(struct varlink_connection *connection, struct value *parameters);
void varlink_fail(struct varlink_connection *connection, const char *error,
		  struct value *parameters);
/* One more reply to a `more` call, with `continues`. While an earlier one waits for the client the
 * newest waits behind it, in the place of any other: a slow reader sees the newest state. */
void varlink_stream(struct varlink_connection *connection, struct value *parameters);

/* A client that waits, for programs without a loop. Deadlines are of the clock's monotonic time;
 * UINT64_MAX = none. */
struct varlink_client;
/* Errors: -ENOENT, -ECONNREFUSED, -EACCES and so on as connect() says, -ETIMEDOUT. */
int varlink_client_connect(const char *path, struct clock *clock, uint64_t deadline_ns,
			   struct varlink_client **ret, struct error *err);
struct varlink_client *varlink_client_free(struct varlink_client *client);
DEFINE_CLEANUP(struct varlink_client, varlink_client_free)
int varlink_client_send(struct varlink_client *client, const struct varlink_call *call,
			uint64_t deadline_ns, struct error *err);
/* The next reply. Errors: -ETIMEDOUT, -ECONNRESET when the server is gone, -EPROTO for nonsense. */
int varlink_client_receive(struct varlink_client *client, uint64_t deadline_ns,
			   struct varlink_reply *ret, struct error *err);
