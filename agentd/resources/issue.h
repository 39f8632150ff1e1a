/* Makes a key and a certificate of a profile on a worker thread: certificates, kubeconfigs and
 * agentd's own identity all come from here. */
#pragma once

#include "agentd/context.h"
#include "common/op.h"
#include "common/secret.h"
#include "pki/cert.h"
#include "pki/profiles.h"

struct issued {
	char *certificate_pem;
	struct secret *key_pem;
};

/* Signed by the profile's CA as it lies in certificatesDir (a CA signs itself). RSA keys are made
 * in the order of pki/profiles.h. NULL with err set if that CA cannot be read. */
struct op *issue_certificate(struct context *ctx, const struct role *role,
			     const struct profile *profile, enum key_algorithm algorithm,
			     struct error *err);
const struct issued *issue_result(const struct op *op);

/* Common name, SANs and usages that a profile's certificate must have for this role. */
struct issue_names {
	char *common_name;
	struct strv dns_names, addresses;
};
void issue_names_done(struct issue_names *names);
DEFINE_CLEANUP_VALUE(struct issue_names, issue_names_done)
void issue_names_of(const struct role *role, const struct profile *profile,
		    struct issue_names *ret);

/* Whether a certificate is one that the profile could have made and that is good now: key, chain,
 * date, common name, SANs (more than wanted are fine), usages. IN_SYNC; DRIFTED, with the reason in
 * why; UNKNOWN where its time has not come, which is the clock's fault and mends itself. */
enum verdict issue_observe(const struct context *ctx, const struct profile *profile,
			   const struct cert *cert, const struct key *key, struct why *why);
/* Whether the time of a certificate has not come; then why says so. */
bool issue_is_early(const struct context *ctx, const struct cert *cert, struct why *why);
/* The first certificate of that profile's CA and its key, to sign with. */
int issue_load_signer(const struct context *ctx, const char *ca, struct cert **ret_cert,
		      struct key **ret_key, struct error *err);
/* The certificates of ca.crt (of that profile's CA); false if there is none that can be read. */
bool issue_load_ca(const struct context *ctx, const char *ca, struct cert_list *ret);
