/* Text to numbers, durations and addresses. All return 0, or -EINVAL/-ERANGE without a message. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* The UTF-8 character at the start of bytes: its length, 1 to 4; 0 where there is none. */
size_t parse_utf8(const char *bytes, size_t length, uint32_t *ret);
int parse_u64(const char *text, uint64_t *ret);
int parse_i64(const char *text, int64_t *ret);
int parse_port(const char *text, uint16_t *ret);
/* Go's time.ParseDuration: "8760h", "1h30m", "500ms", "0s". */
int parse_duration(const char *text, int64_t *ret_ns);
/* Go's Duration.String(): "8760h0m0s", "500ms", "0s". */
void format_duration(int64_t ns, struct buf *buf);
/* RFC 3339, UTC or with an offset, to seconds since 1970; and back as 2026-11-25T19:46:53Z. */
int parse_time(const char *text, int64_t *ret_s);
void format_time(int64_t s, char ret[static 32]);

/* A quantity of Kubernetes ("100m", "70Mi", "1.5", "2e3") in thousandths, rounded up; INT64_MAX
 * where it is more. Negative ones are refused. */
int parse_quantity(const char *text, int64_t *ret_thousandths);

struct parse_address {
	int family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};
int parse_ip(const char *text, struct parse_address *ret);
void format_ip(const struct parse_address *address, char ret[static INET6_ADDRSTRLEN]);
struct parse_cidr {
	struct parse_address address;
	unsigned prefix;
};
int parse_cidr(const char *text, struct parse_cidr *ret);
/* The nth address of a network (0 = the network's own). -ERANGE if it has fewer. */
int parse_cidr_nth(const struct parse_cidr *cidr, uint32_t n, struct parse_address *ret);
/* "host", "host:port", "[v6]:port", "v6": host without brackets; port 0 if there is none. */
int parse_host_port(const char *text, char *ret_host, size_t size, uint16_t *ret_port);
/* host:port, with brackets around an IPv6 address. */
void format_host_port(const char *host, uint16_t port, struct buf *buf);
/* RFC 1123: labels of [a-z0-9-], joined by dots, at most 253. */
bool parse_is_dns_subdomain(const char *text);
bool parse_is_dns_label(const char *text);
