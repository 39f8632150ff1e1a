/* What the files of test-loop share: their suites and a loop on a clock that stands still. */
#pragma once

#include <check.h>

#include "common/loop.h"

Suite *loop_suite(void);
Suite *op_suite(void);
Suite *task_suite(void);
TCase *task_op_cases(void);
Suite *backoff_suite(void);
Suite *reply_suite(void);
Suite *http_suite(void);
Suite *work_suite(void);
Suite *lookup_suite(void);
Suite *spawn_suite(void);
Suite *notice_suite(void);

struct fixture {
	struct clock_fake clock;
	struct loop *loop;
};
void fixture_init(struct fixture *fixture);
void fixture_done(struct fixture *fixture);
DEFINE_CLEANUP_VALUE(struct fixture, fixture_done)
/* Moves the clock to the loop's next deadline and runs a round. */
void fixture_next(struct fixture *fixture);
