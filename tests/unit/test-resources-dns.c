/* Where replicas of CoreDNS are moved: a table of topologies, and the property that whatever the
 * topology and the scheduler, the moves come to an end. */
#include "tests/unit/test-resources-dns.h"

#include <stdio.h>
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/fit.h"
#include "common/alloc.h"
#include "tests/unit/test-resources.h"

#define TAINT(key, effect) "{'spec':{'taints':[{'key':'" key "','effect':'" effect "'}]}}"
#define MASTER		   TAINT("node-role.kubernetes.io/control-plane", "NoSchedule")
#define CORDONED	   "{'spec':{'unschedulable':true}}"
#define NOT_READY	   "{'status':{'conditions':[{'type':'Ready','status':'False'}]}}"
#define SIZE(what, size)   "{'status':{'allocatable':{'" what "':'" size "'}}}"
#define POD_SPEC(spec)	   "{'spec':{'template':{'spec':{" spec "}}}}"
#define REQUEST(cpu, memory)                                                \
	"{'spec':{'containers':[{'resources':{'requests':{'cpu':'" cpu "'," \
	"'memory':'" memory "'}}}]}}"
#define NODE_AFFINITY(terms)                                                                     \
	POD_SPEC("'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':" \
		 "{'nodeSelectorTerms':[" terms "]}}}")
#define POD_AFFINITY(kind, app, key)                                                          \
	POD_SPEC("'affinity':{'" kind "':{'requiredDuringSchedulingIgnoredDuringExecution':[" \
		 "{'labelSelector':{'matchLabels':{'k8s-app':'" app "'}},'topologyKey':'" key \
		 "'}]}}")
#define BUDGET(name, allowed)                                                 \
	"{'metadata':{'name':'" name "'},'spec':{'selector':{'matchLabels':{" \
	"'k8s-app':'kube-dns'}}},'status':{'disruptionsAllowed':" allowed "}}"

enum { NODES_MAX = 6 };

