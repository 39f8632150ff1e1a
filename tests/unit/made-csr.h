/* Certificate requests for tests, good ones and such as only an attacker makes. */
#pragma once

#include <stdbool.h>

struct made_csr {
	unsigned key; /* number of a key that is made at its first use; 0 to 7 */
	/* "O=system:nodes,CN=system:node:w1": attributes in this order; "+" in front of one puts it
	 * into the set of the one before. */
	const char *subject;
	const char *names;     /* "DNS:w1,IP:10.0.0.1"; NULL = no extension */
	const char *extension; /* another one: "basicConstraints=CA:TRUE" */
	bool challenge;	       /* with a password as attribute */
	bool weak;	       /* an RSA key of 1024 bits */
	bool damaged;	       /* another subject than what was signed */
	const char *tail;      /* text after it */
};
/* PEM; the caller frees. */
char *made_csr(const struct made_csr *what);
