/* Tests of systemd/unit-job: when an op ends, and with what. */
#include <errno.h>

#include "systemd/bus-internal.h"
#include "systemd/unit.h"
#include "tests/unit/test-systemd.h"

START_TEST(test_jobs_end_when_they_are_removed)
{
	static struct op *(*const verbs[])(struct bus * bus, const char *unit) = {
		unit_start,
		unit_restart,
		unit_stop,
	};
	_cleanup_(op_drop) struct op *op = verbs[_i](world.bus, KUBELET);

	fake_set("delay-ms", "20");
	ck_assert(!op_is_done(op));
	assert_op_succeeds(op);
	ck_assert_uint_eq(
	    fake_count("StartUnit") + fake_count("RestartUnit") + fake_count("StopUnit"), 1);
}
END_TEST

START_TEST(test_a_held_job_is_not_done)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("hold", "yes");
	op = unit_start(world.bus, KUBELET);
	WAIT_UNTIL(fake_count("StartUnit") == 1);
	for (int i = 0; i < 20; i++)
		loop_once(world.loop, false);
	ck_assert(!op_is_done(op));
	fake_do("Release");
	assert_op_succeeds(op);
}
END_TEST

START_TEST(test_a_job_may_be_removed_before_the_reply_names_it)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("early", "yes");
	op = unit_start(world.bus, KUBELET);
	assert_op_succeeds(op);
}
END_TEST

START_TEST(test_an_early_failure_is_a_failure)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("early", "yes");
	fake_set("result", "failed");
	op = unit_start(world.bus, KUBELET);
	assert_op_fails(op, ERROR_BUS, -EIO, "journalctl -u " KUBELET);
}
END_TEST

START_TEST(test_each_result_of_a_job_is_told_in_words)
{
	static const struct {
		const char *result, *text; /* NULL = success */
	} rows[] = {
		{ "done", NULL },
		{ "skipped", NULL },
		{ "failed", "journalctl -u " KUBELET },
		{ "timeout", "longer than its unit allows" },
		{ "canceled", "cancelled" },
		{ "dependency", "list-dependencies " KUBELET },
		{ "new-in-systemd-300", "\"new-in-systemd-300\"" },
	};
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("result", rows[_i].result);
	op = unit_start(world.bus, KUBELET);
	if (rows[_i].text)
		assert_op_fails(op, ERROR_BUS, -EIO, rows[_i].text);
	else
		assert_op_succeeds(op);
}
END_TEST

START_TEST(test_a_unit_that_does_not_exist_is_no_use_trying)
{
	_cleanup_(op_drop) struct op *start = unit_start(world.bus, "none.service");
	_cleanup_(op_drop) struct op *enable = unit_enable(world.bus, "none.service");

	assert_op_fails(start, ERROR_CONFIG, -ENOENT, "none.service");
	assert_op_fails(enable, ERROR_CONFIG, -ENOENT, "none.service");
}
END_TEST

START_TEST(test_a_masked_unit_is_no_use_trying)
{
	_cleanup_(op_drop) struct op *start = NULL, *enable = NULL;

	fake_set_unit(KUBELET, "LoadState", "masked");
	start = unit_start(world.bus, KUBELET);
	enable = unit_enable(world.bus, KUBELET);
	assert_op_fails(start, ERROR_CONFIG, -ESHUTDOWN, "masked");
	assert_op_fails(enable, ERROR_CONFIG, -ESHUTDOWN, "masked");
}
END_TEST

