/* Answers the methods of the control socket from context and engine; see requests.h. */
#include "agentd/requests.h"

#include "agentd/actions/drift.h"
#include "agentd/actions/tokens.h"
#include "agentd/engine/report.h"
#include "agentd/holding.h"

static struct value *status(void *userdata)
{
	struct requests *requests = userdata;

	return requests->status(requests->owner);
}

static struct value *plan(void *userdata)
{
	struct requests *requests = userdata;

	return requests->ctx->role ? report_plan(requests->engine) : NULL;
}

static struct value *explain(const char *name, void *userdata)
{
	struct requests *requests = userdata;

	return report_explain(requests->engine, name);
}

static bool reconcile(void *userdata)
{
	struct requests *requests = userdata;

	if (!requests->ctx->role)
		return false;
	engine_reconcile(requests->engine);
	return true;
}

static int hold(const struct methods_hold *params, void *userdata, struct value **ret,
		struct error *err)
{
	struct requests *requests = userdata;

	return holding_hold(requests->holding, params->what, params->seconds, ret, err);
}

static int release(const char *what, void *userdata, struct value **ret, struct error *err)
{
	struct requests *requests = userdata;

	return holding_release(requests->holding, what, ret, err);
}

static struct value *history(const struct methods_history *params, void *userdata)
{
	struct requests *requests = userdata;
	int64_t since =
	    params->has_seconds ? clock_wall(requests->ctx->clock) - params->seconds : 0;

	return history_list(requests->ctx->history, since, params->resource);
}

static struct value *list_drift(void *userdata)
{
	struct requests *requests = userdata;

	return drift_list(requests->ctx->drift);
}

static struct value *show_drift(uint64_t id, void *userdata, struct error *err)
{
	struct requests *requests = userdata;

	return actions_drift_show(requests->ctx, id, err);
}

/* What is put back without a hold would be mended at once. */
static struct op *restore_drift(const struct methods_drift *params, void *userdata,
				struct error *err)
{
	struct requests *requests = userdata;
	_cleanup_(value_unref) struct value *held = NULL;
	_cleanup_free_ char *what = actions_drift_what(requests->ctx, (uint64_t)params->id, err);

	if (!what || holding_hold(requests->holding, what, params->seconds, &held, err) < 0)
		return NULL;
	return actions_drift_restore(requests->ctx, (uint64_t)params->id, err);
}

static int role_get(struct buf *buf, void *userdata)
{
	struct requests *requests = userdata;
	int r;

	if (!requests->ctx->role)
		return 0;
	r = role_print(requests->ctx->role, buf);
	return r < 0 ? r : 1;
}

static int role_set(const char *text, size_t length, const char *name, void *userdata,
		    struct error *err)
{
	struct requests *requests = userdata;

	return requests->offer(requests->owner, text, length, name, err);
}

static struct op *token_create(const struct methods_token *params, void *userdata,
			       struct error *err)
{
	struct requests *requests = userdata;
	struct actions_token request = {
		.ttl_s = params->ttl_s,
		.description = params->description,
		.usages = &params->usages,
		.groups = &params->groups,
	};

	return actions_token_create(requests->ctx, &request, err);
}

static struct op *token_list(void *userdata, struct error *err)
{
	struct requests *requests = userdata;

	return actions_token_list(requests->ctx, err);
}

struct methods_hooks requests_hooks(struct requests *requests)
{
	return (struct methods_hooks){
		.status = status,
		.plan = plan,
		.explain = explain,
		.reconcile = reconcile,
		.hold = hold,
		.release = release,
		.history = history,
		.drift_list = list_drift,
		.drift_show = show_drift,
		.drift_restore = restore_drift,
		.role_get = role_get,
		.role_set = role_set,
		.token_create = token_create,
		.token_list = token_list,
		.userdata = requests,
	};
}
