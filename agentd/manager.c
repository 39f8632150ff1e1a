/* Owns the parts and connects them: inputs mark rows of the engine, the after-batch hook lets it
 * decide, and the status tells. See manager.h. */
#include "agentd/manager.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>

#include "agentd/context.h"
#include "agentd/engine/engine.h"
#include "agentd/facts.h"
#include "agentd/host.h"
#include "agentd/inputs/control.h"
#include "agentd/inputs/rolefile.h"
#include "agentd/requests.h"
#include "agentd/resources.h"
#include "agentd/role_store.h"
#include "agentd/status.h"
#include "common/alloc.h"
#include "common/backoff.h"
#include "common/file.h"
#include "common/log.h"
#include "common/notice.h"
#include "common/parse.h"
#include "common/spawn.h"
#include "systemd/notify.h"

LOG_SCOPE("manager");

enum { KUBELET_VERSION_TIMEOUT_MS = 20 * 1000 };

struct manager {
	struct settings settings;
	struct context ctx;
	struct requests requests;
	struct engine *engine;
	struct notice *notice;
	struct control *control;
	struct rolefile *rolefile;
	struct host host;
	struct role_store *store;
	struct status *status;
	struct loop_signal *signals[2];
	struct loop_timer *watchdog;
	struct op *version_op;
	struct loop_timer *version_timer; /* asks again */
	struct backoff version_backoff;
	struct kube *objects_kube; /* the client that the caches have now */
	char *kubelet_version, *credentials_directory;
	struct error role_file_error;
	char *role_file, *exposed_file;
	char status_line[256];
	bool identity_stale, status_stale;
	uint64_t trimmed_generation;
};

/* Status. */

static struct status_input status_input(const struct manager *m)
{
	return (struct status_input){
		.ctx = &m->ctx,
		.engine = m->engine,
		.role_file_error = &m->role_file_error,
		.role_file = m->role_file,
		.exposed_file = m->exposed_file,
	};
}

static void tell_status(struct manager *m)
{
	struct status_input input = status_input(m);
	char line[sizeof(m->status_line)];

	if (!m->status_stale)
		return;
	m->status_stale = false;
	if (m->control)
		control_changed(m->control);
	status_line(&input, line, sizeof(line));
	if (strcmp(line, m->status_line) == 0)
		return;
	memcpy(m->status_line, line, sizeof(line));
	notify_status(line);
}

/* The node's identity at the API server. */

static void refresh_identity(struct manager *m)
{
	if (!m->identity_stale)
		return;
	m->identity_stale = false;
	objects_set_client(m->ctx.objects, NULL);
	m->objects_kube = NULL;
	kube_free(m->ctx.kube);
	m->ctx.kube = facts_node_client(&m->ctx);
	m->ctx.api_answers = false;
	(void)engine_mark(m->engine, "apiserver");
	m->status_stale = true;
}

/* Caches start when the identity has its rights and the server knows them: before, each would only
 * be denied. */
static void refresh_caches(struct manager *m)
{
	struct kube *kube = m->ctx.kube;

	if (role_is_control_plane(m->ctx.role) && !engine_is_in_sync(m->engine, "apiserver"))
		return;
	if (kube == m->objects_kube)
		return;
	m->objects_kube = kube;
	objects_set_client(m->ctx.objects, kube);
}

static const char *const identity_paths[] = {
	"/var/lib/agentd/pki/agentd.crt",
	"/etc/kubernetes/kubelet.conf",
	"/var/lib/kubelet/pki/kubelet-client-current.pem",
};

static bool is_identity_path(const struct manager *m, const char *path)
{
	/* A control plane's identity is agentd's own; the kubelet's rotation is no news to it. */
	size_t first = role_is_control_plane(m->ctx.role) ? 0 : 1;
	size_t last = role_is_control_plane(m->ctx.role) ? 1 : ARRAY_SIZE(identity_paths);

	for (size_t i = first; i < last; i++)
		if (strcmp(path, identity_paths[i]) == 0)
			return true;
	return false;
}

/* Inputs. */

static void ask_kubelet_version(struct manager *m);

/* What was tried with the former token, and failed, may be tried with this one. */
static void token_changed(struct manager *m, const char *path)
{
	const struct role *role = m->ctx.role;

	if (!role_is_worker(role) || !role->join.token_file ||
	    strcmp(role->join.token_file, path) != 0)
		return;
	engine_retry(m->engine, "discovery");
	engine_retry(m->engine, "tls-bootstrap");
}

