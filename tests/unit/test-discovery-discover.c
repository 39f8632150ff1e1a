/* The stages of discovery, with a script in the place of common/http.c and a clock that stands
 * still: who is asked, what is trusted while asking, and for how long. */
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/http.h"
#include "common/json.h"
#include "discovery/discover.h"
#include "discovery/jws.h"
#include "discovery/kubeconfig.h"
#include "pki/ca.h"
#include "pki/pin.h"
#include "tests/unit/test-discovery.h"

#define NOW  INT64_C(1750000000)
#define YEAR (INT64_C(365) * 24 * 3600)

/* One answer of the script; the last one answers for ever. */
struct answer {
	unsigned status;
	const char *body;
	enum error_class class; /* status 0: the request fails with this class */
};

static struct script {
	const struct answer *answers;
	unsigned count, asked;
	char *urls[2], *trusted[2]; /* of the first request and the last one */
	bool insecure[2];
} script;

struct http {
	struct loop *loop;
	char *ca_pem;
	bool insecure;
};

struct http *http_new(struct loop *loop, const struct http_identity *identity)
{
	struct http *http = NEW(struct http);

	ck_assert_ptr_null(identity->bearer);
	ck_assert_ptr_null(identity->certificate_pem);
	ck_assert_ptr_null(identity->key_pem);
	*http = (struct http){
		.loop = loop,
		.ca_pem = xstrdup(identity->ca_pem),
		.insecure = identity->insecure,
	};
	return http;
}

struct http *http_free(struct http *http)
{
	if (http)
		free(http->ca_pem);
	free(http);
	return NULL;
}

static void reply_free(void *impl)
{
	struct http_reply *reply = impl;

	buf_done(&reply->body);
	free(reply);
}

static const struct op_kind reply_kind = { .name = "scripted request", .free = reply_free };

static void remember(const struct http *http, const char *url, unsigned at)
{
	free(script.urls[at]);
	free(script.trusted[at]);
	script.urls[at] = xstrdup(url);
	script.trusted[at] = xstrdup(http->ca_pem);
	script.insecure[at] = http->insecure;
}

struct op *http_send(struct http *http, const struct http_request *request, struct error *err)
{
	const struct answer *answer = &script.answers[MIN(script.asked, script.count - 1)];
	struct error error = ERROR_INIT;
	struct http_reply *reply;
	struct op *op;

	ck_assert_str_eq(request->method, "GET");
	ck_assert_uint_eq(request->timeout_ms, 5000);
	ck_assert_uint_eq(request->reply_cap, 64 * KIB);
	if (script.asked++ == 0)
		remember(http, request->url, 0);
	remember(http, request->url, 1);
	if (answer->status == 0) {
		(void)error_set(&error, answer->class, -ECONNREFUSED, "GET %s: refused",
				request->url);
		return op_new_failed(http->loop, &error);
	}
	reply = NEW(struct http_reply);
	*reply = (struct http_reply){ .status = answer->status, .body = BUF_INIT(64 * KIB) };
	(void)buf_append_string(&reply->body, answer->body);
	op = op_new(http->loop, &reply_kind, reply);
	op_complete(op, NULL);
	return op;
}

const struct http_reply *http_reply(const struct op *op)
{
	ck_assert_ptr_eq(op_kind_of(op), &reply_kind);
	return op_impl(op);
}

int http_status_error(const struct http_reply *reply, const char *text, struct error *err)
{
	if (reply->status == 200)
		return 0;
	return error_set(err, ERROR_NETWORK, -EIO, "%s: status %u", text, reply->status);
}

/* A cluster, its cluster-info, and a loop to find it on. */
struct search {
	struct clock_fake clock;
	struct loop *loop;
	struct token token;
	struct strv pins;
	char *ca_pem, *honest, *other, *unsigned_text;
	struct discover_request request;
};

