/* PKCS#10 certificate requests. */
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strv.h"
#include "pki/key.h"

/* PEM "CERTIFICATE REQUEST" with subject O then CN, signed by key. */
int csr_make(const struct key *key, const char *common_name, const struct strv *organizations,
	     struct buf *ret_pem, struct error *err);
/* 1 if the request in PEM is for this key and signed with it, else 0. */
int csr_has_key(const char *pem, size_t length, const struct key *key, struct error *err);
/* Name of a node's CSR object, derived from public key and common name as the kubelet derives it
 * for its first certificate (organization system:nodes): "node-csr-" and 43 characters of unpadded
 * base64url of a SHA-512/256. */
int csr_node_name(const struct key *key, const char *common_name, char ret[static 64],
		  struct error *err);

/* What a plain request of a node asks for: a subject of organizations and one common name, DNS
 * names and addresses (as inet_ntop() writes them), and nothing else. */
struct csr_names {
	char *common_name;
	struct strv organizations;
	struct strv dns_names, addresses;
};
void csr_names_done(struct csr_names *names);
DEFINE_CLEANUP_VALUE(struct csr_names, csr_names_done)
/* Reads a request that a stranger made: one PEM block and nothing after it, signed by its own key,
 * which is strong. Whatever is more than plain (another attribute of the subject, another kind of
 * name, another extension) is an error that says so: who asks for it is no kubelet. */
int csr_read(const char *pem, size_t length, struct csr_names *ret, struct error *err);
/* Whether both requests, in PEM, are for the same key; false where one cannot be read. */
bool csr_same_key(const char *a, size_t a_length, const char *b, size_t b_length);
