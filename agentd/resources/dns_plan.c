/* Where the replicas of CoreDNS should be; see dns_plan.h. Which node can take one is asked of
 * fit.h.
 */
#include "agentd/resources/dns_plan.h"

#include <stdio.h>
#include <string.h>

#include "agentd/kube/lease.h"
#include "agentd/kube/names.h"
#include "agentd/resources/dns_scene.h"
#include "agentd/resources/fit.h"
#include "common/alloc.h"
#include "common/names.h"
#include "common/parse.h"

enum { REASONS_MAX = 4, PAUSE_DOUBLINGS_MAX = 7, CLOCK_ERROR_S = 300 };

static const char *const verdict_names[] = {
	[DNS_SPREAD] = "spread",     [DNS_NOWHERE] = "nowhere", [DNS_WAIT] = "waiting",
	[DNS_GIVEN_UP] = "given-up", [DNS_LOOK] = "looking",	[DNS_MOVE] = "move",
};

const char *dns_verdict_name(enum dns_verdict verdict)
{
	return names_text(verdict_names, ARRAY_SIZE(verdict_names), (int)verdict);
}

void dns_looks_done(struct dns_looks *looks)
{
	for (size_t i = 0; i < looks->count; i++) {
		free(looks->items[i].node);
		free(looks->items[i].against);
	}
	free(looks->items);
	*looks = (struct dns_looks){ 0 };
}

static const char *name_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "name"), "");
}

static const char *uid_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "uid"), "");
}

static const struct dns_look *find_look(const struct dns_snapshot *snapshot, const char *node)
{
	for (size_t i = 0; i < snapshot->looks.count; i++)
		if (strcmp(snapshot->looks.items[i].node, node) == 0)
			return &snapshot->looks.items[i];
	return NULL;
}

/* Whether the node can take the replica, as far as is known. */
static bool can_take(const struct dns_scene *scene, const struct dns_target *target,
		     struct why *why)
{
	const struct fit_pod pod = {
		.template = value_at(scene->snapshot->deployment, "spec", "template"),
		.namespace = KUBE_SYSTEM,
	};
	const struct value *node = scene->places[target->place].node;
	const struct dns_look *look = find_look(scene->snapshot, scene->places[target->place].name);
	struct fit_neighbour *others = NEW_ARRAY(struct fit_neighbour, scene->replica_count + 1);
	size_t moved = dns_scene_choose(scene, target->source), count = 0;
	bool fits;

	for (size_t i = 0; i < scene->replica_count; i++)
		if (i != moved)
			others[count++] =
			    (struct fit_neighbour){ scene->replicas[i],
						    scene->places[scene->replica_places[i]].node };
	fits = fit_node(&pod, node, why) && fit_neighbours(&pod, node, others, count, why);
	free(others);
	if (fits && look && look->against) {
		why_set(why, "%s", look->against);
		return false;
	}
	return fits;
}

/* Budgets. */

/* Why the API server would refuse to evict the pod; false if it would not. */
static bool is_guarded(const struct dns_snapshot *snapshot, const struct value *pod,
		       struct why *why)
{
	const struct value *labels = value_at(pod, "metadata", "labels");
	const struct value *first = NULL;

	VALUE_FOREACH(i, snapshot->budgets) {
		const struct value *budget = value_item(snapshot->budgets, i);
		const struct value *selector = value_at(budget, "spec", "selector");
		int64_t allowed = 0;

		if (!selector || !fit_selects(selector, labels))
			continue;
		if (first) {
			why_set(
			    why,
			    "the PodDisruptionBudgets %s and %s both guard CoreDNS, and then the "
			    "API server evicts nothing: delete one",
			    name_of(first), name_of(budget));
			return true;
		}
		first = budget;
		(void)value_to_int(value_at(budget, "status", "disruptionsAllowed"), &allowed);
		if (allowed > 0)
			continue;
		why_set(why, "the PodDisruptionBudget %s allows no eviction now", name_of(budget));
		return true;
	}
	return false;
}