/* A cluster, and what is to be done in it. */
static const struct topology {
	const char *rule;
	struct {
		const char *name, *zone, *patch;
		int replicas, unready;
	} nodes[NODES_MAX];
	const char *deployment; /* patch */
	const char *on, *pod;	/* a pod of somebody else on this node */
	const char *budgets;
	int wanted; /* 0 = as many as there are */
	enum dns_verdict verdict;
	const char *node;   /* of a move; NULL = none */
	const char *reason; /* part of it */
} topologies[] = {
	/* clang-format off */
	{ .rule = "one control plane alone", .verdict = DNS_SPREAD, .reason = "replicas: 2, nodes: 1",
	  .nodes = { { "cp1", "", MASTER, 2 } } },
	{ .rule = "a worker has joined", .verdict = DNS_MOVE, .node = "w1",
	  .reason = "2 replicas share node cp1; w1 can take one",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "both on the worker, and CoreDNS tolerates the control plane", .verdict = DNS_MOVE, .node = "cp1",
	  .nodes = { { "cp1", "", MASTER }, { "w1", "", NULL, 2 } } },
	{ .rule = "both on the worker, and the toleration is gone", .verdict = DNS_NOWHERE,
	  .reason = "cp1 has the taint node-role.kubernetes.io/control-plane:NoSchedule",
	  .deployment = POD_SPEC("'tolerations':[]"),
	  .nodes = { { "cp1", "", MASTER }, { "w1", "", NULL, 2 } } },
	{ .rule = "spread over two nodes", .verdict = DNS_SPREAD,
	  .nodes = { { "cp1", "", MASTER, 1 }, { "w1", "", NULL, 1 } } },
	{ .rule = "the worker is cordoned", .verdict = DNS_NOWHERE, .reason = "w1 is cordoned",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", CORDONED } } },
	{ .rule = "the worker is not Ready", .verdict = DNS_NOWHERE, .reason = "w1 is not Ready",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NOT_READY } } },
	{ .rule = "the worker is being deleted", .verdict = DNS_NOWHERE, .reason = "w1 is being deleted",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", "{'metadata':{'deletionTimestamp':'x'}}" } } },
	{ .rule = "kube-proxy is not Ready there", .verdict = DNS_WAIT, .reason = "kube-proxy on w1 is not Ready yet",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", "{'metadata':{'annotations':{'proxy':'no'}}}" } } },
	{ .rule = "a node whose kube-proxy is Ready comes first", .verdict = DNS_MOVE, .node = "w2",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", "{'metadata':{'annotations':{'proxy':'no'}}}" },
		     { "w2", "", NULL } } },
	{ .rule = "taint without toleration", .verdict = DNS_NOWHERE, .reason = "w1 has the taint dedicated=db:NoExecute",
	  .nodes = { { "cp1", "", MASTER, 2 },
		     { "w1", "", "{'spec':{'taints':[{'key':'dedicated','value':'db','effect':'NoExecute'}]}}" } } },
	{ .rule = "a node that better takes none", .verdict = DNS_NOWHERE, .reason = "PreferNoSchedule",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", TAINT("lazy", "PreferNoSchedule") } } },
	{ .rule = "toleration by key and value", .verdict = DNS_MOVE, .node = "w1",
	  .deployment = POD_SPEC("'tolerations':[{'key':'dedicated','value':'db'}]"),
	  .nodes = { { "cp1", "", NULL, 2 },
		     { "w1", "", "{'spec':{'taints':[{'key':'dedicated','value':'db','effect':'NoExecute'}]}}" } } },
	{ .rule = "toleration of another value", .verdict = DNS_NOWHERE, .reason = "taint",
	  .deployment = POD_SPEC("'tolerations':[{'key':'dedicated','value':'web'}]"),
	  .nodes = { { "cp1", "", NULL, 2 },
		     { "w1", "", "{'spec':{'taints':[{'key':'dedicated','value':'db','effect':'NoExecute'}]}}" } } },
	{ .rule = "toleration of everything", .verdict = DNS_MOVE, .node = "w1",
	  .deployment = POD_SPEC("'tolerations':[{'operator':'Exists'}]"),
	  .nodes = { { "cp1", "", NULL, 2 }, { "w1", "", TAINT("any", "NoExecute") } } },
	{ .rule = "nodeSelector", .verdict = DNS_NOWHERE, .reason = "w1 has not the labels that nodeSelector wants",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", "{'metadata':{'labels':{'kubernetes.io/os':'windows'}}}" } } },
	{ .rule = "required node affinity", .verdict = DNS_NOWHERE, .reason = "w1 is not one that the required node affinity wants",
	  .deployment = NODE_AFFINITY("{'matchExpressions':[{'key':'disk','operator':'In','values':['ssd']}]}"),
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "one term of the affinity is enough", .verdict = DNS_MOVE, .node = "w1",
	  .deployment = NODE_AFFINITY("{'matchExpressions':[{'key':'disk','operator':'Exists'}]},"
				      "{'matchFields':[{'key':'metadata.name','operator':'In','values':['w1']}]}"),
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "affinity by numbers", .verdict = DNS_MOVE, .node = "w2",
	  .deployment = NODE_AFFINITY("{'matchExpressions':[{'key':'cpus','operator':'Gt','values':['4']}]}"),
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", "{'metadata':{'labels':{'cpus':'4'}}}" },
		     { "w2", "", "{'metadata':{'labels':{'cpus':'5'}}}" } } },
	{ .rule = "the worker has too little memory", .verdict = DNS_NOWHERE, .reason = "w1 has 64Mi of memory left and 70Mi are wanted",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", SIZE("memory", "64Mi") } } },
	{ .rule = "the worker is full", .verdict = DNS_NOWHERE, .reason = "w1 has 50m of cpu left and 100m are wanted",
	  .on = "w1", .pod = REQUEST("1950m", "1Mi"),
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a pod that has ended takes up nothing", .verdict = DNS_MOVE, .node = "w1",
	  .on = "w1", .pod = "{'status':{'phase':'Failed'},'spec':{'containers':[{'resources':{'requests':{'cpu':'2'}}}]}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a limit alone is a request", .verdict = DNS_NOWHERE, .reason = "cpu",
	  .on = "w1", .pod = "{'spec':{'containers':[{'resources':{'limits':{'cpu':'2'}}}]}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "init containers and sidecars count", .verdict = DNS_NOWHERE, .reason = "w1 has 0m of cpu left",
	  .on = "w1", .pod = "{'spec':{'initContainers':[{'restartPolicy':'Always','resources':{'requests':{'cpu':'1'}}},"
			     "{'resources':{'requests':{'cpu':'1'}}}],'containers':[{'resources':{'requests':{'cpu':'1m'}}}]}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "the worker may have no more pods", .verdict = DNS_NOWHERE, .reason = "w1 has 0 of pods left and 1 are wanted",
	  .on = "w1", .pod = "{}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", SIZE("pods", "1") } } },
	{ .rule = "a host port is taken", .verdict = DNS_NOWHERE, .reason = "host port",
	  .deployment = POD_SPEC("'containers':[{'ports':[{'hostPort':53,'protocol':'UDP'}]}]"),
	  .on = "w1", .pod = "{'spec':{'containers':[{'ports':[{'hostPort':53,'protocol':'UDP'}]}]}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a pod there wants to be alone", .verdict = DNS_NOWHERE, .reason = "has the pod other, whose anti-affinity",
	  .on = "w1", .pod = "{'metadata':{'namespace':'kube-system'},'spec':{'affinity':{'podAntiAffinity':{"
			     "'requiredDuringSchedulingIgnoredDuringExecution':[{'labelSelector':{},'topologyKey':'x'}]}}}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a pod there wants to be alone in its own namespace", .verdict = DNS_MOVE, .node = "w1",
	  .on = "w1", .pod = "{'spec':{'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':["
			     "{'labelSelector':{},'topologyKey':'x'}]}}}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "the second worker has room", .verdict = DNS_MOVE, .node = "w2",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", SIZE("memory", "64Mi") }, { "w2", "", NULL } } },
	{ .rule = "required anti-affinity between replicas lets a free node be", .verdict = DNS_MOVE, .node = "w1",
	  .deployment = POD_AFFINITY("podAntiAffinity", "kube-dns", "kubernetes.io/hostname"),
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "required anti-affinity by zone", .verdict = DNS_NOWHERE, .reason = "w2 is too near to another one",
	  .deployment = POD_AFFINITY("podAntiAffinity", "kube-dns", "topology.kubernetes.io/zone"),
	  .nodes = { { "w1", "a", NULL, 2 }, { "w2", "a", NULL } } },
	{ .rule = "anti-affinity to others by zone is not judged", .verdict = DNS_NOWHERE, .reason = "w2 may be too near to others",
	  .deployment = POD_AFFINITY("podAntiAffinity", "db", "topology.kubernetes.io/zone"),
	  .nodes = { { "w1", "a", NULL, 2 }, { "w2", "b", NULL } } },
	{ .rule = "required affinity to the other replica", .verdict = DNS_NOWHERE, .reason = "w1 is not near to what",
	  .deployment = POD_AFFINITY("podAffinity", "kube-dns", "kubernetes.io/hostname"),
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },

	{ .rule = "two zones, one of them with both", .verdict = DNS_MOVE, .node = "w3",
	  .reason = "2 replicas share zone a",
	  .nodes = { { "w1", "a", NULL, 1 }, { "w2", "a", NULL, 1 }, { "w3", "b", NULL } } },
	{ .rule = "three zones, two replicas in two", .verdict = DNS_SPREAD, .reason = "nodes: 2, zones: 2",
	  .nodes = { { "w1", "a", NULL, 1 }, { "w2", "b", NULL, 1 }, { "w3", "c", NULL } } },
	{ .rule = "three zones, three replicas, two in one", .verdict = DNS_MOVE, .node = "w4",
	  .nodes = { { "w1", "a", NULL, 1 }, { "w2", "a", NULL, 1 }, { "w3", "b", NULL, 1 }, { "w4", "c", NULL } } },
	{ .rule = "another zone comes before another node", .verdict = DNS_MOVE, .node = "w3",
	  .nodes = { { "w1", "a", NULL, 2 }, { "w2", "a", NULL }, { "w3", "b", NULL } } },
	{ .rule = "another node where the other zone has no room", .verdict = DNS_MOVE, .node = "w2",
	  .nodes = { { "w1", "a", NULL, 2 }, { "w2", "a", NULL }, { "w3", "b", CORDONED } } },
	{ .rule = "the other zone has no room and nodes are not shared", .verdict = DNS_NOWHERE, .reason = "zone a; w3 is cordoned",
	  .nodes = { { "w1", "a", NULL, 1 }, { "w2", "a", NULL, 1 }, { "w3", "b", CORDONED } } },
	{ .rule = "a node without a zone is one of its own", .verdict = DNS_MOVE, .node = "w3",
	  .nodes = { { "w1", "a", NULL, 1 }, { "w2", "a", NULL, 1 }, { "w3", "", NULL } } },

	{ .rule = "one replica", .verdict = DNS_SPREAD,
	  .nodes = { { "cp1", "", MASTER, 1 }, { "w1", "", NULL } } },
	{ .rule = "none", .verdict = DNS_SPREAD, .reason = "no replica is on a node",
	  .nodes = { { "cp1", "", MASTER }, { "w1", "", NULL } } },
	{ .rule = "three replicas on two nodes", .verdict = DNS_SPREAD,
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL, 1 } } },
	{ .rule = "three replicas on one of three", .verdict = DNS_MOVE, .node = "w1",
	  .nodes = { { "cp1", "", MASTER, 3 }, { "w1", "", NULL }, { "w2", "", NULL } } },
	{ .rule = "three replicas, two of them on one of three nodes", .verdict = DNS_MOVE, .node = "w2",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL, 1 }, { "w2", "", NULL } } },
	{ .rule = "all on nodes that cannot be scheduled to any more", .verdict = DNS_MOVE, .node = "w2",
	  .nodes = { { "w1", "", CORDONED, 2 }, { "w2", "", NULL } } },

	{ .rule = "one is not Ready", .verdict = DNS_WAIT, .reason = "1 of 2 replicas are Ready",
	  .nodes = { { "cp1", "", MASTER, 1, 1 }, { "w1", "", NULL } } },
	{ .rule = "none is Ready", .verdict = DNS_WAIT, .reason = "0 of 2 replicas are Ready",
	  .nodes = { { "cp1", "", MASTER, 0, 2 }, { "w1", "", NULL } } },
	{ .rule = "the admin has just asked for a third", .verdict = DNS_WAIT, .wanted = 3,
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "scaled to one and two are left", .verdict = DNS_SPREAD, .wanted = 1,
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a rollout has begun", .verdict = DNS_WAIT,
	  .deployment = "{'status':{'updatedReplicas':1}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "an edit has not been seen by its controller", .verdict = DNS_WAIT,
	  .deployment = "{'metadata':{'generation':100}}",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },

	{ .rule = "a budget forbids it", .verdict = DNS_WAIT, .reason = "the PodDisruptionBudget tight allows no eviction now",
	  .budgets = "[" BUDGET("tight", "0") "]",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a budget allows it", .verdict = DNS_MOVE, .node = "w1",
	  .budgets = "[" BUDGET("wide", "1") "]",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "two budgets", .verdict = DNS_WAIT, .reason = "a and b both guard CoreDNS",
	  .budgets = "[" BUDGET("a", "1") "," BUDGET("b", "1") "]",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	{ .rule = "a budget of somebody else", .verdict = DNS_MOVE, .node = "w1",
	  .budgets = "[{'spec':{'selector':{'matchLabels':{'app':'db'}}},'status':{'disruptionsAllowed':0}}]",
	  .nodes = { { "cp1", "", MASTER, 2 }, { "w1", "", NULL } } },
	/* clang-format on */
};

