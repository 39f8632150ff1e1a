/* Name, addresses and clock of this host; see host.h. */
#include "agentd/host.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agentd/facts.h"
#include "agentd/schema/detect.h"
#include "common/alloc.h"
#include "config.h"

/* Less than this is a clock that is being kept right. */
enum { CLOCK_JUMP_S = 60 };

static int64_t offset_of(const struct host *host, int64_t wall_s)
{
	return wall_s - (int64_t)(clock_ns(host->ctx->clock) / NSEC_PER_SEC);
}

static void set_name(struct host *host, const char *name)
{
	(void)snprintf(host->name, sizeof(host->name), "%s", name);
	for (char *c = host->name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

void host_init(struct host *host, struct context *ctx, const char *name)
{
	*host = (struct host){ .ctx = ctx };
	set_name(host, name);
	ctx->hostname = host->name;
	ctx->built_s = AGENTD_BUILD_TIME;
	ctx->now = clock_wall(ctx->clock);
	host->clock_offset_s = offset_of(host, ctx->now);
}

static void addresses_changed(void *userdata)
{
	struct host *host = userdata;

	(void)engine_mark(host->engine, "node-address");
}

static void name_changed(void *userdata)
{
	struct host *host = userdata;
	char name[sizeof(host->name)] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		return;
	set_name(host, name);
	(void)engine_mark(host->engine, NULL);
}

/* Without a role there are no passes that would see it. */
static void clock_changed(void *userdata)
{
	struct host *host = userdata;

	host_pass(host, clock_wall(host->ctx->clock));
}

void host_watch(struct host *host, struct engine *engine)
{
	struct hostwatch_hooks hooks = {
		.addresses = addresses_changed,
		.name = name_changed,
		.clock = clock_changed,
		.userdata = host,
	};

	host->engine = engine;
	host->watch = hostwatch_new(host->ctx->loop, &hooks);
}

void host_done(struct host *host)
{
	host->watch = hostwatch_free(host->watch);
}

void host_pass(struct host *host, int64_t wall_s)
{
	struct context *ctx = host->ctx;
	int64_t offset = offset_of(host, wall_s);
	int64_t jump = offset - host->clock_offset_s;

	ctx->now = wall_s;
	host->clock_offset_s = offset;
	if (jump > -CLOCK_JUMP_S && jump < CLOCK_JUMP_S)
		return;
	ctx->clock_jump_s = jump;
	ctx->clock_jumped_ns = clock_ns(ctx->clock);
	/* Every date that rows wait for is as far away as before, but for the clock. */
	(void)engine_mark(host->engine, NULL);
	history_add(ctx->history, "ClockSet", "clock", "the clock was set %s by %lld s",
		    jump > 0 ? "ahead" : "back", (long long)(jump > 0 ? jump : -jump));
}

/* Whether a control plane that runs gets another address. */
static bool is_move(const struct context *ctx, const struct role *next)
{
	return role_is_control_plane(ctx->role) && role_is_control_plane(next) &&
	       facts_has_begun(ctx) &&
	       strcmp(ctx->role->advertise_address, next->advertise_address) != 0;
}

int host_check_address(const struct context *ctx, const struct role *next,
		       const struct role_host *role_host, struct error *err)
{
	int r;

	if (!is_move(ctx, next))
		return 0;
	r = detect_has_address(next->advertise_address, role_host, err);
	if (r == 0)
		return error_set(err, ERROR_CONFIG, -EADDRNOTAVAIL,
				 "localAPIEndpoint.advertiseAddress: %s is no address of this host",
				 next->advertise_address);
	return r < 0 ? r : 0;
}

void host_remember_address(const struct context *ctx, const struct role *next)
{
	const char *noted = ledger_note(ctx->ledger, "node-address", "former");
	_cleanup_(strv_done) struct strv all = STRV_INIT;
	_cleanup_free_ char *text = NULL;

	if (!is_move(ctx, next))
		return;
	strv_split(&all, noted ? noted : "", ' ');
	strv_add_unique(&all, ctx->role->advertise_address);
	text = strv_join(&all, " ");
	ledger_set_note(ctx->ledger, "node-address", "former", text);
	history_add(ctx->history, "Healed", "node-address",
		    "this control plane moved from %s to %s", ctx->role->advertise_address,
		    next->advertise_address);
}
