/* Tests of common/parse.c and common/parse-address.c. */
#include <errno.h>
#include <string.h>

#include "common/parse.h"
#include "tests/unit/test-common.h"

static const struct {
	const char *text;
	int result;
	uint64_t number;
} unsigned_numbers[] = {
	{ "0", 0, 0 },
	{ "007", 0, 7 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "99999999999999999999999", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "0x1", -EINVAL, 0 },
};

START_TEST(test_numbers_are_digits_and_nothing_else)
{
	uint64_t number = 0;

	ck_assert_int_eq(parse_u64(unsigned_numbers[_i].text, &number),
			 unsigned_numbers[_i].result);
	ck_assert_uint_eq(number, unsigned_numbers[_i].number);
}
END_TEST

START_TEST(test_signed_numbers_reach_their_limits)
{
	int64_t number = 5;

	ck_assert_int_eq(parse_i64("-9223372036854775808", &number), 0);
	ck_assert_int_eq(number, INT64_MIN);
	ck_assert_int_eq(parse_i64("9223372036854775807", &number), 0);
	ck_assert_int_eq(number, INT64_MAX);
	ck_assert_int_eq(parse_i64("9223372036854775808", &number), -ERANGE);
	ck_assert_int_eq(parse_i64("-9223372036854775809", &number), -ERANGE);
	ck_assert_int_eq(parse_i64("-", &number), -EINVAL);
	ck_assert_int_eq(parse_i64("--1", &number), -EINVAL);
	ck_assert_int_eq(number, INT64_MAX);
}
END_TEST

START_TEST(test_ports_are_between_1_and_65535)
{
	uint16_t port = 7;

	ck_assert_int_eq(parse_port("0", &port), -ERANGE);
	ck_assert_int_eq(parse_port("65536", &port), -ERANGE);
	ck_assert_int_eq(parse_port("x", &port), -EINVAL);
	ck_assert_uint_eq(port, 7);
	ck_assert_int_eq(parse_port("65535", &port), 0);
	ck_assert_uint_eq(port, 65535);
}
END_TEST

#define SECONDS(n) ((int64_t)((n)*1000000000.0))

static const struct {
	const char *text;
	int result;
	int64_t ns;
	const char *printed; /* NULL: the same */
} durations[] = {
	{ "0s", 0, 0, NULL },
	{ "0", 0, 0, "0s" },
	{ "8760h", 0, SECONDS(31536000), "8760h0m0s" },
	{ "8760h0m0s", 0, SECONDS(31536000), NULL },
	{ "1h30m", 0, SECONDS(5400), "1h30m0s" },
	{ "90s", 0, SECONDS(90), "1m30s" },
	{ "500ms", 0, SECONDS(0.5), NULL },
	{ "1.5s", 0, SECONDS(1.5), NULL },
	{ "1m0.001s", 0, SECONDS(60.001), NULL },
	{ ".5h", 0, SECONDS(1800), "30m0s" },
	{ "1.h", 0, SECONDS(3600), "1h0m0s" },
	{ "100us", 0, 100000, "100\xc2\xb5s" },
	{ "1.5\xc2\xb5s", 0, 1500, NULL },
	{ "2\xce\xbcs", 0, 2000, "2\xc2\xb5s" },
	{ "7ns", 0, 7, NULL },
	{ "1.000000000000000000009s", 0, SECONDS(1), "1s" },
	{ "-1h", 0, SECONDS(-3600), "-1h0m0s" },
	{ "+1h", 0, SECONDS(3600), "1h0m0s" },
	{ "-9223372036854775808ns", 0, INT64_MIN, "-2562047h47m16.854775808s" },
	{ "9223372036854775808ns", -ERANGE, 0, NULL },
	{ "2562048h", -ERANGE, 0, NULL },
	{ "99999999999999999999h", -ERANGE, 0, NULL },
	{ "", -EINVAL, 0, NULL },
	{ "-", -EINVAL, 0, NULL },
	{ "1", -EINVAL, 0, NULL },
	{ "h", -EINVAL, 0, NULL },
	{ ".h", -EINVAL, 0, NULL },
	{ "1d", -EINVAL, 0, NULL },
	{ "1h ", -EINVAL, 0, NULL },
	{ "1h-1m", -EINVAL, 0, NULL },
};

START_TEST(test_durations_are_those_of_go)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);
	const char *printed = durations[_i].printed ? durations[_i].printed : durations[_i].text;
	int64_t ns = 0;

	ck_assert_int_eq(parse_duration(durations[_i].text, &ns), durations[_i].result);
	ck_assert_int_eq(ns, durations[_i].ns);
	if (durations[_i].result < 0)
		return;
	format_duration(ns, &buf);
	ck_assert_str_eq(buf.data, printed);
}
END_TEST

