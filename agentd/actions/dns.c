/* Answers where CoreDNS is, and moves it on request; see dns.h. The stages are those of the row. */
#include "agentd/actions/dns.h"

#include <errno.h>
#include <string.h>

#include "agentd/actions/control_plane.h"
#include "agentd/resources.h"
#include "agentd/resources/dns_spread.h"
#include "agentd/resources/fit.h"
#include "common/alloc.h"
#include "common/parse.h"

static void run_free(void *state)
{
	struct run *run = state;

	dns_move_free(run->state);
	role_unref(run->role);
	free(run);
}

/* The stages of the row, as if the engine ran them. */
static struct op *run_stages(struct context *ctx, const struct stage *stages, struct dns_move *move)
{
	struct run *run = NEW(struct run);

	*run = (struct run){
		.context = ctx,
		.resource = dns_spread_rows,
		.role = role_ref(ctx->role),
		.state = move,
	};
	return task_op_new(ctx->loop, stages, run, run_free);
}

static struct value *put_text(struct value *map, const char *key, const char *text)
{
	return text && *text ? value_put(map, key, value_new_string(text)) : map;
}

static struct value *put_time(struct value *map, const char *key, int64_t time_s)
{
	char text[32];

	if (time_s == 0)
		return map;
	format_time(time_s, text);
	return put_text(map, key, text);
}

static const char *name_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "name"), "");
}

/* Status. */

static const struct value *find_node(const struct dns_view *view, const char *name)
{
	VALUE_FOREACH(i, view->nodes)
		if (strcmp(name_of(value_item(view->nodes, i)), name) == 0)
			return value_item(view->nodes, i);
	return NULL;
}

static struct value *replicas_value(const struct dns_view *view)
{
	struct value *list = value_new_list();

	VALUE_FOREACH(i, view->pods) {
		const struct value *pod = value_item(view->pods, i);
		const char *node = dns_node_of(pod);
		struct value *map;

		if (value_string(value_at(pod, "metadata", "deletionTimestamp")) ||
		    fit_is_over(pod))
			continue;
		map = put_text(value_new_map(), "pod", name_of(pod));
		map = put_text(map, "node", node);
		map = put_text(map, "zone", dns_zone_of(find_node(view, node)));
		map = value_put(map, "ready", value_new_bool(fit_has_condition(pod, "Ready")));
		list = value_append(list, map);
	}
	return list;
}

static int64_t count_replicas(const struct dns_view *view, const char *node)
{
	int64_t count = 0;

	VALUE_FOREACH(i, view->pods) {
		const struct value *pod = value_item(view->pods, i);

		count += dns_is_replica(pod) && strcmp(dns_node_of(pod), node) == 0;
	}
	return count;
}

/* Why a node cannot take a replica, as far as it has been looked at. */
static const char *find_against(const struct dns_view *view, const struct dns_move *move,
				const struct value *node, struct why *why)
{
	const struct fit_pod pod = { value_at(view->deployment, "spec", "template"), KUBE_SYSTEM };

	*why = (struct why){ .text = "" };
	if (!fit_node(&pod, node, why))
		return why->text;
	for (size_t i = 0; i < move->looks.count; i++)
		if (strcmp(move->looks.items[i].node, name_of(node)) == 0)
			return move->looks.items[i].against;
	return NULL;
}

static struct value *nodes_value(const struct dns_view *view, const struct dns_move *move)
{
	struct value *list = value_new_list();

	VALUE_FOREACH(i, view->nodes) {
		const struct value *node = value_item(view->nodes, i);
		struct value *map = put_text(value_new_map(), "name", name_of(node));
		struct why why;

		map = put_text(map, "zone", dns_zone_of(node));
		map =
		    value_put(map, "replicas", value_new_int(count_replicas(view, name_of(node))));
		map = put_text(map, "against", find_against(view, move, node, &why));
		list = value_append(list, map);
	}
	return list;
}

