/* What all rows of cluster objects do: look at the cache, compare by policy, mend by policy. */
#include "agentd/resources/object.h"

#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/manifests/render.h"
#include "agentd/resources/keep.h"
#include "common/alloc.h"

struct value *object_wanted(const struct context *ctx, const struct role *role,
			    const struct resource *row, struct why *why)
{
	const struct object *object = row->data;
	struct value *base = object->plain
				 ? render_config_map(object->namespace, object->name)
				 : render_manifest(object->kind, object->namespace, object->name);

	return object->fill ? object->fill(ctx, role, base, why) : base;
}

enum verdict object_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct object *object = row->data;
	_cleanup_(value_unref) struct value *wanted = NULL;
	_cleanup_(buf_done) struct buf difference = BUF_INIT(512);
	const struct value *live = NULL;

	if (objects_get(ctx->objects, object->collection, object->name, &live) == OBJECT_UNKNOWN) {
		const struct error *error = objects_error(ctx->objects);

		why_set(why, "the API server has not told yet%s%s", error ? ": " : "",
			error ? error->message : "");
		return UNKNOWN;
	}
	wanted = object_wanted(ctx, ctx->role, row, why);
	if (!wanted)
		return UNKNOWN;
	switch (policy_compare(wanted, object->policy, live, &difference)) {
	case POLICY_SAME:
		return IN_SYNC;
	case POLICY_MISSING:
		why_set(why, "%s %s is missing in the cluster", object->kind, object->name);
		return DRIFTED;
	case POLICY_DIFFERS:
	case POLICY_REPLACE:
		break;
	}
	why_set(why, "%s %s: %s", object->kind, object->name, difference.data);
	return DRIFTED;
}

static void free_kube(void *state)
{
	kube_free(state);
}

static struct op *object_mend(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct resource *row = row_of(task);
	const struct object *object = row->data;
	_cleanup_(value_unref) struct value *wanted = NULL;
	const struct value *live = NULL;
	struct why why = { .text = "" };
	struct kube *kube = ctx->kube;

	wanted = object_wanted(ctx, role_of(task), row, &why);
	if (!wanted || !kube ||
	    objects_get(ctx->objects, object->collection, object->name, &live) == OBJECT_UNKNOWN) {
		error_set(err, ERROR_PENDING, -EAGAIN, "%s",
			  why.text[0] ? why.text : "the API server cannot be seen now");
		return NULL;
	}
	if (object->masters) {
		kube = facts_masters_client(ctx, err);
		if (!kube)
			return NULL;
		run_keep(task, kube, free_kube);
	}
	return policy_mend(kube, object->collection, object->name, wanted, object->policy, live);
}

const struct stage object_apply[] = {
	{ "keep what another hand made", keep_object_read, keep_object, .timeout_s = 30 },
	{ "write the object", object_mend, NULL, .timeout_s = 30 },
	{ 0 },
};

void object_triggers(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	const struct object *object = row->data;

	(void)ctx;
	strv_addf(&ret->objects, "%s %s", object->collection, object->name);
}
