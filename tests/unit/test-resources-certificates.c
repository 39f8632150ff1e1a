/* What the rows of agentd/resources/certificates.c say of the files that they find, and what they
 * make of them. */
#include <string.h>

#include "agentd/resources/issue.h"
#include "common/alloc.h"
#include "pki/ca.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define CRT WORLD_PKI "apiserver.crt"
#define KEY WORLD_PKI "apiserver.key"
#define ROW "certificate-apiserver"

static void setup(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	world_make("certificate-ca");
	world_make(ROW);
}

/* A certificate that is like the row's own but for what is said. */
struct variation {
	bool other_ca, other_key, client_only, without_sans, more_sans;
	const char *common_name;
	int64_t life_s; /* 0 = a year */
};

static void write_variation(const struct variation *variation)
{
	_cleanup_(issue_names_done) struct issue_names names = { 0 };
	_cleanup_(key_unref) struct key *ca_key =
	    variation->other_ca ? world_new_key() : world_read_key(WORLD_PKI "ca.key");
	_cleanup_(cert_unref) struct cert *ca =
	    variation->other_ca ? world_self_signed(ca_key) : world_read_cert(WORLD_PKI "ca.crt");
	_cleanup_(key_unref) struct key *key =
	    variation->other_key ? world_new_key() : world_read_key(KEY);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	struct error err = ERROR_INIT;
	struct ca_request request;

	issue_names_of(world.ctx.role, profile_find("apiserver"), &names);
	if (variation->without_sans)
		strv_done(&names.dns_names);
	if (variation->more_sans)
		strv_add(&names.dns_names, "more.example.org");
	request = (struct ca_request){
		.common_name = variation->common_name ? variation->common_name : names.common_name,
		.dns_names = &names.dns_names,
		.addresses = &names.addresses,
		.usages = variation->client_only ? CERT_CLIENT_AUTH : CERT_SERVER_AUTH,
		.not_before = WORLD_NOW - 86400,
		.not_after = WORLD_NOW + (variation->life_s ? variation->life_s : 365 * 86400),
	};
	ck_assert_int_eq(ca_sign(ca, ca_key, key, &request, &cert, &err), 0);
	world_write_cert(CRT, cert);
}

static void of_another_ca(void)
{
	write_variation(&(struct variation){ .other_ca = true });
}
static void for_another_key(void)
{
	write_variation(&(struct variation){ .other_key = true });
}
static void for_clients(void)
{
	write_variation(&(struct variation){ .client_only = true });
}
static void without_names(void)
{
	write_variation(&(struct variation){ .without_sans = true });
}
static void with_more_names(void)
{
	write_variation(&(struct variation){ .more_sans = true });
}
static void of_somebody_else(void)
{
	write_variation(&(struct variation){ .common_name = "somebody" });
}
static void expired(void)
{
	write_variation(&(struct variation){ .life_s = -1 });
}
static void of_the_future(void)
{
	world.ctx.now = WORLD_NOW - 2 * 86400;
}
static void crt_gone(void)
{
	world_remove(CRT);
}
static void key_gone(void)
{
	world_remove(KEY);
}
static void both_gone(void)
{
	crt_gone();
	key_gone();
}
static void crt_torn(void)
{
	world_write(CRT, "-----BEGIN CERTIFICATE-----\nMIIB", 0644);
}
static void key_torn(void)
{
	world_write(KEY, "", 0600);
}
static void key_readable(void)
{
	world_chmod(KEY, 0640);
}
static void crt_private(void)
{
	world_chmod(CRT, 0600);
}
static void san_added_to_the_role(void)
{
	world_set_role(WORLD_CONTROL_PLANE
		       "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
		       "apiServer: {certSANs: [api.example.org]}\n");
}
static void foreign_and_fitting(void)
{
	world_disown(ROW);
	with_more_names();
}
static void foreign_half(void)
{
	world_disown(ROW);
	key_gone();
}
static void foreign_of_another_ca(void)
{
	world_disown(ROW);
	of_another_ca();
}
static void foreign_and_expired(void)
{
	world_disown(ROW);
	expired();
}

/* The CA. */

