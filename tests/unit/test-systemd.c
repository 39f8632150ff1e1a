/* Tests of systemd/: the world they run in, and main. */
#include "tests/unit/test-systemd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "systemd/bus-internal.h"

#define FAKE_CALL world.control, "org.freedesktop.systemd1", "/io/agentd/fake", "io.agentd.Fake"

struct world world;

static void on_guard(void *userdata)
{
	ck_abort_msg("what the test waits for has not happened within 10 s");
}

static void after_batch(void *userdata)
{
	if (world.bus)
		bus_flush(world.bus);
}

static void on_tick(void *userdata)
{
}

/* Wakes up every few milliseconds, since a condition may be about the fake and not about us. */
void world_round(void)
{
	loop_timer_arm(world.tick, 2 * NSEC_PER_MSEC, 0);
	loop_once(world.loop, true);
}

/* Starts a program and waits until it has printed a line. */
static pid_t start(const char *const *argv)
{
	int pipes[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(pipes[1], STDOUT_FILENO);
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		(void)execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	(void)close(pipes[1]);
	do
		ck_assert_msg(read(pipes[0], &c, 1) == 1, "%s did not start", argv[0]);
	while (c != '\n');
	/* The reading end stays open: the program may print more. */
	return pid;
}

static void stop(pid_t *pid)
{
	if (*pid == 0)
		return;
	(void)kill(*pid, SIGTERM);
	(void)waitpid(*pid, NULL, 0);
	*pid = 0;
}

void world_start_daemon(void)
{
	_cleanup_free_ char *config = xasprintf("--config-file=%s/bus.conf", world.directory);
	_cleanup_free_ char *path = xasprintf("%s/bus.conf", world.directory);
	const char *const argv[] = { "dbus-daemon", config, "--nofork", "--print-address", NULL };
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"<busconfig><type>custom</type><listen>%s</listen><auth>EXTERNAL</auth>"
		"<policy context='default'><allow user='*'/><allow own='*'/>"
		"<allow send_destination='*'/><allow receive_sender='*'/></policy></busconfig>\n",
		world.address);
	ck_assert_int_eq(fclose(file), 0);
	world.daemon = start(argv);
}

void world_stop_daemon(void)
{
	world.control = sd_bus_close_unref(world.control);
	stop(&world.daemon);
	/* The fake ends with its connection. */
	stop(&world.systemd);
}

void world_start_systemd(void)
{
	const char *const argv[] = { FAKE_SYSTEMD, "--bus", world.address, KUBELET, NULL };

	world.systemd = start(argv);
	if (world.control)
		return;
	ck_assert_int_ge(sd_bus_new(&world.control), 0);
	ck_assert_int_ge(sd_bus_set_address(world.control, world.address), 0);
	ck_assert_int_ge(sd_bus_set_bus_client(world.control, 1), 0);
	ck_assert_int_ge(sd_bus_start(world.control), 0);
}

void world_stop_systemd(void)
{
	stop(&world.systemd);
}

void world_connect(void)
{
	if (!world.bus)
		world.bus = bus_new(world.loop, world.address);
	WAIT_UNTIL(bus_is_up(world.bus));
}

