/* Whether the resources of a node are enough for one more pod; part of fit.h. */
#pragma once

#include "agentd/resources/fit.h"

/* Requests against what is allocatable less what the pods there request, the number of pods, and
 * host ports. */
bool fit_resources(const struct fit_pod *pod, const struct value *node, const struct value *pods,
		   struct why *why);
