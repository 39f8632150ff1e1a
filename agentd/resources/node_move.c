/* A control plane whose address changed. An address that was found out follows the host: the role
 * gets the new one, and then every row that depends on it drifts and is mended in dependency order:
 * certificates, etcd and API server, kubeconfigs, the kubelet, cluster-info. What is left is what
 * kube-proxy was told once, and it is told again here. An address that the role names stays. */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/kube/names.h"
#include "agentd/resources.h"
#include "agentd/resources/identity_rules.h"
#include "agentd/schema/detect.h"
#include "common/alloc.h"

/* The address. */

/* A lease that is renewed, or a link that flaps, has its address back within so long. */
enum { SETTLE_S = 5 };

static struct role_host host_of(const struct context *ctx)
{
	return (struct role_host){
		.root = ctx->settings->root,
		.addresses = ctx->addresses,
		.address_count = ctx->address_count,
	};
}

static const char *node_ip_of(const struct role *role)
{
	const struct role_args *args = &role->node.kubelet_extra_args;
	const char *found = NULL;

	for (size_t i = 0; i < args->count; i++)
		if (strcmp(args->items[i].name, "node-ip") == 0)
			found = args->items[i].value;
	return found;
}

static bool is_present(const struct context *ctx, const char *address)
{
	struct role_host host = host_of(ctx);
	struct error err = ERROR_INIT;

	/* Where the host cannot be asked, or it is no single address, nothing is known against it.
	 */
	return detect_has_address(address, &host, &err) != 0;
}

/* What would be found out now; NULL while there is nothing. */
static char *other_address(const struct context *ctx)
{
	struct role_host host = host_of(ctx);
	struct error err = ERROR_INIT;
	char *found = NULL;

	return detect_advertise_address(NULL, &host, &found, &err) < 0 ? NULL : found;
}

/* The address that is looked at: the first one that is gone. */
static const char *look(const struct context *ctx, struct identity_address *ret, char **ret_other)
{
	const struct role *role = ctx->role;
	const char *node_ip = node_ip_of(role);
	const char *address = role->advertise_address;

	*ret = (struct identity_address){ .known = address != NULL,
					  .is_named = !role->address_is_found,
					  .is_present = !address || is_present(ctx, address) };
	if (node_ip && ret->is_present) {
		address = node_ip;
		*ret = (struct identity_address){ .known = true,
						  .is_named = true,
						  .is_present = is_present(ctx, node_ip) };
	}
	if (ret->known && !ret->is_present)
		*ret_other = other_address(ctx);
	ret->has_other = *ret_other != NULL;
	return address;
}

static enum verdict address_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	_cleanup_free_ char *other = NULL;
	struct identity_address seen;
	const char *address = look(ctx, &seen, &other);

	(void)row;
	switch (identity_address_decide(&seen)) {
	case IDENTITY_STAY:
		return IN_SYNC;
	case IDENTITY_WAIT:
		why_reason(why, "AddressGone");
		why_set(why,
			"this host does not have its address %s, and no other that could take its "
			"place yet",
			address);
		return UNKNOWN;
	case IDENTITY_TELL:
		why_reason(why, "AddressChanged");
		why_set(why,
			"the role names the address %s, which this host does not have%s%s: give "
			"it back, or name another one in the role (%s)",
			address, other ? "; it has " : "", other ? other : "",
			address == ctx->role->advertise_address
			    ? "localAPIEndpoint.advertiseAddress"
			    : "nodeRegistration.kubeletExtraArgs, node-ip");
		return BLOCKED;
	case IDENTITY_MOVE:
		break;
	}
	why_reason(why, "AddressChanged");
	why_set(why, "this host does not have its address %s any more, but %s", address, other);
	return DRIFTED;
}

static struct op *address_settle(struct task *task, struct error *err)
{
	(void)err;
	return op_new_sleep(ctx_of(task)->loop, SETTLE_S * NSEC_PER_SEC);
}

static int address_move(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *other = NULL;
	struct identity_address seen;

	(void)op;
	(void)look(ctx, &seen, &other);
	if (identity_address_decide(&seen) != IDENTITY_MOVE)
		return STAGE_END;
	return ctx->move_address(ctx, other, err);
}

static const struct stage address_apply[] = {
	{ "wait whether the address comes back", address_settle, NULL },
	{ "take the new address", NULL, address_move },
	{ 0 },
};

/* kube-proxy, which was told the API server's address once: its ConfigMap is the administrator's,
 * but for an address that has been ours and is no more. */

#define PROXY_CONFIG	    "kubeconfig.conf"
#define ENDPOINT_ANNOTATION "agentd.io/endpoint"

