/* Finds out what a role leaves open; see detect.h. */
#include "agentd/schema/detect.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"

enum { ROUTES_MAX = 1 << 20 };

#define REFUSE(err, ...) error_set(err, ERROR_CONFIG, -EINVAL, __VA_ARGS__)

struct addresses {
	struct role_address *items;
	size_t count;
	bool owned;
};

static void addresses_done(struct addresses *addresses)
{
	if (!addresses->owned)
		return;
	for (size_t i = 0; i < addresses->count; i++)
		free((char *)addresses->items[i].interface);
	free(addresses->items);
}
DEFINE_CLEANUP_VALUE(struct addresses, addresses_done)

bool detect_is_global(const struct parse_address *address)
{
	if (address->family == AF_INET) {
		const uint8_t *b = address->bytes;

		return b[0] != 0 && b[0] != 127 && b[0] < 224 && !(b[0] == 169 && b[1] == 254);
	}
	return !IN6_IS_ADDR_UNSPECIFIED(&address->v6) && !IN6_IS_ADDR_LOOPBACK(&address->v6) &&
	       !IN6_IS_ADDR_LINKLOCAL(&address->v6) && !IN6_IS_ADDR_MULTICAST(&address->v6);
}

static bool is_loopback(const struct parse_address *address)
{
	return address->family == AF_INET ? address->bytes[0] == 127
					  : IN6_IS_ADDR_LOOPBACK(&address->v6);
}

static bool is_unspecified(const struct parse_address *address)
{
	return address->family == AF_INET ? address->v4.s_addr == 0
					  : IN6_IS_ADDR_UNSPECIFIED(&address->v6);
}