static void build(const struct topology *topology, struct dns_world *world)
{
	int count = 0;

	dns_world_deploy(world, 0, NULL);
	for (size_t i = 0; i < NODES_MAX && topology->nodes[i].name; i++) {
		dns_world_add_node(world, topology->nodes[i].name, topology->nodes[i].zone,
				   topology->nodes[i].patch);
		for (int j = 0; j < topology->nodes[i].replicas; j++, count++)
			dns_world_add_replica(world, topology->nodes[i].name, true);
		for (int j = 0; j < topology->nodes[i].unready; j++, count++)
			dns_world_add_replica(world, topology->nodes[i].name, false);
	}
	dns_world_deploy(world, topology->wanted ? topology->wanted : count, topology->deployment);
	if (topology->pod)
		dns_world_add_pod(world, topology->on, topology->pod);
	if (topology->budgets) {
		value_unref(world->budgets);
		world->budgets = dns_world_json(topology->budgets);
	}
}

START_TEST(test_topology_is_judged)
{
	const struct topology *topology = &topologies[_i];
	_cleanup_(dns_world_done) struct dns_world world = { 0 };
	struct dns_decision decision;

	build(topology, &world);
	dns_world_decide(&world, &decision);
	ck_assert_msg(decision.verdict == topology->verdict, "%s: %s (%s), not %s", topology->rule,
		      dns_verdict_name(decision.verdict), decision.why.text,
		      dns_verdict_name(topology->verdict));
	ck_assert_msg(!topology->reason || strstr(decision.why.text, topology->reason),
		      "%s: the reason is \"%s\"", topology->rule, decision.why.text);
	ck_assert_msg(!topology->node || strcmp(decision.node, topology->node) == 0,
		      "%s: to %s, not %s", topology->rule, decision.node, topology->node);
}
END_TEST

