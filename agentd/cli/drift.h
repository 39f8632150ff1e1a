/* The verb history, and those about the versions of other hands. */
#pragma once

#include "agentd/cli/verbs.h"

int drift_history_run(const struct verb_call *call);
int drift_list_run(const struct verb_call *call);
int drift_show_run(const struct verb_call *call);
int drift_restore_run(const struct verb_call *call);
