/* The rotation of bootstrap tokens; see token_rotation.h. */
#include "agentd/resources/token_rotation.h"

#include <errno.h>
#include <string.h>

#include "agentd/kube/lease.h"
#include "agentd/resources.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"

/* A round takes milliseconds; one that was killed keeps others waiting so long. */
enum { LEASE_S = 30 };

#define DESCRIPTION "Kept alive by agentd, which makes the next one before this expires."

/* -- What to do -------------------------------------------------------------------------------- */

/* The tokens of the rotation. */
struct ours {
	const struct value *first_to_go, *expired, *other; /* other: not the present one */
	size_t live;
	int64_t first, last; /* when the live ones expire; INT64_MAX = never */
	bool has_any;
	const struct value *any;
};

static void count(const struct value *secret, const char *present, int64_t now, struct ours *ours)
{
	_cleanup_(token_secret_done) struct token_secret token = { 0 };
	const char *name = value_string_or(value_at(secret, "metadata", "name"), "");
	bool readable = token_secret_read(secret, &token);
	int64_t end;

	if (!value_at(secret, "metadata", "labels", KUBE_LABEL_ROTATED))
		return;
	ours->any = secret;
	if (present && strcmp(name, present) != 0)
		ours->other = secret;
	if (!readable || !token_secret_is_live(&token, now)) {
		ours->expired = secret;
		return;
	}
	end = token.expiration ? token.expiration : INT64_MAX;
	if (ours->live == 0 || end < ours->first) {
		ours->first = end;
		ours->first_to_go = secret;
	}
	if (ours->live == 0 || end > ours->last)
		ours->last = end;
	ours->live++;
}

static enum rotation_step delete (const struct value *victim, const char *reason,
				  const struct value **ret_victim, struct why *why) {
	why_set(why, "%s: %s", value_string_or(value_at(victim, "metadata", "name"), ""), reason);
	*ret_victim = victim;
	return ROTATION_DELETE;
}

static enum rotation_step make(struct why *why, const char *reason)
{
	why_set(why, "%s", reason);
	return ROTATION_MAKE;
}

enum rotation_step rotation_plan(const struct value *secrets, const struct role_rotation *wanted,
				 const char *present, int64_t now, const struct value **ret_victim,
				 int64_t *ret_due, struct why *why)
{
	struct ours ours = { 0 };
	bool fresh;

	VALUE_FOREACH(i, secrets) {
		count(value_item(secrets, i), present, now, &ours);
	}
	*ret_due = 0;
	if (!wanted->rotate)
		return ours.any
			   ? delete (ours.any, "no rotation is wanted any more", ret_victim, why)
			   : ROTATION_REST;
	if (ours.expired)
		return delete (ours.expired, "has expired", ret_victim, why);
	if (present && ours.other)
		return delete (ours.other, "is replaced", ret_victim, why);
	if (ours.live == 0)
		return make(why, "no token of the rotation is live");
	fresh = ours.last - now > wanted->overlap_s;
	if (!fresh && ours.live == 1)
		return make(why, "the token of the rotation expires soon");
	/* Two that are fresh were made at the same time; two that are not, and a third is needed.
	 */
	if (ours.live > 2 || (ours.live == 2 && (!fresh || ours.first - now > wanted->overlap_s)))
		return delete (ours.first_to_go, "there is a newer one", ret_victim, why);
	*ret_due = ours.live == 2 ? ours.first : ours.last - wanted->overlap_s;
	return ROTATION_REST;
}

/* -- Doing it ---------------------------------------------------------------------------------- */

struct rotation {
	struct context *ctx;
	struct role_rotation wanted;
	bool at_once;
	struct value *secrets; /* as they were just read; NULL: to be read */
	enum rotation_step step;
	const struct value *victim;
	struct token made;
	int64_t expiration;
	bool has_made;
};

static void rotation_free(void *context)
{
	struct rotation *rotation = context;

	value_unref(rotation->secrets);
	token_done(&rotation->made);
	free(rotation);
}

static struct op *lease_start(struct task *task, struct error *err)
{
	struct context *ctx = ((struct rotation *)task_context(task))->ctx;

	if (ctx->kube)
		return lease_take(ctx->kube, LEASE_TOKENS, ctx->role->node.name, LEASE_S);
	error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
	return NULL;
}

static struct op *lease_end(struct task *task, struct error *err)
{
	struct context *ctx = ((struct rotation *)task_context(task))->ctx;

	(void)err;
	return lease_release(ctx->kube, LEASE_TOKENS, ctx->role->node.name);
}

static struct op *make_token(struct rotation *rotation)
{
	static const struct token_secret marks = { .rotated = true };
	struct context *ctx = rotation->ctx;
	struct role_token description = { .description = (char *)DESCRIPTION,
					  .ttl_s = rotation->wanted.ttl_s };
	_cleanup_(value_unref) struct value *secret = NULL;
	int64_t now = clock_wall(ctx->clock);

	token_done(&rotation->made);
	token_generate(&rotation->made);
	rotation->expiration = now + description.ttl_s;
	strv_add(&description.usages, "signing");
	strv_add(&description.usages, "authentication");
	strv_add(&description.groups, KUBE_GROUP_TOKEN_DEFAULT);
	secret = token_secret_value(&rotation->made, &description, &marks, now);
	strv_done(&description.usages);
	strv_done(&description.groups);
	return kube_create(ctx->kube, KUBE_SYSTEM_SECRETS, secret);
}

static struct op *delete_token(const struct rotation *rotation)
{
	_cleanup_free_ char *path =
	    xasprintf(KUBE_SYSTEM_SECRETS "/%s",
		      value_string_or(value_at(rotation->victim, "metadata", "name"), ""));

