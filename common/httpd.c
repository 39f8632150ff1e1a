/* The HTTP responder on loopback; see httpd.h. */
#include "common/httpd.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"

enum { CONNECTIONS_MAX = 16, BACKLOG = 16 };
#define REQUEST_MAX (4 * KIB)
#define PAGE_MAX    (4 * MIB)
#define TIMEOUT_NS  (5 * NSEC_PER_SEC)

struct connection {
	struct httpd *httpd; /* NULL = free */
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	struct buf request, reply;
	size_t sent;
};

struct listener {
	struct httpd *httpd;
	int fd;
	struct loop_io *io;
};

struct httpd {
	struct loop *loop;
	httpd_page_fn page;
	void *userdata;
	uint16_t port;
	struct listener listeners[2];
	struct connection connections[CONNECTIONS_MAX];
};

/* Connections. */

static void hang_up(struct connection *connection)
{
	if (!connection->httpd)
		return;
	loop_io_free(connection->io);
	loop_timer_free(connection->timer);
	(void)close(connection->fd);
	buf_done(&connection->request);
	buf_done(&connection->reply);
	*connection = (struct connection){ .fd = -1 };
}

static void time_is_up(void *userdata)
{
	hang_up(userdata);
}

static void send_more(struct connection *connection)
{
	const struct buf *reply = &connection->reply;
	ssize_t n;

	n = send(connection->fd, reply->data + connection->sent, reply->length - connection->sent,
		 MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		connection->sent += (size_t)n;
	if (n <= 0 || connection->sent == reply->length)
		hang_up(connection);
}

static void reply_with(struct connection *connection, const char *status, const char *type,
		       const struct buf *body, bool with_body)
{
	struct buf *reply = &connection->reply;

	(void)buf_printf(reply,
			 "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			 "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
			 status, type, body->length);
	if (with_body)
		(void)buf_append(reply, body->data, body->length);
	loop_io_want(connection->io, LOOP_WRITE);
}

static void refuse(struct connection *connection, const char *status)
{
	_cleanup_(buf_done) struct buf body = BUF_INIT(256);

	(void)buf_printf(&body, "%s\n", status);
	reply_with(connection, status, "text/plain", &body, true);
}

static void answer(struct connection *connection, const char *path, bool with_body)
{
	_cleanup_(buf_done) struct buf page = BUF_INIT(PAGE_MAX);
	const char *type = "text/plain";
	int r;

	r = connection->httpd->page(path, &page, &type, connection->httpd->userdata);
	if (r < 0)
		refuse(connection, "500 Internal Server Error");
	else if (r == 0)
		refuse(connection, "404 Not Found");
	else
		reply_with(connection, "200 OK", type, &page, with_body);
}

/* The path of a request line "GET /path?query HTTP/1.x", without the query; NULL if it is none. */
static char *path_of(const char *line, size_t length)
{
	const char *end = memchr(line, ' ', length);
	size_t path;

	if (!end || *line != '/')
		return NULL;
	path = (size_t)(end - line);
	if (length - path < 6 || strncmp(end + 1, "HTTP/", 5) != 0 || memchr(line, '\0', path))
		return NULL;
	return xstrndup(line, MIN(path, strcspn(line, "?#")));
}

static void handle(struct connection *connection)
{
	const char *line = connection->request.data;
	size_t length = strcspn(line, "\r\n");
	bool head = strncmp(line, "HEAD ", 5) == 0;
	_cleanup_free_ char *path = NULL;

	if (!head && strncmp(line, "GET ", 4) != 0) {
		refuse(connection, "405 Method Not Allowed");
		return;
	}
	line += head ? 5 : 4;
	length -= MIN(length, (size_t)(head ? 5 : 4));
	path = path_of(line, length);
	if (path)
		answer(connection, path, !head);
	else
		refuse(connection, "400 Bad Request");
}

static void read_more(struct connection *connection)
{
	char bytes[1024];
	ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(connection);
		return;
	}
	if (buf_append(&connection->request, bytes, (size_t)n) < 0)
		refuse(connection, "431 Request Header Fields Too Large");
	else if (strstr(connection->request.data, "\r\n\r\n") ||
		 strstr(connection->request.data, "\n\n"))
		handle(connection);
}

