/* Whole texts against files: role files that are accepted (tests/golden/role/good) with what
 * role_print() says of them, ones that are refused (bad) with the message, and what the real
 * kubeadm makes of documents (tests/golden/kubeadm) with what agentd makes of them.
 * UPDATE_GOLDEN=1 in the environment writes the expected files of good and bad anew. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/schema/component.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/yaml.h"
#include "tests/unit/test-schema.h"

enum { TEXT_MAX = 1 << 20 };

#define GOLDEN TEST_SOURCE_DIRECTORY "/golden"

static struct test_host host;

static void setup(void)
{
	test_host_init(&host);
}

static void teardown(void)
{
	test_host_done(&host);
}

static void read_file(const char *path, struct buf *buf)
{
	struct error err = ERROR_INIT;

	ck_assert_msg(file_read(path, buf, &err) == 1, "%s: %s", path,
		      err.code ? err.message : "does not exist");
}

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* /a/b.yaml → /a/b and an ending. */
static char *sibling(const char *path, const char *ending)
{
	return xasprintf("%.*s%s", (int)(strlen(path) - strlen(".yaml")), path, ending);
}

static void compare(const char *path, const char *actual)
{
	_cleanup_(buf_done) struct buf expected = BUF_INIT(TEXT_MAX);

	if (getenv("UPDATE_GOLDEN")) {
		FILE *file = fopen(path, "we");

		ck_assert_ptr_nonnull(file);
		ck_assert_int_ge(fputs(actual, file), 0);
		ck_assert_int_eq(fclose(file), 0);
		return;
	}
	read_file(path, &expected);
	ck_assert_msg(strcmp(expected.data, actual) == 0, "%s is\n%s\ninstead of\n%s", path, actual,
		      expected.data);
}

static void each(const char *pattern, void (*check)(const char *path))
{
	glob_t found;

	ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		check(found.gl_pathv[i]);
	globfree(&found);
}

static struct role *parse(const char *text, const char *name, struct error *err)
{
	struct role *role = NULL;

	(void)role_parse(text, strlen(text), name, &host.host, &role, err);
	return role;
}

/* What was printed with secrets must give the same role again. */
static void check_again(const struct role *role, const char *path)
{
	_cleanup_(buf_done) struct buf written = BUF_INIT(TEXT_MAX);
	_cleanup_(buf_done) struct buf again = BUF_INIT(TEXT_MAX);
	_cleanup_(role_unref) struct role *second = NULL;
	struct error err = ERROR_INIT;

	ck_assert_int_eq(role_write(role, &written), 0);
	second = parse(written.data, "again", &err);
	ck_assert_msg(second != NULL, "%s: what was written is refused: %s", path, err.message);
	ck_assert_int_eq(role_write(second, &again), 0);
	ck_assert_str_eq(again.data, written.data);
	ck_assert_int_eq(second->kind, role->kind);
	ck_assert_int_eq(second->cluster.encryption_algorithm, role->cluster.encryption_algorithm);
}

static void check_good(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_(buf_done) struct buf printed = BUF_INIT(TEXT_MAX);
	_cleanup_(role_unref) struct role *role = NULL;
	_cleanup_free_ char *expected = sibling(path, ".out");
	struct error err = ERROR_INIT;

	read_file(path, &text);
	role = parse(text.data, base_name(path), &err);
	ck_assert_msg(role != NULL, "%s", err.message);
	ck_assert_int_eq(role_print(role, &printed), 0);
	compare(expected, printed.data);
	check_again(role, path);
}

START_TEST(test_good_role_files_are_printed_completed)
{
	each(GOLDEN "/role/good/*.yaml", check_good);
}
END_TEST

static void check_bad(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_(role_unref) struct role *role = NULL;
	_cleanup_free_ char *expected = sibling(path, ".msg");
	_cleanup_free_ char *line = NULL;
	struct error err = ERROR_INIT;

	read_file(path, &text);
	role = parse(text.data, base_name(path), &err);
	ck_assert_msg(!role, "%s is accepted", path);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	line = xasprintf("%s\n", err.message);
	compare(expected, line);
}

START_TEST(test_bad_role_files_are_refused_with_place_and_reason)
{
	each(GOLDEN "/role/bad/*.yaml", check_bad);
}
END_TEST

static void compare_value(const char *path, const char *ending, struct value *value)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_free_ char *expected = sibling(path, ending);

	ck_assert_int_eq(yaml_write(value, &text), 0);
	value_unref(value);
	compare(expected, text.data);
}

static void check_as_kubeadm(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_(role_unref) struct role *role = NULL;
	struct error err = ERROR_INIT;

	read_file(path, &text);
	role = parse(text.data, base_name(path), &err);
	ck_assert_msg(role != NULL, "%s", err.message);
	compare_value(path, ".cluster", role_cluster_document(role));
	compare_value(path, ".kubelet", kubelet_config_make(role, NULL, NULL));
	if (!role->cluster.proxy_disabled)
		compare_value(path, ".kube-proxy", kube_proxy_config_make(role));
}

START_TEST(test_uploaded_documents_are_kubeadms_byte_by_byte)
{
	/* These files are kubeadm's: tests/golden/kubeadm/generate. */
	if (!getenv("UPDATE_GOLDEN"))
		each(GOLDEN "/kubeadm/*.yaml", check_as_kubeadm);
}
END_TEST

START_TEST(test_what_the_runtime_says_is_put_in_where_the_document_is_silent)
{
	_cleanup_(role_unref) struct role *role = test_role(
	    &host,
	    "{apiVersion: agentd.io/v1alpha1, kind: RoleConfiguration, role: control-plane}");
	struct value *config = kubelet_config_make(role, "cgroupfs", "/run/resolv.conf");

	ck_assert_str_eq(value_string(value_get(config, "cgroupDriver")), "cgroupfs");
	ck_assert_str_eq(value_string(value_get(config, "resolvConf")), "/run/resolv.conf");
	ck_assert_str_eq(value_string(value_get(config, "containerRuntimeEndpoint")), "");
	config = kubelet_config_for_node(config, "unix:///a.sock");
	ck_assert_str_eq(value_string(value_get(config, "containerRuntimeEndpoint")),
			 "unix:///a.sock");
	value_unref(config);
}
END_TEST

Suite *suite_golden(void)
{
	Suite *suite = suite_create("golden");
	TCase *tcase = tcase_create("golden");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_good_role_files_are_printed_completed);
	tcase_add_test(tcase, test_bad_role_files_are_refused_with_place_and_reason);
	tcase_add_test(tcase, test_uploaded_documents_are_kubeadms_byte_by_byte);
	tcase_add_test(tcase, test_what_the_runtime_says_is_put_in_where_the_document_is_silent);
	suite_add_tcase(suite, tcase);
	return suite;
}
