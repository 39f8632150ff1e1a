/* Tests of common/varlink.c: frames, calls and replies. */
#include "tests/unit/test-varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/* A small generator of its own, so that a failure repeats. */
static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* Feeds a stream in chunks and appends each message and a '/' to got. Returns what peek said last.
 */
static int cut(struct varlink_frames *frames, const char *stream, size_t length, unsigned seed,
	       struct buf *got)
{
	size_t at = 0, message_length;
	const char *message;
	int r = 0;

	while (at < length && r >= 0) {
		size_t chunk = 1 + next_random(&seed) % 7;

		at += varlink_frames_feed(frames, stream + at, MIN(chunk, length - at));
		while ((r = varlink_frames_peek(frames, &message, &message_length)) > 0) {
			ck_assert_uint_eq(strlen(message), message_length);
			ck_assert_int_eq(buf_printf(got, "%s/", message), 0);
			varlink_frames_drop(frames);
		}
	}
	return r;
}

START_TEST(test_messages_do_not_depend_on_how_the_stream_is_cut)
{
	static const char stream[] = "{\"a\":1}\0\0{}\0a long one with some text\0x";

	for (unsigned seed = 0; seed < 200; seed++) {
		_cleanup_(varlink_frames_done) struct varlink_frames frames =
		    VARLINK_FRAMES_INIT(40);
		_cleanup_(buf_done) struct buf got = BUF_INIT(1000);

		ck_assert_int_eq(cut(&frames, stream, sizeof(stream) - 1, seed, &got), 0);
		ck_assert_str_eq(got.data, "{\"a\":1}//{}/a long one with some text/");
		ck_assert(!varlink_frames_is_empty(&frames));
	}
}
END_TEST

START_TEST(test_message_of_the_limit_passes_and_one_byte_more_does_not)
{
	_cleanup_(buf_done) struct buf got = BUF_INIT(1000);
	_cleanup_(varlink_frames_done) struct varlink_frames fits = VARLINK_FRAMES_INIT(8);
	_cleanup_(varlink_frames_done) struct varlink_frames over = VARLINK_FRAMES_INIT(8);

	ck_assert_int_eq(cut(&fits, "12345678", 9, 1, &got), 0);
	ck_assert_str_eq(got.data, "12345678/");
	ck_assert_int_eq(cut(&over, "123456789", 10, 1, &got), -EMSGSIZE);
	ck_assert_uint_eq(varlink_frames_room(&over), 0);
}
END_TEST

START_TEST(test_bytes_of_a_message_are_wiped_when_it_is_dropped)
{
	_cleanup_(varlink_frames_done) struct varlink_frames frames = VARLINK_FRAMES_INIT(100);
	const char *message;
	size_t length;

	(void)varlink_frames_feed(&frames, "secret\0ab\0", 10);
	ck_assert_int_eq(varlink_frames_peek(&frames, &message, &length), 1);
	varlink_frames_drop(&frames);
	/* What is left moved to the front; behind it nothing of the message may stand. */
	ck_assert_int_eq(memcmp(frames.bytes.data, "ab\0\0\0\0\0\0\0\0", 10), 0);
}
END_TEST

static int parse_call(const char *text, struct varlink_call *ret, struct error *err)
{
	_cleanup_free_ char *json = xstrdup(text);

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return varlink_call_parse(json, strlen(json), ret, err);
}

START_TEST(test_call_without_parameters_has_an_empty_map)
{
	static const char *const texts[] = {
		"{'method':'a.b.C'}",
		"{'method':'a.b.C','parameters':null}",
		"{'parameters':{},'method':'a.b.C','more':false,'oneway':null,'future':[1]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(varlink_call_done) struct varlink_call call = { 0 };
		struct error err = ERROR_INIT;

		ck_assert_int_eq(parse_call(texts[i], &call, &err), 0);
		ck_assert_str_eq(call.method, "a.b.C");
		ck_assert_int_eq(value_type(call.parameters), VALUE_MAP);
		ck_assert_uint_eq(value_count(call.parameters), 0);
		ck_assert(!call.more && !call.oneway);
	}
}
END_TEST

