/* Leases in kube-system, so that one agent of the cluster does a thing at a time. As stages: the
 * first stage of a table takes the Lease, the last one releases it; it is taken only while there is
 * something to do.
 *
 * A holder counts as dead when its record has stood still for the duration that it named, on the
 * clock that only goes forward, watched by this client: clocks of hosts are never compared, so that
 * one that is years off neither loses a Lease nor robs anybody. What was seen is kept with the
 * client; every failed take adds to it, and the back-off of the failed row is the pace of watching.
 * Who needs longer than duration_s takes again what it holds, which renews it. */
#pragma once

#include "agentd/kube/client.h"

#define LEASE_CERTIFICATES "agentd-certificates"
#define LEASE_TOKENS	   "agentd-tokens"
#define LEASE_DNS	   "agentd-dns"

/* Completes with the Lease, which names holder then. ERROR_PENDING with -EBUSY: another one holds
 * it, the message names it. */
struct op *lease_take(struct kube *kube, const char *name, const char *holder, unsigned duration_s);
/* Completes when nobody holds the Lease (any more). ERROR_PENDING with -EPERM: another one holds
 * it, which stays so. */
struct op *lease_release(struct kube *kube, const char *name, const char *holder);

/* For agentd/kube only: what a client has seen of the holders of Leases. */
struct lease_seen;
struct lease_seen *lease_seen_free(struct lease_seen *seen);
