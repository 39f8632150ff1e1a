/* The Leases by which the controller-managers and schedulers of a cluster choose their leaders. One
 * that is stopped leaves its Lease behind, and the next waits until it has expired; where it is
 * known that the holder was this host's and is no more, agentd clears it. */
#pragma once

#include "agentd/context.h"

/* Completes with the name of the holder as a string, "" if nobody leads. */
struct op *leader_get(struct context *ctx, const char *component);
/* That instance is about to be stopped: remembered over restarts, until it is released. */
void leader_note_stopped(struct context *ctx, const char *component, const char *holder);
/* Clears the Lease where it still names the instance that was noted, and forgets the note. */
struct op *leader_release_stopped(struct context *ctx, const char *component);
/* Clears the Lease where it names an instance of this host that gave its last sign before this
 * moment. */
struct op *leader_release_older(struct context *ctx, const char *component, int64_t before_s);
/* Whether a holder's name is one of an instance on this host. */
bool leader_is_here(const struct context *ctx, const char *holder);
