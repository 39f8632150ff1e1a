/* Drives agentd/kube from the integration tests: one request, or a cache that reports its changes.
 *
 * kube-probe --server URL [--ca FILE] [--cert FILE --key FILE] [--token TEXT] COMMAND ARGUMENT...
 * (the commands are the table at the end). Objects come from files. The outcome is one JSON line,
 * {"ok": true, "value": ...} or {"ok": false, "errno": ..., "class": ..., "message": ...}; a cache
 * prints one line for each change until its input ends. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/cache.h"
#include "agentd/kube/client.h"
#include "agentd/kube/lease.h"
#include "agentd/kube/names.h"
#include "agentd/kube/objects.h"
#include "agentd/kube/policy.h"
#include "common/alloc.h"
#include "common/json.h"
#include "common/parse.h"
#include "common/strv.h"
#include "common/task.h"

/* One who works under a Lease. */
struct rival {
	const char *lease, *holder;
	unsigned duration_s, rounds;
};

struct probe {
	struct loop *loop;
	struct kube *kube;
	struct loop_io *input;
	struct objects *objects;
	struct cache *cache;
	struct strv names;    /* --keep */
	const char *selector; /* --selector */
	bool narrow;
	struct op *op;
	struct value *desired; /* of mend and compare */
	struct policy *policy;
	const char *collection, *name;
	struct rival rival;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "kube-probe: %s: %s\n", what, why);
	exit(2);
}

static void read_file(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t n;

	if (!file)
		die(path, strerror(errno));
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		(void)buf_append(text, block, n);
	fclose(file);
}

static struct value *read_value(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(8 * MIB);
	struct error err = ERROR_INIT;
	struct value *value = NULL;

	read_file(path, &text);
	if (json_parse(text.data, text.length, path, &value, &err) < 0)
		die(path, err.message);
	return value;
}

/* -- Output ------------------------------------------------------------------------------------ */

static void print(struct value *line)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * MIB);

	if (json_write(line, 0, &text) < 0)
		die("output", "cannot be written as JSON");
	puts(text.data);
	fflush(stdout);
	value_unref(line);
}

static struct value *put_error(struct value *line, const struct error *error)
{
	line = value_put(line, "errno", value_new_string(strerrorname_np(-error->code)));
	line = value_put(line, "class", value_new_string(error_class_name(error->class)));
	line = value_put(line, "message", value_new_string(error->message));
	return value_put(line, "retry_after_ms", value_new_int(error->retry_after_ms));
}

static void print_outcome(const struct op *op)
{
	const struct error *error = op_error(op);
	struct value *line = value_put(value_new_map(), "ok", value_new_bool(!error));

	if (error)
		line = put_error(line, error);
	else if (op_value(op))
		line = value_put(line, "value", value_ref(op_value(op)));
	else
		line = value_put(line, "value", value_new_null());
	print(line);
}

static void outcome(struct op *op, void *userdata)
{
	struct probe *probe = userdata;

	print_outcome(op);
	loop_quit(probe->loop, op_error(op) ? 1 : 0);
}

static void run(struct probe *probe, struct op *op)
{
	probe->op = op;
	op_watch(op, outcome, probe);
}

/* -- Requests ---------------------------------------------------------------------------------- */

static void do_get(struct probe *probe, char **args)
{
	run(probe, kube_get(probe->kube, args[0]));
}

static void do_list(struct probe *probe, char **args)
{
	run(probe, kube_list(probe->kube, args[0], args[1]));
}

static void do_readyz(struct probe *probe, char **args)
{
	run(probe, kube_probe(probe->kube, args[0]));
}

static int print_event(const char *change, const struct value *object, void *userdata)
{
	struct value *line = value_new_map();

	line = value_put(line, "change", value_new_string(change));
	print(value_put(line, "object", value_ref(object)));
	return strcmp(value_string_or(value_at(object, "data", "stop"), ""), "1") == 0 ? -EPIPE : 0;
}

static void do_watch(struct probe *probe, char **args)
{
	run(probe, kube_watch(probe->kube, args[0], args[1], print_event, probe));
}

static void do_delete(struct probe *probe, char **args)
{
	run(probe, kube_delete(probe->kube, args[0]));
}

static void do_delete_uid(struct probe *probe, char **args)
{
	run(probe, kube_delete_uid(probe->kube, args[0], args[1]));
}

