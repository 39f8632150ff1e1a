/* Runs the suites of the role and of the command line; each has a file of its own beside this
 * one. */
#include "tests/unit/test-schema.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/alloc.h"

static const struct role_address addresses[] = {
	{ .interface = "lo",
	  .is_up = true,
	  .is_loopback = true,
	  .address = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } } },
	{ .interface = "eth0",
	  .is_up = true,
	  .address = { .family = AF_INET, .bytes = { 10, 0, 0, 5 } } },
};

void test_host_write(const struct test_host *host, const char *path, const char *text)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", host->root, path);
	FILE *file;

	for (char *slash = whole + strlen(host->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(whole, 0755);
		*slash = '/';
	}
	file = fopen(whole, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(whole, 0600), 0);
}

void test_host_init(struct test_host *host)
{
	strcpy(host->root, "/tmp/test-schema-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host->root));
	host->host = (struct role_host){
		.hostname = "Node-1\n",
		.root = host->root,
		.kubelet_version = "v1.36.3",
		.addresses = addresses,
		.address_count = ARRAY_SIZE(addresses),
	};
	test_host_write(host, "/proc/net/route",
			"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
			"eth0\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\n"
			"eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n");
	test_host_write(host, "/var/run/containerd/containerd.sock", "");
	test_host_write(host, "/etc/agentd/token", "q1w2e3.r4t5y6u7i8o9p0a1\n");
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	return remove(path);
}

void test_host_done(struct test_host *host)
{
	(void)nftw(host->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct role *test_role(const struct test_host *host, const char *text)
{
	struct error err = ERROR_INIT;
	struct role *role = NULL;
	int r = role_parse(text, strlen(text), "role.yaml", &host->host, &role, &err);

	ck_assert_msg(r == 0, "%s", err.message);
	return role;
}

void test_refused(const struct test_host *host, const char *text, const char *message)
{
	struct error err = ERROR_INIT;
	struct role *role = NULL;
	int r = role_parse(text, strlen(text), "role.yaml", &host->host, &role, &err);

	ck_assert_msg(r < 0, "accepted, instead of: %s", message);
	ck_assert_ptr_null(role);
	ck_assert_int_eq(err.code, r);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_str_eq(err.message, message);
}

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	srunner_add_suite(runner, suite_checks());
	srunner_add_suite(runner, suite_detect());
	srunner_add_suite(runner, suite_explain());
	srunner_add_suite(runner, suite_follow());
	srunner_add_suite(runner, suite_golden());
	srunner_add_suite(runner, suite_role());
	srunner_add_suite(runner, suite_settings());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
