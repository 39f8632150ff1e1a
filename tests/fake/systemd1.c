/* fake-systemd1: org.freedesktop.systemd1 as far as agentd sees it, on a private bus. Units live in
 * memory; jobs end as they are told to. Tests steer it over io.agentd.Fake on /io/agentd/fake (from
 * a shell: busctl --address=…), see fake_vtable, or by options, see usage(). */
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/strv.h"

#define NAME	 "org.freedesktop.systemd1"
#define PATH	 "/org/freedesktop/systemd1"
#define MANAGER	 NAME ".Manager"
#define UNIT	 NAME ".Unit"
#define SERVICE	 NAME ".Service"
#define JOB	 NAME ".Job"
#define FAKE	 "io.agentd.Fake"
#define FAKE_DIR "/io/agentd/fake"

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "fake-systemd1: %s: %s\n", what, strerror(-r));
	exit(1);
}

struct unit {
	struct manager *manager;
	char *name, *path;
	char *load, *active, *sub, *file;
	int need_reload;
	uint32_t pid, restarts;
	int32_t status;
	uint64_t started_us;
	struct strv drop_ins;
	struct unit *next;
};

struct job {
	struct manager *manager;
	struct unit *unit;
	uint32_t id;
	char *path, *verb;
	sd_event_source *timer;
	struct job *next;
};

struct count {
	char *method;
	uint32_t n;
	struct count *next;
};

struct manager {
	sd_event *event;
	sd_bus *bus;
	sd_event_source *reexecute;
	const char *address, *exec, *root;
	FILE *log;
	struct unit *units;
	struct job *jobs;
	struct count *counts;
	char *subscriber;
	uint32_t last_job, last_pid;
	/* What a test may set. */
	char *result; /* of the jobs to come */
	uint32_t delay_ms, reload_delay_ms;
	bool early; /* JobRemoved before the reply */
	bool hold;  /* jobs do not end by themselves */
	bool lose;  /* jobs end unseen while PID 1 re-executes itself */
};

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
}

static uint32_t *counter(struct manager *m, const char *method)
{
	struct count *count;

	for (count = m->counts; count; count = count->next)
		if (strcmp(count->method, method) == 0)
			return &count->n;
	count = NEW(struct count);
	count->method = xstrdup(method);
	count->next = m->counts;
	m->counts = count;
	return &count->n;
}

static void record(struct manager *m, const char *method, const char *what)
{
	(*counter(m, method))++;
	if (!m->log)
		return;
	fprintf(m->log, "%s %s\n", method, what);
	fflush(m->log);
}

/* Units */

static void find_drop_ins(struct unit *unit)
{
	_cleanup_free_ char *pattern = NULL;
	glob_t found = { 0 };

	strv_done(&unit->drop_ins);
	if (!unit->manager->root)
		return;
	pattern = xasprintf("%s/etc/systemd/system/%s.d/*.conf", unit->manager->root, unit->name);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			strv_add(&unit->drop_ins, found.gl_pathv[i] + strlen(unit->manager->root));
	globfree(&found);
}

/* A unit that nobody has made is one that is not found, as with systemd. */
static struct unit *unit_get(struct manager *m, const char *name, bool make)
{
	struct unit *unit;

	for (unit = m->units; unit; unit = unit->next)
		if (strcmp(unit->name, name) == 0)
			return unit;
	unit = NEW(struct unit);
	unit->manager = m;
	unit->name = xstrdup(name);
	check(sd_bus_path_encode(PATH "/unit", name, &unit->path), "object path");
	unit->load = xstrdup(make ? "loaded" : "not-found");
	unit->active = xstrdup("inactive");
	unit->sub = xstrdup("dead");
	unit->file = xstrdup(make ? "disabled" : "");
	find_drop_ins(unit);
	unit->next = m->units;
	m->units = unit;
	return unit;
}

