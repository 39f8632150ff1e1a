/* Tests of common/http.c and http-setup.c against plain sockets; TLS is tested by
 * tests/integration/test_http.py. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/http.h"
#include "common/macros.h"
#include "tests/unit/test-loop-server.h"

#define OK_BODY(text_length, text) "HTTP/1.1 200 OK\r\nContent-Length: " text_length "\r\n\r\n" text
#define STREAM			   "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

/* A server, a client and what reached the client. Its clock stands still. */
struct world {
	struct fixture f;
	struct server server;
	struct http *http;
	struct op *op, *other;
	struct buf lines; /* each followed by '|' */
	int line_answer;
	unsigned done;
};

static void world_init(struct world *world)
{
	*world = (struct world){ .lines = BUF_INIT(64 * MIB) };
	fixture_init(&world->f);
	server_init(&world->server, world->f.loop);
	world->http = http_new(world->f.loop, &(struct http_identity){ 0 });
}

static void world_done(struct world *world)
{
	op_drop(world->op);
	op_drop(world->other);
	http_free(world->http);
	server_done(&world->server);
	buf_done(&world->lines);
	fixture_done(&world->f);
}
DEFINE_CLEANUP_VALUE(struct world, world_done)

static void count(struct op *op, void *userdata)
{
	((struct world *)userdata)->done++;
}

static int keep_line(const char *line, size_t length, void *userdata)
{
	struct world *world = userdata;

	ck_assert_uint_eq(strlen(line), length);
	ck_assert_int_eq(buf_printf(&world->lines, "%s|", line), 0);
	return world->line_answer;
}

static struct op *send_request(struct world *world, struct http_request request, const char *path)
{
	_cleanup_free_ char *url = NULL;
	struct error err = ERROR_INIT;
	struct op *op;

	url = request.unix_path ? xasprintf("http://localhost%s", path)
				: xasprintf("%s%s", world->server.address, path);
	request.url = url;
	if (!request.method)
		request.method = "GET";
	request.userdata = world;
	op = http_send(world->http, &request, &err);
	ck_assert_msg(op != NULL, "%s", err.message);
	op_watch(op, count, world);
	return op;
}

static void run_until_done(struct world *world, const struct op *op)
{
	while (!op_is_done(op))
		loop_once(world->f.loop, true);
}

/* Runs until the server has seen so many requests. */
static void run_until_asked(struct world *world, unsigned requests)
{
	while (world->server.requests < requests)
		loop_once(world->f.loop, true);
}

static void run_until_lines(struct world *world, const char *lines)
{
	while (world->lines.length < strlen(lines))
		loop_once(world->f.loop, true);
	ck_assert_str_eq(world->lines.data, lines);
}

START_TEST(test_get_gives_status_and_body_and_sends_nothing_unasked)
{
	_cleanup_(world_done) struct world w;
	const struct http_reply *reply;
	uint64_t requests = http_requests();

	world_init(&w);
	w.server.answer = OK_BODY("5", "hello");
	w.op = send_request(&w, (struct http_request){ 0 }, "/a/./b?c=d");
	ck_assert_uint_eq(w.done, 0);
	run_until_done(&w, w.op);
	ck_assert_ptr_null(op_error(w.op));
	reply = http_reply(w.op);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(reply->body.data, "hello");
	ck_assert_int_eq(reply->grpc_status, -1);
	ck_assert_str_eq(reply->server_certificate, "");
	ck_assert_uint_eq(http_requests(), requests + 1);

	ck_assert_ptr_eq(strstr(server_input(&w.server), "GET /a/./b?c=d HTTP/1.1\r\n"),
			 server_input(&w.server));
	ck_assert_ptr_nonnull(strstr(server_input(&w.server), "User-Agent: agentd/"));
	ck_assert_ptr_null(strstr(server_input(&w.server), "Accept-Encoding"));
	ck_assert_ptr_null(strstr(server_input(&w.server), "Authorization"));
	ck_assert_ptr_null(strstr(server_input(&w.server), "Content-"));
}
END_TEST

