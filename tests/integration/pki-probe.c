/* Makes all certificates of profiles[] into a directory, or lists certificates, for the tests of
 * tests/integration. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/alloc.h"
#include "pki/ca.h"
#include "pki/csr.h"
#include "pki/pin.h"
#include "pki/profiles.h"

static const char usage[] =
    "Usage: pki-probe make DIRECTORY [--algorithm NAME] [--node NAME] [--dns-domain NAME]\n"
    "           [--advertise ADDRESS] [--service ADDRESS] [--endpoint HOST] [--now SECONDS]\n"
    "           [--san SAN]... [--etcd-server-san SAN]... [--etcd-peer-san SAN]...\n"
    "       pki-probe describe CERTIFICATE...\n"
    "       pki-probe pin CERTIFICATE\n"
    "       pki-probe csr NODE\n";

enum { BACKDATE = 5 * 60, DAY = 24 * 3600, LEAF_DAYS = 365, CA_DAYS = 3650, CAS_MAX = 4 };

struct authority {
	const char *name;
	struct key *key;
	struct cert *cert;
};

struct probe {
	const char *directory;
	enum key_algorithm algorithm;
	int64_t now;
	struct profile_names names;
	struct strv sans, etcd_server_sans, etcd_peer_sans;
	struct authority authorities[CAS_MAX];
	unsigned authority_count;
};

static int save(const char *path, const char *text, size_t length, mode_t mode, struct error *err)
{
	FILE *file = fopen(path, "we");

	if (!file || fwrite(text, 1, length, file) != length || fchmod(fileno(file), mode) < 0 ||
	    fclose(file) != 0)
		return error_errno(err, ERROR_CONFIG, -errno, "%s", path);
	return 0;
}

static int save_pair(const struct probe *probe, const char *name, const struct key *key,
		     const struct cert *cert, struct error *err)
{
	_cleanup_free_ char *cert_path = xasprintf("%s/%s.crt", probe->directory, name);
	_cleanup_free_ char *key_path = xasprintf("%s/%s.key", probe->directory, name);
	_cleanup_(secret_unref) struct secret *key_pem = key_to_pem(key);
	_cleanup_(buf_done) struct buf cert_pem = BUF_INIT(64 * KIB);
	int r;

	cert_to_pem(cert, &cert_pem);
	r = save(key_path, secret_bytes(key_pem), secret_length(key_pem), 0600, err);
	if (r < 0)
		return r;
	return save(cert_path, cert_pem.data, cert_pem.length, 0644, err);
}

static const struct authority *find_authority(const struct probe *probe, const char *name)
{
	for (unsigned i = 0; i < probe->authority_count; i++)
		if (strcmp(probe->authorities[i].name, name) == 0)
			return &probe->authorities[i];
	return NULL;
}

static int sign(const struct probe *probe, const struct profile *profile, const struct key *key,
		const char *common_name, struct cert **ret, struct error *err)
{
	const struct authority *ca = find_authority(probe, profile->ca);
	_cleanup_(strv_done) struct strv organizations = STRV_INIT, dns = STRV_INIT;
	_cleanup_(strv_done) struct strv addresses = STRV_INIT;
	struct ca_request request = {
		.common_name = common_name,
		.organizations = &organizations,
		.dns_names = &dns,
		.addresses = &addresses,
		.usages = profile->usages,
		.not_before = probe->now - BACKDATE,
		.not_after = probe->now + (int64_t)LEAF_DAYS * DAY,
	};

	if (profile->organization)
		strv_add(&organizations, profile->organization);
	if (profile->sans)
		profile->sans(&probe->names, &dns, &addresses);
	return ca_sign(ca->cert, ca->key, key, &request, ret, err);
}

static int make_one(struct probe *probe, const struct profile *profile, struct error *err)
{
	_cleanup_free_ char *common_name = profile_common_name(profile, probe->names.node_name);
	_cleanup_(key_unref) struct key *key = NULL;
	_cleanup_(cert_unref) struct cert *cert = NULL;
	int r;

	r = key_generate(probe->algorithm, &key, err);
	if (r < 0)
		return r;
	if (profile->ca)
		r = sign(probe, profile, key, common_name, &cert, err);
	else
		r = ca_self_sign(key, common_name, probe->now - BACKDATE,
				 probe->now + (int64_t)CA_DAYS * DAY, &cert, err);
	if (r < 0)
		return error_wrap(err, r, "%s", profile->name);

	if (!profile->ca)
		probe->authorities[probe->authority_count++] = (struct authority){
			.name = profile->name,
			.key = key_ref(key),
			.cert = cert_ref(cert),
		};
	return save_pair(probe, profile->base_name ? profile->base_name : profile->name, key, cert,
			 err);
}

static int make_all(struct probe *probe, struct error *err)
{
	_cleanup_free_ char *etcd = xasprintf("%s/etcd", probe->directory);

	if (mkdir(etcd, 0700) < 0 && errno != EEXIST)
		return error_errno(err, ERROR_CONFIG, -errno, "%s", etcd);
	for (const struct profile *profile = profiles; profile->name; profile++) {
		int r = make_one(probe, profile, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int load(const char *path, struct cert **ret, struct error *err)
{
	FILE *file = fopen(path, "re");
	char text[64 * KIB];
	size_t length;

	if (!file)
		return error_errno(err, ERROR_CONFIG, -errno, "%s", path);
	length = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	return cert_from_pem(text, length, ret, err);
}

static int describe(char **paths, struct error *err)
{
	for (; *paths; paths++) {
		_cleanup_(cert_unref) struct cert *cert = NULL;
		_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);
		int r;

		r = load(*paths, &cert, err);
		if (r < 0)
			return r;
		cert_describe(cert, &text);
		(void)fputs(text.data, stdout);
	}
	return 0;
}

static int print_pin(const char *path, struct error *err)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	char pin[72];
	int r;

	r = load(path, &cert, err);
	if (r < 0)
		return r;
	pin_of(cert, pin);
	(void)puts(pin);
	return 0;
}

/* The request of a node for its first certificate, with a key that is forgotten. */
static int print_request(const char *node, struct error *err)
{
	_cleanup_free_ char *common_name = xasprintf("system:node:%s", node);
	_cleanup_(strv_done) struct strv organizations = STRV_INIT;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(64 * KIB);
	_cleanup_(key_unref) struct key *key = NULL;
	int r;

	strv_add(&organizations, "system:nodes");
	r = key_generate(KEY_ECDSA_P256, &key, err);
	if (r < 0)
		return r;
	r = csr_make(key, common_name, &organizations, &pem, err);
	if (r < 0)
		return r;
	(void)fputs(pem.data, stdout);
	return 0;
}

