/* Engine scripts: text in, transitions out, with a fake clock and fake rows.
 *
 * A line that begins with "> " is a command, the lines after it are what the engine must say and do
 * until the next command, empty lines and those that begin with # do not count. Commands:
 *
 *	row NAME [needs A,B] [lane L] [every S] [roles worker] [observe-only] [stands] [kubelet]
 *	world NAME VERDICT [REASON]     what observe answers from now on (nobody is told); the
 *	                                reason "due" means that agentd wanted it to differ
 *	role control-plane|worker|none [again] [observe]
 *	                                sets the role, next generation or the same as before;
 *	                                rows with the option kubelet are then only observed
 *	mark NAME                       something happened to it
 *	path PATH                       a path changed (rows have the path /NAME)
 *	finish NAME [VERDICT]           the running task succeeds, after which the world is VERDICT
 *	fail NAME CLASS [TEXT]          the running task fails
 *	advance SECONDS                 time passes
 *	reconcile                       as agentctl reconcile
 *	hold WHAT                       as agentctl hold; says which rows that means
 *	release WHAT                    as agentctl release
 *	fight NAME SECONDS              a rival changes the row once a second, and each task of it
 *	                                succeeds; says when these were (since the first rival)
 *	conditions                      of rows, and Undisputed
 *	converged                       says whether everything is in sync
 *	restart                         the process dies and starts again with the ledger on disk
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agentd/engine/report.h"
#include "agentd/role.h"
#include "common/alloc.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "tests/unit/test-engine.h"

enum { ROWS_MAX = 8 };

struct fake {
	struct resource resource;
	char *name, *needs[RESOURCE_NEEDS_MAX], *lane, *path;
	enum verdict verdict;
	char reason[64];
	bool stands;
	struct op *op; /* of the running task */
	struct script *script;
};

struct script {
	const char *name;
	struct clock_fake clock;
	struct loop *loop;
	struct ledger *ledger;
	struct holds *holds;
	struct engine *engine;
	struct fake fakes[ROWS_MAX];
	const struct resource *rows[ROWS_MAX + 1];
	size_t count;
	uint64_t generation;
	char directory[64];
	int64_t first_fight_s;
	bool silent; /* of what happens in a fight only the result is told */
	struct buf trace;
};

static struct fake *fake_of(const struct resource *row)
{
	return (struct fake *)row->data;
}

static void trace(struct script *script, const char *format, ...) PRINTF_LIKE(2, 3);
static void trace(struct script *script, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	if (!script->silent)
		(void)buf_printf(&script->trace, "%s\n", text);
}

static struct fake *find(struct script *script, const char *name)
{
	for (size_t i = 0; i < script->count; i++)
		if (strcmp(script->fakes[i].name, name) == 0)
			return &script->fakes[i];
	ck_abort_msg("%s: there is no row %s", script->name, name);
}

/* The fake rows. */

static enum verdict fake_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	(void)ctx;
	why_set(why, "%s", fake_of(row)->reason);
	if (strcmp(fake_of(row)->reason, "due") == 0)
		why_planned(why);
	return fake_of(row)->verdict;
}

static bool fake_stands(struct context *ctx, const struct resource *row)
{
	(void)ctx;
	return fake_of(row)->stands;
}

static void fake_cancelled(void *impl)
{
	struct fake *fake = impl;

	(void)buf_printf(&fake->script->trace, "%s: cancelled\n", fake->name);
}

static void fake_freed(void *impl)
{
	struct fake *fake = impl;

	fake->op = NULL;
}

static struct op *fake_start(struct task *task, struct error *err)
{
	static const struct op_kind kind = { "fake", fake_cancelled, fake_freed };
	struct fake *fake = fake_of(row_of(task));

	(void)err;
	trace(fake->script, "%s: works", fake->name);
	fake->op = op_new(fake->script->loop, &kind, fake);
	return fake->op;
}

static int second_stage(struct task *task, struct op *op, struct error *err)
{
	struct fake *fake = fake_of(row_of(task));

	(void)op;
	(void)err;
	trace(fake->script, "%s: second stage", fake->name);
	return STAGE_NEXT;
}

static const struct stage fake_apply[] = {
	{ "work", fake_start, NULL, .timeout_s = 1000000 },
	{ "look back", NULL, second_stage },
	{ 0 },
};

/* The engine around them. */

static void log_line(int level, const char *scope, const char *message, void *userdata)
{
	struct script *script = userdata;

	(void)scope;
	if (level <= LOG_INFO)
		trace(script, "%s", message);
}

static void nothing(void *userdata)
{
	(void)userdata;
}

static void prepare(void *userdata, int64_t wall_s)
{
	(void)userdata;
	(void)wall_s;
}

