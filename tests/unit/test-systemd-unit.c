/* Tests of systemd/unit: the cache says what is so, or that it does not know. */
#include <errno.h>
#include <string.h>

#include "systemd/bus-internal.h"
#include "systemd/unit.h"
#include "tests/unit/test-systemd.h"

static struct units *units;
static unsigned changes;

static void on_change(const char *unit, void *userdata)
{
	ck_assert_str_eq(unit, KUBELET);
	changes++;
}

static const struct unit_state *kubelet(void)
{
	return units_get(units, KUBELET);
}

static void setup(void)
{
	world_setup();
	changes = 0;
	units = units_new(world.loop, world.bus, on_change, NULL);
	units_watch(units, KUBELET);
}

static void setup_read(void)
{
	setup();
	WAIT_UNTIL(kubelet()->known);
	WAIT_UNTIL(changes == 1);
}

static void teardown(void)
{
	units = units_free(units);
	world_teardown();
}

START_TEST(test_nothing_is_known_before_the_first_reading)
{
	ck_assert(!kubelet()->known);
	ck_assert_str_eq(kubelet()->active_state, "");
	WAIT_UNTIL(kubelet()->known);
	ck_assert_str_eq(kubelet()->load_state, "loaded");
	ck_assert_str_eq(kubelet()->active_state, "inactive");
	ck_assert_str_eq(kubelet()->sub_state, "dead");
	ck_assert_str_eq(kubelet()->unit_file_state, "disabled");
	ck_assert(!kubelet()->need_daemon_reload);
	ck_assert_uint_eq(kubelet()->main_pid, 0);
	WAIT_UNTIL(changes == 1);
}
END_TEST

START_TEST(test_freeing_while_a_reading_is_under_way_is_harmless)
{
	units = units_free(units);
	ck_assert_ptr_null(units_free(NULL));
	/* By the time that this is counted, the answer has come. */
	WAIT_UNTIL(fake_count("Subscribe") == 1);
	for (int i = 0; i < 20; i++)
		loop_once(world.loop, false);
	ck_assert_uint_eq(changes, 0);
}
END_TEST

START_TEST(test_watching_twice_is_watching_once)
{
	units_watch(units, KUBELET);
	fake_set_unit(KUBELET, "MainPID", "77");
	WAIT_UNTIL(kubelet()->main_pid == 77);
	WAIT_UNTIL(changes == 2);
}
END_TEST

START_TEST(test_a_start_is_seen)
{
	_cleanup_(op_drop) struct op *op = unit_start(world.bus, KUBELET);

	assert_op_succeeds(op);
	/* The changes are sent before the end of the job, so they are known with it. */
	ck_assert_str_eq(kubelet()->active_state, "active");
	ck_assert_str_eq(kubelet()->sub_state, "running");
	ck_assert_uint_gt(kubelet()->main_pid, 1000);
	ck_assert_uint_gt(kubelet()->active_enter_us, 0);
	ck_assert_uint_ge(changes, 2);
}
END_TEST

START_TEST(test_a_crash_is_seen)
{
	fake_set_unit(KUBELET, "NRestarts", "3");
	WAIT_UNTIL(kubelet()->restarts == 3);
	fake_set_unit(KUBELET, "ActiveState", "failed");
	WAIT_UNTIL(strcmp(kubelet()->active_state, "failed") == 0);
}
END_TEST

START_TEST(test_a_signal_without_a_change_is_not_told)
{
	fake_set_unit(KUBELET, "ActiveState", "inactive");
	fake_set_unit(KUBELET, "MainPID", "5");
	WAIT_UNTIL(kubelet()->main_pid == 5);
	WAIT_UNTIL(changes == 2);
	fake_set_unit(KUBELET, "MainPID", "5");
	fake_set_unit(KUBELET, "MainPID", "6");
	WAIT_UNTIL(kubelet()->main_pid == 6);
	WAIT_UNTIL(changes == 3);
}
END_TEST

START_TEST(test_a_long_text_is_cut)
{
	fake_set_unit(KUBELET, "SubState", "a-state-of-more-than-twenty-four-letters");
	WAIT_UNTIL(strcmp(kubelet()->sub_state, "a-state-of-more-than-tw") == 0);
}
END_TEST

static void ignore_change(const char *unit, void *userdata)
{
}

START_TEST(test_a_unit_without_a_file_is_not_found_until_it_is_loaded)
{
	units_free(units);
	units = units_new(world.loop, world.bus, ignore_change, NULL);
	units_watch(units, "later.service");
	WAIT_UNTIL(units_get(units, "later.service")->known);
	ck_assert_str_eq(units_get(units, "later.service")->load_state, "not-found");

	fake_set_unit("later.service", "LoadState", "loaded");
	fake_set_unit("later.service", "ActiveState", "activating");
	WAIT_UNTIL(strcmp(units_get(units, "later.service")->load_state, "loaded") == 0);
	ck_assert_str_eq(units_get(units, "later.service")->active_state, "activating");
}
END_TEST

