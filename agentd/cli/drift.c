/* What was done on this node, and what other hands made of things that agentd keeps (drift.h). */
#include "agentd/cli/drift.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "agentd/cli/client.h"
#include "common/alloc.h"
#include "common/parse.h"

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

/* Asks, and prints the answer where it is for programs. *ret is NULL then. */
static int ask(const struct verb_call *call, struct value *parameters, struct value **ret)
{
	struct value *reply = NULL;
	int r = client_ask(call->options, call->verb->method, parameters, &reply);

	*ret = NULL;
	if (r != 0)
		return r;
	if (!render_is_for_programs(call->render)) {
		*ret = reply;
		return 0;
	}
	render_value(call->render, reply);
	value_unref(reply);
	return 0;
}

/* History. */

static void show_history(const struct render *render, const struct value *entries)
{
	static const char *const columns[] = {
		"TIME", "TYPE", "RESOURCE", "COUNT", "MESSAGE", NULL
	};
	_cleanup_(render_table_free) struct render_table *table = NULL;

	if (value_count(entries) == 0) {
		fputs("There is nothing in the history.\n", stderr);
		return;
	}
	table = render_table_new(render, columns);
	VALUE_FOREACH(i, entries) {
		const struct value *entry = value_item(entries, i);

		render_table_cell(table, TONE_PLAIN, text_of(entry, "time"));
		render_table_cell(table, TONE_PLAIN, text_of(entry, "type"));
		render_table_cell(table, TONE_PLAIN, text_of(entry, "resource"));
		render_table_cell(table, TONE_PLAIN, value_number_text(value_get(entry, "count")));
		render_table_cell(table, TONE_PLAIN, text_of(entry, "message"));
	}
	render_table_print(table);
}

int drift_history_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *reply = NULL;
	struct value *parameters = value_new_map();
	int r;

	if (call->options->since)
		parameters = value_put(parameters, "since", value_new_string(call->options->since));
	if (call->argument)
		parameters = value_put(parameters, "resource", value_new_string(call->argument));
	r = ask(call, parameters, &reply);
	if (reply)
		show_history(call->render, value_get(reply, "entries"));
	return r;
}

/* Versions. */

/* The manager of a field, or the owner of a file; the caller frees. */
static char *who_of(const struct value *version)
{
	const struct value *about = value_get(version, "about");
	const struct passwd *user;
	int64_t uid;

	if (*text_of(about, "manager"))
		return xstrdup(text_of(about, "manager"));
	if (!value_to_int(value_get(about, "uid"), &uid))
		return NULL;
	user = getpwuid((uid_t)uid);
	return user ? xstrdup(user->pw_name) : xasprintf("uid %" PRId64, uid);
}

/* When it was changed, as far as known. */
static const char *when_of(const struct value *version)
{
	const struct value *about = value_get(version, "about");

	return *text_of(about, "changed") ? text_of(about, "changed") : text_of(version, "time");
}

static void show_versions(const struct render *render, const struct value *versions)
{
	static const char *const columns[] = { "ID", "CHANGED", "BY", "WHAT", "CHANGE", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;

	if (value_count(versions) == 0) {
		fputs("Nobody else changed what agentd keeps.\n", stderr);
		return;
	}
	table = render_table_new(render, columns);
	VALUE_FOREACH(i, versions) {
		const struct value *version = value_item(versions, i);
		_cleanup_free_ char *who = who_of(version);

		render_table_cell(table, TONE_PLAIN, value_number_text(value_get(version, "id")));
		render_table_cell(table, TONE_PLAIN, when_of(version));
		render_table_cell(table, TONE_PLAIN, who);
		render_table_cell(table, TONE_PLAIN, text_of(version, "name"));
		render_table_cell(table, TONE_PLAIN, text_of(version, "change"));
	}
	render_table_print(table);
}

int drift_list_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *reply = NULL;
	int r = ask(call, NULL, &reply);

	if (reply)
		show_versions(call->render, value_get(reply, "versions"));
	return r;
}

/* The id that was given, as a parameter; NULL when what is wrong has been said. */
static struct value *id_parameter(const struct verb_call *call)
{
	int64_t id;

	if (parse_i64(call->argument, &id) == 0 && id > 0)
		return value_put(value_new_map(), "id", value_new_int(id));
	fprintf(stderr, "agentctl: \"%s\" is no id of a version: see agentctl drift list\n",
		call->argument);
	return NULL;
}

static void line(const struct render *render, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(render->out, "%10s: ", label);
	render_text(render, TONE_PLAIN, text);
	fputc('\n', render->out);
}

static enum render_tone tone_of_line(const char *text)
{
	if (strncmp(text, "--- ", 4) == 0 || strncmp(text, "+++ ", 4) == 0)
		return TONE_BOLD;
	return *text == '-'   ? TONE_BAD
	       : *text == '+' ? TONE_GOOD
	       : *text == '@' ? TONE_FAINT
			      : TONE_PLAIN;
}

/* A tab is part of a file, and no danger. */
static void show_text(const struct render *render, enum render_tone tone, const char *text,
		      size_t length)
{
	while (length > 0) {
		size_t part = strcspn(text, "\t");
		_cleanup_free_ char *piece = NULL;

		part = part < length ? part : length;
		piece = xstrndup(text, part);
		render_text(render, tone, piece);
		text += part;
		length -= part;
		if (length > 0) {
			fputc('\t', render->out);
			text++;
			length--;
		}
	}
}

static void show_diff(const struct render *render, const char *diff)
{
	while (*diff) {
		size_t length = strcspn(diff, "\n");

		show_text(render, tone_of_line(diff), diff, length);
		fputc('\n', render->out);
		diff += length + (diff[length] == '\n');
	}
}

static void show_version(const struct render *render, const struct value *version)
{
	_cleanup_free_ char *who = who_of(version);
	const char *diff = value_string(value_get(version, "diff"));

	line(render, "What", text_of(version, "name"));
	line(render, "Change", text_of(version, "change"));
	line(render, "By", who);
	line(render, "Changed", when_of(version));
	line(render, "Kept", text_of(version, "time"));
	if (value_is_true(value_get(version, "secret")))
		fputs("\nIt holds a secret and is not shown.\n", render->out);
	else if (!diff && strcmp(text_of(version, "kind"), "unit") != 0)
		fputs("\nIt cannot be shown: it is no text, or differs in too much.\n",
		      render->out);
	if (!diff || !*diff)
		return;
	fputc('\n', render->out);
	show_diff(render, diff);
}

int drift_show_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *version = NULL;
	struct value *parameters = id_parameter(call);
	int r;

	if (!parameters)
		return STATUS_USAGE;
	r = ask(call, parameters, &version);
	if (version)
		show_version(call->render, version);
	return r;
}

int drift_restore_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *reply = NULL;
	struct value *parameters = id_parameter(call);
	int r;

	if (!parameters)
		return STATUS_USAGE;
	if (call->options->hold_for)
		parameters =
		    value_put(parameters, "for", value_new_string(call->options->hold_for));
	r = client_ask(call->options, call->verb->method, parameters, &reply);
	if (r == 0)
		fputs("It is put back and held: agentctl status shows the hold, agentctl release "
		      "ends it.\n",
		      call->render->out);
	return r;
}
