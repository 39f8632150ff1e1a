/* The server's side of one Varlink client (varlink.h): reads calls, gives them to the owner one at
 * a time, and sends the replies. At most one reply is in the buffer and one waits behind it. */
#include "common/varlink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"
#include "common/secret.h"

#define CALL_TIMEOUT_NS	 (5 * NSEC_PER_SEC)
#define REPLY_TIMEOUT_NS (30 * NSEC_PER_SEC)
#define TIMEOUT_SLACK_NS (1 * NSEC_PER_SEC)

enum {
	READ_SIZE = 16 * 1024,
	READS_PER_ROUND = 4,
	CALLS_PER_ROUND = 8,
	/* What the kernel keeps for a client that does not read is stale, so it is little. */
	SEND_BUFFER_SIZE = 32 * 1024,
};

struct varlink_connection {
	struct loop *loop;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer; /* the nearer of the two deadlines */
	struct loop_deferred step;
	const struct varlink_connection_hooks *hooks;
	void *userdata;

	struct varlink_frames in;
	uint64_t call_deadline; /* for what is in `in` to become a call; 0 = none */
	struct varlink_call call;
	bool busy;     /* the owner has the call */
	bool streamed; /* and has begun to answer it */
	bool eof;      /* the client sends nothing more */

	struct buf out;
	size_t sent;		 /* of out */
	uint64_t reply_deadline; /* for the client to take some of out; 0 = none */
	bool out_is_streamed;
	struct varlink_reply next; /* behind out */
	bool has_next;
	bool closed; /* the owner has been told */
};

static void close_for(struct varlink_connection *connection, const char *reason)
{
	connection->closed = true;
	connection->io = loop_io_free(connection->io);
	loop_timer_disarm(connection->timer);
	loop_undefer(connection->loop, &connection->step);
	connection->hooks->closed(connection, reason, connection->userdata);
}

static void drop_out(struct varlink_connection *connection)
{
	secret_wipe(connection->out.data, connection->out.length);
	buf_done(&connection->out);
	connection->sent = 0;
	connection->reply_deadline = 0;
}

/* Whether the kernel has handed most of what was sent before to the client. */
static bool is_writable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLOUT);
}

