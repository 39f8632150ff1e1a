/* The methods about the history and the versions of other hands; see methods.h. */
#include "agentd/inputs/methods_call.h"

/* clang-format off */
const struct decode_row methods_history_rows[] = {
	{ "since", DECODE_SECONDS, DECODE_FIELD(struct methods_history, seconds),
	  .present_offset = offsetof(struct methods_history, has_seconds),
	  .help = "how far back; default: all that is kept" },
	{ "resource", DECODE_STRING, DECODE_FIELD(struct methods_history, resource),
	  .help = "of one resource only" },
	{},
};

const struct decode_row methods_drift_rows[] = {
	{ "id", DECODE_INT, DECODE_FIELD(struct methods_drift, id), .minimum = 1,
	  .maximum = INT64_MAX, .flags = DECODE_REQUIRED, .help = "of a version, as DriftList says" },
	{},
};

const struct decode_row methods_drift_restore_rows[] = {
	{ "id", DECODE_INT, DECODE_FIELD(struct methods_drift, id), .minimum = 1,
	  .maximum = INT64_MAX, .flags = DECODE_REQUIRED, .help = "of a version, as DriftList says" },
	{ "for", DECODE_SECONDS, DECODE_FIELD(struct methods_drift, seconds),
	  .help = "how long it is held; 0s = until it is released", .standard = "0s" },
	{},
};
/* clang-format on */

void methods_history(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);

	methods_call_answer(
	    call, value_put(value_new_map(), "entries", hooks->history(target, hooks->userdata)));
}

void methods_drift_list(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);

	(void)target;
	methods_call_answer(
	    call, value_put(value_new_map(), "versions", hooks->drift_list(hooks->userdata)));
}

void methods_drift_show(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	const struct methods_drift *drift = target;
	struct error err = ERROR_INIT;
	struct value *version = hooks->drift_show((uint64_t)drift->id, hooks->userdata, &err);

	if (version)
		methods_call_answer(call, version);
	else
		methods_call_fail(call, &err);
}

static struct value *nothing(const struct value *result)
{
	(void)result;
	return NULL;
}

void methods_drift_restore(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;
	struct op *op = hooks->drift_restore(target, hooks->userdata, &err);

	methods_call_await(call, op, nothing, &err);
}
