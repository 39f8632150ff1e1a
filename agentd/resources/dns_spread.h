/* The row dns-spread: replicas of CoreDNS are moved apart, one at a time, by one agent of the
 * cluster. Its stages also answer requests (agentd/actions/dns.h). */
#pragma once

#include "agentd/resources/dns_view.h"

/* The state of the stages: run_of(task)->state. The row's task makes its own; a request brings one.
 */
struct dns_move {
	bool at_once;	   /* the pause does not count */
	const char *rival; /* what makes our name in the Lease another one; NULL = nothing */
	struct dns_record record;
	struct value *pods; /* read anew; NULL = those of the cache */
	struct dns_looks looks;
	enum { DNS_READ_PODS, DNS_READ_NODE, DNS_REST } step;
	bool rested;
	struct dns_decision decision; /* after all that had to be looked at */
	bool evicted;
	unsigned waited;	    /* rounds, for the replacement */
	char arrived[DNS_NAME_MAX]; /* the node where the replacement is Ready; "" = not in time */
};
struct dns_move *dns_move_new(void);
struct dns_move *dns_move_free(struct dns_move *move);
DEFINE_CLEANUP(struct dns_move, dns_move_free)

/* Looks only: move->decision says what would be done. */
extern const struct stage dns_look_stages[];
/* Looks, and moves a replica if it is time. */
extern const struct stage dns_move_stages[];