static char *cluster_info(const struct search *search, const char *server, bool is_signed)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB), signature = BUF_INIT(KIB);
	_cleanup_(buf_done) struct buf body = BUF_INIT(64 * KIB);
	_cleanup_(value_unref) struct value *map = value_new_map();
	struct error err = ERROR_INIT;

	ck_assert_int_eq(kubeconfig_write_cluster_info(server, search->ca_pem, &text), 0);
	ck_assert_ok(jws_sign(&search->token, text.data, text.length, &signature, &err), err);
	map = value_put(map, "kind", value_new_string("ConfigMap"));
	map = value_put_at(map, value_new_string("cluster-info"), "metadata", "name");
	map = value_put_at(map, value_new_string("kube-public"), "metadata", "namespace");
	map = value_put_at(map, value_new_string(text.data), "data", "kubeconfig");
	if (is_signed)
		map = value_put_at(map, value_new_string(signature.data), "data",
				   "jws-kubeconfig-abcdef");
	ck_assert_int_eq(json_write(map, 0, &body), 0);
	return buf_take(&body);
}

static void search_init(struct search *search)
{
	_cleanup_(key_unref) struct key *key = NULL;
	_cleanup_(cert_unref) struct cert *ca = NULL;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct error err = ERROR_INIT;
	char pin[72];

	*search = (struct search){ 0 };
	script = (struct script){ 0 };
	clock_fake_init(&search->clock, NOW);
	search->loop = loop_new(&search->clock.clock);
	fixture_token(&search->token);
	ck_assert_ok(key_generate(KEY_ECDSA_P256, &key, &err), err);
	ck_assert_ok(ca_self_sign(key, "kubernetes", NOW, NOW + YEAR, &ca, &err), err);
	cert_to_pem(ca, &pem);
	search->ca_pem = buf_take(&pem);
	pin_of(ca, pin);
	strv_add(&search->pins, pin);
	search->honest = cluster_info(search, "https://10.0.0.1:6443", true);
	search->other = cluster_info(search, "https://10.0.0.2:6443", true);
	search->unsigned_text = cluster_info(search, "https://10.0.0.1:6443", false);
	search->request = (struct discover_request){
		.endpoint = "cp.example.com:6443",
		.token = &search->token,
		.pins = &search->pins,
	};
}

static void search_done(struct search *search)
{
	loop_free(search->loop);
	token_done(&search->token);
	strv_done(&search->pins);
	free(search->ca_pem);
	free(search->honest);
	free(search->other);
	free(search->unsigned_text);
	for (int i = 0; i < 2; i++) {
		free(script.urls[i]);
		free(script.trusted[i]);
	}
	script = (struct script){ 0 };
}
DEFINE_CLEANUP_VALUE(struct search, search_done)

/* Starts and runs to the end. NULL only if it cannot start. */
static struct op *run(struct search *search, const struct answer *answers, unsigned count,
		      struct error *err)
{
	struct op *op;

	script.answers = answers;
	script.count = count;
	op = discover_start(search->loop, &search->request, err);
	while (op && !op_is_done(op)) {
		uint64_t deadline = loop_next_deadline(search->loop);

		if (deadline != UINT64_MAX && deadline > search->clock.now_ns)
			clock_fake_advance(&search->clock, deadline - search->clock.now_ns);
		loop_once(search->loop, false);
	}
	return op;
}

static int fails(struct search *search, const struct answer *answers, unsigned count,
		 struct error *err)
{
	_cleanup_(op_drop) struct op *op = run(search, answers, count, err);
	const struct clusterinfo *info;

	if (!op)
		return err->code;
	info = discover_result(op);
	ck_assert_int_lt(op_result(op, err), 0);
	ck_assert_ptr_null(info->server);
	ck_assert_ptr_null(info->ca_pem);
	ck_assert_ptr_null(info->kubeconfig);
	return err->code;
}