static void do_create(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *object = read_value(args[1]);

	run(probe, kube_create(probe->kube, args[0], object));
}

static void do_apply(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *object = read_value(args[1]);

	run(probe, kube_apply(probe->kube, args[0], object, args[2], false));
}

static void do_force(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *object = read_value(args[1]);

	run(probe, kube_apply(probe->kube, args[0], object, args[2], true));
}

static void do_replace(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *object = read_value(args[1]);

	run(probe, kube_replace(probe->kube, args[0], object, args[2]));
}

static void do_merge(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *patch = read_value(args[1]);

	run(probe, kube_merge_patch(probe->kube, args[0], patch, args[2]));
}

static void do_json(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *patch = read_value(args[1]);

	run(probe, kube_json_patch(probe->kube, args[0], patch, args[2]));
}

/* -- Waiting ----------------------------------------------------------------------------------- */

struct condition {
	const char *what; /* "exists", "missing", "fail", or a dotted path */
	const char *text;
};

static const struct value *at_path(const struct value *value, const char *path)
{
	_cleanup_(strv_done) struct strv keys = STRV_INIT;

	strv_split(&keys, path, '.');
	STRV_FOREACH(key, &keys) {
		value = value_get(value, key);
	}
	return value;
}

static int is_met(const struct value *object, void *argument, struct error *err)
{
	const struct condition *condition = argument;

	if (strcmp(condition->what, "missing") == 0)
		return object ? 0 : 1;
	if (!object || strcmp(condition->what, "exists") == 0)
		return object ? 1 : 0;
	if (strcmp(condition->what, "fail") == 0)
		return error_set(err, ERROR_TRUST, -EPERM, "not this one");
	if (strcmp(condition->text, "*") == 0)
		return at_path(object, condition->what) ? 1 : 0;
	return strcmp(value_string_or(at_path(object, condition->what), ""), condition->text) == 0;
}

static void do_wait(struct probe *probe, char **args)
{
	struct condition *condition = NEW(struct condition);

	*condition = (struct condition){ args[1], args[2] };
	run(probe, kube_wait(probe->kube, args[0], is_met, condition, free));
}

/* -- Policies ---------------------------------------------------------------------------------- */

/* {"": "once", "subjects": "merged key,effect"} */
static struct policy *read_policy(const char *path)
{
	static const char *const kinds[] = { "enforced", "once", "merged", "fixed" };
	_cleanup_(value_unref) struct value *table = read_value(path);
	struct policy *rows = NEW_ARRAY(struct policy, value_count(table) + 1);

	VALUE_FOREACH(i, table) {
		const char *text = value_string(value_item(table, i));
		size_t length = strcspn(text, " ");

		rows[i].path = xstrdup(value_key(table, i));
		rows[i].match = text[length] ? xstrdup(text + length + 1) : NULL;
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (strncmp(kinds[k], text, length) == 0 && !kinds[k][length])
				rows[i].kind = (enum policy_kind)k;
	}
	return rows;
}

static void policy_free(struct policy *rows)
{
	for (struct policy *row = rows; row && row->path; row++) {
		free((char *)row->path);
		free((char *)row->match);
	}
	free(rows);
}

static struct op *compared(struct probe *probe, const struct value *live)
{
	static const char *const states[] = { "same", "missing", "differs", "replace" };
	_cleanup_(buf_done) struct buf why = BUF_INIT(KIB);
	enum policy_state state = policy_compare(probe->desired, probe->policy, live, &why);
	struct value *line = value_put(value_new_map(), "state", value_new_string(states[state]));

	return op_new_done(probe->loop, value_put(line, "why", value_new_string(why.data)));
}

static void compare_live(struct op *op, void *userdata)
{
	struct probe *probe = userdata;
	struct op *next;

	if (op_error(op)) {
		outcome(op, probe);
		return;
	}
	next = compared(probe, op_value(op));
	op_drop(op);
	run(probe, next);
}

static void mend_live(struct op *op, void *userdata)
{
	struct probe *probe = userdata;
	struct op *next;

	if (op_error(op)) {
		outcome(op, probe);
		return;
	}
	next = policy_mend(probe->kube, probe->collection, probe->name, probe->desired,
			   probe->policy, op_value(op));
	op_drop(op);
	run(probe, next);
}

