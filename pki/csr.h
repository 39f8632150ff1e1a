/* PKCS#10 certificate requests. */
#pragma once

#include "common/buf.h"
#include "common/error.h"
#include "common/strv.h"
#include "pki/key.h"

/* PEM "CERTIFICATE REQUEST" with subject O then CN, signed by key. */
int csr_make(const struct key *key, const char *common_name, const struct strv *organizations,
	     struct buf *ret_pem, struct error *err);
/* 1 if the request in PEM is for this key and signed with it, else 0. */
int csr_has_key(const char *pem, size_t length, const struct key *key, struct error *err);
/* The public key of a request in PEM that is signed with it. */
int csr_key(const char *pem, size_t length, struct key **ret, struct error *err);
/* Name of a node's CSR object, derived from public key and common name as the kubelet derives it
 * for its first certificate (organization system:nodes): "node-csr-" and 43 characters of unpadded
 * base64url of a SHA-512/256. */
int csr_node_name(const struct key *key, const char *common_name, char ret[static 64],
		  struct error *err);
