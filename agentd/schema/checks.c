/* The checks of single texts; see checks.h. Where kubeadm has a rule, the verdict is kubeadm's
 * (cmd/kubeadm/app/apis/kubeadm/validation); a few texts that it lets through and that only fail
 * later in a component are refused here. */
#include "agentd/schema/checks.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"
#include "common/secret.h"
#include "common/strv.h"
#include "discovery/token.h"
#include "pki/pin.h"

enum {
	HOST_MAX = 254,
	SUBNETS_MAX = 2,
	SERVICE_HOST_BITS_MAX = 20, /* of the API server's allocator */
	SERVICE_ADDRESSES_MIN = 10,
	POD_ADDRESSES_MIN = 14,
	TAG_MAX = 128,
	LABEL_MAX = 63,
	LABEL_PREFIX_MAX = 253,
	CREDENTIAL_MAX = 255,
};

#define REFUSE(err, ...) error_set(err, ERROR_CONFIG, -EINVAL, __VA_ARGS__)

static bool is_one_of(char c, const char *others)
{
	return c && (isalnum((unsigned char)c) || strchr(others, c));
}

int check_dns_name(const char *text, struct error *err)
{
	if (!*text || parse_is_dns_subdomain(text))
		return 0;
	return REFUSE(err, "is not a DNS name: lower-case letters, digits, '-' and '.', such as "
			   "node-1.example.org");
}

/* Checks a text in lower case, since that is how it is used. */
static int check_lower(const char *text, int (*check)(const char *text, struct error *err),
		       struct error *err)
{
	char lower[HOST_MAX + 1];
	size_t length = strlen(text);

	if (length >= sizeof(lower))
		return REFUSE(err, "is longer than 253 characters");
	for (size_t i = 0; i <= length; i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	return check(lower, err);
}

int check_node_name(const char *text, struct error *err)
{
	return check_lower(text, check_dns_name, err);
}

int check_san(const char *text, struct error *err)
{
	struct parse_address address;

	if (parse_ip(text, &address) == 0 || parse_is_dns_subdomain(text))
		return 0;
	if (strncmp(text, "*.", 2) == 0 && parse_is_dns_subdomain(text + 2))
		return 0;
	return REFUSE(err, "is neither an address nor a DNS name (which may begin with \"*.\")");
}

int check_san_any_case(const char *text, struct error *err)
{
	return check_lower(text, check_san, err);
}

int check_volume_name(const char *text, struct error *err)
{
	if (parse_is_dns_label(text))
		return 0;
	return REFUSE(err, "is not a volume name: lower-case letters, digits and '-', at most 63");
}

/* Network. */

static int parse_subnets(const char *text, struct parse_cidr ret[static SUBNETS_MAX],
			 size_t *ret_count, struct error *err)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;
	size_t commas = 0;

	for (const char *c = text; *c; c++)
		commas += *c == ',';
	strv_split(&parts, text, ',');
	/* The text goes into arguments as it is, so that blanks cannot be let through. */
	if (parts.count != commas + 1 || strpbrk(text, " \t\r\n"))
		return REFUSE(err, "is not a subnet such as 10.244.0.0/16");
	if (parts.count > SUBNETS_MAX)
		return REFUSE(err, "names %zu subnets; one, or one of each family, is possible",
			      parts.count);
	for (size_t i = 0; i < parts.count; i++)
		if (parse_cidr(parts.items[i], &ret[i]) < 0)
			return REFUSE(err, "is not a subnet such as 10.244.0.0/16");
	if (parts.count == SUBNETS_MAX && ret[0].address.family == ret[1].address.family)
		return REFUSE(err, "names two subnets of one family; with two, one must be IPv4 "
				   "and the other IPv6");
	*ret_count = parts.count;
	return 0;
}

static unsigned host_bits(const struct parse_cidr *cidr)
{
	return (cidr->address.family == AF_INET ? 32 : 128) - cidr->prefix;
}

static int check_subnets(const char *text, unsigned addresses_min, unsigned host_bits_max,
			 struct error *err)
{
	struct parse_cidr cidrs[SUBNETS_MAX];
	size_t count = 0;
	int r;

	if (!*text)
		return 0;
	r = parse_subnets(text, cidrs, &count, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		unsigned bits = host_bits(&cidrs[i]);

		if (bits < 31 && 1U << bits < addresses_min)
			return REFUSE(err, "is too small: %u addresses, the minimum is %u",
				      1U << bits, addresses_min);
		if (bits > host_bits_max)
			return REFUSE(err, "is too large: the mask must be at least /%u",
				      bits + cidrs[i].prefix - host_bits_max);
	}
	return 0;
}

int check_service_subnet(const char *text, struct error *err)
{
	return check_subnets(text, SERVICE_ADDRESSES_MIN, SERVICE_HOST_BITS_MAX, err);
}

int check_pod_subnet(const char *text, struct error *err)
{
	return check_subnets(text, POD_ADDRESSES_MIN, 128, err);
}

