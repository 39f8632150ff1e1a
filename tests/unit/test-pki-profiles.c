/* The table of certificates, and when they are renewed. */
#include <string.h>

#include "pki/profiles.h"
#include "pki/renew.h"
#include "tests/unit/test-pki.h"

START_TEST(test_every_ca_stands_before_what_it_signs)
{
	for (const struct profile *profile = profiles; profile->name; profile++) {
		const struct profile *ca;

		if (!profile->ca)
			continue;
		ca = profile_find(profile->ca);
		ck_assert_ptr_nonnull(ca);
		ck_assert_msg(ca < profile, "%s", profile->name);
		ck_assert_ptr_null(ca->ca);
	}
}
END_TEST

START_TEST(test_names_are_unique_and_found)
{
	for (const struct profile *profile = profiles; profile->name; profile++)
		ck_assert_ptr_eq(profile_find(profile->name), profile);
	ck_assert_ptr_null(profile_find("super-admin.conf"));
}
END_TEST

START_TEST(test_a_ca_has_no_usages_and_a_leaf_has_some)
{
	for (const struct profile *profile = profiles; profile->name; profile++)
		ck_assert_msg((profile->usages == 0) == (profile->ca == NULL), "%s", profile->name);
}
END_TEST

static const struct {
	const char *profile, *common_name, *organization;
} names[] = {
	{ "ca", "kubernetes", NULL },
	{ "etcd-server", "cp1", NULL },
	{ "etcd-peer", "cp1", NULL },
	{ "apiserver", "kube-apiserver", NULL },
	{ "apiserver-kubelet-client", "kube-apiserver-kubelet-client", NULL },
	{ "kubelet.conf", "system:node:cp1", "system:nodes" },
	{ "admin.conf", "kubernetes-admin", "kubeadm:cluster-admins" },
	{ "controller-manager.conf", "system:kube-controller-manager", NULL },
	{ "scheduler.conf", "system:kube-scheduler", NULL },
	{ "agentd", "agentd:cp1", "agentd:control-plane" },
};

START_TEST(test_subject_is_the_one_that_rbac_knows)
{
	const struct profile *profile = profile_find(names[_i].profile);
	_cleanup_free_ char *common_name = NULL;

	ck_assert_ptr_nonnull(profile);
	common_name = profile_common_name(profile, "cp1");
	ck_assert_str_eq(common_name, names[_i].common_name);
	ck_assert_pstr_eq(profile->organization, names[_i].organization);
}
END_TEST

static char *sans_of(const char *name, const struct profile_names *with)
{
	_cleanup_(strv_done) struct strv dns = STRV_INIT, addresses = STRV_INIT;

	profile_find(name)->sans(with, &dns, &addresses);
	strv_copy(&dns, &addresses);
	return strv_join(&dns, " ");
}

START_TEST(test_api_server_answers_to_all_its_names)
{
	_cleanup_(strv_done) struct strv extra = STRV_INIT;
	_cleanup_free_ char *sans = NULL, *with_address = NULL;
	struct profile_names with = {
		.node_name = "cp1",
		.dns_domain = "cluster.local",
		.advertise_address = "10.0.0.1",
		.service_address = "10.96.0.1",
		.control_plane_endpoint = "cp.example.com",
		.api_server_sans = &extra,
	};

	strv_add(&extra, "extra.example.com");
	strv_add(&extra, "192.0.2.7");
	strv_add(&extra, "not valid");
	strv_add(&extra, "2001:db8::1");
	sans = sans_of("apiserver", &with);
	ck_assert_str_eq(sans, "cp1 kubernetes kubernetes.default kubernetes.default.svc"
			       " kubernetes.default.svc.cluster.local cp.example.com"
			       " extra.example.com 10.96.0.1 10.0.0.1 192.0.2.7 2001:db8::1");
	with.control_plane_endpoint = "10.0.0.100";
	with.api_server_sans = NULL;
	with_address = sans_of("apiserver", &with);
	ck_assert_str_eq(with_address, "cp1 kubernetes kubernetes.default kubernetes.default.svc"
				       " kubernetes.default.svc.cluster.local"
				       " 10.96.0.1 10.0.0.1 10.0.0.100");
}
END_TEST

START_TEST(test_etcd_answers_on_its_address_and_loopback)
{
	_cleanup_(strv_done) struct strv server = STRV_INIT, peer = STRV_INIT;
	_cleanup_free_ char *server_sans = NULL, *peer_sans = NULL;
	struct profile_names with = {
		.node_name = "cp1",
		.advertise_address = "10.0.0.1",
		.etcd_server_sans = &server,
		.etcd_peer_sans = &peer,
	};

	strv_add(&server, "etcd.example.com");
	strv_add(&peer, "192.0.2.9");
	server_sans = sans_of("etcd-server", &with);
	peer_sans = sans_of("etcd-peer", &with);
	ck_assert_str_eq(server_sans, "cp1 localhost etcd.example.com 10.0.0.1 127.0.0.1 ::1");
	ck_assert_str_eq(peer_sans, "cp1 localhost 10.0.0.1 127.0.0.1 ::1 192.0.2.9");
}
END_TEST

