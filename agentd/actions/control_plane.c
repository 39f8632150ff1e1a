/* Who may be asked about the cluster; see control_plane.h. */
#include "agentd/actions/control_plane.h"

#include <errno.h>

int actions_need_control_plane(const struct context *ctx, const char *what, struct error *err)
{
	if (!ctx->role)
		return error_set(err, ERROR_CONFIG, -ENODATA, "this host has no role");
	if (!role_is_control_plane(ctx->role))
		return error_set(err, ERROR_CONFIG, -EOPNOTSUPP,
				 "%s on a control plane; this host is a %s", what,
				 role_kind_name(ctx->role->kind));
	if (!ctx->kube)
		return error_set(err, ERROR_NETWORK, -EAGAIN,
				 "agentd has no identity in the cluster yet: try again later");
	return 0;
}