static void repairing(void *userdata, const struct resource *resource, const struct why *drift)
{
	struct script *script = userdata;

	trace(script, "%s: repairing what was %s", resource->name, drift->text);
}

static void repaired(void *userdata, const struct resource *resource, const struct why *drift,
		     uint64_t took_ns)
{
	struct script *script = userdata;

	trace(script, "%s: repaired what was %s, %.4g s", resource->name, drift->text,
	      (double)took_ns / (double)NSEC_PER_SEC);
}

static void disputed(void *userdata, const struct resource *resource, bool begins, int64_t since_s)
{
	struct script *script = userdata;
	int64_t ago = clock_wall(&script->clock.clock) - since_s;

	if (begins)
		(void)buf_printf(&script->trace, "%s: a fight, for %lld s\n", resource->name,
				 (long long)ago);
	else
		(void)buf_printf(&script->trace, "%s: the fight is over\n", resource->name);
}

static void hook(void *userdata)
{
	struct script *script = userdata;

	if (script->engine)
		engine_pass(script->engine);
}

static void start_engine(struct script *script)
{
	struct engine_hooks hooks = { .prepare = prepare,
				      .triggers_changed = nothing,
				      .changed = nothing,
				      .repairing = repairing,
				      .repaired = repaired,
				      .disputed = disputed,
				      .userdata = script };
	_cleanup_free_ char *path = xasprintf("%s/holds.json", script->directory);
	struct error err = ERROR_INIT;

	ck_assert_int_eq(ledger_open(script->directory, &script->ledger, &err), 0);
	script->holds = holds_open(path, clock_wall(&script->clock.clock));
	script->engine = engine_new(script->loop, script->rows, (struct context *)script,
				    script->ledger, &hooks, 1);
	engine_set_holds(script->engine, script->holds);
}

static void stop_engine(struct script *script)
{
	script->engine = engine_free(script->engine);
	script->holds = holds_free(script->holds);
	script->ledger = ledger_free(script->ledger);
}

/* Runs the loop until it has nothing more to do at this moment of the fake clock. */
static void settle(struct script *script)
{
	size_t before;
	int quiet = 0;

	while (quiet < 3) {
		before = script->trace.length;
		loop_once(script->loop, false);
		quiet = script->trace.length == before ? quiet + 1 : 0;
	}
}

/* Commands. */

static void set_list(struct fake *fake, const char *text)
{
	struct strv list = STRV_INIT;

	strv_split(&list, text, ',');
	for (size_t i = 0; i < list.count; i++)
		fake->resource.needs[i] = fake->needs[i] = xstrdup(list.items[i]);
	strv_done(&list);
}

static void set_option(struct fake *fake, const char *key, const char *value)
{
	struct resource *row = &fake->resource;

	if (strcmp(key, "needs") == 0)
		set_list(fake, value);
	else if (strcmp(key, "lane") == 0)
		row->lane = fake->lane = xstrdup(value);
	else if (strcmp(key, "every") == 0)
		row->triggers[1] =
		    (struct trigger){ .kind = TRIGGER_EVERY, .seconds = (unsigned)atol(value) };
	else if (strcmp(key, "roles") == 0)
		row->roles = strcmp(value, "worker") == 0 ? FOR_WORKER : FOR_CONTROL_PLANE;
	else
		ck_abort_msg("unknown option %s", key);
}

static void command_row(struct script *script, struct strv *words)
{
	struct fake *fake = &script->fakes[script->count];

	ck_assert_uint_lt(script->count, ROWS_MAX);
	fake->script = script;
	fake->name = xstrdup(words->items[1]);
	fake->path = xasprintf("/%s", fake->name);
	fake->verdict = IN_SYNC;
	fake->resource = (struct resource){
		.name = fake->name,
		.roles = FOR_ANY,
		.class = CLASS_NODE,
		.observe = fake_observe,
		.apply = fake_apply,
		.triggers = { { .kind = TRIGGER_PATH, .text = fake->path } },
		.data = fake,
	};
	for (size_t i = 2; i < words->count; i++) {
		if (strcmp(words->items[i], "observe-only") == 0) {
			fake->resource.apply = NULL;
		} else if (strcmp(words->items[i], "kubelet") == 0) {
			fake->resource.class = CLASS_KUBELET;
		} else if (strcmp(words->items[i], "stands") == 0) {
			fake->stands = true;
			fake->resource.stands = fake_stands;
		} else {
			set_option(fake, words->items[i], words->items[i + 1]);
			i++;
		}
	}
	script->rows[script->count++] = &fake->resource;
}

static enum verdict verdict_from(const char *text)
{
	for (enum verdict verdict = IN_SYNC; verdict < _VERDICT_MAX; verdict++)
		if (strcmp(verdict_name(verdict), text) == 0)
			return verdict;
	ck_abort_msg("no verdict: %s", text);
}

