/* A server for tests of HTTP: plain sockets on the loop under test, canned bytes, and what came in.
 */
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/loop.h"

enum { SERVER_PEERS = 8 };

struct server_peer {
	struct server *server;
	int fd; /* -1 when closed, by either side */
	struct loop_io *io;
	struct buf input; /* all that came in */
	size_t answered;  /* bytes of it that were answered */
};

struct server {
	struct loop *loop;
	int fd;
	struct loop_io *io;
	char address[128]; /* "http://127.0.0.1:PORT", or the socket's path */
	struct server_peer peers[SERVER_PEERS];
	unsigned connections;
	unsigned requests;
	const char *answer;   /* sent for each complete request; NULL = nothing */
	size_t answer_length; /* 0 = strlen() */
	bool h2;	      /* a request is a whole HTTP/2 stream */
	bool hang_up;	      /* closes after an answer */
};

void server_init(struct server *server, struct loop *loop);
void server_init_unix(struct server *server, struct loop *loop);
void server_done(struct server *server);
DEFINE_CLEANUP_VALUE(struct server, server_done)
/* Sends to the connection that came last, or hangs up on it. Not from inside the loop. */
void server_send(struct server *server, const char *text);
void server_send_bytes(struct server *server, const char *bytes, size_t length);
void server_hang_up(struct server *server);
/* What came in on the connection that came last. */
const char *server_input(const struct server *server);