START_TEST(test_body_is_json_unless_the_caller_says_otherwise)
{
	static const char *const apply[] = { "Content-Type: application/apply-patch+yaml", NULL };
	_cleanup_(world_done) struct world w;
	_cleanup_free_ char *body = xstrdup("{\"a\":1}");
	const char *input;

	world_init(&w);
	w.server.answer = OK_BODY("2", "ok");
	w.op = send_request(
	    &w, (struct http_request){ .method = "POST", .body = body, .body_length = 7 }, "/");
	/* The copy is the request's own. */
	memset(body, 'x', 7);
	run_until_done(&w, w.op);
	input = server_input(&w.server);
	ck_assert_ptr_nonnull(strstr(input, "POST / HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(input, "Content-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(input, "\r\n\r\n{\"a\":1}"));
	ck_assert_ptr_null(strstr(input, "Expect"));

	op_drop(w.op);
	w.op = send_request(&w,
			    (struct http_request){
				.method = "PATCH",
				.headers = apply,
				.body = "b: 2",
				.body_length = 4,
			    },
			    "/patched");
	run_until_done(&w, w.op);
	input = strstr(server_input(&w.server), "PATCH /patched");
	ck_assert_ptr_nonnull(strstr(input, "Content-Type: application/apply-patch+yaml\r\n"));
	ck_assert_ptr_null(strstr(input, "application/json"));

	op_drop(w.op);
	w.op = send_request(&w, (struct http_request){ .method = "POST" }, "/empty");
	run_until_done(&w, w.op);
	input = strstr(server_input(&w.server), "POST /empty");
	ck_assert_ptr_nonnull(strstr(input, "Content-Length: 0\r\n"));
}
END_TEST

START_TEST(test_connection_is_used_again_and_closed_when_idle)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.server.answer = OK_BODY("2", "ok");
	for (unsigned i = 0; i < 3; i++) {
		w.op = send_request(&w, (struct http_request){ 0 }, "/");
		run_until_done(&w, w.op);
		w.op = op_drop(w.op);
	}
	ck_assert_uint_eq(w.server.connections, 1);
	ck_assert_int_ge(w.server.peers[0].fd, 0);
	clock_fake_advance(&w.f.clock, 120 * NSEC_PER_SEC);
	while (w.server.peers[0].fd >= 0)
		loop_once(w.f.loop, true);
	w.op = send_request(&w, (struct http_request){ 0 }, "/");
	run_until_done(&w, w.op);
	ck_assert_uint_eq(w.server.connections, 2);
}
END_TEST

START_TEST(test_many_requests_at_once_leave_few_connections)
{
	_cleanup_(world_done) struct world w;
	struct op *ops[6];
	unsigned open = 0;

	world_init(&w);
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = send_request(&w, (struct http_request){ 0 }, "/");
	run_until_asked(&w, ARRAY_SIZE(ops));
	ck_assert_uint_eq(w.server.connections, ARRAY_SIZE(ops));
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		w.server.connections = i + 1;
		server_send(&w.server, OK_BODY("2", "ok"));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		run_until_done(&w, ops[i]);
		ck_assert_ptr_null(op_error(ops[i]));
		op_drop(ops[i]);
	}
	for (unsigned i = 0; i < 10; i++)
		loop_once(w.f.loop, false);
	for (unsigned i = 0; i < SERVER_PEERS; i++)
		open += w.server.peers[i].fd >= 0;
	ck_assert_uint_ge(open, 1);
	ck_assert_uint_le(open, 3);
}
END_TEST

START_TEST(test_unix_socket_is_used_instead_of_the_host)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	server_done(&w.server);
	server_init_unix(&w.server, w.f.loop);
	w.server.answer = OK_BODY("4", "unix");
	w.op = send_request(&w, (struct http_request){ .unix_path = w.server.address }, "/x");
	run_until_done(&w, w.op);
	ck_assert_ptr_null(op_error(w.op));
	ck_assert_str_eq(http_reply(w.op)->body.data, "unix");
}
END_TEST

