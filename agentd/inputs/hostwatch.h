/* What the kernel tells about the host itself: an address came or went, the host was given another
 * name, somebody set the clock. Idle it costs three descriptors and no wake-up. */
#pragma once

#include "common/loop.h"

struct hostwatch;

struct hostwatch_hooks {
	/* Some interface has another global address than before; half a second later, so that a
	 * new lease is one change. */
	void (*addresses)(void *userdata);
	/* Called when the name may have changed; reading it is the owner's. */
	void (*name)(void *userdata);
	/* The wall clock was set, forward or back. */
	void (*clock)(void *userdata);
	void *userdata;
};

/* Hooks are copied. What the kernel does not let us watch is not told; a log record says so. */
struct hostwatch *hostwatch_new(struct loop *loop, const struct hostwatch_hooks *hooks);
struct hostwatch *hostwatch_free(struct hostwatch *watch);
DEFINE_CLEANUP(struct hostwatch, hostwatch_free)
