/* The methods about CoreDNS; see methods.h. */
#include "agentd/inputs/methods_call.h"

/* The hook's answer as it is. */
static struct value *finish(const struct value *result)
{
	return value_ref(result);
}

void methods_dns_status(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	(void)target;
	methods_call_await(call, hooks->dns_status(hooks->userdata, &err), finish, &err);
}

void methods_dns_rebalance(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	(void)target;
	methods_call_await(call, hooks->dns_rebalance(hooks->userdata, &err), finish, &err);
}