/* Where text names a server that was this control plane; *ret_length is of the URL. */
static const char *find_former(const struct context *ctx, const char *text, size_t *ret_length)
{
	const char *noted = ledger_note(ctx->ledger, "node-address", "former");
	_cleanup_(strv_done) struct strv former = STRV_INIT;

	strv_split(&former, noted ? noted : "", ' ');
	STRV_FOREACH(address, &former) {
		_cleanup_(buf_done) struct buf url = BUF_INIT(512);
		const char *found;

		if (strcmp(address, ctx->role->advertise_address) == 0)
			continue;
		(void)buf_append_string(&url, "https://");
		format_host_port(address, ctx->role->bind_port, &url);
		found = strstr(text, url.data);
		if (found) {
			*ret_length = url.length;
			return found;
		}
	}
	return NULL;
}

static enum verdict proxy_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct value *map = NULL;
	const char *text;
	size_t length;

	if (!ledger_note(ctx->ledger, "node-address", "former"))
		return IN_SYNC;
	if (objects_get(ctx->objects, KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBE_PROXY, &map) ==
	    OBJECT_UNKNOWN) {
		why_set(why, "the API server has not told yet");
		return UNKNOWN;
	}
	why_planned(why);
	text = value_string_or(value_at(map, "data", PROXY_CONFIG), "");
	if (find_former(ctx, text, &length)) {
		why_set(why, "kube-proxy talks to an address that this control plane has left");
		return DRIFTED;
	}
	if (!ledger_note(ctx->ledger, row->name, "restart"))
		return IN_SYNC;
	why_set(why, "kube-proxy has to be started with its new configuration");
	return DRIFTED;
}

static struct op *proxy_tell(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_(value_unref) struct value *patch = NULL;
	_cleanup_free_ char *server = role_cluster_server(role_of(task));
	_cleanup_free_ char *changed = NULL;
	const struct value *map = NULL;
	const char *text, *found;
	size_t length;

	(void)objects_get(ctx->objects, KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBE_PROXY, &map);
	text = value_string_or(value_at(map, "data", PROXY_CONFIG), "");
	found = find_former(ctx, text, &length);
	if (!found)
		return NULL;
	if (!ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
		return NULL;
	}
	changed = xasprintf("%.*s%s%s", (int)(found - text), text, server, found + length);
	ledger_set_note(ctx->ledger, row_of(task)->name, "restart", "yes");
	patch = value_put_at(value_new_map(), value_new_string(changed), "data", PROXY_CONFIG);
	return kube_merge_patch(ctx->kube, KUBE_SYSTEM_CONFIG_MAPS "/" KUBE_KUBE_PROXY, patch,
				KUBE_MANAGER_ONCE);
}

/* As `kubectl rollout restart` does it. */
static struct op *proxy_restart(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *server = role_cluster_server(role_of(task));
	_cleanup_(value_unref) struct value *patch = NULL;

	if (!ledger_note(ctx->ledger, row_of(task)->name, "restart"))
		return NULL;
	if (!ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
		return NULL;
	}
	patch = value_put_at(value_new_map(), value_new_string(server), "spec", "template",
			     "metadata", "annotations", ENDPOINT_ANNOTATION);
	return kube_merge_patch(ctx->kube, KUBE_SYSTEM_DAEMON_SETS "/" KUBE_KUBE_PROXY, patch,
				KUBE_MANAGER_ONCE);
}

static int proxy_restarted(struct task *task, struct op *op, struct error *err)
{
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *server = role_cluster_server(role_of(task));

	(void)op;
	(void)err;
	ledger_set_note(ctx->ledger, row_of(task)->name, "restart", NULL);
	history_add(ctx->history, "Healed", row_of(task)->name, "kube-proxy talks to %s now",
		    server);
	return STAGE_NEXT;
}

static const struct stage proxy_apply[] = {
	{ "tell kube-proxy the new address", proxy_tell, NULL },
	{ "restart kube-proxy", proxy_restart, proxy_restarted },
	{ 0 },
};

static bool proxy_is_wanted(const struct role *role)
{
	return !role->cluster.proxy_disabled;
}

/* clang-format off */
const struct resource node_move_rows[] = {
	{ .name = "node-address", .title = "this host has the address that others know it by",
	  .roles = FOR_ANY, .class = CLASS_NODE, .condition = "AddressPresent",
	  .observe = address_observe, .apply = address_apply },
	{ .name = "kube-proxy-endpoint", .title = "kube-proxy talks to no address that is left",
	  .roles = FOR_CONTROL_PLANE, .class = CLASS_ADDONS, .needs = { "agentd-rights" },
	  .wanted = proxy_is_wanted,
	  .triggers = { ON_OBJECT(KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBE_PROXY) },
	  .observe = proxy_observe, .apply = proxy_apply },
	{ 0 },
};
/* clang-format on */