static struct value *put_moves(struct value *map, const struct dns_view *view,
			       const struct dns_move *move)
{
	const struct dns_decision *decision = &move->decision;
	const struct dns_record *record = &view->snapshot.record;
	struct value *next = value_new_map(), *last = value_new_map();

	next = put_text(next, "pod", decision->pod);
	next = put_text(next, "from", decision->from);
	next = put_text(next, "to", decision->node);
	last = put_time(last, "time", record->at_s);
	last = put_text(last, "pod", record->pod);
	last = put_text(last, "from", record->from);
	last = put_text(last, "to", record->to);
	last = value_put(last, "helped", value_new_bool(record->tries == 0));
	map = value_put(map, "move", decision->verdict == DNS_MOVE ? value_ref(next) : NULL);
	map = value_put(map, "lastMove", record->at_s != 0 ? value_ref(last) : NULL);
	value_unref(next);
	value_unref(last);
	return put_time(map, "notBefore", decision->until_s);
}

static int status_read(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	_cleanup_(dns_view_done) struct dns_view view = { 0 };
	const struct run *run = op_impl(inner);
	const struct dns_move *move = run->state;
	struct value *map = value_new_map();
	int64_t wanted = 0;
	struct why why;

	(void)impl;
	if (!dns_view_take(run->context, &view, &why)) {
		value_unref(map);
		return error_set(err, ERROR_NETWORK, -EAGAIN, "%s", why.text);
	}
	(void)value_to_int(value_at(view.deployment, "spec", "replicas"), &wanted);
	map = put_text(map, "verdict", dns_verdict_name(move->decision.verdict));
	map = put_text(map, "reason", move->decision.why.text);
	map = value_put(map, "wanted", value_new_int(wanted));
	map = value_put(map, "replicas", replicas_value(&view));
	map = value_put(map, "nodes", nodes_value(&view, move));
	*ret_value = put_moves(map, &view, move);
	return 0;
}

static const struct op_kind status_kind = { .name = "status of CoreDNS" };

static int need_dns(const struct context *ctx, struct error *err)
{
	int r;

	r = actions_need_control_plane(ctx, "CoreDNS is looked after", err);
	if (r < 0)
		return r;
	if (ctx->role->cluster.dns_disabled)
		return error_set(err, ERROR_CONFIG, -EOPNOTSUPP,
				 "CoreDNS is not agentd's here: the role says dns.disabled");
	return 0;
}

struct op *actions_dns_status(struct context *ctx, struct error *err)
{
	if (need_dns(ctx, err) < 0)
		return NULL;
	return op_new_then(ctx->loop, &status_kind, NULL,
			   run_stages(ctx, dns_look_stages, dns_move_new()), status_read);
}

/* Rebalance. */

static int rebalance_read(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct run *run = op_impl(inner);
	const struct dns_move *move = run->state;
	const struct dns_decision *decision = &move->decision;
	struct value *map = value_put(value_new_map(), "moved", value_new_bool(move->evicted));

	(void)impl;
	(void)err;
	map = put_text(map, "verdict", dns_verdict_name(decision->verdict));
	if (move->evicted) {
		map = put_text(map, "pod", decision->pod);
		map = put_text(map, "from", decision->from);
		map = put_text(map, "to", move->arrived);
	}
	if (move->evicted && !move->arrived[0])
		map = put_text(map, "reason", "its replacement is not Ready yet");
	else if (move->evicted && move->record.tries > 0)
		map = put_text(map, "reason", "the scheduler has not put it where it would help");
	else
		map = put_text(map, "reason", decision->why.text);
	*ret_value = map;
	return 0;
}

static const struct op_kind rebalance_kind = { .name = "rebalance CoreDNS" };

struct op *actions_dns_rebalance(struct context *ctx, struct error *err)
{
	struct dns_move *move;

	if (need_dns(ctx, err) < 0)
		return NULL;
	move = dns_move_new();
	move->at_once = true;
	/* The row's own task is a rival like any other agent. */
	move->rival = "agentctl";
	return op_new_then(ctx->loop, &rebalance_kind, NULL, run_stages(ctx, dns_move_stages, move),
			   rebalance_read);
}