/* Time, tries and what was moved last. */

static void shared_with_worker(struct dns_world *world)
{
	dns_world_deploy(world, 2, NULL);
	dns_world_add_node(world, "cp1", "", MASTER);
	dns_world_add_node(world, "w1", "", NULL);
	dns_world_add_replica(world, "cp1", true);
	dns_world_add_replica(world, "cp1", true);
}

static struct dns_record move(struct dns_world *world, const struct dns_decision *decision)
{
	struct dns_snapshot snapshot = {
		.deployment = world->deployment,
		.nodes = world->nodes,
		.pods = world->pods,
		.record = world->record,
		.now_s = world->now_s,
	};

	return dns_record_of(&snapshot, decision);
}

static struct value *without(struct value *list, const char *uid)
{
	struct value *kept = value_new_list();

	VALUE_FOREACH(i, list)
		if (strcmp(value_string_or(value_at(value_item(list, i), "metadata", "uid"), ""),
			   uid) != 0)
			kept = value_append(kept, value_ref(value_item(list, i)));
	value_unref(list);
	return kept;
}

/* A move whose replica the scheduler puts on a node. */
static void make_move(struct dns_world *world, const char *node)
{
	struct dns_decision decision;

	dns_world_decide(world, &decision);
	ck_assert_msg(decision.verdict == DNS_MOVE, "%s", decision.why.text);
	world->record = move(world, &decision);
	world->pods = without(world->pods, decision.uid);
	dns_world_add_replica(world, node, true);
	dns_world_decide(world, &decision);
	world->record = dns_record_after(&world->record, &decision);
}

