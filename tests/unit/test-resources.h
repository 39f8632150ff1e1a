/* The suites of the test program of agentd/resources and agentd/manifests. */
#pragma once

#include <check.h>

Suite *suite_resources_certificates(void);
Suite *suite_resources_kubeconfigs(void);
Suite *suite_resources_pods(void);
Suite *suite_resources_preflight(void);
Suite *suite_resources_kubelet(void);
Suite *suite_resources_cluster(void);
Suite *suite_resources_identity(void);
