/* Replicas of CoreDNS are moved apart; see dns_spread.h. What to do is decided in dns_plan.c; here
 * is when it is asked, and the stages that do it. */
#include "agentd/resources/dns_spread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agentd/history.h"
#include "agentd/resources.h"
#include "agentd/resources/fit.h"
#include "common/alloc.h"

enum {
	LEASE_S = 180,	      /* longer than all stages together */
	LOOKS_MAX = 16,	      /* nodes in one go */
	REST_S = 2,	      /* between two looks, so that nothing passing is acted on */
	REPLACEMENT_MS = 250, /* between two looks for the replacement */
	REPLACEMENT_TRIES = 400,
	LOOK_GOOD_S = 3600, /* so long a look at nodes counts where nothing else changes */
	REFUSED_S = 60,
};

/* Observing. */

static const struct {
	enum verdict verdict;
	const char *reason;
} meanings[_DNS_VERDICT_MAX] = {
	[DNS_SPREAD] = { IN_SYNC, "Spread" },	   [DNS_NOWHERE] = { IN_SYNC, "NoOtherNode" },
	[DNS_WAIT] = { UNKNOWN, "Waiting" },	   [DNS_GIVEN_UP] = { BLOCKED, "GivenUp" },
	[DNS_LOOK] = { DRIFTED, "ReplicasShare" }, [DNS_MOVE] = { DRIFTED, "ReplicasShare" },
};

static enum verdict spread_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	_cleanup_(dns_view_done) struct dns_view view = { 0 };
	struct dns_decision decision;

	(void)row;
	if (!dns_view_take(ctx, &view, why))
		return UNKNOWN;
	dns_decide(&view.snapshot, &decision);
	if (decision.verdict == DNS_LOOK)
		dns_look_recall(ctx, &view, &decision);
	why_set(why, "%s", decision.why.text);
	why_reason(why, meanings[decision.verdict].reason);
	/* That a node has come is nobody's fault. */
	if (meanings[decision.verdict].verdict == DRIFTED)
		why_planned(why);
	return meanings[decision.verdict].verdict;
}

/* When the pause ends, or what was seen of nodes is too old. */
static int64_t spread_due(struct context *ctx, const struct resource *row)
{
	const struct value *lease = NULL;
	struct dns_record record;
	int64_t pause, look = dns_look_until(ctx);

	(void)row;
	(void)objects_get(ctx->objects, DNS_LEASE, LEASE_DNS, &lease);
	record = dns_record_read(lease);
	pause = dns_pause_end(&record);
	if (pause > ctx->now)
		return look > ctx->now ? MIN(look, pause) : pause;
	return look > ctx->now ? look : 0;
}

/* Looking. */

struct dns_move *dns_move_new(void)
{
	return NEW(struct dns_move);
}

struct dns_move *dns_move_free(struct dns_move *move)
{
	if (!move)
		return NULL;
	value_unref(move->pods);
	dns_looks_done(&move->looks);
	free(move);
	return NULL;
}

static void free_move(void *state)
{
	dns_move_free(state);
}

static struct dns_move *move_of(struct task *task)
{
	return run_of(task)->state;
}

static char *holder_of(struct task *task)
{
	const char *rival = move_of(task)->rival;

	return xasprintf("%s%s%s", role_of(task)->node.name, rival ? " " : "", rival ? rival : "");
}

/* From the caches, but for the pods where they have been read. */
static int decide(struct task *task, struct dns_decision *ret, struct error *err)
{
	_cleanup_(dns_view_done) struct dns_view view = { 0 };
	struct dns_move *move = move_of(task);
	struct dns_snapshot snapshot;
	struct why why;

	if (!dns_view_take(ctx_of(task), &view, &why))
		return error_set(err, ERROR_PENDING, -EAGAIN, "%s", why.text);
	snapshot = view.snapshot;
	if (move->pods) {
		snapshot.pods = move->pods;
		snapshot.record = move->record;
	}
	snapshot.looks = move->looks;
	snapshot.at_once = move->at_once;
	snapshot.now_s = clock_wall(ctx_of(task)->clock);
	dns_decide(&snapshot, ret);
	if (ret->verdict == DNS_LOOK && move->looks.count >= LOOKS_MAX) {
		ret->verdict = DNS_NOWHERE;
		why_add(&ret->why, "%zu others cannot, more are not looked at", move->looks.count);
	}
	if (ret->verdict == DNS_MOVE)
		move->record = dns_record_of(&snapshot, ret);
	return 0;
}

