/* The suites of the engine's test program. */
#pragma once

#include <check.h>

Suite *suite_engine_holds(void);
Suite *suite_engine_ledger(void);
Suite *suite_engine_order(void);
Suite *suite_engine_report(void);
Suite *suite_engine_script(void);