static void set_world(struct fake *fake, const char *verdict, const char *reason)
{
	fake->verdict = verdict_from(verdict);
	(void)snprintf(fake->reason, sizeof(fake->reason), "%s", reason ? reason : "");
}

static void command_role(struct script *script, const char *kind, bool again, bool observe)
{
	struct role *role;

	if (!script->engine)
		start_engine(script);
	if (strcmp(kind, "none") == 0) {
		engine_set_role(script->engine, NULL, 0, script->generation);
		return;
	}
	role = NEW(struct role);
	role->refs = 1;
	role->kind = strcmp(kind, "worker") == 0 ? ROLE_WORKER : ROLE_CONTROL_PLANE;
	script->generation += !again;
	role->generation = script->generation;
	role->policy.observed[CLASS_KUBELET] = observe;
	engine_set_role(script->engine, role,
			role->kind == ROLE_WORKER ? FOR_WORKER : FOR_CONTROL_PLANE,
			role->generation);
	role_unref(role);
}

static enum error_class class_from(const char *text)
{
	for (int class = 0; class < _ERROR_CLASS_MAX; class ++)
		if (strcmp(error_class_name(class), text) == 0)
			return class;
	ck_abort_msg("no class: %s", text);
}

static void command_end(struct script *script, struct strv *words)
{
	struct fake *fake = find(script, words->items[1]);
	struct error error = ERROR_INIT;

	ck_assert_msg(fake->op, "%s: %s has no task", script->name, fake->name);
	if (strcmp(words->items[0], "finish") == 0) {
		set_world(fake, words->count > 2 ? words->items[2] : "in-sync", NULL);
		op_complete(fake->op, NULL);
		return;
	}
	error_set(&error, class_from(words->items[2]), -EIO, "%s",
		  words->count > 3 ? words->items[3] : "broken");
	op_fail(fake->op, &error);
}

static void command_hold(struct script *script, const char *name, const char *what)
{
	_cleanup_(strv_done) struct strv rows = STRV_INIT;
	_cleanup_free_ char *text = NULL;
	struct error err = ERROR_INIT;

	engine_held_by(script->engine, what, &rows);
	text = strv_join(&rows, " ");
	if (strcmp(name, "hold") == 0)
		ck_assert_int_eq(holds_set(script->holds, what, 1, 0, &err), 0);
	else
		ck_assert_int_eq(holds_remove(script->holds, what, &err), 1);
	engine_set_holds(script->engine, script->holds);
	trace(script, "%s: %s", name, text);
}

/* Seconds since the first rival. */
static int64_t since_first(const struct script *script, int64_t wall_s)
{
	return wall_s - script->first_fight_s;
}

static void command_fight(struct script *script, struct fake *fake, unsigned seconds)
{
	struct buf times = BUF_INIT(KIB);

	if (script->first_fight_s == 0)
		script->first_fight_s = clock_wall(&script->clock.clock);
	script->silent = true;
	for (unsigned i = 0; i < seconds; i++) {
		set_world(fake, "drifted", "edited");
		engine_mark_trigger(script->engine, TRIGGER_PATH, fake->path, NULL);
		settle(script);
		if (fake->op) {
			set_world(fake, "in-sync", NULL);
			op_complete(fake->op, NULL);
			settle(script);
			(void)buf_printf(
			    &times, "%lld ",
			    (long long)since_first(script, clock_wall(&script->clock.clock)));
		}
		clock_fake_advance(&script->clock, NSEC_PER_SEC);
	}
	script->silent = false;
	trace(script, "%s: repaired at %ss", fake->name, times.data);
	buf_done(&times);
}

static void command_conditions(struct script *script)
{
	struct value *list = report_conditions(script->engine);

	VALUE_FOREACH(i, list) {
		const struct value *condition = value_item(list, i);
		int64_t since = 0;

		ck_assert_int_eq(parse_time(value_string(value_get(condition, "since")), &since),
				 0);
		trace(script, "%s %s %s since %lld s", value_string(value_get(condition, "type")),
		      value_string(value_get(condition, "status")),
		      value_string(value_get(condition, "reason")),
		      (long long)since_first(script, since));
	}
	value_unref(list);
}

