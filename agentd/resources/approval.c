/* The decision about certificate requests of nodes; see approval.h. It looks at values only, and a
 * request is an attacker's until every question about it is answered. */
#include "agentd/resources/approval.h"

#include <errno.h>
#include <string.h>

#include "agentd/resources/node_request.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"
#include "pki/csr.h"

/* So long after its creation a request is not refused for what may be on its way to our caches, or
 * from a kubelet that has just registered. */
enum { PATIENCE_S = 60 };

enum { PEM_MAX = 64 * 1024 };

static enum approval refuse(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);
static enum approval refuse(struct why *why, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	why_set(why, "%s", text);
	return APPROVAL_REFUSE;
}

/* What is missing now may come; a date in the future is another clock's, and waits no longer. */
static enum approval refuse_later(const struct value *request, const struct approval_world *world,
				  struct why *why, const char *what)
{
	const char *text = value_string_or(value_at(request, "metadata", "creationTimestamp"), "");
	int64_t made = 0;

	why_set(why, "%s", what);
	if (parse_time(text, &made) == 0 && world->now >= made - PATIENCE_S &&
	    world->now < made + PATIENCE_S)
		return APPROVAL_WAIT;
	return APPROVAL_REFUSE;
}

/* -- Nodes ------------------------------------------------------------------------------------- */

static const char *name_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "name"), "");
}

static const struct value *find(const struct approval_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(name_of(list->items[i]), name) == 0)
			return list->items[i];
	return NULL;
}

bool approval_node_is_ready(const struct value *node)
{
	const struct value *conditions = value_at(node, "status", "conditions");

	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);

		if (strcmp(value_string_or(value_get(condition, "type"), ""), "Ready") == 0)
			return strcmp(value_string_or(value_get(condition, "status"), ""),
				      "True") == 0;
	}
	return false;
}

/* A node cannot give itself this label, nor take it away. */
static bool is_control_plane(const struct approval_world *world, const char *name)
{
	const struct value *node = find(&world->nodes, name);

	return strcmp(name, world->own_node) == 0 ||
	       value_at(node, "metadata", "labels", KUBE_LABEL_CONTROL_PLANE) != NULL;
}

/* -- What every request must be ---------------------------------------------------------------- */

/* Exactly these usages, in any order and each once; the one for RSA keys may be there. */
static bool usages_are(const struct value *request, const char *purpose)
{
	static const char *const also[] = { "digital signature", "key encipherment" };
	const struct value *usages = value_at(request, "spec", "usages");
	unsigned seen = 0;

	VALUE_FOREACH(i, usages) {
		const char *usage = value_string_or(value_item(usages, i), "");
		unsigned bit = strcmp(usage, purpose) == 0   ? 1
			       : strcmp(usage, also[0]) == 0 ? 2
			       : strcmp(usage, also[1]) == 0 ? 4
							     : 0;

		if (bit == 0 || seen & bit)
			return false;
		seen |= bit;
	}
	return (seen & 3) == 3;
}

static bool has_group(const struct value *request, const char *group)
{
	const struct value *groups = value_at(request, "spec", "groups");

	VALUE_FOREACH(i, groups)
		if (strcmp(value_string_or(value_item(groups, i), ""), group) == 0)
			return true;
	return false;
}

static int read_names(const struct value *request, struct csr_names *names, struct error *err)
{
	_cleanup_(buf_done) struct buf pem = BUF_INIT(PEM_MAX);

	if (!node_request_pem(request, &pem))
		return error_set(err, ERROR_CONFIG, -EBADMSG, "the request is not base64");
	return csr_read(pem.data, pem.length, names, err);
}

/* The node of a subject O=system:nodes, CN=system:node:NAME; NULL for any other. */
static const char *node_of(const struct csr_names *names)
{
	const size_t prefix = strlen(KUBE_USER_NODE_PREFIX);

	if (names->organizations.count != 1 ||
	    strcmp(names->organizations.items[0], KUBE_GROUP_NODES) != 0 ||
	    strncmp(names->common_name, KUBE_USER_NODE_PREFIX, prefix) != 0 ||
	    !parse_is_dns_subdomain(names->common_name + prefix))
		return NULL;
	return names->common_name + prefix;
}

