/* The whole decision about a cluster-info. The first byte of the input says who is asking to be
 * believed: 's' has the token and signs a kubeconfig of his own, 'r' has only the wire and sends a
 * reply, 'n' is like 's' but meets a role without pins. Whatever they send, a refusal returns
 * nothing, and only the pinned key comes out of an acceptance. */
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"
#include "discovery/clusterinfo.h"
#include "discovery/jws.h"
#include "pki/pin.h"
#include "tests/fuzz/fuzz.h"

/* The CA that is pinned; the corpus has an impostor's of the same name too. */
static const char ca_pem[] = "-----BEGIN CERTIFICATE-----\n"
			     "MIIBgDCCASegAwIBAgIURwjnEqDFUzWLya9zDCySC1MIni8wCgYIKoZIzj0EAwIw\n"
			     "FTETMBEGA1UEAwwKa3ViZXJuZXRlczAgFw0yNjExMjUwMDMyMDdaGA8yMTI2MTEw\n"
			     "MTAwMzIwN1owFTETMBEGA1UEAwwKa3ViZXJuZXRlczBZMBMGByqGSM49AgEGCCqG\n"
			     "SM49AwEHA0IABF+08I09cwkjMovDSHx/y4P4yawCqjiPAi9LF75dIW2D1Ne6wVL3\n"
			     "glHeiX2JTVpo8tQ3vdchn0LgirNoDXODYtGjUzBRMB0GA1UdDgQWBBQX7CS73UrD\n"
			     "SIGnbHkOH6+8GrnqvzAfBgNVHSMEGDAWgBQX7CS73UrDSIGnbHkOH6+8GrnqvzAP\n"
			     "BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIAIA5HTMFDzWoBXILgWj\n"
			     "a39tLwSEip/xVms27IuG77ZwAiArQMjEN8oQyrFPf97bi++gdSBb2Jby5AdOsQt/\n"
			     "OvzkJg==\n"
			     "-----END CERTIFICATE-----\n";

/* Token abcdef.0123456789abcdef, and the pin of ca_pem. */
struct world {
	struct token token;
	struct strv pins, no_pins;
	char pin[72];
};

static void world_init(struct world *world)
{
	_cleanup_(secret_unref) struct secret *text = secret_new("abcdef.0123456789abcdef", 23);
	_cleanup_(cert_unref) struct cert *ca = NULL;
	struct error err = ERROR_INIT;

	if (token_parse(text, &world->token, &err) < 0 ||
	    cert_from_pem(ca_pem, strlen(ca_pem), &ca, &err) < 0)
		abort();
	pin_of(ca, world->pin);
	strv_add(&world->pins, world->pin);
}

/* The attacker's kubeconfig in a ConfigMap with the right signature. */
static struct value *sign(const struct world *world, const char *text)
{
	_cleanup_(buf_done) struct buf signature = BUF_INIT(KIB);
	struct error err = ERROR_INIT;
	struct value *map = value_new_map();

	if (jws_sign(&world->token, text, strlen(text), &signature, &err) < 0)
		(void)buf_append_string(&signature, "too long");
	map = value_put(map, "kind", value_new_string("ConfigMap"));
	map = value_put_at(map, value_new_string("cluster-info"), "metadata", "name");
	map = value_put_at(map, value_new_string("kube-public"), "metadata", "namespace");
	map = value_put_at(map, value_new_string(text), "data", "kubeconfig");
	return value_put_at(map, value_new_string(signature.data), "data", "jws-kubeconfig-abcdef");
}

static void check_accepted(const struct world *world, const struct clusterinfo *info)
{
	_cleanup_(cert_list_done) struct cert_list certs = { 0 };
	struct error err = ERROR_INIT;

	FUZZ_CHECK(clusterinfo_server_is_valid(info->server));
	FUZZ_CHECK(cert_list_from_pem(info->ca_pem, strlen(info->ca_pem), &certs, &err) == 0);
	for (size_t i = 0; i < certs.count; i++)
		FUZZ_CHECK(pin_matches(world->pin, certs.items[i]) && cert_is_ca(certs.items[i]));
}

static void decide(const struct world *world, const struct value *map, const struct strv *pins)
{
	static const struct clusterinfo nothing;
	_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;
	bool is_signed = false;
	int r;

	r = clusterinfo_decide(map, &world->token, pins, false, &is_signed, &info, &err);
	if (r < 0 || !is_signed) {
		FUZZ_CHECK(memcmp(&info, &nothing, sizeof(nothing)) == 0);
		FUZZ_CHECK(!is_signed && (r == 0 || (err.code == r && err.message[0])));
		return;
	}
	FUZZ_CHECK(pins->count > 0);
	check_accepted(world, &info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *text = NULL;
	struct error err = ERROR_INIT;

	if (size == 0)
		return 0;
	if (!world.token.secret)
		world_init(&world);
	text = xstrndup((const char *)data + 1, size - 1);
	if (data[0] != 'r')
		map = sign(&world, text);
	else if (json_parse((const char *)data + 1, size - 1, "reply", &map, &err) < 0)
		return 0;
	decide(&world, map, data[0] == 'n' ? &world.no_pins : &world.pins);
	return 0;
}
