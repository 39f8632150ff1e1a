/* What requests about the cluster have in common. */
#pragma once

#include "agentd/context.h"

/* Fails unless this host is a control plane with an identity in its cluster. what is about the
 * request: "bootstrap tokens are made". */
int actions_need_control_plane(const struct context *ctx, const char *what, struct error *err);