static void connection_ready(int fd, unsigned events, void *userdata)
{
	struct connection *connection = userdata;

	(void)fd;
	if (connection->reply.length > 0)
		send_more(connection);
	else if (events & LOOP_READ)
		read_more(connection);
}

static void take(struct httpd *httpd, int fd)
{
	struct connection *connection = httpd->connections;

	while (connection < httpd->connections + CONNECTIONS_MAX && connection->httpd)
		connection++;
	if (connection == httpd->connections + CONNECTIONS_MAX) {
		(void)close(fd);
		return;
	}
	*connection = (struct connection){
		.httpd = httpd,
		.fd = fd,
		.request = BUF_INIT(REQUEST_MAX),
		.reply = BUF_INIT(PAGE_MAX + KIB),
	};
	connection->io = loop_io_new(httpd->loop, fd, connection_ready, connection);
	connection->timer = loop_timer_new(httpd->loop, time_is_up, connection);
	loop_io_want(connection->io, LOOP_READ);
	loop_timer_arm(connection->timer, TIMEOUT_NS, NSEC_PER_SEC);
}

/* Listening. */

static void listener_ready(int fd, unsigned events, void *userdata)
{
	struct listener *listener = userdata;
	int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (accepted >= 0)
		take(listener->httpd, accepted);
}

static int listen_on(const struct sockaddr *address, socklen_t size)
{
	_cleanup_close_ int fd =
	    socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_listeners(struct httpd *httpd, uint16_t port, struct error *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t size = sizeof(v4);
	int fd;

	fd = listen_on((struct sockaddr *)&v4, sizeof(v4));
	if (fd < 0)
		return error_errno(err, ERROR_CONFIG, fd, "listen on 127.0.0.1:%u", port);
	httpd->listeners[0].fd = fd;
	if (getsockname(fd, (struct sockaddr *)&v4, &size) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "listen on 127.0.0.1:%u", port);
	httpd->port = ntohs(v4.sin_port);
	/* A host without IPv6 has no such address. */
	v6.sin6_port = v4.sin_port;
	httpd->listeners[1].fd = listen_on((struct sockaddr *)&v6, sizeof(v6));
	return 0;
}

int httpd_new(struct loop *loop, uint16_t port, httpd_page_fn page, void *userdata,
	      struct httpd **ret, struct error *err)
{
	_cleanup_(httpd_free) struct httpd *httpd = NEW(struct httpd);
	int r;

	httpd->loop = loop;
	httpd->page = page;
	httpd->userdata = userdata;
	for (size_t i = 0; i < ARRAY_SIZE(httpd->listeners); i++)
		httpd->listeners[i] = (struct listener){ .httpd = httpd, .fd = -1 };
	r = open_listeners(httpd, port, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(httpd->listeners); i++) {
		struct listener *listener = &httpd->listeners[i];

		if (listener->fd < 0)
			continue;
		listener->io = loop_io_new(loop, listener->fd, listener_ready, listener);
		loop_io_want(listener->io, LOOP_READ);
	}
	*ret = TAKE_PTR(httpd);
	return 0;
}

struct httpd *httpd_free(struct httpd *httpd)
{
	if (!httpd)
		return NULL;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		hang_up(&httpd->connections[i]);
	for (size_t i = 0; i < ARRAY_SIZE(httpd->listeners); i++) {
		loop_io_free(httpd->listeners[i].io);
		if (httpd->listeners[i].fd >= 0)
			(void)close(httpd->listeners[i].fd);
	}
	free(httpd);
	return NULL;
}

uint16_t httpd_port(const struct httpd *httpd)
{
	return httpd->port;
}
