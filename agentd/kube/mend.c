/* The op that mends a cluster object by the policies of its fields; see policy.h. It is a short
 * plan, made at once from the live object, whose requests are sent one after the other. */
#include <errno.h>
#include <string.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/policy.h"
#include "common/alloc.h"

enum step_kind { STEP_DELETE, STEP_PATCH, STEP_APPLY };

struct step {
	enum step_kind kind;
	struct value *body; /* of a deletion: the uid */
	const char *manager;
	bool force;
	bool may_conflict; /* somebody has taken the field already: it is theirs */
};

/* Delete, apply whole, apply enforced, apply once; or patch and apply. */
enum { STEPS_MAX = 4 };

struct mend {
	struct kube *kube;
	struct op *op;	  /* the op that this belongs to */
	struct op *inner; /* the request in flight */
	char *path;
	struct step steps[STEPS_MAX];
	size_t count, next;
	struct value *object;
};

static void mend_cancel(void *impl)
{
	struct mend *mend = impl;

	mend->inner = op_drop(mend->inner);
}

static void mend_free(void *impl)
{
	struct mend *mend = impl;

	op_drop(mend->inner);
	for (size_t i = 0; i < mend->count; i++)
		value_unref(mend->steps[i].body);
	value_unref(mend->object);
	free(mend->path);
	free(mend);
}

static const struct op_kind mend_kind = {
	.name = "kube-mend",
	.cancel = mend_cancel,
	.free = mend_free,
};

/* -- The plan ---------------------------------------------------------------------------------- */

static void plan(struct mend *mend, struct step step)
{
	assert(mend->count < STEPS_MAX);
	mend->steps[mend->count++] = step;
}

/* The whole object, without what is the server's. */
static struct value *whole(const struct value *desired)
{
	static const char *const servers[] = { "creationTimestamp", "generation", "managedFields",
					       "resourceVersion", "uid" };
	struct value *object = value_remove(value_ref(desired), "status");

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		object = value_remove_at(object, "metadata", servers[i]);
	return object;
}

static void plan_creation(struct mend *mend, const struct value *desired,
			  const struct policy *policy)
{
	_cleanup_(value_unref) struct value *once = policy_once(desired, policy);
	_cleanup_(value_unref) struct value *enforced = policy_enforced(desired, policy);
	bool shared = once && enforced;

	/* Of an object that is all enforced there is nothing that another hand may have made. */
	if (!once) {
		plan(mend, (struct step){ STEP_APPLY, whole(desired), KUBE_MANAGER, true });
		return;
	}
	plan(mend, (struct step){ STEP_APPLY, whole(desired), KUBE_MANAGER_ONCE });
	if (!shared)
		return;
	plan(mend, (struct step){ STEP_APPLY, TAKE_PTR(enforced), KUBE_MANAGER, true });
	plan(mend,
	     (struct step){ STEP_APPLY, TAKE_PTR(once), KUBE_MANAGER_ONCE, .may_conflict = true });
}

static struct value *put_uid(struct value *part, const struct value *live)
{
	const struct value *uid = value_at(live, "metadata", "uid");

	return uid ? value_put_at(part, value_ref(uid), "metadata", "uid") : part;
}

static struct value *uid_test(const struct value *live)
{
	struct value *step = value_new_map();

	step = value_put(step, "op", value_new_string("test"));
	step = value_put(step, "path", value_new_string("/metadata/uid"));
	return value_put(step, "value", value_ref(value_at(live, "metadata", "uid")));
}

static void plan_repair(struct mend *mend, const struct value *desired, const struct policy *policy,
			const struct value *live)
{
	_cleanup_(value_unref) struct value *enforced = policy_enforced(desired, policy);
	_cleanup_(value_unref) struct value *merges = policy_merge_patch(desired, policy, live);
	_cleanup_(buf_done) struct buf ignored = BUF_INIT(KIB);

	if (merges) {
		struct value *patch = value_append(value_new_list(), uid_test(live));

		VALUE_FOREACH(i, merges) {
			patch = value_append(patch, value_ref(value_item(merges, i)));
		}
		plan(mend, (struct step){ STEP_PATCH, patch, KUBE_MANAGER });
	}
	if (enforced && policy_compare(enforced, NULL, live, &ignored) != POLICY_SAME)
		plan(mend, (struct step){ STEP_APPLY, put_uid(TAKE_PTR(enforced), live),
					  KUBE_MANAGER, true });
}

static void make_plan(struct mend *mend, const struct value *desired, const struct policy *policy,
		      const struct value *live)
{
	_cleanup_(buf_done) struct buf why = BUF_INIT(KIB);
	enum policy_state state = policy_compare(desired, policy, live, &why);

	switch (state) {
	case POLICY_REPLACE:
		plan(mend,
		     (struct step){ STEP_DELETE, value_ref(value_at(live, "metadata", "uid")) });
		plan_creation(mend, desired, policy);
		break;
	case POLICY_MISSING:
		plan_creation(mend, desired, policy);
		break;
	case POLICY_DIFFERS:
	case POLICY_SAME:
		plan_repair(mend, desired, policy, live);
		break;
	}
}

/* -- Carrying it out --------------------------------------------------------------------------- */

static void mend_next(struct mend *mend);

static void step_done(struct op *inner, void *userdata)
{
	struct mend *mend = userdata;
	const struct step *step = &mend->steps[mend->next];
	const struct error *error = op_error(inner);

	if (error && !(step->may_conflict && error->code == -EAGAIN)) {
		op_fail(mend->op, error);
		return;
	}
	if (!error && step->kind != STEP_DELETE) {
		value_unref(mend->object);
		mend->object = value_ref(op_value(inner));
	}
	mend->inner = op_drop(mend->inner);
	mend->next++;
	mend_next(mend);
}

static struct op *send_step(struct mend *mend, const struct step *step)
{
	switch (step->kind) {
	case STEP_DELETE:
		return kube_delete_uid(mend->kube, mend->path, value_string_or(step->body, ""));
	case STEP_PATCH:
		return kube_json_patch(mend->kube, mend->path, step->body, step->manager);
	case STEP_APPLY:
		break;
	}
	return kube_apply(mend->kube, mend->path, step->body, step->manager, step->force);
}

static void mend_next(struct mend *mend)
{
	if (mend->next == mend->count) {
		op_complete(mend->op, TAKE_PTR(mend->object));
		return;
	}
	mend->inner = send_step(mend, &mend->steps[mend->next]);
	op_watch(mend->inner, step_done, mend);
}

struct op *policy_mend(struct kube *kube, const char *collection, const char *name,
		       const struct value *desired, const struct policy *policy,
		       const struct value *live)
{
	struct mend *mend = NEW(struct mend);

	mend->kube = kube;
	mend->path = apipath_join(collection, name);
	make_plan(mend, desired, policy, live);
	if (mend->count == 0) {
		mend_free(mend);
		return op_new_done(kube_loop(kube), NULL);
	}
	mend->op = op_new(kube_loop(kube), &mend_kind, mend);
	mend_next(mend);
	return mend->op;
}