/* COLLECTION NAME DESIRED POLICY: reads the live object first. */
static void with_live(struct probe *probe, char **args, op_done_fn then)
{
	_cleanup_free_ char *path = apipath_join(args[0], args[1]);

	probe->collection = args[0];
	probe->name = args[1];
	probe->desired = read_value(args[2]);
	probe->policy = read_policy(args[3]);
	probe->op = kube_get(probe->kube, path);
	op_watch(probe->op, then, probe);
}

static void do_compare(struct probe *probe, char **args)
{
	with_live(probe, args, compare_live);
}

static void do_mend(struct probe *probe, char **args)
{
	with_live(probe, args, mend_live);
}

/* COLLECTION NAME DESIRED POLICY LIVE: with a live object that was read long ago ("-" = none). */
static void do_mend_stale(struct probe *probe, char **args)
{
	_cleanup_(value_unref) struct value *live =
	    strcmp(args[4], "-") == 0 ? NULL : read_value(args[4]);

	probe->desired = read_value(args[2]);
	probe->policy = read_policy(args[3]);
	run(probe, policy_mend(probe->kube, args[0], args[1], probe->desired, probe->policy, live));
}

/* -- Caches ------------------------------------------------------------------------------------ */

static void input_over(int fd, unsigned events, void *userdata)
{
	struct probe *probe = userdata;
	char block[256];
	ssize_t n = read(fd, block, sizeof(block));

	if (n > 0 && memchr(block, 'r', (size_t)n) && probe->cache)
		cache_refresh(probe->cache);
	if (n <= 0)
		loop_quit(probe->loop, 0);
}

static void follow_input(struct probe *probe)
{
	probe->input = loop_io_new(probe->loop, STDIN_FILENO, input_over, probe);
	loop_io_want(probe->input, LOOP_READ);
}

static void cache_changed(struct cache *cache, const char *name, void *userdata)
{
	struct value *line = value_new_map(), *objects = value_new_map();

	line = value_put(line, "changed", value_new_string(name));
	line = value_put(line, "synced", value_new_bool(cache_is_synced(cache)));
	if (cache_error(cache))
		line = put_error(line, cache_error(cache));
	for (size_t i = 0; i < cache_count(cache); i++) {
		const struct value *object = cache_item(cache, i);

		objects = value_put(objects, value_string(value_at(object, "metadata", "name")),
				    value_ref(object));
	}
	print(value_put(line, "objects", objects));
}

static void do_cache(struct probe *probe, char **args)
{
	probe->cache = cache_new(probe->kube, args[0], probe->selector, cache_changed, probe);
	STRV_FOREACH(name, &probe->names) {
		cache_keep(probe->cache, name);
	}
	if (probe->narrow)
		cache_set_narrow(probe->cache);
	follow_input(probe);
}

static void objects_changed(const char *collection, const char *name, void *userdata)
{
	struct probe *probe = userdata;
	const struct value *object = NULL;
	struct value *line = value_new_map();
	enum object_state state = OBJECT_UNKNOWN;

	line = value_put(line, "collection", value_new_string(collection));
	line = value_put(line, "changed", value_new_string(name));
	if (objects_error(probe->objects))
		line = put_error(line, objects_error(probe->objects));
	STRV_FOREACH(kept, &probe->names) {
		state = objects_get(probe->objects, collection, kept, &object);
		line = value_put(line, kept, value_new_int(state));
	}
	print(line);
}

/* COLLECTION with --keep NAME, or all of it. */
static void do_objects(struct probe *probe, char **args)
{
	probe->objects = objects_new(probe->loop, objects_changed, probe);
	objects_set_client(probe->objects, probe->kube);
	STRV_FOREACH(name, &probe->names) {
		objects_watch(probe->objects, args[0], name, probe->narrow);
	}
	if (probe->names.count == 0)
		objects_watch(probe->objects, args[0], NULL, probe->narrow);
	follow_input(probe);
}

/* -- Leases ------------------------------------------------------------------------------------ */

static struct rival read_rival(char **args)
{
	uint64_t duration;

	if (parse_u64(args[2], &duration) < 0)
		die(args[2], "no number of seconds");
	return (struct rival){ args[0], args[1], (unsigned)duration };
}

