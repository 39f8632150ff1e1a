/* Runs the suites of common/; each module has a file of its own beside this one. */
#include "tests/unit/test-common.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	srunner_add_suite(runner, suite_basics());
	srunner_add_suite(runner, suite_value());
	srunner_add_suite(runner, suite_secret());
	srunner_add_suite(runner, suite_log());
	srunner_add_suite(runner, suite_json());
	srunner_add_suite(runner, suite_yaml());
	srunner_add_suite(runner, suite_decode());
	srunner_add_suite(runner, suite_file());
	srunner_add_suite(runner, suite_parse());
	srunner_add_suite(runner, suite_diff());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
