/* What is done to units, as ops: start, stop, restart, enable, daemon-reload (unit.h).
 *
 * A job's op listens for JobRemoved before it calls, because the signal may overtake the reply that
 * names the job, and ends when both are there. It outlives a re-execution of PID 1, which keeps its
 * jobs; it does not outlive the connection. */
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "systemd/bus-internal.h"
#include "systemd/unit.h"

struct verb {
	const char *method;
	const char *name; /* for messages: "cannot start kubelet.service" */
	bool job;	  /* answers with a job, whose end is awaited */
	int (*fill)(sd_bus_message *m, const char *unit);
};

struct call {
	struct bus *bus; /* NULL when the op has ended */
	struct bus_listener listener;
	struct op *op;
	const struct verb *verb;
	char *unit;
	sd_bus_slot *slot;    /* the call, then the question whether the job is still there */
	sd_bus_slot *removed; /* match of JobRemoved */
	char *job;	      /* object path, NULL before the reply */
	struct strv early; /* path, result, path, result … of jobs that ended before the reply */
};

/* Why a job has not done what it was made for; PID 1's words are not for operators. */
static const struct {
	const char *result, *text;
} job_failures[] = {
	{ "failed", "it failed; see journalctl -u" },
	{ "timeout", "it took longer than its unit allows; see journalctl -u" },
	{ "canceled", "another request to systemd cancelled it; see journalctl -u" },
	{ "dependency", "a unit that it requires failed; see systemctl list-dependencies" },
	{ "invalid", "its unit file allows no such job; see systemctl cat" },
	{ "assert", "an Assert…= of its unit file is not met; see systemctl status" },
	{ "unsupported", "this kind of unit is not supported here; see systemctl status" },
};

static void detach(struct call *call)
{
	call->slot = sd_bus_slot_unref(call->slot);
	call->removed = sd_bus_slot_unref(call->removed);
	if (call->bus)
		bus_unlisten(call->bus, &call->listener);
	call->bus = NULL;
}

static void call_cancel(void *impl)
{
	detach(impl);
}

static void call_free(void *impl)
{
	struct call *call = impl;

	detach(call);
	strv_done(&call->early);
	free(call->job);
	free(call->unit);
	free(call);
}

static const struct op_kind call_kind = {
	.name = "unit",
	.cancel = call_cancel,
	.free = call_free,
};

/* Nothing of call may be used after these two: its owner may have dropped it. */
static void call_done(struct call *call)
{
	detach(call);
	op_complete(call->op, NULL);
}

static void call_fail(struct call *call, const struct error *error)
{
	detach(call);
	op_fail(call->op, error);
}

static void set_error(struct error *err, const struct verb *verb, const char *unit, int r)
{
	if (r == -ENOTCONN)
		error_set(err, ERROR_BUS, r, "cannot %s %s: no connection to systemd", verb->name,
			  unit);
	else
		error_errno(err, ERROR_BUS, r, "cannot %s %s: talking to systemd", verb->name,
			    unit);
}

/* The error that PID 1 (or the bus, in its place) answered with. */
static void set_error_of_reply(struct error *err, const struct verb *verb, const char *unit,
			       sd_bus_message *m)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	enum error_class class = ERROR_BUS;
	int code = -sd_bus_error_get_errno(e);

	if (sd_bus_error_has_names(e, BUS_SYSTEMD ".NoSuchUnit", SD_BUS_ERROR_FILE_NOT_FOUND)) {
		class = ERROR_CONFIG;
		code = -ENOENT;
	} else if (sd_bus_error_has_name(e, BUS_SYSTEMD ".UnitMasked")) {
		class = ERROR_CONFIG;
		code = -ESHUTDOWN;
	} else if (code >= 0) {
		code = -EIO;
	}
	error_set(err, class, code, "cannot %s %s: %s", verb->name, unit,
		  e->message ? e->message : e->name);
}

