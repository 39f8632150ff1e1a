/* Tests of common/varlink-client.c, against sockets that the test itself holds. */
#include "tests/unit/test-varlink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"

/* A listening socket in a directory of its own. */
struct listener {
	char directory[64];
	struct sockaddr_un address;
	int fd;
};

static void listener_init(struct listener *listener, int backlog)
{
	*listener = (struct listener){ .address.sun_family = AF_UNIX };
	strcpy(listener->directory, "/tmp/agentd-varlink-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(listener->directory));
	snprintf(listener->address.sun_path, sizeof(listener->address.sun_path), "%s/s",
		 listener->directory);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener->fd, (const struct sockaddr *)&listener->address,
			      sizeof(listener->address)),
			 0);
	ck_assert_int_eq(listen(listener->fd, backlog), 0);
}

static void listener_done(struct listener *listener)
{
	(void)close(listener->fd);
	(void)unlink(listener->address.sun_path);
	(void)rmdir(listener->directory);
}
DEFINE_CLEANUP_VALUE(struct listener, listener_done)

static uint64_t in_ms(unsigned ms)
{
	return clock_ns(clock_system()) + ms * NSEC_PER_MSEC;
}

static struct varlink_client *connect_to(const struct listener *listener, int *ret_server)
{
	struct varlink_client *client = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(varlink_client_connect(listener->address.sun_path, clock_system(),
						in_ms(10000), &client, &err),
			 0);
	*ret_server = accept(listener->fd, NULL, NULL);
	ck_assert_int_ge(*ret_server, 0);
	return client;
}

START_TEST(test_call_is_sent_and_its_replies_are_received)
{
	static const char replies[] = "{\"parameters\":{\"a\":1},\"continues\":true}\0{}";
	_cleanup_(listener_done) struct listener listener;
	_cleanup_(varlink_client_free) struct varlink_client *client = NULL;
	_cleanup_(varlink_reply_done) struct varlink_reply first = { 0 };
	_cleanup_(varlink_reply_done) struct varlink_reply second = { 0 };
	const struct varlink_call call = { .method = (char *)"a.b.C", .more = true };
	struct error err = ERROR_INIT;
	char got[100] = "";
	int server;

	listener_init(&listener, 1);
	client = connect_to(&listener, &server);
	ck_assert_int_eq(varlink_client_send(client, &call, in_ms(10000), &err), 0);
	ck_assert_int_gt(recv(server, got, sizeof(got), 0), 0);
	ck_assert_str_eq(got, "{\"method\":\"a.b.C\",\"more\":true}");
	ck_assert_int_eq(send(server, replies, sizeof(replies), 0), sizeof(replies));

	ck_assert_int_eq(varlink_client_receive(client, in_ms(10000), &first, &err), 0);
	ck_assert(first.continues && value_count(first.parameters) == 1);
	ck_assert_int_eq(varlink_client_receive(client, in_ms(10000), &second, &err), 0);
	ck_assert(!second.continues && !second.error);
	(void)close(server);
}
END_TEST

START_TEST(test_silent_server_is_given_up_at_the_deadline)
{
	_cleanup_(listener_done) struct listener listener;
	_cleanup_(varlink_client_free) struct varlink_client *client = NULL;
	struct varlink_reply reply = { 0 };
	struct error err = ERROR_INIT;
	int server;

	listener_init(&listener, 1);
	client = connect_to(&listener, &server);
	ck_assert_int_eq(varlink_client_receive(client, in_ms(20), &reply, &err), -ETIMEDOUT);
	(void)close(server);
}
END_TEST

START_TEST(test_full_queue_of_the_server_is_given_up_at_the_deadline)
{
	_cleanup_(listener_done) struct listener listener;
	_cleanup_(varlink_client_free) struct varlink_client *first = NULL;
	struct varlink_client *second = NULL;
	struct error err = ERROR_INIT;

	listener_init(&listener, 0);
	ck_assert_int_eq(varlink_client_connect(listener.address.sun_path, clock_system(),
						in_ms(10000), &first, &err),
			 0);
	ck_assert_int_eq(varlink_client_connect(listener.address.sun_path, clock_system(),
						in_ms(20), &second, &err),
			 -ETIMEDOUT);
}
END_TEST

