/* Owns everything that lives as long as the process: loop, bus, caches, engine, inputs. */
#pragma once

#include "agentd/settings.h"
#include "common/error.h"

struct manager;

/* What main() reads from the environment for us; borrowed. */
struct manager_environment {
	const char *hostname;
	const char *credentials_directory; /* systemd's, or NULL */
};

/* Loads what is on disk, finishes what a kill interrupted, serves the socket. */
int manager_new(const struct settings *settings, const struct manager_environment *environment,
		struct manager **ret, struct error *err);
/* Runs until SIGTERM or SIGINT; returns the exit status. */
int manager_run(struct manager *manager);
struct manager *manager_free(struct manager *manager);
DEFINE_CLEANUP(struct manager, manager_free)
