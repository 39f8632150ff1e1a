/* The verbs about CoreDNS. */
#pragma once

#include "agentd/cli/verbs.h"

int dns_status_run(const struct verb_call *call);
int dns_rebalance_run(const struct verb_call *call);
