/* Tests of agentd/schema/detect.c: kubeadm's choice of an address and of a runtime. */
#include "agentd/schema/detect.h"

#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "tests/unit/test-schema.h"

static struct test_host host;

static void setup(void)
{
	test_host_init(&host);
}

static void teardown(void)
{
	test_host_done(&host);
}

#define ROUTE4(name)                                                                           \
	"Iface\tDestination\tGateway\tFlags\n" name "\t00000000\t0100000A\t0003\t0\t0\t0\t0\n" \
	"eth9\t0000A8C0\t00000000\t0001\t0\t0\t0\t0\n"
#define ZERO6 "00000000000000000000000000000000"
#define ROUTE6(name)                                                                            \
	ZERO6 " 00 " ZERO6 " 00 " ZERO6 " ffffffff 00000001 00000000 00200200       lo\n" ZERO6 \
	      " 00 " ZERO6 " 00 fe800000000000000000000000000001 00000400 00000001 00000000 "   \
	      "00000003 " name "\n"

struct sample {
	const char *given;
	const char *route4, *route6; /* NULL = no such table */
	const char *addresses;	     /* "eth0=10.0.0.5 lo=127.0.0.1 eth1!=... (down)" */
	const char *expected;	     /* address, or the message */
};

#define NO_ROUTE "Iface\tDestination\tGateway\n"

static const struct sample samples[] = {
	{ NULL, ROUTE4("eth0"), NULL, "lo=127.0.0.1 eth0=10.0.0.5 eth1=10.0.0.6", "10.0.0.5" },
	{ "", ROUTE4("eth1"), NULL, "lo=127.0.0.1 eth0=10.0.0.5 eth1=10.0.0.6", "10.0.0.6" },
	{ "0.0.0.0", ROUTE4("eth1"), ROUTE6("eth1"), "eth1=10.0.0.6 eth1=fd00::6", "10.0.0.6" },
	{ "::", ROUTE4("eth1"), ROUTE6("eth1"), "eth1=10.0.0.6 eth1=fd00::6", "fd00::6" },
	{ "::", ROUTE4("eth1"), NULL, "eth1=10.0.0.6 eth1=fd00::6", "10.0.0.6" },
	{ NULL, NO_ROUTE, ROUTE6("eth1"), "eth0=10.0.0.5 eth1=fe80::1 eth1=fd00::6", "fd00::6" },
	/* An unnumbered link: the host's address is on lo. */
	{ NULL, ROUTE4("eth0"), NULL, "lo=127.0.0.1 lo=192.0.2.9 eth0=169.254.1.1", "192.0.2.9" },
	{ NULL, ROUTE4("eth0"), NULL, "eth0!=10.0.0.5",
	  "cannot be found out: no interface with a default route has a usable address; name it" },
	{ NULL, NO_ROUTE, NULL, "eth0=10.0.0.5",
	  "cannot be found out: this host has no default route; name it" },
	/* No routing tables at all. */
	{ NULL, NULL, NULL, "lo=192.0.2.9 ppp0@=10.0.0.1 eth0=10.0.0.5", "10.0.0.5" },
	{ NULL, NULL, NULL, "eth0=fd00::5", "fd00::5" },
	/* Given addresses. */
	{ "192.0.2.1", NO_ROUTE, NULL, "", "192.0.2.1" },
	{ "FD00::0001", NO_ROUTE, NULL, "", "fd00::1" },
	{ "127.0.0.1", ROUTE4("eth0"), NULL, "lo=127.0.0.1 lo=192.0.2.9 eth0=10.0.0.5",
	  "192.0.2.9" },
	{ "::1", ROUTE4("eth0"), NULL, "lo=::1 lo=fd00::9 eth0=10.0.0.5", "fd00::9" },
	{ "127.0.0.1", ROUTE4("eth0"), NULL, "lo=127.0.0.1 eth0=10.0.0.5",
	  "is a loopback address, and the loopback interface has no address that other hosts can "
	  "use" },
	{ "169.254.0.1", NO_ROUTE, NULL, "", "is not an address that other hosts can use" },
	{ "224.0.0.1", NO_ROUTE, NULL, "", "is not an address that other hosts can use" },
	{ "fe80::1", NO_ROUTE, NULL, "", "is not an address that other hosts can use" },
	{ "10.0.0", NO_ROUTE, NULL, "", "is not an IP address" },
};

