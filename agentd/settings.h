/* Settings of the process, from the command line: a table of options (settings.c) from which the
 * parser and the usage text come. */
#pragma once

#include <stdbool.h>

struct settings {
	const char *root;	    /* prefix of every path; "" on a real host (for tests) */
	const char *kubelet_binary; /* "/usr/bin/kubelet" */
	const char *bus_address;    /* NULL = the system bus */

	bool debug;
};

/* Returns 1 to go on, 0 when all is said (--help, --version), negative errno after a usage error.
 */
int settings_parse(int argc, char **argv, struct settings *ret);
