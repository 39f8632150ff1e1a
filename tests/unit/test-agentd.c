/* Runs the suites of what agentd/ itself holds. */
#include "tests/unit/test-agentd.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(suite_agentd_store());
	int failed;

	srunner_add_suite(runner, suite_agentd_status());
	srunner_add_suite(runner, suite_agentd_drift());
	srunner_add_suite(runner, suite_agentd_events());
	srunner_add_suite(runner, suite_agentd_metrics());
	srunner_add_suite(runner, suite_agentd_history());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
