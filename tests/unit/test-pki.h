/* What the test files of pki/ share. */
#pragma once

#include <check.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "pki/cert.h"
#include "pki/key.h"

#define NOW  INT64_C(1750000000)
#define HOUR INT64_C(3600)
#define YEAR (INT64_C(365) * 24 * HOUR)

TCase *pki_key_cases(void);
TCase *pki_hmac_cases(void);
TCase *pki_cert_cases(void);
TCase *pki_ca_cases(void);
TCase *pki_csr_cases(void);
TCase *pki_pin_cases(void);
TCase *pki_profiles_cases(void);
TCase *pki_renew_cases(void);

/* Reads tests/unit/pki/NAME. */
void fixture_read(const char *name, struct buf *buf);
/* A P-256 key; the same one each time (index 0 to 3), so that tests are quick. Caller drops. */
struct key *fixture_key(unsigned index);
/* A CA certificate of that key, valid for ten years around NOW. */
struct cert *fixture_ca(unsigned index, const char *common_name);

#define ck_assert_ok(expression, err) ck_assert_msg((expression) >= 0, "%s", (err).message)
