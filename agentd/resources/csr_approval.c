/* Answers certificate requests of nodes (approval.h decides), and burns tokens for one node once
 * that node works.
 *
 * Before a client certificate is given, the token's Secret says for which request it was used: with
 * that, a second one is refused by every agent of the cluster, also after a kill between the two.
 */
#include <errno.h>
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/approval.h"
#include "agentd/resources/files.h"
#include "agentd/resources/issue.h"
#include "agentd/resources/node_request.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"
#include "common/yaml.h"
#include "pki/profiles.h"

/* -- What the decision looks at ---------------------------------------------------------------- */

static void world_done(struct approval_world *world)
{
	free(world->nodes.items);
	free(world->requests.items);
	free(world->tokens.items);
	strv_done(&world->reserved);
}
DEFINE_CLEANUP_VALUE(struct approval_world, world_done)

/* False while the collection is not known. */
static bool list(const struct context *ctx, const char *collection, struct approval_list *ret)
{
	int count = objects_count(ctx->objects, collection);

	if (count < 0)
		return false;
	ret->items = NEW_ARRAY(const struct value *, (size_t)count + 1);
	for (int i = 0; i < count; i++)
		ret->items[ret->count++] = objects_item(ctx->objects, collection, i);
	return true;
}

/* By the configuration that kubelets of the cluster start with. */
static enum approval_serving serving(const struct context *ctx)
{
	const struct value *map = NULL;
	_cleanup_(value_unref) struct value *documents = NULL;
	const char *text;
	struct error err = ERROR_INIT;

	if (objects_get(ctx->objects, KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBELET_CONFIG, &map) !=
	    OBJECT_FOUND)
		return APPROVAL_SERVING_UNKNOWN;
	text = value_string_or(value_at(map, "data", "kubelet"), "");
	if (yaml_parse(text, strlen(text), KUBE_KUBELET_CONFIG, &documents, &err) < 0)
		return APPROVAL_SERVING_UNKNOWN;
	return value_is_true(value_get(value_item(documents, 0), "serverTLSBootstrap"))
		   ? APPROVAL_SERVING_ON
		   : APPROVAL_SERVING_OFF;
}

static void add_reserved(const struct role *role, const char *profile, struct strv *reserved)
{
	_cleanup_(issue_names_done) struct issue_names names = { 0 };

	issue_names_of(role, profile_find(profile), &names);
	STRV_FOREACH(name, &names.dns_names) {
		strv_add(reserved, name);
	}
	STRV_FOREACH(address, &names.addresses) {
		strv_add(reserved, address);
	}
}

static void add_subnets(const struct role *role, struct approval_world *world)
{
	_cleanup_(strv_done) struct strv subnets = STRV_INIT;

	strv_split(&subnets, role->cluster.service_subnet, ',');
	for (size_t i = 0; i < subnets.count && i < ARRAY_SIZE(world->service_subnets); i++)
		if (parse_cidr(subnets.items[i],
			       &world->service_subnets[world->service_subnet_count]) == 0)
			world->service_subnet_count++;
}

static bool look(const struct context *ctx, struct approval_world *ret)
{
	const struct role *role = ctx->role;

	*ret = (struct approval_world){
		.own_node = role->node.name,
		.dns_domain = role->cluster.dns_domain,
		.now = ctx->now,
		.serving = serving(ctx),
	};
	add_reserved(role, "apiserver", &ret->reserved);
	add_reserved(role, "etcd/peer", &ret->reserved);
	add_subnets(role, ret);
	return list(ctx, KUBE_NODES, &ret->nodes) && list(ctx, KUBE_CSRS, &ret->requests) &&
	       list(ctx, TOKEN_SECRETS, &ret->tokens);
}

static bool any_is_pending(const struct context *ctx)
{
	int count = objects_count(ctx->objects, KUBE_CSRS);

	for (int i = 0; i < count; i++)
		if (node_request_is_pending(objects_item(ctx->objects, KUBE_CSRS, i)))
			return true;
	return false;
}

/* -- Approval ---------------------------------------------------------------------------------- */

static enum verdict approval_observe(struct context *ctx, const struct resource *row,
				     struct why *why)
{
	_cleanup_(world_done) struct approval_world world = { 0 };
	enum verdict verdict = IN_SYNC;

