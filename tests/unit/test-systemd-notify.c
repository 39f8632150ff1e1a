/* Tests of systemd/notify: the exact messages to PID 1, and descriptors from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/macros.h"
#include "systemd/notify.h"
#include "tests/unit/test-systemd.h"

static char directory[64], path[96];
static int pid1;

static void setup(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(directory, sizeof(directory), "/tmp/test-notify-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/notify", directory);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	pid1 = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(pid1, 0);
	ck_assert_int_eq(bind(pid1, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
}

static void teardown(void)
{
	(void)close(pid1);
	(void)unlink(path);
	(void)rmdir(directory);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

/* The next message that PID 1 gets, and the descriptor with it (-1 = none). */
static const char *message(int *ret_fd)
{
	static char text[512];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(pid1, &m, MSG_CMSG_CLOEXEC);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	*ret_fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return text;
}

static void assert_message(const char *expected)
{
	int fd;

	ck_assert_str_eq(message(&fd), expected);
	ck_assert_int_eq(fd, -1);
}

START_TEST(test_messages_are_those_that_systemd_knows)
{
	notify_ready("worker: ready");
	assert_message("READY=1\nSTATUS=worker: ready");
	notify_status("joining");
	assert_message("STATUS=joining");
	notify_watchdog();
	assert_message("WATCHDOG=1");
	notify_stopping();
	assert_message("STOPPING=1");
}
END_TEST

START_TEST(test_a_status_cannot_smuggle_assignments)
{
	notify_status("a\nMAINPID=1\r\x1b[31m\x7f"
		      "b");
	assert_message("STATUS=aMAINPID=1[31mb");
	notify_ready("x\nWATCHDOG_USEC=1");
	assert_message("READY=1\nSTATUS=xWATCHDOG_USEC=1");
}
END_TEST

START_TEST(test_reloading_says_when_it_began)
{
	unsigned long long us;
	int fd;

	notify_reloading();
	ck_assert_int_eq(sscanf(message(&fd), "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
	ck_assert_uint_gt(us, 0);
}
END_TEST

START_TEST(test_nothing_happens_without_a_socket)
{
	char byte;

	(void)unsetenv("NOTIFY_SOCKET");
	notify_ready("x");
	notify_watchdog();
	notify_keep_fd("varlink", pid1);
	ck_assert_int_lt(recv(pid1, &byte, 1, 0), 0);
	ck_assert_uint_eq(notify_watchdog_interval_ns(), 0);
	ck_assert_int_eq(notify_listen_fd("varlink"), -1);
}
END_TEST

START_TEST(test_the_watchdog_is_fed_at_half_its_time)
{
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "60000000", 1), 0);
	ck_assert_uint_eq(notify_watchdog_interval_ns(), 30 * NSEC_PER_SEC);
	ck_assert_int_eq(setenv("WATCHDOG_PID", "1", 1), 0); /* meant for another process */
	ck_assert_uint_eq(notify_watchdog_interval_ns(), 0);
}
END_TEST

START_TEST(test_a_descriptor_is_left_with_systemd_under_its_name)
{
	int fd, pipes[2];
	char byte;

	ck_assert_int_eq(pipe(pipes), 0);
	notify_keep_fd("varlink", pipes[1]);
	assert_message("FDSTOREREMOVE=1\nFDNAME=varlink");
	ck_assert_str_eq(message(&fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=varlink");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
	(void)close(fd);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}
END_TEST

START_TEST(test_descriptors_are_found_by_name)
{
	_cleanup_free_ char *pid = xasprintf("%d", (int)getpid());
	int saved[2];

	/* Descriptors 3 and 4 are systemd's by convention; here somebody else may have them. */
	saved[0] = dup(3);
	saved[1] = dup(4);
	ck_assert_int_eq(dup2(pid1, 3), 3);
	ck_assert_int_eq(dup2(pid1, 4), 4);
	ck_assert_int_eq(setenv("LISTEN_PID", pid, 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDS", "2", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDNAMES", "other:varlink", 1), 0);
	ck_assert_int_eq(notify_listen_fd("varlink"), 4);
	ck_assert_int_eq(notify_listen_fd("other"), 3);
	ck_assert_int_eq(notify_listen_fd("none"), -1);
	for (int i = 0; i < 2; i++) {
		(void)close(3 + i);
		if (saved[i] >= 0) {
			(void)dup2(saved[i], 3 + i);
			(void)close(saved[i]);
		}
	}
}
END_TEST

TCase *systemd_notify_cases(void)
{
	TCase *cases = tcase_create("notify");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_messages_are_those_that_systemd_knows);
	tcase_add_test(cases, test_a_status_cannot_smuggle_assignments);
	tcase_add_test(cases, test_reloading_says_when_it_began);
	tcase_add_test(cases, test_nothing_happens_without_a_socket);
	tcase_add_test(cases, test_the_watchdog_is_fed_at_half_its_time);
	tcase_add_test(cases, test_a_descriptor_is_left_with_systemd_under_its_name);
	tcase_add_test(cases, test_descriptors_are_found_by_name);
	return cases;
}