static enum dns_verdict verdict_after(struct dns_world *world, int64_t seconds, const char *reason)
{
	struct dns_decision decision;

	world->now_s += seconds;
	dns_world_decide(world, &decision);
	ck_assert_msg(strstr(decision.why.text, reason), "%s", decision.why.text);
	return decision.verdict;
}

START_TEST(test_first_move_does_not_wait)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	make_move(&world, "w1");
	ck_assert_int_eq(verdict_after(&world, 0, ""), DNS_SPREAD);
	ck_assert_uint_eq(world.record.tries, 0);
}
END_TEST

START_TEST(test_next_move_waits_ten_minutes)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };
	struct dns_decision decision;

	shared_with_worker(&world);
	make_move(&world, "cp1");
	ck_assert_int_eq(verdict_after(&world, 0, "a short while ago"), DNS_WAIT);
	ck_assert_int_eq(verdict_after(&world, DNS_PAUSE_S - 1, "a short while ago"), DNS_WAIT);
	dns_world_decide(&world, &decision);
	ck_assert_int_eq(decision.until_s, world.now_s + 1);
	ck_assert_int_eq(verdict_after(&world, 1, "can take one"), DNS_MOVE);
}
END_TEST

START_TEST(test_request_does_not_wait)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	make_move(&world, "cp1");
	world.at_once = true;
	ck_assert_int_eq(verdict_after(&world, 0, ""), DNS_MOVE);
}
END_TEST