	(void)row;
	if (objects_count(ctx->objects, KUBE_CSRS) < 0) {
		why_set(why, "the API server has not told of requests yet");
		return UNKNOWN;
	}
	if (!any_is_pending(ctx))
		return IN_SYNC;
	if (!look(ctx, &world)) {
		why_set(why, "the API server has not told of nodes or tokens yet");
		return UNKNOWN;
	}
	for (size_t i = 0; i < world.requests.count; i++) {
		struct why detail = { .text = "" };
		const struct value *request = world.requests.items[i];

		switch (approval_decide(request, &world, &detail)) {
		case APPROVAL_IGNORE:
			break;
		case APPROVAL_WAIT:
			why_set(why, "request %s: %s", node_request_name(request), detail.text);
			verdict = UNKNOWN;
			break;
		case APPROVAL_GIVE:
		case APPROVAL_REFUSE:
			why_set(why, "request %s: %s", node_request_name(request), detail.text);
			why_planned(why);
			return DRIFTED;
		}
	}
	return verdict;
}

/* One run answers all requests that can be answered. */
struct answering {
	struct strv answered; /* their answers may not be in the cache yet */
	struct value *request, *token;
	char *node;
	enum approval verdict;
	struct why why;
	bool marking; /* the request in flight is the one to the Secret */
};

static void answering_reset(struct answering *answering)
{
	answering->request = value_unref(answering->request);
	answering->token = value_unref(answering->token);
	free(answering->node);
	answering->node = NULL;
	answering->why = (struct why){ .text = "" };
}

static void answering_free(void *state)
{
	struct answering *answering = state;

	answering_reset(answering);
	strv_done(&answering->answered);
	free(answering);
}

static const struct value *token_of(const struct approval_world *world, const struct value *request)
{
	const char *id = approval_token_id(request);
	_cleanup_free_ char *name = NULL;

	if (!id)
		return NULL;
	name = xasprintf(KUBE_TOKEN_SECRET_PREFIX "%s", id);
	for (size_t i = 0; i < world->tokens.count; i++)
		if (strcmp(
			value_string_or(value_at(world->tokens.items[i], "metadata", "name"), ""),
			name) == 0)
			return world->tokens.items[i];
	return NULL;
}

/* The next request that can be answered now; keeps it. */
static bool choose(struct context *ctx, struct answering *answering)
{
	_cleanup_(world_done) struct approval_world world = { 0 };

	if (!look(ctx, &world))
		return false;
	for (size_t i = 0; i < world.requests.count; i++) {
		const struct value *request = world.requests.items[i];

		if (strv_contains(&answering->answered, node_request_name(request)))
			continue;
		answering->verdict = approval_decide(request, &world, &answering->why);
		if (answering->verdict != APPROVAL_GIVE && answering->verdict != APPROVAL_REFUSE)
			continue;
		answering->request = value_ref(request);
		answering->token = value_ref(token_of(&world, request));
		answering->node = approval_node(request);
		return true;
	}
	return false;
}

/* The Secret as it was looked at, with what it is used for; NULL where it says so already. */
static struct value *used_for(const struct answering *answering)
{
	const char *request = node_request_name(answering->request);
	const struct value *annotations = value_at(answering->token, "metadata", "annotations");
	const struct value *version = value_at(answering->token, "metadata", "resourceVersion");
	struct value *patch;

	if (strcmp(value_string_or(value_get(annotations, KUBE_ANNOTATION_REQUEST), ""), request) ==
	    0)
		return NULL;
	patch = value_put_at(value_new_map(), value_new_string(request), "metadata", "annotations",
			     KUBE_ANNOTATION_REQUEST);
	patch = value_put_at(patch, value_new_string(answering->node), "metadata", "annotations",
			     KUBE_ANNOTATION_NODE);
	return value_put_at(patch, value_ref(version), "metadata", "resourceVersion");
}

static struct op *mark_used(struct context *ctx, struct answering *answering)
{
	_cleanup_(value_unref) struct value *patch = NULL;
	_cleanup_free_ char *path = NULL;

	if (answering->verdict != APPROVAL_GIVE || !answering->token)
		return NULL;
	patch = used_for(answering);
	if (!patch)
		return NULL;
	path = xasprintf(KUBE_SYSTEM_SECRETS "/%s",
			 value_string_or(value_at(answering->token, "metadata", "name"), ""));
	return kube_merge_patch(ctx->kube, path, patch, KUBE_MANAGER);
}

static struct op *answer(struct context *ctx, const struct answering *answering)
{
	return node_request_answer(ctx->kube, answering->request,
				   answering->verdict == APPROVAL_GIVE ? "Approved" : "Denied",
				   answering->why.text, clock_wall(ctx->clock));
}