static const struct {
	const char *text;
	int result;
	int64_t s;
} times[] = {
	{ "1970-01-01T00:00:00Z", 0, 0 },
	{ "2026-11-25T19:46:53Z", 0, 1795636013 },
	{ "2026-11-25T19:46:53.999999Z", 0, 1795636013 },
	{ "2026-11-25T20:46:53+01:00", 0, 1795636013 },
	{ "2026-11-25T14:16:53-05:30", 0, 1795636013 },
	{ "1969-12-31T23:59:59Z", 0, -1 },
	{ "2024-02-29T00:00:00Z", 0, 1709164800 },
	{ "2023-02-29T00:00:00Z", -ERANGE, 0 },
	{ "2026-13-01T00:00:00Z", -ERANGE, 0 },
	{ "2026-00-01T00:00:00Z", -ERANGE, 0 },
	{ "2026-01-00T00:00:00Z", -ERANGE, 0 },
	{ "2026-01-01T24:00:00Z", -ERANGE, 0 },
	{ "2026-01-01T00:60:00Z", -ERANGE, 0 },
	{ "2026-01-01T00:00:60Z", -ERANGE, 0 },
	{ "2026-01-01T00:00:00", -EINVAL, 0 },
	{ "2026-01-01T00:00:00.Z", -EINVAL, 0 },
	{ "2026-01-01T00:00:00Zx", -EINVAL, 0 },
	{ "2026-01-01T00:00:00+0100", -EINVAL, 0 },
	{ "2026-01-01T00:00:00+24:00", -EINVAL, 0 },
	{ "2026-01-01 00:00:00Z", -EINVAL, 0 },
	{ "2026-1-01T00:00:00Z", -EINVAL, 0 },
	{ "", -EINVAL, 0 },
};

START_TEST(test_times_are_those_of_rfc_3339)
{
	int64_t s = 0;

	ck_assert_int_eq(parse_time(times[_i].text, &s), times[_i].result);
	ck_assert_int_eq(s, times[_i].s);
}
END_TEST

START_TEST(test_times_are_printed_in_utc)
{
	char text[32];

	format_time(1795636013, text);
	ck_assert_str_eq(text, "2026-11-25T19:46:53Z");
}
END_TEST

static const struct {
	const char *text, *printed; /* NULL: refused */
} addresses[] = {
	{ "10.0.0.1", "10.0.0.1" },
	{ "::1", "::1" },
	{ "FD00:0:0::1", "fd00::1" },
	{ "::ffff:192.0.2.1", "192.0.2.1" },
	{ "10.0.0.01", NULL },
	{ "10.0.0", NULL },
	{ "256.0.0.1", NULL },
	{ "fe80::1%eth0", NULL },
	{ "[::1]", NULL },
	{ "", NULL },
	{ "a.example", NULL },
};

START_TEST(test_addresses_have_one_form)
{
	struct parse_address address;
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(parse_ip(addresses[_i].text, &address),
			 addresses[_i].printed ? 0 : -EINVAL);
	if (!addresses[_i].printed)
		return;
	format_ip(&address, text);
	ck_assert_str_eq(text, addresses[_i].printed);
}
END_TEST

static const struct {
	const char *text;
	uint32_t n;
	int result;
	const char *network, *nth;
} networks[] = {
	{ "10.96.0.0/12", 10, 0, "10.96.0.0", "10.96.0.10" },
	{ "10.99.1.2/12", 1, 0, "10.96.0.0", "10.96.0.1" },
	{ "192.168.1.0/24", 255, 0, "192.168.1.0", "192.168.1.255" },
	{ "192.168.1.0/24", 256, -ERANGE, "192.168.1.0", NULL },
	{ "192.168.1.7/32", 0, 0, "192.168.1.7", "192.168.1.7" },
	{ "192.168.1.7/32", 1, -ERANGE, "192.168.1.7", NULL },
	{ "0.0.0.0/0", UINT32_MAX, 0, "0.0.0.0", "255.255.255.255" },
	{ "fd00:1:2::/108", 10, 0, "fd00:1:2::", "fd00:1:2::a" },
	{ "fd00::5/64", UINT32_MAX, 0, "fd00::", "fd00::ffff:ffff" },
	{ "fd00::/128", 1, -ERANGE, "fd00::", NULL },
};

