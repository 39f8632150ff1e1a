/* The sandbox that systemd puts around agentd: everything is read-only but the directories of
 * ReadWritePaths= in the unit. One that is removed on the host (rm -rf /etc/kubernetes) is gone
 * from the sandbox for good, also when it is made again; only a new sandbox has it, so agentd ends
 * and is started again, with ExecStartPre= making the directory before. */
#pragma once

#include <stdbool.h>

#include "agentd/context.h"

struct sandbox;
/* Remembers which of the directories can be written to now. */
struct sandbox *sandbox_new(const struct context *ctx);
struct sandbox *sandbox_free(struct sandbox *sandbox);
DEFINE_CLEANUP(struct sandbox, sandbox_free)
/* The directories, ending with NULL; without the root in front. */
extern const char *const sandbox_directories[];
bool sandbox_is_directory(const char *path);
/* The first directory that could be written to and cannot any longer, or NULL. A file system that
 * was mounted read-only is one, too: the next start finds it so and lives with it. */
const char *sandbox_lost(const struct sandbox *sandbox);