static void path_changed(const char *path, enum notice_kind kind, void *userdata)
{
	struct manager *m = userdata;
	size_t root = strlen(m->settings.root);

	if (strcmp(path, m->settings.kubelet_binary) == 0) {
		ask_kubelet_version(m);
		return;
	}
	if (kind != NOTICE_CHANGED || strncmp(path, m->settings.root, root) != 0)
		return;
	engine_mark_trigger(m->engine, TRIGGER_PATH, path + root, NULL);
	if (is_identity_path(m, path + root))
		m->identity_stale = true;
	token_changed(m, path + root);
}

static void unit_changed(const char *unit, void *userdata)
{
	struct manager *m = userdata;

	engine_mark_trigger(m->engine, TRIGGER_UNIT, unit, NULL);
}

static void object_changed(const char *collection, const char *name, void *userdata)
{
	struct manager *m = userdata;
	const struct error *error = objects_error(m->ctx.objects);

	engine_mark_trigger(m->engine, TRIGGER_OBJECT, collection, name);
	m->status_stale = true;
	if (name)
		return;
	/* All of a collection changed: the server was lost, or found again. */
	if (error && error->class == ERROR_NETWORK)
		m->ctx.api_answers = false;
	(void)engine_mark(m->engine, "apiserver");
	(void)engine_mark(m->engine, "agentd-rights");
}

static void watch_trigger(enum trigger_kind kind, const char *text, const char *name,
			  void *userdata)
{
	struct manager *m = userdata;
	_cleanup_free_ char *path = NULL;

	if (kind == TRIGGER_UNIT)
		units_watch(m->ctx.units, text);
	if (kind == TRIGGER_OBJECT)
		objects_watch(m->ctx.objects, text, name, role_is_worker(m->ctx.role));
	if (kind == TRIGGER_PATH) {
		path = context_path(&m->ctx, "%s", text);
		notice_watch(m->notice, path);
	}
}

/* Hooks of the engine. */

static void engine_prepare(void *userdata, int64_t wall_s)
{
	struct manager *m = userdata;

	host_pass(&m->host, wall_s);
}

static void engine_triggers_changed(void *userdata)
{
	struct manager *m = userdata;

	objects_clear(m->ctx.objects);
	if (m->engine)
		engine_triggers(m->engine, watch_trigger, m);
	for (size_t i = 0; i < ARRAY_SIZE(identity_paths); i++)
		watch_trigger(TRIGGER_PATH, identity_paths[i], NULL, m);
}

static void engine_changed(void *userdata)
{
	struct manager *m = userdata;

	m->status_stale = true;
}

static void engine_disputed(void *userdata, const struct resource *resource, bool begins,
			    int64_t since_s)
{
	struct manager *m = userdata;
	char since[32];

	format_time(since_s, since);
	if (begins)
		history_add(m->ctx.history, "Fight", resource->name,
			    "changed by another hand again and again since %s: repairs wait longer "
			    "each time; agentctl hold %s leaves it as it is",
			    since, resource->name);
	else
		history_add(m->ctx.history, "FightEnded", resource->name,
			    "nobody has changed it for ten minutes");
}

/* A bring-up needs several times the memory of what comes after it. */
static void give_memory_back(struct manager *m)
{
	uint64_t reached = engine_generation_reached(m->engine);

	if (reached == m->trimmed_generation)
		return;
	m->trimmed_generation = reached;
	(void)malloc_trim(0);
}

static void after_batch(void *userdata)
{
	struct manager *m = userdata;

	refresh_identity(m);
	engine_pass(m->engine);
	refresh_caches(m);
	give_memory_back(m);
	tell_status(m);
	bus_flush(m->ctx.bus);
}

/* The role. */

static void adopt_role(struct manager *m, struct role *role)
{
	unsigned bit = role->kind == ROLE_CONTROL_PLANE ? FOR_CONTROL_PLANE : FOR_WORKER;

	if (role->kind == ROLE_NONE) {
		role_unref(role);
		return;
	}
	host_remember_address(&m->ctx, role);
	m->ctx.cri = cri_free(m->ctx.cri);
	role_unref(m->ctx.role);
	m->ctx.role = role;
	m->ctx.cri = cri_new(m->ctx.loop, role->node.cri_socket);
	m->identity_stale = true;
	engine_set_role(m->engine, role, bit, role->generation);
	m->status_stale = true;
	log_info("role %s of %s, generation %llu", role_kind_name(role->kind), role->source,
		 (unsigned long long)role->generation);
}

