/* The retry machine: pure, time is an argument, one table for the whole daemon
 * (threats-and-faults.md, section 2.2). */
#pragma once

#include <stdint.h>

#include "common/error.h"

struct backoff {
	enum error_class class; /* of the last failure */
	unsigned failures;	/* in a row, of that class */
};

#define BACKOFF_INIT ((struct backoff){ 0 })

/* How long to wait after this failure, in nanoseconds; UINT64_MAX = not before the role changes
 * (what is wrong may come right by itself: the caller goes on observing). random is uniform over 32
 * bits and spreads the wait: full jitter for ERROR_NETWORK, the last quarter for the other classes
 * that wait for a server, not at all for local ones; UINT32_MAX gives the longest wait. */
uint64_t backoff_next(struct backoff *backoff, const struct error *error, uint32_t random);
/* The same while a node is joining: no connection and the like wait half as long at most. */
uint64_t backoff_next_joining(struct backoff *backoff, const struct error *error, uint32_t random);
void backoff_reset(struct backoff *backoff);
