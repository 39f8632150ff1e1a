/* Keeps the cluster objects of a control plane, as agentd does, at an API server without kubelets:
 * agentd's rows of objects, its identity and its caches, and a small engine that never backs off.
 * Rows that are no objects are taken as in sync, but for those of the table below.
 *
 * Usage: object-probe ROOT PORT ROLE-FILE. ROOT holds etc/kubernetes/pki with the cluster's CA and
 * var/lib/agentd/pki with agentd's certificate. Lines on standard input: "describe" prints every
 * row with its object and the policy of each of its fields. Whenever it is at rest and something
 * has changed it prints what it has seen: {"rest": {ROW: {"verdict", "why", "version", "runs"}}}.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentd/facts.h"
#include "agentd/kube/fields.h"
#include "agentd/resources.h"
#include "agentd/resources/object.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/parse.h"

enum { ROWS_MAX = 128, LOOK_AGAIN_MS = 50 };

/* Rows that are no objects, but make or read some. */
static const char *const also[] = { "agentd-rights", "bootstrap-tokens", "node-labels",
				    "node-taints" };

struct kept {
	const struct resource *row;
	struct task *task;
	enum verdict verdict;
	struct why why;
	unsigned runs;
};

struct probe {
	struct settings settings;
	struct context ctx;
	struct kept rows[ROWS_MAX];
	size_t count;
	bool watching; /* the caches run */
	bool again;    /* another pass is needed */
	struct loop_timer *timer;
	struct loop_io *input;
	struct buf line;
	struct value *told;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "object-probe: %s: %s\n", what, why);
	exit(2);
}

static void print(struct value *line)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(16 * MIB);

	if (json_write(line, 0, &text) < 0)
		die("output", "cannot be written as JSON");
	puts(text.data);
	fflush(stdout);
	value_unref(line);
}

/* Rows that keep an object are named after it. */
static const struct object *object_of(const struct resource *row)
{
	return strchr(row->name, '/') ? row->data : NULL;
}

