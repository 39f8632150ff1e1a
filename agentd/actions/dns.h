/* DnsStatus and DnsRebalance. */
#pragma once

#include "agentd/context.h"
#include "common/op.h"

/* Completes with where the replicas of CoreDNS are, and what would be done about it: {verdict,
 * reason, wanted, replicas, nodes, move, notBefore, lastMove} as in agentd/inputs/interface.c. NULL
 * with err set where that is not possible. */
struct op *actions_dns_status(struct context *ctx, struct error *err);
/* Moves a replica now if that helps: without the pause, and with everything else that counts.
 * Completes when its replacement is Ready with {moved, verdict, reason, pod, from, to}. */
struct op *actions_dns_rebalance(struct context *ctx, struct error *err);
