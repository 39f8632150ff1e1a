/* CPU-bound work on a few threads: key generation, and nothing else. A worker sees only its
 * argument. Results come back through an eventfd on the loop, in the op's contract. */
#pragma once

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"

struct work;
/* Runs on a worker thread; touches nothing but argument. */
typedef int (*work_fn)(void *argument, struct error *err);

/* threads: 0 = one per CPU, at most 4. Threads start with the first job and end when idle for a
 * few seconds. */
struct work *work_new(struct loop *loop, unsigned threads);
/* Waits for a job that runs; queued ones are dropped. Their ops must have been dropped before. */
struct work *work_free(struct work *work);
DEFINE_CLEANUP(struct work, work_free)

/* The op's impl is argument, freed with free_argument when the op is dropped (for a job that runs:
 * when it has ended). Jobs start in order of submission; urgent ones first. */
struct op *work_run(struct work *work, bool urgent, work_fn fn, void *argument,
		    void (*free_argument)(void *argument));
