/* The control socket (control.h): listens, takes the peer's credentials, counts connections, and
 * hands calls to the methods (methods.c). */
#include "agentd/inputs/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agentd/inputs/peer.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/varlink.h"
#include "systemd/notify.h"

LOG_SCOPE("control");

#define DIRECTORY	"/run/agentd"
#define FD_NAME		"varlink"
#define STREAM_PAUSE_NS (100 * NSEC_PER_MSEC)
#define STREAM_SLACK_NS (20 * NSEC_PER_MSEC)
#define ACCEPT_PAUSE_NS (500 * NSEC_PER_MSEC)
#define WARN_PAUSE_NS	(10 * NSEC_PER_SEC)

enum {
	CONNECTIONS_MAX = 1100,
	CONNECTIONS_FOR_ROOT = 76, /* of them */
	CONNECTIONS_PER_UID = 64,  /* of a uid other than 0 */
	ACCEPTS_PER_ROUND = 16,
	BACKLOG = 64,
	/* Who may not change anything has little to say. */
	READER_MESSAGE_MAX = 64 * 1024,
};

struct client {
	struct control *control;
	struct client *next, *previous;
	struct peer peer;
	bool allowed[2];
	struct varlink_connection *connection;
	struct methods_call *call;
};

struct control {
	struct loop *loop;
	struct methods_hooks hooks;
	gid_t group; /* -1 = there is none */
	unsigned own_pods;
	char *root, *path;
	dev_t device; /* of the file that leads to fd */
	ino_t inode;
	int fd;
	struct loop_io *io;
	int spare_fd; /* given up to turn a client away when there are no descriptors left */
	struct loop_timer *accept_timer;
	struct client clients; /* head of the ring */
	unsigned count;

	struct loop_timer *stream_timer;
	struct loop_deferred stream;
	uint64_t streamed_ns; /* when followers were told last */

	uint64_t warned_ns; /* when something refused was logged last */
	unsigned refused;   /* since then */
};

/* Logs what was refused, at most once in ten seconds: it is the client that says how often. */
static void warn_refused(struct control *control, const struct peer *peer, const char *reason)
{
	uint64_t now = clock_ns(loop_clock(control->loop));

	control->refused++;
	if (control->warned_ns != 0 && now < control->warned_ns + WARN_PAUSE_NS)
		return;
	if (control->refused > 1)
		log_warning("refused uid %u, process %d: %s (and %u times more before)", peer->uid,
			    (int)peer->pid, reason, control->refused - 1);
	else
		log_warning("refused uid %u, process %d: %s", peer->uid, (int)peer->pid, reason);
	control->warned_ns = now;
	control->refused = 0;
}

static struct client *client_free(struct client *client)
{
	client->next->previous = client->previous;
	client->previous->next = client->next;
	client->control->count--;
	methods_call_free(client->call);
	varlink_connection_free(client->connection);
	free(client);
	return NULL;
}

static void call_done(struct methods_call *call, void *userdata)
{
	struct client *client = userdata;

	client->call = methods_call_free(call);
}

/* Says in the journal who changes what, and who was not allowed to. */
static void log_call(const struct client *client, const char *method)
{
	const struct method *row = NULL;

	if (strncmp(method, METHODS_INTERFACE ".", strlen(METHODS_INTERFACE ".")) == 0)
		row = methods_find(method + strlen(METHODS_INTERFACE "."));
	if (!client->allowed[METHODS_READ])
		warn_refused(client->control, &client->peer, "not root, and not of the group");
	else if (row && !client->allowed[row->privilege])
		warn_refused(client->control, &client->peer, "only root may change something");
	else if (row && row->privilege == METHODS_CHANGE)
		log_info("%s by uid %u, process %d", row->name, client->peer.uid,
			 (int)client->peer.pid);
}

static void connection_call(struct varlink_connection *connection, const struct varlink_call *call,
			    void *userdata)
{
	struct client *client = userdata;

	log_call(client, call->method);
	client->call = methods_serve(&client->control->hooks, connection, call, client->allowed,
				     call_done, client);
}

static void connection_closed(struct varlink_connection *connection, const char *reason,
			      void *userdata)
{
	struct client *client = userdata;

	log_debug("process %d of uid %u: %s", (int)client->peer.pid, client->peer.uid, reason);
	client_free(client);
}

static const struct varlink_connection_hooks connection_hooks = {
	.call = connection_call,
	.closed = connection_closed,
};

static void add_client(struct control *control, int fd, const struct peer *peer)
{
	struct client *client = NEW(struct client);

	client->control = control;
	client->peer = *peer;
	client->allowed[METHODS_READ] = peer->is_root || peer->is_member;
	client->allowed[METHODS_CHANGE] = peer->is_root;
	client->next = &control->clients;
	client->previous = control->clients.previous;
	client->previous->next = client;
	control->clients.previous = client;
	control->count++;
	client->connection = varlink_connection_new(
	    control->loop, fd, peer->is_root ? VARLINK_MESSAGE_MAX : READER_MESSAGE_MAX,
	    &connection_hooks, client);
}

