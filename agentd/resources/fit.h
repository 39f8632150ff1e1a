/* Whether a node can take one more pod, as the scheduler would find: pure, over objects of the API.
 *
 * It errs on the side of no: a taint of PreferNoSchedule counts, and what would take a look at all
 * pods of the cluster (affinity to pods of others in a whole zone) is refused. Answers read as the
 * end of a sentence that begins with the node's name: "is cordoned". */
#pragma once

#include <stdbool.h>

#include "agentd/engine/resource.h"
#include "common/value.h"

/* The pod to be: metadata.labels and spec, as in a template. */
struct fit_pod {
	const struct value *template;
	const char *namespace;
};

/* As far as the Node itself tells: Ready, cordon, taints, nodeSelector, required node affinity. */
bool fit_node(const struct fit_pod *pod, const struct value *node, struct why *why);
/* As far as the pods on it tell (all of them, a list): resources, host ports, and their required
 * anti-affinity. */
bool fit_pods(const struct fit_pod *pod, const struct value *node, const struct value *pods,
	      struct why *why);

/* A pod beside the one to be, and the Node that it is on. */
struct fit_neighbour {
	const struct value *pod, *node;
};
/* As far as the pod's own required affinity and anti-affinity to pods tell, over its neighbours. */
bool fit_neighbours(const struct fit_pod *pod, const struct value *node,
		    const struct fit_neighbour *neighbours, size_t count, struct why *why);

/* Whether a pod has ended for good, so that it takes up nothing. */
bool fit_is_over(const struct value *pod);
/* Whether the object's condition of this type is True. */
bool fit_has_condition(const struct value *object, const char *type);
/* Whether labels are as a label selector of the API wants; an empty selector wants nothing. */
bool fit_selects(const struct value *selector, const struct value *labels);
