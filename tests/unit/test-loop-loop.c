/* Tests of common/loop.c. */
#include "tests/unit/test-loop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/macros.h"

/* Callbacks append their letter here. */
struct trace {
	struct fixture *fixture;
	char text[64];
	struct loop_timer *timer;
	struct loop_io *io;
	struct loop_deferred *deferred;
};

static void note(struct trace *trace, char letter)
{
	size_t length = strlen(trace->text);

	ck_assert_uint_lt(length + 1, sizeof(trace->text));
	trace->text[length] = letter;
}

static void note_a(void *userdata)
{
	note(userdata, 'a');
}

static void note_b(void *userdata)
{
	note(userdata, 'b');
}

static void note_hook(void *userdata)
{
	note(userdata, '|');
}

START_TEST(test_timers_fire_once_and_in_order_of_their_time)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	_cleanup_(loop_timer_free) struct loop_timer *late = NULL;
	_cleanup_(loop_timer_free) struct loop_timer *early = NULL;

	fixture_init(&f);
	late = loop_timer_new(f.loop, note_b, &trace);
	early = loop_timer_new(f.loop, note_a, &trace);
	loop_timer_arm(late, 20, 0);
	loop_timer_arm(early, 10, 0);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "");
	clock_fake_advance(&f.clock, 30);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "ab");
	ck_assert(!loop_timer_armed(late) && !loop_timer_armed(early));
	clock_fake_advance(&f.clock, 30);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "ab");
	early = loop_timer_free(early);
	late = loop_timer_free(late);
}
END_TEST

START_TEST(test_one_wakeup_serves_timers_whose_windows_overlap)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	_cleanup_(loop_timer_free) struct loop_timer *patient = NULL;
	_cleanup_(loop_timer_free) struct loop_timer *exact = NULL;

	fixture_init(&f);
	patient = loop_timer_new(f.loop, note_a, &trace);
	exact = loop_timer_new(f.loop, note_b, &trace);
	loop_timer_arm(patient, 10, 100);
	loop_timer_arm(exact, 50, 0);
	ck_assert_uint_eq(loop_next_deadline(f.loop), 50);
	fixture_next(&f);
	ck_assert_str_eq(trace.text, "ab");
	ck_assert_uint_eq(loop_next_deadline(f.loop), UINT64_MAX);

	/* A timer that is not due by then does not hurry the loop. */
	loop_timer_arm(patient, 10, 20);
	loop_timer_arm(exact, 50, 0);
	ck_assert_uint_eq(loop_next_deadline(f.loop), 50 + 30);
	patient = loop_timer_free(patient);
	ck_assert_uint_eq(loop_next_deadline(f.loop), 50 + 50);
	exact = loop_timer_free(exact);
}
END_TEST

START_TEST(test_any_wakeup_delivers_timers_inside_their_slack)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_deferred deferred = { .fn = note_b, .userdata = &trace };
	_cleanup_(loop_timer_free) struct loop_timer *timer = NULL;

	fixture_init(&f);
	timer = loop_timer_new(f.loop, note_a, &trace);
	loop_timer_arm(timer, 10, 1000);
	clock_fake_advance(&f.clock, 15);
	loop_defer(f.loop, &deferred);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "ab");
	timer = loop_timer_free(timer);
}
END_TEST

static void rearm(void *userdata)
{
	struct trace *trace = userdata;

	note(trace, 'r');
	loop_timer_arm(trace->timer, 0, 0);
}

START_TEST(test_timer_armed_by_itself_waits_for_the_next_round)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };

	fixture_init(&f);
	loop_set_after_batch(f.loop, note_hook, &trace);
	trace.timer = loop_timer_new(f.loop, rearm, &trace);
	loop_timer_arm(trace.timer, 0, 0);
	loop_once(f.loop, true);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "r|r|");
	loop_timer_free(trace.timer);
}
END_TEST

static void free_timer(void *userdata)
{
	struct trace *trace = userdata;

	note(trace, 'f');
	trace->timer = loop_timer_free(trace->timer);
}

