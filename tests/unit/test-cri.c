/* Tests of agentd/cri without a runtime: frames, statuses and messages. What a real containerd
 * answers is in tests/integration/test_cri.py. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "agentd/cri/api.pb-c.h"
#include "agentd/cri/cri.h"
#include "agentd/cri/grpc.h"
#include "common/macros.h"

#define ck_assert_ok(expression, err) ck_assert_msg((expression) >= 0, "%s", (err).message)

START_TEST(test_a_frame_is_a_flag_and_a_length)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);

	ck_assert_int_eq(grpc_frame("abc", 3, &buf), 0);
	ck_assert_uint_eq(buf.length, 8);
	ck_assert_mem_eq(buf.data, "\0\0\0\0\3abc", 8);
	buf_reset(&buf);
	ck_assert_int_eq(grpc_frame("", 0, &buf), 0);
	ck_assert_mem_eq(buf.data, "\0\0\0\0\0", 5);
}
END_TEST

START_TEST(test_a_framed_message_comes_back)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);
	struct error err = ERROR_INIT;
	const char *message;
	size_t length;

	ck_assert_int_eq(grpc_frame("a\0b", 3, &buf), 0);
	ck_assert_ok(grpc_unframe(&buf, &message, &length, &err), err);
	ck_assert_uint_eq(length, 3);
	ck_assert_mem_eq(message, "a\0b", 3);
}
END_TEST

#define BYTES(text) text, sizeof(text) - 1

START_TEST(test_a_body_of_anything_but_one_message_is_refused)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *text;
	} rows[] = {
		{ BYTES(""), "no message" },
		{ BYTES("\0\0\0\0"), "no message" },
		{ BYTES("\0\0\0\0\1"), "1" },
		{ BYTES("\0\0\0\0\1ab"), "1" },
		{ BYTES("\0\xff\xff\xff\xff"), "4294967295" },
		{ BYTES("\1\0\0\0\1a"), "compressed" },
		{ BYTES("\0\0\0\0\0\0\0\0\0\0"), "5 bytes" },
	};
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);
	struct error err = ERROR_INIT;
	const char *message = NULL;
	size_t length = 7;

	ck_assert_int_eq(buf_append(&buf, rows[_i].bytes, rows[_i].length), 0);
	ck_assert_int_eq(grpc_unframe(&buf, &message, &length, &err), -EPROTO);
	ck_assert_ptr_nonnull(strstr(err.message, rows[_i].text));
	ck_assert_ptr_null(message);
	ck_assert_uint_eq(length, 7);
}
END_TEST

START_TEST(test_statuses_are_translated)
{
	static const struct {
		unsigned http;
		int grpc, code;
		enum error_class class;
	} rows[] = {
		{ 200, 0, 0, ERROR_NETWORK },	     { 200, 5, -ENOENT, ERROR_NETWORK },
		{ 200, 7, -EACCES, ERROR_DENIED },   { 200, 12, -ENOSYS, ERROR_NETWORK },
		{ 200, 14, -EAGAIN, ERROR_NETWORK }, { 200, 16, -EACCES, ERROR_DENIED },
		{ 200, 17, -EIO, ERROR_NETWORK },    { 200, -1, -EPROTO, ERROR_NETWORK },
		{ 404, -1, -EPROTO, ERROR_NETWORK }, { 503, 0, -EPROTO, ERROR_NETWORK },
	};
	struct http_reply reply = {
		.status = rows[_i].http,
		.grpc_status = rows[_i].grpc,
		.grpc_message = "what the server says",
	};
	struct error err = ERROR_INIT;

	ck_assert_int_eq(grpc_status_error(&reply, &err), rows[_i].code);
	ck_assert_int_eq(err.code, rows[_i].code);
	if (rows[_i].code == 0)
		return;
	ck_assert_int_eq(err.class, rows[_i].class);
	if (rows[_i].http == 200 && rows[_i].grpc > 0)
		ck_assert_ptr_nonnull(strstr(err.message, "what the server says"));
}
END_TEST

static void assert_string(const struct value *v, const char *key, const char *expected)
{
	ck_assert_str_eq(value_string_or(value_get(v, key), "(none)"), expected);
}

START_TEST(test_version_is_decoded)
{
	Runtime__V1__VersionResponse m = RUNTIME__V1__VERSION_RESPONSE__INIT;
	_cleanup_(value_unref) struct value *v = NULL;
	struct error err = ERROR_INIT;
	uint8_t bytes[256];
	size_t length;

	m.runtime_name = (char *)(uintptr_t) "containerd";
	m.runtime_version = (char *)(uintptr_t) "v2.4.2";
	m.runtime_api_version = (char *)(uintptr_t) "v1";
	length = runtime__v1__version_response__pack(&m, bytes);
	ck_assert_ok(cri_decode_version(bytes, length, &v, &err), err);
	assert_string(v, "runtimeName", "containerd");
	assert_string(v, "runtimeVersion", "v2.4.2");
	assert_string(v, "runtimeApiVersion", "v1");
}
END_TEST

/* Decodes the Status of a runtime with these conditions; name NULL leaves one out. */
static struct value *status_of(bool runtime, const char *network_type, bool network)
{
	Runtime__V1__RuntimeCondition a = RUNTIME__V1__RUNTIME_CONDITION__INIT;
	Runtime__V1__RuntimeCondition b = RUNTIME__V1__RUNTIME_CONDITION__INIT;
	Runtime__V1__RuntimeCondition *conditions[] = { &a, &b };
	Runtime__V1__RuntimeStatus status = RUNTIME__V1__RUNTIME_STATUS__INIT;
	Runtime__V1__StatusResponse m = RUNTIME__V1__STATUS_RESPONSE__INIT;
	struct error err = ERROR_INIT;
	struct value *v = NULL;
	uint8_t bytes[512];
	size_t length;