static void ca_without_key(void)
{
	world_remove(WORLD_PKI "ca.key");
}
static void ca_without_certificate(void)
{
	world_remove(WORLD_PKI "ca.crt");
}
static void ca_gone(void)
{
	ca_without_key();
	ca_without_certificate();
}
static void ca_gone_before_it_was_used(void)
{
	ca_gone();
	ledger_set(world.ctx.ledger, "certificate-ca", LEDGER_PENDING);
}
static void ca_torn(void)
{
	world_write(WORLD_PKI "ca.crt", "", 0644);
}
static void ca_with_another_key(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();

	world_write_key(WORLD_PKI "ca.key", key);
}
static void ca_is_none(void)
{
	_cleanup_(cert_unref) struct cert *leaf = world_read_cert(CRT);
	_cleanup_(key_unref) struct key *key = world_read_key(KEY);

	world_write_cert(WORLD_PKI "ca.crt", leaf);
	world_write_key(WORLD_PKI "ca.key", key);
}
static void ca_of_somebody_else(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();
	_cleanup_(cert_unref) struct cert *cert = world_self_signed(key);

	world_disown("certificate-ca");
	world_write_cert(WORLD_PKI "ca.crt", cert);
	world_write_key(WORLD_PKI "ca.key", key);
}

/* The service account's keys. */

static void sa_made(void)
{
	world_make("service-account-key");
}
static void sa_public_gone(void)
{
	sa_made();
	world_remove(WORLD_PKI "sa.pub");
}
static void sa_public_of_another(void)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	_cleanup_(key_unref) struct key *key = world_new_key();
	struct error err = ERROR_INIT;

	sa_made();
	ck_assert_int_eq(key_public_to_pem(key, &text, &err), 0);
	world_write(WORLD_PKI "sa.pub", text.data, 0600);
}
static void sa_private_gone(void)
{
	sa_made();
	world_remove(WORLD_PKI "sa.key");
}
static void sa_private_torn(void)
{
	sa_made();
	world_write(WORLD_PKI "sa.key", "", 0600);
}
static void sa_private_readable(void)
{
	sa_made();
	world_chmod(WORLD_PKI "sa.key", 0644);
}

#define CA "certificate-ca"
#define SA "service-account-key"

/* clang-format off */
static const struct world_case cases[] = {
	{ "made is in sync",               NULL,                  ROW, IN_SYNC, NULL },
	{ "both halves gone",              both_gone,             ROW, DRIFTED, "apiserver.crt is missing" },
	{ "certificate gone",              crt_gone,              ROW, DRIFTED, "apiserver.key is there without its other half" },
	{ "key gone",                      key_gone,              ROW, DRIFTED, "apiserver.crt is there without its other half" },
	{ "certificate torn",              crt_torn,              ROW, DRIFTED, "apiserver.crt cannot be read" },
	{ "key torn",                      key_torn,              ROW, DRIFTED, "cannot be read" },
	{ "another key",                   for_another_key,       ROW, DRIFTED, "does not belong to its key" },
	{ "another CA",                    of_another_ca,         ROW, DRIFTED, "apiserver.crt certificate" },
	{ "expired",                       expired,               ROW, DRIFTED, "expired" },
	{ "not valid yet",                 of_the_future,         ROW, UNKNOWN, "the clock of this host is behind" },
	{ "client certificate",            for_clients,           ROW, DRIFTED, "lacks a usage" },
	{ "a name is missing",             without_names,         ROW, DRIFTED, "is not for " },
	{ "a name is new",                 san_added_to_the_role, ROW, DRIFTED, "is not for api.example.org" },
	{ "more names are fine",           with_more_names,       ROW, IN_SYNC, NULL },
	{ "another subject",               of_somebody_else,      ROW, DRIFTED, "has the common name somebody, not kube-apiserver" },
	{ "key readable by others",        key_readable,          ROW, DRIFTED, "has mode 0640, not 0600" },
	{ "certificate not readable",      crt_private,           ROW, DRIFTED, "has mode 0600, not 0644" },
	{ "foreign, fitting",              foreign_and_fitting,   ROW, IN_SYNC, NULL },
	{ "foreign, half",                 foreign_half,          ROW, BLOCKED, "it is not agentd's: remove it and its key" },
	{ "foreign, of another CA",        foreign_of_another_ca, ROW, BLOCKED, "it is not agentd's" },
	{ "foreign, expired",              foreign_and_expired,   ROW, BLOCKED, "expired" },

	{ "CA without its key is external", ca_without_key,       CA, IN_SYNC, NULL },
	{ "CA without its certificate",    ca_without_certificate, CA, BLOCKED, "put that back" },
	{ "CA gone from a cluster",        ca_gone,               CA, BLOCKED, "put them back" },
	{ "CA gone before it was used",    ca_gone_before_it_was_used, CA, DRIFTED, "ca.crt is missing" },
	{ "CA torn",                       ca_torn,               CA, BLOCKED, "cannot be read" },
	{ "CA and another key",            ca_with_another_key,   CA, BLOCKED, "is not a CA's certificate for" },
	{ "CA is no CA",                   ca_is_none,            CA, BLOCKED, "is not a CA's certificate for" },
	{ "CA of somebody else is adopted", ca_of_somebody_else,  CA, IN_SYNC, NULL },

	{ "service account, nothing",      NULL,                  SA, DRIFTED, "sa.key is missing" },
	{ "service account, made",         sa_made,               SA, IN_SYNC, NULL },
	{ "public half gone",              sa_public_gone,        SA, DRIFTED, "does not hold the public half of sa.key" },
	{ "public half of another",        sa_public_of_another,  SA, DRIFTED, "does not hold the public half of sa.key" },
	{ "private half gone",             sa_private_gone,       SA, DRIFTED, "sa.key is missing" },
	{ "private half torn",             sa_private_torn,       SA, BLOCKED, "sa.key" },
	{ "private half readable",         sa_private_readable,   SA, DRIFTED, "has mode 0644, not 0600" },
};
/* clang-format on */