START_TEST(test_proxies_of_the_environment_are_ignored)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	ck_assert_int_eq(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
	w.server.answer = OK_BODY("2", "ok");
	w.op = send_request(&w, (struct http_request){ 0 }, "/");
	run_until_done(&w, w.op);
	ck_assert_ptr_null(op_error(w.op));
	(void)unsetenv("http_proxy");
	(void)unsetenv("ALL_PROXY");
}
END_TEST

START_TEST(test_redirect_is_a_reply_and_not_followed)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	w.server.answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
	w.op = send_request(&w, (struct http_request){ 0 }, "/");
	run_until_done(&w, w.op);
	ck_assert_uint_eq(http_reply(w.op)->status, 302);
	ck_assert_uint_eq(w.server.requests, 1);
	ck_assert_int_eq(http_status_error(http_reply(w.op), NULL, &err), -EPROTO);
}
END_TEST

/* An answer that is a failure, and how. */
static const struct bad_answer {
	const char *answer;
	size_t reply_cap;
	int code;
	const char *text; /* part of the message */
} bad_answers[] = {
	{ OK_BODY("5", "hello"), 4, -EFBIG, "the reply is larger than 4 bytes" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", 0, -ECONNRESET, "" },
	{ "", 0, -ECONNRESET, "" },
	{ "SSH-2.0-OpenSSH\r\n\r\n", 0, -EBADMSG, "" },
};

START_TEST(test_reply_that_makes_no_sense_is_a_failure_of_the_network)
{
	const struct bad_answer *bad = &bad_answers[_i];
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	w.server.answer = bad->answer;
	w.server.hang_up = true;
	w.op = send_request(&w, (struct http_request){ .reply_cap = bad->reply_cap }, "/p?q");
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), bad->code);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_ptr_nonnull(strstr(err.message, bad->text));
	ck_assert_msg(strncmp(err.message, "GET http://127.0.0.1:", 21) == 0, "%s", err.message);
	ck_assert_ptr_nonnull(strstr(err.message, "/p: "));
}
END_TEST

START_TEST(test_endless_headers_are_cut_off)
{
	_cleanup_(world_done) struct world w;
	_cleanup_(buf_done) struct buf header = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ 0 }, "/");
	run_until_asked(&w, 1);
	(void)buf_append_string(&header, "HTTP/1.1 200 OK\r\n");
	while (header.length < 40 * KIB)
		(void)buf_append_string(&header, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
	server_send(&w.server, header.data);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.message, "headers"));
}
END_TEST

START_TEST(test_nobody_listening_is_said_so)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	loop_io_want(w.server.io, 0);
	(void)close(w.server.fd);
	w.server.fd = -1;
	w.op = send_request(&w, (struct http_request){ 0 }, "/");
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), -ECONNREFUSED);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_ptr_nonnull(strstr(err.message, "Connection refused"));

	op_drop(w.op);
	w.op = send_request(&w, (struct http_request){ .unix_path = "/nonexistent.sock" }, "/");
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), -ENOENT);
}
END_TEST

/* A request that must not be sent, and why. */
static const struct refusal {
	const char *url;
	const char *header;
	bool bearer;
	int code;
	const char *text;
} refusals[] = {
	{ "http://192.0.2.1/", NULL, false, -EPROTONOSUPPORT, "http without TLS" },
	{ "http://localhost.example.org/", NULL, false, -EPROTONOSUPPORT, "http without TLS" },
	{ "http://127.0.0.1/", NULL, true, -EPERM, "token" },
	{ "ftp://127.0.0.1/", NULL, false, -EPROTONOSUPPORT, "only https" },
	{ "https://127.0.0.1/", NULL, false, -ENOKEY, "certificate authority" },
	{ "http://user:secret@127.0.0.1/", NULL, false, -EINVAL, "not a URL" },
	{ "nonsense://[", NULL, false, -EINVAL, "not a URL" },
	{ "http://127.0.0.1/", "A: b\r\nX: y", false, -EINVAL, "one line" },
};