static bool is_kept(const struct probe *probe, const struct resource *row)
{
	if (!(row->roles & FOR_CONTROL_PLANE) || (row->wanted && !row->wanted(probe->ctx.role)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(also); i++)
		if (strcmp(row->name, also[i]) == 0)
			return true;
	return object_of(row) != NULL;
}

/* -- A small engine ---------------------------------------------------------------------------- */

static struct kept *find(struct probe *probe, const char *name)
{
	for (size_t i = 0; i < probe->count; i++)
		if (strcmp(probe->rows[i].row->name, name) == 0)
			return &probe->rows[i];
	return NULL;
}

static bool has_needs(struct probe *probe, const struct kept *kept)
{
	for (size_t i = 0; i < RESOURCE_NEEDS_MAX && kept->row->needs[i]; i++) {
		const struct kept *need = find(probe, kept->row->needs[i]);

		if (need && need->verdict != IN_SYNC)
			return false;
	}
	return true;
}

struct running {
	struct run run;
	struct probe *probe;
	struct kept *kept;
};

static void running_free(void *context)
{
	struct running *running = context;

	if (running->run.free_state)
		running->run.free_state(running->run.state);
	role_unref(running->run.role);
	free(running);
}

/* What was written comes back to the caches a little later. */
static void task_over(struct task *task, const struct error *error, void *userdata)
{
	struct running *running = userdata;
	struct probe *probe = running->probe;
	struct kept *kept = running->kept;

	if (error && error->code != -EAGAIN)
		print(value_put(
		    value_put(value_new_map(), "failed", value_new_string(kept->row->name)),
		    "error", value_new_string(error->message)));
	kept->task = task_free(task);
	if (!loop_timer_armed(probe->timer))
		loop_timer_arm(probe->timer, LOOK_AGAIN_MS * NSEC_PER_MSEC, 0);
}

static void start(struct probe *probe, struct kept *kept)
{
	struct running *running = NEW(struct running);

	running->run = (struct run){ .context = &probe->ctx,
				     .resource = kept->row,
				     .role = role_ref(probe->ctx.role) };
	running->probe = probe;
	running->kept = kept;
	kept->runs++;
	kept->task = task_new(probe->ctx.loop, kept->row->apply, &running->run, running_free,
			      task_over, running);
}

static void watch_objects(struct probe *probe, const struct resource *row)
{
	for (size_t i = 0; i < RESOURCE_TRIGGERS_MAX; i++) {
		const struct trigger *trigger = &row->triggers[i];
		struct trigger_list list = { 0 };

		if (trigger->kind == TRIGGER_OBJECT)
			objects_watch(probe->ctx.objects, trigger->text, trigger->name, false);
		if (trigger->kind != TRIGGER_DYNAMIC)
			continue;
		trigger->list(&probe->ctx, row, &list);
		STRV_FOREACH(text, &list.objects) {
			char *space = strchr(text, ' ');

			if (space)
				*space++ = '\0';
			objects_watch(probe->ctx.objects, text, space, false);
		}
		strv_done(&list.paths);
		strv_done(&list.objects);
	}
}

static void tell_rest(struct probe *probe)
{
	struct value *rest = value_new_map();

	for (size_t i = 0; i < probe->count; i++) {
		struct kept *kept = &probe->rows[i];
		const struct object *object = object_of(kept->row);
		const struct value *live = NULL;
		struct value *state = value_new_map();

		if (kept->task) {
			value_unref(rest);
			value_unref(state);
			return;
		}
		if (object)
			(void)objects_get(probe->ctx.objects, object->collection, object->name,
					  &live);
		state = value_put(state, "verdict", value_new_string(verdict_name(kept->verdict)));
		state = value_put(state, "why", value_new_string(kept->why.text));
		state = value_put(state, "runs", value_new_int(kept->runs));
		state = value_put(state, "version",
				  value_new_string(value_string_or(
				      value_at(live, "metadata", "resourceVersion"), "")));
		rest = value_put(rest, kept->row->name, state);
	}
	if (probe->told && value_equal(rest, probe->told)) {
		value_unref(rest);
		return;
	}
	value_unref(probe->told);
	probe->told = value_ref(rest);
	print(value_put(value_new_map(), "rest", rest));
}

static void pass(void *userdata)
{
	struct probe *probe = userdata;

	if (!probe->again)
		return;
	probe->again = false;
	probe->ctx.now = clock_wall(probe->ctx.clock);
	for (size_t i = 0; i < probe->count; i++) {
		struct kept *kept = &probe->rows[i];

		if (kept->task)
			continue;
		kept->why = (struct why){ .text = "" };
		kept->verdict = kept->row->observe(&probe->ctx, kept->row, &kept->why);
		if (kept->verdict == DRIFTED && kept->row->apply && has_needs(probe, kept))
			start(probe, kept);
		/* As the manager: before the rights are there, every watch would be denied. */
		if (kept->verdict == IN_SYNC && !probe->watching &&
		    strcmp(kept->row->name, "agentd-rights") == 0) {
			probe->watching = true;
			objects_set_client(probe->ctx.objects, probe->ctx.kube);
		}
	}
	tell_rest(probe);
}

static void look_again(void *userdata)
{
	struct probe *probe = userdata;

	probe->again = true;
}

static void object_changed(const char *collection, const char *name, void *userdata)
{
	struct probe *probe = userdata;

	(void)collection;
	(void)name;
	probe->again = true;
}

/* -- Description ------------------------------------------------------------------------------- */

static const char *const kinds[] = { [POLICY_ENFORCED] = "enforced",
				     [POLICY_ONCE] = "once",
				     [POLICY_MERGED] = "merged",
				     [POLICY_FIXED] = "fixed" };

struct describe {
	const struct policy *table;
	struct fields_place place;
	struct value *leaves;
};

static enum policy_kind kind_at(const struct describe *describe, enum policy_kind above)
{
	for (const struct policy *row = describe->table; row && row->path; row++)
		if (strcmp(row->path, describe->place.text.data) == 0)
			return row->kind;
	return above;
}

static void describe_at(struct describe *describe, const struct value *value, const char *field,
			const struct value *path, enum policy_kind above);

static void describe_items(struct describe *describe, const struct value *list,
			   const char *const *keys, const struct value *path, enum policy_kind kind)
{
	VALUE_FOREACH(i, list) {
		const struct value *item = value_item(list, i);
		struct fields_mark mark = fields_enter_item(
		    &describe->place, value_string_or(value_get(item, keys[0]), NULL), i);
		_cleanup_(value_unref) struct value *names = value_new_map(), *inner = NULL;

		for (const char *const *key = keys; *key; key++)
			if (value_get(item, *key))
				names = value_put(names, *key, value_ref(value_get(item, *key)));
		inner = value_append(value_ref(path), value_ref(names));
		describe_at(describe, item, "", inner, kind);
		fields_leave(&describe->place, mark);
	}
}

static void describe_leaf(struct describe *describe, const struct value *value,
			  const struct value *path, enum policy_kind kind)
{
	struct value *leaf = value_new_map();

	leaf = value_put(leaf, "place", value_new_string(describe->place.text.data));
	leaf = value_put(leaf, "path", value_ref(path));
	leaf = value_put(leaf, "kind", value_new_string(kinds[kind]));
	leaf = value_put(leaf, "value", value_ref(value));
	describe->leaves = value_append(describe->leaves, leaf);
}

static void describe_at(struct describe *describe, const struct value *value, const char *field,
			const struct value *path, enum policy_kind above)
{
	enum policy_kind kind = kind_at(describe, above);
	const char *const *keys =
	    value_type(value) == VALUE_LIST ? fields_list_keys(field, value) : NULL;

	if (keys && kind != POLICY_MERGED) {
		describe_items(describe, value, keys, path, kind);
		return;
	}
	if (value_type(value) != VALUE_MAP || value_count(value) == 0) {
		describe_leaf(describe, value, path, kind);
		return;
	}
	VALUE_FOREACH(i, value) {
		const char *key = value_key(value, i);
		struct fields_mark mark = fields_enter_key(&describe->place, key);
		_cleanup_(value_unref) struct value *inner =
		    value_append(value_ref(path), value_new_string(key));

		describe_at(describe, value_item(value, i), key, inner, kind);
		fields_leave(&describe->place, mark);
	}
}

static void describe(struct probe *probe)
{
	struct value *rows = value_new_map();

	for (size_t i = 0; i < probe->count; i++) {
		const struct resource *row = probe->rows[i].row;
		const struct object *object = object_of(row);
		struct describe describe = { .place = FIELDS_PLACE_INIT };
		_cleanup_(value_unref) struct value *wanted = NULL, *path = value_new_list();
		struct value *line = value_new_map();
		struct why why = { .text = "" };

		if (!object)
			continue;
		wanted = object_wanted(&probe->ctx, probe->ctx.role, row, &why);
		if (!wanted)
			die(row->name, why.text);
		describe.table = object->policy;
		describe.leaves = value_new_list();
		describe_at(&describe, wanted, "", path, POLICY_ENFORCED);
		fields_place_done(&describe.place);
		line = value_put(line, "collection", value_new_string(object->collection));
		line = value_put(line, "name", value_new_string(object->name));
		line = value_put(line, "wanted", value_ref(wanted));
		line = value_put(line, "leaves", describe.leaves);
		rows = value_put(rows, row->name, line);
	}
	print(value_put(value_new_map(), "rows", rows));
}

/* -- Start ------------------------------------------------------------------------------------- */

static void read_input(int fd, unsigned events, void *userdata)
{
	struct probe *probe = userdata;
	char block[256];
	ssize_t n = read(fd, block, sizeof(block));

	(void)events;
	if (n <= 0) {
		loop_quit(probe->ctx.loop, 0);
		return;
	}
	(void)buf_append(&probe->line, block, (size_t)n);
	if (strchr(probe->line.data, '\n')) {
		buf_reset(&probe->line);
		describe(probe);
	}
}

static int forget_token(struct context *ctx, struct error *err)
{
	(void)ctx;
	(void)err;
	return 0;
}

static struct role *read_role(const char *path, const char *port)
{
	static const struct role_address address = {
		.interface = "eth0",
		.is_up = true,
		.address = { .family = AF_INET, .bytes = { 10, 0, 0, 5 } },
	};
	struct role_host host = { .hostname = "node-1",
				  .root = "/nonexistent",
				  .kubelet_version = "v1.36.3",
				  .addresses = &address,
				  .address_count = 1 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;
	struct role *role = NULL;
	uint64_t number = 0;

	if (file_read(path, &text, &err) != 1)
		die(path, "cannot be read");
	if (role_parse(text.data, text.length, path, &host, &role, &err) < 0)
		die(path, err.message);
	/* No role may say so, but this API server is on the loopback interface alone. */
	free(role->advertise_address);
	role->advertise_address = xstrdup("127.0.0.1");
	if (parse_u64(port, &number) < 0 || number > UINT16_MAX)
		die(port, "is not a port");
	role->bind_port = (uint16_t)number;
	role->generation = 1;
	return role;
}

static void open_context(struct probe *probe, char **argv)
{
	struct context *ctx = &probe->ctx;
	_cleanup_free_ char *state = NULL;
	struct error err = ERROR_INIT;

	probe->settings =
	    (struct settings){ .root = argv[1], .kubelet_binary = "/usr/bin/kubelet" };
	*ctx = (struct context){
		.settings = &probe->settings,
		.clock = clock_system(),
		.loop = loop_new(clock_system()),
		.role = read_role(argv[3], argv[2]),
		.hostname = "node-1",
		.kubelet_version = "v1.36.3",
		.api_answers = true,
		.forget_token = forget_token,
	};
	ctx->work = work_new(ctx->loop, 1);
	state = context_state_path(ctx, "%s", "");
	if (ledger_open(state, &ctx->ledger, &err) < 0)
		die(state, err.message);
	ledger_set_note(ctx->ledger, "container-runtime", "cgroup-driver", "systemd");
	ctx->objects = objects_new(ctx->loop, object_changed, probe);
	ctx->kube = facts_node_client(ctx);
	if (!ctx->kube)
		die(state, "has no certificate of agentd's");
}

static void close_context(struct probe *probe)
{
	struct context *ctx = &probe->ctx;

	for (size_t i = 0; i < probe->count; i++)
		task_free(probe->rows[i].task);
	objects_free(ctx->objects);
	kube_free(ctx->kube);
	ledger_free(ctx->ledger);
	role_unref(ctx->role);
	work_free(ctx->work);
	loop_timer_free(probe->timer);
	loop_io_free(probe->input);
	loop_free(ctx->loop);
	value_unref(probe->told);
	buf_done(&probe->line);
}

int main(int argc, char **argv)
{
	struct probe probe = { .line = BUF_INIT(KIB), .again = true };
	int status;

	if (argc != 4)
		die("usage", "object-probe ROOT PORT ROLE-FILE");
	open_context(&probe, argv);
	for (const struct resource *const *row = resources_list(); *row; row++)
		if (is_kept(&probe, *row))
			probe.rows[probe.count++].row = *row;
	for (size_t i = 0; i < probe.count; i++)
		watch_objects(&probe, probe.rows[i].row);
	probe.timer = loop_timer_new(probe.ctx.loop, look_again, &probe);
	probe.input = loop_io_new(probe.ctx.loop, STDIN_FILENO, read_input, &probe);
	loop_io_want(probe.input, LOOP_READ);
	loop_timer_arm(probe.timer, 0, 0);
	loop_set_after_batch(probe.ctx.loop, pass, &probe);
	status = loop_run(probe.ctx.loop);
	close_context(&probe);
	return status;
}