static void addresses_add(struct addresses *addresses, const struct ifaddrs *entry)
{
	struct role_address *item;
	struct parse_address address = { .family = entry->ifa_addr->sa_family };

	if (address.family == AF_INET)
		address.v4 = ((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr;
	else
		address.v6 =
		    ((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr;
	addresses->items =
	    xreallocarray(addresses->items, addresses->count + 1, sizeof(*addresses->items));
	item = &addresses->items[addresses->count++];
	*item = (struct role_address){
		/* An alias such as eth0:1 is an address of eth0. */
		.interface = xstrndup(entry->ifa_name, strcspn(entry->ifa_name, ":")),
		.address = address,
		.is_up = entry->ifa_flags & IFF_UP,
		.is_loopback = entry->ifa_flags & IFF_LOOPBACK,
		.is_point_to_point = entry->ifa_flags & IFF_POINTOPOINT,
	};
}

static int addresses_get(const struct role_host *host, struct addresses *ret, struct error *err)
{
	struct ifaddrs *list = NULL;

	if (host->addresses) {
		*ret = (struct addresses){ .items = (struct role_address *)host->addresses,
					   .count = host->address_count };
		return 0;
	}
	if (getifaddrs(&list) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot list the host's addresses");
	*ret = (struct addresses){ .owned = true };
	for (struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
		if (entry->ifa_addr && (entry->ifa_addr->sa_family == AF_INET ||
					entry->ifa_addr->sa_family == AF_INET6))
			addresses_add(ret, entry);
	freeifaddrs(list);
	return 0;
}

/* The first global address of a family on one interface, or on the loopback interface. */
static const struct parse_address *on_interface(const struct addresses *addresses, int family,
						const char *interface)
{
	for (size_t i = 0; i < addresses->count; i++) {
		const struct role_address *item = &addresses->items[i];
		bool here = interface ? strcmp(item->interface, interface) == 0 : item->is_loopback;

		if (here && item->is_up && item->address.family == family &&
		    detect_is_global(&item->address))
			return &item->address;
	}
	return NULL;
}

static const struct parse_address *on_any_interface(const struct addresses *addresses, int family)
{
	for (size_t i = 0; i < addresses->count; i++) {
		const struct role_address *item = &addresses->items[i];

		if (item->is_up && !item->is_loopback && !item->is_point_to_point &&
		    item->address.family == family && detect_is_global(&item->address))
			return &item->address;
	}
	return NULL;
}

/* Whether a line of a routing table is a default route; *ret_name gets its interface. */
static bool is_default_route(const char *line, int family, char ret_name[static IFNAMSIZ])
{
	char destination[33], gateway[33];

	if (family == AF_INET) {
		if (sscanf(line, "%15s %32s %32s", ret_name, destination, gateway) != 3)
			return false;
		return strcmp(destination, "00000000") == 0;
	}
	if (sscanf(line, "%32s %*s %*s %*s %32s %*s %*s %*s %*s %15s", destination, gateway,
		   ret_name) != 3)
		return false;
	return strspn(destination, "0") == 32 && strspn(gateway, "0") != 32;
}

/* The names of the interfaces with default routes, one a line of the table. Returns 1, or 0 if
 * there is no such table. */
static int default_routes(const struct role_host *host, int family, struct strv *ret,
			  struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(ROUTES_MAX);
	_cleanup_(strv_done) struct strv lines = STRV_INIT;
	_cleanup_free_ char *path = NULL;
	int r;

	path = xasprintf("%s/proc/net/%s", host->root ? host->root : "",
			 family == AF_INET ? "route" : "ipv6_route");
	r = file_read(path, &text, err);
	if (r <= 0)
		return r;
	strv_split(&lines, text.data, '\n');
	STRV_FOREACH(line, &lines) {
		char name[IFNAMSIZ];

		if (is_default_route(line, family, name))
			strv_add(ret, name);
	}
	return 1;
}

static const struct parse_address *by_routes(const struct addresses *addresses, int family,
					     const struct strv *routes)
{
	STRV_FOREACH(name, routes) {
		const struct parse_address *found = on_interface(addresses, family, name);

		/* With unnumbered links the host's address is on the loopback interface. */
		if (!found)
			found = on_interface(addresses, family, NULL);
		if (found)
			return found;
	}
	return NULL;
}

static int by_default_route(const struct addresses *addresses, const struct role_host *host,
			    int first_family, const struct parse_address **ret, struct error *err)
{
	const int families[] = { first_family, first_family == AF_INET ? AF_INET6 : AF_INET };
	_cleanup_(strv_done) struct strv routes4 = STRV_INIT, routes6 = STRV_INIT;
	struct error cause = ERROR_INIT;
	int r;

	r = default_routes(host, AF_INET, &routes4, &cause);
	if (r < 0)
		return error_set(err, cause.class, r, "cannot be found out: %s", cause.message);
	/* A kernel without IPv6 has no such table. */
	(void)default_routes(host, AF_INET6, &routes6, &cause);

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct strv *routes = families[i] == AF_INET ? &routes4 : &routes6;
		const struct parse_address *found = r == 0
							? on_any_interface(addresses, families[i])
							: by_routes(addresses, families[i], routes);

		if (found) {
			*ret = found;
			return 0;
		}
	}
	return REFUSE(err, "cannot be found out: %s; name it",
		      routes4.count + routes6.count > 0
			  ? "no interface with a default route has a usable address"
			  : "this host has no default route");
}

bool detect_is_open(const char *given)
{
	struct parse_address address;

	if (!given || !*given)
		return true;
	return parse_ip(given, &address) == 0 &&
	       (is_unspecified(&address) || is_loopback(&address));
}

int detect_has_address(const char *address, const struct role_host *host, struct error *err)
{
	_cleanup_(addresses_done) struct addresses addresses = { 0 };
	struct parse_address wanted;
	int r;

	if (parse_ip(address, &wanted) < 0)
		return REFUSE(err, "%s is not an IP address", address);
	r = addresses_get(host, &addresses, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < addresses.count; i++) {
		const struct parse_address *found = &addresses.items[i].address;

		if (addresses.items[i].is_up && found->family == wanted.family &&
		    memcmp(found->bytes, wanted.bytes, wanted.family == AF_INET ? 4 : 16) == 0)
			return 1;
	}
	return 0;
}

int detect_advertise_address(const char *given, const struct role_host *host, char **ret,
			     struct error *err)
{
	_cleanup_(addresses_done) struct addresses addresses = { 0 };
	struct parse_address wanted = { .family = AF_INET };
	const struct parse_address *found = NULL;
	char text[INET6_ADDRSTRLEN];
	bool is_given = given && *given;
	int r;

	if (is_given && parse_ip(given, &wanted) < 0)
		return REFUSE(err, "is not an IP address");
	if (is_given && !is_unspecified(&wanted) && !is_loopback(&wanted)) {
		if (!detect_is_global(&wanted))
			return REFUSE(err, "is not an address that other hosts can use");
		format_ip(&wanted, text);
		*ret = xstrdup(text);
		return 0;
	}
	r = addresses_get(host, &addresses, err);
	if (r < 0)
		return r;

	if (is_given && is_loopback(&wanted)) {
		found = on_interface(&addresses, AF_INET, NULL);
		if (!found)
			found = on_interface(&addresses, AF_INET6, NULL);
		if (!found)
			return REFUSE(err, "is a loopback address, and the loopback interface has "
					   "no address that other hosts can use");
	} else {
		r = by_default_route(&addresses, host, wanted.family, &found, err);
		if (r < 0)
			return r;
	}
	format_ip(found, text);
	*ret = xstrdup(text);
	return 0;
}

int detect_cri_socket(const struct role_host *host, char **ret, struct error *err)
{
	static const char *const sockets[] = { "/var/run/containerd/containerd.sock",
					       "/var/run/crio/crio.sock",
					       "/var/run/cri-dockerd.sock" };
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		_cleanup_free_ char *path =
		    xasprintf("%s%s", host->root ? host->root : "", sockets[i]);

		if (!fs_exists(path))
			continue;
		if (found)
			return REFUSE(err, "cannot be chosen: both %s and %s are there; name one",
				      found, sockets[i]);
		found = sockets[i];
	}
	*ret = xasprintf("unix://%s", found ? found : sockets[0]);
	return 0;
}
