/* Tests of common/http-reply.c: headers and statuses. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <string.h>

#include "common/http-reply.h"
#include "common/macros.h"

/* Header lines, and what they leave in the reply. */
static const struct header_case {
	const char *lines[4];
	unsigned status;
	unsigned retry_after_s;
	int grpc_status;
	const char *grpc_message;
} headers[] = {
	{ { "HTTP/1.1 204 No Content\r\n" }, 204, 0, -1, "" },
	{ { "HTTP/2 429 \r\n", "Retry-After: 7\r\n" }, 429, 7, -1, "" },
	{ { "HTTP/1.1 503 Busy\r\n", "retry-after:99999999999\r\n" }, 503, 0, -1, "" },
	{ { "HTTP/1.1 503 Busy\r\n", "retry-after:86400\r\n" }, 503, 3600, -1, "" },
	{ { "HTTP/1.1 503 Busy\r\n", "Retry-After: Fri, 31 Dec\r\n" }, 503, 0, -1, "" },
	{ { "HTTP/2 200 \r\n", "grpc-status: 12\r\n", "grpc-message: no%0Asuch%2\r\n" },
	  200,
	  0,
	  12,
	  "no?such%2" },
	{ { "HTTP/2 200 \r\n", "grpc-status-details: 3\r\n" }, 200, 0, -1, "" },
	{ { "HTTP/2 200 \r\n", "grpc-status:\r\n" }, 200, 0, -1, "" },
	/* A status line starts anew: what an interim reply said does not count. */
	{ { "HTTP/1.1 103 Early\r\n", "Retry-After: 7\r\n", "HTTP/1.1 200 OK\r\n" },
	  200,
	  0,
	  -1,
	  "" },
	{ { "HTTP/1.1\r\n" }, 0, 0, -1, "" },
	{ { "HTTP/1.1 2x0 OK\r\n" }, 0, 0, -1, "" },
	{ { "\r\n", "", "grpc-status" }, 0, 0, -1, "" },
};

START_TEST(test_headers_are_read_into_the_reply)
{
	const struct header_case *expected = &headers[_i];
	_cleanup_(http_reply_done) struct http_reply reply;

	http_reply_init(&reply, 10);
	for (unsigned i = 0; i < ARRAY_SIZE(expected->lines) && expected->lines[i]; i++)
		http_reply_header(&reply, expected->lines[i], strlen(expected->lines[i]));
	ck_assert_uint_eq(reply.status, expected->status);
	ck_assert_uint_eq(reply.retry_after_s, expected->retry_after_s);
	ck_assert_int_eq(reply.grpc_status, expected->grpc_status);
	ck_assert_str_eq(reply.grpc_message, expected->grpc_message);
}
END_TEST

START_TEST(test_long_grpc_message_is_cut)
{
	_cleanup_(http_reply_done) struct http_reply reply;
	char line[1000] = "grpc-message: ";

	http_reply_init(&reply, 10);
	memset(line + strlen(line), 'a', 900);
	http_reply_header(&reply, line, strlen(line));
	ck_assert_uint_eq(strlen(reply.grpc_message), sizeof(reply.grpc_message) - 1);
}
END_TEST

/* A status, and the error that it is. */
static const struct status_case {
	unsigned status, retry_after_s;
	enum error_class class;
	int code;
	unsigned retry_after_ms;
} statuses[] = {
	{ 301, 0, ERROR_NETWORK, -EPROTO, 0 },	       { 400, 0, ERROR_CONFIG, -EINVAL, 0 },
	{ 401, 0, ERROR_DENIED, -EACCES, 0 },	       { 403, 0, ERROR_DENIED, -EPERM, 0 },
	{ 404, 0, ERROR_PENDING, -ENOENT, 0 },	       { 409, 0, ERROR_PENDING, -EEXIST, 0 },
	{ 410, 0, ERROR_PENDING, -ESTALE, 0 },	       { 418, 0, ERROR_CONFIG, -EBADMSG, 0 },
	{ 422, 0, ERROR_CONFIG, -EINVAL, 0 },	       { 429, 0, ERROR_THROTTLED, -EBUSY, 0 },
	{ 429, 5, ERROR_THROTTLED, -EBUSY, 5000 },     { 500, 0, ERROR_NETWORK, -EREMOTEIO, 0 },
	{ 500, 5, ERROR_NETWORK, -EREMOTEIO, 0 },      { 503, 0, ERROR_NETWORK, -EREMOTEIO, 0 },
	{ 503, 5, ERROR_THROTTLED, -EREMOTEIO, 5000 }, { 504, 0, ERROR_NETWORK, -ETIMEDOUT, 0 },
	{ 0, 0, ERROR_NETWORK, -EREMOTEIO, 0 },
};

START_TEST(test_status_becomes_an_error_of_its_class)
{
	const struct status_case *expected = &statuses[_i];
	struct http_reply reply = {
		.status = expected->status,
		.retry_after_s = expected->retry_after_s,
	};
	struct error err = ERROR_INIT;

	ck_assert_int_eq(http_status_error(&reply, "pods \"x\" not found", &err), expected->code);
	ck_assert_int_eq(err.code, expected->code);
	ck_assert_int_eq(err.class, expected->class);
	ck_assert_uint_eq(err.retry_after_ms, expected->retry_after_ms);
	ck_assert_ptr_nonnull(strstr(err.message, "pods \"x\" not found (HTTP status "));
	(void)http_status_error(&reply, NULL, &err);
	ck_assert_ptr_nonnull(strstr(err.message, "the server answers HTTP status "));
}
END_TEST

START_TEST(test_success_is_no_error)
{
	struct http_reply reply = { .status = 201 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(http_status_error(&reply, "created", &err), 0);
	ck_assert(!error_is_set(&err));
}
END_TEST

Suite *reply_suite(void)
{
	Suite *suite = suite_create("reply");
	TCase *tcase = tcase_create("reply");

	tcase_add_loop_test(tcase, test_headers_are_read_into_the_reply, 0, ARRAY_SIZE(headers));
	tcase_add_test(tcase, test_long_grpc_message_is_cut);
	tcase_add_loop_test(tcase, test_status_becomes_an_error_of_its_class, 0,
			    ARRAY_SIZE(statuses));
	tcase_add_test(tcase, test_success_is_no_error);
	suite_add_tcase(suite, tcase);
	return suite;
}
