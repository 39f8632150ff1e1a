/* Tests of common/httpd.c: one page on loopback, and who is sent away. */
#include "common/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"
#include "tests/unit/test-loop.h"

enum { ROUNDS = 200, CLIENTS = 20 };

static int page(const char *path, struct buf *buf, const char **ret_type, void *userdata)
{
	(void)userdata;
	if (strcmp(path, "/broken") == 0)
		return -EIO;
	if (strcmp(path, "/page") != 0)
		return 0;
	*ret_type = "text/x-page";
	(void)buf_append_string(buf, "the page\n");
	return 1;
}

static struct httpd *serve(struct fixture *f)
{
	struct httpd *httpd = NULL;
	struct error err = ERROR_INIT;

	fixture_init(f);
	ck_assert_msg(httpd_new(f->loop, 0, page, NULL, &httpd, &err) == 0, "%s", err.message);
	return httpd;
}

static int dial(const struct httpd *httpd)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(httpd_port(httpd)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Runs the loop and reads until the other side hangs up; false if it does not. */
static bool read_all(struct fixture *f, int fd, struct buf *buf)
{
	char bytes[512];

	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n;

		loop_once(f->loop, false);
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		if (n > 0)
			(void)buf_append(buf, bytes, (size_t)n);
		else
			usleep(500);
	}
	return false;
}

/* clang-format off */
static const struct {
	const char *request, *begins, *ends;
} cases[] = {
	{ "GET /page HTTP/1.0\r\n\r\n",                 "HTTP/1.0 200 OK\r\nContent-Type: text/x-page\r\nContent-Length: 9\r\n", "\r\n\r\nthe page\n" },
	{ "GET /page?x=1 HTTP/1.1\r\nHost: a\r\n\r\n",  "HTTP/1.0 200 OK\r\n", "the page\n" },
	{ "HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n",     "HTTP/1.0 200 OK\r\n", "close\r\n\r\n" },
	{ "GET /other HTTP/1.0\r\n\r\n",                "HTTP/1.0 404 ", "404 Not Found\n" },
	{ "GET /broken HTTP/1.0\r\n\r\n",               "HTTP/1.0 500 ", "500 Internal Server Error\n" },
	{ "POST /page HTTP/1.0\r\n\r\n",                "HTTP/1.0 405 ", "405 Method Not Allowed\n" },
	{ "GET page HTTP/1.0\r\n\r\n",                  "HTTP/1.0 400 ", "400 Bad Request\n" },
	{ "GET /page\r\n\r\n",                          "HTTP/1.0 400 ", "400 Bad Request\n" },
	{ "GET \r\n\r\n",                               "HTTP/1.0 400 ", "400 Bad Request\n" },
	{ "\r\n\r\n",                                   "HTTP/1.0 405 ", "405 Method Not Allowed\n" },
};
/* clang-format on */

START_TEST(test_each_request_has_one_answer)
{
	_cleanup_(fixture_done) struct fixture f;
	_cleanup_(httpd_free) struct httpd *httpd = serve(&f);
	_cleanup_(buf_done) struct buf answer = BUF_INIT(64 * KIB);
	_cleanup_close_ int fd = dial(httpd);
	const char *request = cases[_i].request, *ends = cases[_i].ends;

	ck_assert_int_gt(send(fd, request, strlen(request), MSG_NOSIGNAL), 0);
	ck_assert(read_all(&f, fd, &answer));
	ck_assert_msg(strncmp(answer.data, cases[_i].begins, strlen(cases[_i].begins)) == 0,
		      "%s is answered with %s", request, answer.data);
	ck_assert_uint_gt(answer.length, strlen(ends));
	ck_assert_str_eq(answer.data + answer.length - strlen(ends), ends);
}
END_TEST

START_TEST(test_a_request_may_come_in_pieces)
{
	_cleanup_(fixture_done) struct fixture f;
	_cleanup_(httpd_free) struct httpd *httpd = serve(&f);
	_cleanup_(buf_done) struct buf answer = BUF_INIT(64 * KIB);
	_cleanup_close_ int fd = dial(httpd);

	ck_assert_int_eq(send(fd, "GET /pa", 7, MSG_NOSIGNAL), 7);
	for (int i = 0; i < 20; i++)
		loop_once(f.loop, false);
	ck_assert_int_eq(send(fd, "ge HTTP/1.0\r\n\r\n", 15, MSG_NOSIGNAL), 15);
	ck_assert(read_all(&f, fd, &answer));
	ck_assert_ptr_nonnull(strstr(answer.data, "the page\n"));
}
END_TEST

START_TEST(test_who_says_nothing_is_hung_up_on_after_five_seconds)
{
	_cleanup_(fixture_done) struct fixture f;
	_cleanup_(httpd_free) struct httpd *httpd = serve(&f);
	_cleanup_(buf_done) struct buf answer = BUF_INIT(KIB);
	_cleanup_close_ int fd = dial(httpd);

	ck_assert(!read_all(&f, fd, &answer));
	clock_fake_advance(&f.clock, 7 * NSEC_PER_SEC);
	ck_assert(read_all(&f, fd, &answer));
	ck_assert_uint_eq(answer.length, 0);
}
END_TEST

START_TEST(test_a_request_that_is_too_long_is_refused)
{
	_cleanup_(fixture_done) struct fixture f;
	_cleanup_(httpd_free) struct httpd *httpd = serve(&f);
	_cleanup_(buf_done) struct buf answer = BUF_INIT(KIB);
	_cleanup_close_ int fd = dial(httpd);
	char line[8192];

	memset(line, 'a', sizeof(line));
	ck_assert_int_gt(send(fd, line, sizeof(line), MSG_NOSIGNAL), 0);
	ck_assert(read_all(&f, fd, &answer));
	ck_assert_ptr_nonnull(strstr(answer.data, " 431 "));
}
END_TEST

START_TEST(test_connections_are_bounded)
{
	_cleanup_(fixture_done) struct fixture f;
	_cleanup_(httpd_free) struct httpd *httpd = serve(&f);
	_cleanup_(buf_done) struct buf answer = BUF_INIT(KIB);
	int fds[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = dial(httpd);
		for (int round = 0; round < 5; round++)
			loop_once(f.loop, false);
	}
	ck_assert(read_all(&f, fds[CLIENTS - 1], &answer));
	ck_assert(!read_all(&f, fds[0], &answer));
	for (int i = 0; i < CLIENTS; i++)
		(void)close(fds[i]);
}
END_TEST

START_TEST(test_a_taken_port_is_an_error_that_names_it)
{
	_cleanup_(fixture_done) struct fixture f;
	_cleanup_(httpd_free) struct httpd *httpd = serve(&f);
	struct httpd *second = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(httpd_new(f.loop, httpd_port(httpd), page, NULL, &second, &err),
			 -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1:"));
}
END_TEST

Suite *httpd_suite(void)
{
	Suite *suite = suite_create("httpd");
	TCase *tests = tcase_create("httpd");

	tcase_add_loop_test(tests, test_each_request_has_one_answer, 0, ARRAY_SIZE(cases));
	tcase_add_test(tests, test_a_request_may_come_in_pieces);
	tcase_add_test(tests, test_who_says_nothing_is_hung_up_on_after_five_seconds);
	tcase_add_test(tests, test_a_request_that_is_too_long_is_refused);
	tcase_add_test(tests, test_connections_are_bounded);
	tcase_add_test(tests, test_a_taken_port_is_an_error_that_names_it);
	suite_add_tcase(suite, tests);
	return suite;
}
