/* The connection as the files of systemd/ see it; nobody else includes this header. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "systemd/bus.h"

#define BUS_SYSTEMD	    "org.freedesktop.systemd1"
#define BUS_SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define BUS_SYSTEMD_MANAGER BUS_SYSTEMD ".Manager"
#define BUS_PROPERTIES	    "org.freedesktop.DBus.Properties"
#define BUS_MATCH_MANAGER(member)                                        \
	"type='signal',sender='" BUS_SYSTEMD "',path='" BUS_SYSTEMD_PATH \
	"',interface='" BUS_SYSTEMD_MANAGER "',member='" member "'"

enum bus_event {
	BUS_UP,	   /* PID 1 answers, for the first time or again: what was read before is stale */
	BUS_DOWN,  /* PID 1 has left the bus (it re-executes itself); matches stay good */
	BUS_LOST,  /* the connection is gone, and with it every slot; drop them now */
	BUS_FREED, /* bus_free(): as BUS_LOST, and the bus must not be used any more */
};

typedef void (*bus_event_fn)(enum bus_event event, void *userdata);

/* Embedded in its owner. */
struct bus_listener {
	bus_event_fn fn;
	void *userdata;
	struct bus_listener *next, *previous; /* the bus's */
};
void bus_listen(struct bus *bus, struct bus_listener *listener);
void bus_unlisten(struct bus *bus, struct bus_listener *listener); /* twice is harmless */

struct loop *bus_loop(struct bus *bus);
/* NULL while there is no connection. Borrowed until BUS_LOST. */
sd_bus *bus_connection(struct bus *bus);
bool bus_is_up(const struct bus *bus);
/* Whether the owner of systemd's name sent this. Anyone on the bus may send a signal that looks
 * alike straight to us, so every handler of a signal asks. */
bool bus_is_from_systemd(const struct bus *bus, sd_bus_message *m);

/* A call to PID 1, to be filled. -ENOTCONN while there is no connection. */
int bus_call_new(struct bus *bus, const char *path, const char *interface, const char *member,
		 sd_bus_message **ret);
/* Sends it; the reply, an error or a time-out comes to fn while the slot is kept. */
int bus_call_send(struct bus *bus, sd_bus_message *m, sd_bus_slot **ret_slot,
		  sd_bus_message_handler_t fn, void *userdata);

/* The place of unit-job.c's queue of daemon-reloads. */
struct unit_reloads;
struct unit_reloads **bus_reloads(struct bus *bus);

static inline void sd_bus_unref_cleanup(sd_bus **sd)
{
	sd_bus_unref(*sd);
}

static inline void sd_bus_message_unref_cleanup(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}