START_TEST(test_second_request_trusts_the_pinned_ca_alone)
{
	_cleanup_(search_done) struct search search = { 0 };
	_cleanup_(op_drop) struct op *op = NULL;
	struct error err = ERROR_INIT;
	struct answer answers[1];

	search_init(&search);
	answers[0] = (struct answer){ 200, search.honest };
	op = run(&search, answers, 1, &err);
	ck_assert_ptr_null(op_error(op));
	ck_assert_str_eq(discover_result(op)->server, "https://10.0.0.1:6443");
	ck_assert_str_eq(discover_result(op)->ca_pem, search.ca_pem);
	ck_assert_uint_eq(script.asked, 2);
	ck_assert_str_eq(script.urls[0], "https://cp.example.com:6443/api/v1/namespaces/kube-public"
					 "/configmaps/cluster-info");
	ck_assert_str_eq(script.urls[1], script.urls[0]);
	ck_assert(script.insecure[0] && !script.insecure[1]);
	ck_assert_ptr_null(script.trusted[0]);
	ck_assert_str_eq(script.trusted[1], search.ca_pem);
}
END_TEST

START_TEST(test_second_answer_must_be_the_first)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[2];

	search_init(&search);
	answers[0] = (struct answer){ 200, search.honest };
	answers[1] = (struct answer){ 200, search.other };
	ck_assert_int_eq(fails(&search, answers, 2, &err), -EKEYREJECTED);
	ck_assert_int_eq(err.class, ERROR_TRUST);
}
END_TEST

START_TEST(test_refused_server_certificate_says_what_to_check)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[2];

	search_init(&search);
	answers[0] = (struct answer){ 200, search.honest };
	answers[1] = (struct answer){ .class = ERROR_TRUST };
	ck_assert_int_lt(fails(&search, answers, 2, &err), 0);
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_part(err.message, "certSANs");
	ck_assert_part(err.message, "clock");
	ck_assert_part(err.message, "caCertHashes");
}
END_TEST

START_TEST(test_lost_connection_is_no_matter_of_trust)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[2];

	search_init(&search);
	answers[0] = (struct answer){ 200, search.honest };
	answers[1] = (struct answer){ .class = ERROR_NETWORK };
	ck_assert_int_lt(fails(&search, answers, 2, &err), 0);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_int_lt(fails(&search, answers + 1, 1, &err), 0);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
}
END_TEST

/* 403 is what strangers get while no token is live. */
static const struct {
	unsigned status;
	int code;
} closed[] = { { 401, -ETIMEDOUT }, { 403, -EKEYEXPIRED }, { 404, -ETIMEDOUT } };

START_TEST(test_closed_cluster_info_is_waited_for_half_a_minute)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[1];

	search_init(&search);
	answers[0] = (struct answer){ closed[_i].status, "{}" };
	ck_assert_int_eq(fails(&search, answers, 1, &err), closed[_i].code);
	ck_assert_int_eq(err.class, ERROR_PENDING);
	ck_assert_part(err.message, "agentctl token create");
	/* Twice a second, and the timer's slack. */
	ck_assert_uint_ge(script.asked, 55);
	ck_assert_uint_le(script.asked, 62);
	ck_assert_uint_ge(search.clock.now_ns, 30 * NSEC_PER_SEC);
	ck_assert_uint_lt(search.clock.now_ns, 32 * NSEC_PER_SEC);
}
END_TEST

START_TEST(test_missing_signature_is_waited_for_half_a_minute)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[1];

	search_init(&search);
	answers[0] = (struct answer){ 200, search.unsigned_text };
	ck_assert_int_eq(fails(&search, answers, 1, &err), -EKEYEXPIRED);
	ck_assert_int_eq(err.class, ERROR_PENDING);
	ck_assert_part(err.message, "abcdef");
	ck_assert_part(err.message, "expired");
	ck_assert_uint_lt(search.clock.now_ns, 32 * NSEC_PER_SEC);
}
END_TEST