START_TEST(test_what_http_promises_never_to_do_is_refused)
{
	const struct refusal *refusal = &refusals[_i];
	const char *headers[] = { refusal->header, NULL };
	_cleanup_(secret_unref) struct secret *bearer = NULL;
	_cleanup_(fixture_done) struct fixture f;
	struct http_request request = {
		.method = "GET",
		.url = refusal->url,
		.headers = headers,
	};
	struct error err = ERROR_INIT;
	struct http *http;

	fixture_init(&f);
	bearer = refusal->bearer ? secret_new("token", 5) : NULL;
	http = http_new(f.loop, &(struct http_identity){ .bearer = bearer });
	ck_assert_ptr_null(http_send(http, &request, &err));
	ck_assert_int_eq(err.code, refusal->code);
	ck_assert_ptr_nonnull(strstr(err.message, refusal->text));
	http_free(http);
}
END_TEST

START_TEST(test_unanswered_request_times_out)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .timeout_ms = 2500 }, "/");
	run_until_asked(&w, 1);
	server_send(&w.server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
	for (unsigned i = 0; i < 10; i++)
		loop_once(w.f.loop, false);
	clock_fake_advance(&w.f.clock, 2499 * NSEC_PER_MSEC);
	loop_once(w.f.loop, false);
	ck_assert_uint_eq(w.done, 0);
	clock_fake_advance(&w.f.clock, NSEC_PER_MSEC);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), -ETIMEDOUT);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_ptr_nonnull(strstr(err.message, "no complete answer within 2.5 s"));
}
END_TEST

START_TEST(test_dropped_request_hangs_up)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ 0 }, "/");
	w.other = send_request(&w, (struct http_request){ 0 }, "/never-sent");
	w.other = op_drop(w.other);
	run_until_asked(&w, 1);
	w.op = op_drop(w.op);
	while (w.server.peers[0].fd >= 0)
		loop_once(w.f.loop, true);
	ck_assert_uint_eq(w.done, 0);
	ck_assert_uint_eq(w.server.requests, 1);
}
END_TEST

START_TEST(test_freed_client_cancels_what_is_in_flight)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/");
	run_until_asked(&w, 1);
	w.other = send_request(&w, (struct http_request){ 0 }, "/");
	w.http = http_free(w.http);
	ck_assert(!op_is_done(w.op));
	loop_once(w.f.loop, true);
	ck_assert_uint_eq(w.done, 2);
	ck_assert_int_eq(op_result(w.op, &err), -ECANCELED);
	ck_assert_int_eq(op_result(w.other, &err), -ECANCELED);
}
END_TEST

START_TEST(test_stream_arrives_line_by_line)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, STREAM "one\ntw");
	run_until_lines(&w, "one|");
	server_send(&w.server, "o\r\n\nthree\nfour");
	run_until_lines(&w, "one|two|three|");
	ck_assert_uint_eq(w.done, 0);
	server_hang_up(&w.server);
	run_until_done(&w, w.op);
	ck_assert_ptr_null(op_error(w.op));
	/* What the server did not end with a line feed is a line too if the reply is whole. */
	ck_assert_str_eq(w.lines.data, "one|two|three|four|");
	ck_assert_uint_eq(http_reply(w.op)->body.length, 0);
}
END_TEST

START_TEST(test_stream_cut_off_in_a_chunk_fails_without_the_rest_of_its_line)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			       "4\r\none\n\r\n20\r\nhalf");
	run_until_lines(&w, "one|");
	server_hang_up(&w.server);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_error(w.op)->code, -ECONNRESET);
	ck_assert_str_eq(w.lines.data, "one|");
}
END_TEST

START_TEST(test_refused_stream_gives_its_body_in_the_reply)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.server.answer = "HTTP/1.1 410 Gone\r\nContent-Length: 8\r\n\r\ntoo\nold\n";
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/watch");
	run_until_done(&w, w.op);
	ck_assert_uint_eq(http_reply(w.op)->status, 410);
	ck_assert_str_eq(http_reply(w.op)->body.data, "too\nold\n");
	ck_assert_str_eq(w.lines.data, "");
}
END_TEST

