/* Signs certificates from a profile (pki/profiles.h), with kubeadm's encoding
 * (kubeadm cmd/kubeadm/app/util/pkiutil; kubeadm-behaviour.md, section 3.3). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/strv.h"
#include "pki/cert.h"
#include "pki/key.h"

struct ca_request {
	const char *common_name;
	const struct strv *organizations; /* NULL = none */
	const struct strv *dns_names;	  /* NULL = none; sorted and de-duplicated on the way */
	const struct strv *addresses;	  /* NULL = none; de-duplicated, order kept */
	unsigned usages;		  /* CERT_* */
	bool signature_only;		  /* KeyUsage without keyEncipherment */
	int64_t not_before, not_after;	  /* seconds since 1970 */
};

/* A self-signed CA certificate: common_name is also its one DNS name, as kubeadm's have. */
int ca_self_sign(const struct key *key, const char *common_name, int64_t not_before,
		 int64_t not_after, struct cert **ret, struct error *err);
/* A leaf for `subject_key`, signed by ca_cert with ca_key. */
int ca_sign(const struct cert *ca_cert, const struct key *ca_key, const struct key *subject_key,
	    const struct ca_request *request, struct cert **ret, struct error *err);