static bool has_proxy(const struct value *pods)
{
	VALUE_FOREACH(i, pods) {
		const struct value *pod = value_item(pods, i);
		const struct value *app = value_at(pod, "metadata", "labels", KUBE_LABEL_APP);

		if (strcmp(value_string_or(app, ""), KUBE_KUBE_PROXY) == 0 &&
		    fit_has_condition(pod, "Ready"))
			return true;
	}
	return false;
}

static int look_keep(struct task *task, const struct value *pods, struct error *err)
{
	struct context *ctx = ctx_of(task);
	struct dns_move *move = move_of(task);
	const struct value *deployment = NULL, *node = NULL;
	struct dns_look *look;
	struct fit_pod pod;
	struct why why = { .text = "" };

	if (objects_get(ctx->objects, KUBE_SYSTEM_DEPLOYMENTS, KUBE_COREDNS, &deployment) !=
		OBJECT_FOUND ||
	    objects_get(ctx->objects, KUBE_NODES, move->decision.node, &node) != OBJECT_FOUND)
		return error_set(err, ERROR_PENDING, -EAGAIN, "node %s is not to be seen any more",
				 move->decision.node);
	pod = (struct fit_pod){ value_at(deployment, "spec", "template"), KUBE_SYSTEM };
	move->looks.items =
	    xreallocarray(move->looks.items, move->looks.count + 1, sizeof(struct dns_look));
	look = &move->looks.items[move->looks.count++];
	*look = (struct dns_look){
		.node = xstrdup(move->decision.node),
		.against = fit_pods(&pod, node, pods, &why) ? NULL : xstrdup(why.text),
		.proxied = !dns_view_proxy(ctx) || has_proxy(pods),
	};
	return STAGE_AGAIN;
}

static struct op *read_node(struct task *task)
{
	struct dns_move *move = move_of(task);
	_cleanup_free_ char *query =
	    xasprintf("fieldSelector=spec.nodeName%%3D%s", move->decision.node);

	move->step = DNS_READ_NODE;
	return kube_list(ctx_of(task)->kube, KUBE_PODS, query);
}

static bool has_client(struct task *task, struct error *err)
{
	if (!ctx_of(task)->kube)
		error_set(err, ERROR_PENDING, -EAGAIN, "the API server cannot be seen now");
	return ctx_of(task)->kube != NULL;
}

/* Decides what would be done, reading the pods of nodes as long as that matters. */
static struct op *look_start(struct task *task, struct error *err)
{
	struct dns_move *move = move_of(task);

	if (!has_client(task, err) || decide(task, &move->decision, err) < 0)
		return NULL;
	return move->decision.verdict == DNS_LOOK ? read_node(task) : NULL;
}

static int look_finish(struct task *task, struct op *op, struct error *err)
{
	return look_keep(task, value_get(op_value(op), "items"), err);
}

const struct stage dns_look_stages[] = {
	{ "look at nodes that could take a replica", look_start, look_finish, .again_ms = 1 },
	{ 0 },
};

/* Moving. */

static struct op *take(struct task *task, struct error *err)
{
	_cleanup_free_ char *holder = NULL;

	if (!move_of(task))
		run_keep(task, dns_move_new(), free_move);
	if (!has_client(task, err))
		return NULL;
	holder = holder_of(task);
	return lease_take(ctx_of(task)->kube, LEASE_DNS, holder, LEASE_S);
}

static int taken(struct task *task, struct op *op, struct error *err)
{
	(void)err;
	move_of(task)->record = dns_record_read(op_value(op));
	return STAGE_NEXT;
}