START_TEST(test_reader_ends_the_stream_with_its_errno)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.line_answer = -ESTALE;
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, STREAM "one\ntwo\n");
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_error(w.op)->code, -ESTALE);
	ck_assert_str_eq(w.lines.data, "one|");

	/* A last line without its end may be refused as well. */
	op_drop(w.op);
	buf_reset(&w.lines);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/watch");
	run_until_asked(&w, 2);
	server_send(&w.server, STREAM "end");
	server_hang_up(&w.server);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_error(w.op)->code, -ESTALE);
	ck_assert_str_eq(w.lines.data, "end|");
}
END_TEST

static int drop_all(const char *line, size_t length, void *userdata)
{
	struct world *world = userdata;

	(void)keep_line(line, length, userdata);
	world->op = op_drop(world->op);
	world->other = op_drop(world->other);
	return 0;
}

START_TEST(test_reader_may_drop_its_own_op_and_others)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/first");
	run_until_asked(&w, 1);
	w.other = send_request(&w, (struct http_request){ .on_line = drop_all }, "/second");
	run_until_asked(&w, 2);
	server_send(&w.server, STREAM "one\ntwo\n");
	while (w.server.peers[0].fd >= 0 || w.server.peers[1].fd >= 0)
		loop_once(w.f.loop, true);
	ck_assert_str_eq(w.lines.data, "one|");
	ck_assert_uint_eq(w.done, 0);
}
END_TEST

START_TEST(test_reader_may_drop_its_op_at_the_last_line)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = drop_all }, "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, STREAM "last");
	server_hang_up(&w.server);
	run_until_lines(&w, "last|");
	ck_assert_ptr_null(w.op);
	loop_once(w.f.loop, false);
	ck_assert_uint_eq(w.done, 0);
}
END_TEST

static int send_another(const char *line, size_t length, void *userdata)
{
	struct world *world = userdata;

	world->other = send_request(world, (struct http_request){ 0 }, "/another");
	return 0;
}

START_TEST(test_reader_may_send_a_request)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = send_another }, "/watch");
	run_until_asked(&w, 1);
	w.server.answer = OK_BODY("2", "ok");
	server_send(&w.server, STREAM "one\n");
	while (!w.other)
		loop_once(w.f.loop, true);
	run_until_done(&w, w.other);
	ck_assert_str_eq(http_reply(w.other)->body.data, "ok");
	ck_assert(!op_is_done(w.op));
}
END_TEST

START_TEST(test_endless_line_is_cut_off)
{
	_cleanup_(world_done) struct world w;
	_cleanup_free_ char *chunk = xmalloc(MIB + 1);

	memset(chunk, 'a', MIB);
	chunk[MIB] = '\0';
	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line }, "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, STREAM);
	for (unsigned i = 0; i < 7; i++)
		server_send(&w.server, chunk);
	/* Just below the cap it is a line like any other. */
	server_send(&w.server, "\n");
	while (w.lines.length == 0)
		loop_once(w.f.loop, true);
	ck_assert_uint_eq(w.lines.length, 7 * MIB + 1);
	for (unsigned i = 0; i < 9; i++)
		server_send(&w.server, chunk);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_error(w.op)->code, -EFBIG);
}
END_TEST

START_TEST(test_stream_ends_when_it_stalls)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	w.op = send_request(
	    &w, (struct http_request){ .on_line = keep_line, .timeout_ms = 1000, .stall_s = 30 },
	    "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, STREAM "one\n");
	run_until_lines(&w, "one|");
	clock_fake_advance(&w.f.clock, 29 * NSEC_PER_SEC);
	server_send(&w.server, "two\n");
	run_until_lines(&w, "one|two|");
	clock_fake_advance(&w.f.clock, 29 * NSEC_PER_SEC);
	loop_once(w.f.loop, false);
	ck_assert_uint_eq(w.done, 0);
	clock_fake_advance(&w.f.clock, NSEC_PER_SEC);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(err.message, "not a byte for 30 s"));
}
END_TEST