START_TEST(test_word_of_a_server_that_hangs_up_is_read)
{
	static const char busy[] = "{\"error\":\"a.b.Busy\"}";
	_cleanup_(listener_done) struct listener listener;
	_cleanup_(varlink_client_free) struct varlink_client *client = NULL;
	_cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };
	const struct varlink_call call = { .method = (char *)"a.b.C" };
	struct error err = ERROR_INIT;
	int server;

	listener_init(&listener, 1);
	client = connect_to(&listener, &server);
	ck_assert_int_eq(send(server, busy, sizeof(busy), 0), sizeof(busy));
	(void)close(server);
	ck_assert_int_eq(varlink_client_send(client, &call, in_ms(10000), &err), 0);
	ck_assert_int_eq(varlink_client_receive(client, in_ms(10000), &reply, &err), 0);
	ck_assert_str_eq(reply.error, "a.b.Busy");
	varlink_reply_done(&reply);
	ck_assert_int_eq(varlink_client_receive(client, in_ms(10000), &reply, &err), -ECONNRESET);
}
END_TEST

START_TEST(test_missing_and_dead_sockets_are_told_apart)
{
	_cleanup_(listener_done) struct listener listener;
	struct varlink_client *client = NULL;
	struct error missing = ERROR_INIT, dead = ERROR_INIT;

	listener_init(&listener, 1);
	ck_assert_int_eq(varlink_client_connect("/nonexistent/socket", clock_system(), in_ms(10000),
						&client, &missing),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(missing.message, "/nonexistent/socket"));
	(void)close(listener.fd);
	listener.fd = -1;
	ck_assert_int_eq(varlink_client_connect(listener.address.sun_path, clock_system(),
						in_ms(10000), &client, &dead),
			 -ECONNREFUSED);
}
END_TEST

START_TEST(test_path_that_does_not_fit_is_an_error)
{
	struct varlink_client *client = NULL;
	struct error err = ERROR_INIT;
	char path[300];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(varlink_client_connect(path, clock_system(), UINT64_MAX, &client, &err),
			 -ENAMETOOLONG);
}
END_TEST

START_TEST(test_endless_reply_is_cut_off)
{
	_cleanup_(listener_done) struct listener listener;
	_cleanup_(varlink_client_free) struct varlink_client *client = NULL;
	_cleanup_free_ char *text = xcalloc(1, 64 * KIB);
	struct varlink_reply reply = { 0 };
	struct error err = ERROR_INIT;
	int server, r = -ETIMEDOUT;

	listener_init(&listener, 1);
	client = connect_to(&listener, &server);
	memset(text, ' ', 64 * KIB);
	for (unsigned i = 0; i < 20 && r == -ETIMEDOUT; i++) {
		(void)!send(server, text, 64 * KIB, MSG_DONTWAIT);
		r = varlink_client_receive(client, 0, &reply, &err);
	}
	ck_assert_int_eq(r, -EMSGSIZE);
	(void)close(server);
}
END_TEST

Suite *client_suite(void)
{
	Suite *suite = suite_create("varlink-client");
	TCase *cases = tcase_create("client");

	tcase_add_test(cases, test_call_is_sent_and_its_replies_are_received);
	tcase_add_test(cases, test_silent_server_is_given_up_at_the_deadline);
	tcase_add_test(cases, test_full_queue_of_the_server_is_given_up_at_the_deadline);
	tcase_add_test(cases, test_word_of_a_server_that_hangs_up_is_read);
	tcase_add_test(cases, test_missing_and_dead_sockets_are_told_apart);
	tcase_add_test(cases, test_path_that_does_not_fit_is_an_error);
	tcase_add_test(cases, test_endless_reply_is_cut_off);
	suite_add_tcase(suite, cases);
	return suite;
}
