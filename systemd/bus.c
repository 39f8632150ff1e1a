/* The connection to the system bus, on the loop: opened without waiting, opened again with back-off
 * when it is lost. It also follows who owns systemd's name, because the rest of systemd/ talks to
 * PID 1 alone: unit.c and unit-job.c hear of both through listeners (bus-internal.h). */
#include "systemd/bus.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/backoff.h"
#include "common/log.h"
#include "systemd/bus-internal.h"

LOG_SCOPE("bus");

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
#define DBUS	   "org.freedesktop.DBus"
#define DBUS_PATH  "/org/freedesktop/DBus"

enum {
	/* Messages handled in one go, so that a flood cannot keep the loop from its other work. */
	DRAIN_MAX = 64,
	/* PID 1 answers Reload() only when it has read every unit again. */
	CALL_TIMEOUT_S = 90,
};

struct bus {
	struct loop *loop;
	char *address;
	sd_bus *sd;		  /* NULL while there is no connection */
	struct loop_io *io;	  /* of the connection */
	struct loop_timer *timer; /* what sd-bus waits for, or the next attempt to connect */
	struct backoff backoff;
	sd_bus_slot *owner_match, *owner_call, *subscribe_call;
	char *owner; /* unique name of PID 1, NULL while it is not there */
	struct bus_listener *listeners, *cursor;
	struct unit_reloads *reloads;
};

static void connect_now(struct bus *bus);

void bus_listen(struct bus *bus, struct bus_listener *listener)
{
	listener->previous = NULL;
	listener->next = bus->listeners;
	if (bus->listeners)
		bus->listeners->previous = listener;
	bus->listeners = listener;
}

void bus_unlisten(struct bus *bus, struct bus_listener *listener)
{
	if (bus->listeners != listener && !listener->previous)
		return;
	if (bus->cursor == listener)
		bus->cursor = listener->next;
	if (listener->previous)
		listener->previous->next = listener->next;
	else
		bus->listeners = listener->next;
	if (listener->next)
		listener->next->previous = listener->previous;
	listener->next = listener->previous = NULL;
}

static void emit(struct bus *bus, enum bus_event event)
{
	struct bus_listener *listener;

	/* A listener may remove any listener, itself included. */
	bus->cursor = bus->listeners;
	while ((listener = bus->cursor)) {
		bus->cursor = listener->next;
		listener->fn(event, listener->userdata);
	}
}

struct loop *bus_loop(struct bus *bus)
{
	return bus->loop;
}

sd_bus *bus_connection(struct bus *bus)
{
	return bus->sd;
}

bool bus_is_up(const struct bus *bus)
{
	return bus->owner != NULL;
}

bool bus_is_from_systemd(const struct bus *bus, sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return bus->owner && sender && strcmp(bus->owner, sender) == 0;
}

struct unit_reloads **bus_reloads(struct bus *bus)
{
	return &bus->reloads;
}

int bus_call_new(struct bus *bus, const char *path, const char *interface, const char *member,
		 sd_bus_message **ret)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	int r;

	if (!bus->sd)
		return -ENOTCONN;
	r = sd_bus_message_new_method_call(bus->sd, &m, BUS_SYSTEMD, path, interface, member);
	if (r < 0)
		return r;
	/* A systemd that is not there is an error now, not something for the bus to start. */
	r = sd_bus_message_set_auto_start(m, 0);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(m);
	return 0;
}

int bus_call_send(struct bus *bus, sd_bus_message *m, sd_bus_slot **ret_slot,
		  sd_bus_message_handler_t fn, void *userdata)
{
	if (!bus->sd)
		return -ENOTCONN;
	return sd_bus_call_async(bus->sd, ret_slot, m, fn, userdata,
				 (uint64_t)CALL_TIMEOUT_S * 1000000);
}

/* Drops the connection; the listeners drop their slots of it. */
static void disconnect(struct bus *bus, enum bus_event event)
{
	bus->io = loop_io_free(bus->io);
	bus->owner_match = sd_bus_slot_unref(bus->owner_match);
	bus->owner_call = sd_bus_slot_unref(bus->owner_call);
	bus->subscribe_call = sd_bus_slot_unref(bus->subscribe_call);
	free(TAKE_PTR(bus->owner));
	bus->sd = sd_bus_close_unref(bus->sd);
	emit(bus, event);
}