static int read_credential(void *userdata, const char *name, struct secret **ret)
{
	const struct manager *m = userdata;
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;
	int r;

	if (!m->credentials_directory || strchr(name, '/'))
		return -ENOENT;
	path = xasprintf("%s/%s", m->credentials_directory, name);
	r = file_read(path, &text, &err);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]))
		text.length--;
	*ret = secret_new(text.data, text.length);
	secret_wipe(text.data, text.length);
	return 0;
}

static struct role_host role_host(const struct manager *m)
{
	return (struct role_host){
		.hostname = m->host.name,
		.root = m->settings.root,
		.kubelet_version = m->kubelet_version,
		.credential = read_credential,
		.userdata = (void *)m,
		.current = m->ctx.role,
	};
}

/* A new role. name is for messages; source says where it came from, a file or "socket". Nothing
 * changes where it is refused. */
static int offer_role(struct manager *m, const char *text, size_t length, const char *name,
		      const char *source, struct error *err)
{
	_cleanup_(role_unref) struct role *role = NULL;
	struct role_host host = role_host(m);
	int r;

	/* What was found out is kept from the moment on that something was made of it. */
	if (!facts_has_begun(&m->ctx))
		host.current = NULL;
	r = role_parse(text, length, name, &host, &role, err);
	if (r < 0)
		return r;
	if (m->ctx.role && strcmp(role->digest, m->ctx.role->digest) == 0)
		return 0;
	r = role_may_follow(facts_has_begun(&m->ctx) ? m->ctx.role : NULL, role, err);
	if (r < 0)
		return r;
	r = host_check_address(&m->ctx, role, &host, err);
	if (r < 0)
		return r;
	free(role->source);
	role->source = xstrdup(source);
	r = role_store_accept(m->store, role, err);
	if (r < 0)
		return r;
	adopt_role(m, TAKE_PTR(role));
	return 0;
}

static int forget_token(struct context *ctx, struct error *err)
{
	struct manager *m = container_of(ctx, struct manager, ctx);

	return role_store_forget_token(m->store, ctx->role, err);
}

static int read_token(struct context *ctx, struct secret **ret, struct error *err)
{
	const struct manager *m = container_of(ctx, struct manager, ctx);
	struct role_host host = role_host(m);

	return ctx->role ? role_read_token(ctx->role, &host, ret, err) : 0;
}

static int move_address(struct context *ctx, const char *address, struct error *err)
{
	struct manager *m = container_of(ctx, struct manager, ctx);
	struct role_host host = role_host(m);
	_cleanup_(role_unref) struct role *role = NULL;
	int r;

	r = role_move(ctx->role, &host, address, &role, err);
	if (r < 0)
		return r;
	r = role_store_move(m->store, role, err);
	if (r < 0)
		return r;
	engine_unsettle(m->engine);
	adopt_role(m, TAKE_PTR(role));
	return 0;
}

static const char *file_seen(void *userdata)
{
	struct manager *m = userdata;

	return role_store_seen(m->store);
}

static void file_set_seen(const char *digest, void *userdata)
{
	struct manager *m = userdata;
	struct error err = ERROR_INIT;

	if (role_store_set_seen(m->store, digest, &err) < 0)
		log_warning("%s", err.message);
}

static int file_offer(const char *text, size_t length, const char *path, void *userdata,
		      struct error *err)
{
	return offer_role(userdata, text, length, path, path, err);
}

static void file_report(const char *path, const struct error *error, void *userdata)
{
	struct manager *m = userdata;

	m->role_file_error = error ? *error : ERROR_INIT;
	free(m->role_file);
	m->role_file = xstrdup(path);
	m->status_stale = true;
	if (error)
		log_error("%s", error->message);
}

static void file_exposed(const char *path, mode_t mode, void *userdata)
{
	struct manager *m = userdata;

	free(m->exposed_file);
	m->exposed_file = xstrdup(path);
	m->status_stale = true;
	if (path)
		log_warning("%s holds a secret and has mode %04o: chmod 0600 it", path, mode);
}

static void watch_role_file(struct manager *m)
{
	struct rolefile_hooks hooks = {
		.seen_digest = file_seen,
		.set_seen_digest = file_set_seen,
		.offer = file_offer,
		.report = file_report,
		.exposed = file_exposed,
		.userdata = m,
	};

	if (!m->rolefile)
		m->rolefile = rolefile_new(m->ctx.loop, m->settings.root, getuid(), &hooks);
}

