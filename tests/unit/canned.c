/* The server of canned answers; see canned.h. */
#include "tests/unit/canned.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/alloc.h"
#include "common/buf.h"

enum { CONNECTIONS_MAX = 32, LOG_MAX = 256 };

struct answer {
	unsigned status;
	char *body;
	bool stream, open;
};

struct entry {
	char *line, *headers, *body;
};

struct connection {
	int fd;
	struct buf input;
	bool streaming;
};

struct canned {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener, wake[2];
	char *url;
	bool stop;
	struct answer *answers;
	size_t answer_count, answered;
	struct entry log[LOG_MAX];
	size_t log_count;
	struct connection connections[CONNECTIONS_MAX];
	size_t connection_count;
};

static char *unquote(const char *text)
{
	char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static void send_text(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t n = send(fd, text, length, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		length -= (size_t)n;
	}
}

static void send_chunk(int fd, const char *text)
{
	_cleanup_free_ char *chunk = xasprintf("%zx\r\n%s\r\n", strlen(text), text);

	send_text(fd, chunk);
}

static void answer_request(struct canned *canned, struct connection *connection)
{
	static const struct answer nothing = { 500, (char *)"nothing is canned" };
	const struct answer *answer = canned->answered < canned->answer_count
					  ? &canned->answers[canned->answered++]
					  : &nothing;
	_cleanup_free_ char *reply = NULL;

	if (!answer->stream) {
		reply = xasprintf("HTTP/1.1 %u Said\r\nContent-Type: application/json\r\n"
				  "Content-Length: %zu\r\n\r\n%s",
				  answer->status, strlen(answer->body), answer->body);
		send_text(connection->fd, reply);
		return;
	}
	send_text(connection->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	if (*answer->body)
		send_chunk(connection->fd, answer->body);
	connection->streaming = answer->open;
	if (!answer->open)
		send_text(connection->fd, "0\r\n\r\n");
}

static void keep_request(struct canned *canned, const char *head, size_t head_length,
			 const char *body, size_t body_length)
{
	struct entry *entry = &canned->log[canned->log_count];
	size_t line = strcspn(head, "\r");

	assert(canned->log_count < LOG_MAX);
	entry->line = xstrndup(head, line);
	*strrchr(entry->line, ' ') = '\0'; /* the version */
	entry->headers = xstrndup(head + line + 2, head_length - line - 2);
	entry->body = xstrndup(body, body_length);
	for (char *p = entry->body; *p; p++)
		if (*p == '"')
			*p = '\'';
	canned->log_count++;
}

/* Takes one request out of the input. */
static bool take_request(struct canned *canned, struct connection *connection)
{
	const char *head = connection->input.data;
	const char *end = strstr(head, "\r\n\r\n");
	const char *length_at;
	size_t head_length, body_length = 0;

	if (!end)
		return false;
	head_length = (size_t)(end - head) + 4;
	length_at = strcasestr(head, "content-length:");
	if (length_at && length_at < end)
		body_length = strtoul(length_at + strlen("content-length:"), NULL, 10);
	if (connection->input.length < head_length + body_length)
		return false;

	keep_request(canned, head, head_length, head + head_length, body_length);
	buf_consume(&connection->input, head_length + body_length);
	answer_request(canned, connection);
	return true;
}

static void drop_connection(struct canned *canned, size_t index)
{
	close(canned->connections[index].fd);
	buf_done(&canned->connections[index].input);
	canned->connections[index] = canned->connections[--canned->connection_count];
}

static bool read_connection(struct canned *canned, struct connection *connection)
{
	char block[4096];
	ssize_t n = recv(connection->fd, block, sizeof(block), 0);

	if (n <= 0)
		return false;
	(void)buf_append(&connection->input, block, (size_t)n);
	while (take_request(canned, connection))
		;
	return true;
}

static void accept_connection(struct canned *canned)
{
	int fd = accept(canned->listener, NULL, NULL);

	if (fd < 0)
		return;
	assert(canned->connection_count < CONNECTIONS_MAX);
	canned->connections[canned->connection_count++] =
	    (struct connection){ .fd = fd, .input = BUF_INIT(16 * MIB) };
}

/* Serves what poll() has found; false when it is time to stop. */
static bool serve(struct canned *canned, const struct pollfd *fds, size_t count)
{
	char byte;

	if (fds[1].revents)
		(void)!read(canned->wake[0], &byte, 1);
	/* From the last, because dropping one moves the last into its place. */
	for (size_t i = count; i-- > 2;) {
		if (i - 2 >= canned->connection_count ||
		    canned->connections[i - 2].fd != fds[i].fd || !fds[i].revents)
			continue;
		if (!read_connection(canned, &canned->connections[i - 2]))
			drop_connection(canned, i - 2);
	}
	if (fds[0].revents)
		accept_connection(canned);
	return !canned->stop;
}

static void *run(void *argument)
{
	struct canned *canned = argument;
	struct pollfd fds[CONNECTIONS_MAX + 2];
	bool going = true;
	size_t count;

	while (going) {
		pthread_mutex_lock(&canned->lock);
		fds[0] = (struct pollfd){ .fd = canned->listener, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = canned->wake[0], .events = POLLIN };
		count = canned->connection_count + 2;
		for (size_t i = 2; i < count; i++)
			fds[i] = (struct pollfd){ .fd = canned->connections[i - 2].fd,
						  .events = POLLIN };
		pthread_mutex_unlock(&canned->lock);
		(void)poll(fds, count, -1);
		pthread_mutex_lock(&canned->lock);
		going = serve(canned, fds, count);
		pthread_mutex_unlock(&canned->lock);
	}
	return NULL;
}

struct canned *canned_new(void)
{
	struct canned *canned = NEW(struct canned);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	canned->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(canned->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(canned->listener, 16) < 0 || pipe(canned->wake) < 0 ||
	    getsockname(canned->listener, (struct sockaddr *)&address, &size) < 0)
		abort();
	canned->url = xasprintf("http://127.0.0.1:%u", ntohs(address.sin_port));
	pthread_mutex_init(&canned->lock, NULL);
	if (pthread_create(&canned->thread, NULL, run, canned) != 0)
		abort();
	return canned;
}

void canned_free(struct canned *canned)
{
	pthread_mutex_lock(&canned->lock);
	canned->stop = true;
	pthread_mutex_unlock(&canned->lock);
	(void)!write(canned->wake[1], "x", 1);
	pthread_join(canned->thread, NULL);
	while (canned->connection_count > 0)
		drop_connection(canned, 0);
	close(canned->listener);
	close(canned->wake[0]);
	close(canned->wake[1]);
	for (size_t i = 0; i < canned->answer_count; i++)
		free(canned->answers[i].body);
	free(canned->answers);
	for (size_t i = 0; i < canned->log_count; i++) {
		free(canned->log[i].line);
		free(canned->log[i].headers);
		free(canned->log[i].body);
	}
	free(canned->url);
	free(canned);
}

const char *canned_url(const struct canned *canned)
{
	return canned->url;
}

static void add_answer(struct canned *canned, struct answer answer)
{
	pthread_mutex_lock(&canned->lock);
	canned->answers = xreallocarray(canned->answers, canned->answer_count + 1, sizeof(answer));
	canned->answers[canned->answer_count++] = answer;
	pthread_mutex_unlock(&canned->lock);
}

void canned_reply(struct canned *canned, unsigned status, const char *body)
{
	add_answer(canned, (struct answer){ .status = status, .body = unquote(body) });
}

void canned_stream(struct canned *canned, const char *lines, bool open)
{
	add_answer(canned, (struct answer){ .body = unquote(lines), .stream = true, .open = open });
}

void canned_more(struct canned *canned, const char *lines)
{
	_cleanup_free_ char *text = unquote(lines);

	pthread_mutex_lock(&canned->lock);
	for (size_t i = 0; i < canned->connection_count; i++)
		if (canned->connections[i].streaming)
			send_chunk(canned->connections[i].fd, text);
	pthread_mutex_unlock(&canned->lock);
}

void canned_end(struct canned *canned)
{
	pthread_mutex_lock(&canned->lock);
	for (size_t i = 0; i < canned->connection_count; i++) {
		if (canned->connections[i].streaming)
			send_text(canned->connections[i].fd, "0\r\n\r\n");
		canned->connections[i].streaming = false;
	}
	pthread_mutex_unlock(&canned->lock);
}

void canned_hang_up(struct canned *canned)
{
	pthread_mutex_lock(&canned->lock);
	for (size_t i = 0; i < canned->connection_count; i++)
		(void)shutdown(canned->connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&canned->lock);
}

size_t canned_count(struct canned *canned)
{
	size_t count;

	pthread_mutex_lock(&canned->lock);
	count = canned->log_count;
	pthread_mutex_unlock(&canned->lock);
	return count;
}

static const char *logged(struct canned *canned, size_t index, size_t offset)
{
	const char *text = "(no such request)";

	pthread_mutex_lock(&canned->lock);
	if (index < canned->log_count)
		text = *(char **)(void *)((char *)&canned->log[index] + offset);
	pthread_mutex_unlock(&canned->lock);
	return text;
}

const char *canned_line(struct canned *canned, size_t index)
{
	return logged(canned, index, offsetof(struct entry, line));
}

const char *canned_headers(struct canned *canned, size_t index)
{
	return logged(canned, index, offsetof(struct entry, headers));
}

const char *canned_body(struct canned *canned, size_t index)
{
	return logged(canned, index, offsetof(struct entry, body));
}
