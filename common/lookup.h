/* Whether a host's name resolves, asked as every program of this host would (getaddrinfo). That
 * blocks, so it happens on a worker thread. */
#pragma once

#include <stdint.h>

#include "common/loop.h"
#include "common/op.h"
#include "common/work.h"

/* Completes without a value if the name has an address, else fails with ERROR_NETWORK: -ENOENT if
 * it has none, -EAGAIN if nobody could tell, -ETIMEDOUT after timeout_ns. The thread may go on
 * after that for some seconds: give it a work of its own where others must not wait. */
struct op *lookup_host(struct work *work, struct loop *loop, const char *name, uint64_t timeout_ns);