	a.type = (char *)(uintptr_t) "RuntimeReady";
	a.status = runtime;
	a.reason = (char *)(uintptr_t) "RuntimeIsDown";
	a.message = (char *)(uintptr_t) "shim crashed";
	b.type = (char *)(uintptr_t)network_type;
	b.status = network;
	b.reason = (char *)(uintptr_t) "NetworkPluginNotReady";
	b.message = (char *)(uintptr_t) "cni plugin not initialized";
	status.n_conditions = network_type ? 2 : 1;
	status.conditions = conditions;
	m.status = &status;
	length = runtime__v1__status_response__pack(&m, bytes);
	ck_assert_ok(cri_decode_status(bytes, length, &v, &err), err);
	return v;
}

START_TEST(test_a_ready_runtime_has_no_reason)
{
	_cleanup_(value_unref) struct value *v = status_of(true, "NetworkReady", true);

	ck_assert(value_is_true(value_get(v, "runtimeReady")));
	ck_assert(value_is_true(value_get(v, "networkReady")));
	assert_string(v, "reason", "");
	assert_string(v, "message", "");
}
END_TEST

START_TEST(test_a_missing_pod_network_is_told)
{
	_cleanup_(value_unref) struct value *v = status_of(true, "NetworkReady", false);

	ck_assert(value_is_true(value_get(v, "runtimeReady")));
	ck_assert(!value_is_true(value_get(v, "networkReady")));
	assert_string(v, "reason", "NetworkPluginNotReady");
	assert_string(v, "message", "cni plugin not initialized");
}
END_TEST

START_TEST(test_the_runtime_is_the_first_reason)
{
	_cleanup_(value_unref) struct value *v = status_of(false, "NetworkReady", false);

	assert_string(v, "reason", "RuntimeIsDown");
	assert_string(v, "message", "shim crashed");
}
END_TEST

