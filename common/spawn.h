/* A child process with captured output, as an op. agentd's one use is `kubelet --version`. */
#pragma once

#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"

struct spawn_result {
	int status;	    /* as from waitpid() */
	const char *output; /* standard output, at most 64 KiB, NUL-terminated */
};

/* Runs argv[0] (an absolute path) with an empty environment but PATH, LANG=C, no standard input,
 * standard error to the journal, in a process group of its own. Killed after timeout_ms, and when
 * the op is dropped. Fails if it is killed or takes too long (ERROR_PENDING) or exits with another
 * status than 0 (ERROR_CONFIG). NULL with err if it cannot be started. */
struct op *spawn_run(struct loop *loop, const char *const *argv, unsigned timeout_ms,
		     struct error *err);
/* Of a completed op of spawn_run(); output is NULL if it took too long. Borrowed. */
const struct spawn_result *spawn_result(const struct op *op);
