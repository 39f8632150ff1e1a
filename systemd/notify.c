/* What PID 1 is told about us, and what it hands us: sd_notify and passed descriptors (notify.h).
 */
#include "systemd/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/alloc.h"
#include "common/macros.h"

/* The text as one line without control characters: a newline would start another assignment. */
static char *one_line(const char *text)
{
	char *line = xstrdup(text);
	char *to = line;

	for (const char *from = line; *from; from++)
		if ((unsigned char)*from >= ' ' && *from != 0x7f)
			*to++ = *from;
	*to = '\0';
	return line;
}

void notify_ready(const char *status)
{
	_cleanup_free_ char *line = one_line(status);

	/* Nobody could be told if telling PID 1 fails. So for all of these. */
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", line);
}

void notify_status(const char *status)
{
	_cleanup_free_ char *line = one_line(status);

	(void)sd_notifyf(0, "STATUS=%s", line);
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void notify_reloading(void)
{
	struct timespec now;

	/* PID 1 compares this with its own clock, which is the kernel's. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
			 (unsigned long long)now.tv_sec * 1000000 +
			     (unsigned long long)now.tv_nsec / 1000);
}

void notify_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_interval_ns(void)
{
	uint64_t us;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return 0;
	return us * 1000 / 2;
}

int notify_listen_fd(const char *name)
{
	char **names = NULL;
	int fd = -1;
	int n;

	n = sd_listen_fds_with_names(0, &names);
	for (int i = 0; i < n; i++) {
		if (fd < 0 && strcmp(names[i], name) == 0)
			fd = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return fd;
}

void notify_keep_fd(const char *name, int fd)
{
	_cleanup_free_ char *message = xasprintf("FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);

	/* An older one of that name would come back beside it, and before it. */
	(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	(void)sd_pid_notify_with_fds(0, 0, message, &fd, 1);
}