static void job_ended(struct call *call, const char *result)
{
	struct error error = ERROR_INIT;

	/* "skipped" is a job that had nothing to do. */
	if (strcmp(result, "done") == 0 || strcmp(result, "skipped") == 0) {
		call_done(call);
		return;
	}
	error_set(&error, ERROR_BUS, -EIO, "cannot %s %s: the job ended as \"%s\"",
		  call->verb->name, call->unit, result);
	for (size_t i = 0; i < ARRAY_SIZE(job_failures); i++)
		if (strcmp(job_failures[i].result, result) == 0)
			error_set(&error, ERROR_BUS, -EIO, "cannot %s %s: %s %s", call->verb->name,
				  call->unit, job_failures[i].text, call->unit);
	call_fail(call, &error);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	const char *job, *unit, *result;
	struct call *call = userdata;
	uint32_t id;
	int r;

	if (!bus_is_from_systemd(call->bus, m))
		return 0;
	r = sd_bus_message_read(m, "uoss", &id, &job, &unit, &result);
	if (r < 0)
		return 0;
	if (!call->job) {
		strv_add(&call->early, job);
		strv_add(&call->early, result);
	} else if (strcmp(job, call->job) == 0) {
		job_ended(call, result);
	}
	return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct error error = ERROR_INIT;
	struct call *call = userdata;
	const char *job;
	int r;

	call->slot = sd_bus_slot_unref(call->slot);
	if (sd_bus_message_is_method_error(m, NULL)) {
		set_error_of_reply(&error, call->verb, call->unit, m);
		call_fail(call, &error);
		return 0;
	}
	if (!call->verb->job) {
		call_done(call);
		return 0;
	}

	r = sd_bus_message_read(m, "o", &job);
	if (r < 0) {
		set_error(&error, call->verb, call->unit, r);
		call_fail(call, &error);
		return 0;
	}
	call->job = xstrdup(job);
	for (size_t i = 0; i + 1 < call->early.count; i += 2)
		if (strcmp(call->early.items[i], job) == 0) {
			job_ended(call, call->early.items[i + 1]);
			return 0;
		}
	return 0;
}

static int on_job_state(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct error error = ERROR_INIT;
	struct call *call = userdata;

	call->slot = sd_bus_slot_unref(call->slot);
	if (!sd_bus_message_is_method_error(m, NULL))
		return 0;
	error_set(&error, ERROR_BUS, -EIO,
		  "cannot %s %s: the job's result was lost when systemd re-executed itself",
		  call->verb->name, call->unit);
	call_fail(call, &error);
	return 0;
}

/* After a re-execution: the job may have ended while nobody could tell us. */
static void ask_for_job(struct call *call)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	struct error error = ERROR_INIT;
	int r;

	call->slot = sd_bus_slot_unref(call->slot);
	r = bus_call_new(call->bus, call->job, BUS_PROPERTIES, "Get", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", BUS_SYSTEMD ".Job", "State");
	if (r >= 0)
		r = bus_call_send(call->bus, m, &call->slot, on_job_state, call);
	if (r < 0) {
		set_error(&error, call->verb, call->unit, r);
		call_fail(call, &error);
	}
}

static void on_bus(enum bus_event event, void *userdata)
{
	struct error error = ERROR_INIT;
	struct call *call = userdata;

	switch (event) {
	case BUS_UP:
		if (call->job)
			ask_for_job(call);
		break;
	case BUS_DOWN:
		break;
	case BUS_LOST:
		error_set(&error, ERROR_BUS, -ECONNRESET,
			  "cannot %s %s: the connection to systemd was lost", call->verb->name,
			  call->unit);
		call_fail(call, &error);
		break;
	case BUS_FREED:
		error_set(&error, ERROR_BUS, -ECANCELED, "cannot %s %s: agentd is stopping",
			  call->verb->name, call->unit);
		call_fail(call, &error);
		break;
	}
}

static int call_send(struct call *call)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	int r;

	r = bus_call_new(call->bus, BUS_SYSTEMD_PATH, BUS_SYSTEMD_MANAGER, call->verb->method, &m);
	if (r < 0)
		return r;
	r = call->verb->fill(m, call->unit);
	if (r < 0)
		return r;
	if (call->verb->job) {
		r = sd_bus_add_match_async(bus_connection(call->bus), &call->removed,
					   BUS_MATCH_MANAGER("JobRemoved"), on_job_removed, NULL,
					   call);
		if (r < 0)
			return r;
	}
	return bus_call_send(call->bus, m, &call->slot, on_reply, call);
}

