/* What the suites of the common/ test program share. */
#pragma once

#include <check.h>

#include "common/error.h"
#include "common/value.h"

Suite *suite_basics(void);
Suite *suite_value(void);
Suite *suite_secret(void);
Suite *suite_log(void);
Suite *suite_json(void);
Suite *suite_yaml(void);
Suite *suite_decode(void);
Suite *suite_file(void);
Suite *suite_parse(void);
Suite *suite_diff(void);

/* A value from JSON text with ' for ", which fails the test if it does not parse. */
struct value *test_json(const char *text);