START_TEST(test_stream_that_is_not_answered_times_out)
{
	_cleanup_(world_done) struct world w;
	struct error err = ERROR_INIT;

	world_init(&w);
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line, .timeout_ms = 1000 },
			    "/watch");
	run_until_asked(&w, 1);
	clock_fake_advance(&w.f.clock, NSEC_PER_SEC);
	run_until_done(&w, w.op);
	ck_assert_int_eq(op_result(w.op, &err), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(err.message, "no answer within 1.0 s"));
}
END_TEST

static void nothing(void *userdata)
{
}

static void sleep_for(struct loop *loop, struct loop_timer *timer, unsigned ms)
{
	loop_timer_arm(timer, ms * NSEC_PER_MSEC, 0);
	while (loop_timer_armed(timer))
		loop_once(loop, true);
}

START_TEST(test_idle_stream_never_wakes_the_loop)
{
	_cleanup_(world_done) struct world w;
	struct loop_timer *timer;
	uint64_t before;

	world_init(&w);
	/* The real clock, because curl's timers would be real ones. */
	http_free(w.http);
	server_done(&w.server);
	fixture_done(&w.f);
	w.f.loop = loop_new(clock_system());
	server_init(&w.server, w.f.loop);
	w.http = http_new(w.f.loop, &(struct http_identity){ 0 });
	w.op = send_request(&w, (struct http_request){ .on_line = keep_line, .stall_s = 600 },
			    "/watch");
	run_until_asked(&w, 1);
	server_send(&w.server, STREAM "one\n");
	run_until_lines(&w, "one|");

	timer = loop_timer_new(w.f.loop, nothing, NULL);
	/* curl looks once more at what it connected to, 200 ms after it began. */
	sleep_for(w.f.loop, timer, 300);
	before = loop_wakeups(w.f.loop);
	sleep_for(w.f.loop, timer, 1200);
	ck_assert_uint_eq(loop_wakeups(w.f.loop), before + 1);
	loop_timer_free(timer);
}
END_TEST

/* clang-format off */
/* What a gRPC server answers to the first stream of a connection. */
#define H2_SETTINGS "\0\0\0\4\0\0\0\0\0" "\0\0\0\4\1\0\0\0\0"
/* :status 200, without END_STREAM. */
#define H2_HEADERS  "\0\0\1\1\4\0\0\0\1" "\x88"
#define H2_DATA	    "\0\0\5\0\0\0\0\0\1" "hello"
/* grpc-status: 5, grpc-message: "not%20here", with END_STREAM. */
#define H2_STATUS   "\0\xb" "grpc-status" "\1" "5"
#define H2_MESSAGE  "\0\xc" "grpc-message" "\xa" "not%20here"
#define H2_TRAILER  "\0\0\x28\1\5\0\0\0\1" H2_STATUS H2_MESSAGE
/* Both in one header block, and the stream is reset instead of ended. */
#define H2_ONLY	    "\0\0\x29\1\4\0\0\0\1" "\x88" H2_STATUS H2_MESSAGE
#define H2_RESET    "\0\0\4\3\0\0\0\0\1" "\0\0\0\2"
/* clang-format on */

START_TEST(test_grpc_status_is_read_from_the_trailer)
{
	static const char answer[] = H2_SETTINGS H2_HEADERS H2_DATA H2_TRAILER;
	_cleanup_(world_done) struct world w;
	const struct http_reply *reply;

	world_init(&w);
	w.server.h2 = true;
	w.server.answer = answer;
	w.server.answer_length = sizeof(answer) - 1;
	w.op = send_request(
	    &w,
	    (struct http_request){ .method = "POST", .body = "x", .body_length = 1, .h2c = true },
	    "/s/m");
	run_until_done(&w, w.op);
	ck_assert_ptr_null(op_error(w.op));
	reply = http_reply(w.op);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(reply->body.data, "hello");
	ck_assert_int_eq(reply->grpc_status, 5);
	ck_assert_str_eq(reply->grpc_message, "not here");
}
END_TEST

