/* Whether a cluster-info is believed: the honest one is, nothing else is. */
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"
#include "discovery/clusterinfo.h"
#include "discovery/jws.h"
#include "discovery/kubeconfig.h"
#include "pki/ca.h"
#include "pki/hmac.h"
#include "pki/pin.h"
#include "tests/unit/test-discovery.h"

#define NOW    INT64_C(1750000000)
#define YEAR   (INT64_C(365) * 24 * 3600)
#define SERVER "https://10.0.0.1:6443"

enum { MUTATIONS = 5000 };

/* The cluster, and somebody who has its token and a CA of his own. */
struct world {
	struct token token;
	struct strv pins;
	struct cert *ca, *impostor;
	char pin[72];
};

static struct cert *make_ca(const char *common_name, int64_t not_after)
{
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	ck_assert_ok(key_generate(KEY_ECDSA_P256, &key, &err), err);
	ck_assert_ok(ca_self_sign(key, common_name, NOW, not_after, &cert, &err), err);
	return cert;
}

static void world_init(struct world *world)
{
	*world = (struct world){
		.ca = make_ca("kubernetes", NOW + 10 * YEAR),
		.impostor = make_ca("kubernetes", NOW + 10 * YEAR),
	};
	fixture_token(&world->token);
	pin_of(world->ca, world->pin);
	strv_add(&world->pins, world->pin);
}

static void world_done(struct world *world)
{
	token_done(&world->token);
	strv_done(&world->pins);
	cert_unref(world->ca);
	cert_unref(world->impostor);
}
DEFINE_CLEANUP_VALUE(struct world, world_done)

/* A ConfigMap around a kubeconfig, signed with the token. */
static struct value *signed_map(const struct world *world, const char *kubeconfig)
{
	_cleanup_(buf_done) struct buf signature = BUF_INIT(KIB);
	struct error err = ERROR_INIT;
	struct value *map = value_new_map();

	ck_assert_ok(jws_sign(&world->token, kubeconfig, strlen(kubeconfig), &signature, &err),
		     err);
	map = value_put(map, "apiVersion", value_new_string("v1"));
	map = value_put(map, "kind", value_new_string("ConfigMap"));
	map = value_put_at(map, value_new_string("cluster-info"), "metadata", "name");
	map = value_put_at(map, value_new_string("kube-public"), "metadata", "namespace");
	map = value_put_at(map, value_new_string(kubeconfig), "data", "kubeconfig");
	return value_put_at(map, value_new_string(signature.data), "data", "jws-kubeconfig-abcdef");
}

static struct value *map_of(const struct world *world, const char *server, const char *ca_pem)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);

	ck_assert_int_eq(kubeconfig_write_cluster_info(server, ca_pem, &text), 0);
	return signed_map(world, text.data);
}

/* The CA text of up to three certificates. */
static char *pem_of(const struct cert *a, const struct cert *b, const struct cert *c)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);

	cert_to_pem(a, &pem);
	if (b)
		cert_to_pem(b, &pem);
	if (c)
		cert_to_pem(c, &pem);
	return buf_take(&pem);
}

/* Decides, and checks that a refusal leaves nothing behind. */
static int decide(const struct world *world, const struct value *map, struct clusterinfo *ret,
		  struct error *err)
{
	bool is_signed = false;
	int r;

	r = clusterinfo_decide(map, &world->token, &world->pins, false, &is_signed, ret, err);
	if (r < 0 || !is_signed) {
		ck_assert_ptr_null(ret->server);
		ck_assert_ptr_null(ret->ca_pem);
		ck_assert_ptr_null(ret->kubeconfig);
	}
	return r < 0 ? r : is_signed;
}

START_TEST(test_honest_cluster_info_is_believed)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct error err = ERROR_INIT;

	world_init(&world);
	ca = pem_of(world.ca, NULL, NULL);
	map = map_of(&world, SERVER, ca);
	ck_assert_msg(decide(&world, map, &info, &err) == 1, "%s", err.message);
	ck_assert_str_eq(info.server, SERVER);
	ck_assert_str_eq(info.ca_pem, ca);
	ck_assert_str_eq(info.kubeconfig, value_string(value_at(map, "data", "kubeconfig")));
}
END_TEST

