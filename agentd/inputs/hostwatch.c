/* Watches the host's addresses (netlink), its name (/proc/sys/kernel/hostname) and its clock (a
 * timer that is cancelled when somebody sets it); see hostwatch.h. */
#include "agentd/inputs/hostwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/log.h"

LOG_SCOPE("hostwatch");

#define SETTLE_NS	(NSEC_PER_SEC / 2)
#define SETTLE_SLACK_NS (NSEC_PER_SEC / 2)

enum { NEVER_S = 1L << 40, MESSAGES_SIZE = 16 * 1024 };

enum watched { ADDRESSES, NAME, CLOCK, _WATCHED_MAX };

struct hostwatch {
	struct loop *loop;
	struct hostwatch_hooks hooks;
	int fds[_WATCHED_MAX];
	struct loop_io *ios[_WATCHED_MAX];
	int name_fd; /* behind the epoll descriptor of NAME */
	struct loop_timer *settle;
};

static void stop_watching(struct hostwatch *watch, enum watched what)
{
	watch->ios[what] = loop_io_free(watch->ios[what]);
	if (watch->fds[what] >= 0)
		(void)close(watch->fds[what]);
	watch->fds[what] = -1;
}

/* Addresses. */

static bool is_global_change(const struct nlmsghdr *header)
{
	const struct ifaddrmsg *message = NLMSG_DATA(header);

	if (header->nlmsg_type != RTM_NEWADDR && header->nlmsg_type != RTM_DELADDR)
		return false;
	return header->nlmsg_len >= NLMSG_LENGTH(sizeof(*message)) &&
	       message->ifa_scope == RT_SCOPE_UNIVERSE;
}

static void addresses_readable(int fd, unsigned events, void *userdata)
{
	struct hostwatch *watch = userdata;
	_cleanup_free_ char *buffer = xmalloc(MESSAGES_SIZE);
	bool changed = false;
	ssize_t n;

	(void)events;
	while ((n = recv(fd, buffer, MESSAGES_SIZE, MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *header = (const void *)buffer;
		size_t left = (size_t)n;

		for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left))
			changed |= is_global_change(header);
	}
	/* Messages were lost: whatever they said. */
	if (n < 0 && errno == ENOBUFS)
		changed = true;
	if (changed && !loop_timer_armed(watch->settle))
		loop_timer_arm(watch->settle, SETTLE_NS, SETTLE_SLACK_NS);
}

static void addresses_settled(void *userdata)
{
	struct hostwatch *watch = userdata;

	watch->hooks.addresses(watch->hooks.userdata);
}

static int open_addresses(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The name. */

static void name_changed(int fd, unsigned events, void *userdata)
{
	struct hostwatch *watch = userdata;
	struct epoll_event event;
	char text[256];

	(void)events;
	(void)epoll_wait(fd, &event, 1, 0);
	/* Reading it is what tells the kernel that this change was seen. */
	if (pread(watch->name_fd, text, sizeof(text), 0) < 0) {
		stop_watching(watch, NAME);
		return;
	}
	watch->hooks.name(watch->hooks.userdata);
}

/* The kernel always calls the file readable, and tells a change as an error: only an epoll
 * descriptor of its own, which waits for nothing else, is quiet in between. */
static int open_name(struct hostwatch *watch)
{
	struct epoll_event event = { .events = EPOLLPRI };
	char text[256];
	int fd;

	watch->name_fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (watch->name_fd < 0 || pread(watch->name_fd, text, sizeof(text), 0) < 0)
		return -1;
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, watch->name_fd, &event) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The clock. */

static int clock_arm(int fd)
{
	struct itimerspec never = { .it_value.tv_sec = NEVER_S };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void clock_set(int fd, unsigned events, void *userdata)
{
	struct hostwatch *watch = userdata;
	uint64_t expirations;

	(void)events;
	if (read(fd, &expirations, sizeof(expirations)) >= 0) {
		/* It rang, which it never should: it would again. */
		stop_watching(watch, CLOCK);
		return;
	}
	if (errno != ECANCELED)
		return;
	if (clock_arm(fd) < 0)
		stop_watching(watch, CLOCK);
	watch->hooks.clock(watch->hooks.userdata);
}

static int open_clock(void)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && clock_arm(fd) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

struct hostwatch *hostwatch_new(struct loop *loop, const struct hostwatch_hooks *hooks)
{
	static const struct {
		const char *name;
		loop_io_fn fn;
	} parts[] = {
		[ADDRESSES] = { "addresses", addresses_readable },
		[NAME] = { "name", name_changed },
		[CLOCK] = { "clock", clock_set },
	};
	struct hostwatch *watch = NEW(struct hostwatch);

	watch->loop = loop;
	watch->hooks = *hooks;
	watch->name_fd = -1;
	watch->settle = loop_timer_new(loop, addresses_settled, watch);
	watch->fds[ADDRESSES] = open_addresses();
	watch->fds[NAME] = open_name(watch);
	watch->fds[CLOCK] = open_clock();
	for (size_t i = 0; i < _WATCHED_MAX; i++) {
		if (watch->fds[i] < 0) {
			log_warning("the host's %s cannot be watched", parts[i].name);
			continue;
		}
		watch->ios[i] = loop_io_new(loop, watch->fds[i], parts[i].fn, watch);
		loop_io_want(watch->ios[i], LOOP_READ);
	}
	return watch;
}

struct hostwatch *hostwatch_free(struct hostwatch *watch)
{
	if (!watch)
		return NULL;
	for (enum watched what = 0; what < _WATCHED_MAX; what++)
		stop_watching(watch, what);
	if (watch->name_fd >= 0)
		(void)close(watch->name_fd);
	loop_timer_free(watch->settle);
	free(watch);
	return NULL;
}
