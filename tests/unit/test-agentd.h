/* The suites of the test program of what agentd/ itself holds. */
#pragma once

#include <check.h>

Suite *suite_agentd_store(void);
Suite *suite_agentd_status(void);
Suite *suite_agentd_drift(void);
Suite *suite_agentd_events(void);
Suite *suite_agentd_metrics(void);
Suite *suite_agentd_history(void);