START_TEST(test_three_tries_are_enough_also_on_request)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	for (int i = 0; i < DNS_TRIES_MAX; i++) {
		make_move(&world, "cp1");
		world.now_s += DNS_PAUSE_S;
	}
	ck_assert_int_eq(verdict_after(&world, 0, "3 moves did not help"), DNS_GIVEN_UP);
	ck_assert_int_eq(verdict_after(&world, 1000000, "3 moves did not help"), DNS_GIVEN_UP);
	world.at_once = true;
	ck_assert_int_eq(verdict_after(&world, 0, "3 moves did not help"), DNS_GIVEN_UP);
}
END_TEST

START_TEST(test_change_gives_new_tries_after_a_longer_pause)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	for (int i = 0; i < DNS_TRIES_MAX; i++) {
		make_move(&world, "cp1");
		world.now_s += DNS_PAUSE_S;
	}
	dns_world_add_node(&world, "w2", "", NULL);
	ck_assert_int_eq(verdict_after(&world, 0, "a short while ago"), DNS_WAIT);
	ck_assert_int_eq(verdict_after(&world, DNS_PAUSE_S, ""), DNS_MOVE);
}
END_TEST

START_TEST(test_node_that_comes_and_goes_gives_no_new_tries)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	for (int i = 0; i < DNS_TRIES_MAX; i++) {
		make_move(&world, "cp1");
		world.now_s += DNS_PAUSE_S;
	}
	value_unref(world.nodes);
	world.nodes = value_new_list();
	dns_world_add_node(&world, "cp1", "", MASTER);
	dns_world_add_node(&world, "w1", "", NOT_READY);
	ck_assert_int_eq(verdict_after(&world, 0, "w1 is not Ready"), DNS_NOWHERE);
	value_unref(world.nodes);
	world.nodes = value_new_list();
	dns_world_add_node(&world, "cp1", "", MASTER);
	dns_world_add_node(&world, "w1", "", NULL);
	ck_assert_int_eq(verdict_after(&world, 0, "did not help"), DNS_GIVEN_UP);
}
END_TEST

START_TEST(test_success_gives_all_tries_back)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	for (int i = 0; i < 10; i++) {
		make_move(&world, "w1");
		world.now_s += DNS_PAUSE_S;
		/* The worker was away, and both came up on the control plane. */
		world.pods = value_unref(world.pods);
		world.pods = value_new_list();
		dns_world_add_replica(&world, "cp1", true);
		dns_world_add_replica(&world, "cp1", true);
	}
	ck_assert_uint_eq(world.record.tries, 0);
}
END_TEST

START_TEST(test_move_that_has_not_happened_is_none)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };
	struct dns_decision decision, again;

	shared_with_worker(&world);
	for (int i = 0; i < 5; i++) {
		/* Noted, and then agentd was killed or a budget forbade it. */
		dns_world_decide(&world, &decision);
		ck_assert_int_eq(decision.verdict, DNS_MOVE);
		world.record = move(&world, &decision);
		ck_assert_uint_eq(world.record.tries, 1);
	}
	/* The same one is taken again, so that no two go when one answer was lost. */
	dns_world_add_replica(&world, "cp1", true);
	dns_world_deploy(&world, 3, NULL);
	dns_world_decide(&world, &again);
	ck_assert_int_eq(again.verdict, DNS_MOVE);
	ck_assert_str_eq(again.uid, decision.uid);
}
END_TEST