static struct op *approval_start(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	struct answering *answering = run_of(task)->state;
	struct op *op = NULL;

	if (!answering) {
		answering = NEW(struct answering);
		run_keep(task, answering, answering_free);
	}
	if (!ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
		return NULL;
	}
	if (!answering->request && choose(ctx, answering))
		op = mark_used(ctx, answering);
	answering->marking = op != NULL;
	if (!op && answering->request)
		op = answer(ctx, answering);
	return op;
}

static int approval_done(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	struct answering *answering = run_of(task)->state;
	const char *name = node_request_name(answering->request);

	(void)op;
	(void)err;
	if (answering->marking)
		return STAGE_AGAIN;
	history_add(ctx->history, answering->verdict == APPROVAL_GIVE ? "Approved" : "Refused",
		    row_of(task)->name, "certificate request %s of %s: %s", name,
		    node_request_user(answering->request), answering->why.text);
	strv_add(&answering->answered, name);
	answering_reset(answering);
	return STAGE_AGAIN;
}

static const struct stage approval_apply[] = {
	{ "answer requests, marking tokens as used", approval_start, approval_done, .again_ms = 1 },
	{ 0 },
};

/* -- Burning ----------------------------------------------------------------------------------- */

/* The first token whose node works; NULL if there is none. */
static const struct value *served(const struct context *ctx, struct token_secret *ret)
{
	int count = objects_count(ctx->objects, TOKEN_SECRETS);

	for (int i = 0; i < count; i++) {
		const struct value *secret = objects_item(ctx->objects, TOKEN_SECRETS, i);
		_cleanup_(token_secret_done) struct token_secret token = { 0 };
		const struct value *node = NULL;

		/* It was not Ready when the request was approved. */
		if (!token_secret_read(secret, &token) || !token.request || !token.node ||
		    objects_get(ctx->objects, KUBE_NODES, token.node, &node) != OBJECT_FOUND ||
		    !approval_node_is_ready(node))
			continue;
		*ret = token;
		token = (struct token_secret){ 0 };
		return secret;
	}
	return NULL;
}

static enum verdict burning_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	_cleanup_(token_secret_done) struct token_secret token = { 0 };

	(void)row;
	if (!served(ctx, &token))
		return IN_SYNC;
	why_set(why, "token %s has served: node %s works", token.token.id, token.node);
	why_planned(why);
	return DRIFTED;
}

static struct op *burn(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_(token_secret_done) struct token_secret token = { 0 };
	const struct value *secret = served(ctx, &token);
	_cleanup_free_ char *path = NULL;

	if (!secret)
		return NULL;
	if (!ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
		return NULL;
	}
	path = xasprintf(KUBE_SYSTEM_SECRETS "/" KUBE_TOKEN_SECRET_PREFIX "%s", token.token.id);
	run_keep(task, xasprintf("%s of node %s", token.token.id, token.node), free);
	return kube_delete_uid(ctx->kube, path,
			       value_string_or(value_at(secret, "metadata", "uid"), ""));
}

static int burned(struct task *task, struct op *op, struct error *err)
{
	(void)op;
	(void)err;
	history_add(ctx_of(task)->history, "Burned", row_of(task)->name,
		    "token %s, which works without it now", (const char *)run_of(task)->state);
	return STAGE_NEXT;
}

static const struct stage burning_apply[] = {
	{ "burn the token", burn, burned, .timeout_s = 30 },
	{ 0 },
};

/* clang-format off */
const struct resource csr_approval_rows[] = {
	{ .name = "csr-approval",
	  .title = "certificate requests of kubelets and of nodes that join with a token of their own are answered",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_TOKENS, .needs = { "apiserver" },
	  .triggers = { ON_OBJECT(KUBE_CSRS, NULL), ON_OBJECT(KUBE_NODES, NULL),
			ON_OBJECT(TOKEN_SECRETS, NULL) },
	  .observe = approval_observe, .apply = approval_apply },
	{ .name = "used-tokens", .title = "a token for one node is gone once that node works",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_TOKENS, .needs = { "apiserver" },
	  .triggers = { ON_OBJECT(TOKEN_SECRETS, NULL), ON_OBJECT(KUBE_NODES, NULL) },
	  .observe = burning_observe, .apply = burning_apply },
	{ 0 },
};
/* clang-format on */