static void unit_changed(struct unit *unit)
{
	struct manager *m = unit->manager;

	if (!m->subscriber)
		return;
	check(sd_bus_emit_properties_changed(m->bus, unit->path, UNIT, "ActiveState", "SubState",
					     NULL),
	      "PropertiesChanged");
	check(sd_bus_emit_properties_changed(m->bus, unit->path, SERVICE, "MainPID", "NRestarts",
					     "ExecMainStatus", "ExecMainStartTimestamp", NULL),
	      "PropertiesChanged");
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int on_exit_of_process(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct unit *unit = userdata;
	bool good = info->si_code == CLD_EXITED && info->si_status == 0;

	if (unit->pid != (uint32_t)info->si_pid)
		return 0;
	unit->pid = 0;
	unit->status = info->si_status;
	set_text(&unit->active, good ? "inactive" : "failed");
	set_text(&unit->sub, good ? "dead" : "failed");
	unit_changed(unit);
	return 0;
}

static void start_process(struct unit *unit)
{
	struct manager *m = unit->manager;
	pid_t pid;

	if (!m->exec) {
		unit->pid = ++m->last_pid;
		return;
	}
	pid = fork();
	check(pid < 0 ? -errno : 0, "fork");
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setpgid(0, 0);
		setenv("UNIT", unit->name, 1);
		execl("/bin/sh", "sh", "-c", m->exec, (char *)NULL);
		_exit(127);
	}
	setpgid(pid, pid);
	unit->pid = (uint32_t)pid;
	check(sd_event_add_child(m->event, NULL, pid, WEXITED, on_exit_of_process, unit), "child");
}

static void unit_stop_now(struct unit *unit)
{
	if (unit->pid && unit->manager->exec)
		(void)kill(-(pid_t)unit->pid, SIGTERM);
	unit->pid = 0;
	set_text(&unit->active, "inactive");
	set_text(&unit->sub, "dead");
}

static void unit_start_now(struct unit *unit, bool good)
{
	set_text(&unit->load, "loaded");
	set_text(&unit->active, good ? "active" : "failed");
	set_text(&unit->sub, good ? "running" : "failed");
	unit->status = good ? 0 : 1;
	if (!good)
		return;
	unit->started_us = now_us();
	start_process(unit);
}

/* Jobs */

static void job_free(struct job *job)
{
	struct job **at;

	for (at = &job->manager->jobs; *at != job; at = &(*at)->next)
		;
	*at = job->next;
	sd_event_source_disable_unref(job->timer);
	free(job->path);
	free(job->verb);
	free(job);
}

static void job_end(struct job *job, bool tell)
{
	struct manager *m = job->manager;
	bool good = strcmp(m->result, "done") == 0;

	if (strcmp(job->verb, "start") != 0)
		unit_stop_now(job->unit);
	if (strcmp(job->verb, "stop") != 0)
		unit_start_now(job->unit, good);
	if (tell)
		unit_changed(job->unit);
	if (tell && m->subscriber)
		check(sd_bus_emit_signal(m->bus, PATH, MANAGER, "JobRemoved", "uoss", job->id,
					 job->path, job->unit->name, m->result),
		      "JobRemoved");
	job_free(job);
}

static int on_job_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	job_end(userdata, true);
	return 0;
}

static int make_job(sd_bus_message *call, struct manager *m, const char *verb, sd_bus_error *error)
{
	const char *name, *mode;
	struct unit *unit;
	struct job *job;
	int r;

	r = sd_bus_message_read(call, "ss", &name, &mode);
	if (r < 0)
		return r;
	record(m, sd_bus_message_get_member(call), name);
	unit = unit_get(m, name, false);
	if (strcmp(unit->load, "not-found") == 0)
		return sd_bus_error_setf(error, NAME ".NoSuchUnit", "Unit %s not found.", name);
	if (strcmp(unit->load, "masked") == 0)
		return sd_bus_error_setf(error, NAME ".UnitMasked", "Unit %s is masked.", name);

	job = NEW(struct job);
	job->manager = m;
	job->unit = unit;
	job->id = ++m->last_job;
	job->path = xasprintf(PATH "/job/%" PRIu32, job->id);
	job->verb = xstrdup(verb);
	job->next = m->jobs;
	m->jobs = job;
	if (m->subscriber)
		check(sd_bus_emit_signal(m->bus, PATH, MANAGER, "JobNew", "uos", job->id, job->path,
					 name),
		      "JobNew");
	if (m->early) {
		_cleanup_free_ char *path = xstrdup(job->path);

		job_end(job, true);
		return sd_bus_reply_method_return(call, "o", path);
	}
	if (!m->hold)
		check(sd_event_add_time_relative(m->event, &job->timer, CLOCK_MONOTONIC,
						 (uint64_t)m->delay_ms * 1000, 1, on_job_timer,
						 job),
		      "timer");
	return sd_bus_reply_method_return(call, "o", job->path);
}

