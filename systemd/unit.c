/* The cache of unit properties (unit.h): read whole when PID 1 appears, reloads or re-executes
 * itself, kept by its signals in between. What is done to units stands in unit-job.c. */
#include "systemd/unit.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/log.h"
#include "systemd/bus-internal.h"

LOG_SCOPE("unit");

/* How soon a unit that could not be read is read again. */
#define RETRY_NS (5 * NSEC_PER_SEC)

struct watched {
	struct units *units;
	char *name;
	char *path; /* of its object */
	struct unit_state state;
	sd_bus_slot *properties; /* match of PropertiesChanged */
	sd_bus_slot *reading;	 /* GetAll */
	bool stale;		 /* changed since GetAll was sent: read again */
	struct loop_deferred changed;
	struct watched *next;
};

struct units {
	struct loop *loop;
	struct bus *bus; /* NULL after bus_free() */
	struct bus_listener listener;
	units_changed_fn changed;
	void *userdata;
	struct loop_timer *retry;
	sd_bus_slot *reloading, *files_changed; /* matches */
	struct watched *first;
};

/* The properties we follow. */
/* clang-format off */
#define FIELD(member) offsetof(struct unit_state, member), sizeof(((struct unit_state *)0)->member)
static const struct property {
	const char *name;
	char type; /* of D-Bus; 'a' is an array of strings */
	size_t offset, size;
} properties[] = {
	{ "LoadState",              's', FIELD(load_state) },
	{ "ActiveState",            's', FIELD(active_state) },
	{ "SubState",               's', FIELD(sub_state) },
	{ "UnitFileState",          's', FIELD(unit_file_state) },
	{ "NeedDaemonReload",       'b', FIELD(need_daemon_reload) },
	{ "MainPID",                'u', FIELD(main_pid) },
	{ "NRestarts",              'u', FIELD(restarts) },
	{ "ExecMainStatus",         'i', FIELD(exit_status) },
	{ "ExecMainStartTimestamp", 't', FIELD(active_enter_us) },
	{ "DropInPaths",            'a', FIELD(drop_in_paths) },
};
/* clang-format on */

static void state_done(struct unit_state *state)
{
	strv_done(&state->drop_in_paths);
	*state = (struct unit_state){ 0 };
}
DEFINE_CLEANUP_VALUE(struct unit_state, state_done)

static void state_copy(struct unit_state *to, const struct unit_state *from)
{
	*to = *from;
	to->drop_in_paths = STRV_INIT;
	strv_copy(&to->drop_in_paths, &from->drop_in_paths);
}

static bool lists_equal(const struct strv *a, const struct strv *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static bool state_equal(const struct unit_state *a, const struct unit_state *b)
{
	if (a->known != b->known)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		const struct property *p = &properties[i];

		/* Text fields are zero behind their end, see read_text(). */
		if (p->type != 'a' &&
		    memcmp((const char *)a + p->offset, (const char *)b + p->offset, p->size) != 0)
			return false;
	}
	return lists_equal(&a->drop_in_paths, &b->drop_in_paths);
}

static int read_text(sd_bus_message *m, char *ret, size_t size)
{
	const char *text;
	int r;

	r = sd_bus_message_read(m, "s", &text);
	if (r < 0)
		return r;
	memset(ret, 0, size);
	memcpy(ret, text, strnlen(text, size - 1));
	return 0;
}

static int read_bool(sd_bus_message *m, bool *ret)
{
	int truth;
	int r;

	r = sd_bus_message_read(m, "b", &truth);
	if (r < 0)
		return r;
	*ret = truth;
	return 0;
}

static int read_list(sd_bus_message *m, struct strv *ret)
{
	const char *item;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "s");
	if (r < 0)
		return r;
	strv_done(ret);
	while ((r = sd_bus_message_read(m, "s", &item)) > 0)
		strv_add(ret, item);
	if (r < 0)
		return r;
	return sd_bus_message_exit_container(m);
}

static int read_property(sd_bus_message *m, const struct property *p, struct unit_state *state)
{
	const char signature[] = { p->type, p->type == 'a' ? 's' : '\0', '\0' };
	void *field = (char *)state + p->offset;
	int r;

	r = sd_bus_message_enter_container(m, 'v', signature);
	if (r < 0)
		return r;
	switch (p->type) {
	case 's':
		r = read_text(m, field, p->size);
		break;
	case 'b':
		r = read_bool(m, field);
		break;
	case 'a':
		r = read_list(m, field);
		break;
	default:
		r = sd_bus_message_read_basic(m, p->type, field);
		break;
	}
	if (r < 0)
		return r;
	return sd_bus_message_exit_container(m);
}

