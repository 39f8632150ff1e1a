/* The bootstrap tokens of the role: each is made once per generation of the role; when it expires
 * or somebody deletes it, it stays gone. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/token_secret.h"
#include "common/alloc.h"

static bool was_made(const struct context *ctx, const struct resource *row, const char *id,
		     uint64_t generation)
{
	const char *made = ledger_note(ctx->ledger, row->name, id);
	char wanted[24];

	(void)snprintf(wanted, sizeof(wanted), "%" PRIu64, generation);
	return made && strcmp(made, wanted) == 0;
}

/* The first token of a role that has not been made yet; false if all have. */
static bool next_token(const struct context *ctx, const struct role *role,
		       const struct resource *row, struct token *ret, size_t *ret_index)
{
	for (size_t i = 0; i < role->tokens.count; i++) {
		_cleanup_(token_done) struct token token = { 0 };
		struct error err = ERROR_INIT;

		if (token_parse(role->tokens.items[i].token, &token, &err) < 0 ||
		    was_made(ctx, row, token.id, role->generation))
			continue;
		*ret = token;
		token = (struct token){ 0 };
		*ret_index = i;
		return true;
	}
	return false;
}

static enum verdict tokens_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	_cleanup_(token_done) struct token token = { 0 };
	size_t index;

	if (!next_token(ctx, ctx->role, row, &token, &index))
		return IN_SYNC;
	why_set(why, "bootstrap token %s has not been made yet", token.id);
	return DRIFTED;
}

struct making {
	char *id;
	struct value *secret;
};

static void making_free(void *state)
{
	struct making *making = state;

	free(making->id);
	value_unref(making->secret);
	free(making);
}

static struct op *tokens_create(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_(token_done) struct token token = { 0 };
	struct making *making;
	size_t index;

	if (!next_token(ctx, role_of(task), row_of(task), &token, &index))
		return NULL;
	if (!ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
		return NULL;
	}
	making = NEW(struct making);
	making->id = xstrdup(token.id);
	making->secret = token_secret_value(&token, &role_of(task)->tokens.items[index], NULL,
					    clock_wall(ctx->clock));
	run_keep(task, making, making_free);
	return kube_create(ctx->kube, KUBE_SYSTEM_SECRETS, making->secret);
}

/* One of this id that is there already gets what the role says, as kubeadm does. */
static int tokens_created(struct task *task, struct op *op, struct error *err)
{
	const struct error *error = op_error(op);

	(void)task;
	if (error && error->code != -EEXIST)
		return op_result(op, err);
	return STAGE_NEXT;
}

static struct op *tokens_update(struct task *task, struct error *err)
{
	const struct making *making = run_of(task)->state;
	_cleanup_free_ char *path = NULL;
	_cleanup_(value_unref) struct value *patch = NULL;

	(void)err;
	if (!making)
		return NULL;
	path = xasprintf(KUBE_SYSTEM_SECRETS "/" KUBE_TOKEN_SECRET_PREFIX "%s", making->id);
	patch = value_put(value_new_map(), "data", value_ref(value_get(making->secret, "data")));
	return kube_merge_patch(ctx_of(task)->kube, path, patch, KUBE_MANAGER_ONCE);
}

static int tokens_updated(struct task *task, struct op *op, struct error *err)
{
	const struct making *making = run_of(task)->state;
	struct context *ctx = ctx_of(task);
	char generation[24];

	(void)op;
	(void)err;
	(void)snprintf(generation, sizeof(generation), "%" PRIu64, role_of(task)->generation);
	ledger_set_note(ctx->ledger, row_of(task)->name, making->id, generation);
	return STAGE_NEXT;
}

/* One token a round: the row is observed again and the next one follows. */
static const struct stage tokens_apply[] = {
	{ "create the token's Secret", tokens_create, tokens_created, .timeout_s = 30,
	  .may_fail = true },
	{ "set what the role says", tokens_update, tokens_updated, .timeout_s = 30 },
	{ 0 },
};

/* clang-format off */
const struct resource token_rows[] = {
	{ .name = "bootstrap-tokens", .title = "the role's bootstrap tokens, each made once",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_TOKENS, .needs = { "apiserver" },
	  .triggers = { ON_OBJECT(TOKEN_SECRETS, NULL) },
	  .observe = tokens_observe, .apply = tokens_apply },
	{ 0 },
};
/* clang-format on */