static int on_start(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return make_job(call, userdata, "start", error);
}

static int on_stop(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return make_job(call, userdata, "stop", error);
}

static int on_restart(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return make_job(call, userdata, "restart", error);
}

/* The manager's other methods */

static int on_subscribe(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;
	const char *sender = sd_bus_message_get_sender(call);

	record(m, "Subscribe", "");
	if (m->subscriber && strcmp(m->subscriber, sender) == 0)
		return sd_bus_error_set(error, NAME ".AlreadySubscribed",
					"Client is already subscribed.");
	set_text(&m->subscriber, sender);
	return sd_bus_reply_method_return(call, "");
}

static int on_get_unit(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct unit *unit;
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	unit = unit_get(userdata, name, false);
	if (strcmp(sd_bus_message_get_member(call), "GetUnit") == 0 &&
	    strcmp(unit->load, "not-found") == 0)
		return sd_bus_error_setf(error, NAME ".NoSuchUnit", "Unit %s not loaded.", name);
	return sd_bus_reply_method_return(call, "o", unit->path);
}

static int on_enable(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;
	struct unit *unit;
	const char *name;
	int r;

	r = sd_bus_message_enter_container(call, 'a', "s");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(call, "s", &name)) > 0) {
		record(m, "EnableUnitFiles", name);
		unit = unit_get(m, name, false);
		if (strcmp(unit->load, "not-found") == 0)
			return sd_bus_error_setf(error, SD_BUS_ERROR_FILE_NOT_FOUND,
						 "Unit file %s does not exist.", name);
		if (strcmp(unit->load, "masked") == 0)
			return sd_bus_error_setf(error, NAME ".UnitMasked",
						 "Unit file %s is masked.", name);
		set_text(&unit->file, "enabled");
	}
	if (r < 0)
		return r;
	if (m->subscriber)
		check(sd_bus_emit_signal(m->bus, PATH, MANAGER, "UnitFilesChanged", ""), "signal");
	return sd_bus_reply_method_return(call, "ba(sss)", 1, 0);
}

/* A mask goes with its link; PID 1 knows of it after a reload. */
static int on_unmask(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;
	struct strv names = STRV_INIT;
	const char *name;
	int for_boot, r;

	r = sd_bus_message_enter_container(call, 'a', "s");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(call, "s", &name)) > 0)
		strv_add(&names, name);
	if (r >= 0)
		r = sd_bus_message_exit_container(call);
	if (r >= 0)
		r = sd_bus_message_read(call, "b", &for_boot);
	if (r < 0)
		return r;
	STRV_FOREACH(each, &names) {
		struct unit *unit = unit_get(m, each, false);

		record(m, for_boot ? "UnmaskUnitFiles for-boot" : "UnmaskUnitFiles", each);
		if (strcmp(unit->file, for_boot ? "masked-runtime" : "masked") == 0)
			set_text(&unit->file, "enabled");
	}
	strv_done(&names);
	if (m->subscriber)
		check(sd_bus_emit_signal(m->bus, PATH, MANAGER, "UnitFilesChanged", ""), "signal");
	return sd_bus_reply_method_return(call, "a(sss)", 0);
}

static void reload_now(struct manager *m)
{
	if (m->subscriber)
		check(sd_bus_emit_signal(m->bus, PATH, MANAGER, "Reloading", "b", 1), "signal");
	for (struct unit *unit = m->units; unit; unit = unit->next) {
		unit->need_reload = 0;
		if (strcmp(unit->load, "masked") == 0 && strncmp(unit->file, "masked", 6) != 0)
			set_text(&unit->load, "loaded");
		find_drop_ins(unit);
	}
	if (m->subscriber)
		check(sd_bus_emit_signal(m->bus, PATH, MANAGER, "Reloading", "b", 0), "signal");
}

static void drop_call(void *userdata)
{
	sd_bus_message_unref(userdata);
}