/* Parses "name=address"; '!' behind the name means down, '@' point to point. */
static void fill(struct role_address *item, char *text)
{
	char *address = strchr(text, '=');

	ck_assert_ptr_nonnull(address);
	*address++ = '\0';
	*item = (struct role_address){
		.interface = text,
		.is_up = !strchr(text, '!'),
		.is_point_to_point = strchr(text, '@') != NULL,
		.is_loopback = strcmp(text, "lo") == 0,
	};
	ck_assert_int_eq(parse_ip(address, &item->address), 0);
	text[strcspn(text, "!@")] = '\0';
}

static void write_or_remove(const char *path, const char *text)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", host.root, path);

	if (text)
		test_host_write(&host, path, text);
	else
		(void)unlink(whole);
}

START_TEST(test_address_is_chosen_as_kubeadm_does)
{
	const struct sample *sample = &samples[_i];
	_cleanup_(strv_done) struct strv texts = STRV_INIT;
	struct role_address items[8] = { 0 };
	_cleanup_free_ char *address = NULL;
	struct error err = ERROR_INIT;
	int r;

	write_or_remove("/proc/net/route", sample->route4);
	write_or_remove("/proc/net/ipv6_route", sample->route6);
	strv_split(&texts, sample->addresses, ' ');
	for (size_t i = 0; i < texts.count; i++)
		fill(&items[i], texts.items[i]);
	host.host.addresses = items;
	host.host.address_count = texts.count;

	r = detect_advertise_address(sample->given, &host.host, &address, &err);
	ck_assert_str_eq(r == 0 ? address : err.message, sample->expected);
}
END_TEST

START_TEST(test_without_injected_addresses_the_kernel_is_asked)
{
	_cleanup_free_ char *address = NULL;
	struct error err = ERROR_INIT;
	struct parse_address parsed;
	int r;

	host.host.addresses = NULL;
	host.host.root = NULL;
	r = detect_advertise_address(NULL, &host.host, &address, &err);
	/* A machine without a network has none, and says so. */
	if (r < 0)
		ck_assert_uint_gt(strlen(err.message), 0);
	else
		ck_assert_int_eq(parse_ip(address, &parsed), 0);
}
END_TEST

START_TEST(test_socket_is_the_only_one_that_exists)
{
	_cleanup_free_ char *socket = NULL;
	struct error err = ERROR_INIT;

	write_or_remove("/var/run/containerd/containerd.sock", NULL);
	test_host_write(&host, "/var/run/crio/crio.sock", "");
	ck_assert_int_eq(detect_cri_socket(&host.host, &socket, &err), 0);
	ck_assert_str_eq(socket, "unix:///var/run/crio/crio.sock");
}
END_TEST

START_TEST(test_without_a_socket_it_is_containerds)
{
	_cleanup_free_ char *socket = NULL;
	struct error err = ERROR_INIT;

	write_or_remove("/var/run/containerd/containerd.sock", NULL);
	ck_assert_int_eq(detect_cri_socket(&host.host, &socket, &err), 0);
	ck_assert_str_eq(socket, "unix:///var/run/containerd/containerd.sock");
}
END_TEST

START_TEST(test_two_sockets_are_an_error)
{
	char *socket = NULL;
	struct error err = ERROR_INIT;

	test_host_write(&host, "/var/run/cri-dockerd.sock", "");
	ck_assert_int_lt(detect_cri_socket(&host.host, &socket, &err), 0);
	ck_assert_ptr_null(socket);
	ck_assert_str_eq(err.message, "cannot be chosen: both /var/run/containerd/containerd.sock "
				      "and /var/run/cri-dockerd.sock are there; name one");
}
END_TEST

Suite *suite_detect(void)
{
	Suite *suite = suite_create("detect");
	TCase *tcase = tcase_create("detect");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_address_is_chosen_as_kubeadm_does, 0, ARRAY_SIZE(samples));
	tcase_add_test(tcase, test_without_injected_addresses_the_kernel_is_asked);
	tcase_add_test(tcase, test_socket_is_the_only_one_that_exists);
	tcase_add_test(tcase, test_without_a_socket_it_is_containerds);
	tcase_add_test(tcase, test_two_sockets_are_an_error);
	suite_add_tcase(suite, tcase);
	return suite;
}
