/* Runs the suites of agentd/inputs/, and the comparison of its tables with those of agentctl. */
#include "tests/unit/test-inputs.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(methods_suite());
	int failed;

	srunner_add_suite(runner, peer_suite());
	srunner_add_suite(runner, rolefile_suite());
	srunner_add_suite(runner, tables_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
