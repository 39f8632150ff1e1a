/* CertificateList and CertificateRenew. */
#pragma once

#include "agentd/context.h"
#include "common/op.h"

/* Completes with a list of {name, kind ("ca", "server", "client", "server+client"), signer, path,
 * serial, expires, daysLeft, served, servedAt, nextRenewal, renewedBy}: what lies on this host,
 * with servers asked for the certificate that they show now. Fields that do not apply are absent.
 * NULL with err set where there is no role. */
struct op *actions_certificates_list(struct context *ctx, struct error *err);

struct actions_renewal {
	const struct strv *names; /* kubeadm's, such as "apiserver" or "admin.conf" */
	bool all;
	/* Also what is not agentd's, and components that were restarted a moment ago. */
	bool force;
};
/* Asks the rows to make new ones, and completes with the list of those once each was seen in use.
 * The caller marks the rows stale. NULL with err set where that is not possible. */
struct op *actions_certificates_renew(struct context *ctx, const struct actions_renewal *request,
				      struct error *err);
