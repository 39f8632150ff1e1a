/* Runs the suites of agentd/resources and agentd/manifests. */
#include "tests/unit/test-resources.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(suite_resources_pods());
	int failed;

	srunner_add_suite(runner, suite_resources_certificates());
	srunner_add_suite(runner, suite_resources_kubeconfigs());
	srunner_add_suite(runner, suite_resources_preflight());
	srunner_add_suite(runner, suite_resources_kubelet());
	srunner_add_suite(runner, suite_resources_cluster());
	srunner_add_suite(runner, suite_resources_identity());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