START_TEST(test_what_is_no_call_is_refused)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{'method':1}",
		"{'method':''}",
		"{'method':'Status'}",
		"{'method':'a.Status'}",
		"{'method':'a.b.status'}",
		"{'method':'1.b.Status'}",
		"{'method':'a..Status'}",
		"{'method':'a.b-.Status'}",
		"{'method':'a.b.Sta tus'}",
		"{'method':'a.b.C\\u0000'}",
		"{'method':'a.b.C','parameters':[]}",
		"{'method':'a.b.C','more':1}",
		"{'method':'a.b.C','oneway':'yes'}",
		"{'method':'a.b.C','upgrade':true}",
		"{'method':'a.b.C'} x",
		"{'method':'a.b.C','method':'a.b.D'}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct varlink_call call = { .method = NULL };
		struct error err = ERROR_INIT;

		ck_assert_msg(parse_call(texts[i], &call, &err) < 0, "%s", texts[i]);
		ck_assert(error_is_set(&err));
		ck_assert_ptr_null(call.method);
	}
}
END_TEST

START_TEST(test_interface_name_ends_before_the_member)
{
	size_t length = 0;

	ck_assert(varlink_name_is_valid("org.varlink.service.GetInfo", &length));
	ck_assert_uint_eq(length, strlen("org.varlink.service"));
	ck_assert(varlink_name_is_valid("io.a-b9.x.Y2z", &length));
	ck_assert_uint_eq(length, strlen("io.a-b9.x"));
}
END_TEST

START_TEST(test_call_and_reply_survive_writing_and_reading)
{
	struct value *parameters =
	    value_put(value_new_map(), "text", value_new_string("a\n\"b\xc3\xa9"));
	const struct varlink_call sent = {
		.method = (char *)"a.b.C", .parameters = parameters, .more = true, .oneway = true
	};
	const struct varlink_reply answered = { .error = (char *)"a.b.Bad",
						.parameters = parameters,
						.continues = true };
	_cleanup_(varlink_call_done) struct varlink_call call = { 0 };
	_cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(1000);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(varlink_call_write(&sent, &text), 0);
	ck_assert_int_eq(varlink_call_parse(text.data, text.length - 1, &call, &err), 0);
	ck_assert_str_eq(call.method, "a.b.C");
	ck_assert(call.more && call.oneway && value_equal(call.parameters, parameters));

	buf_reset(&text);
	ck_assert_int_eq(varlink_reply_write(&answered, &text), 0);
	ck_assert_int_eq(varlink_reply_parse(text.data, text.length - 1, &reply, &err), 0);
	ck_assert_str_eq(reply.error, "a.b.Bad");
	ck_assert(reply.continues && value_equal(reply.parameters, parameters));
	value_unref(parameters);
}
END_TEST

START_TEST(test_empty_parameters_are_left_out)
{
	const struct varlink_reply reply = { .error = NULL };
	_cleanup_(buf_done) struct buf text = BUF_INIT(1000);

	ck_assert_int_eq(varlink_reply_write(&reply, &text), 0);
	ck_assert_str_eq(text.data, "{}");
	ck_assert_uint_eq(text.length, 3);
}
END_TEST

START_TEST(test_what_is_no_reply_is_refused)
{
	static const char *const texts[] = {
		"null",	   "{\"error\":1}",	    "{\"error\":\"nope\"}", "{\"parameters\":1}",
		"{\"a\":", "{\"continues\":\"x\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct varlink_reply reply = { 0 };
		struct error err = ERROR_INIT;

		ck_assert_int_lt(varlink_reply_parse(texts[i], strlen(texts[i]), &reply, &err), 0);
		ck_assert(error_is_set(&err));
	}
}
END_TEST

Suite *frames_suite(void)
{
	Suite *suite = suite_create("varlink");
	TCase *cases = tcase_create("messages");

	tcase_add_test(cases, test_messages_do_not_depend_on_how_the_stream_is_cut);
	tcase_add_test(cases, test_message_of_the_limit_passes_and_one_byte_more_does_not);
	tcase_add_test(cases, test_bytes_of_a_message_are_wiped_when_it_is_dropped);
	tcase_add_test(cases, test_call_without_parameters_has_an_empty_map);
	tcase_add_test(cases, test_what_is_no_call_is_refused);
	tcase_add_test(cases, test_interface_name_ends_before_the_member);
	tcase_add_test(cases, test_call_and_reply_survive_writing_and_reading);
	tcase_add_test(cases, test_empty_parameters_are_left_out);
	tcase_add_test(cases, test_what_is_no_reply_is_refused);
	suite_add_tcase(suite, cases);
	return suite;
}