static void reconnect_later(struct bus *bus, int r, const char *what)
{
	struct error error = ERROR_INIT;

	error_errno(&error, ERROR_BUS, r, "%s: %s", bus->address, what);
	log_debug("%s", error.message);
	disconnect(bus, BUS_LOST);
	/* Without jitter: this is a socket of the same machine. */
	loop_timer_arm(bus->timer, backoff_next(&bus->backoff, &error, 0), 0);
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct bus *bus = userdata;

	bus->subscribe_call = sd_bus_slot_unref(bus->subscribe_call);
	if (!sd_bus_message_is_method_error(m, NULL))
		return 0;
	/* PID 1 remembers its subscribers when it re-executes itself. */
	if (sd_bus_message_is_method_error(m, BUS_SYSTEMD ".AlreadySubscribed"))
		return 0;

	/* Without signals no job would ever end: start over. If PID 1 has just left, the change of
	 * its name's owner brings the next attempt. */
	if (bus->owner)
		reconnect_later(bus, -sd_bus_message_get_errno(m), "cannot subscribe to systemd");
	return 0;
}

static int subscribe(struct bus *bus)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	int r;

	bus->subscribe_call = sd_bus_slot_unref(bus->subscribe_call);
	r = bus_call_new(bus, BUS_SYSTEMD_PATH, BUS_SYSTEMD_MANAGER, "Subscribe", &m);
	if (r < 0)
		return r;
	return bus_call_send(bus, m, &bus->subscribe_call, on_subscribed, bus);
}

static void set_owner(struct bus *bus, const char *owner)
{
	int r;

	if (bus->owner && strcmp(bus->owner, owner) == 0)
		return;
	if (bus->owner) {
		free(TAKE_PTR(bus->owner));
		emit(bus, BUS_DOWN);
	}
	if (*owner == '\0')
		return;

	bus->owner = xstrdup(owner);
	r = subscribe(bus);
	if (r < 0) {
		reconnect_later(bus, r, "cannot subscribe to systemd");
		return;
	}
	backoff_reset(&bus->backoff);
	/* What the listeners send now is handled by PID 1 after the subscription. */
	emit(bus, BUS_UP);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	const char *name = NULL, *before = NULL, *now = NULL;
	struct bus *bus = userdata;
	const char *sender = sd_bus_message_get_sender(m);
	int r;

	if (!sender || strcmp(sender, DBUS) != 0)
		return 0;
	r = sd_bus_message_read(m, "sss", &name, &before, &now);
	if (r <= 0 || strcmp(name, BUS_SYSTEMD) != 0)
		return 0;

	/* Newer than the answer to the first question, if that is still under way. */
	bus->owner_call = sd_bus_slot_unref(bus->owner_call);
	set_owner(bus, now);
	return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct bus *bus = userdata;
	const char *owner = NULL;
	int r;

	bus->owner_call = sd_bus_slot_unref(bus->owner_call);
	if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return 0;
	if (sd_bus_message_is_method_error(m, NULL))
		r = -sd_bus_message_get_errno(m);
	else
		r = sd_bus_message_read(m, "s", &owner);
	if (owner)
		set_owner(bus, owner);
	else
		reconnect_later(bus, r < 0 ? r : -EBADMSG, "cannot ask who is systemd");
	return 0;
}

static void drain(struct bus *bus)
{
	_cleanup_(sd_bus_unref) sd_bus *sd = sd_bus_ref(bus->sd);
	int r = 1;

	/* A handler may have dropped the connection, or even made a new one. */
	for (unsigned n = 0; n < DRAIN_MAX && r > 0 && bus->sd == sd; n++)
		r = sd_bus_process(sd, NULL);
	if (bus->sd != sd)
		return;
	if (r < 0)
		reconnect_later(bus, r, "connection lost");
	else
		bus_flush(bus);
}

