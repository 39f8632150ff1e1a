/* The event loop; see loop.h. libevent delivers descriptors and signals. Timers live in a list of
 * our own, sorted by due time, and one timerfd on CLOCK_BOOTTIME wakes the loop for all of them:
 * suspended time counts, and one wake-up serves every timer that is due by then. */
#include "common/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/timerfd.h>

#include <event2/event.h>

#include "common/alloc.h"
#include "common/macros.h"

/* Deferred calls that one round makes at most before descriptors get their turn again. */
enum { DEFERRED_PER_ROUND = 1000 };

struct loop_timer {
	struct loop *loop;
	loop_fn fn;
	void *userdata;
	uint64_t at_ns, latest_ns; /* may fire from at_ns on, should by latest_ns */
	struct loop_timer *next, *previous;
};

struct loop_io {
	struct loop *loop;
	struct event *event;
	int fd;
	loop_io_fn fn;
	void *userdata;
	unsigned wanted;
};

struct loop_signal {
	struct loop *loop;
	struct event *event;
	loop_fn fn;
	void *userdata;
};

struct loop {
	struct clock *clock;
	struct event_base *base;
	struct loop_timer timers;	/* head of the ring of armed timers, by at_ns */
	struct loop_timer due;		/* head of the ring that is being delivered */
	struct loop_deferred deferreds; /* head of the ring */
	int timer_fd;
	struct loop_io *timer_io;
	uint64_t wake_ns; /* what timer_fd is set to; UINT64_MAX = nothing */
	loop_fn hook;
	void *hook_userdata;
	unsigned handles; /* timers, descriptors and signals that exist */
	uint64_t wakeups;
	bool quit;
	int status;
};

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void timer_fd_ready(int fd, unsigned events, void *userdata)
{
	struct loop *loop = userdata;
	uint64_t expirations;

	/* Only empties it; the round delivers what is due. */
	(void)!read(fd, &expirations, sizeof(expirations));
	loop->wake_ns = UINT64_MAX;
}

struct loop *loop_new(struct clock *clock)
{
	struct event_config *config = event_config_new();
	struct loop *loop = NEW(struct loop);

	loop->clock = clock;
	loop->wake_ns = UINT64_MAX;
	loop->timers.next = loop->timers.previous = &loop->timers;
	loop->due.next = loop->due.previous = &loop->due;
	loop->deferreds.next = loop->deferreds.previous = &loop->deferreds;
	/* One thread uses the base, and nothing below main reads the environment. */
	if (!config ||
	    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) < 0)
		abort();
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!loop->base || loop->timer_fd < 0)
		abort();
	loop->timer_io = loop_io_new(loop, loop->timer_fd, timer_fd_ready, loop);
	loop_io_want(loop->timer_io, LOOP_READ);
	return loop;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	loop_io_free(loop->timer_io);
	/* A handle that outlived its loop would use it after this. */
	assert(loop->handles == 0);
	(void)close(loop->timer_fd);
	event_base_free(loop->base);
	free(loop);
	return NULL;
}

struct clock *loop_clock(struct loop *loop)
{
	return loop->clock;
}

/* When the most impatient timer wants its wake-up. */
static uint64_t timers_deadline(const struct loop *loop)
{
	uint64_t latest = UINT64_MAX;

	for (const struct loop_timer *timer = loop->timers.next;
	     timer != &loop->timers && timer->at_ns < latest; timer = timer->next)
		latest = MIN(latest, timer->latest_ns);
	return latest;
}

uint64_t loop_next_deadline(const struct loop *loop)
{
	if (loop->deferreds.next != &loop->deferreds)
		return clock_ns(loop->clock);
	return timers_deadline(loop);
}

/* Sets timer_fd for the next deadline; answers whether the round may sleep. */
static bool prepare_sleep(struct loop *loop)
{
	uint64_t deadline = timers_deadline(loop), now, delay;
	struct itimerspec when = { 0 };

	if (deadline != UINT64_MAX) {
		now = clock_ns(loop->clock);
		if (loop->timers.next->at_ns <= now)
			return false;
		delay = deadline > now ? deadline - now : 1;
		when.it_value.tv_sec = (time_t)(delay / NSEC_PER_SEC);
		when.it_value.tv_nsec = (long)(delay % NSEC_PER_SEC);
	}
	if (deadline == loop->wake_ns)
		return true;
	if (timerfd_settime(loop->timer_fd, 0, &when, NULL) < 0)
		abort();
	loop->wake_ns = deadline;
	return true;
}

static void timer_unlink(struct loop_timer *timer)
{
	timer->previous->next = timer->next;
	timer->next->previous = timer->previous;
	timer->next = timer->previous = NULL;
}

static void timer_insert_before(struct loop_timer *timer, struct loop_timer *position)
{
	timer->next = position;
	timer->previous = position->previous;
	timer->previous->next = timer;
	position->previous = timer;
}

/* Those that are due go to a ring of their own first: one that is armed again by its callback waits
 * for the next round, and one that another callback frees or disarms leaves the ring. */
static void deliver_timers(struct loop *loop)
{
	struct loop_timer *timer;
	uint64_t now;

	if (loop->timers.next == &loop->timers)
		return;
	now = clock_ns(loop->clock);
	while ((timer = loop->timers.next) != &loop->timers && timer->at_ns <= now) {
		timer_unlink(timer);
		timer_insert_before(timer, &loop->due);
	}
	while ((timer = loop->due.next) != &loop->due) {
		timer_unlink(timer);
		timer->fn(timer->userdata);
	}
}

