/* Rows that prove the leaf certificates to be in use, each on the table of prove.h: a server shows
 * it on its port, a client's is accepted. Components that do not take a new one by themselves are
 * restarted, one control plane of the cluster at a time. */
#include "agentd/resources/proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/history.h"
#include "agentd/kube/lease.h"
#include "agentd/kube/names.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/leaf.h"
#include "agentd/resources/prove.h"
#include "agentd/resources/restart.h"
#include "common/alloc.h"
#include "common/parse.h"

/* Restarts of one component keep this distance: after it the kubelet starts a container at once. */
enum { RESTART_PAUSE_S = 600, TURN_S = 120 };

static const struct use *use_of(const struct resource *row)
{
	return use_find(row->data);
}

static char *row_of_use(const struct use *use)
{
	return xasprintf("proof-%s", use->profile);
}

/* The ledger's notes about a certificate, by its serial. */

static bool note_is(const struct context *ctx, const char *row, const char *key, const char *serial)
{
	const char *note = ledger_note(ctx->ledger, row, key);

	return note && strcmp(note, serial) == 0;
}

bool proof_get(const struct context *ctx, const struct use *use, const char **ret_serial,
	       const char **ret_time)
{
	_cleanup_free_ char *row = row_of_use(use);
	const char *serial = ledger_note(ctx->ledger, row, PROOF_SERVED);

	if (!serial)
		return false;
	*ret_serial = serial;
	*ret_time = ledger_note(ctx->ledger, row, PROOF_AT);
	return *ret_time != NULL;
}

static bool proof_is_done_for(const struct context *ctx, const struct use *use, const char *serial)
{
	_cleanup_free_ char *row = row_of_use(use);

	return note_is(ctx, row, PROOF_SERVED, serial) &&
	       (!use_needs_restart(use) || note_is(ctx, row, PROOF_LOADED, serial));
}

bool proof_is_done(const struct context *ctx, const struct use *use)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);

	if (leaf_load(ctx, profile_find(use->profile), &cert, NULL) == 0)
		return false;
	cert_serial(cert, &serial);
	return proof_is_done_for(ctx, use, serial.data);
}

void proof_allow_restart(const struct context *ctx, const struct use *use)
{
	_cleanup_free_ char *row = row_of_use(use);

	ledger_set_note(ctx->ledger, row, PROOF_RESTARTED, NULL);
	ledger_set_note(ctx->ledger, row, PROOF_NOT_BEFORE, NULL);
}

/* Until when a restart has to wait; 0 = it does not. */
static int64_t pause_end(const struct context *ctx, const char *row, const char *key,
			 int64_t pause_s)
{
	const char *note = ledger_note(ctx->ledger, row, key);
	int64_t since;

	/* A clock that went back must not make it wait for ever. */
	if (!note || parse_i64(note, &since) < 0 || since > ctx->now + RESTART_PAUSE_S ||
	    since + pause_s <= ctx->now)
		return 0;
	return since + pause_s;
}

static void note_number(const struct context *ctx, const char *row, const char *key, int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, number);
	ledger_set_note(ctx->ledger, row, key, text);
}

/* Looking. */

static enum verdict proof_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct use *use = use_of(row);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);
	int64_t end;
	char date[32];

	if (leaf_load(ctx, profile_find(use->profile), &cert, NULL) == 0) {
		why_set(why, "there is no certificate that can be read");
		return UNKNOWN;
	}
	cert_serial(cert, &serial);
	if (proof_is_done_for(ctx, use, serial.data))
		return IN_SYNC;
	why_planned(why);
	end = pause_end(ctx, row->name, PROOF_NOT_BEFORE, 0);
	if (end > 0 && !note_is(ctx, row->name, PROOF_LOADED, serial.data)) {
		format_time(end, date);
		why_set(why,
			"%s runs with the certificate of before; it was restarted within the last "
			"ten minutes and is again at %s",
			use->component, date);
		return UNKNOWN;
	}
	why_set(why, "it has not been seen in use yet");
	return DRIFTED;
}

static int64_t proof_due(struct context *ctx, const struct resource *row)
{
	return pause_end(ctx, row->name, PROOF_NOT_BEFORE, 0);
}

static void proof_paths(struct context *ctx, const struct resource *row, struct trigger_list *ret)
{
	strv_add_take(&ret->paths, leaf_path(ctx, profile_find(use_of(row)->profile)));
}

/* Proving. */

struct proof {
	char *serial;	 /* that is to be proven */
	char *expires;	 /* of the certificate */
	char *container; /* that has to be restarted; NULL = none */
	int64_t began_s;
};

