/* The verbs about certificates. */
#pragma once

#include "agentd/cli/verbs.h"

int certificates_list_run(const struct verb_call *call);
int certificates_renew_run(const struct verb_call *call);