START_TEST(test_addresses_of_a_network_are_counted_from_its_start)
{
	struct parse_address address;
	struct parse_cidr cidr;
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(parse_cidr(networks[_i].text, &cidr), 0);
	format_ip(&cidr.address, text);
	ck_assert_str_eq(text, networks[_i].network);
	ck_assert_int_eq(parse_cidr_nth(&cidr, networks[_i].n, &address), networks[_i].result);
	if (networks[_i].result < 0)
		return;
	format_ip(&address, text);
	ck_assert_str_eq(text, networks[_i].nth);
}
END_TEST

START_TEST(test_what_is_no_network_is_refused)
{
	static const char *const texts[] = { "10.0.0.0",    "10.0.0.0/",   "10.0.0.0/33",
					     "10.0.0.0/-1", "10.0.0/8",	   "fd00::/129",
					     "/8",	    "10.0.0.0/8x", "::ffff:10.0.0.0/104",
					     "x/8" };
	struct parse_cidr cidr;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(parse_cidr(texts[i], &cidr) < 0, "%s", texts[i]);
}
END_TEST

static const struct {
	const char *text, *host; /* NULL: refused */
	uint16_t port;
} endpoints[] = {
	{ "cp.example", "cp.example", 0 },
	{ "cp.example:6443", "cp.example", 6443 },
	{ "10.0.0.1:6443", "10.0.0.1", 6443 },
	{ "[fd00::1]:6443", "fd00::1", 6443 },
	{ "[fd00::1]", "fd00::1", 0 },
	{ "fd00::1", "fd00::1", 0 },
	{ "fd00::1:6443", "fd00::1:6443", 0 },
	{ "", NULL, 0 },
	{ ":6443", NULL, 0 },
	{ "cp:", NULL, 0 },
	{ "cp:0", NULL, 0 },
	{ "cp:65536", NULL, 0 },
	{ "cp:http", NULL, 0 },
	{ "cp:1:2", NULL, 0 },
	{ "[cp]:6443", NULL, 0 },
	{ "[fd00::1", NULL, 0 },
	{ "[fd00::1]x", NULL, 0 },
	{ "https://cp:6443", NULL, 0 },
	{ "cp example:1", NULL, 0 },
	{ "user@cp:1", NULL, 0 },
};

START_TEST(test_endpoints_are_split_into_host_and_port)
{
	char host[64] = "before";
	uint16_t port = 0;
	int r;

	r = parse_host_port(endpoints[_i].text, host, sizeof(host), &port);
	ck_assert_int_eq(r == 0, endpoints[_i].host != NULL);
	ck_assert_str_eq(host, endpoints[_i].host ? endpoints[_i].host : "before");
	ck_assert_uint_eq(port, endpoints[_i].port);
}
END_TEST

START_TEST(test_host_that_does_not_fit_is_refused)
{
	char long_host[400], host[4] = "abc";
	uint16_t port = 9;

	memset(long_host, 'a', sizeof(long_host) - 1);
	long_host[sizeof(long_host) - 1] = '\0';
	ck_assert_int_eq(parse_host_port("abcd:1", host, sizeof(host), &port), -ERANGE);
	ck_assert_int_eq(parse_host_port(long_host, host, sizeof(host), &port), -ERANGE);
	ck_assert_str_eq(host, "abc");
	ck_assert_uint_eq(port, 9);
}
END_TEST

START_TEST(test_ipv6_hosts_are_printed_in_brackets)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(100);

	format_host_port("fd00::1", 6443, &buf);
	(void)buf_append_char(&buf, ' ');
	format_host_port("cp", 1, &buf);
	ck_assert_str_eq(buf.data, "[fd00::1]:6443 cp:1");
}
END_TEST

static const struct {
	const char *text;
	bool is_label, is_subdomain;
} names[] = {
	{ "a", true, true },	    { "node-1", true, true }, { "1", true, true },
	{ "a.b-c.d", false, true }, { "", false, false },     { "-a", false, false },
	{ "a-", false, false },	    { "A", false, false },    { "a_b", false, false },
	{ "a..b", false, false },   { ".a", false, false },   { "a.", false, false },
	{ "a.-b", false, false },   { "a b", false, false },
};

START_TEST(test_names_are_those_of_rfc_1123)
{
	ck_assert_int_eq(parse_is_dns_label(names[_i].text), names[_i].is_label);
	ck_assert_int_eq(parse_is_dns_subdomain(names[_i].text), names[_i].is_subdomain);
}
END_TEST

START_TEST(test_names_have_a_greatest_length)
{
	char text[255];

	memset(text, 'a', sizeof(text));
	text[254] = '\0';
	ck_assert(!parse_is_dns_subdomain(text));
	text[253] = '\0';
	ck_assert(parse_is_dns_subdomain(text));
	text[64] = '\0';
	ck_assert(!parse_is_dns_label(text));
	text[63] = '\0';
	ck_assert(parse_is_dns_label(text));
}
END_TEST