/* The kubelet's version decides what an unsaid kubernetesVersion means, so the role file waits for
 * the first answer, also if it is that there is no kubelet, and is looked at again with the next.
 */

/* One that was killed or took too long may answer the next time; that there is none, or that it
 * cannot be run, changes with its file. */
static void ask_version_again(struct manager *m, const struct error *error)
{
	uint64_t wait = backoff_next(&m->version_backoff, error, UINT32_MAX);

	if (wait != UINT64_MAX)
		loop_timer_arm(m->version_timer, wait, wait / 8);
}

static void version_told(struct op *op, void *userdata)
{
	struct manager *m = userdata;
	const struct error *error = op_error(op);
	_cleanup_(strv_done) struct strv words = STRV_INIT;

	free(m->kubelet_version);
	m->kubelet_version = NULL;
	if (!error) {
		strv_split(&words, spawn_result(op)->output, ' ');
		if (words.count >= 2)
			m->kubelet_version =
			    xstrndup(words.items[1], strcspn(words.items[1], "\n"));
		backoff_reset(&m->version_backoff);
	} else {
		log_debug("%s", error->message);
		ask_version_again(m, error);
	}
	m->ctx.kubelet_version = m->kubelet_version;
	m->version_op = op_drop(m->version_op);
	(void)engine_mark(m->engine, "preflight");
	if (m->rolefile)
		rolefile_look(m->rolefile);
	else
		watch_role_file(m);
}

static void version_is_due(void *userdata)
{
	ask_kubelet_version(userdata);
}

static void ask_kubelet_version(struct manager *m)
{
	const char *argv[] = { m->settings.kubelet_binary, "--version", NULL };
	struct error err = ERROR_INIT;

	loop_timer_disarm(m->version_timer);
	m->version_op = op_drop(m->version_op);
	m->version_op = spawn_run(m->ctx.loop, argv, KUBELET_VERSION_TIMEOUT_MS, &err);
	if (!m->version_op)
		m->version_op = op_new_failed(m->ctx.loop, &err);
	op_watch(m->version_op, version_told, m);
}

/* Requests of the control socket; requests.c knows the methods. */

static struct value *request_status(void *owner)
{
	struct manager *m = owner;
	struct status_input input = status_input(m);

	return status_value(m->status, &input);
}

static int request_offer(void *owner, const char *text, size_t length, const char *name,
			 struct error *err)
{
	struct manager *m = owner;
	int r = offer_role(m, text, length, name, "socket", err);

	/* The file as it is now is older than this. */
	if (r >= 0 && m->rolefile)
		rolefile_supersede(m->rolefile);
	return r;
}

static int serve(struct manager *m, struct error *err)
{
	struct methods_hooks hooks = requests_hooks(&m->requests);

	m->requests = (struct requests){
		.ctx = &m->ctx,
		.engine = m->engine,
		.status = request_status,
		.offer = request_offer,
		.owner = m,
	};
	return control_new(m->ctx.loop, &(struct control_options){ .root = m->settings.root },
			   &hooks, &m->control, err);
}

/* Life. */

static void stop(void *userdata)
{
	struct manager *m = userdata;

	notify_stopping();
	loop_quit(m->ctx.loop, EXIT_SUCCESS);
}

static void kick_watchdog(void *userdata)
{
	struct manager *m = userdata;
	uint64_t interval = notify_watchdog_interval_ns();

	notify_watchdog();
	loop_timer_arm(m->watchdog, interval - interval / 4, interval / 4);
}

/* Left-over temporary files of a kill, once what they belonged to has been finished. */
static void sweep(struct manager *m)
{
	static const char *const directories[] = {
		"/etc/kubernetes",	    "/etc/kubernetes/manifests", "/etc/kubernetes/pki",
		"/etc/kubernetes/pki/etcd", "/var/lib/kubelet",		 "/var/lib/kubelet/pki",
		"/var/lib/agentd",	    "/var/lib/agentd/pki",	 "/var/lib/agentd/redo",
	};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_free_ char *path = context_path(&m->ctx, "%s", directories[i]);

		file_sweep(path);
	}
}

