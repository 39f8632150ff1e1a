/* The manifests of the static pods. A file that means the same to the kubelet is left as it is,
 * whoever formatted it; a manifest of another version is an upgrade and not drift. */
#include "agentd/manifests/static_pods.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/yaml.h"

#define MANIFESTS "/etc/kubernetes/manifests"

static const enum static_pod pods[] = { POD_ETCD, POD_API_SERVER, POD_CONTROLLER_MANAGER,
					POD_SCHEDULER };

static enum static_pod pod_of(const struct resource *row)
{
	return *(const enum static_pod *)row->data;
}

static char *path_of(const struct context *ctx, const struct resource *row)
{
	return context_path(ctx, MANIFESTS "/%s.yaml", static_pod_name(pod_of(row)));
}

/* Which folders with CA certificates this host had when the manifest was first written: one that
 * appears later must not restart the pod. */
static void ca_directories_of(const struct context *ctx, const struct resource *row,
			      struct strv *ret)
{
	const char *kept = ledger_note(ctx->ledger, row->name, "ca-directories");

	if (kept)
		strv_split(ret, kept, ':');
	else
		static_pod_ca_directories(ctx->settings->root, ret);
}

static struct value *wanted_pod(const struct context *ctx, const struct resource *row,
				const struct role *role)
{
	_cleanup_(strv_done) struct strv directories = STRV_INIT;

	ca_directories_of(ctx, row, &directories);
	return static_pod_render(pod_of(row), role, &directories);
}

static const char *image_of(const struct value *pod)
{
	const struct value *containers = value_at(pod, "spec", "containers");

	return value_string_or(value_get(value_item(containers, 0), "image"), "");
}

static enum verdict differs(const struct context *ctx, const struct resource *row,
			    const struct value *found, const struct value *wanted, const char *path,
			    struct why *why)
{
	_cleanup_(buf_done) struct buf where = BUF_INIT(256);

	(void)value_contains(found, wanted, &where);
	why_set(why, "%s differs at %s", path, where.length > 0 ? where.data : "what it adds");
	if (files_is_ours(ctx, row) && strcmp(image_of(found), image_of(wanted)) == 0)
		return DRIFTED;
	if (files_is_ours(ctx, row)) {
		why_set(why, "%s runs %s, the role says %s: somebody upgraded it", path,
			image_of(found), image_of(wanted));
		return BLOCKED;
	}
	why_add(why, "it is not agentd's: remove it, or mend it");
	return BLOCKED;
}

static enum verdict pod_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	_cleanup_free_ char *path = path_of(ctx, row);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(value_unref) struct value *found = NULL, *wanted = NULL;
	struct error err = ERROR_INIT;
	struct stat st;

	if (lstat(path, &st) < 0) {
		why_set(why, "%s is missing", path);
		return DRIFTED;
	}
	if (!files_load(path, &text) ||
	    yaml_parse_one(text.data, text.length, path, &found, &err) < 0) {
		why_set(why, "%s cannot be read: %s", path, err.message);
		return files_is_ours(ctx, row) ? DRIFTED : BLOCKED;
	}
	wanted = wanted_pod(ctx, row, ctx->role);
	if (!value_equal(found, wanted))
		return differs(ctx, row, found, wanted, path, why);
	return files_are_kept(path, 0600, why) ? IN_SYNC : DRIFTED;
}

static int pod_write(struct task *task, struct op *op, struct error *err)
{
	const struct resource *row = row_of(task);
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *path = path_of(ctx, row);
	_cleanup_free_ char *directory = context_path(ctx, MANIFESTS);
	_cleanup_free_ char *data = context_path(ctx, "%s", role_of(task)->cluster.etcd_data_dir);
	_cleanup_free_ char *joined = NULL;
	_cleanup_(strv_done) struct strv directories = STRV_INIT;
	_cleanup_(value_unref) struct value *pod = NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	int r;

	(void)op;
	ca_directories_of(ctx, row, &directories);
	joined = strv_join(&directories, ":");
	ledger_set_note(ctx->ledger, row->name, "ca-directories", joined);
	r = file_make_directory(directory, 0700, err);
	if (r >= 0 && pod_of(row) == POD_ETCD)
		r = file_make_directory(data, 0700, err);
	if (r < 0)
		return r;
	pod = wanted_pod(ctx, row, role_of(task));
	r = yaml_write(pod, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "%s cannot be written", path);
	r = files_replace(ctx, path, text.data, text.length, 0600, err);
	return r < 0 ? r : STAGE_NEXT;
}

static const struct stage pod_apply[] = {
	{ "write the manifest", NULL, pod_write },
	{ 0 },
};

/* clang-format off */
#define STATIC_POD(pod, file, ...)                                                   \
	{ .name = "static-pod-" file, .title = "the static pod " file,               \
	  .data = &pods[pod], .roles = FOR_CONTROL_PLANE, .class = CLASS_STATIC_PODS, \
	  .needs = { __VA_ARGS__ },                                                  \
	  .triggers = { ON_PATH(MANIFESTS "/" file ".yaml") },                       \
	  .observe = pod_observe, .apply = pod_apply }

const struct resource static_pod_rows[] = {
	STATIC_POD(POD_ETCD, "etcd", "certificate-etcd-server", "certificate-etcd-peer"),
	STATIC_POD(POD_API_SERVER, "kube-apiserver", "certificate-apiserver",
		   "certificate-apiserver-etcd-client", "certificate-apiserver-kubelet-client",
		   "certificate-front-proxy-ca", "certificate-front-proxy-client",
		   "service-account-key"),
	STATIC_POD(POD_CONTROLLER_MANAGER, "kube-controller-manager", "certificate-ca",
		   "certificate-front-proxy-ca", "service-account-key",
		   "kubeconfig-controller-manager"),
	STATIC_POD(POD_SCHEDULER, "kube-scheduler", "kubeconfig-scheduler"),
	{ 0 },
};
/* clang-format on */