/* Reads a dictionary of properties; those that it does not name stay as they are. */
static int read_properties(sd_bus_message *m, struct unit_state *state)
{
	const char *name;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const struct property *found = NULL;

		r = sd_bus_message_read(m, "s", &name);
		if (r < 0)
			return r;
		for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
			if (strcmp(properties[i].name, name) == 0)
				found = &properties[i];
		r = found ? read_property(m, found, state) : sd_bus_message_skip(m, "v");
		if (r < 0)
			return r;
		r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	return sd_bus_message_exit_container(m);
}

/* Puts a new state (taken over) in place; tells of it later in this round, if it differs. */
static void set_state(struct watched *unit, struct unit_state *state)
{
	if (!state_equal(&unit->state, state))
		loop_defer(unit->units->loop, &unit->changed);
	state_done(&unit->state);
	unit->state = *state;
	*state = (struct unit_state){ 0 };
}

static void set_unknown(struct watched *unit)
{
	_cleanup_(state_done) struct unit_state state = { 0 };

	set_state(unit, &state);
}

static void start_reading(struct watched *unit);

static int on_read(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	_cleanup_(state_done) struct unit_state state = { .known = true };
	struct watched *unit = userdata;
	int r;

	unit->reading = sd_bus_slot_unref(unit->reading);
	if (sd_bus_message_is_method_error(m, NULL))
		r = -sd_bus_message_get_errno(m);
	else
		r = read_properties(m, &state);
	if (r < 0) {
		log_debug("cannot read the properties of %s: %s", unit->name, strerror(-r));
		set_unknown(unit);
		loop_timer_arm(unit->units->retry, RETRY_NS, NSEC_PER_SEC);
		return 0;
	}

	set_state(unit, &state);
	if (unit->stale)
		start_reading(unit);
	return 0;
}

/* All interfaces in one reply, so that what is seen together was true together. It works for a unit
 * that does not exist, too: its LoadState says so. */
static void start_reading(struct watched *unit)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	struct bus *bus = unit->units->bus;
	int r;

	if (unit->reading) {
		unit->stale = true;
		return;
	}
	unit->stale = false;
	r = bus_call_new(bus, unit->path, BUS_PROPERTIES, "GetAll", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", "");
	if (r >= 0)
		r = bus_call_send(bus, m, &unit->reading, on_read, unit);
	/* A failure means that the connection is going; BUS_UP comes again with the next. */
	if (r < 0)
		log_debug("cannot ask for the properties of %s: %s", unit->name, strerror(-r));
}

static void read_all(struct units *units)
{
	for (struct watched *unit = units->first; unit; unit = unit->next)
		start_reading(unit);
}

static void on_retry(void *userdata)
{
	struct units *units = userdata;

	if (!units->bus || !bus_is_up(units->bus))
		return;
	for (struct watched *unit = units->first; unit; unit = unit->next)
		if (!unit->state.known)
			start_reading(unit);
}

/* The signal is applied to the cache instead of reading again: reading a unit makes PID 1 load it,
 * which may itself be a change, and so on for ever. */
static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	_cleanup_(state_done) struct unit_state state = { 0 };
	struct watched *unit = userdata;
	const char *interface;
	bool differs;
	int r;

	if (!bus_is_from_systemd(unit->units->bus, m))
		return 0;
	if (unit->reading || !unit->state.known) {
		unit->stale = true;
		return 0;
	}

	state_copy(&state, &unit->state);
	r = sd_bus_message_read(m, "s", &interface);
	if (r >= 0)
		r = read_properties(m, &state);
	if (r < 0) {
		start_reading(unit);
		return 0;
	}
	differs = !state_equal(&state, &unit->state);
	set_state(unit, &state);
	/* A unit that was not there has been loaded: what is constant while loaded is new as well.
	 */
	if (differs && strcmp(unit->state.load_state, "loaded") != 0)
		start_reading(unit);
	return 0;
}

static int on_reloading(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct units *units = userdata;
	int begins;
	int r;

	if (!bus_is_from_systemd(units->bus, m))
		return 0;
	r = sd_bus_message_read(m, "b", &begins);
	if (r >= 0 && !begins)
		read_all(units);
	return 0;
}

static int on_files_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct units *units = userdata;

	if (bus_is_from_systemd(units->bus, m))
		read_all(units);
	return 0;
}