	return kube_delete_uid(rotation->ctx->kube, path,
			       value_string_or(value_at(rotation->victim, "metadata", "uid"), ""));
}

static enum rotation_step plan(struct rotation *rotation, struct why *why)
{
	_cleanup_free_ char *present = NULL;
	struct role_rotation wanted = rotation->wanted;
	int64_t now = clock_wall(rotation->ctx->clock), due;
	enum rotation_step step;

	/* At once means: as if what is there were about to expire. */
	if (rotation->at_once && !rotation->has_made)
		wanted.overlap_s = INT64_MAX / 2;
	if (rotation->at_once && rotation->has_made)
		present = xasprintf(KUBE_TOKEN_SECRET_PREFIX "%s", rotation->made.id);
	step =
	    rotation_plan(rotation->secrets, &wanted, present, now, &rotation->victim, &due, why);
	return step == ROTATION_MAKE && rotation->has_made ? ROTATION_REST : step;
}

/* One request a round: reading, then making or deleting, until there is nothing to do. */
static struct op *rotation_start(struct task *task, struct error *err)
{
	struct rotation *rotation = task_context(task);
	struct why why = { .text = "" };

	(void)err;
	if (!rotation->secrets)
		return kube_list(rotation->ctx->kube, KUBE_SYSTEM_SECRETS, TOKEN_SECRETS_QUERY);
	rotation->step = plan(rotation, &why);
	switch (rotation->step) {
	case ROTATION_MAKE:
		return make_token(rotation);
	case ROTATION_DELETE:
		return delete_token(rotation);
	case ROTATION_REST:
		break;
	}
	return NULL;
}

static int rotation_done(struct task *task, struct op *op, struct error *err)
{
	struct rotation *rotation = task_context(task);
	struct history *history = rotation->ctx->history;

	(void)err;
	if (!rotation->secrets) {
		rotation->secrets = value_ref(value_get(op_value(op), "items"));
		if (!rotation->secrets)
			rotation->secrets = value_new_list();
		return STAGE_AGAIN;
	}
	if (rotation->step == ROTATION_MAKE) {
		rotation->has_made = true;
		history_add(history, "Rotated", "token-rotation", "bootstrap token %s was made",
			    rotation->made.id);
	} else {
		history_add(history, "Deleted", "token-rotation", "%s",
			    value_string_or(value_at(rotation->victim, "metadata", "name"), ""));
	}
	rotation->secrets = value_unref(rotation->secrets);
	return STAGE_AGAIN;
}

static const struct stage rotation_stages[] = {
	{ "take the Lease", lease_start, NULL, .timeout_s = 30 },
	{ "make and delete tokens", rotation_start, rotation_done, .again_ms = 1 },
	{ "release the Lease", lease_end, NULL, .timeout_s = 30 },
	{ 0 },
};

struct op *rotation_run(struct context *ctx, const struct role_rotation *wanted, bool at_once)
{
	struct rotation *rotation = NEW(struct rotation);

	rotation->ctx = ctx;
	rotation->wanted = *wanted;
	rotation->at_once = at_once;
	return task_op_new(ctx->loop, rotation_stages, rotation, rotation_free);
}

const struct token *rotation_made(const struct op *op, int64_t *ret_expiration)
{
	const struct rotation *rotation = op_impl(op);

	*ret_expiration = rotation->expiration;
	return rotation->has_made ? &rotation->made : NULL;
}

/* -- The row ----------------------------------------------------------------------------------- */

static enum rotation_step look(const struct context *ctx, int64_t *ret_due, struct why *why)
{
	_cleanup_(value_unref) struct value *secrets = value_new_list();
	const struct value *victim;

	for (int i = 0; i < objects_count(ctx->objects, TOKEN_SECRETS); i++)
		secrets =
		    value_append(secrets, value_ref(objects_item(ctx->objects, TOKEN_SECRETS, i)));
	return rotation_plan(secrets, &ctx->role->rotation, NULL, ctx->now, &victim, ret_due, why);
}

static enum verdict rotation_observe(struct context *ctx, const struct resource *row,
				     struct why *why)
{
	int64_t due;

	(void)row;
	if (objects_count(ctx->objects, TOKEN_SECRETS) < 0) {
		why_set(why, "the API server has not told of tokens yet");
		return UNKNOWN;
	}
	if (look(ctx, &due, why) == ROTATION_REST)
		return IN_SYNC;
	why_planned(why);
	return DRIFTED;
}

static int64_t rotation_due(struct context *ctx, const struct resource *row)
{
	struct why why = { .text = "" };
	int64_t due = 0;

	(void)row;
	(void)look(ctx, &due, &why);
	return due;
}

static struct op *rotation_apply_start(struct task *task, struct error *err)
{
	(void)err;
	return rotation_run(ctx_of(task), &role_of(task)->rotation, false);
}

static const struct stage rotation_apply[] = {
	{ "make and delete tokens under the Lease agentd-tokens", rotation_apply_start, NULL,
	  .timeout_s = 120 },
	{ 0 },
};

/* clang-format off */
const struct resource token_rotation_rows[] = {
	{ .name = "token-rotation", .title = "one live bootstrap token of agentd's own, while joins are wanted",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_TOKENS, .needs = { "apiserver" },
	  .triggers = { ON_OBJECT(TOKEN_SECRETS, NULL), DUE(rotation_due) },
	  .observe = rotation_observe, .apply = rotation_apply },
	{ 0 },
};
/* clang-format on */
