/* The static pods against those that the real kubeadm renders of the same documents
 * (tests/golden/kubeadm; its script `generate` makes them). */
#include <glob.h>
#include <string.h>

#include "agentd/manifests/static_pods.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/yaml.h"
#include "tests/unit/test-resources.h"

#define GOLDEN TEST_SOURCE_DIRECTORY "/golden/kubeadm"

static void read_file(const char *path, struct buf *buf)
{
	struct error err = ERROR_INIT;

	ck_assert_msg(file_read(path, buf, &err) == 1, "%s cannot be read", path);
}

static struct role *read_role(const char *path)
{
	struct role_host host = { .hostname = "node-1", .root = "", .kubelet_version = "v1.36.3" };
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;
	struct role *role = NULL;

	read_file(path, &text);
	ck_assert_msg(role_parse(text.data, text.length, path, &host, &role, &err) == 0, "%s",
		      err.message);
	return role;
}

/* The folders that the host had on which the goldens were made. */
static void host_ca_directories(struct strv *ret)
{
	strv_add(ret, "/etc/ca-certificates");
	strv_add(ret, "/usr/local/share/ca-certificates");
	strv_add(ret, "/usr/share/ca-certificates");
}

static void compare_pod(const struct role *role, enum static_pod pod, const char *golden)
{
	_cleanup_(strv_done) struct strv directories = STRV_INIT;
	_cleanup_(value_unref) struct value *value = NULL;
	_cleanup_(buf_done) struct buf expected = BUF_INIT(MIB);
	_cleanup_(buf_done) struct buf rendered = BUF_INIT(MIB);

	host_ca_directories(&directories);
	read_file(golden, &expected);
	value = static_pod_render(pod, role, &directories);
	ck_assert_int_eq(yaml_write(value, &rendered), 0);
	ck_assert_msg(strcmp(rendered.data, expected.data) == 0, "%s: rendered\n%s", golden,
		      rendered.data);
}

START_TEST(test_static_pods_are_kubeadms_byte_by_byte)
{
	glob_t found;

	ck_assert_int_eq(glob(GOLDEN "/*.yaml", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		int stem = (int)(strlen(path) - strlen(".yaml"));
		struct role *role = read_role(path);

		for (enum static_pod pod = POD_ETCD; pod < _POD_MAX; pod++) {
			_cleanup_free_ char *golden =
			    xasprintf("%.*s.pod-%s", stem, path, static_pod_name(pod));

			compare_pod(role, pod, golden);
		}
		role_unref(role);
	}
	globfree(&found);
}
END_TEST

Suite *suite_resources_pods(void)
{
	Suite *suite = suite_create("resources-pods");
	TCase *tests = tcase_create("pods");

	tcase_add_test(tests, test_static_pods_are_kubeadms_byte_by_byte);
	suite_add_tcase(suite, tests);
	return suite;
}
