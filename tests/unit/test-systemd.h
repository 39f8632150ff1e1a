/* The world that systemd/ is tested in: a bus daemon of our own and a fake systemd on it. */
#pragma once

#include <check.h>
#include <systemd/sd-bus.h>

#include "common/loop.h"
#include "common/op.h"
#include "systemd/bus.h"

#define KUBELET "kubelet.service"

struct world {
	struct loop *loop;
	struct bus *bus;
	char directory[64];
	char *address;	 /* of the bus daemon, running or not */
	sd_bus *control; /* our own, blocking connection for steering the fake */
	pid_t daemon, systemd;
	struct loop_timer *guard, *tick;
};
extern struct world world;

/* Fixtures: the bus and the fake run, and world.bus is connected and up. */
void world_setup(void);
void world_teardown(void);
/* The same without any process or connection. */
void world_setup_bare(void);

void world_start_daemon(void);
void world_stop_daemon(void); /* and everyone on it */
/* With kubelet.service loaded and inactive. */
void world_start_systemd(void);
void world_stop_systemd(void);
/* Makes world.bus and waits until PID 1 answers. */
void world_connect(void);

/* Steers the fake; see tests/fake/systemd1.c. */
void fake_set(const char *key, const char *value);
void fake_set_unit(const char *unit, const char *key, const char *value);
void fake_do(const char *method); /* Release */
void fake_reexecute(void);	  /* and waits until it is there again */
unsigned fake_count(const char *method);
char *fake_subscriber(void);

/* Runs the loop until a condition holds; fails the test after ten seconds. */
void world_round(void);
#define WAIT_UNTIL(condition)          \
	do {                           \
		while (!(condition))   \
			world_round(); \
	} while (0)

/* Waits for an op; it must have succeeded, or failed with this class and code. */
void assert_op_succeeds(struct op *op);
void assert_op_fails(struct op *op, enum error_class class, int code, const char *text);

TCase *systemd_bus_cases(void);
TCase *systemd_bare_bus_cases(void);
TCase *systemd_job_cases(void);
TCase *systemd_unit_cases(void);
TCase *systemd_unread_unit_cases(void);
TCase *systemd_notify_cases(void);