START_TEST(test_a_mask_is_removed_where_it_is)
{
	static const char *const states[] = { "masked", "masked-runtime" };
	_cleanup_(op_drop) struct op *other = NULL, *unmask = NULL, *reload = NULL, *start = NULL;

	fake_set_unit(KUBELET, "LoadState", "masked");
	fake_set_unit(KUBELET, "UnitFileState", states[_i]);
	other = unit_unmask(world.bus, KUBELET, _i == 0);
	assert_op_succeeds(other);
	start = unit_start(world.bus, KUBELET);
	assert_op_fails(start, ERROR_CONFIG, -ESHUTDOWN, "masked");
	start = op_drop(start);

	unmask = unit_unmask(world.bus, KUBELET, _i == 1);
	assert_op_succeeds(unmask);
	reload = unit_daemon_reload(world.bus);
	assert_op_succeeds(reload);
	start = unit_start(world.bus, KUBELET);
	assert_op_succeeds(start);
}
END_TEST

START_TEST(test_without_a_connection_an_op_fails_from_the_loop)
{
	_cleanup_(op_drop) struct op *start = NULL, *reload = NULL;

	world_stop_daemon();
	WAIT_UNTIL(!bus_connection(world.bus));
	start = unit_start(world.bus, KUBELET);
	reload = unit_daemon_reload(world.bus);
	ck_assert(!op_is_done(start) && !op_is_done(reload));
	assert_op_fails(start, ERROR_BUS, -ENOTCONN, "no connection to systemd");
	assert_op_fails(reload, ERROR_BUS, -ENOTCONN, "no connection to systemd");
}
END_TEST

START_TEST(test_without_systemd_an_op_fails)
{
	_cleanup_(op_drop) struct op *op = NULL;

	world_stop_systemd();
	WAIT_UNTIL(!bus_is_up(world.bus));
	op = unit_start(world.bus, KUBELET);
	assert_op_fails(op, ERROR_BUS, -ENXIO, "cannot start " KUBELET);
}
END_TEST

START_TEST(test_a_lost_connection_ends_what_is_in_flight)
{
	_cleanup_(op_drop) struct op *job = NULL, *reload = NULL;

	fake_set("hold", "yes");
	fake_set("reload-delay-ms", "60000");
	job = unit_start(world.bus, KUBELET);
	reload = unit_daemon_reload(world.bus);
	WAIT_UNTIL(fake_count("StartUnit") == 1 && fake_count("Reload") == 1);
	world_stop_daemon();
	assert_op_fails(job, ERROR_BUS, -ECONNRESET, "lost");
	WAIT_UNTIL(op_is_done(reload));
	ck_assert_ptr_nonnull(op_error(reload));
}
END_TEST

START_TEST(test_a_job_outlives_the_reexecution_of_systemd)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("hold", "yes");
	op = unit_start(world.bus, KUBELET);
	WAIT_UNTIL(fake_count("StartUnit") == 1);
	fake_reexecute();
	WAIT_UNTIL(fake_count("Subscribe") == 2);
	ck_assert(!op_is_done(op));
	fake_do("Release");
	assert_op_succeeds(op);
}
END_TEST

START_TEST(test_a_job_that_ended_unseen_is_not_waited_for)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("hold", "yes");
	fake_set("lose", "yes");
	op = unit_start(world.bus, KUBELET);
	WAIT_UNTIL(fake_count("StartUnit") == 1);
	/* The reply has been read when a later one has. */
	for (int i = 0; i < 20; i++)
		loop_once(world.loop, false);
	fake_reexecute();
	assert_op_fails(op, ERROR_BUS, -EIO, "result was lost");
}
END_TEST

static void must_not_be_called(struct op *op, void *userdata)
{
	ck_abort_msg("a dropped op has completed");
}

START_TEST(test_nothing_arrives_after_an_op_was_dropped)
{
	struct op *op;

	fake_set("hold", "yes");
	op = unit_start(world.bus, KUBELET);
	op_watch(op, must_not_be_called, NULL);
	if (_i > 0)
		WAIT_UNTIL(fake_count("StartUnit") == 1);
	op_drop(op);
	op = unit_daemon_reload(world.bus);
	op_watch(op, must_not_be_called, NULL);
	if (_i > 0)
		WAIT_UNTIL(fake_count("Reload") == 1);
	op_drop(op);

	/* It is done nevertheless: to drop is to look away. */
	op = unit_stop(world.bus, KUBELET);
	WAIT_UNTIL(fake_count("StopUnit") == 1);
	fake_do("Release");
	assert_op_succeeds(op);
	op_drop(op);
	ck_assert_uint_eq(fake_count("StartUnit"), 1);
}
END_TEST

