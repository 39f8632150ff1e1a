/* What there is of CoreDNS and nodes, counted; see dns_scene.h. */
#include "agentd/resources/dns_scene.h"

#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/fit.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/json.h"

void dns_scene_done(struct dns_scene *scene)
{
	free(scene->places);
	free(scene->replicas);
	free(scene->replica_places);
}
static const char *name_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "name"), "");
}

static const char *uid_of(const struct value *object)
{
	return value_string_or(value_at(object, "metadata", "uid"), "");
}

const char *dns_zone_of(const struct value *node)
{
	return value_string_or(value_at(node, "metadata", "labels", KUBE_LABEL_ZONE), "");
}

const char *dns_node_of(const struct value *pod)
{
	return value_string_or(value_at(pod, "spec", "nodeName"), "");
}

static bool is_ending(const struct value *pod)
{
	return value_string(value_at(pod, "metadata", "deletionTimestamp")) || fit_is_over(pod);
}

bool dns_is_replica(const struct value *pod)
{
	return !is_ending(pod) && *dns_node_of(pod);
}

static size_t find_place(const struct dns_scene *scene, const char *name)
{
	size_t i = 0;

	while (i < scene->place_count && strcmp(scene->places[i].name, name) != 0)
		i++;
	return i;
}

/* The first place with the zone of this one; itself, if it has none. */
static size_t find_zone(const struct dns_scene *scene, size_t place)
{
	const char *zone = dns_zone_of(scene->places[place].node);
	size_t i = 0;

	if (!*zone)
		return place;
	while (strcmp(dns_zone_of(scene->places[i].node), zone) != 0)
		i++;
	return i;
}

static void put_places(struct dns_scene *scene)
{
	const struct value *nodes = scene->snapshot->nodes;

	scene->places = NEW_ARRAY(struct dns_place, value_count(nodes) + 1);
	VALUE_FOREACH(i, nodes) {
		struct dns_place *place = &scene->places[scene->place_count++];

		place->node = value_item(nodes, i);
		place->name = name_of(place->node);
		place->zone = find_zone(scene, i);
	}
}

static void put_replicas(struct dns_scene *scene)
{
	const struct value *pods = scene->snapshot->pods;

	scene->replicas = NEW_ARRAY(const struct value *, value_count(pods) + 1);
	scene->replica_places = NEW_ARRAY(size_t, value_count(pods) + 1);
	VALUE_FOREACH(i, pods) {
		const struct value *pod = value_item(pods, i);
		size_t place;

		if (!dns_is_replica(pod))
			continue;
		/* One on a node that is gone is about to go, too. */
		place = find_place(scene, dns_node_of(pod));
		if (place == scene->place_count)
			continue;
		scene->replicas[scene->replica_count] = pod;
		scene->replica_places[scene->replica_count++] = place;
		scene->ready_count += fit_has_condition(pod, "Ready");
		scene->places[place].replicas++;
		scene->places[scene->places[place].zone].in_zone++;
	}
}

struct dns_scene dns_scene_take(const struct dns_snapshot *snapshot)
{
	struct dns_scene scene = { .snapshot = snapshot, .wanted = 1 };

	put_places(&scene);
	put_replicas(&scene);
	(void)value_to_int(value_at(snapshot->deployment, "spec", "replicas"), &scene.wanted);
	return scene;
}

static unsigned pairs(unsigned count)
{
	return count * (count - (count > 0)) / 2;
}

/* Zones count before nodes. */
unsigned dns_scene_burden(const struct dns_scene *scene)
{
	unsigned zones = 0, nodes = 0;

	for (size_t i = 0; i < scene->place_count; i++) {
		zones += pairs(scene->places[i].in_zone);
		nodes += pairs(scene->places[i].replicas);
	}
	return MIN(zones, 0xffffU) << 16 | MIN(nodes, 0xffffU);
}

/* A rollout, a move, or a replica that is not well: then nothing more is moved. */
bool dns_scene_is_settled(const struct dns_scene *scene)
{
	const struct value *deployment = scene->snapshot->deployment;
	int64_t generation = 0, observed = 0, updated = 0;

	(void)value_to_int(value_at(deployment, "metadata", "generation"), &generation);
	(void)value_to_int(value_at(deployment, "status", "observedGeneration"), &observed);
	(void)value_to_int(value_at(deployment, "status", "updatedReplicas"), &updated);
	return scene->replica_count == (size_t)scene->wanted &&
	       scene->ready_count == scene->replica_count && observed >= generation &&
	       updated == scene->wanted;
}

/* Targets. */

/* Whether taking a replica from source to place helps, and how much. */
static bool helps(const struct dns_scene *scene, struct dns_target *target)
{
	const struct dns_place *to = &scene->places[target->place];
	const struct dns_place *from = &scene->places[target->source];

	target->less_node = (int)from->replicas - 1 - (int)to->replicas;
	target->less_zone = from->zone == to->zone ? 0
						   : (int)scene->places[from->zone].in_zone - 1 -
							 (int)scene->places[to->zone].in_zone;
	return target->less_zone > 0 || (target->less_zone == 0 && target->less_node > 0);
}

