/* Tests of common/varlink-connection.c. */
#include "tests/unit/test-varlink.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"

START_TEST(test_reply_carries_what_the_owner_answers)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, "{'method':'org.test.Test.Echo','parameters':{'a':[1]}}|");
	ck_assert_str_eq(served_receive(&s), "{'parameters':{'a':[1]}}|");
	served_send(&s, TEST_CALL("Refuse"));
	ck_assert_str_eq(served_receive(&s), "{'error':'org.test.Test.Refused'}|");
	ck_assert_ptr_null(s.closed);
}
END_TEST

START_TEST(test_call_may_come_byte_by_byte)
{
	static const char call[] = TEST_CALL("Echo");
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	for (size_t i = 0; call[i]; i++) {
		const char byte[] = { call[i], '\0' };

		ck_assert_str_eq(served_receive(&s), "");
		served_send(&s, byte);
	}
	ck_assert_str_eq(served_receive(&s), "{}|");
}
END_TEST

START_TEST(test_pipelined_calls_are_answered_in_their_order_one_at_a_time)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, TEST_CALL("Echo") TEST_CALL("Later") TEST_CALL("Refuse"));
	ck_assert_str_eq(served_receive(&s), "{}|");
	ck_assert_str_eq(s.calls.data, "Echo Later ");
	varlink_answer(s.connection, NULL);
	ck_assert_str_eq(served_receive(&s), "{}|{'error':'org.test.Test.Refused'}|");
	ck_assert_str_eq(s.calls.data, "Echo Later Refuse ");
}
END_TEST

START_TEST(test_many_pipelined_calls_are_all_answered)
{
	_cleanup_(served_done) struct served s;
	size_t replies = 0;

	served_init(&s, VARLINK_MESSAGE_MAX);
	for (unsigned i = 0; i < 100; i++)
		served_send(&s, TEST_CALL("Echo"));
	for (const char *c = served_receive(&s); *c; c++)
		replies += *c == '|';
	ck_assert_uint_eq(replies, 100);
}
END_TEST

START_TEST(test_oneway_call_gets_no_reply)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, "{'method':'org.test.Test.Refuse','oneway':true}|" TEST_CALL("Echo"));
	ck_assert_str_eq(served_receive(&s), "{}|");
	ck_assert_str_eq(s.calls.data, "Refuse Echo ");
}
END_TEST

START_TEST(test_call_that_is_not_complete_after_five_seconds_ends_the_connection)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, TEST_CALL("Echo"));
	ck_assert_str_eq(served_receive(&s), "{}|");
	served_advance(&s, 100);
	ck_assert_ptr_null(s.closed);
	for (unsigned i = 0; i < 4; i++) {
		/* More bytes gain no more time. */
		served_send(&s, "{");
		served_run(&s);
		served_advance(&s, 1);
		ck_assert_ptr_null(s.closed);
	}
	served_advance(&s, 1);
	ck_assert_ptr_nonnull(s.closed);
	ck_assert_ptr_nonnull(strstr(s.closed, "not complete after 5 s"));
}
END_TEST

START_TEST(test_call_over_the_limit_ends_the_connection)
{
	_cleanup_(served_done) struct served s;
	_cleanup_free_ char *text = xcalloc(1, 1002);

	served_init(&s, 1000);
	memset(text, 'x', 1001);
	served_send(&s, text);
	served_run(&s);
	ck_assert_ptr_nonnull(s.closed);
	ck_assert_ptr_nonnull(strstr(s.closed, "more than 1000 bytes"));
	ck_assert_str_eq(s.calls.data, "");
}
END_TEST

START_TEST(test_nonsense_ends_the_connection)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, "GET / HTTP/1.1|");
	served_run(&s);
	ck_assert_ptr_nonnull(s.closed);
	ck_assert_ptr_nonnull(strstr(s.closed, "call:1:"));
}
END_TEST

START_TEST(test_half_closed_client_gets_the_replies_to_what_it_asked)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, TEST_CALL("Later") TEST_CALL("Echo") "{'meth");
	ck_assert_int_eq(shutdown(s.client, SHUT_WR), 0);
	served_run(&s);
	ck_assert_ptr_null(s.closed);
	varlink_answer(s.connection, NULL);
	ck_assert_str_eq(served_receive(&s), "{}|{}|");
	ck_assert_str_eq(s.closed, "the client is done");
}
END_TEST

START_TEST(test_half_closed_client_gets_the_state_and_no_stream)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, "{'method':'org.test.Test.Follow','more':true}|");
	ck_assert_int_eq(shutdown(s.client, SHUT_WR), 0);
	ck_assert_str_eq(served_receive(&s), "{'parameters':{'state':0},'continues':true}|");
	ck_assert_ptr_nonnull(s.closed);
}
END_TEST

START_TEST(test_owner_learns_at_once_that_nobody_waits_any_more)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	s.keep_on_close = true;
	served_send(&s, TEST_CALL("Later"));
	served_run(&s);
	(void)close(s.client);
	s.client = -1;
	served_run(&s);
	ck_assert_str_eq(s.closed, "the client is gone");
	/* An answer that comes too late goes nowhere. */
	varlink_answer(s.connection, NULL);
	served_run(&s);
}
END_TEST

static struct value *state(int number, size_t size)
{
	_cleanup_free_ char *text = xcalloc(1, size + 1);
	struct value *map = value_put(value_new_map(), "state", value_new_int(number));

