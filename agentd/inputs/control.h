/* The control socket: /run/agentd/io.agentd.Node, Varlink, for agentctl and varlinkctl.
 *
 * The peer's credentials are taken once, at accept: uid 0 may change things, the group agentd may
 * read, everyone else (also root of a pod that got hold of the socket) is refused. At most 64
 * connections of a uid other than 0 and 1100 in all, of which some are kept for root. */
#pragma once

#include <stdint.h>

#include "agentd/inputs/methods.h"
#include "common/error.h"
#include "common/loop.h"

struct control;

struct control_options {
	const char *root;  /* prefix of the socket's path; "" on a real host */
	const char *group; /* NULL = "agentd"; a name or a number */
};

/* Serves from now on: on the descriptor that PID 1 hands us under the name "varlink", if there is
 * one, else on a socket of its own, whose descriptor PID 1 keeps over restarts. hooks are copied.
 */
int control_new(struct loop *loop, const struct control_options *options,
		const struct methods_hooks *hooks, struct control **ret, struct error *err);
/* The socket's file, which the owner of notices watches: something happened to it or its folder.
 * One that is gone or was replaced is made again; who is connected stays so. */
const char *control_path(const struct control *control);
void control_path_changed(struct control *control);
struct control *control_free(struct control *control); /* clients see end of file */
DEFINE_CLEANUP(struct control, control_free)
/* The status has changed: those who follow it are told the newest, at most ten times a second. */
void control_changed(struct control *control);
