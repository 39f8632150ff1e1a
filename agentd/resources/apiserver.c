/* agentd has its rights in the cluster, the API server of this control plane is ready, and every
 * object that gives the rights is kept. The rights come first and all at once, by a one-hour
 * administrator's certificate that exists in memory only, as soon as the server takes them: a
 * second or two before it is ready. After that each object is a row of its own. */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/manifests/render.h"
#include "agentd/resources.h"
#include "agentd/resources/object.h"
#include "common/alloc.h"

/* agentd's rights. */

#define RIGHTS_ROW   "agentd-rights"
#define RIGHTS_GIVEN "given"

/* clang-format off */
#define RIGHTS(of_kind, of_namespace, of_name, of_collection)                        \
	{ .collection = of_collection, .kind = of_kind, .namespace = of_namespace,   \
	  .name = of_name, .masters = true, .policy = binding_policy }

static const struct policy binding_policy[] = {
	{ "roleRef", POLICY_FIXED, NULL },
	{ "subjects", POLICY_MERGED, NULL },
	{ 0 },
};

static const struct object rights[] = {
	RIGHTS("ClusterRoleBinding", "", "kubeadm:cluster-admins", KUBE_CLUSTER_ROLE_BINDINGS),
	RIGHTS("ClusterRole", "", "agentd:control-plane", KUBE_CLUSTER_ROLES),
	RIGHTS("ClusterRoleBinding", "", "agentd:control-plane", KUBE_CLUSTER_ROLE_BINDINGS),
	RIGHTS("Role", KUBE_SYSTEM, "agentd:control-plane", KUBE_SYSTEM_ROLES),
	RIGHTS("RoleBinding", KUBE_SYSTEM, "agentd:control-plane", KUBE_SYSTEM_ROLE_BINDINGS),
	RIGHTS("Role", KUBE_PUBLIC, "agentd:control-plane", KUBE_PUBLIC_ROLES),
	RIGHTS("RoleBinding", KUBE_PUBLIC, "agentd:control-plane", KUBE_PUBLIC_ROLE_BINDINGS),
	RIGHTS("Role", KUBE_SYSTEM, "agentd:nodes", KUBE_SYSTEM_ROLES),
	RIGHTS("RoleBinding", KUBE_SYSTEM, "agentd:nodes", KUBE_SYSTEM_ROLE_BINDINGS),
};
/* clang-format on */

/* With the rights our watches work; without them they are denied. */
static enum verdict rights_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct error *error = objects_error(ctx->objects);

	if (!ledger_note(ctx->ledger, row->name, RIGHTS_GIVEN)) {
		why_set(why, "agentd has no rights in the cluster yet");
		return DRIFTED;
	}
	if (error && error->class == ERROR_DENIED) {
		why_set(why, "the API server denies: %s", error->message);
		return DRIFTED;
	}
	return IN_SYNC;
}

struct giving {
	struct kube *kube;
	size_t next;
};

static void giving_free(void *state)
{
	struct giving *giving = state;

	kube_free(giving->kube);
	free(giving);
}

/* The namespaces are the first that the server makes of what it needs, and the last that the rights
 * need. */
static struct op *rights_get_namespace(struct task *task, struct error *err)
{
	struct giving *giving = run_of(task)->state;

	if (!giving) {
		giving = NEW(struct giving);
		run_keep(task, giving, giving_free);
		giving->kube = facts_masters_client(ctx_of(task), err);
		if (!giving->kube)
			return NULL;
	}
	return kube_get(giving->kube, KUBE_NAMESPACES "/" KUBE_PUBLIC);
}

static int rights_got_namespace(struct task *task, struct op *op, struct error *err)
{
	(void)task;
	(void)err;
	return op_error(op) || !op_value(op) ? STAGE_AGAIN : STAGE_NEXT;
}

static struct op *rights_apply_next(struct task *task, struct error *err)
{
	struct giving *giving = run_of(task)->state;
	const struct object *object = &rights[giving->next];
	_cleanup_(value_unref) struct value *wanted = NULL;
	_cleanup_free_ char *path = NULL;

	(void)err;
	wanted = render_manifest(object->kind, object->namespace, object->name);
	path = xasprintf("%s/%s", object->collection, object->name);
	return kube_apply(giving->kube, path, wanted, KUBE_MANAGER, true);
}

static int rights_applied(struct task *task, struct op *op, struct error *err)
{
	struct giving *giving = run_of(task)->state;

	(void)op;
	(void)err;
	if (++giving->next < ARRAY_SIZE(rights))
		return STAGE_AGAIN;
	ledger_set_note(ctx_of(task)->ledger, row_of(task)->name, RIGHTS_GIVEN, "yes");
	return STAGE_NEXT;
}

static const struct stage rights_apply[] = {
	{ "await the API server", rights_get_namespace, rights_got_namespace, .again_ms = 100,
	  .timeout_s = 600, .may_fail = true },
	{ "give agentd its rights", rights_apply_next, rights_applied, .again_ms = 1 },
	{ 0 },
};

/* The API server is ready. */

static enum verdict apiserver_observe(struct context *ctx, const struct resource *row,
				      struct why *why)
{
	const struct error *error = objects_error(ctx->objects);

	(void)row;
	if (ctx->api_answers)
		return IN_SYNC;
	why_set(why, "the API server has not answered yet%s%s", error ? ": " : "",
		error ? error->message : "");
	return DRIFTED;
}

static struct op *apiserver_probe(struct task *task, struct error *err)
{
	struct context *ctx = ctx_of(task);

	if (!ctx->kube) {
		error_set(err, ERROR_PENDING, -EAGAIN, "agentd's certificate is not there yet");
		return NULL;
	}
	return kube_probe(ctx->kube, KUBE_READYZ);
}

static int apiserver_probed(struct task *task, struct op *op, struct error *err)
{
	(void)err;
	if (op_error(op))
		return STAGE_AGAIN;
	ctx_of(task)->api_answers = true;
	return STAGE_NEXT;
}

static const struct stage apiserver_apply[] = {
	{ "await /readyz", apiserver_probe, apiserver_probed, .again_ms = 100, .timeout_s = 600,
	  .may_fail = true },
	{ 0 },
};

/* clang-format off */
#define RIGHT(index, id) OBJECT(id, &rights[index], "apiserver")

const struct resource apiserver_rows[] = {
	{ .name = RIGHTS_ROW, .title = "agentd's identity has its rights in the cluster",
	  .roles = FOR_CONTROL_PLANE,
	  .needs = { "agentd-identity", "kubelet-unit", "static-pod-etcd",
		     "static-pod-kube-apiserver" },
	  .triggers = { EVERY(300) },
	  .observe = rights_observe, .apply = rights_apply },
	{ .name = "apiserver", .title = "the API server of this host answers /readyz",
	  .roles = FOR_CONTROL_PLANE, .needs = { RIGHTS_ROW },
	  .observe = apiserver_observe, .apply = apiserver_apply },
	RIGHT(0, "clusterrolebinding/kubeadm:cluster-admins"),
	RIGHT(1, "clusterrole/agentd:control-plane"),
	RIGHT(2, "clusterrolebinding/agentd:control-plane"),
	RIGHT(3, "role/kube-system/agentd:control-plane"),
	RIGHT(4, "rolebinding/kube-system/agentd:control-plane"),
	RIGHT(5, "role/kube-public/agentd:control-plane"),
	RIGHT(6, "rolebinding/kube-public/agentd:control-plane"),
	RIGHT(7, "role/kube-system/agentd:nodes"),
	RIGHT(8, "rolebinding/kube-system/agentd:nodes"),
	{ 0 },
};
/* clang-format on */