START_TEST(test_utf8_is_read_within_its_length)
{
	uint32_t c = 0;

	ck_assert_uint_eq(parse_utf8("", 0, &c), 0);
	ck_assert_uint_eq(parse_utf8("\xe2\x82\xac", 2, &c), 0);
	ck_assert_uint_eq(parse_utf8("\xe2\x82\xac", 3, &c), 3);
	ck_assert_uint_eq(c, 0x20ac);
	ck_assert_uint_eq(parse_utf8("\xf0\x9f\x98\x80", 4, &c), 4);
	ck_assert_uint_eq(c, 0x1f600);
	ck_assert_uint_eq(parse_utf8("\xf5\x80\x80\x80", 4, &c), 0);
	ck_assert_uint_eq(parse_utf8("\0", 1, &c), 1);
	ck_assert_uint_eq(c, 0);
}
END_TEST

static const struct {
	const char *text;
	int r;
	int64_t thousandths;
} quantities[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1000 },
	{ "+2", 0, 2000 },
	{ "100m", 0, 100 },
	{ "1.5", 0, 1500 },
	{ ".5", 0, 500 },
	{ "5.", 0, 5000 },
	{ "0.0001", 0, 1 },
	{ "1u", 0, 1 },
	{ "1500u", 0, 2 },
	{ "1n", 0, 1 },
	{ "70Mi", 0, 70LL * 1024 * 1024 * 1000 },
	{ "1.5Ki", 0, 1536000 },
	{ "129M", 0, 129000000000 },
	{ "128974848", 0, 128974848000 },
	{ "129e6", 0, 129000000000 },
	{ "1E3", 0, 1000000 },
	{ "12e-1", 0, 1200 },
	{ "1k", 0, 1000000 },
	{ "1E", 0, INT64_MAX },
	{ "8Ei", 0, INT64_MAX },
	{ "4Pi", 0, 4503599627370496000 },
	{ "99999999999999999999999999", 0, INT64_MAX },
	{ "", -EINVAL, 0 },
	{ "Mi", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "1 Mi", -EINVAL, 0 },
	{ "1mi", -EINVAL, 0 },
	{ "1.2.3", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1e99", -ERANGE, 0 },
};

START_TEST(test_quantities_are_those_of_kubernetes)
{
	int64_t thousandths = -1;
	int r = parse_quantity(quantities[_i].text, &thousandths);

	ck_assert_msg(r == quantities[_i].r, "\"%s\": %d", quantities[_i].text, r);
	ck_assert_int_eq(thousandths, r < 0 ? -1 : quantities[_i].thousandths);
}
END_TEST

Suite *suite_parse(void)
{
	Suite *suite = suite_create("parse");
	TCase *tests = tcase_create("parse");

	tcase_add_loop_test(tests, test_numbers_are_digits_and_nothing_else, 0,
			    ARRAY_SIZE(unsigned_numbers));
	tcase_add_test(tests, test_signed_numbers_reach_their_limits);
	tcase_add_test(tests, test_ports_are_between_1_and_65535);
	tcase_add_loop_test(tests, test_durations_are_those_of_go, 0, ARRAY_SIZE(durations));
	tcase_add_loop_test(tests, test_times_are_those_of_rfc_3339, 0, ARRAY_SIZE(times));
	tcase_add_test(tests, test_times_are_printed_in_utc);
	tcase_add_loop_test(tests, test_quantities_are_those_of_kubernetes, 0,
			    ARRAY_SIZE(quantities));
	tcase_add_loop_test(tests, test_addresses_have_one_form, 0, ARRAY_SIZE(addresses));
	tcase_add_loop_test(tests, test_addresses_of_a_network_are_counted_from_its_start, 0,
			    ARRAY_SIZE(networks));
	tcase_add_test(tests, test_what_is_no_network_is_refused);
	tcase_add_loop_test(tests, test_endpoints_are_split_into_host_and_port, 0,
			    ARRAY_SIZE(endpoints));
	tcase_add_test(tests, test_host_that_does_not_fit_is_refused);
	tcase_add_test(tests, test_ipv6_hosts_are_printed_in_brackets);
	tcase_add_loop_test(tests, test_names_are_those_of_rfc_1123, 0, ARRAY_SIZE(names));
	tcase_add_test(tests, test_names_have_a_greatest_length);
	tcase_add_test(tests, test_utf8_is_read_within_its_length);
	suite_add_tcase(suite, tests);
	return suite;
}
