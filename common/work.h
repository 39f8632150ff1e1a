/* Work on a few threads: key generation, and looking up names (lookup.h), and nothing else. A
 * worker sees only its argument. Results come back through an eventfd on the loop, in the op's
 * contract. */
#pragma once

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"

struct work;
/* Runs on a worker thread; touches nothing but argument. */
typedef int (*work_fn)(void *argument, struct error *err);

/* threads: 0 = one per CPU, at most 4. Threads start with the first job, end when idle for a few
 * seconds, and run at a lower priority than what they make keys for. */
struct work *work_new(struct loop *loop, unsigned threads);
/* Waits for a job that runs; queued ones are dropped. Their ops must have been dropped before. */
struct work *work_free(struct work *work);
DEFINE_CLEANUP(struct work, work_free)

/* The op's impl is argument, freed with free_argument when the op is dropped (for a job that runs:
 * when it has ended). Jobs of a lower rank start first, those of one rank in order
 * of submission. */
struct op *work_run(struct work *work, unsigned rank, work_fn fn, void *argument,
		    void (*free_argument)(void *argument));
