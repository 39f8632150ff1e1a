/* When certificates are renewed, with what, and what the row "certificates" says of those that
 * agentd does not renew. */
#include <string.h>

#include "agentd/resources/leaf.h"
#include "agentd/resources/proof.h"
#include "agentd/resources/request.h"
#include "common/alloc.h"
#include "pki/ca.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

enum { DAY_S = 86400 };

#define ROW	 "certificate-apiserver"
#define CRT	 WORLD_PKI "apiserver.crt"
#define KEY	 WORLD_PKI "apiserver.key"
#define ADMIN	 "kubeconfig-admin"
#define AGENTD	 "agentd-identity"
#define VALIDITY "certificates"
#define CSR	 REQUEST_DIRECTORY "apiserver.csr"
#define SIGNED	 REQUEST_DIRECTORY "apiserver.crt"

static void setup(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	world_make("certificate-ca");
	world_make("certificate-etcd-ca");
	world_make(ROW);
	world_make(ADMIN);
	world_make(AGENTD);
}

static void later(int64_t days)
{
	clock_fake_advance(&world.clock, (uint64_t)days * DAY_S * NSEC_PER_SEC);
	world.ctx.now = clock_wall(world.ctx.clock);
}

/* A year's certificate is due after 66 % ± 5 % of it. */
static void before_its_time(void)
{
	later(220);
}
static void its_time(void)
{
	later(260);
}
static void past_its_end(void)
{
	later(400);
}
static void early_by_the_role(void)
{
	world_set_role(
	    WORLD_ROLE("control-plane") "certificateRenewal: {atPercent: 30}\n"
					"---\napiVersion: kubeadm.k8s.io/v1beta4\n"
					"kind: InitConfiguration\n"
					"localAPIEndpoint: {advertiseAddress: " WORLD_ADDRESS
					"}\n" WORLD_REGISTRATION);
	later(130);
}
static void foreign_and_its_time(void)
{
	world_disown(ROW);
	its_time();
}
static void foreign_and_ended(void)
{
	world_disown(ROW);
	past_its_end();
}
static void foreign_ended_and_forced(void)
{
	foreign_and_ended();
	leaf_ask(&world.ctx, profile_find("apiserver"), true);
}
static void asked_for(void)
{
	leaf_ask(&world.ctx, profile_find("apiserver"), false);
	leaf_ask(&world.ctx, profile_find("admin.conf"), false);
	leaf_ask(&world.ctx, profile_find("agentd"), false);
}

/* With the CA's key elsewhere. */

static struct key *ca_key;

static void external(void)
{
	ca_key = world_read_key(WORLD_PKI "ca.key");
	world_remove(WORLD_PKI "ca.key");
}
static void external_and_its_time(void)
{
	external();
	its_time();
}
static void make_request(const char *row)
{
	struct error err = ERROR_INIT;

	ck_assert_msg(world_apply(row, &err) == 0, "%s", err.message);
}
static void external_and_requested(void)
{
	external_and_its_time();
	make_request(ROW);
}
static void external_and_missing(void)
{
	external();
	world_remove(CRT);
	world_remove(KEY);
}
static void external_missing_and_requested(void)
{
	external_and_missing();
	make_request(ROW);
}
static void external_and_ended(void)
{
	external();
	past_its_end();
	make_request(ROW);
}

/* Somebody signs what was requested, with the common name or with another. */
static void sign_as(const char *common_name)
{
	_cleanup_(key_unref) struct key *key = world_read_key(REQUEST_DIRECTORY "apiserver.key");
	_cleanup_(cert_unref) struct cert *ca = world_read_cert(WORLD_PKI "ca.crt");
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(issue_names_done) struct issue_names names = { 0 };
	struct ca_request request;
	struct error err = ERROR_INIT;

	issue_names_of(world.ctx.role, profile_find("apiserver"), &names);
	request = (struct ca_request){
		.common_name = common_name,
		.dns_names = &names.dns_names,
		.addresses = &names.addresses,
		.usages = CERT_SERVER_AUTH,
		.not_before = world.ctx.now - 300,
		.not_after = world.ctx.now + 90 * DAY_S,
	};
	ck_assert_int_eq(ca_sign(ca, ca_key, key, &request, &cert, &err), 0);
	world_write_cert(SIGNED, cert);
}
static void external_and_signed(void)
{
	external_missing_and_requested();
	sign_as("kube-apiserver");
}
static void external_and_signed_wrongly(void)
{
	external_missing_and_requested();
	sign_as("somebody");
}
static void external_and_another_role(void)
{
	external_missing_and_requested();
	world_set_role(WORLD_CONTROL_PLANE
		       "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
		       "apiServer: {certSANs: [api.example.org]}\n");
}