static bool same_key(const struct value *a, const struct value *b)
{
	_cleanup_(buf_done) struct buf first = BUF_INIT(PEM_MAX), second = BUF_INIT(PEM_MAX);

	return node_request_pem(a, &first) && node_request_pem(b, &second) &&
	       csr_same_key(first.data, first.length, second.data, second.length);
}

/* -- Tokens for one node ----------------------------------------------------------------------- */

const char *approval_token_id(const struct value *request)
{
	const char *user = node_request_user(request);
	const size_t prefix = strlen(KUBE_USER_TOKEN_PREFIX);

	return strncmp(user, KUBE_USER_TOKEN_PREFIX, prefix) == 0 ? user + prefix : NULL;
}

char *approval_node(const struct value *request)
{
	_cleanup_(csr_names_done) struct csr_names names = { 0 };
	struct error err = ERROR_INIT;

	if (!approval_token_id(request) || read_names(request, &names, &err) < 0)
		return NULL;
	return xstrdup(node_of(&names));
}

static bool find_token(const struct approval_world *world, const char *id, struct token_secret *ret)
{
	_cleanup_free_ char *name = xasprintf(KUBE_TOKEN_SECRET_PREFIX "%s", id);

	return token_secret_read(find(&world->tokens, name), ret);
}

static bool is_of_living_token(const struct approval_world *world, const struct value *request)
{
	_cleanup_(token_secret_done) struct token_secret token = { 0 };
	const char *id = approval_token_id(request);

	return id && find_token(world, id, &token) && token_secret_is_live(&token, world->now);
}

/* Two keys with one token, or two requests for one node: one of them is not the host that it was
 * made for, and nobody here can tell which. */
static enum approval check_rivals(const struct value *request, const struct approval_world *world,
				  const char *node, struct why *why)
{
	for (size_t i = 0; i < world->requests.count; i++) {
		const struct value *other = world->requests.items[i];
		_cleanup_free_ char *other_node = NULL;

		if (strcmp(node_request_name(other), node_request_name(request)) == 0 ||
		    strcmp(node_request_signer(other), KUBE_SIGNER_CLIENT_KUBELET) != 0 ||
		    same_key(other, request))
			continue;
		if (strcmp(node_request_user(other), node_request_user(request)) == 0)
			return refuse(why,
				      "the token has asked with another key already (request %s): "
				      "it is known to somebody else, or the host lost its key; "
				      "make a new token",
				      node_request_name(other));
		if (!node_request_is_pending(other) || !is_of_living_token(world, other))
			continue;
		other_node = approval_node(other);
		if (other_node && strcmp(other_node, node) == 0)
			return refuse(why, "another request for node %s is open: %s", node,
				      node_request_name(other));
	}
	return APPROVAL_GIVE;
}

static enum approval check_token(const struct value *request, const struct approval_world *world,
				 const struct token_secret *token, const char *node,
				 struct why *why)
{
	if (!token_secret_is_live(token, world->now))
		return refuse(why, "token %s has expired", token->token.id);
	if (!token->node && !token->single_use)
		return refuse(why,
			      "token %s is of the group " KUBE_GROUP_TOKEN_NODE
			      " and says for which node: use agentctl token create --node",
			      token->token.id);
	if (token->node && strcmp(token->node, node) != 0)
		return refuse(why, "token %s is for node %.64s, not for %.64s", token->token.id,
			      token->node, node);
	if (token->request && strcmp(token->request, node_request_name(request)) != 0) {
		const struct value *used = find(&world->requests, token->request);

		if (!used || !same_key(used, request))
			return refuse(why, "token %s has been used by request %.64s",
				      token->token.id, token->request);
	}
	return APPROVAL_GIVE;
}

static enum approval check_node(const struct approval_world *world, const char *node,
				struct why *why)
{
	if (is_control_plane(world, node))
		return refuse(why, "%.64s is a control plane: no token of a worker may become it",
			      node);
	if (approval_node_is_ready(find(&world->nodes, node)))
		return refuse(why, "node %.64s is in the cluster and Ready", node);
	return APPROVAL_GIVE;
}

