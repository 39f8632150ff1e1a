/* What the control socket can be asked: the table of methods, and the hooks behind them.
 *
 * A method decodes its parameters by rows, asks a hook, and answers. The interface description that
 * varlinkctl and every Varlink library read is made of the same table. Works with control.c, which
 * knows sockets and peers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/decode.h"
#include "common/error.h"
#include "common/op.h"
#include "common/strv.h"
#include "common/value.h"
#include "common/varlink.h"

#define METHODS_INTERFACE "io.agentd.Node"

/* Parameters of TokenCreate. */
struct methods_token {
	int64_t ttl_s;		    /* 0 = never expires; -1 = the default */
	char *description;	    /* or NULL */
	struct strv usages, groups; /* empty = the defaults */
};

/* Parameters of Hold. */
struct methods_hold {
	char *what;
	int64_t seconds; /* 0 = until it is released */
};

/* Parameters of History. */
struct methods_history {
	int64_t seconds; /* how far back */
	bool has_seconds;
	char *resource; /* or NULL */
};

/* Parameters of DriftShow and DriftRestore. */
struct methods_drift {
	int64_t id;
	int64_t seconds; /* how long it is held; 0 = until it is released */
};

/* How the manager answers. A hook that fails with -ENODATA has no role to work with (answered as
 * NoRole); everything else is answered as Failed, with message and class. */
struct methods_hooks {
	/* The whole state, a new reference, never NULL:
	 *
	 *	version            of agentd
	 *	role               "none" | "control-plane" | "worker"
	 *	source             where the role came from; absent without one
	 *	generation         {wanted, reached}: counts of accepted roles
	 *	node               name of the Node
	 *	server             "https://host:port" of the API server in use
	 *	kubernetesVersion  "v1.36.3"
	 *	conditions         [{type, status, reason, message, since}]: Ready, Converged,
	 *	                   RoleFileValid, PreflightPassed, APIServerReachable, PodNetwork,
	 *	                   SecretsPrivate, Undisputed, and those of rows (.condition);
	 *	                   status is "True", "False" or "Unknown", since is RFC 3339;
	 *	                   "True" is always fine
	 *	rows               as agentd/engine/report.h gives them
	 *	holds              [{what, since, until, resources, error}]: what is left alone,
	 *	                   until is absent where it ends by Release only; error says why
	 *	                   everything is held
	 *	hints              [text]: what an operator may want to do next
	 *	counters           {wakeups, requests}
	 *
	 * Texts that do not apply are absent. There is no secret in it. */
	struct value *(*status)(void *userdata);
	/* report_plan(); NULL = there is no role. */
	struct value *(*plan)(void *userdata);
	/* report_explain(); NULL = there is no such resource. */
	struct value *(*explain)(const char *name, void *userdata);
	/* false = there is no role. */
	bool (*reconcile)(void *userdata);
	/* Hold and release what a text means: *ret gets a map of what, since, until and resources
	 * as in the holds of the status. ERROR_CONFIG where the text means nothing. */
	int (*hold)(const struct methods_hold *params, void *userdata, struct value **ret,
		    struct error *err);
	int (*release)(const char *what, void *userdata, struct value **ret, struct error *err);
	/* Appends the role's documents as YAML, without secrets. Returns 1; 0 = there is none. */
	int (*role_get)(struct buf *buf, void *userdata);
	/* Returns 0 once the role is accepted and durable. ERROR_CONFIG is answered as RoleRefused
	 * with the message, which is what the operator reads. name is for messages: the file that
	 * the client read, or "socket". */
	int (*role_set)(const char *text, size_t length, const char *name, void *userdata,
			struct error *err);
	/* Completes with {token, id, expiration (RFC 3339; absent = never), endpoint ("host:port"),
	 * caCertHashes ["sha256:..."]}. NULL = err says why not. params are borrowed until the
	 * call returns. */
	struct op *(*token_create)(const struct methods_token *params, void *userdata,
				   struct error *err);
	/* Completes with a list of {id, expiration, usages, description, groups}; whatever else is
	 * in it, such as a secret, is left out of the answer. */
	struct op *(*token_list)(void *userdata, struct error *err);
	/* history_list() and drift_list(), new references. */
	struct value *(*history)(const struct methods_history *params, void *userdata);
	struct value *(*drift_list)(void *userdata);
	/* A version with what was changed; NULL = err says why not. */
	struct value *(*drift_show)(uint64_t id, void *userdata, struct error *err);
	/* Holds what the version is of, and puts it back. Completes without a value. */
	struct op *(*drift_restore)(const struct methods_drift *params, void *userdata,
				    struct error *err);
	void *userdata;
};

/* Who may call. */
enum methods_privilege {
	METHODS_READ,	/* uid 0 and members of the group */
	METHODS_CHANGE, /* uid 0 */
};

struct methods_call;

struct method {
	const char *name; /* "Status" */
	enum methods_privilege privilege;
	bool more;		       /* may be called with `more` */
	const struct decode_row *rows; /* parameters; NULL = none */
	/* Answers, or starts what answers later. target holds the decoded parameters. */
	void (*handle)(struct methods_call *call, const void *target);
	const char *in, *out; /* Varlink types of the parameters and the reply */
	const char *help;     /* one line */
};

extern const struct method methods_table[]; /* ends with {} */
const struct method *methods_find(const char *name);

/* Serves one call of a connection. allowed says per privilege whether the peer has it. Returns NULL
 * when it has been answered; else it is in work, and the owner frees it (which cancels it) when
 * done() says that it has been answered, or when the client is gone. A stream is in work until
 * then. */
struct methods_call *methods_serve(const struct methods_hooks *hooks,
				   struct varlink_connection *connection,
				   const struct varlink_call *call, const bool allowed[static 2],
				   void (*done)(struct methods_call *call, void *userdata),
				   void *userdata);
struct methods_call *methods_call_free(struct methods_call *call);
DEFINE_CLEANUP(struct methods_call, methods_call_free)
/* Whether it is a stream that wants to be told of changes, by varlink_stream() of the status. */
bool methods_call_is_stream(const struct methods_call *call);
