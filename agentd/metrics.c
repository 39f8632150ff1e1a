/* The status as Prometheus text; see metrics.h. Families of metrics are rows of tables: one value
 * of the whole node each, or one value of each resource. */
#include "agentd/metrics.h"

#include <errno.h>
#include <string.h>

#include "common/macros.h"
#include "common/parse.h"

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static int family(struct buf *buf, const char *name, const char *type, const char *help)
{
	return buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are the ones that are escaped. */
static int append_escaped(struct buf *buf, const char *text)
{
	int r = 0;

	for (; *text && r >= 0; text++) {
		if (*text == '\n')
			r = buf_append_string(buf, "\\n");
		else if (*text == '\\' || *text == '"')
			r = buf_printf(buf, "\\%c", *text);
		else
			r = buf_append_char(buf, *text);
	}
	return r;
}

/* NAME{KEY="VALUE",...} NUMBER. labels: keys and values in turn, ending with NULL; NULL = none. */
static int sample(struct buf *buf, const char *name, const char *const *labels, const char *number)
{
	int r = buf_append_string(buf, name);

	for (size_t i = 0; labels && labels[i] && r >= 0; i += 2) {
		r = buf_printf(buf, "%s%s=\"", i == 0 ? "{" : ",", labels[i]);
		if (r >= 0)
			r = append_escaped(buf, labels[i + 1]);
		if (r >= 0)
			r = buf_append_char(buf, '"');
	}
	return r < 0 ? r : buf_printf(buf, "%s %s\n", labels ? "}" : "", number);
}

static const char *number_or_zero(const struct value *number)
{
	const char *text = value_number_text(number);

	return text ? text : "0";
}

/* Of the node. */

static int write_info(const struct value *status, struct buf *buf)
{
	const char *const labels[] = {
		"version",
		text_of(status, "version"),
		"role",
		text_of(status, "role"),
		"kubernetes_version",
		text_of(status, "kubernetesVersion"),
		NULL,
	};
	int r = family(buf, "agentd_info", "gauge", "Versions and role of this node.");

	return r < 0 ? r : sample(buf, "agentd_info", labels, "1");
}

/* clang-format off */
static const struct node_row {
	const char *name, *type, *help;
	const char *path[3];
} node_rows[] = {
	{ "agentd_role_generation_wanted", "gauge", "Roles accepted so far.",
	  { "generation", "wanted" } },
	{ "agentd_role_generation_reached", "gauge",
	  "The last role that everything was brought in line with.",
	  { "generation", "reached" } },
	{ "agentd_loop_wakeups_total", "counter", "Wake-ups since the start of agentd.",
	  { "counters", "wakeups" } },
	{ "agentd_api_requests_total", "counter", "Requests to API servers since the start of agentd.",
	  { "counters", "requests" } },
};
/* clang-format on */

static int write_node(const struct value *status, struct buf *buf)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(node_rows) && r >= 0; i++) {
		const struct node_row *row = &node_rows[i];

		r = family(buf, row->name, row->type, row->help);
		if (r >= 0)
			r = sample(buf, row->name, NULL,
				   number_or_zero(value_at_(status, row->path)));
	}
	return r;
}

static int write_conditions(const struct value *status, struct buf *buf)
{
	static const char *const truths[][2] = { { "True", "true" },
						 { "False", "false" },
						 { "Unknown", "unknown" } };
	const struct value *conditions = value_get(status, "conditions");
	int r = family(buf, "agentd_condition", "gauge",
		       "Conditions of this node: 1 for the status that holds; true is fine.");

	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);

		for (size_t t = 0; t < ARRAY_SIZE(truths) && r >= 0; t++) {
			const char *const labels[] = { "type", text_of(condition, "type"), "status",
						       truths[t][1], NULL };
			bool holds = strcmp(text_of(condition, "status"), truths[t][0]) == 0;

			r = sample(buf, "agentd_condition", labels, holds ? "1" : "0");
		}
	}
	return r;
}

/* Of each resource. */

enum resource_kind {
	RESOURCE_NUMBER,  /* a number of the row */
	RESOURCE_IN_SYNC, /* whether its verdict is that */
	RESOURCE_PRESENT, /* whether it has the key */
	RESOURCE_TIME,	  /* a time of the row; none where it has none */
};

/* clang-format off */
static const struct resource_row {
	const char *name, *type, *key;
	enum resource_kind kind;
	const char *help;
} resource_rows[] = {
	{ "agentd_resource_in_sync", "gauge", "verdict", RESOURCE_IN_SYNC,
	  "Whether the resource is as the role wants it." },
	{ "agentd_resource_failing", "gauge", "error", RESOURCE_PRESENT,
	  "Whether the last try to change it failed." },
	{ "agentd_resource_disputed", "gauge", "fightSince", RESOURCE_PRESENT,
	  "Whether another hand changes it again and again." },
	{ "agentd_resource_observations_total", "counter", "observed", RESOURCE_NUMBER,
	  "How often it was looked at." },
	{ "agentd_resource_applications_total", "counter", "applied", RESOURCE_NUMBER,
	  "How often its stages were started." },
	{ "agentd_resource_failures_total", "counter", "failed", RESOURCE_NUMBER,
	  "How often its stages failed." },
	{ "agentd_resource_repairs_total", "counter", "repaired", RESOURCE_NUMBER,
	  "How often what another hand changed was put right." },
	{ "agentd_resource_disputes_total", "counter", "fights", RESOURCE_NUMBER,
	  "How often another hand began to change it again and again." },
	{ "agentd_resource_last_repair_timestamp_seconds", "gauge", "lastRepair", RESOURCE_TIME,
	  "When it was put right last." },
};
/* clang-format on */

/* The number of one sample; NULL = there is none. */
static const char *number_of(const struct resource_row *row, const struct value *resource,
			     struct buf *scratch)
{
	const struct value *child = value_get(resource, row->key);
	int64_t time;

	switch (row->kind) {
	case RESOURCE_NUMBER:
		return number_or_zero(child);
	case RESOURCE_IN_SYNC:
		return strcmp(value_string_or(child, ""), "in-sync") == 0 ? "1" : "0";
	case RESOURCE_PRESENT:
		return child ? "1" : "0";
	case RESOURCE_TIME:
		if (parse_time(value_string_or(child, ""), &time) < 0)
			return NULL;
		buf_reset(scratch);
		(void)buf_printf(scratch, "%lld", (long long)time);
		return scratch->data;
	}
	return NULL;
}

static int write_resources(const struct value *status, struct buf *buf)
{
	_cleanup_(buf_done) struct buf scratch = BUF_INIT(64);
	const struct value *resources = value_get(status, "rows");
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(resource_rows) && r >= 0; i++) {
		const struct resource_row *row = &resource_rows[i];

		r = family(buf, row->name, row->type, row->help);
		for (size_t j = 0; j < value_count(resources) && r >= 0; j++) {
			const struct value *resource = value_item(resources, j);
			const char *const labels[] = { "resource", text_of(resource, "name"),
						       NULL };
			const char *number = number_of(row, resource, &scratch);

			if (number)
				r = sample(buf, row->name, labels, number);
		}
	}
	return r;
}

int metrics_write(const struct value *status, struct buf *buf)
{
	int r;

	r = write_info(status, buf);
	if (r >= 0)
		r = write_node(status, buf);
	if (r >= 0)
		r = write_conditions(status, buf);
	return r < 0 ? r : write_resources(status, buf);
}