START_TEST(test_verdicts_of_certificates)
{
	world_check_case(&cases[_i]);
}
END_TEST

/* A change after which applying the row must not make a new key. */
static void (*const mended_changes[])(void) = { key_readable, crt_private, with_more_names };

START_TEST(test_a_good_pair_keeps_its_bytes_when_its_modes_are_mended)
{
	_cleanup_(buf_done) struct buf before = BUF_INIT(MIB), after = BUF_INIT(MIB);

	mended_changes[_i]();
	world_read(CRT, &before);
	world_read(KEY, &before);
	world_make(ROW);
	world_read(CRT, &after);
	world_read(KEY, &after);
	ck_assert_str_eq(after.data, before.data);
}
END_TEST

/* A change after which applying the row makes another key and certificate. */
static void (*const broken_changes[])(void) = {
	both_gone,     crt_gone,    key_gone,	   crt_torn,	     key_torn, for_another_key,
	of_another_ca, for_clients, without_names, of_somebody_else, expired,
};

START_TEST(test_what_is_broken_is_made_again)
{
	broken_changes[_i]();
	world_make(ROW);
}
END_TEST

START_TEST(test_the_public_half_follows_the_private_one)
{
	_cleanup_(buf_done) struct buf before = BUF_INIT(MIB), after = BUF_INIT(MIB);

	sa_public_of_another();
	world_read(WORLD_PKI "sa.key", &before);
	world_make(SA);
	world_read(WORLD_PKI "sa.key", &after);
	ck_assert_str_eq(after.data, before.data);
}
END_TEST

Suite *suite_resources_certificates(void)
{
	Suite *suite = suite_create("resources-certificates");
	TCase *tests = tcase_create("certificates");

	tcase_add_checked_fixture(tests, setup, world_done);
	tcase_add_loop_test(tests, test_verdicts_of_certificates, 0, ARRAY_SIZE(cases));
	tcase_add_loop_test(tests, test_a_good_pair_keeps_its_bytes_when_its_modes_are_mended, 0,
			    ARRAY_SIZE(mended_changes));
	tcase_add_loop_test(tests, test_what_is_broken_is_made_again, 0,
			    ARRAY_SIZE(broken_changes));
	tcase_add_test(tests, test_the_public_half_follows_the_private_one);
	suite_add_tcase(suite, tests);
	return suite;
}
