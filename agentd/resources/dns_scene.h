/* What there is of CoreDNS and nodes, counted: the ground of the decision in dns_plan.h. */
#pragma once

#include "agentd/resources/dns_plan.h"

struct dns_place {
	const struct value *node;
	const char *name;
	size_t zone;	   /* index of the first place of the same zone */
	unsigned replicas; /* on it */
	unsigned in_zone;  /* of the zone; counted at the first place of it only */
};

/* A node that would be better than another one. */
struct dns_target {
	size_t place;
	size_t source;		  /* the place that it takes a replica from */
	int less_zone, less_node; /* pairs that are shared less */
};

/* Everything in it is borrowed from the snapshot; places are in the order of its nodes. */
struct dns_scene {
	const struct dns_snapshot *snapshot;
	struct dns_place *places;
	size_t place_count;
	const struct value **replicas;
	size_t *replica_places;
	size_t replica_count, ready_count;
	int64_t wanted;
};

struct dns_scene dns_scene_take(const struct dns_snapshot *snapshot);
void dns_scene_done(struct dns_scene *scene);
DEFINE_CLEANUP_VALUE(struct dns_scene, dns_scene_done)

/* How much is shared: pairs of replicas in one zone, and below that on one node. */
unsigned dns_scene_burden(const struct dns_scene *scene);
/* As many replicas as wanted, all Ready, and no rollout in progress. */
bool dns_scene_is_settled(const struct dns_scene *scene);
/* The nodes that would be better for some replica, the best first. The caller frees. */
struct dns_target *dns_scene_targets(const struct dns_scene *scene, size_t *ret_count);
/* The replica to take from a place: the youngest, or the one that was to be moved before. */
size_t dns_scene_choose(const struct dns_scene *scene, size_t place);
/* Digest of all that decides where the scheduler puts a replica and that somebody has to change.
 * That a node is Ready or not is no part of it, so that a node that comes and goes does not give
 * new tries. */
void dns_scene_digest(const struct dns_scene *scene, char ret[static DIGEST_HEX_SIZE]);

/* In words: how many there are, or what is shared where a target takes one from. */
void dns_scene_describe(const struct dns_scene *scene, struct why *why);
void dns_scene_describe_shared(const struct dns_scene *scene, const struct dns_target *target,
			       struct why *why);
