/* The engine: rows marked stale are observed, rows that drifted get their stages run, again and
 * again until nothing moves. It never touches the world: it asks rows to look, and starts their
 * tasks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agentd/engine/ledger.h"
#include "agentd/engine/resource.h"
#include "common/loop.h"
#include "common/value.h"

struct engine;

/* What the engine asks of its owner. */
struct engine_hooks {
	/* Before rows are observed: the context's time is set to now (wall clock). */
	void (*prepare)(void *userdata, int64_t wall_s);
	/* The set of triggers may have changed (another role): inputs watch what
	 * engine_triggers() lists. */
	void (*triggers_changed)(void *userdata);
	/* A row changed: status watchers are told. */
	void (*changed)(void *userdata);
	/* For history, events and counters; each may be NULL, and none may change the engine.
	 *
	 * A row has another verdict than before, or its first one (former = UNKNOWN). */
	void (*transition)(void *userdata, const struct resource *resource, enum verdict former,
			   enum verdict verdict, const struct why *why);
	/* A row that had been in sync with this role was changed by another hand, and its stages
	 * are about to start: the last moment to keep what that hand made. */
	void (*repairing)(void *userdata, const struct resource *resource, const struct why *drift);
	/* It was seen in sync again, so long after the drift was. */
	void (*repaired)(void *userdata, const struct resource *resource, const struct why *drift,
			 uint64_t took_ns);
	/* It has been changed again and again since then, and its repairs wait from now on; or ten
	 * minutes have passed without a change. */
	void (*disputed)(void *userdata, const struct resource *resource, bool begins,
			 int64_t since_s);
	void *userdata;
};

/* rows ends with NULL, in dependency order; checked by order.h, a violation aborts.
 * ledger is borrowed. random seeds the jitter (tests give a constant). */
struct engine *engine_new(struct loop *loop, const struct resource *const *rows,
			  struct context *context, struct ledger *ledger,
			  const struct engine_hooks *hooks, uint32_t random);
struct engine *engine_free(struct engine *engine); /* cancels all tasks */
DEFINE_CLEANUP(struct engine, engine_free)

/* The role that is wanted from now on (a reference is taken; NULL = none). Rows of it become stale;
 * rows outside it lose their state; running tasks stop at their next stage boundary where the row
 * is gone. */
void engine_set_role(struct engine *engine, struct role *role, unsigned role_bit,
		     uint64_t generation);

/* Marks stale. Names of rows; NULL = all of them. false if there is no such row. */
bool engine_mark(struct engine *engine, const char *name);
/* Marks the rows with such a trigger. name is for objects (NULL = any of the collection). */
void engine_mark_trigger(struct engine *engine, enum trigger_kind kind, const char *text,
			 const char *name);
/* Forgets the back-off of one row and marks it: what it failed with has been mended. */
void engine_retry(struct engine *engine, const char *name);
/* What differs from now on is agentd's own doing, as after a new role: its repair is none. */
void engine_unsettle(struct engine *engine);
/* Marks all, forgets back-offs and tries at once: `agentctl reconcile`. */
void engine_reconcile(struct engine *engine);

/* The pass: called by the after-batch hook. Observes what is stale, starts tasks, arms one timer
 * for what comes next. */
void engine_pass(struct engine *engine);

/* Calls fn for each trigger of each row in the role, dynamic ones resolved. */
typedef void (*engine_trigger_fn)(enum trigger_kind kind, const char *text, const char *name,
				  void *userdata);
void engine_triggers(struct engine *engine, engine_trigger_fn fn, void *userdata);

/* Appends the paths that a row watches, as its triggers name them. */
void engine_paths(const struct engine *engine, const char *name, struct strv *ret);

/* Whether all rows of the role are in sync and observed for the current role. */
bool engine_is_converged(const struct engine *engine);
/* The last generation of the role for which all rows came into sync. */
uint64_t engine_generation_reached(const struct engine *engine);
bool engine_is_in_sync(const struct engine *engine, const char *name);
