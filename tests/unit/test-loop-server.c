/* The server that tests of HTTP talk to; see test-loop-server.h. */
#include "tests/unit/test-loop-server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static struct server_peer *last_peer(struct server *server)
{
	ck_assert_uint_gt(server->connections, 0);
	return &server->peers[(server->connections - 1) % SERVER_PEERS];
}

static void peer_close(struct server_peer *peer)
{
	peer->io = loop_io_free(peer->io);
	if (peer->fd >= 0)
		(void)close(peer->fd);
	peer->fd = -1;
}

static void peer_send(struct server_peer *peer, const char *bytes, size_t length)
{
	ssize_t n;

	while (length > 0 && peer->fd >= 0) {
		n = send(peer->fd, bytes, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			/* The client reads only when the loop runs. */
			loop_once(peer->server->loop, false);
			continue;
		}
		if (n < 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

/* How many bytes of the input are one whole request; 0 = none yet. */
static size_t http1_request(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "Content-Length:");
	size_t size;

	if (!end)
		return 0;
	size = (size_t)(end - text) + 4;
	if (length && length < end)
		size += strtoul(length + strlen("Content-Length:"), NULL, 10);
	return strlen(text) >= size ? size : 0;
}

static size_t http2_request(const char *bytes, size_t length)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t at = strlen(preface), size;

	while (at + 9 <= length) {
		size = (size_t)p[at] << 16 | (size_t)p[at + 1] << 8 | p[at + 2];
		if (at + 9 + size > length)
			return 0;
		/* HEADERS or DATA with END_STREAM. */
		if (p[at + 3] <= 1 && p[at + 4] & 1)
			return at + 9 + size;
		at += 9 + size;
	}
	return 0;
}

static void peer_answer(struct server_peer *peer)
{
	struct server *server = peer->server;
	const char *text = peer->input.data + peer->answered;
	size_t size;

	while ((size = server->h2 ? http2_request(text, peer->input.length - peer->answered)
				  : http1_request(text)) > 0) {
		server->requests++;
		peer->answered += size;
		text += size;
		if (server->answer)
			peer_send(peer, server->answer,
				  server->answer_length ? server->answer_length
							: strlen(server->answer));
		if (server->hang_up) {
			peer_close(peer);
			return;
		}
	}
}

static void peer_ready(int fd, unsigned events, void *userdata)
{
	struct server_peer *peer = userdata;
	char chunk[4096];
	ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n <= 0) {
		peer_close(peer);
		return;
	}
	ck_assert_int_eq(buf_append(&peer->input, chunk, (size_t)n), 0);
	peer_answer(peer);
}

static void server_ready(int fd, unsigned events, void *userdata)
{
	struct server *server = userdata;
	struct server_peer *peer = &server->peers[server->connections % SERVER_PEERS];

	ck_assert_int_eq(peer->fd, -1);
	peer->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(peer->fd, 0);
	server->connections++;
	buf_reset(&peer->input);
	peer->answered = 0;
	peer->io = loop_io_new(server->loop, peer->fd, peer_ready, peer);
	loop_io_want(peer->io, LOOP_READ);
}

static void server_listen(struct server *server, struct loop *loop, int fd,
			  const struct sockaddr *address, socklen_t length)
{
	ck_assert_int_eq(bind(fd, address, length), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	*server = (struct server){ .loop = loop, .fd = fd };
	for (unsigned i = 0; i < SERVER_PEERS; i++)
		server->peers[i] = (struct server_peer){
			.server = server,
			.fd = -1,
			.input = BUF_INIT(MIB),
		};
	server->io = loop_io_new(loop, fd, server_ready, server);
	loop_io_want(server->io, LOOP_READ);
}

void server_init(struct server *server, struct loop *loop)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server_listen(server, loop, fd, (struct sockaddr *)&address, length);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	(void)snprintf(server->address, sizeof(server->address), "http://127.0.0.1:%u",
		       ntohs(address.sin_port));
}

void server_init_unix(struct server *server, struct loop *loop)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/agentd-test-%d.sock",
		       (int)getpid());
	(void)unlink(address.sun_path);
	server_listen(server, loop, fd, (struct sockaddr *)&address, sizeof(address));
	(void)snprintf(server->address, sizeof(server->address), "%s", address.sun_path);
}

void server_done(struct server *server)
{
	for (unsigned i = 0; i < SERVER_PEERS; i++) {
		peer_close(&server->peers[i]);
		buf_done(&server->peers[i].input);
	}
	loop_io_free(server->io);
	(void)close(server->fd);
	if (server->address[0] == '/')
		(void)unlink(server->address);
}

void server_send(struct server *server, const char *text)
{
	server_send_bytes(server, text, strlen(text));
}

void server_send_bytes(struct server *server, const char *bytes, size_t length)
{
	peer_send(last_peer(server), bytes, length);
}

void server_hang_up(struct server *server)
{
	peer_close(last_peer(server));
}

const char *server_input(const struct server *server)
{
	return server->peers[(server->connections - 1) % SERVER_PEERS].input.data;
}
