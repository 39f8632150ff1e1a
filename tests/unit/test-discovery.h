/* What the test files of discovery/ share. */
#pragma once

#include <check.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strv.h"
#include "discovery/token.h"
#include "pki/cert.h"
#include "pki/key.h"

TCase *discovery_token_cases(void);
TCase *discovery_jws_cases(void);
TCase *discovery_kubeconfig_cases(void);
TCase *discovery_clusterinfo_cases(void);
TCase *discovery_discover_cases(void);

/* Token abcdef.0123456789abcdef, the one of the test vector. */
void fixture_token(struct token *ret);
/* Reads tests/unit/discovery/NAME. */
void fixture_read(const char *name, struct buf *buf);

#define ck_assert_ok(expression, err) ck_assert_msg((expression) >= 0, "%s", (err).message)
#define ck_assert_part(text, part) \
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text)
