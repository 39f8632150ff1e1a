/* Settings of the process, from the command line: a table of options (settings.c) from which the
 * parser and the usage text come. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct settings {
	const char *root;	    /* prefix of every path; "" on a real host (for tests) */
	const char *kubelet_binary; /* "/usr/bin/kubelet" */
	const char *bus_address;    /* NULL = the system bus */
	int64_t round_ns;	    /* between looks at everything */

	/* "/var/lib/agentd/metrics/agentd.prom" where it is NULL; "" = none. */
	const char *metrics_file;
	uint16_t metrics_port; /* on loopback; 0 = none */

	bool debug;
};

/* Returns 1 to go on, 0 when all is said (--help, --version), negative errno after a usage error.
 */
int settings_parse(int argc, char **argv, struct settings *ret);
