/* Who gets a certificate from us: the decision about a request of a node, by what the cluster looks
 * like. Two kinds are ours; others are ignored.
 *
 * Client certificates of nodes that join with a token for one node. The controller looks at the
 * form of a request only, so that whoever has a token of the common group may become any node. For
 * these tokens no such rule is bound, and only what is written down here gets a certificate.
 *
 * Serving certificates of kubelets, for names and addresses that are their own. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agentd/engine/resource.h"
#include "common/parse.h"
#include "common/strv.h"
#include "common/value.h"

enum approval {
	APPROVAL_IGNORE, /* not ours to decide, or decided */
	APPROVAL_WAIT,	 /* what it depends on may be on its way */
	APPROVAL_GIVE,
	APPROVAL_REFUSE,
};

enum approval_serving { APPROVAL_SERVING_UNKNOWN, APPROVAL_SERVING_OFF, APPROVAL_SERVING_ON };

/* Objects, all borrowed. */
struct approval_list {
	const struct value **items;
	size_t count;
};

/* What a decision looks at. */
struct approval_world {
	const char *own_node; /* a control plane's, whether or not its Node exists */
	struct approval_list nodes, requests, tokens;
	/* Whether kubelets of this cluster ask for serving certificates. */
	enum approval_serving serving;
	/* Names and addresses of control planes and of the endpoint: theirs alone. */
	struct strv reserved;
	/* Where services are; no node is. */
	struct parse_cidr service_subnets[2];
	size_t service_subnet_count;
	const char *dns_domain;
	int64_t now;
};

/* The decision, and in why the reason for it: who asked for what, or what is wrong with that. */
enum approval approval_decide(const struct value *request, const struct approval_world *world,
			      struct why *why);
/* The node that a request of a token is for, where it may be given: the caller frees. NULL for a
 * request that is not of that kind. */
char *approval_node(const struct value *request);
/* "abcdef" of "system:bootstrap:abcdef"; NULL for another user. Borrowed. */
const char *approval_token_id(const struct value *request);
/* The Ready condition is True. */
bool approval_node_is_ready(const struct value *node);