static void do_take(struct probe *probe, char **args)
{
	struct rival rival = read_rival(args);

	run(probe, lease_take(probe->kube, rival.lease, rival.holder, rival.duration_s));
}

static void do_release(struct probe *probe, char **args)
{
	run(probe, lease_release(probe->kube, args[0], args[1]));
}

static struct op *rival_take(struct task *task, struct error *err)
{
	struct probe *probe = task_context(task);
	const struct rival *rival = &probe->rival;

	return lease_take(probe->kube, rival->lease, rival->holder, rival->duration_s);
}

static int rival_took(struct task *task, struct op *op, struct error *err)
{
	if (op_error(op) && op_error(op)->code == -EBUSY)
		return STAGE_AGAIN;
	return op_result(op, err);
}

/* A second one inside finds that it is there already. */
static struct op *rival_enter(struct task *task, struct error *err)
{
	struct probe *probe = task_context(task);
	_cleanup_(value_unref) struct value *map = value_new_map();

	map = value_put(map, "apiVersion", value_new_string("v1"));
	map = value_put(map, "kind", value_new_string("Secret"));
	map = value_put_at(map, value_new_string("inside"), "metadata", "name");
	return kube_create(probe->kube, KUBE_SYSTEM_SECRETS, map);
}

static struct op *rival_leave(struct task *task, struct error *err)
{
	struct probe *probe = task_context(task);

	return kube_delete(probe->kube, KUBE_SYSTEM_SECRETS "/inside");
}

static struct op *rival_release(struct task *task, struct error *err)
{
	struct probe *probe = task_context(task);

	return lease_release(probe->kube, probe->rival.lease, probe->rival.holder);
}

static const struct stage rival_stages[] = {
	{ "take", rival_take, rival_took, .again_ms = 20, .may_fail = true },
	{ "enter", rival_enter, NULL },
	{ "leave", rival_leave, NULL },
	{ "release", rival_release, NULL },
	{},
};

static void rival_round(struct op *op, void *userdata)
{
	struct probe *probe = userdata;

	if (op && (op_error(op) || probe->rival.rounds == 0)) {
		outcome(op, probe);
		return;
	}
	probe->rival.rounds--;
	op_drop(op);
	probe->op = task_op_new(probe->loop, rival_stages, probe, NULL);
	op_watch(probe->op, rival_round, probe);
}

/* LEASE HOLDER SECONDS ROUNDS: works under a Lease, round after round. */
static void do_rival(struct probe *probe, char **args)
{
	uint64_t rounds;

	probe->rival = read_rival(args);
	if (parse_u64(args[3], &rounds) < 0 || rounds == 0)
		die(args[3], "no number of rounds");
	probe->rival.rounds = (unsigned)rounds;
	rival_round(NULL, probe);
}

static const struct stage heir_stages[] = {
	{ "take", rival_take, rival_took, .again_ms = 100, .may_fail = true },
	{},
};

/* LEASE HOLDER SECONDS: tries until it has it. */
static void do_heir(struct probe *probe, char **args)
{
	probe->rival = read_rival(args);
	run(probe, task_op_new(probe->loop, heir_stages, probe, NULL));
}

/* -- Start ------------------------------------------------------------------------------------- */

static const struct command {
	const char *name;
	int arguments;
	void (*run)(struct probe *probe, char **args);
} commands[] = {
	{ "get", 1, do_get },		    /* PATH */
	{ "list", 2, do_list },		    /* COLLECTION QUERY */
	{ "watch", 2, do_watch },	    /* COLLECTION QUERY */
	{ "probe", 1, do_readyz },	    /* PATH */
	{ "create", 2, do_create },	    /* COLLECTION FILE */
	{ "apply", 3, do_apply },	    /* PATH FILE MANAGER */
	{ "force", 3, do_force },	    /* PATH FILE MANAGER */
	{ "replace", 3, do_replace },	    /* PATH FILE MANAGER */
	{ "merge", 3, do_merge },	    /* PATH FILE MANAGER */
	{ "json", 3, do_json },		    /* PATH FILE MANAGER */
	{ "delete", 1, do_delete },	    /* PATH */
	{ "delete-uid", 2, do_delete_uid }, /* PATH UID */
	{ "wait", 3, do_wait },		    /* PATH exists|missing|fail|KEY.KEY TEXT|* */
	{ "cache", 1, do_cache },	    /* COLLECTION */
	{ "objects", 1, do_objects },	    /* COLLECTION */
	{ "compare", 4, do_compare },	    /* COLLECTION NAME DESIRED POLICY */
	{ "mend", 4, do_mend },		    /* COLLECTION NAME DESIRED POLICY */
	{ "mend-stale", 5, do_mend_stale }, /* COLLECTION NAME DESIRED POLICY LIVE */
	{ "take", 3, do_take },		    /* LEASE HOLDER SECONDS */
	{ "release", 2, do_release },	    /* LEASE HOLDER */
	{ "rival", 4, do_rival },	    /* LEASE HOLDER SECONDS ROUNDS */
	{ "heir", 3, do_heir },		    /* LEASE HOLDER SECONDS */
};

