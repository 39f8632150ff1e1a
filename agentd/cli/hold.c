/* What agentd is told to leave alone (hold.h). */
#include "agentd/cli/hold.h"

#include "agentd/cli/client.h"
#include "common/alloc.h"
#include "common/parse.h"

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static char *resources_of(const struct value *hold)
{
	const struct value *resources = value_get(hold, "resources");
	_cleanup_(strv_done) struct strv names = STRV_INIT;

	VALUE_FOREACH(i, resources)
		strv_add(&names, value_string_or(value_item(resources, i), ""));
	return strv_join(&names, ", ");
}

/* "for 1h59m more", or that somebody has to release it. */
static void time_left(const struct render *render, const struct value *hold, char ret[static 64])
{
	char left[32];
	int64_t until;

	if (parse_time(text_of(hold, "until"), &until) < 0) {
		(void)snprintf(ret, 64, "until it is released");
		return;
	}
	render_seconds(until - render->now, left);
	(void)snprintf(ret, 64, "for %s more", left);
}

static int ask(const struct verb_call *call, struct value *parameters, struct value **ret)
{
	int r = client_ask(call->options, call->verb->method, parameters, ret);

	if (r == 0 && render_is_for_programs(call->render))
		render_value(call->render, *ret);
	return r;
}

int hold_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *hold = NULL;
	_cleanup_free_ char *resources = NULL;
	struct value *parameters = value_new_map();
	char left[64];
	int r;

	parameters = value_put(parameters, "what", value_new_string(call->argument));
	if (call->options->hold_for)
		parameters =
		    value_put(parameters, "for", value_new_string(call->options->hold_for));
	r = ask(call, parameters, &hold);
	if (r != 0 || render_is_for_programs(call->render))
		return r;
	resources = resources_of(hold);
	time_left(call->render, hold, left);
	render_textf(call->render, TONE_PLAIN, "Held %s: %s", left, resources);
	fputc('\n', call->render->out);
	return STATUS_OK;
}

int hold_release_run(const struct verb_call *call)
{
	struct value *parameters =
	    value_put(value_new_map(), "what", value_new_string(call->argument));
	_cleanup_(value_unref) struct value *hold = NULL;
	_cleanup_free_ char *resources = NULL;
	int r = ask(call, parameters, &hold);

	if (r != 0 || render_is_for_programs(call->render))
		return r;
	resources = resources_of(hold);
	render_textf(call->render, TONE_PLAIN, "Released: %s", resources);
	fputc('\n', call->render->out);
	return STATUS_OK;
}

void hold_show(const struct render *render, const struct value *holds)
{
	static const char *const columns[] = { "HELD", "AGE", "LEFT", "RESOURCES", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;

	if (value_count(holds) == 0)
		return;
	table = render_table_new(render, columns);
	VALUE_FOREACH(i, holds) {
		const struct value *hold = value_item(holds, i);
		_cleanup_free_ char *resources = resources_of(hold);
		const char *error = text_of(hold, "error");
		char age[32], left[64];

		render_age(render, text_of(hold, "since"), age);
		time_left(render, hold, left);
		render_table_cell(table, TONE_PLAIN, text_of(hold, "what"));
		render_table_cell(table, TONE_PLAIN, age);
		render_table_cell(table, TONE_PLAIN, left);
		render_table_cell(table, TONE_PLAIN, *error ? error : resources);
	}
	fputc('\n', render->out);
	render_table_print(table);
}
