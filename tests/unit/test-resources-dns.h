/* Clusters of the tests of CoreDNS: nodes and pods written in a line each. */
#pragma once

#include <check.h>

#include "agentd/resources/dns_plan.h"
#include "common/value.h"

enum { DNS_WORLD_NOW = 1790000000 };

/* A cluster that the tests change; the scheduler of test-resources-dns.c moves pods in it. */
struct dns_world {
	struct value *deployment, *nodes, *pods, *budgets;
	struct value *others; /* pods of others, of all nodes */
	struct dns_looks looks;
	struct dns_record record;
	int64_t now_s;
	bool at_once;
	unsigned made; /* replicas so far, for their names */
};
void dns_world_done(struct dns_world *world);
DEFINE_CLEANUP_VALUE(struct dns_world, dns_world_done)

/* JSON with ' for ". */
struct value *dns_world_json(const char *text);
/* The Deployment of kubeadm with so many replicas, and patch (JSON, may be NULL) merged into it. */
void dns_world_deploy(struct dns_world *world, int replicas, const char *patch);
/* A Ready node of 2 CPUs, 1 GiB and 20 pods; patch as above. Nodes are added in order of name. */
void dns_world_add_node(struct dns_world *world, const char *name, const char *zone,
			const char *patch);
/* A replica on a node ("" = pending). */
void dns_world_add_replica(struct dns_world *world, const char *node, bool ready);
/* A pod of somebody else; patch as above. */
void dns_world_add_pod(struct dns_world *world, const char *node, const char *patch);
const struct value *dns_world_node(const struct dns_world *world, const char *name);

/* Decides, looking at nodes as long as that is wanted. */
void dns_world_decide(struct dns_world *world, struct dns_decision *ret);
