/* Tests of agentd/schema/checks.c: which texts each check lets through. */
#include "agentd/schema/checks.h"

#include <string.h>

#include "common/macros.h"
#include "tests/unit/test-schema.h"

struct sample {
	int (*check)(const char *text, struct error *err);
	const char *good, *bad; /* separated by blanks; "" is tried where it stands alone */
};

#define LONG_LABEL "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"

/* clang-format off */
static const struct sample samples[] = {
	{ check_dns_name, "a a.b node-1.example.org 1", "A a_b -a a- a..b .a" },
	{ check_node_name, "Node-1 NODE.example.org", "a_b a! -" },
	{ check_san_any_case, "A.example.org *.Example.org FD00::1", "A_b" },
	{ check_san, "a.example.org *.example.org 10.0.0.1 fd00::1",
	  "A.example.org a_b *.*.example.org * a*.example.org [fd00::1]" },
	{ check_volume_name, "audit a-1", "A a.b a_b " LONG_LABEL },
	{ check_service_subnet, "10.96.0.0/12 10.96.0.0/28 fd00::/108 10.96.0.0/16,fd00::/112",
	  "10.96.0.0 10.96.0.0/11 10.96.0.0/29 fd00::/107 10.0.0.0/16,10.1.0.0/16 "
	  "10.0.0.0/16,fd00::/112,10.1.0.0/16 10.0.0.0/16, ,fd00::/112 a/16" },
	{ check_pod_subnet, "10.244.0.0/16 10.0.0.0/8 fd00::/48 10.0.0.0/28",
	  "10.0.0.0/29 10.0.0.0/33 fd00::/126 10.244.0.0/16;fd00::/48" },
	{ check_address, "10.0.0.1 fd00::1 0.0.0.0", "10.0.0 a 10.0.0.1/8 [::1]" },
	{ check_endpoint, "api.example.org api.example.org:443 10.0.0.1:6443 fd00::1 [fd00::1]:6443",
	  "api.example.org:0 api.example.org:65536 api_1:6443 :6443 https://api.example.org a:b" },
	{ check_endpoint_port, "api.example.org:443 [fd00::1]:6443",
	  "api.example.org fd00::1 10.0.0.1" },
	{ check_cri_socket, "unix:///run/a.sock /run/a.sock",
	  "npipe:///a run/a.sock tcp://10.0.0.1:1 unix://a.sock" },
	{ check_absolute_path, "/a /", "a ./a ~/a" },
	{ check_ca_path, "/etc/kubernetes/pki/ca.crt", "ca.crt /etc/ca.pem /etc/ca" },
	{ check_kubeconfig_path, "/a file:///a", "https://a/b http://a/b a file://a" },
	{ check_image_repository,
	  "registry.k8s.io registry.k8s.io/a Registry.example.org:5000/a/b_c/d__e/f-g/h--i localhost "
	  "[fd00::1]:5000/a a.b-c/d 10.0.0.1:5000 [fd00::1]/a",
	  "a/B a//b /a a/ a/b:c https://a a:b/c a___b/c/d a/b..c a/-b [fd00::1/a a@b -a/b a.:5/b" },
	{ check_image_tag, "3.6.8-0 v1.14.2 _a A", ".a -a a/b a:b a+b" },
	{ check_version,
	  "v1.36.3 1.36.3 v1.37.0-rc.1 v1.36.3+build.5 stable stable-1 stable-1.36 latest latest-1",
	  "1.36 v1 1.36.3.4 v01.36.3 stable-2 stable-1. stable-1.x stables ci/latest ci/v1.36.3 vv1.2.3 v1.36.3- v1.36.3-a..b v1.36.3-a_b v1.36.3+ "
	  "1.36.3! 1.1234567.0" },
	{ check_arg_name, "v audit-log-maxage feature-gates", "-v --v a=b" },
	{ check_taint_key, "a example.org/a A_b.c-d", "/a a/ a/b/c A!/b Example.org/a -a" },
	{ check_taint_value, "a A_b.c-d", "-a a- a/b" },
	{ check_token, "q1w2e3.r4t5y6u7i8o9p0a1",
	  "q1w2e3 Q1w2e3.r4t5y6u7i8o9p0a1 q1w2e3.r4t5y6u7i8o9p0a1b abcdef.0123456789abcdef "
	  "aaaaaa.aaaaaaaaaaaaaaaa" },
	{ check_token_group, "system:bootstrappers:a system:bootstrappers:kubeadm:default-node-token",
	  "system:masters system:bootstrappers: system:bootstrappers:A system:bootstrappers:a:" },
	{ check_pin, "sha256:d9270176c167b72cceef5cdb63fe44373164cacc9f2374c27c47c9889fb10acd "
		     "SHA256:D9270176c167b72cceef5cdb63fe44373164cacc9f2374c27c47c9889fb10acd",
	  "sha1:d927 sha256:d927 d9270176c167b72cceef5cdb63fe44373164cacc9f2374c27c47c9889fb10acd" },
	{ check_credential, "agentd.bootstrap-token a", "a/b . .." },
};
/* clang-format on */

