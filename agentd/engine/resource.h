/* The row type: one thing that is kept true, and its contract with the engine.
 *
 * observe() only looks: at files, caches and the role. It never blocks, writes or logs, and time is
 * the context's now. apply and undo are stage tables (common/task.h); the engine starts them, and
 * observes again when they end, because their success proves nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agentd/role.h"
#include "common/strv.h"
#include "common/task.h"

struct context; /* agentd/context.h: all that a resource may use. Opaque to the engine. */
struct resource;

enum verdict {
	IN_SYNC, /* as the role wants it */
	DRIFTED, /* differs, and apply mends it */
	BLOCKED, /* differs, and somebody has to act first; the reason says what. Looked at again in
		    growing intervals */
	UNKNOWN, /* cannot be seen now, or waits for something that comes by itself */
	_VERDICT_MAX,
};
const char *verdict_name(enum verdict verdict);	  /* "in-sync", "drifted", ... */
const char *verdict_reason(enum verdict verdict); /* "InSync", "Drifted", ... */

/* The reason in words for operators: "certificate expires in 3 days". Lines are joined by "; ".
 * Beside them one word for programs, which is the reason of the row's condition. */
struct why {
	char text[1024];
	char reason[48]; /* CamelCase; empty = the verdict's */
	bool planned;	 /* the difference is agentd's own doing, see why_planned() */
};
/* Sets (or with why_add() appends to) the text; cut at the end where it does not fit. */
void why_set(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);
void why_add(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);
/* The word for programs: "ExpiresSoon". It stays when the text is set again. */
void why_reason(struct why *why, const char *reason);
/* What differs was to be changed now, such as a certificate that is due: putting it right is no
 * repair, keeps nobody's version aside and is no fight. */
void why_planned(struct why *why);

enum trigger_kind {
	TRIGGER_NONE,
	TRIGGER_PATH,	 /* a path changed */
	TRIGGER_UNIT,	 /* a unit of PID 1 changed */
	TRIGGER_OBJECT,	 /* a cluster object changed */
	TRIGGER_EVERY,	 /* so many seconds have passed */
	TRIGGER_DUE,	 /* a date that matters has come */
	TRIGGER_DYNAMIC, /* the function says which, from the role */
};

/* What a row may list beside its triggers: filled by a TRIGGER_DYNAMIC function. */
struct trigger_list {
	struct strv paths;   /* absolute; "/dir/" for the entries of a directory */
	struct strv objects; /* "COLLECTION NAME", COLLECTION as in agentd/kube/cache.h */
};

struct trigger {
	enum trigger_kind kind;
	const char *text; /* path, unit, or collection */
	const char *name; /* object name */
	bool reads; /* the row only reads it, and does not own it: a hold on it is no hold on the
		       row */
	unsigned seconds;
	int64_t (*due)(struct context *ctx, const struct resource *row); /* wall clock; 0 = none */
	void (*list)(struct context *ctx, const struct resource *row, struct trigger_list *ret);
};

#define ON_PATH(path)                                \
	{                                            \
		.kind = TRIGGER_PATH, .text = (path) \
	}
#define ON_UNIT(unit)                                \
	{                                            \
		.kind = TRIGGER_UNIT, .text = (unit) \
	}
#define ON_OBJECT(collection, named)                                          \
	{                                                                     \
		.kind = TRIGGER_OBJECT, .text = (collection), .name = (named) \
	}
#define READS_PATH(path)                                            \
	{                                                           \
		.kind = TRIGGER_PATH, .text = (path), .reads = true \
	}
#define READS_UNIT(unit)                                            \
	{                                                           \
		.kind = TRIGGER_UNIT, .text = (unit), .reads = true \
	}
#define READS_LIST(fn)                                               \
	{                                                            \
		.kind = TRIGGER_DYNAMIC, .list = (fn), .reads = true \
	}
#define EVERY(s)                                      \
	{                                             \
		.kind = TRIGGER_EVERY, .seconds = (s) \
	}
#define DUE(fn)                                  \
	{                                        \
		.kind = TRIGGER_DUE, .due = (fn) \
	}
#define ON_LIST(fn)                                   \
	{                                             \
		.kind = TRIGGER_DYNAMIC, .list = (fn) \
	}

enum { RESOURCE_NEEDS_MAX = 16, RESOURCE_TRIGGERS_MAX = 8 };

/* Roles as bits, for .roles. */
enum { FOR_CONTROL_PLANE = 1, FOR_WORKER = 2, FOR_ANY = 3 };

struct resource {
	const char *name;  /* "kubelet-unit" */
	const char *title; /* what it is, for explain: "the kubelet's unit is enabled and runs" */
	unsigned roles;
	/* By which a role's policy says whether it is mended. CLASS_NONE is for rows whose stages
	 * only look, or write agentd's own state. */
	enum resource_class class;
	/* Rows that must be in sync first; all stand earlier in the list. Those outside the role do
	 * not count. */
	const char *needs[RESOURCE_NEEDS_MAX];
	struct trigger triggers[RESOURCE_TRIGGERS_MAX];
	/* Outside of which conditions the row does not exist (NULL = always): proxy.disabled. */
	bool (*wanted)(const struct role *role);
	enum verdict (*observe)(struct context *ctx, const struct resource *row, struct why *why);
	const struct stage *apply; /* ends with {}; NULL = observe only */
	const struct stage *undo;  /* for reset; may be NULL */
	/* Rows of one lane never run at the same time. */
	const char *lane;
	/* What the row makes is a local file: while it is UNKNOWN and this says that the file still
	 * is what was last applied, its dependants go on (architecture rule 4). NULL = they wait.
	 */
	bool (*stands)(struct context *ctx, const struct resource *row);
	/* The row is told as a condition of this type in Status, True exactly while it is in sync:
	 * worded so that True is fine ("CertificatesValid"). Rows of the same type make one
	 * condition, of which the first that is not in sync tells. */
	const char *condition;
	const void *data; /* the row's own, such as a pki profile or an object's description */
};

/* The context of a row's task: task_context() of its stages. */
struct run {
	struct context *context;
	const struct resource *resource;
	struct role *role; /* the snapshot that the task started with */
	void *state;	   /* a row's own between its stages */
	void (*free_state)(void *state);
};

static inline struct run *run_of(struct task *task)
{
	return (struct run *)task_context(task);
}
static inline struct context *ctx_of(struct task *task)
{
	return run_of(task)->context;
}
static inline const struct resource *row_of(struct task *task)
{
	return run_of(task)->resource;
}
static inline const struct role *role_of(struct task *task)
{
	return run_of(task)->role;
}
/* Keeps a row's own state for the later stages; replaces (and frees) what was there. */
void run_keep(struct task *task, void *state, void (*free_state)(void *state));