START_TEST(test_freeing_the_bus_cancels_what_is_in_flight)
{
	_cleanup_(op_drop) struct op *job = NULL, *reload = NULL;

	fake_set("hold", "yes");
	job = unit_start(world.bus, KUBELET);
	reload = unit_daemon_reload(world.bus);
	world.bus = bus_free(world.bus);
	assert_op_fails(job, ERROR_BUS, -ECANCELED, "stopping");
	assert_op_fails(reload, ERROR_BUS, -ECANCELED, "");
}
END_TEST

START_TEST(test_reloads_of_one_round_are_one)
{
	struct op *ops[3];

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = unit_daemon_reload(world.bus);
	ops[1] = op_drop(ops[1]);
	assert_op_succeeds(ops[0]);
	assert_op_succeeds(ops[2]);
	ck_assert_uint_eq(fake_count("Reload"), 1);
	op_drop(ops[0]);
	op_drop(ops[2]);
}
END_TEST

/* What was written after the first began may not have been read by it. */
START_TEST(test_a_reload_that_is_asked_for_during_another_is_a_second)
{
	_cleanup_(op_drop) struct op *first = NULL, *second = NULL, *third = NULL;

	fake_set("reload-delay-ms", "20");
	first = unit_daemon_reload(world.bus);
	WAIT_UNTIL(fake_count("Reload") == 1);
	second = unit_daemon_reload(world.bus);
	third = unit_daemon_reload(world.bus);
	assert_op_succeeds(first);
	ck_assert(!op_is_done(second) && !op_is_done(third));
	assert_op_succeeds(second);
	assert_op_succeeds(third);
	ck_assert_uint_eq(fake_count("Reload"), 2);
}
END_TEST

TCase *systemd_job_cases(void)
{
	TCase *cases = tcase_create("job");

	tcase_set_timeout(cases, 30);
	tcase_add_checked_fixture(cases, world_setup, world_teardown);
	tcase_add_loop_test(cases, test_jobs_end_when_they_are_removed, 0, 3);
	tcase_add_test(cases, test_a_held_job_is_not_done);
	tcase_add_test(cases, test_a_job_may_be_removed_before_the_reply_names_it);
	tcase_add_test(cases, test_an_early_failure_is_a_failure);
	tcase_add_loop_test(cases, test_each_result_of_a_job_is_told_in_words, 0, 7);
	tcase_add_test(cases, test_a_unit_that_does_not_exist_is_no_use_trying);
	tcase_add_test(cases, test_a_masked_unit_is_no_use_trying);
	tcase_add_loop_test(cases, test_a_mask_is_removed_where_it_is, 0, 2);
	tcase_add_test(cases, test_without_a_connection_an_op_fails_from_the_loop);
	tcase_add_test(cases, test_without_systemd_an_op_fails);
	tcase_add_test(cases, test_a_lost_connection_ends_what_is_in_flight);
	tcase_add_test(cases, test_a_job_outlives_the_reexecution_of_systemd);
	tcase_add_test(cases, test_a_job_that_ended_unseen_is_not_waited_for);
	tcase_add_loop_test(cases, test_nothing_arrives_after_an_op_was_dropped, 0, 2);
	tcase_add_test(cases, test_freeing_the_bus_cancels_what_is_in_flight);
	tcase_add_test(cases, test_reloads_of_one_round_are_one);
	tcase_add_test(cases, test_a_reload_that_is_asked_for_during_another_is_a_second);
	return cases;
}
