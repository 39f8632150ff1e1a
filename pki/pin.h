/* Pins: "sha256:" and 64 hex digits, the SHA-256 of a DER SubjectPublicKeyInfo. */
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/strv.h"
#include "pki/cert.h"

/* Checks the form of a pin. -EINVAL with a message. */
int pin_check(const char *pin, struct error *err);
void pin_of(const struct cert *cert, char ret[static 72]);
/* Case-insensitive; false for a malformed pin. */
bool pin_matches(const char *pin, const struct cert *cert);
/* Adds the certificates that one of the pins names to ret (references). ERROR_TRUST if none is. */
int pin_select(const struct strv *pins, const struct cert_list *certs, struct cert_list *ret,
	       struct error *err);
