/* Answers the methods of the control socket from context and engine; see requests.h. */
#include "agentd/requests.h"

#include "agentd/actions/certificates.h"
#include "agentd/actions/dns.h"
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

static struct op *certificate_list(void *userdata, struct error *err)
{
	struct requests *requests = userdata;

	return actions_certificates_list(requests->ctx, err);
}

static struct op *certificate_renew(const struct methods_renewal *params, void *userdata,
				    struct error *err)
{
	struct requests *requests = userdata;
	struct actions_renewal request = {
		.names = &params->names,
		.all = params->all,
		.force = params->force,
	};
	struct op *op = actions_certificates_renew(requests->ctx, &request, err);

	/* The rows find what was asked of them. */
	if (op)
		(void)engine_mark(requests->engine, NULL);
	return op;
}

static struct op *dns_status(void *userdata, struct error *err)
{
	struct requests *requests = userdata;

	return actions_dns_status(requests->ctx, err);
}

static struct op *dns_rebalance(void *userdata, struct error *err)
{
	struct requests *requests = userdata;

	return actions_dns_rebalance(requests->ctx, err);
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
		.role_get = role_get,
		.role_set = role_set,
		.token_create = token_create,
		.token_list = token_list,
		.certificate_list = certificate_list,
		.certificate_renew = certificate_renew,
		.dns_status = dns_status,
		.dns_rebalance = dns_rebalance,
		.userdata = requests,
	};
}