static int listen_to_unit(struct watched *unit)
{
	_cleanup_free_ char *match = NULL;

	if (unit->properties)
		return 0;
	match = xasprintf("type='signal',sender='" BUS_SYSTEMD
			  "',path='%s',interface='" BUS_PROPERTIES "',member='PropertiesChanged'",
			  unit->path);
	return sd_bus_add_match_async(bus_connection(unit->units->bus), &unit->properties, match,
				      on_properties, NULL, unit);
}

static int listen_to_manager(struct units *units)
{
	sd_bus *sd = bus_connection(units->bus);
	int r;

	if (!units->reloading) {
		r = sd_bus_add_match_async(sd, &units->reloading, BUS_MATCH_MANAGER("Reloading"),
					   on_reloading, NULL, units);
		if (r < 0)
			return r;
	}
	if (!units->files_changed) {
		r = sd_bus_add_match_async(sd, &units->files_changed,
					   BUS_MATCH_MANAGER("UnitFilesChanged"), on_files_changed,
					   NULL, units);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Listen first, read then: nothing falls between. */
static void watch(struct watched *unit)
{
	int r;

	r = listen_to_manager(unit->units);
	if (r >= 0)
		r = listen_to_unit(unit);
	if (r < 0)
		log_debug("cannot listen to %s: %s", unit->name, strerror(-r));
	start_reading(unit);
}

static void drop_slots(struct units *units)
{
	units->reloading = sd_bus_slot_unref(units->reloading);
	units->files_changed = sd_bus_slot_unref(units->files_changed);
	for (struct watched *unit = units->first; unit; unit = unit->next) {
		unit->properties = sd_bus_slot_unref(unit->properties);
		unit->reading = sd_bus_slot_unref(unit->reading);
	}
}

static void on_bus(enum bus_event event, void *userdata)
{
	struct units *units = userdata;

	if (event == BUS_LOST || event == BUS_FREED)
		drop_slots(units);
	for (struct watched *unit = units->first; unit; unit = unit->next) {
		if (event == BUS_UP) {
			watch(unit);
			continue;
		}
		/* Whoever was asked is gone. */
		unit->reading = sd_bus_slot_unref(unit->reading);
		set_unknown(unit);
	}
	if (event == BUS_FREED) {
		bus_unlisten(units->bus, &units->listener);
		units->bus = NULL;
	}
}

struct units *units_new(struct loop *loop, struct bus *bus, units_changed_fn changed,
			void *userdata)
{
	struct units *units = NEW(struct units);

	units->loop = loop;
	units->bus = bus;
	units->changed = changed;
	units->userdata = userdata;
	units->retry = loop_timer_new(loop, on_retry, units);
	units->listener = (struct bus_listener){ .fn = on_bus, .userdata = units };
	bus_listen(bus, &units->listener);
	return units;
}

static void watched_free(struct watched *unit)
{
	loop_undefer(unit->units->loop, &unit->changed);
	state_done(&unit->state);
	free(unit->path);
	free(unit->name);
	free(unit);
}

struct units *units_free(struct units *units)
{
	if (!units)
		return NULL;
	drop_slots(units);
	if (units->bus)
		bus_unlisten(units->bus, &units->listener);
	while (units->first) {
		struct watched *unit = units->first;

		units->first = unit->next;
		watched_free(unit);
	}
	loop_timer_free(units->retry);
	free(units);
	return NULL;
}

static struct watched *find(const struct units *units, const char *name)
{
	for (struct watched *unit = units->first; unit; unit = unit->next)
		if (strcmp(unit->name, name) == 0)
			return unit;
	return NULL;
}

static void tell_changed(void *userdata)
{
	struct watched *unit = userdata;

	unit->units->changed(unit->name, unit->units->userdata);
}

void units_watch(struct units *units, const char *name)
{
	struct watched *unit;
	int r;

	if (find(units, name))
		return;
	unit = NEW(struct watched);
	unit->units = units;
	unit->name = xstrdup(name);
	r = sd_bus_path_encode(BUS_SYSTEMD_PATH "/unit", name, &unit->path);
	assert(r >= 0);
	unit->changed = (struct loop_deferred){ .fn = tell_changed, .userdata = unit };
	unit->next = units->first;
	units->first = unit;
	if (units->bus && bus_is_up(units->bus))
		watch(unit);
}

void units_refresh(struct units *units)
{
	if (units->bus && bus_is_up(units->bus))
		read_all(units);
}

const struct unit_state *units_get(const struct units *units, const char *name)
{
	const struct watched *unit = find(units, name);

	assert(unit);
	return &unit->state;
}