static struct op *call_new(struct bus *bus, const struct verb *verb, const char *unit)
{
	struct error error = ERROR_INIT;
	struct call *call = NEW(struct call);
	int r;

	call->bus = bus;
	call->verb = verb;
	call->unit = xstrdup(unit);
	call->listener = (struct bus_listener){ .fn = on_bus, .userdata = call };
	bus_listen(bus, &call->listener);
	r = call_send(call);
	if (r < 0) {
		call_free(call);
		set_error(&error, verb, unit, r);
		return op_new_failed(bus_loop(bus), &error);
	}

	call->op = op_new(bus_loop(bus), &call_kind, call);
	return call->op;
}

static int fill_job(sd_bus_message *m, const char *unit)
{
	return sd_bus_message_append(m, "ss", unit, "replace");
}

/* Not only until the next boot; links of the same name that lead elsewhere are replaced. */
static int fill_enable(sd_bus_message *m, const char *unit)
{
	return sd_bus_message_append(m, "asbb", 1, unit, 0, 1);
}

/* DisableUnitFiles and UnmaskUnitFiles: what lasts, or only what ends with this boot. */
static int fill_lasting(sd_bus_message *m, const char *unit)
{
	return sd_bus_message_append(m, "asb", 1, unit, 0);
}

static int fill_for_boot(sd_bus_message *m, const char *unit)
{
	return sd_bus_message_append(m, "asb", 1, unit, 1);
}

/* clang-format off */
static const struct verb
	verb_start   = { "StartUnit",       "start",   .job = true, .fill = fill_job },
	verb_stop    = { "StopUnit",        "stop",    .job = true, .fill = fill_job },
	verb_restart = { "RestartUnit",     "restart", .job = true, .fill = fill_job },
	verb_enable  = { "EnableUnitFiles", "enable",  .fill = fill_enable },
	verb_disable = { "DisableUnitFiles", "disable", .fill = fill_lasting },
	verb_mask    = { "MaskUnitFiles",   "mask",    .fill = fill_enable },
	verb_unmask  = { "UnmaskUnitFiles", "unmask",  .fill = fill_lasting },
	verb_unmask_for_boot = { "UnmaskUnitFiles", "unmask", .fill = fill_for_boot },
	verb_reload  = { "Reload",          "reload" };
/* clang-format on */

struct op *unit_start(struct bus *bus, const char *unit)
{
	return call_new(bus, &verb_start, unit);
}

struct op *unit_stop(struct bus *bus, const char *unit)
{
	return call_new(bus, &verb_stop, unit);
}

struct op *unit_restart(struct bus *bus, const char *unit)
{
	return call_new(bus, &verb_restart, unit);
}

struct op *unit_enable(struct bus *bus, const char *unit)
{
	return call_new(bus, &verb_enable, unit);
}

struct op *unit_disable(struct bus *bus, const char *unit)
{
	return call_new(bus, &verb_disable, unit);
}

struct op *unit_mask(struct bus *bus, const char *unit)
{
	return call_new(bus, &verb_mask, unit);
}

struct op *unit_unmask(struct bus *bus, const char *unit, bool for_boot)
{
	return call_new(bus, for_boot ? &verb_unmask_for_boot : &verb_unmask, unit);
}

/* A daemon-reload is dear (PID 1 reads every unit again, and limits how often), so all that are
 * asked for in one round of the loop are one call. One that is asked for while a call is under way
 * waits for the next: the running one may have read its unit already. */
#define RELOAD_UNIT "the configuration of systemd"

struct reload {
	struct unit_reloads *reloads; /* NULL when it has ended */
	struct op *op;
	struct reload *next;
};