static int on_reload_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	check(sd_bus_reply_method_return(userdata, ""), "reply");
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_reload(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;
	sd_event_source *source;

	record(m, "Reload", "");
	reload_now(m);
	if (m->reload_delay_ms == 0)
		return sd_bus_reply_method_return(call, "");
	check(sd_event_add_time_relative(m->event, &source, CLOCK_MONOTONIC,
					 (uint64_t)m->reload_delay_ms * 1000, 1, on_reload_timer,
					 sd_bus_message_ref(call)),
	      "timer");
	check(sd_event_source_set_destroy_callback(source, drop_call), "timer");
	check(sd_event_source_set_floating(source, 1), "timer");
	sd_event_source_unref(source);
	return 1;
}

static int get_list(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct strv *list = userdata;
	char *none[] = { NULL };

	return sd_bus_message_append_strv(reply, list->items ? list->items : none);
}

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
		  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", ((struct unit *)userdata)->name);
}

static int get_job_state(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", "running");
}

/* clang-format off */
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONST	SD_BUS_VTABLE_PROPERTY_CONST
static const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Subscribe", "", "", on_subscribe, 0),
	SD_BUS_METHOD("GetUnit", "s", "o", on_get_unit, 0),
	SD_BUS_METHOD("LoadUnit", "s", "o", on_get_unit, 0),
	SD_BUS_METHOD("StartUnit", "ss", "o", on_start, 0),
	SD_BUS_METHOD("StopUnit", "ss", "o", on_stop, 0),
	SD_BUS_METHOD("RestartUnit", "ss", "o", on_restart, 0),
	SD_BUS_METHOD("EnableUnitFiles", "asbb", "ba(sss)", on_enable, 0),
	SD_BUS_METHOD("UnmaskUnitFiles", "asb", "a(sss)", on_unmask, 0),
	SD_BUS_METHOD("Reload", "", "", on_reload, 0),
	SD_BUS_SIGNAL("JobNew", "uos", 0),
	SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
	SD_BUS_SIGNAL("Reloading", "b", 0),
	SD_BUS_SIGNAL("UnitFilesChanged", "", 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable unit_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_id, 0, CONST),
	SD_BUS_PROPERTY("LoadState", "s", NULL, offsetof(struct unit, load), CONST),
	SD_BUS_PROPERTY("ActiveState", "s", NULL, offsetof(struct unit, active), CHANGES),
	SD_BUS_PROPERTY("SubState", "s", NULL, offsetof(struct unit, sub), CHANGES),
	SD_BUS_PROPERTY("UnitFileState", "s", NULL, offsetof(struct unit, file), 0),
	SD_BUS_PROPERTY("NeedDaemonReload", "b", NULL, offsetof(struct unit, need_reload), 0),
	SD_BUS_PROPERTY("DropInPaths", "as", get_list, offsetof(struct unit, drop_ins), CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable service_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("MainPID", "u", NULL, offsetof(struct unit, pid), CHANGES),
	SD_BUS_PROPERTY("NRestarts", "u", NULL, offsetof(struct unit, restarts), CHANGES),
	SD_BUS_PROPERTY("ExecMainStatus", "i", NULL, offsetof(struct unit, status), CHANGES),
	SD_BUS_PROPERTY("ExecMainStartTimestamp", "t", NULL, offsetof(struct unit, started_us), CHANGES),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable job_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "s", get_job_state, 0, 0),
	SD_BUS_VTABLE_END,
};
/* clang-format on */

static int find_unit(sd_bus *bus, const char *path, const char *interface, void *userdata,
		     void **found, sd_bus_error *error)
{
	_cleanup_free_ char *name = NULL;
	int r;

	r = sd_bus_path_decode(path, PATH "/unit", &name);
	if (r <= 0)
		return r;
	*found = unit_get(userdata, name, false);
	return 1;
}

static int find_job(sd_bus *bus, const char *path, const char *interface, void *userdata,
		    void **found, sd_bus_error *error)
{
	struct manager *m = userdata;

	for (struct job *job = m->jobs; job; job = job->next)
		if (strcmp(job->path, path) == 0) {
			*found = job;
			return 1;
		}
	return 0;
}

/* Steering by tests */