/* Whether the client has closed the socket, and not just its sending side. */
static bool is_hung_up(int fd)
{
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

/* Sends of out what the kernel takes. Returns 1 when out is empty, 0 when some is left. */
static int send_out(struct varlink_connection *connection)
{
	struct buf *out = &connection->out;

	while (connection->sent < out->length) {
		ssize_t n = send(connection->fd, out->data + connection->sent,
				 out->length - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		connection->sent += (size_t)n;
		connection->reply_deadline = 0;
	}
	drop_out(connection);
	return 1;
}

/* Makes the reply that waits the one that is sent. */
static int encode_next(struct varlink_connection *connection)
{
	int r;

	r = varlink_reply_write(&connection->next, &connection->out);
	connection->out_is_streamed = connection->next.continues;
	connection->has_next = false;
	varlink_reply_done(&connection->next);
	return r;
}

/* Sends what there is. Returns 1 when all is sent, 0 when the client must read first, or a negative
 * errno. */
static int flush(struct varlink_connection *connection)
{
	int r;

	for (;;) {
		r = send_out(connection);
		if (r <= 0)
			return r;
		if (!connection->has_next)
			return 1;
		if (connection->next.continues && !is_writable(connection->fd))
			return 0;
		r = encode_next(connection);
		if (r < 0)
			return r;
	}
}

/* Takes the next call of what came in and gives it to the owner. Returns 1, 0 when there is none,
 * or a negative errno with err set. */
static int take_call(struct varlink_connection *connection, struct error *err)
{
	const char *text;
	size_t length;
	int r;

	r = varlink_frames_peek(&connection->in, &text, &length);
	if (r == 0)
		return 0;
	if (r < 0)
		return error_set(err, ERROR_NETWORK, r, "a call of more than %zu bytes",
				 connection->in.bytes.cap - 1);

	r = varlink_call_parse(text, length, &connection->call, err);
	if (r < 0)
		return r;

	varlink_frames_drop(&connection->in);
	connection->call_deadline = 0;
	connection->busy = true;
	connection->hooks->call(connection, &connection->call, connection->userdata);
	return 1;
}

/* Sends replies and takes calls by turns until there is nothing to do, or it is somebody else's
 * turn. Returns 0, or a negative errno with err set. */
static int advance(struct varlink_connection *connection, struct error *err)
{
	int r;

	for (unsigned i = 0; i < CALLS_PER_ROUND; i++) {
		r = flush(connection);
		if (r == -EFBIG)
			return error_set(err, ERROR_BUG, r, "a reply of more than 1 MiB");
		if (r < 0)
			return error_errno(err, ERROR_NETWORK, r, "cannot send");
		if (r == 0 || connection->busy)
			return 0;

		r = take_call(connection, err);
		if (r <= 0)
			return r;
	}
	loop_defer(connection->loop, &connection->step);
	return 0;
}

static void arm_timer(struct varlink_connection *connection)
{
	uint64_t first = connection->call_deadline;

	if (connection->reply_deadline && (first == 0 || connection->reply_deadline < first))
		first = connection->reply_deadline;
	if (first == 0)
		loop_timer_disarm(connection->timer);
	else
		loop_timer_arm_at(connection->timer, first, TIMEOUT_SLACK_NS);
}

/* Starts the deadlines that now apply. Those of messages that made progress were cleared. */
static void set_deadlines(struct varlink_connection *connection)
{
	uint64_t now = clock_ns(loop_clock(connection->loop));
	bool sending = connection->out.length > 0;

	if (varlink_frames_is_empty(&connection->in) || connection->busy)
		connection->call_deadline = 0;
	else if (connection->call_deadline == 0)
		connection->call_deadline = now + CALL_TIMEOUT_NS;

	/* Who follows a stream may look away for as long as it likes. */
	if (!sending || connection->out_is_streamed)
		connection->reply_deadline = 0;
	else if (connection->reply_deadline == 0)
		connection->reply_deadline = now + REPLY_TIMEOUT_NS;
	arm_timer(connection);
}

static bool has_output(const struct varlink_connection *connection)
{
	return connection->out.length > 0 || connection->has_next;
}

/* Does what can be done, and arranges to be called when more can. The last thing that its callers
 * do: the owner may free the connection from within. */
static void step(struct varlink_connection *connection)
{
	struct error err = ERROR_INIT;
	unsigned want = 0;

	if (advance(connection, &err) < 0) {
		close_for(connection, err.message);
		return;
	}
	if (connection->eof && !has_output(connection) && !connection->step.queued &&
	    (!connection->busy || connection->streamed)) {
		close_for(connection, "the client is done");
		return;
	}
	if (!connection->eof && varlink_frames_room(&connection->in) > 0)
		want |= LOOP_READ;
	if (has_output(connection))
		want |= LOOP_WRITE;
	loop_io_want(connection->io, want);
	set_deadlines(connection);
}

static void step_deferred(void *userdata)
{
	step(userdata);
}

/* Returns 1 when something came, 0 when nothing did or at the end, or a negative errno. */
static int receive(struct varlink_connection *connection)
{
	char bytes[READ_SIZE];
	size_t room = varlink_frames_room(&connection->in);
	ssize_t n;

	if (room == 0 || connection->eof)
		return 0;
	/* Descriptors that somebody sends along are closed by the kernel, as we offer no place for
	 * them. */
	n = recv(connection->fd, bytes, MIN(sizeof(bytes), room), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		connection->eof = true;
	else
		(void)varlink_frames_feed(&connection->in, bytes, (size_t)n);
	secret_wipe(bytes, (size_t)n);
	return n > 0;
}

static void io_ready(int fd, unsigned events, void *userdata)
{
	struct varlink_connection *connection = userdata;
	int r = 1;

	for (unsigned i = 0; (events & LOOP_READ) && r > 0 && i < READS_PER_ROUND; i++)
		r = receive(connection);
	if (r < 0) {
		close_for(connection, strerrordesc_np(-r));
		return;
	}
	/* Nobody is there any more for whom the owner works. */
	if (connection->eof && connection->busy && is_hung_up(fd)) {
		close_for(connection, "the client is gone");
		return;
	}
	step(connection);
}

static void timer_fired(void *userdata)
{
	struct varlink_connection *connection = userdata;
	uint64_t now = clock_ns(loop_clock(connection->loop));

	if (connection->call_deadline && connection->call_deadline <= now)
		close_for(connection, "a call was not complete after 5 s");
	else if (connection->reply_deadline && connection->reply_deadline <= now)
		close_for(connection, "a reply was not taken within 30 s");
	else
		arm_timer(connection);
}

struct varlink_connection *varlink_connection_new(struct loop *loop, int fd, size_t message_max,
						  const struct varlink_connection_hooks *hooks,
						  void *userdata)
{
	struct varlink_connection *connection = NEW(struct varlink_connection);
	int size = SEND_BUFFER_SIZE;

	assert(message_max <= VARLINK_MESSAGE_MAX);
	*connection = (struct varlink_connection){
		.loop = loop,
		.fd = fd,
		.step = { .fn = step_deferred, .userdata = connection },
		.hooks = hooks,
		.userdata = userdata,
		.in = VARLINK_FRAMES_INIT(message_max),
		.out = BUF_INIT(VARLINK_MESSAGE_MAX + 1),
	};
	/* Without it a slow reader sees some more of the past. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	connection->timer = loop_timer_new(loop, timer_fired, connection);
	connection->io = loop_io_new(loop, fd, io_ready, connection);
	loop_io_want(connection->io, LOOP_READ);
	return connection;
}

struct varlink_connection *varlink_connection_free(struct varlink_connection *connection)
{
	if (!connection)
		return NULL;
	loop_undefer(connection->loop, &connection->step);
	loop_io_free(connection->io);
	loop_timer_free(connection->timer);
	(void)close(connection->fd);
	varlink_call_done(&connection->call);
	varlink_reply_done(&connection->next);
	varlink_frames_done(&connection->in);
	drop_out(connection);
	free(connection);
	return NULL;
}

/* Puts a reply behind what is being sent, in place of a streamed one. Consumes parameters. */
static void put_next(struct varlink_connection *connection, const char *error,
		     struct value *parameters, bool continues)
{
	varlink_reply_done(&connection->next);
	connection->has_next = !connection->call.oneway;
	if (connection->has_next) {
		connection->next.error = xstrdup(error);
		connection->next.parameters = parameters;
		connection->next.continues = continues;
	} else {
		value_unref(parameters);
	}
	if (!connection->closed)
		loop_defer(connection->loop, &connection->step);
}

static void finish_call(struct varlink_connection *connection, const char *error,
			struct value *parameters)
{
	assert(connection->busy);
	put_next(connection, error, parameters, false);
	connection->busy = connection->streamed = false;
	varlink_call_done(&connection->call);
}

void varlink_answer(struct varlink_connection *connection, struct value *parameters)
{
	finish_call(connection, NULL, parameters);
}

void varlink_fail(struct varlink_connection *connection, const char *error,
		  struct value *parameters)
{
	finish_call(connection, error, parameters);
}

void varlink_stream(struct varlink_connection *connection, struct value *parameters)
{
	assert(connection->busy && connection->call.more);
	connection->streamed = true;
	put_next(connection, NULL, parameters, true);
}