int check_address(const char *text, struct error *err)
{
	struct parse_address address;

	if (!*text || parse_ip(text, &address) == 0)
		return 0;
	return REFUSE(err, "is not an IP address");
}

static int parse_endpoint(const char *text, uint16_t *ret_port, struct error *err)
{
	char host[HOST_MAX + 1];
	struct parse_address address;

	if (parse_host_port(text, host, sizeof(host), ret_port) < 0)
		return REFUSE(err, "is not an endpoint such as api.example.org:6443 or "
				   "[fd00::1]:6443");
	if (parse_ip(host, &address) < 0 && !parse_is_dns_subdomain(host))
		return REFUSE(err, "has a host that is neither an address nor a DNS name");
	return 0;
}

int check_endpoint(const char *text, struct error *err)
{
	uint16_t port = 0;

	return *text ? parse_endpoint(text, &port, err) : 0;
}

int check_endpoint_port(const char *text, struct error *err)
{
	uint16_t port = 0;
	int r;

	r = parse_endpoint(text, &port, err);
	if (r < 0)
		return r;
	if (port == 0)
		return REFUSE(err, "has no port: write host:port, such as api.example.org:6443");
	return 0;
}

int check_cri_socket(const char *text, struct error *err)
{
	if (!*text || *text == '/' || strncmp(text, "unix:///", 8) == 0)
		return 0;
	return REFUSE(err, "is not a socket such as unix:///run/containerd/containerd.sock");
}

/* Files, images, versions. */

int check_absolute_path(const char *text, struct error *err)
{
	if (!*text || *text == '/')
		return 0;
	return REFUSE(err, "is not an absolute path");
}

int check_ca_path(const char *text, struct error *err)
{
	size_t length = strlen(text);

	if (!*text || (*text == '/' && length > 4 && strcmp(text + length - 4, ".crt") == 0))
		return 0;
	return REFUSE(err, "is not an absolute path that ends in .crt");
}

int check_kubeconfig_path(const char *text, struct error *err)
{
	if (*text == '/' || strncmp(text, "file:///", 8) == 0)
		return 0;
	if (strncmp(text, "https://", 8) == 0)
		return REFUSE(err, "over https:// is not supported yet: fetch it into a file");
	return REFUSE(err, "is not the absolute path of a file");
}

/* [a-z0-9]+ joined by '.', '_', '__' or any number of '-'. */
static bool is_repository_part(const char *text, size_t length)
{
	const char *end = text + length;

	for (;;) {
		const char *start = text;

		while (text < end &&
		       (islower((unsigned char)*text) || isdigit((unsigned char)*text)))
			text++;
		if (text == start)
			return false;
		if (text == end)
			return true;
		start = text;
		while (text < end && *text == *start && strchr("._-", *text))
			text++;
		if (text == start || (*start == '.' && text - start > 1) ||
		    (*start == '_' && text - start > 2))
			return false;
	}
}

