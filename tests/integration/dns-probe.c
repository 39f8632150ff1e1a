/* An agent that does nothing but spread CoreDNS: the row dns-spread under the real engine, with an
 * identity of its own, for test_dns_real.py.
 *
 * dns-probe SERVER CA CERT KEY NODE DIRECTORY. Prints a JSON line, {"verdict": ..., "reason": ...},
 * whenever the row says something else, and the answer to each letter that it reads: s asks
 * DnsStatus, r DnsRebalance. Ends with its input. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agentd/actions/dns.h"
#include "agentd/context.h"
#include "agentd/engine/engine.h"
#include "agentd/engine/report.h"
#include "agentd/resources.h"
#include "agentd/resources/dns_spread.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"

struct probe {
	struct context ctx;
	struct engine *engine;
	struct resource row;
	struct op *op;
	struct value *said; /* the last line */
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "dns-probe: %s: %s\n", what, why);
	exit(2);
}

static void print(struct value *line)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(1 * MIB);

	if (json_write(line, 0, &text) < 0)
		die("output", "cannot be written as JSON");
	puts(text.data);
	(void)fflush(stdout);
	value_unref(line);
}

/* Hooks of the engine. */

static void prepare(void *userdata, int64_t wall_s)
{
	struct probe *probe = userdata;

	probe->ctx.now = wall_s;
}

static void watch_trigger(enum trigger_kind kind, const char *text, const char *name,
			  void *userdata)
{
	struct probe *probe = userdata;

	if (kind == TRIGGER_OBJECT)
		objects_watch(probe->ctx.objects, text, name, false);
}

static void triggers_changed(void *userdata)
{
	struct probe *probe = userdata;

	objects_clear(probe->ctx.objects);
	engine_triggers(probe->engine, watch_trigger, probe);
}

static void changed(void *userdata)
{
	(void)userdata;
}

static void object_changed(const char *collection, const char *name, void *userdata)
{
	struct probe *probe = userdata;

	engine_mark_trigger(probe->engine, TRIGGER_OBJECT, collection, name);
}

static void after_batch(void *userdata)
{
	struct probe *probe = userdata;
	_cleanup_(value_unref) struct value *rows = NULL;
	const struct value *row;
	struct value *line = value_new_map();

	engine_pass(probe->engine);
	rows = report_rows(probe->engine);
	row = value_item(rows, 0);
	line = value_put(line, "verdict", value_ref(value_get(row, "verdict")));
	line = value_put(line, "reason",
			 value_new_string(value_string_or(value_get(row, "reason"), "")));
	if (probe->said && value_equal(probe->said, line)) {
		value_unref(line);
		return;
	}
	value_unref(probe->said);
	probe->said = value_ref(line);
	print(line);
}

/* Requests. */

static void answered(struct op *op, void *userdata)
{
	struct probe *probe = userdata;

	if (op_error(op))
		print(value_put(value_new_map(), "error", value_new_string(op_error(op)->message)));
	else
		print(value_put(value_new_map(), "answer", value_ref(op_value(op))));
	probe->op = op_drop(probe->op);
}

static void input(int fd, unsigned events, void *userdata)
{
	struct probe *probe = userdata;
	struct error err = ERROR_INIT;
	char letter;

	(void)events;
	if (read(fd, &letter, 1) <= 0) {
		loop_quit(probe->ctx.loop, EXIT_SUCCESS);
		return;
	}
	if (letter != 'r' && letter != 's')
		return;
	op_drop(probe->op);
	probe->op = letter == 'r' ? actions_dns_rebalance(&probe->ctx, &err)
				  : actions_dns_status(&probe->ctx, &err);
	if (!probe->op)
		die("request", err.message);
	op_watch(probe->op, answered, probe);
}

/* Start. */

static char *read_text(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(1 * MIB);
	struct error err = ERROR_INIT;

	if (file_read(path, &text, &err) <= 0)
		die(path, err.message);
	return buf_take(&text);
}

static struct kube *make_client(struct loop *loop, char **argv)
{
	_cleanup_free_ char *ca = read_text(argv[2]), *certificate = read_text(argv[3]);
	_cleanup_free_ char *key_text = read_text(argv[4]);
	_cleanup_(secret_unref) struct secret *key = secret_new(key_text, strlen(key_text));
	struct http_identity identity = { .ca_pem = ca,
					  .certificate_pem = certificate,
					  .key_pem = key };

	return kube_new(loop, argv[1], &identity);
}

static struct role *make_role(const char *node)
{
	struct role *role = NEW(struct role);

	role->refs = 1;
	role->kind = ROLE_CONTROL_PLANE;
	role->node.name = xstrdup(node);
	return role;
}

int main(int argc, char **argv)
{
	struct probe probe = { 0 };
	const struct resource *rows[] = { &probe.row, NULL };
	const struct engine_hooks hooks = { .prepare = prepare,
					    .triggers_changed = triggers_changed,
					    .changed = changed,
					    .userdata = &probe };
	struct loop_io *io;
	struct error err = ERROR_INIT;
	int status;

	if (argc != 7)
		die("usage", "dns-probe SERVER CA CERT KEY NODE DIRECTORY");
	log_setup(LOG_DEBUG, true);
	probe.row = dns_spread_rows[0];
	/* What it needs is no row here. */
	memset(probe.row.needs, 0, sizeof(probe.row.needs));
	probe.ctx.clock = clock_system();
	probe.ctx.loop = loop_new(probe.ctx.clock);
	probe.ctx.kube = make_client(probe.ctx.loop, argv);
	probe.ctx.role = make_role(argv[5]);
	if (ledger_open(argv[6], &probe.ctx.ledger, &err) < 0)
		die(argv[6], err.message);
	probe.ctx.objects = objects_new(probe.ctx.loop, object_changed, &probe);
	probe.engine = engine_new(probe.ctx.loop, rows, &probe.ctx, probe.ctx.ledger, &hooks, 1);
	engine_set_role(probe.engine, probe.ctx.role, FOR_CONTROL_PLANE, 1);
	objects_set_client(probe.ctx.objects, probe.ctx.kube);
	io = loop_io_new(probe.ctx.loop, STDIN_FILENO, input, &probe);
	loop_io_want(io, LOOP_READ);
	loop_set_after_batch(probe.ctx.loop, after_batch, &probe);
	status = loop_run(probe.ctx.loop);

	op_drop(probe.op);
	value_unref(probe.said);
	engine_free(probe.engine);
	objects_free(probe.ctx.objects);
	kube_free(probe.ctx.kube);
	ledger_free(probe.ctx.ledger);
	role_unref(probe.ctx.role);
	loop_io_free(io);
	loop_free(probe.ctx.loop);
	return status;
}
