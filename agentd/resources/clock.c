/* Whether the host's clock can be believed, for everything that makes certificates. It never shows
 * less than when agentd was built, nor than the time that it last noted (/var/lib/agentd/clock,
 * once a day); and a leap ahead that nobody confirms counts only when it has lasted a minute. */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/identity_rules.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "common/parse.h"

#define SEEN_PATH    "/var/lib/agentd/clock"
#define SYNC_TARGET  "time-sync.target"
#define SYNCHRONIZED "/run/systemd/timesync/synchronized"

enum { DAY_S = 24 * 3600, NOTE_CAP = 64 };

/* The time noted last; 0 if there is none. */
static int64_t read_seen(const struct context *ctx)
{
	_cleanup_free_ char *path = context_path(ctx, SEEN_PATH);
	_cleanup_(buf_done) struct buf text = BUF_INIT(NOTE_CAP);
	int64_t seen = 0;

	if (!files_load(path, &text))
		return 0;
	text.data[strcspn(text.data, "\n")] = '\0';
	return parse_time(text.data, &seen) < 0 ? 0 : seen;
}

static bool is_synchronized(const struct context *ctx)
{
	const struct unit_state *state = units_get(ctx->units, SYNC_TARGET);
	_cleanup_free_ char *path = context_path(ctx, SYNCHRONIZED);

	return (state->known && strcmp(state->active_state, "active") == 0) || fs_exists(path);
}

static struct identity_clock look(const struct context *ctx)
{
	uint64_t since_ns = clock_ns(ctx->clock) - ctx->clock_jumped_ns;

	return (struct identity_clock){
		.now_s = ctx->now,
		.floor_s = MAX(ctx->built_s, read_seen(ctx)),
		.synchronized = is_synchronized(ctx),
		.jump_s = ctx->clock_jump_s,
		.since_jump_s = (int64_t)(since_ns / NSEC_PER_SEC),
	};
}

static enum verdict clock_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	struct identity_clock seen = look(ctx);
	int64_t noted = read_seen(ctx);
	char now[32], bound[32];

	(void)row;
	format_time(seen.now_s, now);
	format_time(seen.floor_s, bound);
	switch (identity_clock_decide(&seen)) {
	case IDENTITY_CLOCK_BEHIND:
		why_reason(why, "ClockBehind");
		why_set(why,
			"the clock shows %s, and it has been %s already: no certificate is made "
			"until it is set. If it is right, remove " SEEN_PATH,
			now, bound);
		return BLOCKED;
	case IDENTITY_CLOCK_JUMPED:
		why_reason(why, "ClockJump");
		why_set(why,
			"the clock was set ahead by %lld hours, to %s: no certificate is made "
			"until this has been so for %d s, or the time is synchronized",
			(long long)(seen.jump_s / 3600), now, IDENTITY_CLOCK_WAIT_S);
		return UNKNOWN;
	case IDENTITY_CLOCK_GOOD:
		break;
	}
	/* A note from the future comes from a clock that was wrong, and has been set right. */
	if (noted > 0 && noted <= seen.now_s + IDENTITY_BEHIND_S && noted > seen.now_s - DAY_S)
		return IN_SYNC;
	why_set(why, "the time is noted once a day");
	why_planned(why);
	return DRIFTED;
}

static int clock_note(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *path = context_path(ctx, SEEN_PATH);
	char now[32];
	int r;

	(void)op;
	format_time(clock_wall(ctx->clock), now);
	r = files_replace(ctx, path, now, strlen(now), 0600, err);
	return r < 0 ? r : STAGE_NEXT;
}

static const struct stage clock_apply[] = {
	{ "note the time", NULL, clock_note },
	{ 0 },
};

/* clang-format off */
const struct resource clock_rows[] = {
	{ .name = "clock", .title = "the clock is not behind, and did not leap ahead just now",
	  .roles = FOR_ANY, .condition = "ClockTrusted",
	  .triggers = { ON_UNIT(SYNC_TARGET), ON_PATH(SYNCHRONIZED), ON_PATH(SEEN_PATH),
			EVERY(6 * 3600) },
	  .observe = clock_observe, .apply = clock_apply },
	{ 0 },
};
/* clang-format on */
