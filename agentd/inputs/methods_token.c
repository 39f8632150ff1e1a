/* The methods about bootstrap tokens; see methods.h. */
#include "agentd/inputs/methods_call.h"

struct token_delete {
	char *id;
};

/* clang-format off */
const struct decode_row methods_token_create_rows[] = {
	{ "ttl", DECODE_SECONDS, DECODE_FIELD(struct methods_token, ttl_s),
	  .present_offset = offsetof(struct methods_token, has_ttl),
	  .help = "how long it is good for; 0s = for ever",
	  .standard = "24h0m0s; 1h0m0s for one node" },
	{ "description", DECODE_STRING, DECODE_FIELD(struct methods_token, description),
	  .help = "for people" },
	{ "usages", DECODE_STRINGS, DECODE_FIELD(struct methods_token, usages),
	  .help = "signing, authentication", .standard = "signing, authentication" },
	{ "groups", DECODE_STRINGS, DECODE_FIELD(struct methods_token, groups),
	  .help = "groups that it authenticates as",
	  .standard = "system:bootstrappers:kubeadm:default-node-token" },
	{ "node", DECODE_STRING, DECODE_FIELD(struct methods_token, node),
	  .help = "the only node that may join with it, once" },
	{ "singleUse", DECODE_BOOL, DECODE_FIELD(struct methods_token, single_use),
	  .help = "for one node, whichever comes first" },
	{},
};

const struct decode_row methods_token_delete_rows[] = {
	{ "id", DECODE_STRING, DECODE_FIELD(struct token_delete, id), .flags = DECODE_REQUIRED | DECODE_NOT_PRINTED,
	  .help = "the token, or the six characters before its dot" },
	{},
};
/* clang-format on */

static struct value *created(const struct value *result)
{
	static const char *const keys[] = { "token",	"id",		"expiration",
					    "endpoint", "caCertHashes", NULL };

	return methods_copy_keys(result, keys);
}

void methods_token_create(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->token_create(target, hooks->userdata, &err), created, &err);
}

void methods_token_rotate(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->token_rotate(hooks->userdata, &err), created, &err);
}

static struct value *listed(const struct value *result, const char *const *keys)
{
	struct value *tokens = value_new_list();

	VALUE_FOREACH(i, result)
		tokens = value_append(tokens, methods_copy_keys(value_item(result, i), keys));
	return value_put(value_new_map(), "tokens", tokens);
}

static struct value *listed_for_readers(const struct value *result)
{
	static const char *const keys[] = { "id",   "expiration", "usages", "description", "groups",
					    "node", "singleUse",  "used",   NULL };

	return listed(result, keys);
}

static struct value *listed_for_root(const struct value *result)
{
	static const char *const keys[] = { "token",  "id",   "expiration", "usages", "description",
					    "groups", "node", "singleUse",  "used",   NULL };

	return listed(result, keys);
}

void methods_token_list(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->token_list(hooks->userdata, &err),
			   methods_call_may_change(call) ? listed_for_root : listed_for_readers,
			   &err);
}

static struct value *deleted(const struct value *result)
{
	static const char *const keys[] = { "id", NULL };

	return methods_copy_keys(result, keys);
}

void methods_token_delete(struct methods_call *call, const void *target)
{
	const struct methods_hooks *hooks = methods_call_hooks(call);
	const struct token_delete *parameters = target;
	struct error err = ERROR_INIT;

	methods_call_await(call, hooks->token_delete(parameters->id, hooks->userdata, &err),
			   deleted, &err);
}