/* The last move. */

/* A record whose move has not happened is as if it had not been written. */
static struct dns_record last_move(const struct dns_scene *scene)
{
	struct dns_record record = scene->snapshot->record;

	for (size_t i = 0; i < scene->replica_count && record.at_s != 0; i++) {
		if (strcmp(uid_of(scene->replicas[i]), record.uid) != 0)
			continue;
		record.at_s = record.before_s;
		record.tries -= record.tries > 0;
		record.failures -= record.failures > 0;
		break;
	}
	/* Written under a clock that was wrong. */
	if (record.at_s > scene->snapshot->now_s + CLOCK_ERROR_S)
		record.at_s = 0;
	return record;
}

int64_t dns_pause_end(const struct dns_record *record)
{
	unsigned doublings =
	    MIN(record->failures / (unsigned)DNS_TRIES_MAX, (unsigned)PAUSE_DOUBLINGS_MAX);

	return record->at_s == 0 ? 0 : record->at_s + ((int64_t)DNS_PAUSE_S << doublings);
}

/* Refusals of nodes, the first few of them. */
struct refusals {
	struct why text;
	unsigned count;
};

static void refusals_add(struct refusals *refusals, const char *node, const struct why *why)
{
	if (refusals->count++ < REASONS_MAX)
		why_add(&refusals->text, "%s %s", node, why->text);
}

/* Deciding. */

static void take_target(const struct dns_scene *scene, const struct dns_target *target,
			struct dns_decision *decision)
{
	const struct value *pod = scene->replicas[dns_scene_choose(scene, target->source)];

	(void)snprintf(decision->pod, sizeof(decision->pod), "%s", name_of(pod));
	(void)snprintf(decision->uid, sizeof(decision->uid), "%s", uid_of(pod));
	(void)snprintf(decision->from, sizeof(decision->from), "%s",
		       scene->places[target->source].name);
	(void)snprintf(decision->node, sizeof(decision->node), "%s",
		       scene->places[target->place].name);
}

/* There is a node for a replica: whether now is the time. */
static void judge_time(const struct dns_scene *scene, const struct dns_target *target,
		       struct dns_decision *decision)
{
	const struct dns_snapshot *snapshot = scene->snapshot;
	const struct value *pod = scene->replicas[dns_scene_choose(scene, target->source)];
	struct dns_record record = last_move(scene);
	struct why guard;
	char until[32];

	if (!decision->settled || scene->ready_count < 2) {
		decision->verdict = DNS_WAIT;
		why_add(&decision->why, "%zu of %lld replicas are Ready: the others are waited for",
			scene->ready_count, (long long)scene->wanted);
		return;
	}
	if (strcmp(record.situation, decision->situation) == 0 && record.tries >= DNS_TRIES_MAX) {
		decision->verdict = DNS_GIVEN_UP;
		why_add(&decision->why,
			"%u moves did not help, the scheduler puts them together again; a change "
			"of the "
			"Deployment or of nodes gives new tries, and so does deleting the "
			"Lease " LEASE_DNS,
			record.tries);
		return;
	}
	if (is_guarded(snapshot, pod, &guard)) {
		decision->verdict = DNS_WAIT;
		why_add(&decision->why, "%s", guard.text);
		return;
	}
	if (snapshot->at_once || snapshot->now_s >= dns_pause_end(&record))
		return;
	decision->verdict = DNS_WAIT;
	decision->until_s = dns_pause_end(&record);
	format_time(decision->until_s, until);
	why_add(&decision->why, "one was moved a short while ago, the next may be at %s", until);
}

/* Finds the best node that can take a replica, or has to be looked at for that. */
static const struct dns_target *choose_target(const struct dns_scene *scene,
					      const struct dns_target *targets, size_t count,
					      struct refusals *refusals)
{
	const struct dns_target *waiting = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *name = scene->places[targets[i].place].name;
		const struct dns_look *look = find_look(scene->snapshot, name);
		struct why why = { .text = "" };