START_TEST(test_a_condition_that_is_not_told_is_not_true)
{
	_cleanup_(value_unref) struct value *without = status_of(true, NULL, false);
	_cleanup_(value_unref) struct value *other = status_of(true, "SomethingElse", true);
	_cleanup_(value_unref) struct value *none = NULL;
	struct error err = ERROR_INIT;

	ck_assert(!value_is_true(value_get(without, "networkReady")));
	ck_assert(!value_is_true(value_get(other, "networkReady")));
	ck_assert_ok(cri_decode_status("", 0, &none, &err), err);
	ck_assert(!value_is_true(value_get(none, "runtimeReady")));
}
END_TEST

START_TEST(test_the_cgroup_driver_is_decoded)
{
	_cleanup_(value_unref) struct value *systemd = NULL, *cgroupfs = NULL;
	struct error err = ERROR_INIT;

	/* Field 1 of length 0, where the driver has its default; then the same with 1 in it. */
	ck_assert_ok(cri_decode_runtime_config("\x0a\x00", 2, &systemd, &err), err);
	assert_string(systemd, "cgroupDriver", "systemd");
	ck_assert_ok(cri_decode_runtime_config("\x0a\x02\x08\x01", 4, &cgroupfs, &err), err);
	assert_string(cgroupfs, "cgroupDriver", "cgroupfs");
}
END_TEST

START_TEST(test_a_cgroup_driver_is_never_guessed)
{
	struct error err = ERROR_INIT;
	struct value *v = NULL;

	/* No Linux part, as on other systems; and a driver of a later CRI. */
	ck_assert_int_eq(cri_decode_runtime_config("", 0, &v, &err), -EBADMSG);
	ck_assert_int_eq(cri_decode_runtime_config("\x0a\x02\x08\x02", 4, &v, &err), -EBADMSG);
	ck_assert_ptr_null(v);
}
END_TEST

START_TEST(test_fields_of_a_later_version_are_skipped)
{
	/* Field 15 as a text, then runtime_name. */
	static const char bytes[] = "\x7a\x03new\x12\x05"
				    "cri-o";
	_cleanup_(value_unref) struct value *v = NULL;
	struct error err = ERROR_INIT;

	ck_assert_ok(cri_decode_version(bytes, sizeof(bytes) - 1, &v, &err), err);
	assert_string(v, "runtimeName", "cri-o");
}
END_TEST

START_TEST(test_bytes_that_are_no_message_are_refused)
{
	static int (*const decoders[])(const void *, size_t, struct value **, struct error *) = {
		cri_decode_version,
		cri_decode_status,
		cri_decode_runtime_config,
	};
	struct error err = ERROR_INIT;
	struct value *v = NULL;

	/* A field that is longer than the rest. */
	ck_assert_int_eq(decoders[_i]("\x0a\x7f"
				      "abc",
				      5, &v, &err),
			 -EBADMSG);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_ptr_null(v);
}
END_TEST

static Suite *cri_suite(void)
{
	Suite *suite = suite_create("cri");
	TCase *frames = tcase_create("grpc");
	TCase *messages = tcase_create("messages");

	tcase_add_test(frames, test_a_frame_is_a_flag_and_a_length);
	tcase_add_test(frames, test_a_framed_message_comes_back);
	tcase_add_loop_test(frames, test_a_body_of_anything_but_one_message_is_refused, 0, 7);
	tcase_add_loop_test(frames, test_statuses_are_translated, 0, 10);
	suite_add_tcase(suite, frames);

	tcase_add_test(messages, test_version_is_decoded);
	tcase_add_test(messages, test_a_ready_runtime_has_no_reason);
	tcase_add_test(messages, test_a_missing_pod_network_is_told);
	tcase_add_test(messages, test_the_runtime_is_the_first_reason);
	tcase_add_test(messages, test_a_condition_that_is_not_told_is_not_true);
	tcase_add_test(messages, test_the_cgroup_driver_is_decoded);
	tcase_add_test(messages, test_a_cgroup_driver_is_never_guessed);
	tcase_add_test(messages, test_fields_of_a_later_version_are_skipped);
	tcase_add_loop_test(messages, test_bytes_that_are_no_message_are_refused, 0, 3);
	suite_add_tcase(suite, messages);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(cri_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
