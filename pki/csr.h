/* PKCS#10 certificate requests. */
#pragma once

#include "common/buf.h"
#include "common/error.h"
#include "common/strv.h"
#include "pki/key.h"

/* PEM "CERTIFICATE REQUEST" with subject O then CN, signed by key. */
int csr_make(const struct key *key, const char *common_name, const struct strv *organizations,
	     struct buf *ret_pem, struct error *err);
/* Whether the request in PEM was made with this key. */
int csr_has_key(const char *pem, size_t length, const struct key *key, struct error *err);
/* Name of a node's CSR object, derived from the public key as the kubelet derives it:
 * "node-csr-" and 43 characters of unpadded base64url of a SHA-256. */
int csr_node_name(const struct key *key, const char *common_name, char ret[static 64],
		  struct error *err);
