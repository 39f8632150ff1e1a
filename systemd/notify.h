/* sd_notify: what PID 1 is told about us. Nothing happens without NOTIFY_SOCKET. */
#pragma once

#include <stdint.h>

void notify_ready(const char *status);
void notify_status(const char *status); /* one line; control characters are dropped */
void notify_stopping(void);
/* RELOADING=1 with the monotonic time; notify_ready() ends it. */
void notify_reloading(void);
void notify_watchdog(void);
/* How often notify_watchdog() is wanted, in nanoseconds (half of WatchdogSec); 0 = never. */
uint64_t notify_watchdog_interval_ns(void);
/* Descriptors that PID 1 hands us, by name: of socket activation, or kept from before a restart by
 * notify_keep_fd(). -1 if there is none. They are close-on-exec and the caller's. */
int notify_listen_fd(const char *name);
/* Leaves a copy of a descriptor with PID 1, in place of an older one of that name. It comes back at
 * the next start of a restart (so that a listening socket queues clients meanwhile) and is closed
 * when the service is stopped. */
void notify_keep_fd(const char *name, int fd);