START_TEST(test_timer_may_free_itself_and_others_that_are_due)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	_cleanup_(loop_timer_free) struct loop_timer *other = NULL;

	fixture_init(&f);
	trace.timer = loop_timer_new(f.loop, free_timer, &trace);
	loop_timer_arm(trace.timer, 1, 0);
	clock_fake_advance(&f.clock, 1);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "f");

	other = loop_timer_new(f.loop, free_timer, &trace);
	trace.timer = loop_timer_new(f.loop, note_a, &trace);
	loop_timer_arm(other, 1, 0);
	loop_timer_arm(trace.timer, 1, 0);
	clock_fake_advance(&f.clock, 1);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "ff");
	other = loop_timer_free(other);
}
END_TEST

START_TEST(test_disarmed_timer_does_not_fire)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	_cleanup_(loop_timer_free) struct loop_timer *timer = NULL;

	fixture_init(&f);
	timer = loop_timer_new(f.loop, note_a, &trace);
	loop_timer_arm(timer, 5, 0);
	loop_timer_disarm(timer);
	loop_timer_disarm(timer);
	clock_fake_advance(&f.clock, 10);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "");
	/* Further than the clock will ever get is no wrap-around. */
	loop_timer_arm(timer, UINT64_MAX, UINT64_MAX);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "");
	timer = loop_timer_free(timer);
}
END_TEST

static void defer_b(void *userdata)
{
	struct trace *trace = userdata;

	note(trace, 'd');
	loop_defer(trace->fixture->loop, trace->deferred);
}

START_TEST(test_deferred_calls_come_in_order_before_the_hook)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_deferred a = { .fn = note_a, .userdata = &trace };
	struct loop_deferred b = { .fn = note_b, .userdata = &trace };
	struct loop_deferred d = { .fn = defer_b, .userdata = &trace };

	fixture_init(&f);
	trace.deferred = &b;
	loop_set_after_batch(f.loop, note_hook, &trace);
	loop_defer(f.loop, &d);
	loop_defer(f.loop, &a);
	loop_defer(f.loop, &d);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "dab|");
}
END_TEST

START_TEST(test_undeferred_call_does_not_come)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_deferred a = { .fn = note_a, .userdata = &trace };
	struct loop_deferred b = { .fn = note_b, .userdata = &trace };

	fixture_init(&f);
	loop_defer(f.loop, &a);
	loop_defer(f.loop, &b);
	loop_undefer(f.loop, &a);
	loop_undefer(f.loop, &a);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "b");
}
END_TEST

static void defer_again(void *userdata)
{
	struct trace *trace = userdata;

	loop_defer(trace->fixture->loop, trace->deferred);
}

static void note_io(int fd, unsigned events, void *userdata)
{
	char byte;

	if (events & LOOP_READ && read(fd, &byte, 1) == 1)
		note(userdata, 'r');
	if (events & LOOP_WRITE)
		note(userdata, 'w');
}

START_TEST(test_endless_deferring_does_not_starve_descriptors)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_deferred again = { .fn = defer_again, .userdata = &trace };
	struct loop_io *io;
	int fds[2];

	fixture_init(&f);
	trace.deferred = &again;
	ck_assert_int_eq(pipe(fds), 0);
	io = loop_io_new(f.loop, fds[0], note_io, &trace);
	loop_io_want(io, LOOP_READ);
	loop_defer(f.loop, &again);
	loop_once(f.loop, true);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "r");
	loop_undefer(f.loop, &again);
	loop_io_free(io);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

START_TEST(test_descriptor_that_stays_ready_does_not_keep_the_loop)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_io *io;
	int fds[2];

	fixture_init(&f);
	ck_assert_int_eq(pipe(fds), 0);
	io = loop_io_new(f.loop, fds[1], note_io, &trace);
	loop_io_want(io, LOOP_WRITE);
	loop_once(f.loop, false);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "ww");
	loop_io_free(io);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

START_TEST(test_descriptor_reports_only_what_is_wanted)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_io *reader, *writer;
	int fds[2];

	fixture_init(&f);
	ck_assert_int_eq(pipe(fds), 0);
	reader = loop_io_new(f.loop, fds[0], note_io, &trace);
	writer = loop_io_new(f.loop, fds[1], note_io, &trace);
	ck_assert_int_eq(write(fds[1], "xy", 2), 2);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "");
	loop_io_want(writer, LOOP_WRITE);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "w");
	loop_io_want(writer, 0);
	loop_io_want(reader, LOOP_READ);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "wr");
	loop_io_want(reader, LOOP_READ | LOOP_WRITE);
	loop_io_want(reader, LOOP_READ);
	loop_once(f.loop, true);
	ck_assert_str_eq(trace.text, "wrr");
	loop_io_free(reader);
	loop_io_free(writer);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

