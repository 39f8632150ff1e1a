/* The event loop: descriptors, timers, signals, and one hook after each batch of events.
 * The only includer of event2/ is loop.c.
 *
 * loop_run() = deliver one libevent batch, then everything that was deferred, then call the
 * after-batch hook, and again. Timers are coalesced: each has a slack, and one wake-up serves all
 * timers that are due by then. Callbacks may free their own handle. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"

struct loop;
struct loop_timer;
struct loop_io;
struct loop_signal;

typedef void (*loop_fn)(void *userdata);
typedef void (*loop_io_fn)(int fd, unsigned events, void *userdata);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

/* The clock is borrowed for the loop's life. Never NULL: failure to get an event base aborts. Every
 * timer, descriptor and signal must be freed before its loop. */
struct loop *loop_new(struct clock *clock);
struct loop *loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop, loop_free)

struct clock *loop_clock(struct loop *loop);
/* Runs until loop_quit(); returns the status given there. */
int loop_run(struct loop *loop);
/* One round: waits (if `wait`) for events, delivers them, the timers that are due, the deferred,
 * and calls the hook. Never sleeps while something is deferred or a timer is due. */
void loop_once(struct loop *loop, bool wait);
void loop_quit(struct loop *loop, int status);
void loop_set_after_batch(struct loop *loop, loop_fn hook, void *userdata);

/* A deferred call, embedded in its owner: delivered once, from the loop, in the order of
 * loop_defer(). Deferring twice is one call; loop_undefer() takes it back. */
struct loop_deferred {
	loop_fn fn;
	void *userdata;
	struct loop_deferred *next, *previous; /* the loop's */
	bool queued;
};
void loop_defer(struct loop *loop, struct loop_deferred *deferred);
void loop_undefer(struct loop *loop, struct loop_deferred *deferred);

/* Timers fire once per arming. slack_ns: how much later is just as good. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn fn, void *userdata);
struct loop_timer *loop_timer_free(struct loop_timer *timer);
DEFINE_CLEANUP(struct loop_timer, loop_timer_free)
void loop_timer_arm(struct loop_timer *timer, uint64_t delay_ns, uint64_t slack_ns);
void loop_timer_arm_at(struct loop_timer *timer, uint64_t monotonic_ns, uint64_t slack_ns);
void loop_timer_disarm(struct loop_timer *timer);
bool loop_timer_armed(const struct loop_timer *timer);
/* Monotonic time at which the loop would go on by itself: now while something is deferred, else
 * when it would wake up for its timers, UINT64_MAX if none is armed. What a test moves its clock
 * to. */
uint64_t loop_next_deadline(const struct loop *loop);

/* Watches a descriptor, which stays the caller's. Starts wanting nothing. */
struct loop_io *loop_io_new(struct loop *loop, int fd, loop_io_fn fn, void *userdata);
struct loop_io *loop_io_free(struct loop_io *io);
DEFINE_CLEANUP(struct loop_io, loop_io_free)
void loop_io_want(struct loop_io *io, unsigned events);

struct loop_signal *loop_signal_new(struct loop *loop, int signal, loop_fn fn, void *userdata);
struct loop_signal *loop_signal_free(struct loop_signal *signal);
DEFINE_CLEANUP(struct loop_signal, loop_signal_free)

/* How often the loop has woken up, for `agentctl status` and the footprint benchmark. */
uint64_t loop_wakeups(const struct loop *loop);
