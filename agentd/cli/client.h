/* Asks the daemon, and says on standard error why there is no answer. */
#pragma once

#include "agentd/cli/options.h"
#include "common/clock.h"
#include "common/value.h"

#define CLIENT_INTERFACE "io.agentd.Node"

struct client;

/* Sends a call of a method of CLIENT_INTERFACE. parameters (may be NULL) are consumed. Returns 0
 * and a client that waits for replies, or the status to end with. */
int client_call(const struct options *options, const char *method, struct value *parameters,
		bool more, struct client **ret);
struct client *client_free(struct client *client);
DEFINE_CLEANUP(struct client, client_free)
/* The next reply. Returns 0 with its parameters, or the status to end with. The time-out is for the
 * first one; a stream has time. */
int client_receive(struct client *client, struct value **ret);
/* Call and the one reply. */
int client_ask(const struct options *options, const char *method, struct value *parameters,
	       struct value **ret);
