/* The role file: /etc/agentd/role.yaml, else /run/agentd/role.yaml, else /usr/lib/agentd/role.yaml.
 *
 * The first of them that exists counts. It is offered when its digest differs from the one last
 * seen, so that a role given over the socket stays until somebody edits the file. A file written in
 * place (cloud-init does) is read after 250 ms of quiet, one put there by rename at once; what is
 * wrong with it is reported only after 2 s in which nothing happened to it. A file that goes away
 * changes nothing. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/loop.h"

struct rolefile;

struct rolefile_hooks {
	/* Digest of the file last accepted; NULL or "" = none. Borrowed until the next call. */
	const char *(*seen_digest)(void *userdata);
	/* Keeps it, durably: the file of this digest is not offered again. */
	void (*set_seen_digest)(const char *digest, void *userdata);
	/* A new role; text ends with a NUL. Returns 0 once it is accepted and durable. A refusal
	 * (ERROR_CONFIG) must have changed nothing; the file is offered again when something
	 * happens to it, by rolefile_look() and at the next start. Other errors are tried again
	 * after 10 s.
	 */
	int (*offer)(const char *text, size_t length, const char *path, void *userdata,
		     struct error *err);
	/* What is wrong with the file that counts, for the condition RoleFileValid; error NULL =
	 * nothing, path NULL = there is no file. Called when it changes. */
	void (*report)(const char *path, const struct error *error, void *userdata);
	/* Everybody may read the file, and there is a token or a private key in it, for the
	 * condition SecretExposed; path NULL = no longer. */
	void (*exposed)(const char *path, mode_t mode, void *userdata);
	void *userdata;
};

/* root is a prefix of every path. uid owns the files (0 but in tests). hooks are copied. The file
 * is looked at on the loop's next round. */
struct rolefile *rolefile_new(struct loop *loop, const char *root, uid_t uid,
			      const struct rolefile_hooks *hooks);
struct rolefile *rolefile_free(struct rolefile *rolefile);
DEFINE_CLEANUP(struct rolefile, rolefile_free)
/* Looks at the file as if something had happened to it: for the slow full pass. */
void rolefile_look(struct rolefile *rolefile);
/* A role came over the socket: the file as it is now counts as seen, also if it was refused. */
void rolefile_supersede(struct rolefile *rolefile);