/* Answers without reading, and hangs up. Consumes the descriptor. */
static void turn_away(int fd)
{
	static const char reply[] = "{\"error\":\"" METHODS_INTERFACE ".Busy\"}";

	/* Who does not get it sees the end of the connection. */
	(void)!send(fd, reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static bool is_full_for(const struct control *control, const struct peer *peer)
{
	unsigned same = 0;

	if (peer->is_root)
		return control->count >= CONNECTIONS_MAX;
	for (const struct client *client = control->clients.next; client != &control->clients;
	     client = client->next)
		same += client->peer.uid == peer->uid;
	return same >= CONNECTIONS_PER_UID ||
	       control->count >= CONNECTIONS_MAX - CONNECTIONS_FOR_ROOT;
}

static void admit(struct control *control, int fd)
{
	struct error err = ERROR_INIT;
	struct peer peer = { .uid = (uid_t)-1 };
	int r;

	r = peer_read(fd, control->group, control->own_pods, &peer, &err);
	/* Without rights it is told so when it asks something. */
	if (r < 0)
		warn_refused(control, &peer, err.message);
	if (r == -EMFILE || r == -ENFILE) {
		turn_away(fd);
	} else if (is_full_for(control, &peer)) {
		warn_refused(control, &peer, "too many connections");
		turn_away(fd);
	} else {
		add_client(control, fd, &peer);
	}
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* There are no descriptors left. The spare one serves to turn away the first in the queue, which
 * would make the loop spin; then there is a pause. */
static void relieve(struct control *control)
{
	const struct peer nobody = { .uid = (uid_t)-1 };
	int fd;

	warn_refused(control, &nobody, "no file descriptors left");
	if (control->spare_fd >= 0) {
		(void)close(control->spare_fd);
		fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			turn_away(fd);
	}
	control->spare_fd = open_spare();
	loop_io_want(control->io, 0);
	loop_timer_arm(control->accept_timer, ACCEPT_PAUSE_NS, 0);
}

static void accept_again(void *userdata)
{
	struct control *control = userdata;

	if (control->spare_fd < 0)
		control->spare_fd = open_spare();
	loop_io_want(control->io, LOOP_READ);
}

static void accept_ready(int listen_fd, unsigned events, void *userdata)
{
	struct control *control = userdata;

	for (unsigned i = 0; i < ACCEPTS_PER_ROUND; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(control, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			relieve(control);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void send_changes(void *userdata)
{
	struct control *control = userdata;
	struct value *status = control->hooks.status(control->hooks.userdata);

	control->streamed_ns = clock_ns(loop_clock(control->loop));
	for (struct client *client = control->clients.next; client != &control->clients;
	     client = client->next)
		if (client->call && methods_call_is_stream(client->call))
			varlink_stream(client->connection, value_ref(status));
	value_unref(status);
}

static bool has_followers(const struct control *control)
{
	for (const struct client *client = control->clients.next; client != &control->clients;
	     client = client->next)
		if (client->call && methods_call_is_stream(client->call))
			return true;
	return false;
}

void control_changed(struct control *control)
{
	uint64_t now;

	if (control->stream.queued || loop_timer_armed(control->stream_timer) ||
	    !has_followers(control))
		return;
	now = clock_ns(loop_clock(control->loop));
	if (control->streamed_ns == 0 || now >= control->streamed_ns + STREAM_PAUSE_NS)
		loop_defer(control->loop, &control->stream);
	else
		loop_timer_arm_at(control->stream_timer, control->streamed_ns + STREAM_PAUSE_NS,
				  STREAM_SLACK_NS);
}

static int find_group(const char *name, gid_t *ret)
{
	struct group *group;
	uint64_t number;

	if (parse_u64(name, &number) == 0 && number < UINT32_MAX) {
		*ret = (gid_t)number;
		return 1;
	}
	group = getgrnam(name);
	if (!group)
		return 0;
	*ret = group->gr_gid;
	return 1;
}

/* Makes the directory ours: nobody else may put a socket there, or get to the one that is. */
static int prepare_directory(const char *path, gid_t group, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	r = file_make_directory(path, 0750, err);
	if (r < 0)
		return r;

	fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot open %s", path);
	if (st.st_uid != geteuid())
		return error_set(err, ERROR_CONFIG, -EPERM,
				 "%s belongs to uid %u: give it to root, or remove it", path,
				 st.st_uid);
	if (st.st_gid != group && fchown(fd, (uid_t)-1, group) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot change the group of %s",
				   path);
	if ((st.st_mode & 07777) != 0750 && fchmod(fd, 0750) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot change the mode of %s", path);
	return 0;
}

/* A socket file that is left over from another run is removed, one that is served is not. */
static int clear_path(const struct sockaddr_un *address, struct error *err)
{
	_cleanup_close_ int fd = -1;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, ERROR_STORAGE, -errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return error_set(err, ERROR_CONFIG, -EADDRINUSE, "another agentd serves %s",
				 address->sun_path);
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot remove %s",
				   address->sun_path);
	return 0;
}

static int bind_socket(int fd, const struct sockaddr_un *address, gid_t group, struct error *err)
{
	mode_t before;
	int r;

	/* So it never has another mode, not for a moment. */
	before = umask(0117);
	r = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	r = r < 0 ? -errno : 0;
	(void)umask(before);
	if (r < 0)
		return error_errno(err, error_class_of_errno(r), r, "cannot bind %s",
				   address->sun_path);
	if (lchown(address->sun_path, (uid_t)-1, group) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot change the group of %s",
				   address->sun_path);
	if (listen(fd, BACKLOG) < 0)
		return error_errno(err, ERROR_CONFIG, -errno, "cannot listen on %s",
				   address->sun_path);
	return 0;
}

static int make_socket(const struct sockaddr_un *address, gid_t group, struct error *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = clear_path(address, err);
	if (r < 0)
		return r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, ERROR_STORAGE, -errno, "cannot make a socket");

	r = bind_socket(fd, address, group, err);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

/* The descriptor of PID 1, if it is a listening socket whose file is still there. */
static int passed_socket(const char *path)
{
	_cleanup_close_ int fd = notify_listen_fd(FD_NAME);
	socklen_t size = sizeof(int);
	int listens = 0;
	struct stat st;

	if (fd < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens ||
	    lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		log_warning("the descriptor \"%s\" of PID 1 does not serve %s: left alone", FD_NAME,
			    path);
		return -1;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* Returns the listening descriptor of a new socket, which PID 1 keeps over restarts. */
static int new_socket(const char *root, gid_t group, struct error *err)
{
	_cleanup_free_ char *directory = xasprintf("%s" DIRECTORY, root);
	_cleanup_free_ char *path = xasprintf("%s/" METHODS_INTERFACE, directory);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_CONFIG, -ENAMETOOLONG, "%s is too long for a socket",
				 path);
	memcpy(address.sun_path, path, strlen(path) + 1);

	r = prepare_directory(directory, group, err);
	if (r < 0)
		return r;

	fd = make_socket(&address, group, err);
	if (fd >= 0)
		notify_keep_fd(FD_NAME, fd);
	return fd;
}

/* Takes the descriptor over, in place of an older one. */
static void listen_on(struct control *control, int fd)
{
	struct stat st;

	loop_io_free(control->io);
	if (control->fd >= 0)
		(void)close(control->fd);
	control->fd = fd;
	control->io = loop_io_new(control->loop, fd, accept_ready, control);
	loop_io_want(control->io, LOOP_READ);
	if (lstat(control->path, &st) < 0)
		st = (struct stat){ 0 };
	control->device = st.st_dev;
	control->inode = st.st_ino;
}

const char *control_path(const struct control *control)
{
	return control->path;
}

void control_path_changed(struct control *control)
{
	struct error err = ERROR_INIT;
	struct stat st;
	int fd;

	if (lstat(control->path, &st) == 0 && st.st_dev == control->device &&
	    st.st_ino == control->inode)
		return;
	fd = new_socket(control->root, control->group, &err);
	if (fd < 0) {
		log_warning("the control socket %s is gone and cannot be made again: %s; "
			    "agentctl works again when agentd has been restarted",
			    control->path, err.message);
		return;
	}
	listen_on(control, fd);
	log_info("the control socket %s was gone: it has been made again", control->path);
}

int control_new(struct loop *loop, const struct control_options *options,
		const struct methods_hooks *hooks, struct control **ret, struct error *err)
{
	const char *group_name = options->group ? options->group : "agentd";
	_cleanup_(control_free) struct control *control = NEW(struct control);
	int r;

	*control = (struct control){
		.loop = loop,
		.hooks = *hooks,
		.own_pods = peer_own_pods(),
		.fd = -1,
		.spare_fd = open_spare(),
		.stream = { .fn = send_changes, .userdata = control },
	};
	control->clients.next = control->clients.previous = &control->clients;
	if (find_group(group_name, &control->group) == 0) {
		log_warning("there is no group %s: the control socket is for root alone",
			    group_name);
		control->group = (gid_t)-1;
	}

	control->root = xstrdup(options->root);
	control->path = xasprintf("%s" DIRECTORY "/" METHODS_INTERFACE, options->root);
	r = passed_socket(control->path);
	if (r < 0)
		r = new_socket(control->root, control->group, err);
	if (r < 0)
		return error_wrap(err, r, "control socket");

	listen_on(control, r);
	control->stream_timer = loop_timer_new(loop, send_changes, control);
	control->accept_timer = loop_timer_new(loop, accept_again, control);
	*ret = TAKE_PTR(control);
	return 0;
}

struct control *control_free(struct control *control)
{
	if (!control)
		return NULL;
	while (control->clients.next != &control->clients)
		client_free(control->clients.next);
	loop_undefer(control->loop, &control->stream);
	loop_io_free(control->io);
	loop_timer_free(control->stream_timer);
	loop_timer_free(control->accept_timer);
	if (control->spare_fd >= 0)
		(void)close(control->spare_fd);
	if (control->fd >= 0)
		(void)close(control->fd);
	free(control->path);
	free(control->root);
	free(control);
	return NULL;
}