/* The end of CAs. */
static void ca_ends_soon(void)
{
	later(3650 - 170);
}
static void ca_has_ended(void)
{
	later(3651);
}
static void renewed_before_the_ca_ends(void)
{
	later(3650 - 190);
	world_make(ROW);
	world_make(ADMIN);
	world_make(AGENTD);
}

/* clang-format off */
static const struct world_case cases[] = {
	{ "before its time",             before_its_time,          ROW,    IN_SYNC, NULL },
	{ "its time",                    its_time,                 ROW,    DRIFTED, "apiserver.crt expires on 2027" },
	{ "a kubeconfig's time",         its_time,                 ADMIN,  DRIFTED, "its time to be renewed has come" },
	{ "agentd's own time",           its_time,                 AGENTD, DRIFTED, "its time to be renewed has come" },
	{ "earlier by the role",         early_by_the_role,        ROW,    DRIFTED, "its time to be renewed has come" },
	{ "past its end",                past_its_end,             ROW,    DRIFTED, "expired" },
	{ "foreign, its time",           foreign_and_its_time,     ROW,    DRIFTED, "its time to be renewed has come" },
	{ "foreign, past its end",       foreign_and_ended,        ROW,    BLOCKED, "it is not agentd's" },
	{ "foreign, ended, forced",      foreign_ended_and_forced, ROW,    DRIFTED, "expired" },
	{ "asked for",                   asked_for,                ROW,    DRIFTED, "is renewed on request" },
	{ "a kubeconfig asked for",      asked_for,                ADMIN,  DRIFTED, "is renewed on request" },
	{ "agentd's own asked for",      asked_for,                AGENTD, DRIFTED, "is renewed on request" },

	{ "external CA",                 external,                 "certificate-ca", IN_SYNC, NULL },
	{ "external CA, good leaf",      external,                 ROW,    IN_SYNC, NULL },
	{ "external CA, its time",       external_and_its_time,    ROW,    DRIFTED, "a request for its holder is made" },
	{ "external CA, requested",      external_and_requested,   ROW,    IN_SYNC, NULL },
	{ "external CA, missing",        external_and_missing,     ROW,    DRIFTED, "is missing; " },
	{ "external CA, missing, requested", external_missing_and_requested, ROW, BLOCKED, "let its holder sign /" },
	{ "external CA, ended",          external_and_ended,       ROW,    BLOCKED, "expired" },
	{ "external CA, signed",         external_and_signed,      ROW,    DRIFTED, SIGNED " is signed" },
	{ "external CA, signed wrongly", external_and_signed_wrongly, ROW, BLOCKED, "it has the common name somebody" },
	{ "external CA, another role",   external_and_another_role, ROW,   DRIFTED, "a request for its holder is made" },

	{ "all is good",                 NULL,                     VALIDITY, IN_SYNC, NULL },
	{ "renewal comes late",          past_its_end,             VALIDITY, BLOCKED, "it has not been renewed" },
	{ "a signature is awaited",      external_and_requested,   VALIDITY, BLOCKED, "let its holder sign /" },
	{ "the CA ends soon",            ca_ends_soon,             VALIDITY, BLOCKED, "pki/ca.crt expires on 2036-" },
	{ "the CA has ended",            ca_has_ended,             VALIDITY, BLOCKED, "pki/ca.crt expired on 2036-" },
	{ "the CA ends not so soon",     renewed_before_the_ca_ends, VALIDITY, IN_SYNC, NULL },
};
/* clang-format on */

