/* This host as the kernel tells it: its name, its addresses, its clock. What changes is put into
 * the context, and the rows concerned are marked. */
#pragma once

#include "agentd/context.h"
#include "agentd/engine/engine.h"
#include "agentd/inputs/hostwatch.h"

struct host {
	struct context *ctx;
	struct engine *engine;
	struct hostwatch *watch;
	char name[256];		/* lower case; the context's hostname */
	int64_t clock_offset_s; /* wall clock minus monotonic, at the last pass */
};

/* The context has its clock already. */
void host_init(struct host *host, struct context *ctx, const char *name);
void host_watch(struct host *host, struct engine *engine);
void host_done(struct host *host);
/* Before each pass: the context gets the time, and learns whether somebody set the clock. */
void host_pass(struct host *host, int64_t wall_s);

/* Whether a running control plane may take this role's address: at one that the host does not have
 * neither etcd nor the API server would start. */
int host_check_address(const struct context *ctx, const struct role *next,
		       const struct role_host *role_host, struct error *err);
/* Before another role takes the place of the context's: what others may still know this control
 * plane by is remembered. */
void host_remember_address(const struct context *ctx, const struct role *next);
