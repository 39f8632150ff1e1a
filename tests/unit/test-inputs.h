/* What the files of test-inputs share: their suites. */
#pragma once

#include <check.h>

Suite *methods_suite(void);
Suite *peer_suite(void);
Suite *rolefile_suite(void);
Suite *tables_suite(void);
