/* Private keys: generate, load, store. pki/ is the only includer of OpenSSL. */
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/secret.h"

enum key_algorithm {
	KEY_RSA_2048,
	KEY_RSA_3072,
	KEY_RSA_4096,
	KEY_ECDSA_P256,
	KEY_ECDSA_P384,
	_KEY_ALGORITHM_MAX
};

/* kubeadm's names: "RSA-2048", "ECDSA-P256", ... */
const char *key_algorithm_name(enum key_algorithm algorithm);
int key_algorithm_from_name(const char *text);

struct key; /* a private key, or only a public one; counted */

/* Blocks for up to a second (RSA): call it on a worker thread (common/work.h). */
int key_generate(enum key_algorithm algorithm, struct key **ret, struct error *err);
struct key *key_ref(struct key *key);
struct key *key_unref(struct key *key);
DEFINE_CLEANUP(struct key, key_unref)

/* Reads the first private key of a PEM text: PKCS#1, SEC1 or PKCS#8; unknown blocks are skipped. */
int key_from_pem(const char *pem, size_t length, struct key **ret, struct error *err);
/* "RSA PRIVATE KEY" or "EC PRIVATE KEY", as kubeadm writes. */
struct secret *key_to_pem(const struct key *key);
/* "PUBLIC KEY" (PKIX), for sa.pub; and back (also "RSA PUBLIC KEY"). */
int key_public_to_pem(const struct key *key, struct buf *buf, struct error *err);
int key_public_from_pem(const char *pem, size_t length, struct key **ret, struct error *err);
/* Whether two keys have the same public half. */
bool key_matches(const struct key *a, const struct key *b);
