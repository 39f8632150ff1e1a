/* Kubeconfigs: written as client-go writes them, and read with suspicion. The files *.conf under
 * tests/unit/discovery were written by client-go's clientcmd.WriteToFile(). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "discovery/kubeconfig.h"
#include "tests/unit/test-discovery.h"

#define KUBELET_PEM "/var/lib/kubelet/pki/kubelet-client-current.pem"

static char *text_of(const char *name)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	fixture_read(name, &text);
	return buf_take(&text);
}

static struct secret *secret_of(const char *name)
{
	char *text = text_of(name);

	return secret_new_take(text, strlen(text));
}

START_TEST(test_kubeconfig_with_embedded_data_is_kubeadms)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = {
		.server = xstrdup("https://[2001:db8::1]:6443"),
		.ca_pem = text_of("ca.pem"),
		.cluster = xstrdup("prod"),
		.user = xstrdup("kubernetes-admin"),
		.context = xstrdup("kubernetes-admin@prod"),
		.certificate_pem = text_of("client.pem"),
		.key_pem = secret_of("client.key"),
	};
	_cleanup_free_ char *want = text_of("admin.conf");
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(kubeconfig_write(&config, &text), 0);
	ck_assert_str_eq(text.data, want);
}
END_TEST

START_TEST(test_kubeconfig_with_file_references_is_kubeadms)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = {
		.server = xstrdup("https://10.0.0.1:6443"),
		.ca_pem = text_of("ca.pem"),
		.cluster = xstrdup("kubernetes"),
		.user = xstrdup("system:node:cp1"),
		.context = xstrdup("system:node:cp1@kubernetes"),
		.certificate_path = xstrdup(KUBELET_PEM),
		.key_path = xstrdup(KUBELET_PEM),
		/* Data left from before must not be written any more. */
		.certificate_pem = text_of("client.pem"),
		.key_pem = secret_of("client.key"),
	};
	_cleanup_free_ char *want = text_of("kubelet-finalized.conf");
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(kubeconfig_write(&config, &text), 0);
	ck_assert_str_eq(text.data, want);
}
END_TEST

START_TEST(test_kubeconfig_with_a_token_is_kubeadms)
{
	static const char token[] = "abcdef.0123456789abcdef";
	_cleanup_(kubeconfig_done) struct kubeconfig config = {
		.server = xstrdup("https://cp.example.com:6443"),
		.ca_pem = text_of("ca.pem"),
		.cluster = xstrdup("yes"),
		.user = xstrdup("tls-bootstrap-token-user"),
		.context = xstrdup("tls-bootstrap-token-user@kubernetes"),
		.token = secret_new(token, strlen(token)),
	};
	_cleanup_free_ char *want = text_of("bootstrap.conf");
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(kubeconfig_write(&config, &text), 0);
	ck_assert_str_eq(text.data, want);
}
END_TEST

START_TEST(test_kubelets_own_kubeconfig_is_the_kubelets)
{
	_cleanup_free_ char *want = text_of("kubelet-bootstrapped.conf"), *ca = text_of("ca.pem");
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(kubeconfig_write_kubelet("https://10.0.0.1:6443", ca, KUBELET_PEM, &text),
			 0);
	ck_assert_str_eq(text.data, want);
}
END_TEST

START_TEST(test_cluster_info_is_kubeadms)
{
	_cleanup_free_ char *want = text_of("cluster-info.conf"), *ca = text_of("ca.pem");
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(kubeconfig_write_cluster_info("https://10.0.0.1:6443", ca, &text), 0);
	ck_assert_str_eq(text.data, want);
}
END_TEST

START_TEST(test_full_buffer_is_an_error_of_the_writer)
{
	_cleanup_free_ char *ca = text_of("ca.pem");
	_cleanup_(buf_done) struct buf text = BUF_INIT(100);

	ck_assert_int_eq(kubeconfig_write_cluster_info("https://10.0.0.1:6443", ca, &text), -EFBIG);
}
END_TEST

static int parse(const char *text, struct kubeconfig *ret, struct error *err)
{
	return kubeconfig_parse(text, strlen(text), "test", ret, err);
}

START_TEST(test_what_is_written_is_read_back)
{
	_cleanup_free_ char *text = text_of("admin.conf"), *ca = text_of("ca.pem");
	_cleanup_free_ char *certificate = text_of("client.pem");
	_cleanup_(secret_unref) struct secret *key = secret_of("client.key");
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse(text, &config, &err), err);
	ck_assert_str_eq(config.server, "https://[2001:db8::1]:6443");
	ck_assert_str_eq(config.ca_pem, ca);
	ck_assert_str_eq(config.cluster, "prod");
	ck_assert_str_eq(config.user, "kubernetes-admin");
	ck_assert_str_eq(config.context, "kubernetes-admin@prod");
	ck_assert_str_eq(config.certificate_pem, certificate);
	ck_assert(secret_equal(config.key_pem, key));
	ck_assert_ptr_null(config.token);
	ck_assert_ptr_null(config.certificate_path);
}
END_TEST

