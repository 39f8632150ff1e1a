/* The verbs hold and release. */
#pragma once

#include "agentd/cli/verbs.h"

int hold_run(const struct verb_call *call);
int hold_release_run(const struct verb_call *call);
/* What is held, as a table; nothing where nothing is. */
void hold_show(const struct render *render, const struct value *holds);
