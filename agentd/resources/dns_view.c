/* What the caches and the Lease say of CoreDNS; see dns_view.h. */
#include "agentd/resources/dns_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agentd/resources/fit.h"
#include "common/alloc.h"
#include "common/json.h"
#include "common/parse.h"

#define ANNOTATION "agentd.io/dns-move"

enum { RECORD_CAP = 4096, LOOK_GOOD_MAX_S = 7200 };

/* The record of the last move. */

static void copy_text(const struct value *map, const char *key, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s", value_string_or(value_get(map, key), ""));
}

static int64_t number_of(const struct value *map, const char *key)
{
	int64_t number = 0;

	(void)value_to_int(value_get(map, key), &number);
	return MAX(number, (int64_t)0);
}

static int64_t time_of(const struct value *map, const char *key)
{
	int64_t time = 0;

	(void)parse_time(value_string_or(value_get(map, key), ""), &time);
	return time;
}

/* One that nobody can read is as if there was none. */
struct dns_record dns_record_read(const struct value *lease)
{
	const char *text = value_string(value_at(lease, "metadata", "annotations", ANNOTATION));
	_cleanup_(value_unref) struct value *map = NULL;
	struct dns_record record = { 0 };
	struct error err = ERROR_INIT;

	if (!text || json_parse(text, strlen(text), ANNOTATION, &map, &err) < 0)
		return record;
	record.at_s = time_of(map, "at");
	record.before_s = time_of(map, "before");
	record.tries = (unsigned)MIN(number_of(map, "tries"), (int64_t)UINT16_MAX);
	record.failures = (unsigned)MIN(number_of(map, "failures"), (int64_t)UINT16_MAX);
	record.burden = (unsigned)MIN(number_of(map, "burden"), (int64_t)UINT32_MAX);
	copy_text(map, "pod", record.pod, sizeof(record.pod));
	copy_text(map, "uid", record.uid, sizeof(record.uid));
	copy_text(map, "from", record.from, sizeof(record.from));
	copy_text(map, "to", record.to, sizeof(record.to));
	copy_text(map, "situation", record.situation, sizeof(record.situation));
	return record;
}

static struct value *put_time(struct value *map, const char *key, int64_t time_s)
{
	char text[32];

	if (time_s == 0)
		return map;
	format_time(time_s, text);
	return value_put(map, key, value_new_string(text));
}

struct op *dns_record_write(struct kube *kube, const struct dns_record *record)
{
	_cleanup_(value_unref) struct value *map = value_new_map(), *patch = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(RECORD_CAP);

	map = put_time(map, "at", record->at_s);
	map = put_time(map, "before", record->before_s);
	map = value_put(map, "pod", value_new_string(record->pod));
	map = value_put(map, "uid", value_new_string(record->uid));
	map = value_put(map, "from", value_new_string(record->from));
	map = value_put(map, "to", value_new_string(record->to));
	map = value_put(map, "tries", value_new_int(record->tries));
	map = value_put(map, "failures", value_new_int(record->failures));
	map = value_put(map, "burden", value_new_int(record->burden));
	map = value_put(map, "situation", value_new_string(record->situation));
	(void)json_write(map, 0, &text);
	patch = value_put_at(value_new_map(), value_new_string(text.data), "metadata",
			     "annotations", ANNOTATION);
	return kube_merge_patch(kube, KUBE_SYSTEM_LEASES "/" LEASE_DNS, patch, KUBE_MANAGER);
}

/* What the caches say. */

int dns_view_take(const struct context *ctx, struct dns_view *ret, struct why *why)
{
	_cleanup_(dns_view_done) struct dns_view view = { .snapshot.now_s = ctx->now };
	const struct error *error = objects_error(ctx->objects);
	const struct value *deployment = NULL, *lease = NULL;

	if (objects_get(ctx->objects, KUBE_SYSTEM_DEPLOYMENTS, KUBE_COREDNS, &deployment) ==
		OBJECT_UNKNOWN ||
	    objects_get(ctx->objects, DNS_LEASE, LEASE_DNS, &lease) == OBJECT_UNKNOWN ||
	    objects_all(ctx->objects, KUBE_NODES, &view.nodes) == OBJECT_UNKNOWN ||
	    objects_all(ctx->objects, DNS_PODS, &view.pods) == OBJECT_UNKNOWN ||
	    objects_all(ctx->objects, KUBE_SYSTEM_BUDGETS, &view.budgets) == OBJECT_UNKNOWN) {
		why_set(why, "the API server has not told yet%s%s", error ? ": " : "",
			error ? error->message : "");
		return 0;
	}
	view.deployment = deployment ? value_ref(deployment) : NULL;
	view.snapshot.deployment = view.deployment;
	view.snapshot.nodes = view.nodes;
	view.snapshot.pods = view.pods;
	view.snapshot.budgets = view.budgets;
	view.snapshot.record = dns_record_read(lease);
	*ret = view;
	view = (struct dns_view){ 0 };
	return 1;
}

