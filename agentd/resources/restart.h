/* Restarts one component of the control plane: its container is stopped, the kubelet starts it
 * again. */
#pragma once

#include "agentd/context.h"

/* Stops the container of that id, releases the Lease where its instance led, waits until another
 * one runs and the API server is ready again. Completes with {id, createdAt} of the new one. The
 * kubelet starts a container at once for the first time and then after growing pauses, which are
 * forgotten after ten quiet minutes: the caller keeps to that. */
struct op *restart_component(struct context *ctx, const char *component, const char *id);
