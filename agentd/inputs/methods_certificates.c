/* The methods about certificates; see methods.h. */
#include "agentd/inputs/methods_call.h"

/* clang-format off */
const struct decode_row methods_certificate_renew_rows[] = {
	{ "names", DECODE_STRINGS, DECODE_FIELD(struct methods_renewal, names),
	  .help = "certificates, by kubeadm's names" },
	{ "all", DECODE_BOOL, DECODE_FIELD(struct methods_renewal, all),
	  .help = "all that agentd renews" },
	{ "force", DECODE_BOOL, DECODE_FIELD(struct methods_renewal, force),
	  .help = "also what is not agentd's, and components that were restarted lately" },
	{},
};
/* clang-format on */

static struct value *listed(const struct value *result)
{
	static const char *const keys[] = { "name",	"kind",	   "signer",	  "path",
					    "serial",	"expires", "daysLeft",	  "served",
					    "servedAt", "request", "nextRenewal", "renewedBy",
					    NULL };
	struct value *list = value_new_list();

	VALUE_FOREACH(i, result)
		list = value_append(list, methods_copy_keys(value_item(result, i), keys));
	return value_put(value_new_map(), "certificates", list);
}

void methods_certificate_list(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	(void)target;
	methods_call_await(call, hooks->certificate_list(hooks->userdata, &err), listed, &err);
}

void methods_certificate_renew(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->certificate_renew(target, hooks->userdata, &err), listed,
			   &err);
}
