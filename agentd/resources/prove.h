/* Who uses which leaf certificate, and how it is proven that the one on disk is in use: a server's
 * by a TLS handshake on its port, a client's by a request that is made with it. */
#pragma once

#include "agentd/context.h"
#include "pki/profiles.h"

enum prove_kind { PROVE_SERVER, PROVE_CLIENT };

/* One row of the table. What a server has taken is seen on its port; what a client of the API
 * server has taken cannot be seen from outside, there the times are those of its sources. */
struct use {
	const char *profile;
	enum prove_kind kind;
	const char *component; /* that uses it; "" = people, agentd itself, nobody */
	/* Within how many seconds the component takes a new one by itself; 0 = never: its container
	 * is restarted. */
	unsigned reload_s;
	/* The request. */
	enum prove_port { PORT_API, PORT_ETCD, PORT_ETCD_PEER, PORT_KUBELET } port;
	const char *path;
	const char *client; /* profile of the certificate that it carries; NULL = none */
	const char *user;   /* a front proxy's: on behalf of whom */
};
extern const struct use uses[]; /* ends with {} */
const struct use *use_find(const char *profile);
/* Whether what the component has loaded can only be known by its age. */
bool use_needs_restart(const struct use *use);

/* Makes the request on a new connection. The value is {status, serial}: the HTTP status and, of a
 * server, the serial of its certificate in lower-case hex. It fails where no connection came about
 * or the other side does not accept ours. NULL with err set if a file cannot be read. */
struct op *prove(const struct context *ctx, const struct use *use, struct error *err);
/* Whether a successful op proves that the certificate with this serial is in use; else err says
 * what was seen instead. */
int prove_result(const struct use *use, const struct value *seen, const char *serial,
		 struct error *err);
