/* agentctl dns: where CoreDNS is, and what is done about it (dns.h). */
#include "agentd/cli/dns.h"

#include <stdio.h>
#include <string.h>

#include "agentd/cli/client.h"
#include "common/alloc.h"
#include "common/log.h"

/* A replacement has that long to become Ready, and the daemon answers after it. */
#define REBALANCE_NS (180 * (int64_t)NSEC_PER_SEC)

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static bool is_verdict(const struct value *answer, const char *verdict)
{
	return strcmp(text_of(answer, "verdict"), verdict) == 0;
}

static enum render_tone tone_of(const struct value *status)
{
	if (is_verdict(status, "spread"))
		return TONE_GOOD;
	if (is_verdict(status, "given-up"))
		return TONE_BAD;
	return is_verdict(status, "nowhere") ? TONE_PLAIN : TONE_BUSY;
}

static void line(const struct render *render, const char *name, enum render_tone tone,
		 const char *text)
{
	fprintf(render->out, "%12s: ", name);
	render_text(render, tone, text);
	fputc('\n', render->out);
}

static void line_of_move(const struct render *render, const char *name, const struct value *move)
{
	_cleanup_free_ char *text = NULL;
	char age[32];

	if (!move)
		return;
	render_age(render, text_of(move, "time"), age);
	text = xasprintf("%s from %s to %s%s%s%s", text_of(move, "pod"), text_of(move, "from"),
			 text_of(move, "to"), value_get(move, "time") ? ", " : "",
			 value_get(move, "time") ? age : "", value_get(move, "time") ? " ago" : "");
	line(render, name, TONE_PLAIN, text);
}

static void show_replicas(const struct render *render, const struct value *status)
{
	static const char *const columns[] = { "REPLICA", "NODE", "ZONE", "READY", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;
	const struct value *replicas = value_get(status, "replicas");

	table = render_table_new(render, columns);
	VALUE_FOREACH(i, replicas) {
		const struct value *replica = value_item(replicas, i);
		bool ready = value_is_true(value_get(replica, "ready"));

		render_table_cell(table, TONE_PLAIN, text_of(replica, "pod"));
		render_table_cell(table, TONE_PLAIN, value_string(value_get(replica, "node")));
		render_table_cell(table, TONE_PLAIN, value_string(value_get(replica, "zone")));
		render_table_cell(table, ready ? TONE_GOOD : TONE_BUSY, ready ? "yes" : "no");
	}
	fputc('\n', render->out);
	render_table_print(table);
}

static void show_nodes(const struct render *render, const struct value *status)
{
	static const char *const columns[] = { "NODE", "ZONE", "REPLICAS", "CANNOT TAKE ONE",
					       NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;
	const struct value *nodes = value_get(status, "nodes");

	table = render_table_new(render, columns);
	VALUE_FOREACH(i, nodes) {
		const struct value *node = value_item(nodes, i);
		const char *count = value_number_text(value_get(node, "replicas"));

		render_table_cell(table, TONE_PLAIN, text_of(node, "name"));
		render_table_cell(table, TONE_PLAIN, value_string(value_get(node, "zone")));
		render_table_cell(table, TONE_PLAIN, count);
		render_table_cell(table, TONE_PLAIN, value_string(value_get(node, "against")));
	}
	fputc('\n', render->out);
	render_table_print(table);
}

int dns_status_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *status = NULL;
	const struct render *render = call->render;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &status);
	if (r != 0)
		return r;
	if (render_is_for_programs(render)) {
		render_value(render, status);
		return STATUS_OK;
	}
	line(render, "CoreDNS", tone_of(status), text_of(status, "reason"));
	line_of_move(render, "Next move", value_get(status, "move"));
	if (value_get(status, "notBefore"))
		line(render, "Not before", TONE_PLAIN, text_of(status, "notBefore"));
	line_of_move(render, "Last move", value_get(status, "lastMove"));
	show_replicas(render, status);
	show_nodes(render, status);
	return STATUS_OK;
}

/* In words, on standard output where all is well. */
static int show_outcome(const struct render *render, const struct value *answer)
{
	_cleanup_(buf_done) struct buf reason = BUF_INIT(64 * KIB);

	if (!value_is_true(value_get(answer, "moved"))) {
		bool fine = is_verdict(answer, "spread") || is_verdict(answer, "nowhere");

		log_escape(text_of(answer, "reason"), &reason);
		fprintf(fine ? render->out : stderr, "%sNothing is moved: %s.\n",
			fine ? "" : "agentctl: ", reason.data);
		return fine ? STATUS_OK : STATUS_FAILED;
	}
	render_textf(render, TONE_PLAIN, "%s moved away from %s", text_of(answer, "pod"),
		     text_of(answer, "from"));
	if (value_get(answer, "to"))
		render_textf(render, TONE_PLAIN, ", its replacement is Ready on %s",
			     text_of(answer, "to"));
	else
		render_textf(render, TONE_PLAIN, "; %s", text_of(answer, "reason"));
	fputs(".\n", render->out);
	return STATUS_OK;
}

int dns_rebalance_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *answer = NULL;
	struct options options = *call->options;
	int r;

	if (options.timeout_ns != 0)
		options.timeout_ns = MAX(options.timeout_ns, REBALANCE_NS);
	r = client_ask(&options, call->verb->method, NULL, &answer);
	if (r != 0)
		return r;
	if (!render_is_for_programs(call->render))
		return show_outcome(call->render, answer);
	render_value(call->render, answer);
	return STATUS_OK;
}