static void command(struct script *script, const char *line)
{
	struct strv words = STRV_INIT;
	const char *name;

	strv_split(&words, line, ' ');
	name = words.items[0];
	if (strcmp(name, "row") == 0)
		command_row(script, &words);
	else if (strcmp(name, "world") == 0)
		set_world(find(script, words.items[1]), words.items[2],
			  words.count > 3 ? words.items[3] : NULL);
	else if (strcmp(name, "role") == 0)
		command_role(script, words.items[1], strv_contains(&words, "again"),
			     strv_contains(&words, "observe"));
	else if (strcmp(name, "mark") == 0)
		ck_assert(engine_mark(script->engine, words.items[1]));
	else if (strcmp(name, "path") == 0)
		engine_mark_trigger(script->engine, TRIGGER_PATH, words.items[1], NULL);
	else if (strcmp(name, "finish") == 0 || strcmp(name, "fail") == 0)
		command_end(script, &words);
	else if (strcmp(name, "advance") == 0)
		clock_fake_advance(&script->clock,
				   (uint64_t)(atof(words.items[1]) * (double)NSEC_PER_SEC));
	else if (strcmp(name, "reconcile") == 0)
		engine_reconcile(script->engine);
	else if (strcmp(name, "converged") == 0)
		(void)buf_printf(&script->trace, "%s\n",
				 engine_is_converged(script->engine) ? "yes" : "no");
	else if (strcmp(name, "fight") == 0)
		command_fight(script, find(script, words.items[1]), (unsigned)atol(words.items[2]));
	else if (strcmp(name, "hold") == 0 || strcmp(name, "release") == 0)
		command_hold(script, name, words.items[1]);
	else if (strcmp(name, "conditions") == 0)
		command_conditions(script);
	else if (strcmp(name, "restart") == 0)
		stop_engine(script);
	else
		ck_abort_msg("%s: unknown command %s", script->name, name);
	strv_done(&words);
	settle(script);
}

/* The file. */

static void compare(struct script *script, unsigned line, const char *command_line,
		    const struct buf *expected)
{
	ck_assert_msg(strcmp(script->trace.data, expected->data) == 0,
		      "%s:%u: after \"%s\"\n--- expected\n%s--- got\n%s", script->name, line,
		      command_line, expected->data, script->trace.data);
	buf_reset(&script->trace);
}

static void run(struct script *script, FILE *file)
{
	struct buf expected = BUF_INIT(64 * KIB);
	char *line = NULL, *last = NULL;
	unsigned number = 0, last_number = 0;
	size_t size = 0;

	while (getline(&line, &size, file) >= 0) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strncmp(line, "> ", 2) != 0) {
			(void)buf_printf(&expected, "%s\n", line);
			continue;
		}
		if (last)
			compare(script, last_number, last, &expected);
		buf_reset(&expected);
		free(last);
		last = xstrdup(line + 2);
		last_number = number;
		command(script, last);
	}
	ck_assert_ptr_nonnull(last);
	compare(script, last_number, last, &expected);
	free(last);
	free(line);
	buf_done(&expected);
}

static void script_done(struct script *script)
{
	char path[128];

	stop_engine(script);
	loop_free(script->loop);
	for (size_t i = 0; i < script->count; i++) {
		struct fake *fake = &script->fakes[i];

		free(fake->name);
		free(fake->lane);
		free(fake->path);
		for (size_t n = 0; n < RESOURCE_NEEDS_MAX; n++)
			free(fake->needs[n]);
	}
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/ledger.%d", script->directory, i);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/holds.json", script->directory);
	(void)unlink(path);
	(void)rmdir(script->directory);
	buf_done(&script->trace);
}

static void run_script(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/engine/%s", TEST_SOURCE_DIRECTORY, name);
	struct script script = { .name = name, .trace = BUF_INIT(64 * KIB) };
	FILE *file = fopen(path, "re");

	ck_assert_msg(file, "%s cannot be opened", path);
	strcpy(script.directory, "/tmp/agentd-engine-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(script.directory));
	clock_fake_init(&script.clock, 1800000000);
	script.loop = loop_new(&script.clock.clock);
	loop_set_after_batch(script.loop, hook, &script);
	log_set_sink(log_line, &script);
	run(&script, file);
	script_done(&script);
	log_set_sink(NULL, NULL);
	(void)fclose(file);
}

static char *scripts[128];
static int script_count;

START_TEST(test_script)
{
	run_script(scripts[_i]);
}
END_TEST

static int is_script(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".script") == 0;
}

Suite *suite_engine_script(void)
{
	Suite *suite = suite_create("engine-script");
	TCase *tests = tcase_create("scripts");
	struct dirent **entries = NULL;
	int count = scandir(TEST_SOURCE_DIRECTORY "/engine", &entries, is_script, alphasort);

	assert(count > 0 && count <= (int)ARRAY_SIZE(scripts));
	for (int i = 0; i < count; i++) {
		static char names[128][256];

		(void)snprintf(names[i], sizeof(names[i]), "%s", entries[i]->d_name);
		scripts[script_count++] = names[i];
		free(entries[i]);
	}
	free(entries);
	tcase_add_loop_test(tests, test_script, 0, script_count);
	suite_add_tcase(suite, tests);
	return suite;
}