static void proof_free(void *state)
{
	struct proof *proof = state;

	free(proof->serial);
	free(proof->expires);
	free(proof->container);
	free(proof);
}

static struct proof *proof_of(struct task *task)
{
	return run_of(task)->state;
}

static int proof_begin(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf serial = BUF_INIT(KIB);
	struct proof *proof;
	char date[32];

	if (leaf_load(ctx, profile_find(use_of(row_of(task))->profile), &cert, NULL) == 0)
		return error_set(err, ERROR_PENDING, -ENOENT,
				 "there is no certificate that can be read");
	cert_serial(cert, &serial);
	format_time(cert_not_after(cert), date);
	proof = NEW(struct proof);
	proof->serial = buf_take(&serial);
	proof->expires = xstrdup(date);
	proof->began_s = clock_wall(ctx->clock);
	run_keep(task, proof, proof_free);
	return 0;
}

static struct op *prove_start(struct task *task, struct error *err)
{
	if (!proof_of(task) && proof_begin(task, err) < 0)
		return NULL;
	return prove(ctx_of(task), use_of(row_of(task)), err);
}

static void note_proven(struct task *task)
{
	struct context *ctx = ctx_of(task);
	const struct use *use = use_of(row_of(task));
	const struct proof *proof = proof_of(task);
	const char *row = row_of(task)->name;
	const char *before = ledger_note(ctx->ledger, row, PROOF_SERVED);
	char now[32];

	if (before && strcmp(before, proof->serial) != 0)
		history_add(ctx->history, "Renewed", use->profile,
			    "certificate %s (%s) is in use and good until %s", use->profile,
			    proof->serial, proof->expires);
	format_time(clock_wall(ctx->clock), now);
	ledger_set_note(ctx->ledger, row, PROOF_SERVED, proof->serial);
	ledger_set_note(ctx->ledger, row, PROOF_AT, now);
}

static int prove_finish(struct task *task, struct op *op, struct error *err)
{
	const struct use *use = use_of(row_of(task));
	const struct proof *proof = proof_of(task);
	struct error fault = ERROR_INIT;
	int64_t waited = clock_wall(ctx_of(task)->clock) - proof->began_s;
	int r;

	r = op_result(op, &fault);
	if (r == 0)
		r = prove_result(use, op_value(op), proof->serial, &fault);
	if (r == 0) {
		note_proven(task);
		return use_needs_restart(use) ? STAGE_NEXT : STAGE_END;
	}
	/* Once its port is there and it should have taken it by now, only a restart is left. */
	if (use->kind == PROVE_SERVER && !op_error(op))
		return waited >= 0 && waited < (int64_t)use->reload_s ? STAGE_AGAIN : STAGE_NEXT;
	*err = fault;
	return r;
}

/* What runs. */

static struct op *process_start(struct task *task, struct error *err)
{
	(void)err;
	return cri_running(ctx_of(task)->cri, KUBE_SYSTEM, use_of(row_of(task))->component);
}

static int64_t written_ns(const struct context *ctx, const struct use *use)
{
	_cleanup_free_ char *path = leaf_path(ctx, profile_find(use->profile));
	_cleanup_free_ char *real = context_path(ctx, "%s", path);
	struct stat st;

	if (stat(real, &st) < 0)
		return 0;
	return st.st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st.st_mtim.tv_nsec;
}

static void note_loaded(struct task *task)
{
	struct context *ctx = ctx_of(task);
	const char *row = row_of(task)->name;

	ledger_set_note(ctx->ledger, row, PROOF_LOADED, proof_of(task)->serial);
	ledger_set_note(ctx->ledger, row, PROOF_NOT_BEFORE, NULL);
}

/* A process that began after the file was written has read it. */
static int process_finish(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const struct use *use = use_of(row_of(task));
	const char *row = row_of(task)->name;
	const struct value *newest = value_item(op_value(op), 0);
	int64_t created_ns = 0, end;
	const char *id;

	if (value_count(op_value(op)) == 0)
		return STAGE_AGAIN;
	(void)value_to_int(value_get(newest, "createdAt"), &created_ns);
	if (use_needs_restart(use) && created_ns > written_ns(ctx, use)) {
		note_loaded(task);
		return STAGE_END;
	}
	if (role_of(task)->policy.observed[CLASS_STATIC_PODS])
		return error_set(err, ERROR_CONFIG, -EPERM,
				 "%s has to be restarted to use it, and the role's policy only "
				 "observes static pods",
				 use->component);
	id = value_string_or(value_get(newest, "id"), "");
	end = pause_end(ctx, row, PROOF_RESTARTED, RESTART_PAUSE_S);
	/* The one that was to be stopped then still runs: agentd was stopped before it could. */
	if (end > 0 && !note_is(ctx, row, PROOF_CONTAINER, id)) {
		note_number(ctx, row, PROOF_NOT_BEFORE, end);
		return STAGE_END;
	}
	proof_of(task)->container = xstrdup(id);
	return STAGE_NEXT;
}

