/* What a node's identity may run into, and what is then to be done: pure decisions over what was
 * seen. The rows of node_identity.c, kubelet_identity.c and the clock look and act. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The Node object. A kubelet registers once in its life: if the API server itself says that the
 * Node does not exist, only another kubelet process brings it back. */

/* Restarts of the kubelet for a missing Node within the last ten minutes. */
struct identity_restarts {
	unsigned count;
	int64_t last_s; /* wall clock */
};
/* "3 1790000000", as the ledger keeps it; NULL or anything else is none. */
struct identity_restarts identity_restarts_read(const char *note, int64_t now_s);
/* Seconds that a kubelet is given to register by itself before it is restarted: a moment where its
 * next attempt may be seconds away, longer while it has only just started (its first attempt
 * succeeds), and longer each time that a restart has not been the last. age_s: of its process. */
unsigned identity_registration_grace_s(struct identity_restarts restarts, int64_t age_s);

/* The address that others know this host by. */

struct identity_address {
	bool known;	 /* the role has one that is to be looked at */
	bool is_present; /* an interface of this host that is up has it */
	bool is_named;	 /* the role names it; else it was found out */
	bool has_other;	 /* what would be found out now is another one */
};
enum identity_move {
	IDENTITY_STAY, /* nothing is the matter */
	IDENTITY_WAIT, /* it is gone, and there is no other yet */
	IDENTITY_TELL, /* it is gone, and the role names it: somebody has to decide */
	IDENTITY_MOVE, /* to the other one */
};
enum identity_move identity_address_decide(const struct identity_address *seen);

/* The clock. */

enum { IDENTITY_CLOCK_WAIT_S = 60, IDENTITY_JUMP_S = 3600, IDENTITY_BEHIND_S = 300 };

struct identity_clock {
	int64_t now_s;
	int64_t floor_s;      /* no clock that is right shows less: when agentd was built, when it
				 ran last */
	bool synchronized;    /* somebody who knows says so */
	int64_t jump_s;	      /* how far the clock was set at last, negative = back; 0 = never */
	int64_t since_jump_s; /* monotonic */
};
enum identity_clock_verdict {
	IDENTITY_CLOCK_GOOD,
	IDENTITY_CLOCK_JUMPED, /* far ahead just now, and nobody has confirmed it */
	IDENTITY_CLOCK_BEHIND, /* before the floor */
};
enum identity_clock_verdict identity_clock_decide(const struct identity_clock *seen);