static void free_io(int fd, unsigned events, void *userdata)
{
	struct trace *trace = userdata;

	note(trace, 'i');
	trace->io = loop_io_free(trace->io);
}

START_TEST(test_descriptor_may_be_freed_by_its_own_callback)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	int fds[2];

	fixture_init(&f);
	ck_assert_int_eq(pipe(fds), 0);
	trace.io = loop_io_new(f.loop, fds[1], free_io, &trace);
	loop_io_want(trace.io, LOOP_WRITE);
	loop_once(f.loop, true);
	loop_once(f.loop, false);
	ck_assert_str_eq(trace.text, "i");
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

static void quit(void *userdata)
{
	struct trace *trace = userdata;

	note(trace, 'q');
	loop_quit(trace->fixture->loop, 7);
}

START_TEST(test_signal_reaches_its_callback_and_quit_gives_the_status)
{
	_cleanup_(fixture_done) struct fixture f;
	struct trace trace = { .fixture = &f };
	struct loop_signal *on_signal;

	fixture_init(&f);
	on_signal = loop_signal_new(f.loop, SIGUSR1, quit, &trace);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(loop_run(f.loop), 7);
	ck_assert_str_eq(trace.text, "q");
	loop_signal_free(on_signal);
}
END_TEST

START_TEST(test_quit_before_run_returns_at_once)
{
	_cleanup_(fixture_done) struct fixture f;

	fixture_init(&f);
	loop_quit(f.loop, 3);
	ck_assert_int_eq(loop_run(f.loop), 3);
}
END_TEST

START_TEST(test_sleeping_loop_wakes_for_its_timer_once)
{
	struct trace trace = { 0 };
	struct loop *loop = loop_new(clock_system());
	struct loop_timer *timer = loop_timer_new(loop, note_a, &trace);
	uint64_t start = clock_ns(clock_system());

	loop_timer_arm(timer, 20 * NSEC_PER_MSEC, 0);
	while (trace.text[0] == '\0')
		loop_once(loop, true);
	ck_assert_uint_ge(clock_ns(clock_system()) - start, 20 * NSEC_PER_MSEC);
	ck_assert_uint_eq(loop_wakeups(loop), 1);
	/* An earlier timer moves the wake-up forward, a disarmed one takes it away. */
	loop_timer_arm(timer, 60 * NSEC_PER_SEC, 0);
	loop_once(loop, false);
	loop_timer_arm(timer, 10 * NSEC_PER_MSEC, 0);
	while (trace.text[1] == '\0')
		loop_once(loop, true);
	ck_assert_uint_eq(loop_wakeups(loop), 2);
	loop_timer_free(timer);
	loop_free(loop);
}
END_TEST

Suite *loop_suite(void)
{
	Suite *suite = suite_create("loop");
	TCase *tcase = tcase_create("loop");

	tcase_add_test(tcase, test_timers_fire_once_and_in_order_of_their_time);
	tcase_add_test(tcase, test_one_wakeup_serves_timers_whose_windows_overlap);
	tcase_add_test(tcase, test_any_wakeup_delivers_timers_inside_their_slack);
	tcase_add_test(tcase, test_timer_armed_by_itself_waits_for_the_next_round);
	tcase_add_test(tcase, test_timer_may_free_itself_and_others_that_are_due);
	tcase_add_test(tcase, test_disarmed_timer_does_not_fire);
	tcase_add_test(tcase, test_deferred_calls_come_in_order_before_the_hook);
	tcase_add_test(tcase, test_undeferred_call_does_not_come);
	tcase_add_test(tcase, test_endless_deferring_does_not_starve_descriptors);
	tcase_add_test(tcase, test_descriptor_that_stays_ready_does_not_keep_the_loop);
	tcase_add_test(tcase, test_descriptor_reports_only_what_is_wanted);
	tcase_add_test(tcase, test_descriptor_may_be_freed_by_its_own_callback);
	tcase_add_test(tcase, test_signal_reaches_its_callback_and_quit_gives_the_status);
	tcase_add_test(tcase, test_quit_before_run_returns_at_once);
	tcase_add_test(tcase, test_sleeping_loop_wakes_for_its_timer_once);
	suite_add_tcase(suite, tcase);
	return suite;
}
