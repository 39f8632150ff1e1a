/* Units that another hand stopped, disabled or masked; see keep.h. */
#include "agentd/resources/keep.h"

#include <string.h>

#include "agentd/drift.h"
#include "common/alloc.h"
#include "common/parse.h"

static bool is(const char *text, const char *state)
{
	return strcmp(text, state) == 0;
}

/* "masked, inactive" of what was changed by hand; empty if nothing was. A unit that has not run
 * since the boot was not stopped, and one that failed was not either. */
static void describe(const struct unit_state *state, struct buf *buf)
{
	const char *file = state->unit_file_state;

	if (is(state->load_state, "masked"))
		file = "masked";
	if (is(file, "masked") || is(file, "masked-runtime") || is(file, "disabled"))
		(void)buf_append_string(buf, file);
	if (is(state->active_state, "inactive") && state->active_enter_us > 0)
		(void)buf_printf(buf, "%sstopped", buf->length > 0 ? ", " : "");
}

int keep_unit(const struct context *ctx, const struct resource *row, const char *unit,
	      struct error *err)
{
	const struct unit_state *state = units_get(ctx->units, unit);
	_cleanup_(value_unref) struct value *about = value_new_map();
	_cleanup_(buf_done) struct buf change = BUF_INIT(256);
	_cleanup_free_ char *once = NULL;
	char time[32];

	if (!state || !state->known)
		return 0;
	describe(state, &change);
	if (change.length == 0)
		return 0;
	about = value_put(about, "type", value_new_string("unit"));
	about = value_put(about, "loadState", value_new_string(state->load_state));
	about = value_put(about, "activeState", value_new_string(state->active_state));
	about = value_put(about, "unitFileState", value_new_string(state->unit_file_state));
	format_time(ctx->now, time);
	about = value_put(about, "changed", value_new_string(time));
	/* Every stop is one of its own. */
	once = xasprintf("%s %llu", change.data, (unsigned long long)state->active_enter_us);
	return drift_add(ctx->drift,
			 &(struct drift_version){
			     .kind = "unit",
			     .name = unit,
			     .resource = row->name,
			     .change = change.data,
			     .state = once,
			     .about = about,
			 },
			 err);
}
