/* The host of the tests of rows; see test-resources-world.h. The caches of units and objects here
 * are linked in place of systemd/unit.c and agentd/kube/objects.c. */
#include "tests/unit/test-resources-world.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/resources.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/task.h"

struct world world;

/* The caches of units and objects. */

enum { ENTRIES_MAX = 16, ROUNDS_MAX = 25000 };

static struct {
	char *name;
	struct unit_state state;
} unit_entries[ENTRIES_MAX];
static size_t unit_count;

static struct {
	char *collection, *name;
	struct value *value; /* NULL = missing */
} object_entries[ENTRIES_MAX];
static size_t object_count;
static struct error object_error;

const struct unit_state *units_get(const struct units *units, const char *unit)
{
	static const struct unit_state unknown;

	(void)units;
	for (size_t i = 0; i < unit_count; i++)
		if (strcmp(unit_entries[i].name, unit) == 0)
			return &unit_entries[i].state;
	return &unknown;
}

enum object_state objects_get(const struct objects *objects, const char *collection,
			      const char *name, const struct value **ret)
{
	(void)objects;
	*ret = NULL;
	for (size_t i = 0; i < object_count; i++) {
		if (strcmp(object_entries[i].collection, collection) != 0 ||
		    strcmp(object_entries[i].name, name) != 0)
			continue;
		*ret = object_entries[i].value;
		return *ret ? OBJECT_FOUND : OBJECT_MISSING;
	}
	return OBJECT_UNKNOWN;
}

const struct error *objects_error(const struct objects *objects)
{
	(void)objects;
	return error_is_set(&object_error) ? &object_error : NULL;
}

void world_set_unit(const char *unit, const char *load, const char *active, const char *file)
{
	struct unit_state *state = &unit_entries[unit_count].state;

	ck_assert_uint_lt(unit_count, ENTRIES_MAX);
	/* The newest is found first. */
	for (size_t i = 0; i < unit_count; i++)
		if (strcmp(unit_entries[i].name, unit) == 0)
			state = &unit_entries[i].state;
	if (state == &unit_entries[unit_count].state)
		unit_entries[unit_count++].name = xstrdup(unit);
	*state = (struct unit_state){ .known = true };
	(void)snprintf(state->load_state, sizeof(state->load_state), "%s", load);
	(void)snprintf(state->active_state, sizeof(state->active_state), "%s", active);
	(void)snprintf(state->sub_state, sizeof(state->sub_state), "auto-restart");
	(void)snprintf(state->unit_file_state, sizeof(state->unit_file_state), "%s", file);
}

static struct value *parse_json(const char *text)
{
	_cleanup_free_ char *json = xstrdup(text);
	struct value *value = NULL;
	struct error err = ERROR_INIT;

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	ck_assert_msg(json_parse(json, strlen(json), "object", &value, &err) == 0, "%s: %s", json,
		      err.message);
	return value;
}

void world_set_value(const char *collection, const char *name, struct value *value)
{
	size_t i;

	for (i = 0; i < object_count; i++)
		if (strcmp(object_entries[i].collection, collection) == 0 &&
		    strcmp(object_entries[i].name, name) == 0)
			break;
	ck_assert_uint_lt(i, ENTRIES_MAX);
	if (i == object_count) {
		object_entries[i].collection = xstrdup(collection);
		object_entries[i].name = xstrdup(name);
		object_count++;
	}
	value_unref(object_entries[i].value);
	object_entries[i].value = value;
}

void world_set_object(const char *collection, const char *name, const char *json)
{
	world_set_value(collection, name, json ? parse_json(json) : NULL);
}

void world_set_objects_error(enum error_class class, const char *text)
{
	object_error = ERROR_INIT;
	(void)error_set(&object_error, class, -EIO, "%s", text);
}

static void caches_clear(void)
{
	while (unit_count > 0)
		free(unit_entries[--unit_count].name);
	while (object_count > 0) {
		object_count--;
		free(object_entries[object_count].collection);
		free(object_entries[object_count].name);
		object_entries[object_count].value =
		    value_unref(object_entries[object_count].value);
	}
	object_error = ERROR_INIT;
}

/* Files. */

char *world_path(const char *path)
{
	return xasprintf("%s%s", world.root, path);
}

void world_write(const char *path, const char *text, mode_t mode)
{
	_cleanup_free_ char *real = world_path(path);
	struct error err = ERROR_INIT;

	ck_assert_msg(file_replace(&(struct file_content){ .path = real,
							   .bytes = text,
							   .length = strlen(text),
							   .mode = mode,
							   .uid = (uid_t)-1,
							   .gid = (gid_t)-1 },
				   &err) >= 0,
		      "%s", err.message);
}

void world_read(const char *path, struct buf *buf)
{
	_cleanup_free_ char *real = world_path(path);
	struct error err = ERROR_INIT;

	ck_assert_msg(file_read(real, buf, &err) == 1, "%s cannot be read: %s", path, err.message);
}

bool world_exists(const char *path)
{
	_cleanup_free_ char *real = world_path(path);
	struct stat st;

	return lstat(real, &st) == 0;
}

void world_remove(const char *path)
{
	_cleanup_free_ char *real = world_path(path);

	ck_assert_int_eq(unlink(real), 0);
}

void world_chmod(const char *path, mode_t mode)
{
	_cleanup_free_ char *real = world_path(path);

	ck_assert_int_eq(chmod(real, mode), 0);
}

void world_link(const char *path, const char *target)
{
	_cleanup_free_ char *real = world_path(path);
	struct error err = ERROR_INIT;

	ck_assert_int_ge(file_link(real, target, &err), 0);
}

/* The host. */

static int forget_token(struct context *ctx, struct error *err)
{
	(void)ctx;
	(void)err;
	world.forgotten++;
	return 0;
}

