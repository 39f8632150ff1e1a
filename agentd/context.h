/* All that a resource may use. One per process; made by manager.c. */
#pragma once

#include <stdint.h>

#include "agentd/cri/cri.h"
#include "agentd/engine/ledger.h"
#include "agentd/engine/resource.h"
#include "agentd/history.h"
#include "agentd/kube/client.h"
#include "agentd/kube/objects.h"
#include "agentd/role.h"
#include "agentd/settings.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/work.h"
#include "systemd/bus.h"
#include "systemd/unit.h"

struct context {
	const struct settings *settings;
	struct loop *loop;
	struct clock *clock;
	struct work *work;
	struct bus *bus;
	struct units *units;
	struct ledger *ledger;
	struct history *history; /* NULL in tests of rows */
	struct objects *objects; /* caches of cluster objects */
	struct role *role;	 /* NULL without a role */
	struct kube *kube;    /* this node's identity at the API server; NULL before there is one */
	struct cri *cri;      /* the role's runtime socket; NULL without a role */
	const char *hostname; /* of this host, lower case */
	const char *kubelet_version; /* "v1.36.3"; NULL while there is no kubelet */
	bool api_answers; /* the API server of this host has answered since it was last lost */
	/* Forgets the bootstrap token of the accepted role, durably. */
	int (*forget_token)(struct context *ctx, struct error *err);
	/* The token that is now in the role's tokenFile or credential: 1, or 0 without such. */
	int (*read_token)(struct context *ctx, struct secret **ret, struct error *err);
	/* Gives the accepted role another advertise address, durably. */
	int (*move_address)(struct context *ctx, const char *address, struct error *err);
	/* The host's addresses, for tests; NULL = the kernel's. */
	const struct role_address *addresses;
	size_t address_count;
	int64_t built_s; /* when this agentd was built: no clock that is right shows less */
	/* How far the clock was set at last (negative: back; 0 = never), and when (monotonic). */
	int64_t clock_jump_s;
	uint64_t clock_jumped_ns;
	int64_t now; /* wall clock of this pass */
};

/* settings.root in front of a path: all reading and writing of managed files goes through here. */
char *context_path(const struct context *ctx, const char *format, ...) PRINTF_LIKE(2, 3);
/* "/var/lib/agentd/..." with the root in front. */
char *context_state_path(const struct context *ctx, const char *format, ...) PRINTF_LIKE(2, 3);