static enum approval decide_client(const struct value *request, const struct approval_world *world,
				   struct why *why)
{
	_cleanup_(token_secret_done) struct token_secret token = { 0 };
	_cleanup_(csr_names_done) struct csr_names names = { 0 };
	const char *id = approval_token_id(request), *node;
	struct error err = ERROR_INIT;
	enum approval verdict;

	if (!id || !has_group(request, KUBE_GROUP_TOKEN_NODE))
		return APPROVAL_IGNORE;
	if (!usages_are(request, "client auth"))
		return refuse(why, "its usages are not exactly those of a kubelet's client");
	if (read_names(request, &names, &err) < 0)
		return refuse(why, "%s", err.message);
	node = node_of(&names);
	if (!node || names.dns_names.count > 0 || names.addresses.count > 0)
		return refuse(why, "it does not ask for exactly O=" KUBE_GROUP_NODES
				   ", CN=" KUBE_USER_NODE_PREFIX "NAME");
	if (!find_token(world, id, &token))
		return refuse_later(request, world, why, "its token is not in the cluster");
	verdict = check_token(request, world, &token, node, why);
	if (verdict == APPROVAL_GIVE)
		verdict = check_node(world, node, why);
	if (verdict == APPROVAL_GIVE)
		verdict = check_rivals(request, world, node, why);
	if (verdict == APPROVAL_GIVE)
		why_set(why, "node %s joins with its token %s", node, token.token.id);
	return verdict;
}

/* -- Serving certificates ---------------------------------------------------------------------- */

/* Addresses compare as numbers, names without case. */
static bool same_name(const char *a, const char *b)
{
	struct parse_address first, second;

	if (parse_ip(a, &first) < 0 || parse_ip(b, &second) < 0)
		return strcasecmp(a, b) == 0;
	return first.family == second.family &&
	       memcmp(first.bytes, second.bytes, first.family == AF_INET ? 4 : 16) == 0;
}

static bool reports(const struct value *node, const char *name)
{
	const struct value *addresses = value_at(node, "status", "addresses");

	VALUE_FOREACH(i, addresses)
		if (same_name(value_string_or(value_get(value_item(addresses, i), "address"), ""),
			      name))
			return true;
	return false;
}

static bool is_below(const char *name, const char *domain)
{
	size_t length = strlen(name), tail = strlen(domain);

	return length > tail && name[length - tail - 1] == '.' &&
	       strcasecmp(name + length - tail, domain) == 0;
}

static bool names_a_service(const struct approval_world *world, const char *name)
{
	static const char *const always[] = { "kubernetes", "kubernetes.default", "localhost" };

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (strcasecmp(name, always[i]) == 0)
			return true;
	return is_below(name, "svc") || is_below(name, "localhost") ||
	       (world->dns_domain && is_below(name, world->dns_domain));
}

