/* Kubernetes Events on this host's Node, for who operates the cluster: entries of the history whose
 * type says so (agentd/history_types.h).
 *
 * The same entry again is the same Event with a greater count. At most ten at once and then one a
 * minute are written; what has to wait is written later, with the count that it has by then. While
 * the API server cannot be reached they wait as well, an hour at most. */
#pragma once

#include "agentd/context.h"
#include "common/macros.h"

struct events;

struct events *events_new(struct context *ctx);
struct events *events_free(struct events *events);
DEFINE_CLEANUP(struct events, events_free)
/* Writes what may be written now; called after each batch. */
void events_pass(struct events *events);
/* The client of the context is about to be replaced: nothing of it is used any more. */
void events_drop(struct events *events);
