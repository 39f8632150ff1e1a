/* What the methods of the control socket ask, and who answers. */
#pragma once

#include "agentd/context.h"
#include "agentd/engine/engine.h"
#include "agentd/inputs/methods.h"

struct requests {
	struct context *ctx;
	struct engine *engine;
	struct holding *holding;
	/* The owner's: the whole status, a new reference; a role that is offered. */
	struct value *(*status)(void *owner);
	int (*offer)(void *owner, const char *text, size_t length, const char *name,
		     struct error *err);
	void *owner;
};

/* The hooks that answer from requests, which is borrowed for as long as they are used. */
struct methods_hooks requests_hooks(struct requests *requests);
