/* The daemon's answers for people (show.h). */
#include "agentd/cli/show.h"

#include <string.h>

#include "agentd/cli/hold.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "common/strv.h"

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static const char *number_or_zero(const struct value *number)
{
	const char *text = value_number_text(number);

	return text ? text : "0";
}

static const struct value *find_named(const struct value *list, const char *key, const char *name)
{
	VALUE_FOREACH(i, list)
		if (strcmp(text_of(value_item(list, i), key), name) == 0)
			return value_item(list, i);
	return NULL;
}

static bool condition_is_true(const struct value *status, const char *type)
{
	const struct value *condition = find_named(value_get(status, "conditions"), "type", type);

	return strcmp(text_of(condition, "status"), "True") == 0;
}

static bool has_role(const struct value *status)
{
	const char *role = text_of(status, "role");

	return *role && strcmp(role, "none") != 0;
}

int show_exit_status(const struct value *status)
{
	if (!has_role(status))
		return STATUS_NO_ROLE;
	return condition_is_true(status, "Converged") ? STATUS_OK : STATUS_NOT_CONVERGED;
}

static bool row_is(const struct value *row, const char *verdict)
{
	return strcmp(text_of(row, "verdict"), verdict) == 0;
}

static enum render_tone tone_of_row(const struct value *row)
{
	if (row_is(row, "in-sync"))
		return TONE_GOOD;
	if (row_is(row, "blocked"))
		return TONE_BAD;
	if (row_is(row, "drifted"))
		return value_get(row, "error") ? TONE_BAD : TONE_BUSY;
	return TONE_FAINT;
}

/* Cuts a reason at the findings of a check, which begin with a bracket. */
static void split_findings(const char *text, struct strv *ret)
{
	for (const char *end; (end = strstr(text, "; [")) != NULL; text = end + 2)
		strv_add_take(ret, xstrndup(text, (size_t)(end + 1 - text)));
	strv_add(ret, text);
}

/* What a row waits for or suffers from, in the order in which a reader wants to know. */
static char *reason_of_row(const struct render *render, const struct value *row)
{
	struct strv parts = STRV_INIT;
	char age[32], *text;
	int64_t next;

	if (*text_of(row, "error"))
		strv_add(&parts, text_of(row, "error"));
	else if (*text_of(row, "reason"))
		strv_add(&parts, text_of(row, "reason"));
	if (*text_of(row, "stage")) {
		render_age(render, text_of(row, "stageSince"), age);
		strv_addf(&parts, "now: %s (%s)", text_of(row, "stage"), age);
	}
	if (*text_of(row, "fightSince")) {
		render_age(render, text_of(row, "fightSince"), age);
		strv_addf(&parts,
			  "changed by another hand again and again for %s, repaired %s times", age,
			  value_number_text(value_get(row, "repairs")));
	}
	if (*text_of(row, "heldBy") && parse_time(text_of(row, "heldUntil"), &next) == 0)
		strv_addf(&parts, "held until %s", text_of(row, "heldUntil"));
	else if (*text_of(row, "heldBy"))
		strv_add(&parts, "held until it is released");
	if (*text_of(row, "policy") && !row_is(row, "in-sync"))
		strv_add(&parts, "only observed");
	if (*text_of(row, "waitsFor"))
		strv_addf(&parts, "waits for %s", text_of(row, "waitsFor"));
	if (parse_time(text_of(row, "nextTry"), &next) == 0) {
		render_seconds(next - render->now, age);
		strv_addf(&parts, "next try in %s", age);
	}
	text = strv_join(&parts, "; ");
	strv_done(&parts);
	return text;
}

/* Prints "   Label: ", right-aligned as systemctl does. */
static void label(const struct render *render, const char *name)
{
	fprintf(render->out, "%12s: ", name);
}

static void line(const struct render *render, const char *name, const char *text)
{
	if (!*text)
		return;
	label(render, name);
	render_text(render, TONE_PLAIN, text);
	fputc('\n', render->out);
}