/* host, host:port, [v6], [v6]:port: what may stand in front of the first '/'. */
static bool is_registry(const char *text, size_t length)
{
	char copy[HOST_MAX + 1];
	struct parse_address address;
	char *host = copy, *port;

	if (length == 0 || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (*copy == '[') {
		char *end = strchr(copy, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		port = end[1] ? end + 1 : NULL;
		*end = '\0';
		if (parse_ip(++host, &address) < 0 || address.family != AF_INET6)
			return false;
	} else {
		port = strchr(copy, ':');
	}
	if (port) {
		*port++ = '\0';
		if (!*port || port[strspn(port, "0123456789")])
			return false;
	}
	if (*copy == '[')
		return true;
	for (char *part = host;; part++) {
		char *end = part;

		while (is_one_of(*end, "-"))
			end++;
		if (end == part || *part == '-' || end[-1] == '-')
			return false;
		if (!*end)
			return true;
		if (*end != '.')
			return false;
		part = end;
	}
}

int check_image_repository(const char *text, struct error *err)
{
	bool first = true;

	if (!*text)
		return 0;
	for (const char *part = text;; part++) {
		size_t length = strcspn(part, "/");

		if (!is_repository_part(part, length) && !(first && is_registry(part, length)))
			return REFUSE(err, "is not an image repository such as "
					   "registry.example.org/kubernetes");
		first = false;
		part += length;
		if (!*part)
			return 0;
	}
}

int check_image_tag(const char *text, struct error *err)
{
	size_t length = 0;

	if (!*text)
		return 0;
	while (is_one_of(text[length], length ? "_.-" : "_"))
		length++;
	if (length == 0 || length > TAG_MAX || text[length])
		return REFUSE(err, "is not an image tag such as 3.6.8-0");
	return 0;
}

/* One number without leading zeros; NULL if there is none. */
static const char *skip_number(const char *text, unsigned *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 6 || (digits > 1 && *text == '0'))
		return NULL;
	*ret = 0;
	for (size_t i = 0; i < digits; i++)
		*ret = *ret * 10 + (unsigned)(text[i] - '0');
	return text + digits;
}

/* Behind '-' or '+': identifiers joined by dots; NULL if there are none. */
static const char *skip_identifiers(const char *text)
{
	for (;; text++) {
		const char *start = text;

		while (is_one_of(*text, "-"))
			text++;
		if (text == start)
			return NULL;
		if (*text != '.')
			return text;
	}
}

bool check_parse_version(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
	unsigned major = 0, minor = 0, patch = 0;

	if (*text == 'v')
		text++;
	text = skip_number(text, &major);
	if (!text || *text++ != '.')
		return false;
	text = skip_number(text, &minor);
	if (!text || *text++ != '.')
		return false;
	text = skip_number(text, &patch);
	if (text && *text == '-')
		text = skip_identifiers(text + 1);
	if (text && *text == '+')
		text = skip_identifiers(text + 1);
	if (!text || *text)
		return false;
	*ret_major = major;
	*ret_minor = minor;
	return true;
}

bool check_is_version_label(const char *text, unsigned *ret_minor)
{
	*ret_minor = 0;
	if (strncmp(text, "stable", 6) == 0 || strncmp(text, "latest", 6) == 0)
		text += 6;
	else
		return false;
	if (!*text)
		return true;
	if (strncmp(text, "-1", 2) != 0)
		return false;
	text += 2;
	if (!*text)
		return true;
	if (*text++ != '.')
		return false;
	text = skip_number(text, ret_minor);
	return text && !*text;
}

int check_version(const char *text, struct error *err)
{
	unsigned major, minor;

	if (!*text || check_is_version_label(text, &minor) ||
	    check_parse_version(text, &major, &minor))
		return 0;
	if (strncmp(text, "ci/", 3) == 0)
		return REFUSE(err, "names a build of Kubernetes' own tests, which is not "
				   "supported");
	return REFUSE(err, "is not a version such as v1.36.3");
}

/* Node and tokens. */

/* [A-Za-z0-9] at both ends, -_. between, at most 63. */
static bool is_label_text(const char *text, size_t length)
{
	if (length == 0 || length > LABEL_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_one_of(text[i], i == 0 || i + 1 == length ? "" : "-_."))
			return false;
	return true;
}

int check_arg_name(const char *text, struct error *err)
{
	if (*text == '-')
		return REFUSE(err, "begins with '-': write it without the dashes");
	if (!*text || strpbrk(text, "= \t\r\n\"'"))
		return REFUSE(err, "is not the name of an argument");
	return 0;
}

int check_taint_key(const char *text, struct error *err)
{
	const char *slash = strrchr(text, '/');
	const char *name = slash ? slash + 1 : text;
	char prefix[LABEL_PREFIX_MAX + 1];
	size_t length = slash ? (size_t)(slash - text) : 0;

	if (!is_label_text(name, strlen(name)) || length >= sizeof(prefix))
		return REFUSE(err, "is not a taint's key such as example.org/dedicated");
	if (!slash)
		return 0;
	memcpy(prefix, text, length);
	prefix[length] = '\0';
	if (!parse_is_dns_subdomain(prefix))
		return REFUSE(err, "has something else than a DNS name in front of its '/'");
	return 0;
}

int check_taint_value(const char *text, struct error *err)
{
	if (!*text || is_label_text(text, strlen(text)))
		return 0;
	return REFUSE(err, "is not a taint's value: letters, digits, '-', '_' and '.', at most 63");
}

int check_token(const char *text, struct error *err)
{
	_cleanup_(secret_unref) struct secret *secret = NULL;
	_cleanup_(token_done) struct token token = { 0 };
	struct error cause = ERROR_INIT;
	size_t length = strlen(text);

	if (!*text)
		return 0;
	if (length > KIB)
		return REFUSE(err, "is far too long for a bootstrap token");
	secret = secret_new(text, length);
	if (token_parse(secret, &token, &cause) < 0)
		return REFUSE(err, "is not a bootstrap token: 6 characters of a-z and 0-9, a dot, "
				   "16 more");
	if (token_is_weak(&token))
		return REFUSE(err, "is a token of the documentation or one that is easily guessed: "
				   "make one with \"agentctl token create\"");
	return 0;
}

int check_token_group(const char *text, struct error *err)
{
	if (token_group_is_valid(text))
		return 0;
	return REFUSE(err, "is not a group of tokens: it must begin with "
			   "\"system:bootstrappers:\" and go on with a-z, 0-9, ':' and '-'");
}

int check_pin(const char *text, struct error *err)
{
	struct error cause = ERROR_INIT;

	if (pin_check(text, &cause) < 0)
		return REFUSE(err, "is not a pin: \"sha256:\" and 64 hex digits");
	return 0;
}

int check_credential(const char *text, struct error *err)
{
	size_t length = strlen(text);

	if (!*text)
		return 0;
	if (length > CREDENTIAL_MAX || strchr(text, '/') || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return REFUSE(err, "is not the name of a systemd credential, such as "
				   "agentd.bootstrap-token");
	return 0;
}