static int load_state(struct manager *m, struct role **ret_role, struct error *err)
{
	_cleanup_free_ char *state = context_path(&m->ctx, "/var/lib/agentd");
	_cleanup_free_ char *role = context_state_path(&m->ctx, "role.json");
	_cleanup_free_ char *history = context_state_path(&m->ctx, "history.json");
	struct role_host host = role_host(m);
	int r;

	r = file_make_directory(state, 0700, err);
	if (r >= 0)
		r = file_redo(state, err);
	if (r < 0)
		return r;
	sweep(m);
	r = ledger_open(state, &m->ctx.ledger, err);
	if (r < 0)
		return r;
	m->ctx.history = history_open(m->ctx.loop, history);
	return role_store_open(role, &host, &m->store, ret_role, err);
}

static void make_parts(struct manager *m)
{
	struct engine_hooks hooks = {
		.prepare = engine_prepare,
		.triggers_changed = engine_triggers_changed,
		.changed = engine_changed,
		.disputed = engine_disputed,
		.userdata = m,
	};
	uint32_t random = 1;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = 1;
	m->ctx.bus = bus_new(m->ctx.loop, m->settings.bus_address);
	m->ctx.units = units_new(m->ctx.loop, m->ctx.bus, unit_changed, m);
	m->ctx.work = work_new(m->ctx.loop, 0);
	m->ctx.objects = objects_new(m->ctx.loop, object_changed, m);
	m->ctx.forget_token = forget_token;
	m->ctx.read_token = read_token;
	m->ctx.move_address = move_address;
	m->notice = notice_new(m->ctx.loop, path_changed, m);
	m->status = status_new();
	m->engine =
	    engine_new(m->ctx.loop, resources_list(), &m->ctx, m->ctx.ledger, &hooks, random);
	host_watch(&m->host, m->engine);
	m->signals[0] = loop_signal_new(m->ctx.loop, SIGTERM, stop, m);
	m->signals[1] = loop_signal_new(m->ctx.loop, SIGINT, stop, m);
	m->watchdog = loop_timer_new(m->ctx.loop, kick_watchdog, m);
	m->version_timer = loop_timer_new(m->ctx.loop, version_is_due, m);
	loop_set_after_batch(m->ctx.loop, after_batch, m);
}

int manager_new(const struct settings *settings, const struct manager_environment *environment,
		struct manager **ret, struct error *err)
{
	_cleanup_(manager_free) struct manager *m = NEW(struct manager);
	struct role *role = NULL;
	int r;

	m->settings = *settings;
	m->ctx.settings = &m->settings;
	m->ctx.clock = clock_system();
	m->ctx.loop = loop_new(m->ctx.clock);
	host_init(&m->host, &m->ctx, environment->hostname);
	m->credentials_directory = xstrdup(environment->credentials_directory);
	r = load_state(m, &role, err);
	if (r < 0)
		return r;
	make_parts(m);
	if (role)
		adopt_role(m, role);
	r = serve(m, err);
	if (r < 0)
		return r;
	notice_watch(m->notice, m->settings.kubelet_binary);
	ask_kubelet_version(m);
	*ret = TAKE_PTR(m);
	return 0;
}

int manager_run(struct manager *m)
{
	struct status_input input = status_input(m);

	status_line(&input, m->status_line, sizeof(m->status_line));
	if (!m->ctx.role)
		log_info("this host has no role: waiting for /etc/agentd/role.yaml or agentctl");
	notify_ready(m->status_line);
	if (notify_watchdog_interval_ns() > 0)
		kick_watchdog(m);
	return loop_run(m->ctx.loop);
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;
	op_drop(m->version_op);
	control_free(m->control);
	rolefile_free(m->rolefile);
	host_done(&m->host);
	engine_free(m->engine);
	objects_free(m->ctx.objects);
	kube_free(m->ctx.kube);
	cri_free(m->ctx.cri);
	notice_free(m->notice);
	status_free(m->status);
	role_store_free(m->store);
	role_unref(m->ctx.role);
	ledger_free(m->ctx.ledger);
	history_free(m->ctx.history);
	loop_timer_free(m->watchdog);
	loop_timer_free(m->version_timer);
	for (size_t i = 0; i < ARRAY_SIZE(m->signals); i++)
		loop_signal_free(m->signals[i]);
	work_free(m->ctx.work);
	units_free(m->ctx.units);
	bus_free(m->ctx.bus);
	loop_free(m->ctx.loop);
	free(m->kubelet_version);
	free(m->credentials_directory);
	free(m->role_file);
	free(m->exposed_file);
	free(m);
	return NULL;
}
