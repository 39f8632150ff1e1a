/* Kubeconfigs of strangers: what is accepted reads the same when it is written and read again, what
 * is refused leaves nothing behind. */
#include <string.h>

#include "discovery/kubeconfig.h"
#include "tests/fuzz/fuzz.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void write_and_read(const struct kubeconfig *config)
{
	_cleanup_(kubeconfig_done) struct kubeconfig again = { 0 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(256 * KIB);
	struct error err = ERROR_INIT;

	/* What base64 and quotes make longer than a document may be is not read again. */
	if (kubeconfig_write(config, &text) < 0)
		return;
	FUZZ_CHECK(kubeconfig_parse(text.data, text.length, "again", &again, &err) == 0);
	FUZZ_CHECK(same(config->server, again.server) && same(config->ca_pem, again.ca_pem));
	FUZZ_CHECK(same(config->cluster, again.cluster) && same(config->user, again.user));
	FUZZ_CHECK(same(config->context, again.context));
	FUZZ_CHECK(same(config->certificate_path, again.certificate_path));
	FUZZ_CHECK(!config->token || secret_equal(config->token, again.token));
	if (config->certificate_pem && config->key_pem && !config->certificate_path)
		FUZZ_CHECK(same(config->certificate_pem, again.certificate_pem) &&
			   secret_equal(config->key_pem, again.key_pem));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct kubeconfig nothing;
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	struct error err = ERROR_INIT;
	int r;

	r = kubeconfig_parse((const char *)data, size, "fuzz", &config, &err);
	if (r < 0) {
		FUZZ_CHECK(memcmp(&config, &nothing, sizeof(nothing)) == 0);
		FUZZ_CHECK(err.code == r && err.class == ERROR_CONFIG && err.message[0]);
		return 0;
	}
	FUZZ_CHECK(config.server && config.server[0]);
	FUZZ_CHECK(config.cluster && config.user && config.context);
	write_and_read(&config);
	return 0;
}