START_TEST(test_move_before_one_that_has_not_happened_still_counts)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };
	struct dns_decision decision;

	shared_with_worker(&world);
	make_move(&world, "cp1");
	world.at_once = true;
	dns_world_decide(&world, &decision);
	world.now_s += 60;
	world.record = move(&world, &decision);
	world.at_once = false;
	ck_assert_int_eq(verdict_after(&world, DNS_PAUSE_S - 61, "a short while ago"), DNS_WAIT);
	ck_assert_int_eq(verdict_after(&world, 1, ""), DNS_MOVE);
}
END_TEST

START_TEST(test_record_of_a_wrong_clock_does_not_hold_for_years)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };

	shared_with_worker(&world);
	make_move(&world, "cp1");
	ck_assert_int_eq(verdict_after(&world, -1000000, ""), DNS_MOVE);
}
END_TEST

START_TEST(test_youngest_replica_moves)
{
	_cleanup_(dns_world_done) struct dns_world world = { 0 };
	struct dns_decision decision;

	shared_with_worker(&world);
	dns_world_decide(&world, &decision);
	ck_assert_str_eq(decision.pod, "coredns-1");
	ck_assert_str_eq(decision.from, "cp1");
	ck_assert_uint_eq(decision.burden, 0x10001);
}
END_TEST

/* Any topology, any scheduler. */

enum { STEPS_MAX = 4000, WORLDS = 600 };

static unsigned random_below(unsigned *seed, unsigned limit)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % limit;
}

static void random_node(struct dns_world *world, unsigned *seed, unsigned index)
{
	static const char *const patches[] = {
		NULL,
		NULL,
		NULL,
		MASTER,
		CORDONED,
		NOT_READY,
		SIZE("memory", "60Mi"),
		SIZE("cpu", "250m"),
		TAINT("x", "NoSchedule"),
		TAINT("x", "PreferNoSchedule"),
	};
	static const char *const zones[] = { "a", "b", "c", "" };
	bool zoned = *seed & 1;
	char name[16];

	(void)snprintf(name, sizeof(name), "n%u", index);
	dns_world_add_node(world, name, zoned ? zones[random_below(seed, 4)] : "",
			   patches[random_below(seed, ARRAY_SIZE(patches))]);
	if (random_below(seed, 3) == 0)
		dns_world_add_pod(world, name, REQUEST("1850m", "100Mi"));
}

/* Whether the scheduler may put a replica there, by the node's own truth. */
static bool is_possible(struct dns_world *world, const char *name)
{
	const struct fit_pod pod = { value_at(world->deployment, "spec", "template"), KUBE_SYSTEM };
	_cleanup_(value_unref) struct value *pods = value_new_list();
	const struct value *node = dns_world_node(world, name);
	struct why why;

	VALUE_FOREACH(i, world->pods)
		if (strcmp(dns_node_of(value_item(world->pods, i)), name) == 0)
			pods = value_append(pods, value_ref(value_item(world->pods, i)));
	VALUE_FOREACH(i, world->others)
		if (strcmp(dns_node_of(value_item(world->others, i)), name) == 0)
			pods = value_append(pods, value_ref(value_item(world->others, i)));
	return fit_node(&pod, node, &why) && fit_pods(&pod, node, pods, &why);
}

/* Schedulers: one that spreads, one that always puts it back, one that throws dice. */
static const char *schedule(struct dns_world *world, const struct dns_decision *decision,
			    unsigned kind, unsigned *seed)
{
	size_t count = value_count(world->nodes);
	size_t start = random_below(seed, (unsigned)count);

	if (kind == 0 && is_possible(world, decision->node))
		return decision->node;
	if (kind == 1 && is_possible(world, decision->from))
		return decision->from;
	for (size_t i = 0; i < count; i++) {
		const struct value *node = value_item(world->nodes, (start + i) % count);
		const char *name = value_string(value_at(node, "metadata", "name"));

		if (is_possible(world, name))
			return name;
	}
	return "";
}

