/* What is told of what the engine does: entries of the history, versions of other hands, Events on
 * the Node, and metrics. The manager passes on the engine's hooks. */
#pragma once

#include "agentd/context.h"
#include "agentd/events.h"
#include "common/error.h"

struct observer;

struct observer_options {
	struct context *ctx;
	struct value *(*status)(void *owner); /* a new reference */
	void *owner;
};

/* Serves metrics where the settings say so. */
struct observer *observer_new(const struct observer_options *options);
struct observer *observer_free(struct observer *observer);
DEFINE_CLEANUP(struct observer, observer_free)

/* Hooks of the engine. */
void observer_transition(struct observer *observer, const struct resource *resource,
			 enum verdict former, enum verdict verdict, const struct why *why);
void observer_repairing(struct observer *observer, const struct resource *resource);
void observer_repaired(struct observer *observer, const struct resource *resource,
		       const struct why *drift);
void observer_disputed(struct observer *observer, const struct resource *resource, bool begins,
		       int64_t since_s);

/* After each batch; changed = the status is another one. */
void observer_pass(struct observer *observer, bool changed);
/* The client of the context is about to be replaced. */
void observer_drop_client(struct observer *observer);