static void open_ledger(void)
{
	_cleanup_free_ char *state = world_path("/var/lib/agentd");
	struct error err = ERROR_INIT;

	ck_assert_int_ge(file_make_directory(state, 0700, &err), 0);
	ck_assert_int_eq(ledger_open(state, &world.ctx.ledger, &err), 0);
}

void world_init(void)
{
	(void)umask(0077);
	world = (struct world){ .root = "/tmp/test-resources-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(world.root));
	clock_fake_init(&world.clock, WORLD_NOW);
	world.settings =
	    (struct settings){ .root = world.root, .kubelet_binary = "/usr/bin/kubelet" };
	world.ctx = (struct context){
		.settings = &world.settings,
		.clock = &world.clock.clock,
		.loop = loop_new(&world.clock.clock),
		.hostname = WORLD_NODE,
		.kubelet_version = "v1.36.3",
		.forget_token = forget_token,
		.now = WORLD_NOW,
	};
	world.ctx.work = work_new(world.ctx.loop, 1);
	world_write("/etc/hosts", "127.0.0.1 localhost\n" WORLD_ADDRESS "\t" WORLD_NODE "\n", 0644);
	world_write("/etc/machine-id", WORLD_ID "\n", 0444);
	world_write("/proc/swaps", "Filename Type Size Used Priority\n", 0644);
	world_write("/proc/sys/net/ipv4/ip_forward", "1\n", 0644);
	open_ledger();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void world_done(void)
{
	ledger_free(world.ctx.ledger);
	role_unref(world.ctx.role);
	kube_free(world.ctx.kube);
	if (world.canned)
		canned_free(world.canned);
	work_free(world.ctx.work);
	loop_free(world.ctx.loop);
	caches_clear();
	(void)nftw(world.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct role *world_parse_role(const char *text)
{
	struct role_host host = { .hostname = WORLD_NODE,
				  .root = world.root,
				  .kubelet_version = "v1.36.3" };
	struct role *role = NULL;
	struct error err = ERROR_INIT;

	ck_assert_msg(role_parse(text, strlen(text), "role", &host, &role, &err) == 0, "%s",
		      err.message);
	role->generation = 1;
	return role;
}

void world_set_role(const char *text)
{
	role_unref(world.ctx.role);
	world.ctx.role = world_parse_role(text);
}

void world_restart(void)
{
	struct error err = ERROR_INIT;

	ck_assert_int_eq(ledger_save(world.ctx.ledger, &err), 0);
	ledger_free(world.ctx.ledger);
	open_ledger();
}

void world_serve(void)
{
	static const struct http_identity nobody;

	world.canned = canned_new();
	world.ctx.kube = kube_new(world.ctx.loop, canned_url(world.canned), &nobody);
}

/* Rows. */

const struct resource *world_row(const char *name)
{
	for (const struct resource *const *row = resources_list(); *row; row++)
		if (strcmp((*row)->name, name) == 0)
			return *row;
	ck_abort_msg("there is no row %s", name);
}

enum verdict world_observe(const char *name, struct why *why)
{
	const struct resource *row = world_row(name);

	*why = (struct why){ .text = "" };
	return row->observe(&world.ctx, row, why);
}

void world_check_case(const struct world_case *line)
{
	struct why why;
	enum verdict verdict;

	if (line->change)
		line->change();
	verdict = world_observe(line->row, &why);
	ck_assert_msg(verdict == line->verdict, "%s: %s is %s (%s), not %s", line->rule, line->row,
		      verdict_name(verdict), why.text, verdict_name(line->verdict));
	ck_assert_msg(line->reason ? strstr(why.text, line->reason) != NULL : !why.text[0],
		      "%s: the reason is \"%s\", not \"%s\"", line->rule, why.text,
		      line->reason ? line->reason : "");
}

void world_expect(const char *row, enum verdict verdict, const char *reason)
{
	world_check_case(&(struct world_case){ row, NULL, row, verdict, reason });
}

struct ending {
	bool over;
	struct error error;
};

static void task_over(struct task *task, const struct error *error, void *userdata)
{
	struct ending *ending = userdata;

	(void)task;
	ending->over = true;
	if (error)
		ending->error = *error;
}

int world_apply(const char *name, struct error *err)
{
	return world_apply_after(name, 0, err);
}

int world_apply_after(const char *name, unsigned seconds, struct error *err)
{
	const struct resource *row = world_row(name);
	struct run run = { .context = &world.ctx, .resource = row, .role = world.ctx.role };
	struct ending ending = { .error = ERROR_INIT };
	struct task *task;

	if (ledger_get(world.ctx.ledger, name) == LEDGER_ABSENT)
		ledger_set(world.ctx.ledger, name, LEDGER_PENDING);
	task = task_new(world.ctx.loop, row->apply, &run, NULL, task_over, &ending);
	for (int round = 0; !ending.over; round++) {
		ck_assert_msg(round < ROUNDS_MAX, "%s: never ends", name);
		loop_once(world.ctx.loop, false);
		if (round == 5)
			clock_fake_advance(&world.clock, seconds * NSEC_PER_SEC);
		usleep(200);
	}
	task_free(task);
	if (run.free_state)
		run.free_state(run.state);
	if (!error_is_set(&ending.error))
		return 0;
	*err = ending.error;
	return err->code;
}

void world_make(const char *row)
{
	struct error err = ERROR_INIT;

	ck_assert_msg(world_apply(row, &err) == 0, "%s: %s", row, err.message);
	world_expect(row, IN_SYNC, NULL);
	ledger_set(world.ctx.ledger, row, LEDGER_APPLIED);
}

void world_disown(const char *row)
{
	ledger_set(world.ctx.ledger, row, LEDGER_ABSENT);
}
