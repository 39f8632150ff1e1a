/* Addresses, networks, ports' hosts and DNS names; see parse.h. */
#include "common/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/macros.h"

int parse_ip(const char *text, struct parse_address *ret)
{
	struct parse_address address = { .family = AF_INET };

	if (inet_pton(AF_INET, text, &address.v4) == 1) {
		*ret = address;
		return 0;
	}
	if (inet_pton(AF_INET6, text, &address.v6) != 1)
		return -EINVAL;
	address.family = AF_INET6;
	/* ::ffff:192.0.2.1 is the IPv4 address, as for Go. */
	if (IN6_IS_ADDR_V4MAPPED(&address.v6)) {
		address.family = AF_INET;
		memmove(address.bytes, address.bytes + 12, 4);
		memset(address.bytes + 4, 0, 12);
	}
	*ret = address;
	return 0;
}

void format_ip(const struct parse_address *address, char ret[static INET6_ADDRSTRLEN])
{
	if (!inet_ntop(address->family, address->bytes, ret, INET6_ADDRSTRLEN))
		ret[0] = '\0';
}

static unsigned bits_of(int family)
{
	return family == AF_INET ? 32 : 128;
}

int parse_cidr(const char *text, struct parse_cidr *ret)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct parse_cidr cidr = { 0 };
	uint64_t prefix;
	int r;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	r = parse_ip(address, &cidr.address);
	if (r < 0)
		return r;
	r = parse_u64(slash + 1, &prefix);
	if (r < 0)
		return r;
	/* The prefix of a mapped address would count from another end. */
	if (cidr.address.family == AF_INET && strchr(address, ':'))
		return -EINVAL;
	if (prefix > bits_of(cidr.address.family))
		return -ERANGE;

	cidr.prefix = (unsigned)prefix;
	for (unsigned bit = cidr.prefix; bit < bits_of(cidr.address.family); bit++)
		cidr.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	*ret = cidr;
	return 0;
}

int parse_cidr_nth(const struct parse_cidr *cidr, uint32_t n, struct parse_address *ret)
{
	unsigned bits = bits_of(cidr->address.family);
	unsigned host_bits = bits - cidr->prefix;
	struct parse_address address = cidr->address;

	if (host_bits < 32 && n >> host_bits)
		return -ERANGE;
	/* The host's bits are zero, so that nothing is carried. */
	for (unsigned i = 0; i < 4; i++)
		address.bytes[bits / 8 - 1 - i] |= (uint8_t)(n >> 8 * i);
	*ret = address;
	return 0;
}

/* Whether text may be a host: an address, or what looks like a name. */
static bool is_host(const char *text)
{
	struct parse_address address;

	if (strchr(text, ':'))
		return parse_ip(text, &address) == 0;
	for (const char *c = text; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9') || strchr("-._", *c)))
			return false;
	return *text;
}

int parse_host_port(const char *text, char *ret_host, size_t size, uint16_t *ret_port)
{
	char host[256];
	const char *first = text, *end, *rest;
	uint16_t port = 0;
	int r;

	if (*text == '[') {
		first = text + 1;
		end = strchr(text, ']');
		if (!end)
			return -EINVAL;
		rest = end + 1;
	} else {
		/* More than one colon outside of brackets is an IPv6 address without a port. */
		end = strchr(text, ':');
		if (!end || strchr(end + 1, ':'))
			end = text + strlen(text);
		rest = end;
	}
	if ((size_t)(end - first) >= sizeof(host))
		return -ERANGE;
	memcpy(host, first, (size_t)(end - first));
	host[end - first] = '\0';
	if (!is_host(host) || (*text == '[' && !strchr(host, ':')) || (*rest && *rest != ':'))
		return -EINVAL;
	if (*rest) {
		r = parse_port(rest + 1, &port);
		if (r < 0)
			return r;
	}
	if (strlen(host) >= size)
		return -ERANGE;
	memcpy(ret_host, host, strlen(host) + 1);
	*ret_port = port;
	return 0;
}

void format_host_port(const char *host, uint16_t port, struct buf *buf)
{
	(void)buf_printf(buf, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/* Length of the label at text, 0 if none begins there. */
static size_t label_length(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length > 0 && text[0] != '-' && text[length - 1] != '-' ? length : 0;
}

bool parse_is_dns_label(const char *text)
{
	size_t length = label_length(text);

	return length > 0 && length <= 63 && !text[length];
}

bool parse_is_dns_subdomain(const char *text)
{
	const char *label = text;

	if (strlen(text) > 253)
		return false;
	for (;;) {
		size_t length = label_length(label);

		if (length == 0)
			return false;
		label += length;
		if (!*label)
			return true;
		if (*label++ != '.')
			return false;
	}
}