void world_setup_bare(void)
{
	world = (struct world){ .directory = "/tmp/test-systemd-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(world.directory));
	world.address = xasprintf("unix:path=%s/bus", world.directory);
	world.loop = loop_new(clock_system());
	loop_set_after_batch(world.loop, after_batch, NULL);
	world.guard = loop_timer_new(world.loop, on_guard, NULL);
	loop_timer_arm(world.guard, 10 * NSEC_PER_SEC, 0);
	world.tick = loop_timer_new(world.loop, on_tick, NULL);
}

void world_setup(void)
{
	world_setup_bare();
	world_start_daemon();
	world_start_systemd();
	world_connect();
}

void world_teardown(void)
{
	_cleanup_free_ char *config = xasprintf("%s/bus.conf", world.directory);
	_cleanup_free_ char *socket = xasprintf("%s/bus", world.directory);

	world.bus = bus_free(world.bus);
	world_stop_daemon();
	loop_timer_free(world.guard);
	loop_timer_free(world.tick);
	loop_free(world.loop);
	free(world.address);
	(void)unlink(config);
	(void)unlink(socket);
	(void)rmdir(world.directory);
}

static void assert_reply(int r, sd_bus_error *error)
{
	ck_assert_msg(r >= 0, "the fake says: %s", error->message ? error->message : strerror(-r));
	sd_bus_error_free(error);
}

void fake_set(const char *key, const char *value)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	assert_reply(sd_bus_call_method(FAKE_CALL, "Set", &error, NULL, "ss", key, value), &error);
}

void fake_set_unit(const char *unit, const char *key, const char *value)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	assert_reply(
	    sd_bus_call_method(FAKE_CALL, "SetUnit", &error, NULL, "sss", unit, key, value),
	    &error);
}

void fake_do(const char *method)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	assert_reply(sd_bus_call_method(FAKE_CALL, method, &error, NULL, ""), &error);
}

/* The unique name of the fake; "" while it is away. */
static char *owner(void)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *reply = NULL;
	const char *name = "";
	int r;

	r = sd_bus_call_method(world.control, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "GetNameOwner", NULL, &reply, "s",
			       BUS_SYSTEMD);
	if (r >= 0)
		ck_assert_int_ge(sd_bus_message_read(reply, "s", &name), 0);
	return xstrdup(name);
}

void fake_reexecute(void)
{
	_cleanup_free_ char *before = owner();
	char *now = NULL;

	fake_do("Reexecute");
	do {
		free(now);
		now = owner();
	} while (*now == '\0' || strcmp(now, before) == 0);
	free(now);
}

unsigned fake_count(const char *method)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	uint32_t n;

	assert_reply(sd_bus_call_method(FAKE_CALL, "Count", &error, &reply, "s", method), &error);
	ck_assert_int_ge(sd_bus_message_read(reply, "u", &n), 0);
	return n;
}

char *fake_subscriber(void)
{
	_cleanup_(sd_bus_message_unref) sd_bus_message *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *name;

	assert_reply(sd_bus_call_method(FAKE_CALL, "Subscriber", &error, &reply, ""), &error);
	ck_assert_int_ge(sd_bus_message_read(reply, "s", &name), 0);
	return xstrdup(name);
}

void assert_op_succeeds(struct op *op)
{
	WAIT_UNTIL(op_is_done(op));
	ck_assert_msg(!op_error(op), "the op failed: %s",
		      op_error(op) ? op_error(op)->message : "");
}

void assert_op_fails(struct op *op, enum error_class class, int code, const char *text)
{
	const struct error *error;

	WAIT_UNTIL(op_is_done(op));
	error = op_error(op);
	ck_assert_msg(error != NULL, "the op succeeded");
	ck_assert_msg(error->code == code && error->class == class, "%s: %s (%s)",
		      strerrorname_np(-error->code), error->message,
		      error_class_name(error->class));
	ck_assert_msg(strstr(error->message, text) != NULL, "no \"%s\" in: %s", text,
		      error->message);
}

int main(void)
{
	Suite *suite = suite_create("systemd");
	SRunner *runner;
	int failed;

	/* Writing to a bus that has gone must not end the test. */
	(void)signal(SIGPIPE, SIG_IGN);
	suite_add_tcase(suite, systemd_bus_cases());
	suite_add_tcase(suite, systemd_bare_bus_cases());
	suite_add_tcase(suite, systemd_job_cases());
	suite_add_tcase(suite, systemd_unit_cases());
	suite_add_tcase(suite, systemd_unread_unit_cases());
	suite_add_tcase(suite, systemd_notify_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
