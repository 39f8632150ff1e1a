/* The table of verbs of agentctl. Each asks one method of the daemon; a test compares the two
 * tables. */
#pragma once

#include <stdbool.h>

#include "agentd/cli/options.h"
#include "agentd/cli/render.h"
#include "common/value.h"

struct verb_call {
	const struct verb *verb;
	const struct options *options;
	struct render *render;
	const char *argument; /* NULL where the verb takes none */
};

struct verb {
	const char *name;     /* "token create" */
	const char *argument; /* "FILE"; NULL = none */
	const char *method;   /* "TokenCreate"; NULL = asks nothing */
	bool more;	      /* follows a stream */
	/* Parameters of the method that it gives; end with NULL. */
	const char *const *parameters;
	unsigned options; /* OPTIONS_* beside OPTIONS_ANY */
	int (*run)(const struct verb_call *call);
	const char *help;
};
extern const struct verb verb_table[]; /* ends with {} */

/* The verb that words begin with; *ret_words is how many of them are its name. */
const struct verb *verbs_find(const struct strv *words, size_t *ret_words);
/* The nearest name to what was given, or NULL. */
const char *verbs_nearest(const char *text);