START_TEST(test_stream_reset_after_the_grpc_status_is_a_reply)
{
	static const char with_status[] = H2_SETTINGS H2_ONLY;
	static const char without[] = H2_SETTINGS H2_HEADERS H2_RESET;
	_cleanup_(world_done) struct world w;
	struct http_request request = {
		.method = "POST",
		.body = "x",
		.body_length = 1,
		.h2c = true,
	};

	world_init(&w);
	w.server.h2 = true;
	w.server.answer = with_status;
	w.server.answer_length = sizeof(with_status) - 1;
	w.op = send_request(&w, request, "/s/m");
	run_until_asked(&w, 1);
	/* Time for the client to read the headers: libcurl forgets those that a reset overtakes. */
	for (unsigned i = 0; i < 10; i++)
		loop_once(w.f.loop, false);
	server_send_bytes(&w.server, H2_RESET, sizeof(H2_RESET) - 1);
	run_until_done(&w, w.op);
	ck_assert_ptr_null(op_error(w.op));
	ck_assert_int_eq(http_reply(w.op)->grpc_status, 5);

	w.server.answer = without;
	w.server.answer_length = sizeof(without) - 1;
	w.other = send_request(&w, request, "/s/m");
	run_until_done(&w, w.other);
	ck_assert_int_eq(op_error(w.other)->code, -EPROTO);
}
END_TEST

Suite *http_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *tcase = tcase_create("requests");

	tcase_add_test(tcase, test_get_gives_status_and_body_and_sends_nothing_unasked);
	tcase_add_test(tcase, test_body_is_json_unless_the_caller_says_otherwise);
	tcase_add_test(tcase, test_connection_is_used_again_and_closed_when_idle);
	tcase_add_test(tcase, test_many_requests_at_once_leave_few_connections);
	tcase_add_test(tcase, test_unix_socket_is_used_instead_of_the_host);
	tcase_add_test(tcase, test_proxies_of_the_environment_are_ignored);
	tcase_add_test(tcase, test_redirect_is_a_reply_and_not_followed);
	tcase_add_loop_test(tcase, test_reply_that_makes_no_sense_is_a_failure_of_the_network, 0,
			    ARRAY_SIZE(bad_answers));
	tcase_add_test(tcase, test_endless_headers_are_cut_off);
	tcase_add_test(tcase, test_nobody_listening_is_said_so);
	tcase_add_loop_test(tcase, test_what_http_promises_never_to_do_is_refused, 0,
			    ARRAY_SIZE(refusals));
	tcase_add_test(tcase, test_unanswered_request_times_out);
	tcase_add_test(tcase, test_dropped_request_hangs_up);
	tcase_add_test(tcase, test_freed_client_cancels_what_is_in_flight);
	tcase_add_test(tcase, test_grpc_status_is_read_from_the_trailer);
	tcase_add_test(tcase, test_stream_reset_after_the_grpc_status_is_a_reply);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("streams");
	tcase_add_test(tcase, test_stream_arrives_line_by_line);
	tcase_add_test(tcase, test_stream_cut_off_in_a_chunk_fails_without_the_rest_of_its_line);
	tcase_add_test(tcase, test_refused_stream_gives_its_body_in_the_reply);
	tcase_add_test(tcase, test_reader_ends_the_stream_with_its_errno);
	tcase_add_test(tcase, test_reader_may_drop_its_own_op_and_others);
	tcase_add_test(tcase, test_reader_may_drop_its_op_at_the_last_line);
	tcase_add_test(tcase, test_reader_may_send_a_request);
	tcase_add_test(tcase, test_endless_line_is_cut_off);
	tcase_add_test(tcase, test_stream_ends_when_it_stalls);
	tcase_add_test(tcase, test_stream_that_is_not_answered_times_out);
	tcase_add_test(tcase, test_idle_stream_never_wakes_the_loop);
	suite_add_tcase(suite, tcase);
	return suite;
}