void dns_view_done(struct dns_view *view)
{
	value_unref(view->deployment);
	value_unref(view->nodes);
	value_unref(view->pods);
	value_unref(view->budgets);
	*view = (struct dns_view){ 0 };
}

/* kube-proxy's DaemonSet; NULL where there is none (or it is the network add-on's business). */
const struct value *dns_view_proxy(const struct context *ctx)
{
	const struct value *set = NULL;

	(void)objects_get(ctx->objects, KUBE_SYSTEM_DAEMON_SETS, KUBE_KUBE_PROXY, &set);
	return set;
}

/* What a look at nodes came to, noted with a digest of all that it came from. */

static void fingerprint(const struct context *ctx, const struct dns_view *view,
			const struct dns_decision *decision, char ret[static DIGEST_HEX_SIZE])
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(16 * MIB);
	const struct value *proxies = value_at(dns_view_proxy(ctx), "status", "numberReady");

	(void)buf_printf(&text, "%s %" PRId64 " %s\n", decision->situation,
			 view->snapshot.record.at_s, proxies ? value_number_text(proxies) : "none");
	VALUE_FOREACH(i, view->nodes) {
		const struct value *node = value_item(view->nodes, i);

		(void)buf_printf(&text, "%s %d\n",
				 value_string_or(value_at(node, "metadata", "name"), ""),
				 fit_has_condition(node, "Ready"));
	}
	VALUE_FOREACH(i, view->pods) {
		const struct value *pod = value_item(view->pods, i);

		(void)buf_printf(&text, "%s %s %d\n",
				 value_string_or(value_at(pod, "metadata", "uid"), ""),
				 dns_node_of(pod), fit_has_condition(pod, "Ready"));
	}
	VALUE_FOREACH(i, view->budgets) {
		const struct value *budget = value_item(view->budgets, i);
		const struct value *allowed = value_at(budget, "status", "disruptionsAllowed");
		const struct value *seen = value_at(budget, "status", "observedGeneration");

		(void)buf_printf(&text, "%s %s %s\n",
				 value_string_or(value_at(budget, "metadata", "name"), ""),
				 allowed ? value_number_text(allowed) : "0",
				 seen ? value_number_text(seen) : "0");
	}
	digest_sha256(text.data, text.length, ret);
}

/* "DIGEST UNTIL VERDICT TEXT" */
void dns_look_note(const struct context *ctx, const struct dns_decision *decision, int64_t until_s)
{
	_cleanup_(dns_view_done) struct dns_view view = { 0 };
	_cleanup_free_ char *note = NULL;
	char digest[DIGEST_HEX_SIZE];
	struct why why;

	if (!dns_view_take(ctx, &view, &why))
		return;
	fingerprint(ctx, &view, decision, digest);
	note = xasprintf("%s %" PRId64 " %d %s", digest, until_s, (int)decision->verdict,
			 decision->why.text);
	ledger_set_note(ctx->ledger, DNS_ROW, "look", note);
}

int64_t dns_look_until(const struct context *ctx)
{
	const char *note = ledger_note(ctx->ledger, DNS_ROW, "look");
	int64_t until = 0;

	if (note)
		(void)sscanf(note, "%*s %" SCNd64, &until);
	return until;
}

/* Takes the place of a decision to look, where what would be seen is known. */
void dns_look_recall(const struct context *ctx, const struct dns_view *view,
		     struct dns_decision *decision)
{
	const char *note = ledger_note(ctx->ledger, DNS_ROW, "look");
	char digest[DIGEST_HEX_SIZE];
	int verdict = 0, text = 0;

	if (!note || dns_look_until(ctx) <= ctx->now ||
	    dns_look_until(ctx) > ctx->now + LOOK_GOOD_MAX_S)
		return;
	fingerprint(ctx, view, decision, digest);
	if (strncmp(note, digest, strlen(digest)) != 0 ||
	    sscanf(note, "%*s %*s %d %n", &verdict, &text) != 1 ||
	    (verdict != DNS_NOWHERE && verdict != DNS_WAIT))
		return;
	decision->verdict = (enum dns_verdict)verdict;
	why_set(&decision->why, "%s", note + text);
}
