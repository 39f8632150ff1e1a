/* The methods about holds; see methods.h. */
#include "agentd/inputs/methods_call.h"

/* clang-format off */
const struct decode_row methods_hold_rows[] = {
	{ "what", DECODE_STRING, DECODE_FIELD(struct methods_hold, what), .flags = DECODE_REQUIRED,
	  .help = "a resource, a path, a unit, COLLECTION/NAME of an object, or all" },
	{ "for", DECODE_SECONDS, DECODE_FIELD(struct methods_hold, seconds),
	  .help = "how long; 0s = until it is released", .standard = "0s" },
	{},
};

const struct decode_row methods_release_rows[] = {
	{ "what", DECODE_STRING, DECODE_FIELD(struct methods_hold, what), .flags = DECODE_REQUIRED,
	  .help = "what a hold was given for" },
	{},
};
/* clang-format on */

static void answer(struct methods_call *call, int r, struct value *reply, const struct error *err)
{
	if (r < 0)
		methods_call_fail(call, err);
	else
		methods_call_answer(call, reply);
}

void methods_hold(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;
	struct value *reply = NULL;
	int r = hooks->hold(target, hooks->userdata, &reply, &err);

	answer(call, r, reply, &err);
}

void methods_release(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	const struct methods_hold *hold = target;
	struct error err = ERROR_INIT;
	struct value *reply = NULL;
	int r = hooks->release(hold->what, hooks->userdata, &reply, &err);

	answer(call, r, reply, &err);
}
