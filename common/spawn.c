/* A child process as an op; see spawn.h. Its end comes by a pidfd, so that no handler of SIGCHLD is
 * needed; its output comes by a pipe. */
#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"

enum {
	OUTPUT_MAX = 64 * 1024,
	/* How long we wait for a killed child to be gone. It takes longer only while the child
	 * hangs in the kernel; then init gets it when we end. */
	REAP_MS = 100,
};

struct child {
	struct spawn_result result;
	struct op *op;
	char *name; /* argv[0], for messages */
	pid_t pid;  /* also its process group; 0 when it has been reaped */
	int pidfd, output_fd;
	struct loop_io *exit_io, *output_io;
	struct loop_timer *timer;
	unsigned timeout_ms;
	struct buf output;
};

static void stop_watching(struct child *child)
{
	child->exit_io = loop_io_free(child->exit_io);
	child->output_io = loop_io_free(child->output_io);
	child->timer = loop_timer_free(child->timer);
}

/* Kills the child and what it has started, if it still runs. */
static void end_child(struct child *child)
{
	struct pollfd gone = { .fd = child->pidfd, .events = POLLIN };

	stop_watching(child);
	if (child->pid <= 0)
		return;
	(void)kill(-child->pid, SIGKILL);
	(void)kill(child->pid, SIGKILL);
	if (child->pidfd >= 0)
		(void)poll(&gone, 1, REAP_MS);
	(void)waitpid(child->pid, NULL, child->pidfd >= 0 ? WNOHANG : 0);
	child->pid = 0;
}

static void child_cancel(void *impl)
{
	end_child(impl);
}

static void child_free(void *impl)
{
	struct child *child = impl;

	end_child(child);
	if (child->pidfd >= 0)
		(void)close(child->pidfd);
	if (child->output_fd >= 0)
		(void)close(child->output_fd);
	buf_done(&child->output);
	free(child->name);
	free(child);
}

static const struct op_kind child_kind = {
	.name = "spawn",
	.cancel = child_cancel,
	.free = child_free,
};

static void read_output(struct child *child)
{
	char bytes[4096];
	ssize_t n;

	/* What is over the cap is read and dropped, so that the child never waits for us. */
	while ((n = read(child->output_fd, bytes, sizeof(bytes))) > 0)
		(void)buf_append(&child->output, bytes,
				 MIN((size_t)n, child->output.cap - child->output.length));
	if (n == 0)
		child->output_io = loop_io_free(child->output_io);
}

static void output_ready(int fd, unsigned events, void *userdata)
{
	read_output(userdata);
}

static void conclude(struct child *child, int status)
{
	struct error err = ERROR_INIT;
	int line = (int)MIN(strcspn(child->output.data, "\r\n"), (size_t)200);

	child->result = (struct spawn_result){ .status = status, .output = child->output.data };
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		op_complete(child->op, NULL);
		return;
	}
	/* A kill comes from outside, such as for want of memory, and may not come again. */
	if (WIFSIGNALED(status))
		(void)error_set(&err, ERROR_PENDING, -EINTR, "%s was killed by signal %d (%s)",
				child->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)error_set(&err, ERROR_CONFIG, -EIO, "%s ended with status %d%s%.*s",
				child->name, WEXITSTATUS(status), line > 0 ? ": " : "", line,
				child->output.data);
	op_fail(child->op, &err);
}

static void exited(int fd, unsigned events, void *userdata)
{
	struct child *child = userdata;
	int status = 0;

	if (waitpid(child->pid, &status, WNOHANG) != child->pid)
		return;
	child->pid = 0;
	/* Not to its end: a grandchild may hold the pipe open. */
	read_output(child);
	stop_watching(child);
	conclude(child, status);
}

static void timed_out(void *userdata)
{
	struct child *child = userdata;
	struct error err = ERROR_INIT;

	end_child(child);
	(void)error_set(&err, ERROR_PENDING, -ETIMEDOUT, "%s did not end within %u.%u s",
			child->name, child->timeout_ms / 1000, child->timeout_ms % 1000 / 100);
	op_fail(child->op, &err);
}

/* Starts argv with output as its standard output and no other descriptor of ours but the standard
 * error. Returns 0 or a negative errno. */
static int start(struct child *child, const char *const *argv, int output)
{
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C",
		NULL,
	};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setpgroup(&attributes, 0);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							POSIX_SPAWN_SETPGROUP);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	(void)posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	r = posix_spawn(&child->pid, argv[0], &actions, &attributes, (char *const *)argv,
			(char *const *)environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	if (r != 0)
		child->pid = 0;
	return -r;
}

static int child_start(struct child *child, const char *const *argv)
{
	_cleanup_close_ int output = -1;
	int pipe_fds[2];
	int r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	child->output_fd = pipe_fds[0];
	output = pipe_fds[1];
	(void)fcntl(child->output_fd, F_SETFL, O_NONBLOCK);
	r = start(child, argv, output);
	if (r < 0)
		return r;
	child->pidfd = pidfd_open(child->pid, 0);
	return child->pidfd < 0 ? -errno : 0;
}

struct op *spawn_run(struct loop *loop, const char *const *argv, unsigned timeout_ms,
		     struct error *err)
{
	struct child *child = NEW(struct child);
	int r;

	child->name = xstrdup(argv[0]);
	child->pidfd = child->output_fd = -1;
	child->timeout_ms = timeout_ms;
	child->output = BUF_INIT(OUTPUT_MAX);
	r = child_start(child, argv);
	if (r < 0) {
		(void)error_errno(err, error_class_of_errno(r), r, "cannot run %s", argv[0]);
		child_free(child);
		return NULL;
	}
	child->op = op_new(loop, &child_kind, child);
	child->exit_io = loop_io_new(loop, child->pidfd, exited, child);
	loop_io_want(child->exit_io, LOOP_READ);
	child->output_io = loop_io_new(loop, child->output_fd, output_ready, child);
	loop_io_want(child->output_io, LOOP_READ);
	child->timer = loop_timer_new(loop, timed_out, child);
	loop_timer_arm(child->timer, timeout_ms * NSEC_PER_MSEC, timeout_ms * NSEC_PER_MSEC / 8);
	return child->op;
}

const struct spawn_result *spawn_result(const struct op *op)
{
	assert(op_kind_of(op) == &child_kind);
	return &((const struct child *)op_impl(op))->result;
}