static bool set_value(struct manager *m, const char *key, const char *value)
{
	if (strcmp(key, "result") == 0)
		set_text(&m->result, value);
	else if (strcmp(key, "delay-ms") == 0)
		m->delay_ms = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "reload-delay-ms") == 0)
		m->reload_delay_ms = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "early") == 0)
		m->early = strcmp(value, "yes") == 0;
	else if (strcmp(key, "hold") == 0)
		m->hold = strcmp(value, "yes") == 0;
	else if (strcmp(key, "lose") == 0)
		m->lose = strcmp(value, "yes") == 0;
	else
		return false;
	return true;
}

static int on_set(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *key, *value;
	int r;

	r = sd_bus_message_read(call, "ss", &key, &value);
	if (r < 0)
		return r;
	if (!set_value(userdata, key, value))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "no such key: %s", key);
	return sd_bus_reply_method_return(call, "");
}

static bool set_unit_value(struct unit *unit, const char *key, const char *value)
{
	uint32_t number = (uint32_t)strtoul(value, NULL, 10);

	if (strcmp(key, "LoadState") == 0)
		set_text(&unit->load, value);
	else if (strcmp(key, "ActiveState") == 0)
		set_text(&unit->active, value);
	else if (strcmp(key, "SubState") == 0)
		set_text(&unit->sub, value);
	else if (strcmp(key, "UnitFileState") == 0)
		set_text(&unit->file, value);
	else if (strcmp(key, "NeedDaemonReload") == 0)
		unit->need_reload = strcmp(value, "yes") == 0;
	else if (strcmp(key, "NRestarts") == 0)
		unit->restarts = number;
	else if (strcmp(key, "MainPID") == 0)
		unit->pid = number;
	else if (strcmp(key, "DropInPath") == 0)
		strv_add(&unit->drop_ins, value);
	else
		return false;
	return true;
}

static int on_set_unit(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *name, *key, *value;
	struct unit *unit;
	int r;

	r = sd_bus_message_read(call, "sss", &name, &key, &value);
	if (r < 0)
		return r;
	unit = unit_get(userdata, name, true);
	if (!set_unit_value(unit, key, value))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "no such key: %s", key);
	unit_changed(unit);
	return sd_bus_reply_method_return(call, "");
}

static int on_count(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *method;
	int r;

	r = sd_bus_message_read(call, "s", &method);
	if (r < 0)
		return r;
	return sd_bus_reply_method_return(call, "u", *counter(userdata, method));
}

static int on_release(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;

	while (m->jobs)
		job_end(m->jobs, true);
	return sd_bus_reply_method_return(call, "");
}

static int on_subscriber(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;

	return sd_bus_reply_method_return(call, "s", m->subscriber ? m->subscriber : "");
}

static void attach(struct manager *m);

/* A new connection has a new unique name, as PID 1 has after daemon-reexec. */
static int reexecute(sd_event_source *source, void *userdata)
{
	struct manager *m = userdata;

	m->bus = sd_bus_flush_close_unref(m->bus);
	set_text(&m->subscriber, NULL);
	if (m->lose)
		while (m->jobs)
			job_end(m->jobs, false);
	attach(m);
	return 0;
}

static int on_reexecute(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;
	int r;

	r = sd_bus_reply_method_return(call, "");
	check(sd_event_source_set_enabled(m->reexecute, SD_EVENT_ONESHOT), "re-execution");
	return r;
}

/* clang-format off */
static const sd_bus_vtable fake_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Set", "ss", "", on_set, 0),		/* key, value: see set_value() */
	SD_BUS_METHOD("SetUnit", "sss", "", on_set_unit, 0),	/* unit, key, value: see set_unit_value() */
	SD_BUS_METHOD("Count", "s", "u", on_count, 0),		/* how often a method was called */
	SD_BUS_METHOD("Release", "", "", on_release, 0),	/* ends the jobs that are held */
	SD_BUS_METHOD("Subscriber", "", "s", on_subscriber, 0),	/* unique name of the last one */
	SD_BUS_METHOD("Reexecute", "", "", on_reexecute, 0),
	SD_BUS_VTABLE_END,
};
/* clang-format on */