START_TEST(test_cluster_that_comes_up_late_is_found)
{
	_cleanup_(search_done) struct search search = { 0 };
	_cleanup_(op_drop) struct op *op = NULL;
	struct error err = ERROR_INIT;
	struct answer answers[6];

	search_init(&search);
	answers[0] = (struct answer){ 404, "{}" };
	answers[1] = (struct answer){ 403, "{}" };
	answers[2] = (struct answer){ 200, search.unsigned_text };
	answers[3] = (struct answer){ 200, search.honest };
	answers[4] = (struct answer){ 403, "{}" }; /* closed for a moment, between the two */
	answers[5] = (struct answer){ 200, search.honest };
	op = run(&search, answers, 6, &err);
	ck_assert_ptr_null(op_error(op));
	ck_assert_str_eq(discover_result(op)->server, "https://10.0.0.1:6443");
	ck_assert_uint_eq(script.asked, 6);
}
END_TEST

START_TEST(test_nonsense_is_a_matter_of_the_network)
{
	static const struct answer answers[] = {
		{ 500, "" }, { 302, "" }, { 200, "<html>" }, { 200, "{}" }
	};
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;

	search_init(&search);
	ck_assert_int_lt(fails(&search, &answers[_i], 1, &err), 0);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
	ck_assert_part(err.message, "https://cp.example.com:6443");
}
END_TEST

START_TEST(test_nonsense_over_verified_tls_is_no_better)
{
	static const struct answer nonsense[] = { { 500, "" }, { 200, "<html>" } };
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[2];

	search_init(&search);
	answers[0] = (struct answer){ 200, search.honest };
	answers[1] = nonsense[_i];
	ck_assert_int_lt(fails(&search, answers, 2, &err), 0);
	ck_assert_int_eq(err.class, ERROR_NETWORK);
}
END_TEST

START_TEST(test_request_that_cannot_succeed_is_not_started)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;

	search_init(&search);
	search.request.endpoint = "2001:db8::1:6443";
	ck_assert_int_eq(fails(&search, NULL, 1, &err), -EINVAL);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	search.request.endpoint = "10.0.0.1:6443";
	strv_done(&search.pins);
	ck_assert_int_eq(fails(&search, NULL, 1, &err), -EINVAL);
	ck_assert_part(err.message, "caCertHashes");
	search.request.token = NULL;
	ck_assert_int_eq(fails(&search, NULL, 1, &err), -EINVAL);
	ck_assert_part(err.message, "token");
	ck_assert_uint_eq(script.asked, 0);
}
END_TEST

START_TEST(test_dropped_search_asks_no_more)
{
	_cleanup_(search_done) struct search search = { 0 };
	struct error err = ERROR_INIT;
	struct answer answers[1];
	struct op *op;

	search_init(&search);
	answers[0] = (struct answer){ 403, "{}" };
	script.answers = answers;
	script.count = 1;
	op = discover_start(search.loop, &search.request, &err);
	while (script.asked == 0)
		loop_once(search.loop, false);
	op_drop(op);
	clock_fake_advance(&search.clock, 60 * NSEC_PER_SEC);
	loop_once(search.loop, false);
	ck_assert_uint_eq(script.asked, 1);
}
END_TEST

/* A discovery file with this server and the search's CA; the caller removes it. */
static char *write_file(const struct search *search, const char *server, const char *ca_pem)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);
	char *path = xstrdup("/tmp/test-discovery-XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(kubeconfig_write_cluster_info(server, ca_pem, &text), 0);
	ck_assert_int_eq(write(fd, text.data, text.length), (ssize_t)text.length);
	(void)close(fd);
	return path;
}

static const unsigned enough[] = { 200, 401, 403 };

START_TEST(test_files_server_that_proves_itself_is_enough)
{
	_cleanup_(search_done) struct search search = { 0 };
	_cleanup_(op_drop) struct op *op = NULL;
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;
	struct answer answers[1];

	search_init(&search);
	path = write_file(&search, "https://192.0.2.1:6443/", search.ca_pem);
	search.request = (struct discover_request){ .file_path = path };
	answers[0] = (struct answer){ enough[_i], search.other };
	op = run(&search, answers, 1, &err);
	ck_assert_ptr_null(op_error(op));
	ck_assert_str_eq(discover_result(op)->server, "https://192.0.2.1:6443/");
	ck_assert_str_eq(discover_result(op)->ca_pem, search.ca_pem);
	ck_assert_ptr_null(discover_result(op)->kubeconfig);
	ck_assert_uint_eq(script.asked, 1);
	ck_assert(!script.insecure[0]);
	ck_assert_str_eq(script.trusted[0], search.ca_pem);
	ck_assert_str_eq(script.urls[0], "https://192.0.2.1:6443/api/v1/namespaces/kube-public"
					 "/configmaps/cluster-info");
	(void)unlink(path);
}
END_TEST