START_TEST(test_missing_signature_is_no_error)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	ca = pem_of(world.ca, NULL, NULL);
	map = map_of(&world, SERVER, ca);
	map = value_put_at(map, value_new_string(""), "data", "jws-kubeconfig-abcdef");
	ck_assert_int_eq(decide(&world, map, &info, &err), 0);
	map = value_remove_at(map, "data", "jws-kubeconfig-abcdef");
	map = value_put_at(map, value_new_string("x..y"), "data", "jws-kubeconfig-zzzzzz");
	ck_assert_int_eq(decide(&world, map, &info, &err), 0);
	ck_assert(!error_is_set(&err));
}
END_TEST

START_TEST(test_signature_of_another_token_is_refused)
{
	_cleanup_(world_done) struct world world = { 0 }, other = { 0 };
	_cleanup_(secret_unref) struct secret *secret = secret_new("fedcba9876543210", 16);
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	world_init(&other);
	secret_unref(other.token.secret);
	other.token.secret = secret_ref(secret);
	ca = pem_of(world.ca, NULL, NULL);
	map = map_of(&other, SERVER, ca);
	ck_assert_int_eq(decide(&world, map, &info, &err), -EKEYREJECTED);
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_part(err.message, "agentctl token create");
}
END_TEST

/* The bundle in every order, with duplicates: only what is pinned comes out. */
START_TEST(test_smuggled_ca_is_dropped)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_free_ char *want = NULL;
	struct error err = ERROR_INIT;

	world_init(&world);
	want = pem_of(world.ca, NULL, NULL);
	for (int order = 0; order < 4; order++) {
		const struct cert *ca = world.ca, *bad = world.impostor;
		_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
		_cleanup_(value_unref) struct value *map = NULL;
		_cleanup_free_ char *bundle = order == 0   ? pem_of(bad, ca, NULL)
					      : order == 1 ? pem_of(ca, bad, NULL)
					      : order == 2 ? pem_of(ca, bad, ca)
							   : pem_of(bad, ca, bad);

		map = map_of(&world, SERVER, bundle);
		ck_assert_msg(decide(&world, map, &info, &err) == 1, "%s", err.message);
		ck_assert_str_eq(info.ca_pem, want);
	}
}
END_TEST

START_TEST(test_unpinned_ca_is_refused)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	ca = pem_of(world.impostor, NULL, NULL);
	map = map_of(&world, SERVER, ca);
	ck_assert_int_eq(decide(&world, map, &info, &err), -EKEYREJECTED);
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_part(err.message, "caCertHashes");
}
END_TEST

START_TEST(test_more_than_four_certificates_are_refused)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	cert_to_pem(world.ca, &pem);
	for (int i = 0; i < 4; i++)
		cert_to_pem(world.impostor, &pem);
	map = map_of(&world, SERVER, pem.data);
	ck_assert_int_eq(decide(&world, map, &info, &err), -E2BIG);
}
END_TEST

START_TEST(test_without_pins_nothing_is_believed_unless_asked_for)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *bundle = NULL;
	struct error err = ERROR_INIT;
	bool is_signed = false;

	world_init(&world);
	strv_done(&world.pins);
	bundle = pem_of(world.ca, world.impostor, NULL);
	map = map_of(&world, SERVER, bundle);
	ck_assert_int_eq(decide(&world, map, &info, &err), -EINVAL);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	ck_assert_ok(
	    clusterinfo_decide(map, &world.token, &world.pins, true, &is_signed, &info, &err), err);
	ck_assert(is_signed);
	ck_assert_str_eq(info.ca_pem, bundle);
}
END_TEST

START_TEST(test_pins_count_even_when_they_might_be_left_out)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;
	bool is_signed = false;

	world_init(&world);
	ca = pem_of(world.impostor, NULL, NULL);
	map = map_of(&world, SERVER, ca);
	ck_assert_int_lt(
	    clusterinfo_decide(map, &world.token, &world.pins, true, &is_signed, &info, &err), 0);
	ck_assert(!is_signed);
}
END_TEST

START_TEST(test_malformed_pin_is_the_roles_fault)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	strv_add(&world.pins, "sha256:short");
	ca = pem_of(world.ca, NULL, NULL);
	map = map_of(&world, SERVER, ca);
	ck_assert_int_eq(decide(&world, map, &info, &err), -EINVAL);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
}
END_TEST