START_TEST(test_references_to_the_kubelets_files_are_kept_as_paths)
{
	_cleanup_free_ char *text = text_of("kubelet-bootstrapped.conf");
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse(text, &config, &err), err);
	ck_assert_str_eq(config.certificate_path, KUBELET_PEM);
	ck_assert_str_eq(config.key_path, KUBELET_PEM);
	ck_assert_ptr_null(config.key_pem);
}
END_TEST

START_TEST(test_token_is_read_as_a_secret)
{
	_cleanup_free_ char *text = text_of("bootstrap.conf");
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse(text, &config, &err), err);
	ck_assert_str_eq(secret_bytes(config.token), "abcdef.0123456789abcdef");
}
END_TEST

START_TEST(test_cluster_without_a_name_comes_before_the_current_context)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse("apiVersion: v1\n"
			   "clusters:\n"
			   "- {name: a, cluster: {server: https://a}}\n"
			   "- {name: '', cluster: {server: https://nameless}}\n"
			   "contexts: [{name: x, context: {cluster: a, user: ''}}]\n"
			   "current-context: x\n"
			   "kind: Config\n",
			   &config, &err),
		     err);
	ck_assert_str_eq(config.server, "https://nameless");
	ck_assert_str_eq(config.cluster, "");
	ck_assert_ptr_null(config.ca_pem);
}
END_TEST

START_TEST(test_older_writers_preferences_are_accepted)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse("apiVersion: v1\nclusters:\n- cluster:\n    server: https://a\n"
			   "  name: \"\"\ncontexts: []\ncurrent-context: \"\"\nkind: Config\n"
			   "preferences: {}\nusers: []\n",
			   &config, &err),
		     err);
	ck_assert_str_eq(config.server, "https://a");
}
END_TEST

#define ONE(cluster, user)                                                 \
	"clusters: [{name: a, cluster: {server: https://a" cluster "}}]\n" \
	"contexts: [{name: x, context: {cluster: a, user: u}}]\n"          \
	"current-context: x\n"                                             \
	"users: [{name: u, user: {" user "}}]\n"

static const struct {
	const char *text, *part; /* of the message */
} refused[] = {
	{ "", "" },
	{ "[]", "a map" },
	{ "kind: Pod\n" ONE("", ""), "kind Pod" },
	{ "apiVersion: v2\n" ONE("", ""), "version v2" },
	{ "clusters: []\n", "neither a cluster" },
	{ "clusters: {}\n", "must be a list" },
	{ "clusters: [1]\n", "must be a map" },
	{ "clusters: [{name: 1}]\n", "name must be a string" },
	{ "clusters: [{name: ''}]\n", "has no cluster" },
	{ "clusters: [{name: '', cluster: {}}]\n", "no server" },
	{ "clusters: [{name: '', cluster: {server: 7}}]\n", "server must be a string" },
	{ "clusters: [{name: '', cluster: {server: a}}, {name: '', cluster: {server: b}}]\n",
	  "twice" },
	{ "current-context: gone\n", "no context named \"gone\"" },
	{ "current-context: x\ncontexts: [{name: x, context: {cluster: gone}}]\n",
	  "neither a cluster" },
	{ "current-context: x\ncontexts: [{name: x, context: {cluster: a, user: gone}}]\n"
	  "clusters: [{name: a, cluster: {server: b}}]\n",
	  "no user named \"gone\"" },
	{ ONE(", insecure-skip-tls-verify: true", ""), "insecure-skip-tls-verify" },
	{ ONE(", tls-server-name: b", ""), "tls-server-name" },
	{ ONE(", proxy-url: 'http://b'", ""), "proxy-url" },
	{ ONE(", certificate-authority-data: '*'", ""), "not base64" },
	{ ONE(", certificate-authority-data: YQBi", ""), "NUL" },
	{ ONE(", certificate-authority: /etc/passwd", ""), "not read here" },
	{ ONE(", certificate-authority: ca.pem", ""), "absolute" },
	{ ONE("", "exec: {command: aws}"), "exec" },
	{ ONE("", "auth-provider: {name: gcp}"), "auth-provider" },
	{ ONE("", "username: root"), "username" },
	{ ONE("", "as: root"), "as is not supported" },
	{ ONE("", "tokenFile: /etc/passwd"), "not read here" },
	{ ONE("", "client-key-data: '?'"), "not base64" },
	{ "a: &x 1\nb: *x\n", "" },
};

START_TEST(test_kubeconfig_that_would_be_misread_is_refused)
{
	struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_lt(parse(refused[_i].text, &config, &err), 0);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_part(err.message, refused[_i].part);
	ck_assert(strncmp(err.message, "test:", 5) == 0);
	ck_assert_ptr_null(config.server);
	ck_assert_ptr_null(config.ca_pem);
}
END_TEST