static int compare_targets(const void *a, const void *b)
{
	const struct dns_target *left = a, *right = b;

	if (left->less_zone != right->less_zone)
		return right->less_zone - left->less_zone;
	if (left->less_node != right->less_node)
		return right->less_node - left->less_node;
	return left->place < right->place ? -1 : left->place > right->place;
}

/* All nodes that would be better for some replica, the best first; nodes are in order of their
 * names. The caller frees. */
struct dns_target *dns_scene_targets(const struct dns_scene *scene, size_t *ret_count)
{
	struct dns_target *targets = NEW_ARRAY(struct dns_target, scene->place_count + 1);
	size_t count = 0;

	for (size_t place = 0; place < scene->place_count; place++) {
		struct dns_target best = { .place = place };
		bool found = false;

		for (size_t i = 0; i < scene->replica_count; i++) {
			struct dns_target target = { place, .source = scene->replica_places[i] };

			if (target.source == place || !helps(scene, &target))
				continue;
			if (!found || compare_targets(&target, &best) < 0)
				best = target;
			found = true;
		}
		if (found)
			targets[count++] = best;
	}
	qsort(targets, count, sizeof(targets[0]), compare_targets);
	*ret_count = count;
	return targets;
}

/* The youngest replica on a place, or the one that was to be moved before. */
size_t dns_scene_choose(const struct dns_scene *scene, size_t place)
{
	size_t chosen = SIZE_MAX;
	const struct dns_record *record = &scene->snapshot->record;
	const char *youngest = "";

	for (size_t i = 0; i < scene->replica_count; i++) {
		const struct value *pod = scene->replicas[i];
		const char *created =
		    value_string_or(value_at(pod, "metadata", "creationTimestamp"), "");

		if (scene->replica_places[i] != place)
			continue;
		if (record->at_s != 0 && strcmp(uid_of(pod), record->uid) == 0)
			return i;
		if (chosen == SIZE_MAX || strcmp(created, youngest) > 0) {
			chosen = i;
			youngest = created;
		}
	}
	return chosen;
}

/* The situation: all that decides where the scheduler puts a replica and that somebody has to
 * change. That a node is Ready or not is no part of it, so that a node that comes and goes does not
 * give new tries. */
void dns_scene_digest(const struct dns_scene *scene, char ret[static DIGEST_HEX_SIZE])
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(16 * MIB);
	const struct value *deployment = scene->snapshot->deployment;
	int64_t generation = 0;

	(void)value_to_int(value_at(deployment, "metadata", "generation"), &generation);
	(void)buf_printf(&text, "%s %lld\n", uid_of(deployment), (long long)generation);
	for (size_t i = 0; i < scene->place_count; i++) {
		const struct value *node = scene->places[i].node;
		const struct value *taints = value_at(node, "spec", "taints");
		const struct value *allocatable = value_at(node, "status", "allocatable");

		(void)buf_printf(&text, "%s %s %s %d\n", name_of(node), uid_of(node),
				 dns_zone_of(node),
				 value_is_true(value_at(node, "spec", "unschedulable")));
		VALUE_FOREACH(j, taints) {
			const char *key =
			    value_string_or(value_get(value_item(taints, j), "key"), "");

			/* Those of node.kubernetes.io come and go with conditions. */
			if (strncmp(key, KUBE_TAINT_PREFIX, strlen(KUBE_TAINT_PREFIX)) != 0)
				(void)buf_printf(&text, " %s\n", key);
		}
		if (allocatable)
			(void)json_write(allocatable, 0, &text);
	}
	digest_sha256(text.data, text.length, ret);
}

/* Words. */

void dns_scene_describe(const struct dns_scene *scene, struct why *why)
{
	unsigned nodes = 0, zones = 0;
	bool zoned = false;

	for (size_t i = 0; i < scene->place_count; i++) {
		const struct dns_place *place = &scene->places[i];

		nodes += place->replicas > 0;
		zones += place->in_zone > 0;
		zoned |= place->replicas > 0 && *dns_zone_of(place->node);
	}
	if (scene->replica_count == 0)
		why_set(why, "no replica is on a node");
	else if (zoned)
		why_set(why, "replicas: %zu, nodes: %u, zones: %u", scene->replica_count, nodes,
			zones);
	else
		why_set(why, "replicas: %zu, nodes: %u", scene->replica_count, nodes);
}

/* What is shared at the source of a target. */
void dns_scene_describe_shared(const struct dns_scene *scene, const struct dns_target *target,
			       struct why *why)
{
	const struct dns_place *from = &scene->places[target->source];

	if (from->replicas > 1)
		why_set(why, "%u replicas share node %s", from->replicas, from->name);
	else
		why_set(why, "%u replicas share zone %s", scene->places[from->zone].in_zone,
			dns_zone_of(from->node));
}