START_TEST(test_good_texts_pass)
{
	_cleanup_(strv_done) struct strv texts = STRV_INIT;
	struct error err = ERROR_INIT;

	strv_split(&texts, samples[_i].good, ' ');
	ck_assert_uint_gt(texts.count, 0);
	STRV_FOREACH(text, &texts)
		ck_assert_msg(samples[_i].check(text, &err) == 0, "%s %s", text, err.message);
}
END_TEST

START_TEST(test_bad_texts_are_refused_with_a_reason)
{
	_cleanup_(strv_done) struct strv texts = STRV_INIT;

	strv_split(&texts, samples[_i].bad, ' ');
	ck_assert_uint_gt(texts.count, 0);
	STRV_FOREACH(text, &texts) {
		struct error err = ERROR_INIT;
		int r = samples[_i].check(text, &err);

		ck_assert_msg(r < 0, "%s passes", text);
		ck_assert_int_eq(err.code, r);
		ck_assert_uint_gt(strlen(err.message), 10);
	}
}
END_TEST

START_TEST(test_an_empty_text_is_a_field_left_out)
{
	static int (*const optional[])(const char *, struct error *) = {
		check_dns_name, check_node_name,   check_service_subnet,   check_pod_subnet,
		check_address,	check_endpoint,	   check_cri_socket,	   check_absolute_path,
		check_ca_path,	check_image_tag,   check_image_repository, check_version,
		check_token,	check_taint_value, check_credential,
	};
	static int (*const wanted[])(const char *, struct error *) = {
		check_volume_name, check_arg_name,    check_endpoint_port,   check_taint_key,
		check_pin,	   check_token_group, check_kubeconfig_path,
	};

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		struct error err = ERROR_INIT;

		ck_assert_msg(optional[i]("", &err) == 0, "check %zu: %s", i, err.message);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct error err = ERROR_INIT;

		ck_assert_msg(wanted[i]("", &err) < 0, "check %zu takes nothing", i);
	}
}
END_TEST

START_TEST(test_the_message_about_a_token_does_not_contain_it)
{
	struct error err = ERROR_INIT;

	ck_assert_int_lt(check_token("abcdef.0123456789abcdef", &err), 0);
	ck_assert_ptr_null(strstr(err.message, "abcdef"));
	ck_assert_int_lt(check_token("S3CRET-canary", &err), 0);
	ck_assert_ptr_null(strstr(err.message, "canary"));
}
END_TEST

START_TEST(test_label_names_its_minor)
{
	unsigned minor = 7;

	ck_assert(check_is_version_label("stable-1.36", &minor));
	ck_assert_uint_eq(minor, 36);
	ck_assert(check_is_version_label("latest", &minor));
	ck_assert_uint_eq(minor, 0);
	ck_assert(!check_is_version_label("v1.36.3", &minor));
}
END_TEST

Suite *suite_checks(void)
{
	Suite *suite = suite_create("checks");
	TCase *tcase = tcase_create("checks");

	tcase_add_loop_test(tcase, test_good_texts_pass, 0, ARRAY_SIZE(samples));
	tcase_add_loop_test(tcase, test_bad_texts_are_refused_with_a_reason, 0,
			    ARRAY_SIZE(samples));
	tcase_add_test(tcase, test_an_empty_text_is_a_field_left_out);
	tcase_add_test(tcase, test_the_message_about_a_token_does_not_contain_it);
	tcase_add_test(tcase, test_label_names_its_minor);
	suite_add_tcase(suite, tcase);
	return suite;
}
