/* A child process as an op; see spawn.h. Its end comes by a pidfd, its output by a pipe. */
#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"

enum { OUTPUT_MAX = 64 * 1024 };

struct child {
	struct spawn_result result; /* first: what op_impl() shows */
	struct op *op;
	const char *name; /* argv[0], for messages */
	char *name_copy;
	pid_t pid; /* 0 once it has been reaped */
	int pidfd, output_fd;
	struct loop_io *exit_io, *output_io;
	struct loop_timer *timer;
	struct buf output;
	bool timed_out;
};

static void stop_watching(struct child *child)
{
	child->exit_io = loop_io_free(child->exit_io);
	child->output_io = loop_io_free(child->output_io);
	child->timer = loop_timer_free(child->timer);
}

static void child_cancel(void *impl)
{
	stop_watching(impl);
}

static void child_free(void *impl)
{
	struct child *child = impl;

	stop_watching(child);
	if (child->pid > 0) {
		(void)kill(child->pid, SIGKILL);
		(void)waitpid(child->pid, NULL, 0);
	}
	if (child->pidfd >= 0)
		(void)close(child->pidfd);
	if (child->output_fd >= 0)
		(void)close(child->output_fd);
	buf_done(&child->output);
	free(child->name_copy);
	free(child);
}

static void read_output(struct child *child)
{
	char bytes[4096];
	ssize_t n;

	/* What is over the cap is read and dropped, so that the child never waits for us. */
	while ((n = read(child->output_fd, bytes, sizeof(bytes))) > 0)
		(void)buf_append(&child->output, bytes, (size_t)n);
	if (n == 0)
		child->output_io = loop_io_free(child->output_io);
}

static void output_ready(int fd, unsigned events, void *userdata)
{
	(void)fd;
	(void)events;
	read_output(userdata);
}

static void conclude(struct child *child, int status)
{
	struct error err = ERROR_INIT;

	child->result = (struct spawn_result){ .status = status, .output = child->output.data };
	stop_watching(child);
	if (child->timed_out)
		error_set(&err, ERROR_CONFIG, -ETIMEDOUT, "%s did not end in time", child->name);
	else if (WIFSIGNALED(status))
		error_set(&err, ERROR_CONFIG, -EIO, "%s was killed by signal %d", child->name,
			  WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		error_set(&err, ERROR_CONFIG, -EIO, "%s ended with status %d", child->name,
			  WEXITSTATUS(status));
	if (error_is_set(&err))
		op_fail(child->op, &err);
	else
		op_complete(child->op, NULL);
}

static void exited(int fd, unsigned events, void *userdata)
{
	struct child *child = userdata;
	int status = 0;

	(void)fd;
	(void)events;
	if (waitpid(child->pid, &status, WNOHANG) != child->pid)
		return;
	child->pid = 0;
	read_output(child);
	conclude(child, status);
}

static void timed_out(void *userdata)
{
	struct child *child = userdata;

	child->timed_out = true;
	(void)kill(child->pid, SIGKILL);
}

static int start(struct child *child, const char *const *argv, int output)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char language[] = "LANG=C";
	char *const environment[] = { path, language, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int r;

	(void)sigemptyset(&signals);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &signals);
	(void)sigfillset(&signals);
	(void)posix_spawnattr_setsigdefault(&attributes, &signals);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	r = posix_spawn(&child->pid, argv[0], &actions, &attributes, (char *const *)argv,
			environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return -r;
}

struct op *spawn_run(struct loop *loop, const char *const *argv, unsigned timeout_ms,
		     struct error *err)
{
	static const struct op_kind kind = { "spawn", child_cancel, child_free };
	struct child *child = NEW(struct child);
	int pipe_fds[2] = { -1, -1 };
	int r;

	child->name = child->name_copy = xstrdup(argv[0]);
	child->pidfd = child->output_fd = -1;
	child->output = BUF_INIT(OUTPUT_MAX);
	r = pipe2(pipe_fds, O_CLOEXEC) < 0 ? -errno : 0;
	child->output_fd = pipe_fds[0];
	if (r == 0)
		r = start(child, argv, pipe_fds[1]);
	if (pipe_fds[1] >= 0)
		(void)close(pipe_fds[1]);
	if (r < 0)
		child->pid = 0;
	if (r == 0) {
		child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
		r = child->pidfd < 0 ? -errno : 0;
	}
	if (r < 0) {
		error_errno(err, ERROR_CONFIG, r, "cannot run %s", argv[0]);
		child_free(child);
		return NULL;
	}
	(void)fcntl(child->output_fd, F_SETFL, O_NONBLOCK);
	child->op = op_new(loop, &kind, child);
	child->exit_io = loop_io_new(loop, child->pidfd, exited, child);
	loop_io_want(child->exit_io, LOOP_READ);
	child->output_io = loop_io_new(loop, child->output_fd, output_ready, child);
	loop_io_want(child->output_io, LOOP_READ);
	child->timer = loop_timer_new(loop, timed_out, child);
	loop_timer_arm(child->timer, timeout_ms * NSEC_PER_MSEC, 0);
	return child->op;
}

const struct spawn_result *spawn_result(const struct op *op)
{
	return &((const struct child *)op_impl(op))->result;
}
