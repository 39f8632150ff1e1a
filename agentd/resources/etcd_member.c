/* How etcd knows this member: the URL by which others reach it is kept in etcd's own data, and what
 * is on its command line counts only when a cluster is made. */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/kube/etcd.h"
#include "agentd/manifests/static_pods.h"
#include "agentd/resources.h"
#include "common/alloc.h"

static enum verdict member_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const char *known = ledger_note(ctx->ledger, row->name, "peer-urls");
	_cleanup_free_ char *wanted = static_pod_etcd_peer_urls(ctx->role);

	if (known && strcmp(known, wanted) == 0)
		return IN_SYNC;
	why_planned(why);
	if (known)
		why_set(why, "etcd knows this member by %s, not by %s", known, wanted);
	else
		why_set(why, "it has not been noted yet how etcd knows this member");
	return DRIFTED;
}

/* What the stages hand on. */
struct member {
	struct etcd *etcd;
	char *id;
};

static void member_free(void *state)
{
	struct member *member = state;

	etcd_free(member->etcd);
	free(member->id);
	free(member);
}

static struct op *member_ask(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	struct member *member;

	/* The first time it is what etcd was started with. */
	if (!ledger_note(ctx->ledger, row_of(task)->name, "peer-urls"))
		return NULL;
	member = NEW(struct member);
	run_keep(task, member, member_free);
	member->etcd = facts_etcd_client(ctx);
	if (!member->etcd) {
		error_set(err, ERROR_PENDING, -ENOENT,
			  "the client certificate for etcd is missing");
		return NULL;
	}
	return etcd_status(member->etcd);
}

static int member_told(struct task *task, struct op *op, struct error *err)
{
	struct member *member = run_of(task)->state;
	const char *id = value_string(value_at(op_value(op), "header", "member_id"));

	if (!id)
		return error_set(err, ERROR_NETWORK, -EPROTO, "etcd does not tell its member id");
	member->id = xstrdup(id);
	return STAGE_NEXT;
}

static struct op *member_list(struct task *task, struct error *err)
{
	struct member *member = run_of(task)->state;

	(void)err;
	return member ? etcd_members(member->etcd) : NULL;
}

static bool has_urls(const struct value *member, const struct strv *wanted)
{
	const struct value *urls = value_get(member, "peerURLs");

	if (value_count(urls) != wanted->count)
		return false;
	VALUE_FOREACH(i, urls)
		if (!strv_contains(wanted, value_string_or(value_item(urls, i), "")))
			return false;
	return true;
}

/* Whether the update is to be sent; without it the later stage has nothing to do. */
static int member_compare(struct task *task, struct op *op, struct error *err)
{
	struct member *member = run_of(task)->state;
	const struct value *members = value_get(op_value(op), "members");
	_cleanup_free_ char *wanted = static_pod_etcd_peer_urls(role_of(task));
	_cleanup_(strv_done) struct strv urls = STRV_INIT;

	strv_split(&urls, wanted, ',');
	VALUE_FOREACH(i, members) {
		const struct value *item = value_item(members, i);

		if (strcmp(value_string_or(value_get(item, "ID"), ""), member->id) != 0)
			continue;
		if (has_urls(item, &urls))
			run_keep(task, NULL, NULL);
		return STAGE_NEXT;
	}
	return error_set(err, ERROR_PENDING, -ENOENT, "etcd's members do not include itself");
}

static struct op *member_update(struct task *task, struct error *err)
{
	struct member *member = run_of(task)->state;
	_cleanup_free_ char *wanted = static_pod_etcd_peer_urls(role_of(task));
	_cleanup_(strv_done) struct strv urls = STRV_INIT;

	(void)err;
	if (!member)
		return NULL;
	strv_split(&urls, wanted, ',');
	return etcd_member_update(member->etcd, member->id, &urls);
}

static int member_updated(struct task *task, struct op *op, struct error *err)
{
	_cleanup_free_ char *wanted = static_pod_etcd_peer_urls(role_of(task));

	(void)op;
	(void)err;
	history_add(ctx_of(task)->history, "Healed", row_of(task)->name,
		    "etcd knows this member by %s now", wanted);
	return STAGE_NEXT;
}

static int member_note(struct task *task, struct op *op, struct error *err)
{
	_cleanup_free_ char *wanted = static_pod_etcd_peer_urls(role_of(task));

	(void)op;
	(void)err;
	ledger_set_note(ctx_of(task)->ledger, row_of(task)->name, "peer-urls", wanted);
	return STAGE_NEXT;
}

static const struct stage member_apply[] = {
	{ "ask etcd who it is", member_ask, member_told },
	{ "list etcd's members", member_list, member_compare },
	{ "update the member's peer URLs", member_update, member_updated },
	{ "note the peer URLs", NULL, member_note },
	{ 0 },
};

/* clang-format off */
const struct resource etcd_member_rows[] = {
	{ .name = "etcd-member", .title = "etcd knows by which URL others reach this member",
	  .roles = FOR_CONTROL_PLANE, .lane = "etcd", .needs = { "static-pod-etcd", "apiserver" },
	  .observe = member_observe, .apply = member_apply },
	{ 0 },
};
/* clang-format on */