static const struct {
	const char *server;
	bool valid;
} servers[] = {
	{ "https://10.0.0.1:6443", true },
	{ "https://10.0.0.1", true },
	{ "https://cp.example.com:6443/", true },
	{ "https://[2001:db8::1]:6443", true },
	{ "https://[2001:db8::1]", true },
	{ "https://2001:db8::1", false },
	{ "https://2001:db8::1:6443", false },
	{ "http://10.0.0.1:6443", false },
	{ "10.0.0.1:6443", false },
	{ "https://", false },
	{ "https:///", false },
	{ "https://user@10.0.0.1:6443", false },
	{ "https://10.0.0.1:6443/path", false },
	{ "https://10.0.0.1:6443?x=y", false },
	{ "https://10.0.0.1:6443#x", false },
	{ "https://10.0.0.1:65536", false },
	{ "https://10.0.0.1:", false },
	{ "https://10.0.0.1 :6443", false },
	{ "https://10.0.0.1:6443\n", false },
	{ "file:///etc/passwd", false },
	{ "HTTPS://10.0.0.1:6443", false },
};

START_TEST(test_server_is_plain_https)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	_cleanup_free_ char *ca = NULL;
	struct error err = ERROR_INIT;

	ck_assert_msg(clusterinfo_server_is_valid(servers[_i].server) == servers[_i].valid, "%s",
		      servers[_i].server);
	world_init(&world);
	ca = pem_of(world.ca, NULL, NULL);
	map = map_of(&world, servers[_i].server, ca);
	ck_assert_int_eq(decide(&world, map, &info, &err) == 1, servers[_i].valid);
}
END_TEST

/* Signed kubeconfigs that are no use. */
static const struct {
	const char *kubeconfig, *part;
} useless[] = {
	{ "nothing: useful\n", "neither a cluster" },
	{ "clusters: [{name: '', cluster: {server: 'https://a'}}]\n",
	  "certificate-authority-data" },
	{ "clusters: [{name: '', cluster: {server: 'https://a', certificate-authority: "
	  "/etc/passwd}}]\n",
	  "not read here" },
	{ "clusters: [{name: '', cluster: {server: 'https://a',\n"
	  "  certificate-authority-data: bm9uZQ==}}]\n",
	  "no certificate" },
	{ "clusters: [{name: '', cluster: {server: 'https://a', insecure-skip-tls-verify: "
	  "true}}]\n",
	  "insecure" },
};

START_TEST(test_signed_nonsense_is_refused)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *map = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	map = signed_map(&world, useless[_i].kubeconfig);
	ck_assert_int_lt(decide(&world, map, &info, &err), 0);
	/* Not ours to mend: it is tried again, and never trusted the more for it. */
	ck_assert_int_eq(err.class, ERROR_TRUST);
	ck_assert_part(err.message, useless[_i].part);
}
END_TEST

START_TEST(test_other_objects_are_refused)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_free_ char *ca = NULL;
	struct clusterinfo info = { 0 };
	struct error err = ERROR_INIT;

	world_init(&world);
	ca = pem_of(world.ca, NULL, NULL);
	for (int i = 0; i < 4; i++) {
		_cleanup_(value_unref) struct value *map = map_of(&world, SERVER, ca);

		if (i == 0)
			map = value_put(map, "kind", value_new_string("Secret"));
		if (i == 1)
			map = value_put_at(map, value_new_string("x"), "metadata", "name");
		if (i == 2)
			map =
			    value_put_at(map, value_new_string("default"), "metadata", "namespace");
		if (i == 3)
			map = value_remove_at(map, "data", "kubeconfig");
		ck_assert_int_lt(decide(&world, map, &info, &err), 0);
	}
}
END_TEST

/* A small generator, so that a failure is the same each time. */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

/* Changes, drops, inserts or repeats some bytes. */
static char *mutate(const char *text, size_t length, uint64_t *state, size_t *ret_length)
{
	char *copy = xmalloc(2 * length + 8);
	unsigned rounds = 1 + next_random(state) % 3;

	memcpy(copy, text, length);
	while (rounds-- > 0 && length > 16) {
		size_t at = next_random(state) % length;
		size_t count = MIN(1 + (size_t)next_random(state) % 8, length - at);

		switch (next_random(state) % 4) {
		case 0:
			copy[at] ^= (char)(1 << next_random(state) % 7);
			break;
		case 1:
			memmove(copy + at, copy + at + count, length - at - count);
			length -= count;
			break;
		case 2:
			copy[at] = "\"{}[]:,\\\n0Aa=/+"[next_random(state) % 15];
			break;
		default:
			memmove(copy + at + count, copy + at, length - at);
			length += count;
			break;
		}
	}
	*ret_length = length;
	return copy;
}

