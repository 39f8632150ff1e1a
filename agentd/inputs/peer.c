/* The other end of a Unix socket (peer.h): credentials and groups as they were when it connected,
 * and whether its process lives in a pod. */
#include "agentd/inputs/peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"
#include "common/file.h"

/* Linux 6.5; the headers of older C libraries do not have it. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* The kernel lets a process have no more groups. */
enum { GROUPS_MAX = 65536 };

static bool is_pods_root(const char *name, size_t length)
{
	return (length == 8 && memcmp(name, "kubepods", 8) == 0) ||
	       (length == 14 && memcmp(name, "kubepods.slice", 14) == 0);
}

unsigned peer_pods_of_path(const char *path)
{
	unsigned pods = 0;

	for (const char *name = path; *name;) {
		size_t length = strcspn(name, "/");

		if (is_pods_root(name, length))
			pods++;
		name += length;
		name += *name == '/';
	}
	return pods;
}

/* The most that any hierarchy of /proc/PID/cgroup says: lines of "ID:CONTROLLERS:PATH". */
static int read_pods(const char *file, unsigned *ret, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);
	unsigned most = 0;
	char *next, *path;
	int r;

	r = file_read(file, &text, err);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(err, ERROR_DENIED, -ESRCH, "%s is not there any more", file);

	for (char *line = text.data; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		path = strchr(line, ':');
		path = path ? strchr(path + 1, ':') : NULL;
		if (path)
			most = MAX(most, peer_pods_of_path(path + 1));
	}
	*ret = most;
	return 0;
}

unsigned peer_own_pods(void)
{
	struct error err = ERROR_INIT;
	unsigned pods = 0;

	/* Without cgroups there are no pods. */
	(void)read_pods("/proc/self/cgroup", &pods, &err);
	return pods;
}

/* A process that ended may have left its number to another one: only while it lives, what /proc
 * says about the number is about it. */
static int check_alive(int pidfd, struct error *err)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	int r;

	r = poll(&poll_fd, 1, 0);
	if (r < 0)
		return error_errno(err, ERROR_DENIED, -errno, "cannot ask for the process");
	if (r > 0)
		return error_set(err, ERROR_DENIED, -ESRCH, "the process has ended");
	return 0;
}

static int check_pods(int fd, pid_t pid, unsigned own_pods, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("/proc/%d/cgroup", (int)pid);
	_cleanup_close_ int pidfd = -1;
	socklen_t size = sizeof(pidfd);
	unsigned pods = 0;
	int r;

	if (pid <= 0)
		return error_set(err, ERROR_DENIED, -ESRCH,
				 "the process is outside of this PID namespace");
	/* An older kernel does not know it. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0 && errno != ENOPROTOOPT)
		return error_errno(err, ERROR_DENIED, -errno, "cannot get the process");

	r = read_pods(file, &pods, err);
	if (r < 0)
		return r;
	if (pods > own_pods)
		return error_set(err, ERROR_DENIED, -EPERM, "process %d is one of a pod", (int)pid);
	return pidfd >= 0 ? check_alive(pidfd, err) : 0;
}

static int find_group(int fd, gid_t group, bool *ret, struct error *err)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t size = 64 * sizeof(gid_t);
	bool found = false;

	for (;;) {
		groups = xreallocarray(groups, size, 1);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
			break;
		/* The kernel has set the size that it takes. */
		if (errno != ERANGE || size > GROUPS_MAX * sizeof(gid_t))
			return error_errno(err, ERROR_DENIED, -errno, "cannot get the groups");
	}
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		found = found || groups[i] == group;
	*ret = found;
	return 0;
}

int peer_read(int fd, gid_t group, unsigned own_pods, struct peer *ret, struct error *err)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	struct peer peer = { 0 };
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return error_errno(err, ERROR_DENIED, -errno, "cannot get the credentials");
	peer.uid = credentials.uid;
	peer.pid = credentials.pid;
	peer.is_root = credentials.uid == 0;
	peer.is_member = credentials.gid == group;

	if (!peer.is_member) {
		r = find_group(fd, group, &peer.is_member, err);
		if (r < 0)
			return r;
	}
	if (peer.is_root || peer.is_member) {
		r = check_pods(fd, credentials.pid, own_pods, err);
		if (r < 0)
			return r;
	}
	*ret = peer;
	return 0;
}
