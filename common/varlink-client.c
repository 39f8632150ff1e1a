/* The client's side of Varlink for programs without a loop (varlink.h): every step waits until its
 * deadline. */
#include "common/varlink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/alloc.h"
#include "common/secret.h"

enum { READ_SIZE = 16 * 1024 };

struct varlink_client {
	struct clock *clock;
	int fd;
	struct varlink_frames in;
};

/* Milliseconds until a deadline, rounded up, as poll() wants them; -1 = for ever. */
static int remaining_ms(struct clock *clock, uint64_t deadline_ns)
{
	uint64_t now, ms;

	if (deadline_ns == UINT64_MAX)
		return -1;
	now = clock_ns(clock);
	if (now >= deadline_ns)
		return 0;
	ms = (deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	return (int)MIN(ms, (uint64_t)INT32_MAX);
}

static int wait_for(struct varlink_client *client, short events, uint64_t deadline_ns,
		    struct error *err)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = events };
	int r;

	do
		r = poll(&poll_fd, 1, remaining_ms(client->clock, deadline_ns));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return error_errno(err, ERROR_NETWORK, -errno, "cannot wait for the socket");
	if (r == 0)
		return error_set(err, ERROR_NETWORK, -ETIMEDOUT, "no answer in time");
	return 0;
}

/* Connects a blocking socket: a full queue of the listener is waited for, which poll() cannot. */
static int connect_fd(int fd, const char *path, int timeout_ms, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { 0 };
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_CONFIG, -ENAMETOOLONG, "the path is too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (timeout_ms >= 0) {
		/* Zero would mean to wait for ever. */
		timeout.tv_sec = timeout_ms / 1000;
		timeout.tv_usec = MAX(timeout_ms % 1000, 1) * 1000;
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	}
	do
		r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EAGAIN)
		return error_set(err, ERROR_NETWORK, -ETIMEDOUT, "no connection in time");
	if (r < 0)
		return error_errno(err, ERROR_NETWORK, -errno, "cannot connect");
	return 0;
}

int varlink_client_connect(const char *path, struct clock *clock, uint64_t deadline_ns,
			   struct varlink_client **ret, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct varlink_client *client;
	int r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, ERROR_NETWORK, -errno, "cannot make a socket");

	r = connect_fd(fd, path, remaining_ms(clock, deadline_ns), err);
	if (r < 0)
		return error_wrap(err, r, "%s", path);

	client = NEW(struct varlink_client);
	client->clock = clock;
	client->in = VARLINK_FRAMES_INIT(VARLINK_MESSAGE_MAX);
	client->fd = TAKE_FD(fd);
	*ret = client;
	return 0;
}

struct varlink_client *varlink_client_free(struct varlink_client *client)
{
	if (!client)
		return NULL;
	(void)close(client->fd);
	varlink_frames_done(&client->in);
	free(client);
	return NULL;
}

static int send_bytes(struct varlink_client *client, const struct buf *bytes, uint64_t deadline_ns,
		      struct error *err)
{
	size_t sent = 0;
	int r;

	while (sent < bytes->length) {
		ssize_t n = send(client->fd, bytes->data + sent, bytes->length - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		/* A server that hangs up may have left word why: receiving tells. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return error_errno(err, ERROR_NETWORK, -errno, "cannot send");
		r = wait_for(client, POLLOUT, deadline_ns, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int varlink_client_send(struct varlink_client *client, const struct varlink_call *call,
			uint64_t deadline_ns, struct error *err)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(VARLINK_MESSAGE_MAX + 1);
	int r;

	r = varlink_call_write(call, &bytes);
	if (r < 0)
		return error_set(err, ERROR_CONFIG, r, "more than 1 MiB cannot be sent");

	r = send_bytes(client, &bytes, deadline_ns, err);
	secret_wipe(bytes.data, bytes.length);
	return r;
}

/* Reads once what is there. */
static int receive_some(struct varlink_client *client, uint64_t deadline_ns, struct error *err)
{
	char bytes[READ_SIZE];
	ssize_t n;
	int r;

	r = wait_for(client, POLLIN, deadline_ns, err);
	if (r < 0)
		return r;

	n = recv(client->fd, bytes, MIN(sizeof(bytes), varlink_frames_room(&client->in)),
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return error_errno(err, ERROR_NETWORK, -errno, "cannot receive");
	if (n <= 0)
		return error_set(err, ERROR_NETWORK, -ECONNRESET, "the other side hung up");

	(void)varlink_frames_feed(&client->in, bytes, (size_t)n);
	secret_wipe(bytes, (size_t)n);
	return 0;
}

int varlink_client_receive(struct varlink_client *client, uint64_t deadline_ns,
			   struct varlink_reply *ret, struct error *err)
{
	const char *text;
	size_t length;
	int r;

	while ((r = varlink_frames_peek(&client->in, &text, &length)) == 0) {
		r = receive_some(client, deadline_ns, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return error_set(err, ERROR_NETWORK, r, "a reply of more than 1 MiB");

	r = varlink_reply_parse(text, length, ret, err);
	if (r < 0)
		return r;
	varlink_frames_drop(&client->in);
	return 0;
}
