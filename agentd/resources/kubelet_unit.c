/* kubelet.service: enabled, running, and started with what its files say now. */
#include <errno.h>
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "common/file.h"

/* So many in a row are no accident any more. */
enum { CRASH_LOOP_RESTARTS = 3 };

/* A change of these needs a restart. kubelet.conf is read once; the certificate that it leads to is
 * rotated by the kubelet itself. */
static const char *const inputs[] = {
	KUBELET_CONFIG,
	"/var/lib/kubelet/kubeadm-flags.env",
	KUBELET_CONF,
	"/etc/systemd/system/kubelet.service.d/20-agentd.conf",
};

static void inputs_digest(const struct context *ctx, char ret[static FILE_DIGEST_SIZE])
{
	_cleanup_(buf_done) struct buf all = BUF_INIT(FILES_CAP);

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		_cleanup_free_ char *path = context_path(ctx, "%s", inputs[i]);

		(void)buf_printf(&all, "%s\n", inputs[i]);
		(void)files_load(path, &all);
	}
	file_digest(all.data, all.length, ret);
}

static enum verdict kubelet_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	const struct unit_state *state = units_get(ctx->units, KUBELET_UNIT);
	const char *started = ledger_note(ctx->ledger, row->name, "started-with");
	char digest[FILE_DIGEST_SIZE];

	if (!state->known) {
		why_set(why, "systemd has not told the unit's state yet");
		return UNKNOWN;
	}
	if (strcmp(state->load_state, "not-found") == 0) {
		why_set(why, "there is no " KUBELET_UNIT ": install the kubelet's package");
		return BLOCKED;
	}
	if (strcmp(state->load_state, "masked") == 0) {
		why_set(why, KUBELET_UNIT " is masked: systemctl unmask kubelet");
		return BLOCKED;
	}
	if (strcmp(state->unit_file_state, "disabled") == 0) {
		why_set(why, KUBELET_UNIT " is not enabled");
		return DRIFTED;
	}
	inputs_digest(ctx, digest);
	if (!started || strcmp(started, digest) != 0) {
		why_set(why, KUBELET_UNIT " has not been started with its present configuration");
		return DRIFTED;
	}
	if (strcmp(state->active_state, "active") == 0)
		return IN_SYNC;
	/* PID 1 starts it again by itself; a start by us would only disturb its pauses. */
	if (strcmp(state->active_state, "activating") == 0) {
		if (state->restarts >= CRASH_LOOP_RESTARTS)
			why_reason(why, "KubeletCrashLoop");
		why_set(why, KUBELET_UNIT " is %s, last exit status %d, started %u times",
			state->sub_state, state->exit_status, state->restarts + 1);
		return UNKNOWN;
	}
	why_set(why, KUBELET_UNIT " is %s", state->active_state);
	/* Somebody's stop job runs to its end before ours begins; the unit tells when. */
	return strcmp(state->active_state, "deactivating") == 0 ? UNKNOWN : DRIFTED;
}

static struct op *kubelet_enable(struct task *task, struct error *err)
{
	const struct unit_state *state = units_get(ctx_of(task)->units, KUBELET_UNIT);

	(void)err;
	if (strcmp(state->unit_file_state, "disabled") != 0)
		return NULL;
	return unit_enable(ctx_of(task)->bus, KUBELET_UNIT);
}

static struct op *kubelet_start(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	const char *started = ledger_note(ctx->ledger, row_of(task)->name, "started-with");
	char *digest = xmalloc(FILE_DIGEST_SIZE);

	(void)err;
	inputs_digest(ctx, digest);
	/* Remembered from before the job: what changes while it runs is started with again. */
	run_keep(task, digest, free);
	if (started && strcmp(started, digest) == 0)
		return unit_start(ctx->bus, KUBELET_UNIT);
	return unit_restart(ctx->bus, KUBELET_UNIT);
}

static int kubelet_started(struct task *task, struct op *op, struct error *err)
{
	(void)op;
	(void)err;
	ledger_set_note(ctx_of(task)->ledger, row_of(task)->name, "started-with",
			run_of(task)->state);
	return STAGE_NEXT;
}

static const struct stage kubelet_apply[] = {
	{ "enable the unit", kubelet_enable, NULL },
	{ "start the kubelet", kubelet_start, kubelet_started, .timeout_s = 90 },
	{ 0 },
};

/* clang-format off */
const struct resource kubelet_unit_rows[] = {
	{ .name = KUBELET_UNIT_ROW, .title = "kubelet.service is enabled and runs with its present files",
	  .roles = FOR_ANY, .class = CLASS_KUBELET, .lane = "kubelet",
	  .condition = "KubeletRuns",
	  .needs = { "kubelet-identity", "tls-bootstrap", "kubelet-config",
		     "kubelet-instance-config", "kubelet-flags", "kubelet-drop-in" },
	  .triggers = { ON_UNIT(KUBELET_UNIT), ON_PATH(KUBELET_CONFIG), ON_PATH(KUBELET_CONF),
			ON_PATH("/var/lib/kubelet/kubeadm-flags.env") },
	  .observe = kubelet_observe, .apply = kubelet_apply },
	{ 0 },
};
/* clang-format on */