static void on_io(int fd, unsigned events, void *userdata)
{
	drain(userdata);
}

static void on_timer(void *userdata)
{
	struct bus *bus = userdata;

	if (bus->sd)
		drain(bus);
	else
		connect_now(bus);
}

/* sd-bus gives its deadlines on this clock and no other. */
static uint64_t kernel_monotonic_us(void)
{
	struct timespec now;
	int r;

	r = clock_gettime(CLOCK_MONOTONIC, &now);
	assert(r == 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void bus_flush(struct bus *bus)
{
	uint64_t deadline_us, now_us, wait_us;
	int events, r;

	/* Without a connection the timer is the next attempt's. */
	if (!bus->sd)
		return;
	events = sd_bus_get_events(bus->sd);
	r = sd_bus_get_timeout(bus->sd, &deadline_us);
	if (events < 0 || r < 0) {
		reconnect_later(bus, events < 0 ? events : r, "connection lost");
		return;
	}

	loop_io_want(bus->io, (events & POLLIN ? (unsigned)LOOP_READ : 0) |
				  (events & POLLOUT ? (unsigned)LOOP_WRITE : 0));
	if (deadline_us == UINT64_MAX) {
		loop_timer_disarm(bus->timer);
		return;
	}
	now_us = kernel_monotonic_us();
	wait_us = deadline_us > now_us ? deadline_us - now_us : 0;
	loop_timer_arm(bus->timer, wait_us * 1000, wait_us ? NSEC_PER_SEC : 0);
}

/* Queues the first questions; they are sent when the bus has let us in. */
static int greet(struct bus *bus)
{
	int r;

	r = sd_bus_add_match_async(bus->sd, &bus->owner_match,
				   "type='signal',sender='" DBUS "',path='" DBUS_PATH
				   "',interface='" DBUS
				   "',member='NameOwnerChanged',arg0='" BUS_SYSTEMD "'",
				   on_owner_changed, NULL, bus);
	if (r < 0)
		return r;
	return sd_bus_call_method_async(bus->sd, &bus->owner_call, DBUS, DBUS_PATH, DBUS,
					"GetNameOwner", on_owner, bus, "s", BUS_SYSTEMD);
}

static int open_connection(const char *address, sd_bus **ret)
{
	_cleanup_(sd_bus_unref) sd_bus *sd = NULL;
	int r;

	r = sd_bus_new(&sd);
	if (r < 0)
		return r;
	r = sd_bus_set_description(sd, "agentd");
	if (r < 0)
		return r;
	r = sd_bus_set_address(sd, address);
	if (r < 0)
		return r;
	r = sd_bus_set_bus_client(sd, 1);
	if (r < 0)
		return r;
	/* Nobody has a reason to pass us descriptors. */
	r = sd_bus_negotiate_fds(sd, 0);
	if (r < 0)
		return r;
	r = sd_bus_start(sd);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(sd);
	return 0;
}

static void connect_now(struct bus *bus)
{
	int r;

	r = open_connection(bus->address, &bus->sd);
	if (r < 0) {
		reconnect_later(bus, r, "cannot connect");
		return;
	}
	bus->io = loop_io_new(bus->loop, sd_bus_get_fd(bus->sd), on_io, bus);
	r = greet(bus);
	if (r < 0)
		reconnect_later(bus, r, "cannot connect");
	else
		bus_flush(bus);
}

struct bus *bus_new(struct loop *loop, const char *address)
{
	struct bus *bus = NEW(struct bus);

	bus->loop = loop;
	bus->address = xstrdup(address ? address : SYSTEM_BUS);
	bus->backoff = BACKOFF_INIT;
	bus->timer = loop_timer_new(loop, on_timer, bus);
	connect_now(bus);
	return bus;
}

struct bus *bus_free(struct bus *bus)
{
	if (!bus)
		return NULL;
	disconnect(bus, BUS_FREED);
	assert(!bus->listeners && !bus->reloads);
	loop_timer_free(bus->timer);
	free(bus->address);
	free(bus);
	return NULL;
}