static void expect(const struct world_case *line)
{
	_cleanup_free_ char *root = NULL;
	struct world_case rooted = *line;

	/* Reasons name files as the host has them. */
	if (line->reason && line->reason[0] == '/') {
		root = xasprintf("%s%s", world.root, line->reason);
		rooted.reason = root;
	}
	world_check_case(&rooted);
}

START_TEST(test_verdicts_of_renewal)
{
	expect(&cases[_i]);
	ca_key = key_unref(ca_key);
}
END_TEST

START_TEST(test_conditions_say_why_in_one_word)
{
	static const struct {
		void (*change)(void);
		const char *reason;
	} rows[] = {
		{ ca_ends_soon, "CAExpiresSoon" },
		{ ca_has_ended, "CAExpired" },
		{ external_and_requested, "SignatureNeeded" },
		{ past_its_end, "RenewalFailed" },
	};
	struct why why;

	rows[_i].change();
	ck_assert_int_eq(world_observe(VALIDITY, &why), BLOCKED);
	ck_assert_str_eq(why.reason, rows[_i].reason);
	ca_key = key_unref(ca_key);
}
END_TEST

START_TEST(test_a_planned_renewal_is_no_drift_of_another_hand)
{
	struct why why;

	its_time();
	ck_assert_int_eq(world_observe(ROW, &why), DRIFTED);
	ck_assert(why.planned);
}
END_TEST

START_TEST(test_a_renewal_makes_a_new_key_and_keeps_subject_names_and_usages)
{
	_cleanup_(cert_unref) struct cert *before = world_read_cert(CRT), *after = NULL;
	_cleanup_(key_unref) struct key *old_key = world_read_key(KEY), *new_key = NULL;
	_cleanup_(strv_done) struct strv old_names = STRV_INIT, new_names = STRV_INIT;
	_cleanup_free_ char *old_subject = cert_common_name(before), *new_subject = NULL;

	its_time();
	world_make(ROW);
	after = world_read_cert(CRT);
	new_key = world_read_key(KEY);
	new_subject = cert_common_name(after);
	cert_dns_names(before, &old_names);
	cert_addresses(before, &old_names);
	cert_dns_names(after, &new_names);
	cert_addresses(after, &new_names);
	ck_assert(!key_matches(old_key, new_key));
	ck_assert(cert_has_key(after, new_key));
	ck_assert_str_eq(new_subject, old_subject);
	ck_assert_uint_eq(cert_usages(after), cert_usages(before));
	ck_assert_uint_eq(new_names.count, old_names.count);
	STRV_FOREACH(name, &old_names)
		ck_assert_msg(strv_contains(&new_names, name), "%s is gone", name);
}
END_TEST

/* What kubeadm was once told, and the role does not know, is kept too. */
START_TEST(test_further_names_of_an_adopted_certificate_are_kept)
{
	_cleanup_(issue_names_done) struct issue_names names = { 0 };
	_cleanup_(key_unref) struct key *ca_private = world_read_key(WORLD_PKI "ca.key");
	_cleanup_(key_unref) struct key *key = world_read_key(KEY);
	_cleanup_(cert_unref) struct cert *ca = world_read_cert(WORLD_PKI "ca.crt");
	_cleanup_(cert_unref) struct cert *adopted = NULL, *renewed = NULL;
	_cleanup_(strv_done) struct strv found = STRV_INIT;
	struct ca_request request;
	struct error err = ERROR_INIT;

	issue_names_of(world.ctx.role, profile_find("apiserver"), &names);
	strv_add(&names.dns_names, "more.example.org");
	request = (struct ca_request){ .common_name = names.common_name,
				       .dns_names = &names.dns_names,
				       .addresses = &names.addresses,
				       .usages = CERT_SERVER_AUTH,
				       .not_before = WORLD_NOW - 100 * DAY_S,
				       .not_after = WORLD_NOW + DAY_S };
	ck_assert_int_eq(ca_sign(ca, ca_private, key, &request, &adopted, &err), 0);
	world_write_cert(CRT, adopted);
	world_disown(ROW);
	world_expect(ROW, DRIFTED, "its time to be renewed has come");
	world_make(ROW);
	renewed = world_read_cert(CRT);
	ck_assert(!cert_equal(renewed, adopted));
	cert_dns_names(renewed, &found);
	ck_assert(strv_contains(&found, "more.example.org"));
}
END_TEST

