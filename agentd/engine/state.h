/* What the engine knows of each row: shared by the files of this folder, and by nobody else. */
#pragma once

#include "agentd/engine/engine.h"
#include "agentd/engine/fight.h"
#include "common/backoff.h"
#include "common/buf.h"

struct row {
	const struct resource *resource;
	struct engine *engine;
	bool active; /* in the role */
	bool stale;
	bool observed; /* since the role was set */
	enum verdict verdict;
	struct why why;
	int64_t since_s;	   /* wall clock of the verdict's last change */
	int64_t condition_since_s; /* of its last change between in sync, not, and unknown */
	bool settled;		   /* it has been in sync with this generation of the role */
	bool repairing;	  /* a task was started because of a drift, and it is not in sync yet */
	struct why drift; /* what the repair is about */
	uint64_t drifted_ns;
	struct fight fight;
	struct trigger_list owned, read; /* what its dynamic triggers list */
	const struct hold *hold;	 /* by which it is left alone, or NULL */

	struct task *task;
	struct run run;
	struct error error; /* of the last task; code 0 = none */
	struct backoff backoff;
	unsigned fruitless;	/* applied with success, and still not in sync, times in a row */
	uint64_t next_try_ns;	/* no task before; UINT64_MAX = not before the role changes */
	uint64_t look_again_ns; /* stale by then; UINT64_MAX = only by an event */
	uint64_t look_interval_ns;

	unsigned observations, tasks, failures, repairs, fights;
	int64_t last_repair_s; /* wall clock; 0 = none */
};

struct engine {
	struct loop *loop;
	struct context *context;
	struct ledger *ledger;
	const struct holds *holds; /* or NULL */
	struct engine_hooks hooks;
	struct loop_timer *timer;
	struct row *rows;
	size_t count;
	struct role *role;
	unsigned role_bit;
	uint64_t generation, generation_reached;
	uint32_t random;
	bool disputed;		   /* a row is fought about */
	int64_t peace_since_s;	   /* since when no row is fought about */
	struct error ledger_error; /* the ledger cannot be saved: nothing is started */
	bool in_pass;
};

/* What a condition tells apart. */
enum truth { NOT_KNOWN, NOT_TRUE, IS_TRUE };
static inline enum truth verdict_truth(enum verdict verdict)
{
	return verdict == UNKNOWN ? NOT_KNOWN : verdict == IN_SYNC ? IS_TRUE : NOT_TRUE;
}

/* engine.c */
uint64_t engine_now_ns(const struct engine *engine);
const struct row *engine_find(const struct engine *engine, const char *name);
void engine_log(const struct row *row, int level, const char *stage, const char *text);

/* tasks.c */
bool engine_may_start(const struct row *row);
void engine_start(struct row *row);
void engine_forget_task(struct row *row); /* cancels it */
/* The role's policy leaves what it makes to others: it is only looked at. */
bool engine_only_observes(const struct row *row);
/* Others answer for what it makes: by the role's policy, or because it is held. */
bool engine_leaves_alone(const struct row *row);
/* hold.c: finds the hold of a row. */
void engine_find_hold(struct row *row);
/* triggers.c: the collection and name of an entry of a trigger list. */
const char *engine_split_object(const char *entry, struct buf *collection);
/* The row differs, although it has been as this role wants it: another hand changed it. Not of what
 * agentd wanted to differ, and not where its stages only look. */
bool engine_is_repair(const struct row *row);
/* No task of the row before: after a failure, or because of a fight. */
uint64_t engine_not_before_ns(const struct row *row);
/* The first need that keeps a row from being applied, NULL if there is none. */
const struct row *engine_blocking_need(const struct row *row);