static int set_algorithm(struct probe *probe, const char *name)
{
	int algorithm = key_algorithm_from_name(name);

	if (algorithm >= 0)
		probe->algorithm = (enum key_algorithm)algorithm;
	return algorithm;
}

static int parse_options(int argc, char **argv, struct probe *probe)
{
	static const struct option options[] = {
		{ "algorithm", required_argument, NULL, 'a' },
		{ "node", required_argument, NULL, 'n' },
		{ "dns-domain", required_argument, NULL, 'd' },
		{ "advertise", required_argument, NULL, 'A' },
		{ "service", required_argument, NULL, 's' },
		{ "endpoint", required_argument, NULL, 'e' },
		{ "now", required_argument, NULL, 't' },
		{ "san", required_argument, NULL, 'S' },
		{ "etcd-server-san", required_argument, NULL, 'E' },
		{ "etcd-peer-san", required_argument, NULL, 'P' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
		switch (c) {
		case 'a':
			if (set_algorithm(probe, optarg) < 0)
				return -EINVAL;
			break;
		case 'n':
			probe->names.node_name = optarg;
			break;
		case 'd':
			probe->names.dns_domain = optarg;
			break;
		case 'A':
			probe->names.advertise_address = optarg;
			break;
		case 's':
			probe->names.service_address = optarg;
			break;
		case 'e':
			probe->names.control_plane_endpoint = optarg;
			break;
		case 't':
			probe->now = strtoll(optarg, NULL, 10);
			break;
		case 'S':
			strv_add(&probe->sans, optarg);
			break;
		case 'E':
			strv_add(&probe->etcd_server_sans, optarg);
			break;
		case 'P':
			strv_add(&probe->etcd_peer_sans, optarg);
			break;
		default:
			return -EINVAL;
		}
	return 0;
}

static void probe_done(struct probe *probe)
{
	for (unsigned i = 0; i < probe->authority_count; i++) {
		key_unref(probe->authorities[i].key);
		cert_unref(probe->authorities[i].cert);
	}
	strv_done(&probe->sans);
	strv_done(&probe->etcd_server_sans);
	strv_done(&probe->etcd_peer_sans);
}

static int run(int argc, char **argv, struct probe *probe, struct error *err)
{
	if (parse_options(argc, argv, probe) < 0 || argc - optind < 2)
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s", usage);
	probe->names.api_server_sans = &probe->sans;
	probe->names.etcd_server_sans = &probe->etcd_server_sans;
	probe->names.etcd_peer_sans = &probe->etcd_peer_sans;
	probe->directory = argv[optind + 1];
	if (strcmp(argv[optind], "make") == 0)
		return make_all(probe, err);
	if (strcmp(argv[optind], "describe") == 0)
		return describe(argv + optind + 1, err);
	if (strcmp(argv[optind], "pin") == 0)
		return print_pin(argv[optind + 1], err);
	if (strcmp(argv[optind], "csr") == 0)
		return print_request(argv[optind + 1], err);
	return error_set(err, ERROR_CONFIG, -EINVAL, "%s", usage);
}

int main(int argc, char **argv)
{
	struct probe probe = {
		.algorithm = KEY_RSA_2048,
		.now = time(NULL),
		.names = {
			.node_name = "cp1",
			.dns_domain = "cluster.local",
			.advertise_address = "10.0.0.1",
			.service_address = "10.96.0.1",
		},
	};
	struct error err = ERROR_INIT;
	int r = run(argc, argv, &probe, &err);

	if (r < 0)
		(void)fprintf(stderr, "pki-probe: %s\n", err.message);
	probe_done(&probe);
	return r < 0 ? 1 : 0;
}