static bool is_in(const struct parse_cidr *cidr, const struct parse_address *address)
{
	unsigned whole = cidr->prefix / 8, rest = cidr->prefix % 8;

	if (cidr->address.family != address->family ||
	    memcmp(cidr->address.bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || ((cidr->address.bytes[whole] ^ address->bytes[whole]) &
			     (0xff << (8 - rest) & 0xff)) == 0;
}

/* Loopback, unspecified, multicast and link-local ones mean another host to everybody. (parse_ip()
 * has made those of IPv4 of mapped ones.) */
static bool means_no_host(const struct parse_address *address)
{
	const uint8_t *b = address->bytes;

	if (address->family == AF_INET)
		return b[0] == 0 || b[0] == 127 || b[0] >= 224 || (b[0] == 169 && b[1] == 254);
	return IN6_IS_ADDR_UNSPECIFIED(&address->v6) || IN6_IS_ADDR_LOOPBACK(&address->v6) ||
	       IN6_IS_ADDR_LINKLOCAL(&address->v6) || b[0] == 0xff;
}

static const char *never_a_nodes(const struct approval_world *world, const char *name)
{
	struct parse_address address;

	if (parse_ip(name, &address) < 0)
		return names_a_service(world, name) ? "a service's name" : NULL;
	if (means_no_host(&address))
		return "no address of one host";
	for (size_t i = 0; i < world->service_subnet_count; i++)
		if (is_in(&world->service_subnets[i], &address))
			return "a service's address";
	return NULL;
}

static enum approval check_name(const struct value *request, const struct approval_world *world,
				const struct value *node, const char *name, struct why *why)
{
	const char *never = never_a_nodes(world, name);
	bool reserved = false;

	if (never)
		return refuse(why, "%.64s is %s", name, never);
	if (!reports(node, name)) {
		_cleanup_free_ char *text =
		    xasprintf("node %s does not report %.64s", name_of(node), name);

		return refuse_later(request, world, why, text);
	}
	for (size_t i = 0; i < world->nodes.count; i++) {
		const struct value *other = world->nodes.items[i];

		if (strcmp(name_of(other), name_of(node)) != 0 &&
		    (reports(other, name) || same_name(name_of(other), name)))
			return refuse(why, "%.64s is node %.64s's", name, name_of(other));
	}
	STRV_FOREACH(theirs, &world->reserved)
		reserved |= same_name(theirs, name);
	if (reserved && !is_control_plane(world, name_of(node)))
		return refuse(why, "%.64s is a control plane's", name);
	return APPROVAL_GIVE;
}

static enum approval check_names(const struct value *request, const struct approval_world *world,
				 const struct value *node, const struct strv *names,
				 struct why *why)
{
	enum approval verdict = APPROVAL_GIVE;

	STRV_FOREACH(name, names) {
		verdict = check_name(request, world, node, name, why);
		if (verdict != APPROVAL_GIVE)
			break;
	}
	return verdict;
}

static enum approval decide_serving(const struct value *request, const struct approval_world *world,
				    struct why *why)
{
	_cleanup_(csr_names_done) struct csr_names names = { 0 };
	struct error err = ERROR_INIT;
	const struct value *node;
	enum approval verdict;

	if (world->serving == APPROVAL_SERVING_OFF)
		return APPROVAL_IGNORE;
	if (world->serving == APPROVAL_SERVING_UNKNOWN) {
		why_set(why, "whether kubelets ask for serving certificates is not known yet");
		return APPROVAL_WAIT;
	}
	if (!usages_are(request, "server auth"))
		return refuse(why, "its usages are not exactly those of a kubelet's server");
	if (read_names(request, &names, &err) < 0)
		return refuse(why, "%s", err.message);
	if (!node_of(&names))
		return refuse(why, "it does not ask for exactly O=" KUBE_GROUP_NODES
				   ", CN=" KUBE_USER_NODE_PREFIX "NAME");
	if (strcmp(node_request_user(request), names.common_name) != 0 ||
	    !has_group(request, KUBE_GROUP_NODES))
		return refuse(why, "%.64s asks for a certificate of %.64s",
			      node_request_user(request), names.common_name);
	if (names.dns_names.count == 0 && names.addresses.count == 0)
		return refuse(why, "it asks for no name or address");
	node = find(&world->nodes, node_of(&names));
	if (!node)
		return refuse_later(request, world, why, "its Node is not in the cluster");
	verdict = check_names(request, world, node, &names.dns_names, why);
	if (verdict == APPROVAL_GIVE)
		verdict = check_names(request, world, node, &names.addresses, why);
	if (verdict == APPROVAL_GIVE)
		why_set(why, "kubelet of node %s serves what its Node reports", name_of(node));
	return verdict;
}

enum approval approval_decide(const struct value *request, const struct approval_world *world,
			      struct why *why)
{
	if (!node_request_is_pending(request))
		return APPROVAL_IGNORE;
	if (strcmp(node_request_signer(request), KUBE_SIGNER_CLIENT_KUBELET) == 0)
		return decide_client(request, world, why);
	if (strcmp(node_request_signer(request), KUBE_SIGNER_KUBELET_SERVING) == 0)
		return decide_serving(request, world, why);
	return APPROVAL_IGNORE;
}
