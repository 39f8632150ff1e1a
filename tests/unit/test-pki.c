/* Tests of pki/: keys, certificates, requests, pins. */
#include "tests/unit/test-pki.h"

#include <stdio.h>

void fixture_read(const char *name, struct buf *buf)
{
	char path[512], chunk[4096];
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), TEST_SOURCE_DIRECTORY "/unit/pki/%s", name);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s is missing", path);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		(void)buf_append(buf, chunk, n);
	(void)fclose(file);
}

struct key *fixture_key(unsigned index)
{
	static struct key *keys[4];
	struct error err = ERROR_INIT;

	ck_assert_uint_lt(index, ARRAY_SIZE(keys));
	if (!keys[index])
		ck_assert_ok(key_generate(KEY_ECDSA_P256, &keys[index], &err), err);
	return key_ref(keys[index]);
}

int main(void)
{
	Suite *suite = suite_create("pki");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, pki_key_cases());
	suite_add_tcase(suite, pki_hmac_cases());
	suite_add_tcase(suite, pki_cert_cases());
	suite_add_tcase(suite, pki_ca_cases());
	suite_add_tcase(suite, pki_csr_cases());
	suite_add_tcase(suite, pki_pin_cases());
	suite_add_tcase(suite, pki_profiles_cases());
	suite_add_tcase(suite, pki_renew_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
