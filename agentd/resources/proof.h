/* What is known of the use of leaf certificates: kept in the ledger, by the rows of proof.c. */
#pragma once

#include "agentd/context.h"
#include "agentd/resources/prove.h"

/* Notes of the rows. */
#define PROOF_SERVED	 "served"     /* serial that was seen in use last */
#define PROOF_AT	 "at"	      /* and when */
#define PROOF_LOADED	 "loaded"     /* serial that the running process has read */
#define PROOF_RESTARTED	 "restarted"  /* when its component was restarted last */
#define PROOF_CONTAINER	 "container"  /* and which one it was */
#define PROOF_NOT_BEFORE "not-before" /* when it may be restarted again */

/* The serial that was seen in use last, and when (RFC 3339). Borrowed. false if none was. */
bool proof_get(const struct context *ctx, const struct use *use, const char **ret_serial,
	       const char **ret_time);
/* Whether the certificate on disk has been seen in use. */
bool proof_is_done(const struct context *ctx, const struct use *use);
/* Forgets that its component was restarted lately: somebody wants it at once. */
void proof_allow_restart(const struct context *ctx, const struct use *use);
