/* Replies of HTTP servers: what their headers say, and what their status means; see http-reply.h
 * and http.h. */
#include "common/http-reply.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/macros.h"
#include "common/secret.h"

/* Nobody may send us away for longer. */
enum { RETRY_AFTER_MAX_S = 3600 };

void http_reply_init(struct http_reply *reply, size_t body_cap)
{
	*reply = (struct http_reply){ .body = BUF_INIT(body_cap), .grpc_status = -1 };
}

void http_reply_done(struct http_reply *reply)
{
	if (reply->body.allocated)
		secret_wipe(reply->body.data, reply->body.allocated);
	buf_done(&reply->body);
}

/* Digits only, at most max; -1 if it is anything else. */
static int parse_number(const char *text, size_t length, int max)
{
	int number = 0;

	if (length == 0)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -1;
		number = number * 10 + (text[i] - '0');
		if (number > max)
			return -1;
	}
	return number;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". */
static bool read_status_line(struct http_reply *reply, const char *line, size_t length)
{
	const char *space;
	size_t left;
	int status;

	if (length < 5 || memcmp(line, "HTTP/", 5) != 0)
		return false;
	space = memchr(line, ' ', length);
	left = space ? length - (size_t)(space - line) - 1 : 0;
	status = parse_number(space ? space + 1 : NULL, MIN(left, (size_t)3), 999);
	reply->status = status < 0 ? 0 : (unsigned)status;
	reply->grpc_status = -1;
	reply->grpc_message[0] = '\0';
	reply->retry_after_s = 0;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* gRPC sends its messages percent-encoded; what no line of a journal should hold becomes '?'. */
static void decode_grpc_message(struct http_reply *reply, const char *text, size_t length)
{
	size_t used = 0;
	unsigned char c;

	for (size_t i = 0; i < length && used + 1 < sizeof(reply->grpc_message); i++) {
		c = (unsigned char)text[i];
		if (c == '%' && i + 2 < length && hex_digit(text[i + 1]) >= 0 &&
		    hex_digit(text[i + 2]) >= 0) {
			c = (unsigned char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
			i += 2;
		}
		reply->grpc_message[used++] = (char)(iscntrl(c) ? '?' : c);
	}
	reply->grpc_message[used] = '\0';
}

/* Where the value of this header begins, NULL if the line is of another one. */
static const char *value_of(const char *line, size_t length, const char *name)
{
	size_t n = strlen(name);

	if (length <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return NULL;
	n++;
	while (n < length && (line[n] == ' ' || line[n] == '\t'))
		n++;
	return line + n;
}

void http_reply_header(struct http_reply *reply, const char *line, size_t length)
{
	const char *value, *end;
	int number;

	while (length > 0 && isspace((unsigned char)line[length - 1]))
		length--;
	end = line + length;
	if (read_status_line(reply, line, length))
		return;
	value = value_of(line, length, "grpc-status");
	if (value)
		reply->grpc_status = parse_number(value, (size_t)(end - value), 9999);
	value = value_of(line, length, "grpc-message");
	if (value)
		decode_grpc_message(reply, value, (size_t)(end - value));
	/* A date instead of a number is not used by any server that we talk to. */
	value = value_of(line, length, "retry-after");
	if (value) {
		number = parse_number(value, (size_t)(end - value), INT_MAX / 10 - 1);
		reply->retry_after_s = (unsigned)MIN(MAX(number, 0), (int)RETRY_AFTER_MAX_S);
	}
}

/* What a status means for who sent the request; the last row is for all others. */
static const struct meaning {
	unsigned from, to;
	enum error_class class;
	int code;
} meanings[] = {
	{ 100, 399, ERROR_NETWORK, -EPROTO },	 { 400, 400, ERROR_CONFIG, -EINVAL },
	{ 401, 401, ERROR_DENIED, -EACCES },	 { 403, 403, ERROR_DENIED, -EPERM },
	{ 404, 404, ERROR_PENDING, -ENOENT },	 { 408, 408, ERROR_NETWORK, -ETIMEDOUT },
	{ 409, 409, ERROR_PENDING, -EEXIST },	 { 410, 410, ERROR_PENDING, -ESTALE },
	{ 413, 413, ERROR_CONFIG, -EFBIG },	 { 422, 422, ERROR_CONFIG, -EINVAL },
	{ 429, 429, ERROR_THROTTLED, -EBUSY },	 { 400, 499, ERROR_CONFIG, -EBADMSG },
	{ 504, 504, ERROR_NETWORK, -ETIMEDOUT }, { 0, UINT_MAX, ERROR_NETWORK, -EREMOTEIO },
};

int http_status_error(const struct http_reply *reply, const char *text, struct error *err)
{
	const struct meaning *meaning = meanings;
	enum error_class class;

	if (http_reply_is_success(reply))
		return 0;
	while (reply->status < meaning->from || reply->status > meaning->to)
		meaning++;
	class = meaning->class;
	if (reply->status == 503 && reply->retry_after_s > 0)
		class = ERROR_THROTTLED;
	if (text && *text)
		(void)error_set(err, class, meaning->code, "%s (HTTP status %u)", text,
				reply->status);
	else
		(void)error_set(err, class, meaning->code, "the server answers HTTP status %u",
				reply->status);
	if (class == ERROR_THROTTLED)
		err->retry_after_ms = reply->retry_after_s * 1000;
	return err->code;
}