static const struct {
	struct answer answer;
	enum error_class class;
	const char *part;
} file_failures[] = {
	{ { .class = ERROR_TRUST }, ERROR_TRUST, "the discovery file is" },
	{ { .class = ERROR_NETWORK }, ERROR_NETWORK, "refused" },
	{ { 404, "{}" }, ERROR_PENDING, "404" },
	{ { 500, "" }, ERROR_NETWORK, "500" },
};

START_TEST(test_files_server_that_does_not_prove_itself_is_refused)
{
	_cleanup_(search_done) struct search search = { 0 };
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;

	search_init(&search);
	path = write_file(&search, "https://192.0.2.1:6443", search.ca_pem);
	search.request = (struct discover_request){ .file_path = path };
	ck_assert_int_lt(fails(&search, &file_failures[_i].answer, 1, &err), 0);
	ck_assert_int_eq(err.class, file_failures[_i].class);
	ck_assert_part(err.message, file_failures[_i].part);
	(void)unlink(path);
}
END_TEST

START_TEST(test_useless_file_is_the_roles_fault)
{
	static const struct {
		const char *server, *ca_pem, *part;
	} files[] = {
		{ "http://192.0.2.1:6443", "x", "https://HOST:PORT" },
		{ "https://192.0.2.1:6443", NULL, "certificate-authority-data" },
		{ "https://192.0.2.1:6443", "no certificate", "no certificate in it" },
	};
	_cleanup_(search_done) struct search search = { 0 };
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;

	search_init(&search);
	path = write_file(&search, files[_i].server, files[_i].ca_pem);
	search.request = (struct discover_request){ .file_path = path };
	ck_assert_int_lt(fails(&search, NULL, 1, &err), 0);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_part(err.message, files[_i].part);
	ck_assert_part(err.message, path);
	(void)unlink(path);
	ck_assert_int_eq(fails(&search, NULL, 1, &err), -ENOENT);
	ck_assert_part(err.message, "does not exist");
	ck_assert_uint_eq(script.asked, 0);
}
END_TEST

TCase *discovery_discover_cases(void)
{
	TCase *tc = tcase_create("discover");

	tcase_add_test(tc, test_second_request_trusts_the_pinned_ca_alone);
	tcase_add_test(tc, test_second_answer_must_be_the_first);
	tcase_add_test(tc, test_refused_server_certificate_says_what_to_check);
	tcase_add_test(tc, test_lost_connection_is_no_matter_of_trust);
	tcase_add_loop_test(tc, test_closed_cluster_info_is_waited_for_half_a_minute, 0,
			    ARRAY_SIZE(closed));
	tcase_add_test(tc, test_missing_signature_is_waited_for_half_a_minute);
	tcase_add_test(tc, test_cluster_that_comes_up_late_is_found);
	tcase_add_loop_test(tc, test_nonsense_is_a_matter_of_the_network, 0, 4);
	tcase_add_loop_test(tc, test_nonsense_over_verified_tls_is_no_better, 0, 2);
	tcase_add_test(tc, test_request_that_cannot_succeed_is_not_started);
	tcase_add_test(tc, test_dropped_search_asks_no_more);
	tcase_add_loop_test(tc, test_files_server_that_proves_itself_is_enough, 0,
			    ARRAY_SIZE(enough));
	tcase_add_loop_test(tc, test_files_server_that_does_not_prove_itself_is_refused, 0,
			    ARRAY_SIZE(file_failures));
	tcase_add_loop_test(tc, test_useless_file_is_the_roles_fault, 0, 3);
	return tc;
}
