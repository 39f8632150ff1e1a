/* Whether the node's name resolves on this host, found out before anything is changed: the API
 * server and people reach the kubelet by it. It only warns, by kubeadm's check "Hostname" in
 * preflight.c, which reads what is noted here. */
#include <inttypes.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources.h"
#include "common/alloc.h"
#include "common/lookup.h"
#include "common/parse.h"

enum { PATIENCE_S = 5, FRESH_S = 300 };

/* When a name that did not resolve is looked up again; 0 = it need not be. */
static int64_t node_name_due(struct context *ctx, const struct resource *row)
{
	const char *asked = ledger_note(ctx->ledger, row->name, "asked");
	int64_t then = 0;

	if (facts_has_begun(ctx) || !ledger_note(ctx->ledger, row->name, "problem") || !asked ||
	    parse_i64(asked, &then) < 0)
		return 0;
	return then + FRESH_S;
}

static enum verdict node_name_observe(struct context *ctx, const struct resource *row,
				      struct why *why)
{
	const char *name = ctx->role->node.name;
	const char *noted = ledger_note(ctx->ledger, row->name, "name");
	int64_t due = node_name_due(ctx, row);

	if (facts_has_begun(ctx) || facts_name_is_in_hosts(ctx))
		return IN_SYNC;
	if (noted && strcmp(noted, name) == 0 && (due == 0 || ctx->now < due))
		return IN_SYNC;
	why_set(why, "the node's name %s has not been looked up yet", name);
	return DRIFTED;
}

static struct op *node_name_look_up(struct task *task, struct error *err)
{
	(void)err;
	return lookup_host(ctx_of(task)->names, task_loop(task), role_of(task)->node.name,
			   PATIENCE_S * NSEC_PER_SEC);
}

static int node_name_keep(struct task *task, struct op *op, struct error *err)
{
	struct ledger *ledger = ctx_of(task)->ledger;
	const char *row = row_of(task)->name;
	const struct error *error = op_error(op);
	_cleanup_free_ char *now = xasprintf("%" PRId64, clock_wall(ctx_of(task)->clock));

	(void)err;
	ledger_set_note(ledger, row, "name", role_of(task)->node.name);
	ledger_set_note(ledger, row, "problem", error ? error->message : NULL);
	ledger_set_note(ledger, row, "asked", now);
	return STAGE_NEXT;
}

static const struct stage node_name_apply[] = {
	{ "look up the node's name", node_name_look_up, node_name_keep, .may_fail = true },
	{ 0 },
};

/* clang-format off */
const struct resource node_name_rows[] = {
	{ .name = "node-name", .title = "whether the node's name resolves is known",
	  .roles = FOR_ANY, .triggers = { ON_PATH("/etc/hosts"), DUE(node_name_due) },
	  .observe = node_name_observe, .apply = node_name_apply },
	{ 0 },
};
/* clang-format on */