/* As look_start(), but sure: nothing is older than the Lease, and a move is decided on twice. */
static struct op *choose_start(struct task *task, struct error *err)
{
	struct dns_move *move = move_of(task);
	struct dns_record record = move->record;

	if (!has_client(task, err))
		return NULL;
	if (!move->pods) {
		move->step = DNS_READ_PODS;
		return kube_list(ctx_of(task)->kube, KUBE_SYSTEM_PODS, DNS_SELECTOR);
	}
	if (decide(task, &move->decision, err) < 0)
		return NULL;
	if (move->decision.verdict == DNS_LOOK)
		return read_node(task);
	if (move->decision.verdict != DNS_MOVE || move->rested)
		return NULL;
	move->record = record;
	move->rested = true;
	move->pods = value_unref(move->pods);
	dns_looks_done(&move->looks);
	move->step = DNS_REST;
	return op_new_sleep(task_loop(task), REST_S * NSEC_PER_SEC);
}

static int choose_finish(struct task *task, struct op *op, struct error *err)
{
	struct dns_move *move = move_of(task);

	switch (move->step) {
	case DNS_READ_PODS:
		move->pods = value_get(op_value(op), "items")
				 ? value_ref(value_get(op_value(op), "items"))
				 : value_new_list();
		break;
	case DNS_READ_NODE:
		return look_keep(task, value_get(op_value(op), "items"), err);
	case DNS_REST:
		break;
	}
	return STAGE_AGAIN;
}

static bool is_moving(struct task *task)
{
	return move_of(task)->decision.verdict == DNS_MOVE;
}

/* Before the replica goes, so that no crash makes two moves of one. */
static struct op *note_start(struct task *task, struct error *err)
{
	if (!is_moving(task) || !has_client(task, err))
		return NULL;
	return dns_record_write(ctx_of(task)->kube, &move_of(task)->record);
}

static struct op *evict_start(struct task *task, struct error *err)
{
	const struct dns_decision *decision = &move_of(task)->decision;
	_cleanup_free_ char *path = NULL;
	_cleanup_(value_unref) struct value *eviction = value_new_map();

	if (!is_moving(task) || !has_client(task, err))
		return NULL;
	path = xasprintf(KUBE_SYSTEM_PODS "/%s/eviction", decision->pod);
	eviction = value_put(eviction, "apiVersion", value_new_string(KUBE_POLICY_V1));
	eviction = value_put(eviction, "kind", value_new_string("Eviction"));
	eviction = value_put_at(eviction, value_new_string(decision->pod), "metadata", "name");
	eviction = value_put_at(eviction, value_new_string(KUBE_SYSTEM), "metadata", "namespace");
	eviction = value_put_at(eviction, value_new_string(decision->uid), "deleteOptions",
				"preconditions", "uid");
	return kube_create(ctx_of(task)->kube, path, eviction);
}

/* A budget that does not allow it is no failure: it is waited for. */
static int evict_finish(struct task *task, struct op *op, struct error *err)
{
	struct dns_move *move = move_of(task);
	const struct error *error = op_error(op);

	if (!error || error->code == -ENOENT) {
		move->evicted = true;
		return STAGE_NEXT;
	}
	if (error->class != ERROR_THROTTLED)
		return op_result(op, err);
	move->decision.verdict = DNS_WAIT;
	why_add(&move->decision.why, "%s", error->message);
	return STAGE_NEXT;
}

static bool was_there(const struct dns_move *move, const struct value *pod)
{
	const char *uid = value_string_or(value_at(pod, "metadata", "uid"), "");

	VALUE_FOREACH(i, move->pods)
		if (strcmp(
			value_string_or(value_at(value_item(move->pods, i), "metadata", "uid"), ""),
			uid) == 0)
			return true;
	return false;
}

/* Where the replacement is; NULL while it is not there, or not all replicas are Ready. */
static const char *find_replacement(const struct dns_move *move, const struct dns_view *view,
				    struct dns_decision *ret)
{
	const char *node = NULL;