/* Somebody without the token changes what is on the wire. What still passes must be the same. */
START_TEST(test_mutated_cluster_infos_are_refused)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(value_unref) struct value *honest = NULL;
	_cleanup_(buf_done) struct buf body = BUF_INIT(64 * KIB);
	_cleanup_free_ char *ca = NULL;
	uint64_t state = 1;
	const char *kubeconfig;
	int refused = 0;

	world_init(&world);
	ca = pem_of(world.ca, NULL, NULL);
	honest = map_of(&world, SERVER, ca);
	kubeconfig = value_string(value_at(honest, "data", "kubeconfig"));
	ck_assert_int_eq(json_write(honest, 0, &body), 0);

	for (int i = 0; i < MUTATIONS; i++) {
		_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
		_cleanup_(value_unref) struct value *map = NULL;
		_cleanup_free_ char *text = NULL;
		struct error err = ERROR_INIT;
		size_t length;

		text = mutate(body.data, body.length, &state, &length);
		if (json_parse(text, length, "cluster-info", &map, &err) < 0 ||
		    decide(&world, map, &info, &err) != 1) {
			refused++;
			continue;
		}
		ck_assert_str_eq(info.kubeconfig, kubeconfig);
		ck_assert_str_eq(info.ca_pem, ca);
		ck_assert_str_eq(info.server, SERVER);
	}
	/* Only what hit the few bytes that nothing depends on may have passed. */
	ck_assert_int_gt(refused, MUTATIONS * 9 / 10);
}
END_TEST

static void check_pinned(const struct world *world, const char *ca_pem)
{
	_cleanup_(cert_list_done) struct cert_list certs = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_ok(cert_list_from_pem(ca_pem, strlen(ca_pem), &certs, &err), err);
	for (size_t i = 0; i < certs.count; i++)
		ck_assert(pin_matches(world->pin, certs.items[i]));
}

/* Somebody with the token changes the kubeconfig and signs it. The key stays the pinned one. */
START_TEST(test_signed_mutations_never_bring_another_key)
{
	_cleanup_(world_done) struct world world = { 0 };
	_cleanup_(buf_done) struct buf honest = BUF_INIT(64 * KIB);
	_cleanup_free_ char *bundle = NULL;
	uint64_t state = 2;

	world_init(&world);
	bundle = pem_of(world.impostor, world.ca, NULL);
	ck_assert_int_eq(kubeconfig_write_cluster_info(SERVER, bundle, &honest), 0);

	for (int i = 0; i < MUTATIONS; i++) {
		_cleanup_(clusterinfo_done) struct clusterinfo info = { 0 };
		_cleanup_(value_unref) struct value *map = NULL;
		_cleanup_free_ char *text = NULL;
		struct error err = ERROR_INIT;
		size_t length;

		text = mutate(honest.data, honest.length, &state, &length);
		text[length] = '\0';
		if (strlen(text) != length)
			continue;
		map = signed_map(&world, text);
		if (decide(&world, map, &info, &err) == 1)
			check_pinned(&world, info.ca_pem);
	}
}
END_TEST

TCase *discovery_clusterinfo_cases(void)
{
	TCase *tc = tcase_create("clusterinfo");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_honest_cluster_info_is_believed);
	tcase_add_test(tc, test_missing_signature_is_no_error);
	tcase_add_test(tc, test_signature_of_another_token_is_refused);
	tcase_add_test(tc, test_smuggled_ca_is_dropped);
	tcase_add_test(tc, test_unpinned_ca_is_refused);
	tcase_add_test(tc, test_more_than_four_certificates_are_refused);
	tcase_add_test(tc, test_without_pins_nothing_is_believed_unless_asked_for);
	tcase_add_test(tc, test_pins_count_even_when_they_might_be_left_out);
	tcase_add_test(tc, test_malformed_pin_is_the_roles_fault);
	tcase_add_loop_test(tc, test_server_is_plain_https, 0, ARRAY_SIZE(servers));
	tcase_add_loop_test(tc, test_signed_nonsense_is_refused, 0, ARRAY_SIZE(useless));
	tcase_add_test(tc, test_other_objects_are_refused);
	tcase_add_test(tc, test_mutated_cluster_infos_are_refused);
	tcase_add_test(tc, test_signed_mutations_never_bring_another_key);
	return tc;
}
