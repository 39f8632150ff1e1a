/* The accepted role on disk: one file of the state directory, written before the role is
 * acknowledged, so that nothing acknowledged is lost. Its values are complete: what was detected
 * when the role was accepted stays as it was then. */
#pragma once

#include <stdbool.h>

#include "agentd/role.h"
#include "common/error.h"

struct role_store;

/* Reads PATH ("/var/lib/agentd/role.json"); host is for role_parse(). A file that cannot be read is
 * an error: starting without the role that was accepted would be wrong. *ret_role is NULL without
 * one. */
int role_store_open(const char *path, const struct role_host *host, struct role_store **ret,
		    struct role **ret_role, struct error *err);
struct role_store *role_store_free(struct role_store *store);
DEFINE_CLEANUP(struct role_store, role_store_free)

/* Makes a role the accepted one: gives it the next generation and writes it. */
int role_store_accept(struct role_store *store, struct role *role, struct error *err);
/* Takes the place of the accepted role: the same one, with another value that was found out. Its
 * generation stays. */
int role_store_move(struct role_store *store, const struct role *role, struct error *err);
/* Writes the accepted role without its bootstrap token, and takes the token out of it. */
int role_store_forget_token(struct role_store *store, struct role *role, struct error *err);

/* Digest of the role file last decided about, "" without one; kept with the role. */
const char *role_store_seen(const struct role_store *store);
int role_store_set_seen(struct role_store *store, const char *digest, struct error *err);