/* The host in one word, and how it looks. */
struct state {
	enum render_tone tone;
	const char *word;
	const struct value *condition; /* that says why */
};

static bool any_row_is_blocked(const struct value *status)
{
	const struct value *rows = value_get(status, "rows");

	VALUE_FOREACH(i, rows)
		if (row_is(value_item(rows, i), "blocked"))
			return true;
	return false;
}

static struct state state_of(const struct value *status)
{
	const struct value *conditions = value_get(status, "conditions");
	const struct value *ready = find_named(conditions, "type", "Ready");
	const struct value *converged = find_named(conditions, "type", "Converged");
	bool is_ready = condition_is_true(status, "Ready");

	if (!has_role(status))
		return (struct state){ TONE_FAINT, "no role", NULL };
	if (is_ready && condition_is_true(status, "Converged"))
		return (struct state){ TONE_GOOD, "ready", ready };
	if (any_row_is_blocked(status))
		return (struct state){ TONE_BAD, is_ready ? "ready, blocked" : "blocked",
				       converged };
	if (is_ready)
		return (struct state){ TONE_BUSY, "ready, work in progress", converged };
	return (struct state){ TONE_BUSY, "not ready", converged };
}

static void show_head(const struct render *render, const struct value *status)
{
	const struct state state = state_of(status);
	const char *node = text_of(status, "node"), *since = text_of(state.condition, "since");
	int64_t wanted = 0, reached = 0;
	char age[32];

	render_mark(render, state.tone);
	fputc(' ', render->out);
	if (*node)
		render_textf(render, TONE_BOLD, "%s", node);
	else
		render_text(render, TONE_BOLD, "agentd");
	fputs(": ", render->out);
	render_text(render, state.tone, state.word);
	if (*since) {
		render_age(render, since, age);
		fprintf(render->out, " since %s", age);
	}
	fputc('\n', render->out);

	line(render, "Role", text_of(status, "role"));
	line(render, "From", text_of(status, "source"));
	line(render, "API server", text_of(status, "server"));
	line(render, "Kubernetes", text_of(status, "kubernetesVersion"));
	(void)value_to_int(value_at(status, "generation", "wanted"), &wanted);
	(void)value_to_int(value_at(status, "generation", "reached"), &reached);
	if (wanted != reached) {
		label(render, "Generation");
		fprintf(render->out, "%lld, so far reached: %lld\n", (long long)wanted,
			(long long)reached);
	}
}

/* The row that says the same as a condition, so that it need not be said twice; NULL if none. */
static const struct value *find_row_saying(const struct value *status, const char *message)
{
	const struct value *rows = value_get(status, "rows");

	VALUE_FOREACH(i, rows) {
		const struct value *row = value_item(rows, i);

		if (*message && !row_is(row, "in-sync") &&
		    (strcmp(text_of(row, "reason"), message) == 0 ||
		     strcmp(text_of(row, "error"), message) == 0))
			return row;
	}
	return NULL;
}

static void add_message(struct render_table *table, const struct value *status, const char *message)
{
	const struct value *row = find_row_saying(status, message);
	_cleanup_free_ char *text = NULL;

	text = row ? xasprintf("see %s", text_of(row, "name")) : xstrdup(message);
	render_table_cell(table, TONE_PLAIN, text);
}

/* Those that are not fine, or all. */
static void show_conditions(const struct render *render, const struct value *status, bool all)
{
	static const char *const columns[] = { "CONDITION", "STATUS", "AGE", "MESSAGE", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;
	const struct value *conditions = value_get(status, "conditions");
	bool any = false;

	table = render_table_new(render, columns);
	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);
		const char *truth = text_of(condition, "status");
		bool is_fine = strcmp(truth, "True") == 0;
		char age[32];

		/* Without a role nothing is known, and that is no news. */
		if (!all && (is_fine || (!has_role(status) && strcmp(truth, "Unknown") == 0)))
			continue;
		render_age(render, text_of(condition, "since"), age);
		render_table_cell(table, TONE_PLAIN, text_of(condition, "type"));
		render_table_cell(table, is_fine ? TONE_GOOD : TONE_BUSY, truth);
		render_table_cell(table, TONE_PLAIN, age);
		add_message(table, status, text_of(condition, "message"));
		any = true;
	}
	if (any)
		fputc('\n', render->out);
	render_table_print(table);
}