START_TEST(test_error_says_where)
{
	struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_lt(parse("clusters:\n- name: ''\n  cluster:\n    server: 7\n", &config, &err),
			 0);
	ck_assert_part(err.message, "test:4:13: server must be a string");
}
END_TEST

START_TEST(test_unset_fields_of_strangers_are_accepted)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(parse(ONE(", insecure-skip-tls-verify: false, proxy-url: ''", "exec: null"),
			   &config, &err),
		     err);
}
END_TEST

static char *directory_with(const char *name, const char *text)
{
	char *directory = xstrdup("/tmp/test-discovery-XXXXXX");
	_cleanup_free_ char *path = NULL;
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	path = xasprintf("%s/%s", directory, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	(void)fclose(file);
	return directory;
}

static void remove_from(const char *directory, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", directory, name);

	(void)unlink(path);
	(void)rmdir(directory);
}

START_TEST(test_files_beside_a_kubeconfig_are_read)
{
	_cleanup_free_ char *directory = NULL, *path = NULL, *ca_path = NULL, *want = NULL;
	_cleanup_free_ char *ca = text_of("ca.pem");
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;
	FILE *file;

	directory = directory_with(
	    "k.conf", ONE(", certificate-authority: ca.pem", "client-certificate: c.pem"));
	path = xasprintf("%s/k.conf", directory);
	ca_path = xasprintf("%s/ca.pem", directory);
	file = fopen(ca_path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(ca, file), 0);
	(void)fclose(file);

	ck_assert_int_eq(kubeconfig_read(path, &config, &err), 1);
	ck_assert_str_eq(config.ca_pem, ca);
	want = xasprintf("%s/c.pem", directory);
	ck_assert_str_eq(config.certificate_path, want);
	(void)unlink(ca_path);
	remove_from(directory, "k.conf");
}
END_TEST

START_TEST(test_missing_ca_file_is_named)
{
	_cleanup_free_ char *directory =
	    directory_with("k.conf", ONE(", certificate-authority: gone.pem", ""));
	_cleanup_free_ char *path = xasprintf("%s/k.conf", directory);
	struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(kubeconfig_read(path, &config, &err), -ENOENT);
	ck_assert_part(err.message, "gone.pem");
	ck_assert_ptr_null(config.server);
	remove_from(directory, "k.conf");
}
END_TEST

START_TEST(test_token_file_is_read_without_its_line_break)
{
	_cleanup_free_ char *directory = directory_with("token", "secret-token\n");
	_cleanup_free_ char *path = xasprintf("%s/k.conf", directory);
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(ONE("", "tokenFile: token"), file), 0);
	(void)fclose(file);
	ck_assert_int_eq(kubeconfig_read(path, &config, &err), 1);
	ck_assert_str_eq(secret_bytes(config.token), "secret-token");
	(void)unlink(path);
	remove_from(directory, "token");
}
END_TEST

START_TEST(test_missing_kubeconfig_is_no_error)
{
	struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(kubeconfig_read("/nonexistent/admin.conf", &config, &err), 0);
	ck_assert(!error_is_set(&err));
}
END_TEST

TCase *discovery_kubeconfig_cases(void)
{
	TCase *tc = tcase_create("kubeconfig");

	tcase_add_test(tc, test_kubeconfig_with_embedded_data_is_kubeadms);
	tcase_add_test(tc, test_kubeconfig_with_file_references_is_kubeadms);
	tcase_add_test(tc, test_kubeconfig_with_a_token_is_kubeadms);
	tcase_add_test(tc, test_kubelets_own_kubeconfig_is_the_kubelets);
	tcase_add_test(tc, test_cluster_info_is_kubeadms);
	tcase_add_test(tc, test_full_buffer_is_an_error_of_the_writer);
	tcase_add_test(tc, test_what_is_written_is_read_back);
	tcase_add_test(tc, test_references_to_the_kubelets_files_are_kept_as_paths);
	tcase_add_test(tc, test_token_is_read_as_a_secret);
	tcase_add_test(tc, test_cluster_without_a_name_comes_before_the_current_context);
	tcase_add_test(tc, test_older_writers_preferences_are_accepted);
	tcase_add_loop_test(tc, test_kubeconfig_that_would_be_misread_is_refused, 0,
			    ARRAY_SIZE(refused));
	tcase_add_test(tc, test_error_says_where);
	tcase_add_test(tc, test_unset_fields_of_strangers_are_accepted);
	tcase_add_test(tc, test_files_beside_a_kubeconfig_are_read);
	tcase_add_test(tc, test_missing_ca_file_is_named);
	tcase_add_test(tc, test_token_file_is_read_without_its_line_break);
	tcase_add_test(tc, test_missing_kubeconfig_is_no_error);
	return tc;
}
