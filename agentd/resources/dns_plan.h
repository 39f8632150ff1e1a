/* Where the replicas of CoreDNS should be: the decision alone, a pure function over what was seen.
 *
 * Replicas should share no failure domain, and no node in one: a move is good where it leaves fewer
 * pairs of replicas in one zone, or as many and fewer on one node. The scheduler has the last word,
 * so a move may fail; what stops the moves is a count of those that did not help, kept with the
 * Lease. Zones are those of topology.kubernetes.io/zone; a node without is a zone of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agentd/engine/resource.h"
#include "common/digest.h"
#include "common/value.h"

enum { DNS_PAUSE_S = 600, DNS_TRIES_MAX = 3, DNS_NAME_MAX = 254, DNS_UID_MAX = 64 };

/* The last move, as the Lease keeps it. Written before the replica is evicted, so that a crash
 * never makes two moves of one; while the replica of that uid still runs, the move has not
 * happened. */
struct dns_record {
	int64_t at_s;	  /* 0 = there was none */
	int64_t before_s; /* when the move before it was */
	char pod[DNS_NAME_MAX], from[DNS_NAME_MAX], to[DNS_NAME_MAX];
	char uid[DNS_UID_MAX];
	unsigned tries; /* moves in this situation that have not helped, this one included */
	unsigned
	    failures;	 /* the same, in all situations since one helped: they stretch the pause */
	unsigned burden; /* the least that was shared in this situation */
	char situation[DIGEST_HEX_SIZE];
};

/* What the pods on a node say. */
struct dns_look {
	char *node;
	char *against; /* why they leave no room for a replica; NULL = they do */
	bool proxied;  /* kube-proxy there is Ready, or there is none to wait for */
};
struct dns_looks {
	struct dns_look *items;
	size_t count;
};
void dns_looks_done(struct dns_looks *looks);

struct dns_snapshot {
	const struct value *deployment; /* NULL = there is none */
	const struct value *nodes;	/* a list, as are the next two */
	const struct value *pods;	/* of the Deployment */
	const struct value *budgets;	/* PodDisruptionBudgets of the namespace */
	struct dns_looks looks;
	struct dns_record record;
	int64_t now_s;
	bool at_once; /* the pause does not count */
};

enum dns_verdict {
	DNS_SPREAD,   /* nothing is shared that could be helped */
	DNS_NOWHERE,  /* something is, and no node can take a replica that would help */
	DNS_WAIT,     /* for something that comes by itself, or until_s */
	DNS_GIVEN_UP, /* moves did not help */
	DNS_LOOK,     /* at the pods on node, before it is known whether it can take one */
	DNS_MOVE,     /* pod away from its node; node is one that can take it */
	_DNS_VERDICT_MAX,
};
const char *dns_verdict_name(enum dns_verdict verdict); /* "spread", "nowhere", ... */

struct dns_decision {
	enum dns_verdict verdict;
	struct why why;				  /* in words, never empty */
	char pod[DNS_NAME_MAX], uid[DNS_UID_MAX]; /* of LOOK and MOVE, as the next */
	char from[DNS_NAME_MAX], node[DNS_NAME_MAX];
	int64_t until_s;		 /* of WAIT; 0 = until something changes */
	unsigned burden;		 /* how much is shared now; 0 = nothing */
	bool settled;			 /* as many replicas as wanted, all of them Ready */
	char situation[DIGEST_HEX_SIZE]; /* of all but SPREAD */
};

void dns_decide(const struct dns_snapshot *snapshot, struct dns_decision *ret);
/* The record to keep of a move that is about to be made, and the one after it has ended. */
struct dns_record dns_record_of(const struct dns_snapshot *snapshot,
				const struct dns_decision *decision);
struct dns_record dns_record_after(const struct dns_record *record,
				   const struct dns_decision *decision);

/* When the pause after the last move ends; 0 = there was none. */
int64_t dns_pause_end(const struct dns_record *record);

/* The replicas that count: not ending, on a node. */
bool dns_is_replica(const struct value *pod);
const char *dns_node_of(const struct value *pod);
const char *dns_zone_of(const struct value *node); /* "" without one */