/* What a certificate is asked for must be what is read from it, else it never fits its role. */
START_TEST(test_addresses_are_written_as_they_are_read)
{
	_cleanup_(strv_done) struct strv extra = STRV_INIT;
	_cleanup_free_ char *sans = NULL;
	struct profile_names with = {
		.node_name = "cp1",
		.advertise_address = "2001:DB8:0:0::0A",
		.etcd_server_sans = &extra,
	};

	strv_add(&extra, "::FFFF:192.0.2.1");
	sans = sans_of("etcd-server", &with);
	ck_assert_str_eq(sans, "cp1 localhost 2001:db8::a 127.0.0.1 ::1 192.0.2.1");
}
END_TEST

static const struct {
	const char *san;
	bool valid;
} sans[] = {
	{ "10.0.0.1", true },	{ "::1", true },	 { "a", true },	    { "a.example", true },
	{ "*.a.b", true },	{ "0-0.example", true }, { "", false },	    { "*", false },
	{ "*.", false },	{ "a..b", false },	 { "-a", false },   { "a-.b", false },
	{ "A.example", false }, { "a_b", false },	 { "a.b.", false }, { "*.*.a", false },
	{ "a b", false },	{ "[::1]", false },	 { "a/b", false },  { "http://", false },
};

START_TEST(test_only_addresses_and_dns_names_are_sans)
{
	ck_assert_msg(profile_san_is_valid(sans[_i].san) == sans[_i].valid, "%s", sans[_i].san);
}
END_TEST

START_TEST(test_endless_name_is_no_san)
{
	char name[300];

	memset(name, 'a', sizeof(name));
	name[253] = '\0';
	ck_assert(profile_san_is_valid(name));
	name[253] = 'a';
	name[254] = '\0';
	ck_assert(!profile_san_is_valid(name));
}
END_TEST

static const struct renew_window window = { .at_percent = 66, .spread_percent = 5 };

START_TEST(test_renewal_is_spread_around_its_percentage)
{
	int64_t after = NOW + 100 * HOUR;
	int64_t first = INT64_MAX, last = 0;

	for (uint32_t random = 0; random < 20000; random++) {
		int64_t due = renew_due(NOW, after, &window, random);

		first = MIN(first, due);
		last = MAX(last, due);
	}
	ck_assert_int_eq(first, NOW + 61 * HOUR);
	ck_assert_int_eq(last, NOW + 71 * HOUR);
	ck_assert_int_le(renew_due(NOW, after, &window, UINT32_MAX), NOW + 71 * HOUR);
}
END_TEST

START_TEST(test_renewal_stays_within_the_life)
{
	const struct renew_window late = { 100, 5 }, early = { 0, 5 };

	ck_assert_int_eq(renew_due(NOW, NOW + HOUR, &late, 2000), NOW + HOUR);
	ck_assert_int_eq(renew_due(NOW, NOW + HOUR, &early, 0), NOW);
	ck_assert_int_eq(renew_due(NOW, NOW - HOUR, &window, 7), NOW - HOUR);
	/* The year 9999, which some CAs have. */
	ck_assert_int_gt(renew_due(0, INT64_C(253402300799), &window, UINT32_MAX), NOW);
}
END_TEST

START_TEST(test_renewal_of_one_certificate_has_one_moment_and_others_have_theirs)
{
	uint32_t first = renew_random("cp1", "apiserver", "01");

	ck_assert_uint_eq(renew_random("cp1", "apiserver", "01"), first);
	ck_assert_uint_ne(renew_random("cp2", "apiserver", "01"), first);
	ck_assert_uint_ne(renew_random("cp1", "etcd-peer", "01"), first);
	ck_assert_uint_ne(renew_random("cp1", "apiserver", "02"), first);
	ck_assert_uint_ne(renew_random("cp1a", "piserver", "01"), first);
}
END_TEST

TCase *pki_profiles_cases(void)
{
	TCase *tc = tcase_create("profiles");

	tcase_add_test(tc, test_every_ca_stands_before_what_it_signs);
	tcase_add_test(tc, test_names_are_unique_and_found);
	tcase_add_test(tc, test_a_ca_has_no_usages_and_a_leaf_has_some);
	tcase_add_loop_test(tc, test_subject_is_the_one_that_rbac_knows, 0, ARRAY_SIZE(names));
	tcase_add_test(tc, test_api_server_answers_to_all_its_names);
	tcase_add_test(tc, test_etcd_answers_on_its_address_and_loopback);
	tcase_add_test(tc, test_addresses_are_written_as_they_are_read);
	tcase_add_loop_test(tc, test_only_addresses_and_dns_names_are_sans, 0, ARRAY_SIZE(sans));
	tcase_add_test(tc, test_endless_name_is_no_san);
	return tc;
}

TCase *pki_renew_cases(void)
{
	TCase *tc = tcase_create("renew");

	tcase_add_test(tc, test_renewal_is_spread_around_its_percentage);
	tcase_add_test(tc, test_renewal_stays_within_the_life);
	tcase_add_test(tc, test_renewal_of_one_certificate_has_one_moment_and_others_have_theirs);
	return tc;
}
