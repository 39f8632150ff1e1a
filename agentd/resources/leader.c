/* Leases of leaders whose holder is no more; see leader.h. The rows see to what a restart of the
 * host, or of agentd in the middle of its work, left behind: once after each start of agentd, since
 * looking costs two requests and a boot is not always to be told from inside a sandbox. */
#include "agentd/resources/leader.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "agentd/history.h"
#include "agentd/kube/names.h"
#include "agentd/resources.h"
#include "common/alloc.h"
#include "common/parse.h"

/* A note of the rows. */
#define NOTE_STOPPED "stopped"

static char *lease_path(const char *component)
{
	return xasprintf(KUBE_SYSTEM_LEASES "/%s", component);
}

static char *row_name(const char *component)
{
	return xasprintf("leader-%s", component);
}

static const char *holder_of(const struct value *lease)
{
	return value_string_or(value_at(lease, "spec", "holderIdentity"), "");
}

/* Kubernetes calls an instance HOSTNAME_UUID. */
bool leader_is_here(const struct context *ctx, const char *holder)
{
	size_t length = strlen(ctx->hostname);

	return strncasecmp(holder, ctx->hostname, length) == 0 && holder[length] == '_';
}

static int got(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	(void)impl;
	(void)err;
	*ret_value = value_new_string(holder_of(op_value(inner)));
	return 0;
}

struct op *leader_get(struct context *ctx, const char *component)
{
	static const struct op_kind kind = { .name = "leader" };
	_cleanup_free_ char *path = lease_path(component);

	return op_new_then(ctx->loop, &kind, NULL, kube_get(ctx->kube, path), got);
}

void leader_note_stopped(struct context *ctx, const char *component, const char *holder)
{
	_cleanup_free_ char *row = row_name(component);

	ledger_set_note(ctx->ledger, row, NOTE_STOPPED, holder);
}

/* Releasing. */

struct release {
	struct context *ctx;
	char *component;
	char *holder;	  /* that was stopped; NULL = any of this host */
	int64_t before_s; /* whose last sign is older */
	struct value *lease;
};

static void release_free(void *context)
{
	struct release *release = context;

	free(release->component);
	free(release->holder);
	value_unref(release->lease);
	free(release);
}

static bool is_over(const struct release *release, const struct value *lease)
{
	const char *holder = holder_of(lease);
	const char *renewed = value_string_or(value_at(lease, "spec", "renewTime"), "");
	int64_t last;

	if (release->holder)
		return strcmp(holder, release->holder) == 0;
	/* Both moments are of this host's clock. */
	return leader_is_here(release->ctx, holder) && parse_time(renewed, &last) == 0 &&
	       last < release->before_s;
}

static struct op *release_get(struct task *task, struct error *err)
{
	const struct release *release = task_context(task);
	_cleanup_free_ char *path = lease_path(release->component);

	if (!release->ctx->kube) {
		(void)error_set(err, ERROR_PENDING, -EAGAIN,
				"agentd has no identity in the cluster yet");
		return NULL;
	}
	return kube_get(release->ctx->kube, path);
}

static int release_read(struct task *task, struct op *op, struct error *err)
{
	struct release *release = task_context(task);

	(void)err;
	if (!op_value(op) || !is_over(release, op_value(op)))
		return STAGE_END;
	release->lease = value_ref(op_value(op));
	return STAGE_NEXT;
}

/* The version guards it: whoever leads by now is left alone. */
static struct op *release_clear(struct task *task, struct error *err)
{
	const struct release *release = task_context(task);
	_cleanup_free_ char *path = lease_path(release->component);
	_cleanup_(value_unref) struct value *patch = NULL;
	const struct value *version = value_at(release->lease, "metadata", "resourceVersion");

	(void)err;
	patch = value_put_at(value_new_map(), value_ref(version), "metadata", "resourceVersion");
	patch = value_put_at(patch, value_new_null(), "spec", "holderIdentity");
	return kube_merge_patch(release->ctx->kube, path, patch, KUBE_MANAGER_ONCE);
}

static int release_cleared(struct task *task, struct op *op, struct error *err)
{
	const struct release *release = task_context(task);
	_cleanup_free_ char *row = row_name(release->component);

	(void)op;
	(void)err;
	history_add(release->ctx->history, "LeaseReleased", row,
		    "the Lease of %s named an instance that is no more: %s", release->component,
		    holder_of(release->lease));
	return STAGE_NEXT;
}

