/* Runs the suites of common/varlink*.c, and serves the connection that they use. */
#include "tests/unit/test-varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"

#define PREFIX "org.test.Test."

static void on_call(struct varlink_connection *connection, const struct varlink_call *call,
		    void *userdata)
{
	struct served *served = userdata;
	const char *method = call->method + strlen(PREFIX);

	ck_assert_int_eq(strncmp(call->method, PREFIX, strlen(PREFIX)), 0);
	ck_assert_int_eq(buf_printf(&served->calls, "%s ", method), 0);
	if (strcmp(method, "Echo") == 0)
		varlink_answer(connection, value_ref(call->parameters));
	else if (strcmp(method, "Refuse") == 0)
		varlink_fail(connection, PREFIX "Refused", NULL);
	else if (strcmp(method, "Follow") == 0)
		varlink_stream(connection, value_put(value_new_map(), "state", value_new_int(0)));
	else
		ck_assert_str_eq(method, "Later");
}

static void on_closed(struct varlink_connection *connection, const char *reason, void *userdata)
{
	struct served *served = userdata;

	ck_assert_ptr_null(served->closed);
	served->closed = xstrdup(reason);
	if (!served->keep_on_close)
		served->connection = varlink_connection_free(served->connection);
}

static const struct varlink_connection_hooks hooks = { .call = on_call, .closed = on_closed };

void served_init(struct served *served, size_t message_max)
{
	int fds[2];

	*served = (struct served){ .calls = BUF_INIT(1 * MIB), .got = BUF_INIT(8 * MIB) };
	clock_fake_init(&served->clock, 1000000);
	served->loop = loop_new(&served->clock.clock);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	served->client = fds[0];
	served->connection =
	    varlink_connection_new(served->loop, fds[1], message_max, &hooks, served);
}

void served_done(struct served *served)
{
	varlink_connection_free(served->connection);
	loop_free(served->loop);
	if (served->client >= 0)
		(void)close(served->client);
	buf_done(&served->calls);
	buf_done(&served->got);
	free(served->closed);
}

void served_run(struct served *served)
{
	for (unsigned i = 0; i < 20; i++)
		loop_once(served->loop, false);
}

void served_send(struct served *served, const char *text)
{
	_cleanup_free_ char *bytes = xstrdup(text);
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		bytes[i] = bytes[i] == '\'' ? '"' : bytes[i] == '|' ? '\0' : bytes[i];
	ck_assert_int_eq(send(served->client, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Returns whether something came. */
static bool receive_some(struct served *served)
{
	char bytes[4096];
	ssize_t n = recv(served->client, bytes, sizeof(bytes), 0);

	for (ssize_t i = 0; i < n; i++)
		bytes[i] = (char)(bytes[i] == '"' ? '\'' : bytes[i] == '\0' ? '|' : bytes[i]);
	if (n > 0)
		ck_assert_int_eq(buf_append(&served->got, bytes, (size_t)n), 0);
	return n > 0;
}

const char *served_receive(struct served *served)
{
	buf_reset(&served->got);
	do
		served_run(served);
	while (receive_some(served));
	return served->got.data;
}

void served_advance(struct served *served, unsigned seconds)
{
	clock_fake_advance(&served->clock, seconds * NSEC_PER_SEC);
	served_run(served);
}

int main(void)
{
	SRunner *runner = srunner_create(frames_suite());
	int failed;

	srunner_add_suite(runner, connection_suite());
	srunner_add_suite(runner, client_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
