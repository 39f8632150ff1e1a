/* The status: one value of conditions, rows and hints, from which everything else prints
 * (its shape: agentd/inputs/methods.h). */
#pragma once

#include "agentd/context.h"
#include "agentd/engine/engine.h"
#include "common/error.h"
#include "common/value.h"

/* What the status knows beside the context and the engine. */
struct status_input {
	const struct context *ctx;
	const struct engine *engine;
	const struct holding *holding;	     /* NULL = nothing is held */
	const struct error *role_file_error; /* NULL or code 0: the role file is fine */
	const char *role_file;		     /* its path, for messages; may be NULL */
	const char *exposed_file;	     /* a secret in it can be read by others; or NULL */
};

/* Remembers since when each condition is what it is. */
struct status;
struct status *status_new(void);
struct status *status_free(struct status *status);
DEFINE_CLEANUP(struct status, status_free)
struct value *status_value(struct status *status, const struct status_input *input);
/* One line for systemd, such as "control-plane: Ready". */
void status_line(const struct status_input *input, char *ret, size_t size);