static const struct stage release_stages[] = {
	{ "read the Lease", release_get, release_read, .timeout_s = 30 },
	{ "clear its holder", release_clear, release_cleared, .timeout_s = 30 },
	{ 0 },
};

struct op *leader_release_older(struct context *ctx, const char *component, int64_t before_s)
{
	struct release *release = NEW(struct release);

	*release =
	    (struct release){ .ctx = ctx, .component = xstrdup(component), .before_s = before_s };
	return task_op_new(ctx->loop, release_stages, release, release_free);
}

static int forget_stopped(struct op *inner, void *impl, struct value **ret_value, struct error *err)
{
	const struct release *release = op_impl(inner);

	(void)impl;
	(void)ret_value;
	(void)err;
	leader_note_stopped(release->ctx, release->component, NULL);
	return 0;
}

struct op *leader_release_stopped(struct context *ctx, const char *component)
{
	static const struct op_kind kind = { .name = "release the leader" };
	_cleanup_free_ char *row = row_name(component);
	const char *stopped = ledger_note(ctx->ledger, row, NOTE_STOPPED);
	struct release *release;

	if (!stopped)
		return NULL;
	release = NEW(struct release);
	*release = (struct release){ .ctx = ctx,
				     .component = xstrdup(component),
				     .holder = xstrdup(stopped) };
	return op_new_then(ctx->loop, &kind, NULL,
			   task_op_new(ctx->loop, release_stages, release, release_free),
			   forget_stopped);
}

/* The rows. */

static const struct leader {
	const char *component;
	unsigned seen; /* in leaders_seen of the context */
} leaders[] = {
	{ "kube-controller-manager", 1 << 0 },
	{ "kube-scheduler", 1 << 1 },
};

static const struct leader *leader_of(const struct resource *row)
{
	return row->data;
}

static enum verdict leader_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct leader *leader = leader_of(row);

	why_planned(why);
	if (ledger_note(ctx->ledger, row->name, NOTE_STOPPED)) {
		why_set(why, "%s was stopped while it led: its Lease is released",
			leader->component);
		return DRIFTED;
	}
	if (ctx->leaders_seen & leader->seen)
		return IN_SYNC;
	why_set(why, "the Lease of %s may name an instance of before this host's last start",
		leader->component);
	return DRIFTED;
}

static struct op *stopped_start(struct task *task, struct error *err)
{
	(void)err;
	return leader_release_stopped(ctx_of(task), leader_of(row_of(task))->component);
}

static struct op *running_start(struct task *task, struct error *err)
{
	(void)err;
	return cri_running(ctx_of(task)->cri, KUBE_SYSTEM, leader_of(row_of(task))->component);
}

struct running {
	int64_t since_s;
};

static int running_finish(struct task *task, struct op *op, struct error *err)
{
	const struct value *newest = value_item(op_value(op), 0);
	struct running *running = NEW(struct running);
	int64_t created_ns = 0;

	(void)err;
	/* Where none runs, nobody of this host leads. */
	running->since_s = clock_wall(ctx_of(task)->clock);
	if (value_count(op_value(op)) > 0 &&
	    value_to_int(value_get(newest, "createdAt"), &created_ns))
		running->since_s = created_ns / (int64_t)NSEC_PER_SEC;
	run_keep(task, running, free);
	return STAGE_NEXT;
}

static struct op *older_start(struct task *task, struct error *err)
{
	const struct running *running = run_of(task)->state;

	(void)err;
	return leader_release_older(ctx_of(task), leader_of(row_of(task))->component,
				    running->since_s);
}

static int older_finish(struct task *task, struct op *op, struct error *err)
{
	(void)op;
	(void)err;
	ctx_of(task)->leaders_seen |= leader_of(row_of(task))->seen;
	return STAGE_NEXT;
}

static const struct stage leader_apply[] = {
	{ "release what was stopped", stopped_start, NULL },
	{ "look at the running process", running_start, running_finish },
	{ "release what is older", older_start, older_finish },
	{ 0 },
};

/* clang-format off */
#define LEADER(index, of_component)                                                     \
	{ .name = "leader-" of_component, .data = &leaders[index],                      \
	  .title = "the Lease of " of_component " names nobody who is no more",          \
	  .roles = FOR_CONTROL_PLANE, .needs = { "apiserver", "agentd-rights", "static-pod-" of_component }, \
	  .observe = leader_observe, .apply = leader_apply }

const struct resource leader_rows[] = {
	LEADER(0, "kube-controller-manager"),
	LEADER(1, "kube-scheduler"),
	{ 0 },
};
/* clang-format on */