static void add_number(struct render_table *table, const struct value *row, const char *key)
{
	render_table_cell(table, TONE_PLAIN, value_number_text(value_get(row, key)));
}

static void add_row(struct render_table *table, const struct render *render,
		    const struct value *row)
{
	_cleanup_free_ char *reason = reason_of_row(render, row);
	_cleanup_(strv_done) struct strv findings = STRV_INIT;
	_cleanup_free_ char *text = NULL;
	char age[32];

	render_age(render, text_of(row, "since"), age);
	render_table_cell(table, TONE_PLAIN, text_of(row, "name"));
	render_table_cell(table, tone_of_row(row), text_of(row, "verdict"));
	render_table_cell(table, TONE_PLAIN, age);
	if (render->output == OUTPUT_WIDE) {
		add_number(table, row, "observed");
		add_number(table, row, "applied");
		add_number(table, row, "failed");
	}
	split_findings(reason, &findings);
	text = strv_join(&findings, "\n");
	render_table_cell(table, TONE_PLAIN, text);
}

/* "27 of 28 resources in sync, 1 drifted". */
static void show_counts(const struct render *render, const struct value *rows, bool hidden)
{
	static const char *const verdicts[] = { "drifted", "blocked", "unknown" };
	size_t in_sync = 0;

	VALUE_FOREACH(i, rows)
		in_sync += row_is(value_item(rows, i), "in-sync");
	fprintf(render->out, "\n%zu of %zu resources in sync", in_sync, value_count(rows));
	for (size_t v = 0; v < ARRAY_SIZE(verdicts); v++) {
		size_t count = 0;

		VALUE_FOREACH(i, rows)
			count += row_is(value_item(rows, i), verdicts[v]);
		if (count > 0)
			fprintf(render->out, ", %zu %s", count, verdicts[v]);
	}
	fputs(hidden && in_sync > 0 ? " (--all shows all)\n" : "\n", render->out);
}