struct options {
	const char *server;
	struct buf ca, certificate, key;
	const char *token;
};

enum {
	OPTION_SERVER = 256,
	OPTION_CA,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_TOKEN,
	OPTION_KEEP,
	OPTION_SELECTOR,
	OPTION_NARROW
};

static void read_options(int argc, char **argv, struct options *options, struct probe *probe)
{
	static const struct option known[] = {
		{ "server", required_argument, NULL, OPTION_SERVER },
		{ "ca", required_argument, NULL, OPTION_CA },
		{ "cert", required_argument, NULL, OPTION_CERT },
		{ "key", required_argument, NULL, OPTION_KEY },
		{ "token", required_argument, NULL, OPTION_TOKEN },
		{ "keep", required_argument, NULL, OPTION_KEEP },
		{ "selector", required_argument, NULL, OPTION_SELECTOR },
		{ "narrow", no_argument, NULL, OPTION_NARROW },
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == OPTION_SERVER)
			options->server = optarg;
		else if (option == OPTION_CA)
			read_file(optarg, &options->ca);
		else if (option == OPTION_CERT)
			read_file(optarg, &options->certificate);
		else if (option == OPTION_KEY)
			read_file(optarg, &options->key);
		else if (option == OPTION_TOKEN)
			options->token = optarg;
		else if (option == OPTION_KEEP)
			strv_add(&probe->names, optarg);
		else if (option == OPTION_SELECTOR)
			probe->selector = optarg;
		else if (option == OPTION_NARROW)
			probe->narrow = true;
		else
			exit(2);
	}
	if (!options->server)
		die("--server", "is missing");
}

static struct kube *make_client(struct loop *loop, struct options *options)
{
	_cleanup_(secret_unref) struct secret *key =
	    options->key.length ? secret_new(options->key.data, options->key.length) : NULL;
	_cleanup_(secret_unref) struct secret *bearer =
	    options->token ? secret_new(options->token, strlen(options->token)) : NULL;
	struct http_identity identity = {
		.ca_pem = options->ca.length ? options->ca.data : NULL,
		.certificate_pem = options->certificate.length ? options->certificate.data : NULL,
		.key_pem = key,
		.bearer = bearer,
	};

	return kube_new(loop, options->server, &identity);
}

static const struct command *find_command(const char *name, int arguments)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0 && commands[i].arguments == arguments)
			return &commands[i];
	die(name ? name : "command", "unknown, or with another number of arguments");
	return NULL;
}

int main(int argc, char **argv)
{
	struct options options = { .ca = BUF_INIT(MIB),
				   .certificate = BUF_INIT(MIB),
				   .key = BUF_INIT(MIB) };
	struct probe probe = { .selector = "" };
	const struct command *command;
	int status;

	read_options(argc, argv, &options, &probe);
	command = find_command(argv[optind], argc - optind - 1);
	probe.loop = loop_new(clock_system());
	probe.kube = make_client(probe.loop, &options);
	command->run(&probe, argv + optind + 1);
	status = loop_run(probe.loop);

	op_drop(probe.op);
	cache_free(probe.cache);
	objects_free(probe.objects);
	loop_io_free(probe.input);
	kube_free(probe.kube);
	loop_free(probe.loop);
	value_unref(probe.desired);
	policy_free(probe.policy);
	strv_done(&probe.names);
	buf_done(&options.ca);
	buf_done(&options.certificate);
	buf_done(&options.key);
	return status;
}
