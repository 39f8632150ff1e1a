/* Tests of systemd/bus: connections that come and go, and who may pass for PID 1. */
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "systemd/bus-internal.h"
#include "systemd/unit.h"
#include "tests/unit/test-systemd.h"

START_TEST(test_connects_when_the_bus_appears)
{
	world.bus = bus_new(world.loop, world.address);
	ck_assert_ptr_null(bus_connection(world.bus));
	loop_once(world.loop, false);
	ck_assert(!bus_is_up(world.bus));

	world_start_daemon();
	world_start_systemd();
	WAIT_UNTIL(bus_is_up(world.bus));
	ck_assert_uint_eq(fake_count("Subscribe"), 1);
}
END_TEST

START_TEST(test_waits_for_systemd_on_a_bus_without_it)
{
	world_start_daemon();
	world.bus = bus_new(world.loop, world.address);
	WAIT_UNTIL(bus_connection(world.bus) && sd_bus_is_ready(bus_connection(world.bus)) > 0);
	ck_assert(!bus_is_up(world.bus));

	world_start_systemd();
	WAIT_UNTIL(bus_is_up(world.bus));
}
END_TEST

START_TEST(test_connects_again_when_the_bus_has_been_away)
{
	world_stop_daemon();
	WAIT_UNTIL(!bus_connection(world.bus));
	ck_assert(!bus_is_up(world.bus));

	world_start_daemon();
	world_start_systemd();
	WAIT_UNTIL(bus_is_up(world.bus));
	ck_assert_uint_eq(fake_count("Subscribe"), 1);
}
END_TEST

static void count_event(enum bus_event event, void *userdata)
{
	unsigned *events = userdata;

	events[event]++;
}

START_TEST(test_subscribes_again_when_systemd_reexecutes_itself)
{
	unsigned events[BUS_FREED + 1] = { 0 };
	struct bus_listener listener = { .fn = count_event, .userdata = events };

	bus_listen(world.bus, &listener);
	fake_reexecute();
	WAIT_UNTIL(fake_count("Subscribe") == 2);
	WAIT_UNTIL(events[BUS_UP] == 1);
	ck_assert_uint_eq(events[BUS_DOWN], 1);
	/* It is one connection all the while. */
	ck_assert_uint_eq(events[BUS_LOST], 0);
	bus_unlisten(world.bus, &listener);
	bus_unlisten(world.bus, &listener);
}
END_TEST

/* Anybody on the bus may send a signal to our unique name. */
START_TEST(test_a_stranger_does_not_pass_for_systemd)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	_cleanup_free_ char *us = fake_subscriber();
	_cleanup_(op_drop) struct op *op = NULL;

	fake_set("hold", "yes");
	op = unit_start(world.bus, KUBELET);
	WAIT_UNTIL(fake_count("StartUnit") == 1);
	ck_assert_int_ge(sd_bus_message_new_signal(world.control, &m, BUS_SYSTEMD_PATH,
						   BUS_SYSTEMD_MANAGER, "JobRemoved"),
			 0);
	ck_assert_int_ge(
	    sd_bus_message_append(m, "uoss", 1, BUS_SYSTEMD_PATH "/job/1", KUBELET, "done"), 0);
	ck_assert_int_ge(sd_bus_message_set_destination(m, us), 0);
	ck_assert_int_ge(sd_bus_send(world.control, m, NULL), 0);
	/* The bus keeps order: when this is counted, the signal has been delivered before. */
	fake_set("result", "failed");
	fake_do("Release");
	assert_op_fails(op, ERROR_BUS, -EIO, "failed");
}
END_TEST

START_TEST(test_freeing_a_bus_that_is_connecting_is_harmless)
{
	world_start_daemon();
	world.bus = bus_new(world.loop, world.address);
	world.bus = bus_free(world.bus);
	ck_assert_ptr_null(world.bus);
	ck_assert_ptr_null(bus_free(NULL));
}
END_TEST

TCase *systemd_bus_cases(void)
{
	TCase *cases = tcase_create("bus");

	tcase_set_timeout(cases, 30);
	tcase_add_checked_fixture(cases, world_setup, world_teardown);
	tcase_add_test(cases, test_connects_again_when_the_bus_has_been_away);
	tcase_add_test(cases, test_subscribes_again_when_systemd_reexecutes_itself);
	tcase_add_test(cases, test_a_stranger_does_not_pass_for_systemd);
	return cases;
}

TCase *systemd_bare_bus_cases(void)
{
	TCase *cases = tcase_create("bus, bare");

	tcase_set_timeout(cases, 30);
	tcase_add_checked_fixture(cases, world_setup_bare, world_teardown);
	tcase_add_test(cases, test_connects_when_the_bus_appears);
	tcase_add_test(cases, test_waits_for_systemd_on_a_bus_without_it);
	tcase_add_test(cases, test_freeing_a_bus_that_is_connecting_is_harmless);
	return cases;
}