static void attach(struct manager *m)
{
	check(sd_bus_new(&m->bus), "bus");
	check(sd_bus_set_address(m->bus, m->address), "address");
	check(sd_bus_set_bus_client(m->bus, 1), "bus");
	check(sd_bus_start(m->bus), m->address);
	check(sd_bus_add_object_vtable(m->bus, NULL, PATH, MANAGER, manager_vtable, m), MANAGER);
	check(sd_bus_add_object_vtable(m->bus, NULL, FAKE_DIR, FAKE, fake_vtable, m), FAKE);
	check(
	    sd_bus_add_fallback_vtable(m->bus, NULL, PATH "/unit", UNIT, unit_vtable, find_unit, m),
	    UNIT);
	check(sd_bus_add_fallback_vtable(m->bus, NULL, PATH "/unit", SERVICE, service_vtable,
					 find_unit, m),
	      SERVICE);
	check(sd_bus_add_fallback_vtable(m->bus, NULL, PATH "/job", JOB, job_vtable, find_job, m),
	      JOB);
	check(sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL), "event loop");
	check(sd_bus_request_name(m->bus, NAME, 0), NAME);
	/* Whoever started us learns that we are there. */
	printf("ready\n");
	fflush(stdout);
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: fake-systemd1 --bus ADDRESS [OPTION...] UNIT...\n\n"
		    "Owns org.freedesktop.systemd1 on a bus; the units are loaded and inactive.\n"
		    "Prints \"ready\" when it may be asked.\n\n"
		    "  --bus ADDRESS        address of the bus\n"
		    "  --set KEY=VALUE      result, delay-ms, reload-delay-ms, early, hold, lose\n"
		    "  --exec-on-start CMD  the process of a unit that is started: sh -c CMD\n"
		    "  --root DIR           drop-ins are those in DIR/etc/systemd/system/UNIT.d\n"
		    "  --log FILE           appends a line for each call: METHOD UNIT\n");
}

static void parse_option(struct manager *m, int option)
{
	char *equals;

	switch (option) {
	case 'b':
		m->address = optarg;
		break;
	case 'e':
		m->exec = optarg;
		break;
	case 'r':
		m->root = optarg;
		break;
	case 'l':
		m->log = fopen(optarg, "ae");
		check(m->log ? 0 : -errno, optarg);
		break;
	case 's':
		equals = strchr(optarg, '=');
		if (equals) {
			*equals = '\0';
			if (set_value(m, optarg, equals + 1))
				break;
		}
		fprintf(stderr, "fake-systemd1: --set %s: no such key\n", optarg);
		exit(2);
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

static void manager_done(struct manager *m)
{
	while (m->jobs)
		job_free(m->jobs);
	while (m->units) {
		struct unit *unit = m->units;

		m->units = unit->next;
		if (unit->pid && m->exec)
			(void)kill(-(pid_t)unit->pid, SIGTERM);
		strv_done(&unit->drop_ins);
		free(unit->name);
		free(unit->path);
		free(unit->load);
		free(unit->active);
		free(unit->sub);
		free(unit->file);
		free(unit);
	}
	while (m->counts) {
		struct count *count = m->counts;

		m->counts = count->next;
		free(count->method);
		free(count);
	}
	free(m->result);
	free(m->subscriber);
	if (m->log)
		fclose(m->log);
	sd_event_source_unref(m->reexecute);
	/* A call that waits for its reply would keep the bus, and the bus the event loop. */
	(void)sd_bus_detach_event(m->bus);
	sd_bus_flush_close_unref(m->bus);
	sd_event_unref(m->event);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bus", required_argument, NULL, 'b' },
		{ "set", required_argument, NULL, 's' },
		{ "exec-on-start", required_argument, NULL, 'e' },
		{ "root", required_argument, NULL, 'r' },
		{ "log", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct manager m = { .result = xstrdup("done"), .last_pid = 1000 };
	sigset_t signals;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		parse_option(&m, option);
	if (!m.address) {
		usage(stderr);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	check(sd_event_new(&m.event), "event loop");
	check(sd_event_add_signal(m.event, NULL, SIGTERM, NULL, NULL), "signal");
	check(sd_event_add_signal(m.event, NULL, SIGINT, NULL, NULL), "signal");
	check(sd_event_add_defer(m.event, &m.reexecute, reexecute, &m), "re-execution");
	check(sd_event_source_set_enabled(m.reexecute, SD_EVENT_OFF), "re-execution");
	for (int i = optind; i < argc; i++)
		unit_get(&m, argv[i], true);

	attach(&m);
	check(sd_event_loop(m.event), "event loop");
	manager_done(&m);
	return 0;
}
