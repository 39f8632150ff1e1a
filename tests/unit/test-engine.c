/* Runs the suites of agentd/engine. */
#include "tests/unit/test-engine.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(suite_engine_holds());
	int failed;

	srunner_add_suite(runner, suite_engine_ledger());
	srunner_add_suite(runner, suite_engine_order());
	srunner_add_suite(runner, suite_engine_report());
	srunner_add_suite(runner, suite_engine_script());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
