/* Tests of discovery/: tokens, signatures, kubeconfigs, cluster-info. */
#include "tests/unit/test-discovery.h"

#include <stdio.h>
#include <string.h>

void fixture_read(const char *name, struct buf *buf)
{
	char path[512], chunk[4096];
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), TEST_SOURCE_DIRECTORY "/unit/discovery/%s", name);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s is missing", path);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		(void)buf_append(buf, chunk, n);
	(void)fclose(file);
}

void fixture_token(struct token *ret)
{
	static const char text[] = "abcdef.0123456789abcdef";
	_cleanup_(secret_unref) struct secret *secret = secret_new(text, strlen(text));
	struct error err = ERROR_INIT;

	ck_assert_ok(token_parse(secret, ret, &err), err);
}

int main(void)
{
	Suite *suite = suite_create("discovery");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, discovery_token_cases());
	suite_add_tcase(suite, discovery_jws_cases());
	suite_add_tcase(suite, discovery_kubeconfig_cases());
	suite_add_tcase(suite, discovery_clusterinfo_cases());
	suite_add_tcase(suite, discovery_discover_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