struct unit_reloads {
	struct bus *bus;
	struct bus_listener listener;
	struct loop_deferred send;
	sd_bus_slot *slot; /* of the call under way */
	struct reload *running, *waiting;
};

static void reload_cancel(void *impl)
{
	struct reload *reload = impl;
	struct reload **lists[] = { &reload->reloads->running, &reload->reloads->waiting };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (struct reload **at = lists[i]; *at; at = &(*at)->next)
			if (*at == reload) {
				*at = reload->next;
				return;
			}
}

static const struct op_kind reload_kind = {
	.name = "daemon-reload",
	.cancel = reload_cancel,
	.free = free,
};

/* Ends all ops of a list, which its owners may change meanwhile. error NULL = success. */
static void reloads_end(struct reload **list, const struct error *error)
{
	while (*list) {
		struct reload *reload = *list;

		*list = reload->next;
		if (error)
			op_fail(reload->op, error);
		else
			op_complete(reload->op, NULL);
	}
}

static int on_reloaded(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct unit_reloads *reloads = userdata;
	struct error error = ERROR_INIT;

	reloads->slot = sd_bus_slot_unref(reloads->slot);
	if (sd_bus_message_is_method_error(m, NULL))
		set_error_of_reply(&error, &verb_reload, RELOAD_UNIT, m);
	if (reloads->waiting)
		loop_defer(bus_loop(reloads->bus), &reloads->send);
	reloads_end(&reloads->running, error_is_set(&error) ? &error : NULL);
	return 0;
}

static void reloads_send(void *userdata)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *m = NULL;
	struct unit_reloads *reloads = userdata;
	struct error error = ERROR_INIT;
	int r;

	if (reloads->slot || !reloads->waiting)
		return;
	r = bus_call_new(reloads->bus, BUS_SYSTEMD_PATH, BUS_SYSTEMD_MANAGER, verb_reload.method,
			 &m);
	if (r >= 0)
		r = bus_call_send(reloads->bus, m, &reloads->slot, on_reloaded, reloads);
	if (r < 0) {
		set_error(&error, &verb_reload, RELOAD_UNIT, r);
		reloads_end(&reloads->waiting, &error);
		return;
	}
	assert(!reloads->running);
	reloads->running = TAKE_PTR(reloads->waiting);
}

static void reloads_on_bus(enum bus_event event, void *userdata)
{
	struct unit_reloads *reloads = userdata;
	struct error error = ERROR_INIT;

	if (event == BUS_UP || event == BUS_DOWN)
		return;
	reloads->slot = sd_bus_slot_unref(reloads->slot);
	error_set(&error, ERROR_BUS, event == BUS_FREED ? -ECANCELED : -ECONNRESET,
		  "cannot reload " RELOAD_UNIT ": the connection to systemd was lost");
	reloads_end(&reloads->running, &error);
	reloads_end(&reloads->waiting, &error);
	if (event == BUS_FREED) {
		loop_undefer(bus_loop(reloads->bus), &reloads->send);
		bus_unlisten(reloads->bus, &reloads->listener);
		*bus_reloads(reloads->bus) = NULL;
		free(reloads);
	}
}

static struct unit_reloads *reloads_of(struct bus *bus)
{
	struct unit_reloads *reloads = *bus_reloads(bus);

	if (reloads)
		return reloads;
	reloads = NEW(struct unit_reloads);
	reloads->bus = bus;
	reloads->send = (struct loop_deferred){ .fn = reloads_send, .userdata = reloads };
	reloads->listener = (struct bus_listener){ .fn = reloads_on_bus, .userdata = reloads };
	bus_listen(bus, &reloads->listener);
	*bus_reloads(bus) = reloads;
	return reloads;
}

struct op *unit_daemon_reload(struct bus *bus)
{
	struct unit_reloads *reloads = reloads_of(bus);
	struct reload *reload = NEW(struct reload);

	reload->reloads = reloads;
	reload->next = reloads->waiting;
	reloads->waiting = reload;
	reload->op = op_new(bus_loop(bus), &reload_kind, reload);
	loop_defer(bus_loop(bus), &reloads->send);
	return reload->op;
}
