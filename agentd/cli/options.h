/* The command line of agentctl: one table of options, from which the parser, the usage text, the
 * completion and the lint of the manual page come. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strv.h"

enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML };
enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* Statuses that the process ends with. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_CONVERGED = 3,
	STATUS_NO_ROLE = 4,
	STATUS_UNREACHABLE = 5,
	STATUS_TIMEOUT = 124,
};
struct status_row {
	int status;
	const char *meaning;
};
extern const struct status_row status_rows[]; /* ends with { .meaning = NULL } */

/* Which options a verb takes; those of OPTIONS_ANY are for all. */
enum {
	OPTIONS_ANY = 1 << 0,
	OPTIONS_OUTPUT = 1 << 1,
	OPTIONS_ALL = 1 << 2,
	OPTIONS_HEADERS = 1 << 3,
	OPTIONS_TOKEN = 1 << 4,
	OPTIONS_HIDDEN = 1 << 5, /* not in the usage text */
	OPTIONS_HOLD = 1 << 10,
	OPTIONS_HISTORY = 1 << 12,
};

struct options {
	enum output output;
	enum color color;
	bool no_headers, all;
	int64_t timeout_ns; /* 0 = none */
	const char *socket;
	/* token create */
	const char *ttl, *description;
	struct strv usages, groups;
	bool print_join_command, role_file, cloud_init;
	/* hold, drift restore */
	const char *hold_for;
	/* history */
	const char *since;
	/* instead of a verb */
	bool help, version;
	/* help */
	bool dump, completion;
	unsigned given; /* kinds of options that were there */
	struct strv words;
};
void options_done(struct options *options);
DEFINE_CLEANUP_VALUE(struct options, options_done)

enum option_kind {
	OPTION_FLAG,	 /* bool */
	OPTION_TEXT,	 /* const char * */
	OPTION_CHOICE,	 /* int-sized: index in .choices */
	OPTION_DURATION, /* int64_t nanoseconds */
	OPTION_TTL,	 /* const char *, of a duration's form */
	OPTION_LIST,	 /* struct strv, from a list with commas; may come again */
};

struct option_row {
	const char *name; /* "output" */
	char letter;	  /* 'o', or 0 */
	enum option_kind kind;
	size_t offset;
	unsigned verbs; /* OPTIONS_* */
	const char *argument, *help;
	const char *const *choices; /* end with NULL */
};
extern const struct option_row option_rows[]; /* ends with {} */

/* Returns 0, or -EINVAL when the reason has been printed to standard error. */
int options_parse(int argc, char **argv, struct options *ret);