	memset(text, 'x', size);
	return value_put(map, "padding", value_new_string(text));
}

START_TEST(test_stream_goes_on_until_it_is_answered)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, "{'method':'org.test.Test.Follow','more':true}|");
	ck_assert_str_eq(served_receive(&s), "{'parameters':{'state':0},'continues':true}|");
	varlink_stream(s.connection, value_put(value_new_map(), "state", value_new_int(1)));
	ck_assert_str_eq(served_receive(&s), "{'parameters':{'state':1},'continues':true}|");
	served_send(&s, TEST_CALL("Echo"));
	ck_assert_str_eq(served_receive(&s), "");
	varlink_answer(s.connection, NULL);
	ck_assert_str_eq(served_receive(&s), "{}|{}|");
}
END_TEST

START_TEST(test_slow_reader_gets_the_newest_state_and_no_queue)
{
	_cleanup_(served_done) struct served s;
	unsigned replies = 0;
	const char *got;

	served_init(&s, 1000);
	served_send(&s, "{'method':'org.test.Test.Follow','more':true}|");
	served_run(&s);
	for (int i = 1; i <= 1000; i++) {
		varlink_stream(s.connection, state(i, 20000));
		loop_once(s.loop, false);
		served_advance(&s, 1);
	}
	ck_assert_ptr_null(s.closed);
	got = served_receive(&s);
	for (const char *c = got; *c; c++)
		replies += *c == '|';
	/* The first, what the kernel's buffer holds, one in our buffer, and the newest. */
	ck_assert_uint_ge(replies, 2);
	ck_assert_uint_le(replies, 6);
	ck_assert_ptr_nonnull(strstr(got, "'state':1000,"));
	varlink_stream(s.connection, state(1001, 20000));
	ck_assert_ptr_nonnull(strstr(served_receive(&s), "'state':1001,"));
}
END_TEST

START_TEST(test_reply_that_nobody_takes_ends_the_connection)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, TEST_CALL("Later"));
	served_run(&s);
	varlink_answer(s.connection, state(0, 500000));
	served_run(&s);
	served_advance(&s, 29);
	ck_assert_ptr_null(s.closed);
	served_advance(&s, 1);
	ck_assert_ptr_nonnull(s.closed);
	ck_assert_ptr_nonnull(strstr(s.closed, "not taken within 30 s"));
}
END_TEST

START_TEST(test_large_reply_arrives_whole)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, TEST_CALL("Later"));
	served_run(&s);
	varlink_answer(s.connection, state(7, 900000));
	ck_assert_uint_gt(strlen(served_receive(&s)), 900000);
	ck_assert_int_eq(s.got.data[s.got.length - 1], '|');
	ck_assert_ptr_null(s.closed);
}
END_TEST

START_TEST(test_reply_over_the_limit_ends_the_connection)
{
	_cleanup_(served_done) struct served s;

	served_init(&s, 1000);
	served_send(&s, TEST_CALL("Later"));
	served_run(&s);
	varlink_answer(s.connection, state(7, VARLINK_MESSAGE_MAX));
	ck_assert_str_eq(served_receive(&s), "");
	ck_assert_str_eq(s.closed, "a reply of more than 1 MiB");
}
END_TEST

START_TEST(test_descriptors_that_a_client_sends_are_not_kept)
{
	_cleanup_(served_done) struct served s;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char text[] = "{";
	struct iovec part = { .iov_base = text, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	int pipe_fds[2];
	char byte;

	served_init(&s, 1000);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &pipe_fds[1], sizeof(int));
	ck_assert_int_eq(sendmsg(s.client, &message, 0), 1);
	(void)close(pipe_fds[1]);
	served_run(&s);
	/* With the last writer gone there is nothing to wait for. */
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 0);
	(void)close(pipe_fds[0]);
}
END_TEST

Suite *connection_suite(void)
{
	Suite *suite = suite_create("varlink-connection");
	TCase *cases = tcase_create("connection");

	tcase_add_test(cases, test_reply_carries_what_the_owner_answers);
	tcase_add_test(cases, test_call_may_come_byte_by_byte);
	tcase_add_test(cases, test_pipelined_calls_are_answered_in_their_order_one_at_a_time);
	tcase_add_test(cases, test_many_pipelined_calls_are_all_answered);
	tcase_add_test(cases, test_oneway_call_gets_no_reply);
	tcase_add_test(cases,
		       test_call_that_is_not_complete_after_five_seconds_ends_the_connection);
	tcase_add_test(cases, test_call_over_the_limit_ends_the_connection);
	tcase_add_test(cases, test_nonsense_ends_the_connection);
	tcase_add_test(cases, test_half_closed_client_gets_the_replies_to_what_it_asked);
	tcase_add_test(cases, test_half_closed_client_gets_the_state_and_no_stream);
	tcase_add_test(cases, test_owner_learns_at_once_that_nobody_waits_any_more);
	tcase_add_test(cases, test_stream_goes_on_until_it_is_answered);
	tcase_add_test(cases, test_slow_reader_gets_the_newest_state_and_no_queue);
	tcase_add_test(cases, test_reply_that_nobody_takes_ends_the_connection);
	tcase_add_test(cases, test_large_reply_arrives_whole);
	tcase_add_test(cases, test_reply_over_the_limit_ends_the_connection);
	tcase_add_test(cases, test_descriptors_that_a_client_sends_are_not_kept);
	suite_add_tcase(suite, cases);
	return suite;
}
