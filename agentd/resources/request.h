/* Certificate requests for CAs whose key is elsewhere: NAME.key and NAME.csr below
 * /var/lib/agentd/csr, and NAME.crt once somebody has signed it. */
#pragma once

#include "agentd/context.h"
#include "agentd/resources/issue.h"

#define REQUEST_DIRECTORY "/var/lib/agentd/csr/"

/* Whether this CA's certificate is here and its key is not. */
bool request_is_needed(const struct context *ctx, const char *ca);
/* How far it is: DRIFTED, there is no request for these names yet, or the signed certificate is
 * there and good; BLOCKED, with what somebody has to do. */
enum verdict request_observe(const struct context *ctx, const struct profile *profile,
			     struct why *why);
/* The signed certificate and its key. Returns 1; 0 if there is none that is good. */
int request_signed(const struct context *ctx, const struct profile *profile, struct issued *ret);
/* Writes what issue_request() made. */
int request_keep(const struct context *ctx, const struct profile *profile,
		 const struct issued *issued, struct error *err);
/* Removes what has served. */
int request_remove(const struct context *ctx, const struct profile *profile, struct error *err);
/* Paths to watch. */
void request_paths(const struct profile *profile, struct trigger_list *ret);
