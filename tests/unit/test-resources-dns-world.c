/* Clusters of the tests of CoreDNS; see test-resources-dns.h. */
#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/fit.h"
#include "common/alloc.h"
#include "common/json.h"
#include "common/parse.h"
#include "tests/unit/test-resources-dns.h"

struct value *dns_world_json(const char *text)
{
	_cleanup_free_ char *json = xstrdup(text);
	struct value *value = NULL;
	struct error err = ERROR_INIT;

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	ck_assert_msg(json_parse(json, strlen(json), "json", &value, &err) == 0, "%s: %s", json,
		      err.message);
	return value;
}

/* Merges a patch where the list that it wants to reach is a map. */
static struct value *merged(struct value *value, const char *patch)
{
	_cleanup_(value_unref) struct value *change = patch ? dns_world_json(patch) : NULL;

	return change ? value_merge_patch(value, change) : value;
}

void dns_world_deploy(struct dns_world *world, int replicas, const char *patch)
{
	struct value *value = dns_world_json(
	    "{'metadata':{'name':'coredns','uid':'d','generation':1},"
	    "'spec':{'template':{'metadata':{'labels':{'k8s-app':'kube-dns'}},'spec':{"
	    "'containers':[{'name':'coredns','resources':{'limits':{'memory':'170Mi'},"
	    "'requests':{'cpu':'100m','memory':'70Mi'}}}],"
	    "'nodeSelector':{'kubernetes.io/os':'linux'},"
	    "'tolerations':[{'key':'CriticalAddonsOnly','operator':'Exists'},"
	    "{'effect':'NoSchedule','key':'node-role.kubernetes.io/control-plane'}]}}},"
	    "'status':{'observedGeneration':99}}");

	value = value_put_at(value, value_new_int(replicas), "spec", "replicas");
	value = value_put_at(value, value_new_int(replicas), "status", "updatedReplicas");
	value_unref(world->deployment);
	world->deployment = merged(value, patch);
	if (!world->pods)
		world->pods = value_new_list();
	if (!world->nodes)
		world->nodes = value_new_list();
	if (!world->others)
		world->others = value_new_list();
	if (!world->budgets)
		world->budgets = value_new_list();
	if (!world->now_s)
		world->now_s = DNS_WORLD_NOW;
}

void dns_world_add_node(struct dns_world *world, const char *name, const char *zone,
			const char *patch)
{
	struct value *node =
	    dns_world_json("{'metadata':{'labels':{'kubernetes.io/os':'linux'}},'spec':{},"
			   "'status':{'conditions':[{'type':'Ready','status':'True'}],"
			   "'allocatable':{'cpu':'2','memory':'1Gi','pods':'20'}}}");

	node = value_put_at(node, value_new_string(name), "metadata", "name");
	node = value_put_at(node, value_new_stringf("uid-%s", name), "metadata", "uid");
	node =
	    value_put_at(node, value_new_string(name), "metadata", "labels", KUBE_LABEL_HOSTNAME);
	if (*zone)
		node = value_put_at(node, value_new_string(zone), "metadata", "labels",
				    KUBE_LABEL_ZONE);
	world->nodes = value_append(world->nodes, merged(node, patch));
}

void dns_world_add_replica(struct dns_world *world, const char *node, bool ready)
{
	struct value *pod = value_put_at(
	    value_new_map(), value_new_stringf("coredns-%u", world->made), "metadata", "name");
	struct value *condition = value_new_map();
	char created[32];

	format_time(DNS_WORLD_NOW + (int64_t)world->made, created);
	pod = value_put_at(pod, value_new_string(KUBE_SYSTEM), "metadata", "namespace");
	pod = value_put_at(pod, value_new_stringf("u%u", world->made++), "metadata", "uid");
	pod = value_put_at(pod, value_new_string(created), "metadata", "creationTimestamp");
	pod = value_put_at(pod, value_new_string(KUBE_KUBE_DNS), "metadata", "labels",
			   KUBE_LABEL_APP);
	if (*node)
		pod = value_put_at(pod, value_new_string(node), "spec", "nodeName");
	condition = value_put(condition, "type", value_new_string("Ready"));
	condition = value_put(condition, "status", value_new_string(ready ? "True" : "False"));
	pod = value_put_at(pod, value_append(value_new_list(), condition), "status", "conditions");
	world->pods = value_append(world->pods, pod);
}

void dns_world_add_pod(struct dns_world *world, const char *node, const char *patch)
{
	struct value *pod =
	    value_put_at(value_new_map(), value_new_string("other"), "metadata", "name");

	pod = value_put_at(pod, value_new_string("default"), "metadata", "namespace");
	pod = value_put_at(pod, value_new_string(node), "spec", "nodeName");
	world->others = value_append(world->others, merged(pod, patch));
}

const struct value *dns_world_node(const struct dns_world *world, const char *name)
{
	VALUE_FOREACH(i, world->nodes) {
		const struct value *node = value_item(world->nodes, i);

		if (strcmp(value_string_or(value_at(node, "metadata", "name"), ""), name) == 0)
			return node;
	}
	return NULL;
}

void dns_world_done(struct dns_world *world)
{
	value_unref(world->deployment);
	value_unref(world->nodes);
	value_unref(world->pods);
	value_unref(world->budgets);
	value_unref(world->others);
	dns_looks_done(&world->looks);
	*world = (struct dns_world){ 0 };
}

/* Everything that is on a node. */
static struct value *pods_on(const struct dns_world *world, const char *node)
{
	const struct value *const lists[] = { world->pods, world->others };
	struct value *found = value_new_list();

	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		VALUE_FOREACH(i, lists[list]) {
			const struct value *pod = value_item(lists[list], i);

			if (strcmp(dns_node_of(pod), node) == 0)
				found = value_append(found, value_ref(pod));
		}
	return found;
}

/* Annotated "proxy: no", kube-proxy of a node is not Ready. */
static void look(struct dns_world *world, const char *name)
{
	const struct fit_pod pod = { value_at(world->deployment, "spec", "template"), KUBE_SYSTEM };
	const struct value *node = dns_world_node(world, name);
	_cleanup_(value_unref) struct value *pods = pods_on(world, name);
	struct dns_looks *looks = &world->looks;
	struct why why = { .text = "" };

	looks->items = xreallocarray(looks->items, looks->count + 1, sizeof(struct dns_look));
	looks->items[looks->count++] = (struct dns_look){
		.node = xstrdup(name),
		.against = fit_pods(&pod, node, pods, &why) ? NULL : xstrdup(why.text),
		.proxied = !value_at(node, "metadata", "annotations", "proxy"),
	};
}

void dns_world_decide(struct dns_world *world, struct dns_decision *ret)
{
	dns_looks_done(&world->looks);
	for (;;) {
		struct dns_snapshot snapshot = {
			.deployment = world->deployment,
			.nodes = world->nodes,
			.pods = world->pods,
			.budgets = world->budgets,
			.looks = world->looks,
			.record = world->record,
			.now_s = world->now_s,
			.at_once = world->at_once,
		};

		dns_decide(&snapshot, ret);
		ck_assert_msg(ret->why.text[0], "%s without a reason",
			      dns_verdict_name(ret->verdict));
		if (ret->verdict != DNS_LOOK)
			return;
		ck_assert_uint_lt(world->looks.count, 100);
		look(world, ret->node);
	}
}