		if (!can_take(scene, &targets[i], &why))
			refusals_add(refusals, name, &why);
		else if (!look || look->proxied)
			return &targets[i];
		else if (!waiting)
			waiting = &targets[i];
	}
	return waiting;
}

static void decide_target(const struct dns_scene *scene, const struct dns_target *target,
			  struct dns_decision *decision)
{
	const char *name = scene->places[target->place].name;
	const struct dns_look *look = find_look(scene->snapshot, name);

	dns_scene_describe_shared(scene, target, &decision->why);
	take_target(scene, target, decision);
	decision->verdict = look ? DNS_MOVE : DNS_LOOK;
	judge_time(scene, target, decision);
	if (decision->verdict == DNS_MOVE && !look->proxied) {
		decision->verdict = DNS_WAIT;
		why_add(&decision->why, "kube-proxy on %s is not Ready yet", name);
	} else if (decision->verdict == DNS_MOVE) {
		why_add(&decision->why, "%s can take one", name);
	} else if (decision->verdict == DNS_LOOK) {
		why_add(&decision->why, "%s may take one", name);
	}
}

void dns_decide(const struct dns_snapshot *snapshot, struct dns_decision *ret)
{
	_cleanup_(dns_scene_done) struct dns_scene scene = dns_scene_take(snapshot);
	_cleanup_free_ struct dns_target *targets = NULL;
	const struct dns_target *target;
	struct refusals refusals = { 0 };
	size_t count = 0;

	*ret = (struct dns_decision){ .verdict = DNS_SPREAD };
	if (!snapshot->deployment) {
		why_set(&ret->why, "there is no Deployment " KUBE_COREDNS);
		return;
	}
	ret->burden = dns_scene_burden(&scene);
	ret->settled = dns_scene_is_settled(&scene);
	targets = dns_scene_targets(&scene, &count);
	if (scene.wanted < 2 || count == 0) {
		dns_scene_describe(&scene, &ret->why);
		return;
	}
	dns_scene_digest(&scene, ret->situation);
	target = choose_target(&scene, targets, count, &refusals);
	if (target) {
		decide_target(&scene, target, ret);
		return;
	}
	ret->verdict = DNS_NOWHERE;
	dns_scene_describe_shared(&scene, &targets[0], &ret->why);
	why_add(&ret->why, "%s", refusals.text.text);
	if (refusals.count > REASONS_MAX)
		why_add(&ret->why, "and %u nodes more", refusals.count - REASONS_MAX);
}

struct dns_record dns_record_of(const struct dns_snapshot *snapshot,
				const struct dns_decision *decision)
{
	_cleanup_(dns_scene_done) struct dns_scene scene = dns_scene_take(snapshot);
	struct dns_record last = last_move(&scene);
	bool same = strcmp(last.situation, decision->situation) == 0;
	struct dns_record record = {
		.at_s = snapshot->now_s,
		.before_s = last.at_s,
		.tries = same ? last.tries + 1 : 1,
		.failures = last.failures + 1,
		.burden =
		    same && last.tries > 0 ? MIN(last.burden, decision->burden) : decision->burden,
	};

	(void)snprintf(record.pod, sizeof(record.pod), "%s", decision->pod);
	(void)snprintf(record.uid, sizeof(record.uid), "%s", decision->uid);
	(void)snprintf(record.from, sizeof(record.from), "%s", decision->from);
	(void)snprintf(record.to, sizeof(record.to), "%s", decision->node);
	(void)snprintf(record.situation, sizeof(record.situation), "%s", decision->situation);
	return record;
}

struct dns_record dns_record_after(const struct dns_record *before,
				   const struct dns_decision *decision)
{
	struct dns_record record = *before;

	if (decision->settled &&
	    (decision->verdict == DNS_SPREAD || decision->burden < record.burden)) {
		record.tries = record.failures = 0;
		record.burden = decision->burden;
	}
	return record;
}