START_TEST(test_a_daemon_reload_is_read_again)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set_unit(KUBELET, "NeedDaemonReload", "yes");
	units_free(units);
	changes = 0;
	units = units_new(world.loop, world.bus, on_change, NULL);
	units_watch(units, KUBELET);
	WAIT_UNTIL(kubelet()->known);
	ck_assert(kubelet()->need_daemon_reload);

	op = unit_daemon_reload(world.bus);
	assert_op_succeeds(op);
	WAIT_UNTIL(!kubelet()->need_daemon_reload);
	WAIT_UNTIL(changes == 2);
}
END_TEST

START_TEST(test_enabling_is_seen)
{
	_cleanup_(op_drop) struct op *op = unit_enable(world.bus, KUBELET);

	assert_op_succeeds(op);
	WAIT_UNTIL(strcmp(kubelet()->unit_file_state, "enabled") == 0);
}
END_TEST

START_TEST(test_drop_ins_are_listed)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set_unit(KUBELET, "DropInPath", "/etc/systemd/system/kubelet.service.d/20.conf");
	fake_set_unit(KUBELET, "DropInPath", "/usr/lib/systemd/system/kubelet.service.d/10.conf");
	/* Constant while loaded, so nothing is sent; an enabling makes us read. */
	op = unit_enable(world.bus, KUBELET);
	assert_op_succeeds(op);
	WAIT_UNTIL(kubelet()->drop_in_paths.count == 2);
	ck_assert(strv_contains(&kubelet()->drop_in_paths,
				"/etc/systemd/system/kubelet.service.d/20.conf"));
}
END_TEST

START_TEST(test_nothing_is_known_while_the_bus_is_away)
{
	fake_set_unit(KUBELET, "MainPID", "5");
	WAIT_UNTIL(kubelet()->main_pid == 5);
	changes = 0;
	world_stop_daemon();
	WAIT_UNTIL(!kubelet()->known);
	ck_assert_uint_eq(kubelet()->main_pid, 0);
	WAIT_UNTIL(changes == 1);

	world_start_daemon();
	world_start_systemd();
	WAIT_UNTIL(kubelet()->known);
	WAIT_UNTIL(changes == 2);
	/* It listens again as well. */
	fake_set_unit(KUBELET, "MainPID", "6");
	WAIT_UNTIL(kubelet()->main_pid == 6);
}
END_TEST

START_TEST(test_what_happened_during_a_reexecution_is_read)
{
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("hold", "yes");
	fake_set("lose", "yes");
	op = unit_start(world.bus, KUBELET);
	WAIT_UNTIL(fake_count("StartUnit") == 1);
	fake_reexecute();
	WAIT_UNTIL(strcmp(kubelet()->active_state, "active") == 0);
	ck_assert_uint_ge(changes, 3); /* read, unknown, read again */
	/* The signals of the new one are believed. */
	fake_set_unit(KUBELET, "NRestarts", "9");
	WAIT_UNTIL(kubelet()->restarts == 9);
}
END_TEST

START_TEST(test_a_cache_outlives_its_bus)
{
	world.bus = bus_free(world.bus);
	WAIT_UNTIL(!kubelet()->known);
	units_watch(units, "other.service");
	ck_assert(!units_get(units, "other.service")->known);
	/* That unit is not on_change's; nothing changes any more. */
	loop_once(world.loop, false);
}
END_TEST

TCase *systemd_unit_cases(void)
{
	TCase *cases = tcase_create("unit");

	tcase_set_timeout(cases, 30);
	tcase_add_checked_fixture(cases, setup_read, teardown);
	tcase_add_test(cases, test_watching_twice_is_watching_once);
	tcase_add_test(cases, test_a_start_is_seen);
	tcase_add_test(cases, test_a_crash_is_seen);
	tcase_add_test(cases, test_a_signal_without_a_change_is_not_told);
	tcase_add_test(cases, test_a_long_text_is_cut);
	tcase_add_test(cases, test_a_unit_without_a_file_is_not_found_until_it_is_loaded);
	tcase_add_test(cases, test_a_daemon_reload_is_read_again);
	tcase_add_test(cases, test_enabling_is_seen);
	tcase_add_test(cases, test_drop_ins_are_listed);
	tcase_add_test(cases, test_nothing_is_known_while_the_bus_is_away);
	tcase_add_test(cases, test_what_happened_during_a_reexecution_is_read);
	tcase_add_test(cases, test_a_cache_outlives_its_bus);
	return cases;
}

TCase *systemd_unread_unit_cases(void)
{
	TCase *cases = tcase_create("unit, not read yet");

	tcase_set_timeout(cases, 30);
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_nothing_is_known_before_the_first_reading);
	tcase_add_test(cases, test_freeing_while_a_reading_is_under_way_is_harmless);
	return cases;
}
