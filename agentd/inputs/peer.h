/* Who is at the other end of a Unix socket, by what the kernel says and nothing else. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct peer {
	uid_t uid;
	pid_t pid;
	bool is_root;	/* uid 0, and no process of a pod */
	bool is_member; /* of the group, by its own or a supplementary gid; and of no pod */
};

/* How many pods this process is in itself: 0 on a host. */
unsigned peer_own_pods(void);
/* How many pods a cgroup's path leads into. */
unsigned peer_pods_of_path(const char *path);
/* Fails closed: what cannot be found out is an error. own_pods is peer_own_pods(). */
int peer_read(int fd, gid_t group, unsigned own_pods, struct peer *ret, struct error *err);