static void deliver_deferred(struct loop *loop)
{
	struct loop_deferred *deferred;

	for (unsigned i = 0; i < DEFERRED_PER_ROUND; i++) {
		deferred = loop->deferreds.next;
		if (deferred == &loop->deferreds)
			return;
		loop_undefer(loop, deferred);
		deferred->fn(deferred->userdata);
	}
}

void loop_once(struct loop *loop, bool wait)
{
	bool sleep = wait && loop->deferreds.next == &loop->deferreds && prepare_sleep(loop);

	/* EVLOOP_NONBLOCK alone would go on for as long as any descriptor is ready. */
	if (event_base_loop(loop->base, EVLOOP_ONCE | (sleep ? 0 : EVLOOP_NONBLOCK)) < 0)
		abort();
	if (sleep)
		loop->wakeups++;
	deliver_timers(loop);
	deliver_deferred(loop);
	if (loop->hook)
		loop->hook(loop->hook_userdata);
}

int loop_run(struct loop *loop)
{
	while (!loop->quit)
		loop_once(loop, true);
	loop->quit = false;
	return loop->status;
}

void loop_quit(struct loop *loop, int status)
{
	loop->quit = true;
	loop->status = status;
}

void loop_set_after_batch(struct loop *loop, loop_fn hook, void *userdata)
{
	loop->hook = hook;
	loop->hook_userdata = userdata;
}

uint64_t loop_wakeups(const struct loop *loop)
{
	return loop->wakeups;
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred)
{
	if (deferred->queued)
		return;
	deferred->queued = true;
	deferred->next = &loop->deferreds;
	deferred->previous = loop->deferreds.previous;
	deferred->previous->next = deferred;
	loop->deferreds.previous = deferred;
}

void loop_undefer(struct loop *loop, struct loop_deferred *deferred)
{
	if (!deferred->queued)
		return;
	deferred->queued = false;
	deferred->previous->next = deferred->next;
	deferred->next->previous = deferred->previous;
	deferred->next = deferred->previous = NULL;
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn fn, void *userdata)
{
	struct loop_timer *timer = NEW(struct loop_timer);

	timer->loop = loop;
	timer->fn = fn;
	timer->userdata = userdata;
	loop->handles++;
	return timer;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return NULL;
	loop_timer_disarm(timer);
	timer->loop->handles--;
	free(timer);
	return NULL;
}

void loop_timer_arm_at(struct loop_timer *timer, uint64_t monotonic_ns, uint64_t slack_ns)
{
	struct loop *loop = timer->loop;
	struct loop_timer *position;

	loop_timer_disarm(timer);
	timer->at_ns = monotonic_ns;
	timer->latest_ns = add_saturated(monotonic_ns, slack_ns);
	position = loop->timers.previous;
	while (position != &loop->timers && position->at_ns > monotonic_ns)
		position = position->previous;
	timer_insert_before(timer, position->next);
}

void loop_timer_arm(struct loop_timer *timer, uint64_t delay_ns, uint64_t slack_ns)
{
	loop_timer_arm_at(timer, add_saturated(clock_ns(timer->loop->clock), delay_ns), slack_ns);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	if (timer->next)
		timer_unlink(timer);
}

bool loop_timer_armed(const struct loop_timer *timer)
{
	return timer->next != NULL;
}

static void io_ready(evutil_socket_t fd, short what, void *userdata)
{
	struct loop_io *io = userdata;
	unsigned events = (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0);

	io->fn(fd, events, io->userdata);
}

struct loop_io *loop_io_new(struct loop *loop, int fd, loop_io_fn fn, void *userdata)
{
	struct loop_io *io = NEW(struct loop_io);

	io->loop = loop;
	io->fd = fd;
	io->fn = fn;
	io->userdata = userdata;
	io->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, io_ready, io);
	if (!io->event)
		abort();
	loop->handles++;
	return io;
}

struct loop_io *loop_io_free(struct loop_io *io)
{
	if (!io)
		return NULL;
	event_free(io->event);
	io->loop->handles--;
	free(io);
	return NULL;
}

void loop_io_want(struct loop_io *io, unsigned events)
{
	short what = EV_PERSIST;

	if (events == io->wanted)
		return;
	/* libevent changes the direction of an event only while it is out of the set. */
	if (io->wanted)
		(void)event_del(io->event);
	io->wanted = events;
	if (!events)
		return;
	what |= events & LOOP_READ ? EV_READ : 0;
	what |= events & LOOP_WRITE ? EV_WRITE : 0;
	if (event_assign(io->event, io->loop->base, io->fd, what, io_ready, io) < 0 ||
	    event_add(io->event, NULL) < 0)
		abort();
}

static void signal_ready(evutil_socket_t number, short what, void *userdata)
{
	struct loop_signal *signal = userdata;

	signal->fn(signal->userdata);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signal, loop_fn fn, void *userdata)
{
	struct loop_signal *handle = NEW(struct loop_signal);

	handle->loop = loop;
	handle->fn = fn;
	handle->userdata = userdata;
	handle->event = evsignal_new(loop->base, signal, signal_ready, handle);
	if (!handle->event || event_add(handle->event, NULL) < 0)
		abort();
	loop->handles++;
	return handle;
}

struct loop_signal *loop_signal_free(struct loop_signal *signal)
{
	if (!signal)
		return NULL;
	event_free(signal->event);
	signal->loop->handles--;
	free(signal);
	return NULL;
}
