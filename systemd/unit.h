/* Units of PID 1: what they are (a cache kept by signals) and what to do with them (ops).
 * A start, stop or restart is over when its JobRemoved arrives; "done" says nothing about health.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/strv.h"
#include "systemd/bus.h"

struct unit_state {
	bool known; /* false: not read yet, or the bus is away; all else is then meaningless */
	char load_state[24];   /* "loaded", "not-found", "masked" */
	char active_state[24]; /* "active", "activating", "inactive", "failed" */
	char sub_state[24];
	char unit_file_state[24]; /* "enabled", "disabled", "static", "masked" */
	bool need_daemon_reload;
	uint32_t main_pid;
	uint32_t restarts;	  /* NRestarts */
	int32_t exit_status;	  /* ExecMainStatus */
	uint64_t active_enter_us; /* realtime stamp of the last start of the main process */
	struct strv drop_in_paths;
};

struct units;
typedef void (*units_changed_fn)(const char *unit, void *userdata);

/* The cache of the named units. changed is called from the loop when one differs. */
struct units *units_new(struct loop *loop, struct bus *bus, units_changed_fn changed,
			void *userdata);
struct units *units_free(struct units *units);
DEFINE_CLEANUP(struct units, units_free)
void units_watch(struct units *units, const char *unit);
/* Reads all of them again. */
void units_refresh(struct units *units);
/* Never NULL for a watched unit; borrowed until the next round of the loop. */
const struct unit_state *units_get(const struct units *units, const char *unit);

/* Jobs. Errors are ERROR_BUS; a unit that does not exist is -ENOENT with ERROR_CONFIG, a masked one
 * -ESHUTDOWN with ERROR_CONFIG, a failed job -EIO. */
struct op *unit_start(struct bus *bus, const char *unit);
struct op *unit_stop(struct bus *bus, const char *unit);
struct op *unit_restart(struct bus *bus, const char *unit);
/* EnableUnitFiles; unmasks nothing. */
struct op *unit_enable(struct bus *bus, const char *unit);
/* DisableUnitFiles and MaskUnitFiles; the unit goes on running. */
struct op *unit_disable(struct bus *bus, const char *unit);
struct op *unit_mask(struct bus *bus, const char *unit);
/* UnmaskUnitFiles: removes the link to /dev/null in /etc/systemd/system, or (for_boot) in
 * /run/systemd/system. No error where there is none. The unit is masked until a daemon-reload. */
struct op *unit_unmask(struct bus *bus, const char *unit, bool for_boot);
/* daemon-reload of PID 1; several at once are one. */
struct op *unit_daemon_reload(struct bus *bus);