	dns_decide(&view->snapshot, ret);
	if (!ret->settled)
		return NULL;
	VALUE_FOREACH(i, view->pods) {
		const struct value *pod = value_item(view->pods, i);

		if (!dns_is_replica(pod))
			continue;
		if (strcmp(value_string_or(value_at(pod, "metadata", "uid"), ""),
			   move->decision.uid) == 0)
			return NULL;
		if (!was_there(move, pod))
			node = dns_node_of(pod);
	}
	return node;
}

/* Whether it came up, and whether that helped. */
static int await_finish(struct task *task, struct op *op, struct error *err)
{
	_cleanup_(dns_view_done) struct dns_view view = { 0 };
	struct dns_move *move = move_of(task);
	struct dns_decision after;
	const char *node = NULL;
	struct why why;

	(void)op;
	(void)err;
	if (!move->evicted)
		return STAGE_NEXT;
	if (dns_view_take(ctx_of(task), &view, &why))
		node = find_replacement(move, &view, &after);
	if (!node)
		return ++move->waited < REPLACEMENT_TRIES ? STAGE_AGAIN : STAGE_NEXT;
	(void)snprintf(move->arrived, sizeof(move->arrived), "%s", node);
	move->record = dns_record_after(&move->record, &after);
	history_add(ctx_of(task)->history, "Moved", DNS_ROW, "CoreDNS: %s from node %s to %s",
		    move->decision.pod, move->decision.from, node);
	return STAGE_NEXT;
}

static struct op *result_start(struct task *task, struct error *err)
{
	const struct dns_move *move = move_of(task);

	if (!move->arrived[0] || move->record.tries > 0 || !has_client(task, err))
		return NULL;
	return dns_record_write(ctx_of(task)->kube, &move->record);
}

static struct op *release_start(struct task *task, struct error *err)
{
	const struct dns_move *move = move_of(task);
	_cleanup_free_ char *holder = holder_of(task);
	int64_t now = clock_wall(ctx_of(task)->clock);

	if (!move->evicted && move->decision.verdict == DNS_NOWHERE)
		dns_look_note(ctx_of(task), &move->decision, now + LOOK_GOOD_S);
	if (!move->evicted && move->decision.verdict == DNS_WAIT)
		dns_look_note(ctx_of(task), &move->decision, now + REFUSED_S);
	if (!has_client(task, err))
		return NULL;
	return lease_release(ctx_of(task)->kube, LEASE_DNS, holder);
}

const struct stage dns_move_stages[] = {
	{ "take the Lease " LEASE_DNS, take, taken, .timeout_s = 30 },
	{ "choose a replica and a node", choose_start, choose_finish, .again_ms = 1 },
	{ "note the move", note_start, NULL, .timeout_s = 30 },
	{ "evict the replica", evict_start, evict_finish, .timeout_s = 30, .may_fail = true },
	{ "await its replacement", NULL, await_finish, .again_ms = REPLACEMENT_MS,
	  .timeout_s = 120 },
	{ "note whether it helped", result_start, NULL, .timeout_s = 30 },
	{ "release the Lease", release_start, NULL, .timeout_s = 30 },
	{ 0 },
};

static bool spread_wanted(const struct role *role)
{
	return !role->cluster.dns_disabled;
}

/* clang-format off */
const struct resource dns_spread_rows[] = {
	{ .name = DNS_ROW, .title = "no two replicas of CoreDNS share a node or zone without need",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_ADDONS, .wanted = spread_wanted, .condition = "DNSSpread",
	  .needs = { "deployment/kube-system/coredns" },
	  .triggers = { ON_OBJECT(KUBE_NODES, NULL), ON_OBJECT(DNS_PODS, NULL),
			ON_OBJECT(KUBE_SYSTEM_DEPLOYMENTS, KUBE_COREDNS),
			ON_OBJECT(KUBE_SYSTEM_DAEMON_SETS, KUBE_KUBE_PROXY),
			ON_OBJECT(KUBE_SYSTEM_BUDGETS, NULL), ON_OBJECT(DNS_LEASE, LEASE_DNS),
			DUE(spread_due) },
	  .observe = spread_observe, .apply = dns_move_stages },
	{ 0 },
};
/* clang-format on */