START_TEST(test_a_kubeconfig_gets_a_new_certificate_and_keeps_the_rest)
{
	_cleanup_(cert_unref) struct cert *before = NULL, *after = NULL;
	const struct profile *profile = profile_find("admin.conf");

	ck_assert_int_eq(leaf_load(&world.ctx, profile, &before, NULL), 1);
	asked_for();
	world_make(ADMIN);
	ck_assert_int_eq(leaf_load(&world.ctx, profile, &after, NULL), 1);
	ck_assert(!cert_equal(before, after));
}
END_TEST

START_TEST(test_what_was_signed_elsewhere_is_put_in_place_and_its_request_goes)
{
	_cleanup_(cert_unref) struct cert *wanted = NULL, *found = NULL;

	external_and_signed();
	wanted = world_read_cert(SIGNED);
	world_make(ROW);
	found = world_read_cert(CRT);
	ck_assert(cert_equal(found, wanted));
	ck_assert(!world_exists(CSR));
	ck_assert(!world_exists(SIGNED));
	ck_assert(!world_exists(REQUEST_DIRECTORY "apiserver.key"));
	ca_key = key_unref(ca_key);
}
END_TEST

START_TEST(test_a_request_is_made_once)
{
	_cleanup_(buf_done) struct buf before = BUF_INIT(MIB), after = BUF_INIT(MIB);

	external_missing_and_requested();
	world_read(CSR, &before);
	world_restart();
	world_expect(ROW, BLOCKED, "let its holder sign /");
	world_read(CSR, &after);
	ck_assert_str_eq(after.data, before.data);
	ca_key = key_unref(ca_key);
}
END_TEST

START_TEST(test_moments_of_renewal_lie_in_the_window_and_differ)
{
	int64_t first = INT64_MAX, last = 0;

	world_make("certificate-etcd-server");
	world_make("certificate-etcd-peer");
	world_make("certificate-apiserver-etcd-client");
	for (const struct use *use = uses; use->profile; use++) {
		const struct profile *profile = profile_find(use->profile);
		int64_t due = leaf_due_of(&world.ctx, profile);

		if (due == 0)
			continue; /* not made here */
		ck_assert_int_ge(due, WORLD_NOW + 222 * DAY_S);
		ck_assert_int_le(due, WORLD_NOW + 260 * DAY_S);
		first = MIN(first, due);
		last = MAX(last, due);
		ck_assert_int_eq(leaf_due_of(&world.ctx, profile), due);
	}
	ck_assert_int_gt(last, first + DAY_S);
}
END_TEST

Suite *suite_resources_renewal(void)
{
	Suite *suite = suite_create("resources-renewal");
	TCase *tests = tcase_create("renewal");

	tcase_add_checked_fixture(tests, setup, world_done);
	tcase_add_loop_test(tests, test_verdicts_of_renewal, 0, ARRAY_SIZE(cases));
	tcase_add_loop_test(tests, test_conditions_say_why_in_one_word, 0, 4);
	tcase_add_test(tests, test_a_planned_renewal_is_no_drift_of_another_hand);
	tcase_add_test(tests, test_a_renewal_makes_a_new_key_and_keeps_subject_names_and_usages);
	tcase_add_test(tests, test_further_names_of_an_adopted_certificate_are_kept);
	tcase_add_test(tests, test_a_kubeconfig_gets_a_new_certificate_and_keeps_the_rest);
	tcase_add_test(tests, test_what_was_signed_elsewhere_is_put_in_place_and_its_request_goes);
	tcase_add_test(tests, test_a_request_is_made_once);
	tcase_add_test(tests, test_moments_of_renewal_lie_in_the_window_and_differ);
	suite_add_tcase(suite, tests);
	return suite;
}