static void check_move(struct dns_world *world, const struct dns_decision *decision)
{
	unsigned ready = 0;

	VALUE_FOREACH(i, world->pods)
		ready += fit_has_condition(value_item(world->pods, i), "Ready");
	ck_assert_uint_ge(ready, 2);
	ck_assert_msg(is_possible(world, decision->node), "%s cannot take one: %s", decision->node,
		      decision->why.text);
	ck_assert_str_ne(decision->from, decision->node);
}

/* Lets the cluster live until nothing is moved for ten pauses; returns the number of moves. */
static unsigned live(struct dns_world *world, unsigned kind, unsigned *seed)
{
	unsigned moves = 0, quiet = 0;
	int64_t last = 0;

	for (unsigned step = 0; quiet < 10; step++) {
		struct dns_decision decision;
		const char *node;

		ck_assert_msg(step < STEPS_MAX, "moves do not end: %u so far", moves);
		dns_world_decide(world, &decision);
		if (decision.verdict != DNS_MOVE) {
			quiet += decision.verdict != DNS_WAIT || decision.until_s == 0;
			world->now_s += DNS_PAUSE_S / 2;
			continue;
		}
		quiet = 0;
		check_move(world, &decision);
		ck_assert(last == 0 || world->now_s >= last + DNS_PAUSE_S);
		last = world->now_s;
		moves++;
		world->record = move(world, &decision);
		world->pods = without(world->pods, decision.uid);
		node = schedule(world, &decision, kind, seed);
		dns_world_add_replica(world, node, *node != '\0');
		dns_world_decide(world, &decision);
		world->record = dns_record_after(&world->record, &decision);
	}
	return moves;
}

START_TEST(test_moves_come_to_an_end)
{
	unsigned total = 0;

	for (unsigned seed = 1; seed <= WORLDS; seed++) {
		_cleanup_(dns_world_done) struct dns_world world = { 0 };
		unsigned state = seed * 2654435761u;
		unsigned nodes = 1 + random_below(&state, 6), replicas = random_below(&state, 5);
		unsigned moves;

		dns_world_deploy(&world, (int)replicas, NULL);
		for (unsigned i = 0; i < nodes; i++)
			random_node(&world, &state, i);
		for (unsigned i = 0; i < replicas; i++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "n%u", random_below(&state, nodes));
			dns_world_add_replica(&world, name, random_below(&state, 12) != 0);
		}
		moves = live(&world, (unsigned)_i, &state);
		/* One that obeys needs a move for each replica at most. */
		ck_assert_msg(_i != 0 || moves <= replicas, "%u moves of %u replicas, world %u",
			      moves, replicas, seed);
		ck_assert_uint_le(moves, DNS_TRIES_MAX * (replicas + 1));
		total += moves;
	}
	/* The property would hold of doing nothing, too. */
	ck_assert_uint_gt(total, WORLDS / 10);
}
END_TEST

Suite *suite_resources_dns(void)
{
	Suite *suite = suite_create("dns");
	TCase *tests = tcase_create("dns");

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, test_topology_is_judged, 0, ARRAY_SIZE(topologies));
	tcase_add_test(tests, test_first_move_does_not_wait);
	tcase_add_test(tests, test_next_move_waits_ten_minutes);
	tcase_add_test(tests, test_request_does_not_wait);
	tcase_add_test(tests, test_three_tries_are_enough_also_on_request);
	tcase_add_test(tests, test_change_gives_new_tries_after_a_longer_pause);
	tcase_add_test(tests, test_node_that_comes_and_goes_gives_no_new_tries);
	tcase_add_test(tests, test_success_gives_all_tries_back);
	tcase_add_test(tests, test_move_that_has_not_happened_is_none);
	tcase_add_test(tests, test_move_before_one_that_has_not_happened_still_counts);
	tcase_add_test(tests, test_record_of_a_wrong_clock_does_not_hold_for_years);
	tcase_add_test(tests, test_youngest_replica_moves);
	tcase_add_loop_test(tests, test_moves_come_to_an_end, 0, 3);
	suite_add_tcase(suite, tests);
	return suite;
}