static void show_rows(const struct render *render, const struct value *rows, bool all)
{
	static const char *const columns[] = { "RESOURCE", "STATE", "AGE", "REASON", NULL };
	static const char *const wide[] = { "RESOURCE", "STATE",  "AGE",    "OBSERVED",
					    "APPLIED",	"FAILED", "REASON", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;
	bool any = false;

	table = render_table_new(render, render->output == OUTPUT_WIDE ? wide : columns);
	VALUE_FOREACH(i, rows) {
		const struct value *row = value_item(rows, i);

		if (!all && row_is(row, "in-sync") && !value_get(row, "stage") &&
		    !value_get(row, "heldBy"))
			continue;
		add_row(table, render, row);
		any = true;
	}
	if (any)
		fputc('\n', render->out);
	render_table_print(table);
	show_counts(render, rows, !all);
}

void show_status(const struct render *render, const struct value *status, bool all)
{
	const struct value *hints = value_get(status, "hints");
	const struct value *rows = value_get(status, "rows");

	all = all || render->output == OUTPUT_WIDE;
	show_head(render, status);
	show_conditions(render, status, all);
	if (value_count(rows) > 0)
		show_rows(render, rows, all);
	hold_show(render, value_get(status, "holds"));
	if (value_count(hints) > 0)
		fputs("\nWhat next:\n", render->out);
	VALUE_FOREACH(i, hints) {
		fputs("  ", render->out);
		render_text(render, TONE_PLAIN, value_string_or(value_item(hints, i), ""));
		fputc('\n', render->out);
	}
}

/* The time of day, for lines of a stream. */
static void show_time(const struct render *render)
{
	char text[32];

	format_time(render->now, text);
	fprintf(render->out, "%s ", text);
}

static void show_change(const struct render *render, enum render_tone tone, const char *what,
			const char *now, const char *reason)
{
	show_time(render);
	render_mark(render, tone);
	fputc(' ', render->out);
	render_textf(render, TONE_BOLD, "%s", what);
	fputs(": ", render->out);
	render_text(render, tone, now);
	if (*reason) {
		fputs(": ", render->out);
		render_text(render, TONE_PLAIN, reason);
	}
	fputc('\n', render->out);
}

static bool differs(const struct value *a, const struct value *b, const char *key)
{
	return strcmp(text_of(a, key), text_of(b, key)) != 0;
}

static void show_changed_rows(const struct render *render, const struct value *before,
			      const struct value *after)
{
	VALUE_FOREACH(i, after) {
		const struct value *now = value_item(after, i);
		const struct value *then = find_named(before, "name", text_of(now, "name"));
		_cleanup_free_ char *reason = NULL;

		if (!differs(then, now, "verdict") && !differs(then, now, "stage") &&
		    !differs(then, now, "error"))
			continue;
		reason = reason_of_row(render, now);
		show_change(render, tone_of_row(now), text_of(now, "name"), text_of(now, "verdict"),
			    reason);
	}
}

void show_changes(const struct render *render, const struct value *before,
		  const struct value *after)
{
	const struct value *conditions = value_get(after, "conditions");

	if (differs(before, after, "role") || differs(before, after, "source"))
		show_change(render, TONE_PLAIN, "role", text_of(after, "role"),
			    text_of(after, "source"));
	show_changed_rows(render, value_get(before, "rows"), value_get(after, "rows"));
	VALUE_FOREACH(i, conditions) {
		const struct value *now = value_item(conditions, i);
		const struct value *then =
		    find_named(value_get(before, "conditions"), "type", text_of(now, "type"));
		bool is_fine = strcmp(text_of(now, "status"), "True") == 0;

		if (differs(then, now, "status"))
			show_change(render, is_fine ? TONE_GOOD : TONE_BUSY, text_of(now, "type"),
				    text_of(now, "status"), text_of(now, "message"));
	}
	(void)fflush(render->out);
}

/* A reason in as many lines as it has findings. */
static void show_findings(const struct render *render, const char *before, const char *indent,
			  const char *reason)
{
	_cleanup_(strv_done) struct strv findings = STRV_INIT;

	split_findings(reason, &findings);
	for (size_t i = 0; i < findings.count; i++) {
		fputs(i == 0 ? before : indent, render->out);
		render_text(render, TONE_PLAIN, findings.items[i]);
		fputc('\n', render->out);
	}
}

void show_plan(const struct render *render, const struct value *plan)
{
	const struct value *changes = value_get(plan, "changes");

	if (value_count(changes) == 0)
		fputs("Nothing to do: everything is as the role wants it.\n", render->out);
	VALUE_FOREACH(i, changes) {
		const struct value *change = value_item(changes, i);
		const struct value *stages = value_get(change, "stages");
		_cleanup_free_ char *reason = reason_of_row(render, change);

		render_mark(render, tone_of_row(change));
		fputc(' ', render->out);
		render_text(render, TONE_BOLD, text_of(change, "name"));
		render_textf(render, TONE_PLAIN, " (%s)", text_of(change, "verdict"));
		show_findings(render, *reason ? ": " : "", "    ", reason);
		VALUE_FOREACH(s, stages) {
			fprintf(render->out, "    %zu. ", s + 1);
			render_text(render, TONE_PLAIN, value_string_or(value_item(stages, s), ""));
			fputc('\n', render->out);
		}
	}
}

/* A list of texts, one on a line, the first behind the label. */
static void lines(const struct render *render, const char *name, const struct value *list)
{
	VALUE_FOREACH(i, list) {
		if (i == 0)
			label(render, name);
		else
			fprintf(render->out, "%14s", "");
		render_text(render, TONE_PLAIN, value_string_or(value_item(list, i), ""));
		fputc('\n', render->out);
	}
}

static struct value *needs_as_texts(const struct value *needs)
{
	struct value *texts = value_new_list();

	VALUE_FOREACH(i, needs)
		texts = value_append(
		    texts, value_new_stringf("%s (%s)", text_of(value_item(needs, i), "name"),
					     text_of(value_item(needs, i), "verdict")));
	return texts;
}

void show_explanation(const struct render *render, const struct value *explanation)
{
	_cleanup_(value_unref) struct value *needs =
	    needs_as_texts(value_get(explanation, "needs"));
	_cleanup_free_ char *reason = reason_of_row(render, explanation);
	char age[32];

	render_mark(render, tone_of_row(explanation));
	fputc(' ', render->out);
	render_text(render, TONE_BOLD, text_of(explanation, "name"));
	if (*text_of(explanation, "title"))
		render_textf(render, TONE_PLAIN, " - %s", text_of(explanation, "title"));
	fputc('\n', render->out);
	if (*text_of(explanation, "verdict")) {
		label(render, "State");
		render_text(render, tone_of_row(explanation), text_of(explanation, "verdict"));
		render_age(render, text_of(explanation, "since"), age);
		fprintf(render->out, " since %s\n", age);
	} else {
		line(render, "State", "not in this role");
	}
	if (*reason) {
		label(render, "Reason");
		show_findings(render, "", "              ", reason);
	}
	lines(render, "Needs", needs);
	lines(render, "Looked at", value_get(explanation, "triggers"));
	lines(render, "Mended by", value_get(explanation, "stages"));
	if (value_get(explanation, "observed")) {
		label(render, "So far");
		fprintf(render->out, "observed %s, applied %s, failed %s, repaired %s times\n",
			value_number_text(value_get(explanation, "observed")),
			value_number_text(value_get(explanation, "applied")),
			value_number_text(value_get(explanation, "failed")),
			number_or_zero(value_get(explanation, "repaired")));
	}
}

static char *joined(const struct value *list)
{
	struct strv items = STRV_INIT;
	char *text;

	VALUE_FOREACH(i, list)
		strv_add(&items, value_string_or(value_item(list, i), ""));
	text = strv_join(&items, ",");
	strv_done(&items);
	return text;
}

static const char *or_none(const char *text)
{
	return *text ? text : "<none>";
}

/* kubeadm's columns; the secret half is there where the daemon shows it. */
void show_tokens(const struct render *render, const struct value *answer)
{
	static const char *const columns[] = { "TOKEN",	      "TTL",	      "EXPIRES", "USAGES",
					       "DESCRIPTION", "EXTRA GROUPS", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;
	const struct value *tokens = value_get(answer, "tokens");

	table = render_table_new(render, columns);
	VALUE_FOREACH(i, tokens) {
		const struct value *token = value_item(tokens, i);
		_cleanup_free_ char *usages = joined(value_get(token, "usages"));
		_cleanup_free_ char *groups = joined(value_get(token, "groups"));
		const char *expires = text_of(token, "expiration");
		char ttl[32] = "<forever>";
		int64_t then;

		if (*expires && parse_time(expires, &then) == 0)
			render_seconds(then - render->now, ttl);
		render_table_cell(table, TONE_PLAIN,
				  value_string_or(value_get(token, "token"), text_of(token, "id")));
		render_table_cell(table, TONE_PLAIN, ttl);
		render_table_cell(table, TONE_PLAIN, *expires ? expires : "<never>");
		render_table_cell(table, TONE_PLAIN, or_none(usages));
		render_table_cell(table, TONE_PLAIN, or_none(text_of(token, "description")));
		render_table_cell(table, TONE_PLAIN, or_none(groups));
	}
	render_table_print(table);
	if (value_count(tokens) == 0)
		fputs("There are no bootstrap tokens.\n", stderr);
}
