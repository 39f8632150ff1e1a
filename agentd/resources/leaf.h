/* The leaf certificates of a control plane, wherever they lie (a pair of files, a kubeconfig,
 * agentd's own identity), and what is to be done about them: renewed in time, or on request, by the
 * cluster's CA or by somebody who has its key. */
#pragma once

#include "agentd/context.h"
#include "agentd/resources/issue.h"

/* The profile's certificate and key. Returns 1, or 0 if there is none that can be read. ret_key may
 * be NULL. */
int leaf_load(const struct context *ctx, const struct profile *profile, struct cert **ret_cert,
	      struct key **ret_key);
/* The row that keeps it: "certificate-apiserver", "kubeconfig-admin". The caller frees. */
char *leaf_row(const struct profile *profile);
/* Where it lies, as the host has it. The caller frees. */
char *leaf_path(const struct context *ctx, const struct profile *profile);

/* When it is renewed: a moment of its own within the role's window. */
int64_t leaf_due(const struct context *ctx, const struct profile *profile, const struct cert *cert);
/* For DUE(): the same for the certificate as it lies; 0 = there is none, or that moment is past. */
int64_t leaf_due_of(const struct context *ctx, const struct profile *profile);

/* Somebody asked for a new one; answered when a certificate with another serial is there. force:
 * what is not agentd's is replaced as well, and its component may be restarted once more. */
void leaf_ask(const struct context *ctx, const struct profile *profile, bool force);
bool leaf_is_asked(const struct context *ctx, const struct profile *profile,
		   const struct cert *cert);
bool leaf_is_forced(const struct context *ctx, const struct profile *profile);

/* What is to be done about a certificate (NULL: there is none that can be used, and why says so):
 * IN_SYNC; DRIFTED: a new one is to be made; BLOCKED: somebody who has the CA's key has to sign;
 * UNKNOWN. *ret_replaceable: whoever made the present one, a new one harms nobody, because this one
 * is good and only its time has come, or because somebody signed the new one for this place. */
enum verdict leaf_observe(const struct context *ctx, const struct profile *profile,
			  const struct cert *cert, const struct key *key, bool *ret_replaceable,
			  struct why *why);

/* Makes a new one of order's profile: its op is issue_order()'s, and so is its result. One that is
 * good and only renewed hands its further names on. NULL without err: somebody has signed it
 * already, it is in *ret_signed. NULL with err set: it cannot be made. */
struct op *leaf_make(struct context *ctx, const struct role *role, struct issue_order order,
		     struct issued *ret_signed, struct error *err);
/* Puts a pair of files in its place, or a request where it can be signed. */
int leaf_keep_pair(const struct context *ctx, const struct profile *profile,
		   const struct issued *issued, struct error *err);
/* After it is on disk: what was asked for is done, the request's files have served. */
int leaf_made(const struct context *ctx, const struct profile *profile, struct error *err);