/* One control plane at a time. */

static struct op *turn_start(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);

	if (!ctx->kube) {
		(void)error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there");
		return NULL;
	}
	return lease_take(ctx->kube, LEASE_CERTIFICATES, role_of(task)->node.name, TURN_S);
}

static struct op *ready_start(struct task *task, struct error *err)
{
	(void)err;
	return kube_probe(ctx_of(task)->kube, KUBE_READYZ);
}

static struct op *restart_start(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);

	/* On disk before it happens: a restart is remembered over those of agentd. */
	note_number(ctx, row_of(task)->name, PROOF_RESTARTED, clock_wall(ctx->clock));
	ledger_set_note(ctx->ledger, row_of(task)->name, PROOF_CONTAINER,
			proof_of(task)->container);
	if (ledger_save(ctx->ledger, err) < 0)
		return NULL;
	return restart_component(ctx, use_of(row_of(task))->component, proof_of(task)->container);
}

static int restart_finish(struct task *task, struct op *op, struct error *err)
{
	const struct use *use = use_of(row_of(task));

	(void)op;
	(void)err;
	history_add(ctx_of(task)->history, "Restarted", use->component,
		    "the container of %s was restarted for certificate %s", use->component,
		    use->profile);
	if (use_needs_restart(use))
		note_loaded(task);
	return STAGE_NEXT;
}

static struct op *turn_end(struct task *task, struct error *err)
{
	(void)err;
	return lease_release(ctx_of(task)->kube, LEASE_CERTIFICATES, role_of(task)->node.name);
}

static const struct stage proof_apply[] = {
	{ "prove the certificate", prove_start, prove_finish, .again_ms = 200, .timeout_s = 400,
	  .may_fail = true },
	{ "look at the running process", process_start, process_finish, .again_ms = 500,
	  .timeout_s = 120 },
	{ "wait for its turn", turn_start, NULL },
	{ "see /readyz", ready_start, NULL },
	{ "restart the container", restart_start, restart_finish, .timeout_s = 400 },
	{ "give the turn back", turn_end, NULL },
	{ 0 },
};

/* clang-format off */
#define PROOF(of_profile, of_lane, ...)                                                 \
	{ .name = "proof-" of_profile, .data = of_profile,                              \
	  .title = "certificate \"" of_profile "\" is in use",                          \
	  .roles = FOR_CONTROL_PLANE, .needs = { __VA_ARGS__ },                         \
	  .triggers = { ON_LIST(proof_paths), DUE(proof_due) },                         \
	  .lane = of_lane, .observe = proof_observe, .apply = proof_apply }
/* Components that may have to be restarted, one after the other. */
#define TURN "restart-for-a-certificate"

const struct resource proof_rows[] = {
	PROOF("etcd-server", TURN, "certificate-etcd-server", "certificate-etcd-healthcheck-client", "apiserver"),
	PROOF("etcd-peer", TURN, "certificate-etcd-peer", "apiserver"),
	PROOF("apiserver", TURN, "certificate-apiserver", "apiserver"),
	PROOF("apiserver-etcd-client", NULL, "certificate-apiserver-etcd-client", "apiserver"),
	PROOF("apiserver-kubelet-client", NULL, "certificate-apiserver-kubelet-client",
	      "clusterrolebinding/kubeadm:apiserver-kubelet-client"),
	PROOF("front-proxy-client", NULL, "certificate-front-proxy-client", "apiserver"),
	PROOF("etcd-healthcheck-client", NULL, "certificate-etcd-healthcheck-client", "apiserver"),
	PROOF("agentd", NULL, "agentd-identity", "apiserver"),
	PROOF("admin.conf", NULL, "kubeconfig-admin", "apiserver"),
	PROOF("controller-manager.conf", TURN, "kubeconfig-controller-manager", "apiserver", "agentd-rights"),
	PROOF("scheduler.conf", TURN, "kubeconfig-scheduler", "apiserver", "agentd-rights"),
	{ 0 },
};
/* clang-format on */
