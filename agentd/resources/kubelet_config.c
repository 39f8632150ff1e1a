/* The kubelet's files: config.yaml, instance-config.yaml, kubeadm-flags.env, and a drop-in for its
 * unit where the package brings none (kubeadm-behaviour.md, section 6). */
#include <errno.h>
#include <string.h>

#include "agentd/facts.h"
#include "agentd/kube/names.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "agentd/schema/component.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "common/yaml.h"

#define INSTANCE_CONFIG "/var/lib/kubelet/instance-config.yaml"
#define FLAGS_ENV	"/var/lib/kubelet/kubeadm-flags.env"
#define DROP_IN		"/etc/systemd/system/kubelet.service.d/20-agentd.conf"
#define RESOLVED_CONF	"/run/systemd/resolve/resolv.conf"

/* The text that a row's file should have. Returns 0, or -EAGAIN with the reason in why while it
 * cannot be known. */
typedef int (*content_fn)(const struct context *ctx, const struct role *role, struct buf *ret,
			  struct why *why);

struct kept_file {
	const char *path;
	content_fn content;
};

/* config.yaml */

static bool resolved_is_active(const struct context *ctx)
{
	const struct unit_state *state = units_get(ctx->units, "systemd-resolved.service");

	return state->known && strcmp(state->active_state, "active") == 0;
}

/* What is this host's own and not the cluster's. */
static struct value *localize(const struct context *ctx, const struct role *role,
			      struct value *config)
{
	config =
	    value_put(config, "containerRuntimeEndpoint", value_new_string(role->node.cri_socket));
	if (!value_get(config, "resolvConf") && resolved_is_active(ctx))
		config = value_put(config, "resolvConf", value_new_string(RESOLVED_CONF));
	return value_sort_keys(config);
}

/* A control plane follows its role; the cluster's kubelet-config is made from the same. */
static struct value *config_of_role(const struct context *ctx, const struct role *role,
				    struct why *why)
{
	const char *driver = facts_cgroup_driver(ctx);

	if (!driver) {
		why_set(why, "the container runtime's cgroup driver is not known yet");
		return NULL;
	}
	return kubelet_config_make(role, driver, NULL);
}

static struct value *config_of_cluster(const struct context *ctx, struct why *why)
{
	const struct value *map = NULL;
	struct value *config = NULL;
	struct error err = ERROR_INIT;
	const char *text;

	switch (objects_get(ctx->objects, KUBE_SYSTEM_CONFIG_MAPS, KUBE_KUBELET_CONFIG, &map)) {
	case OBJECT_UNKNOWN:
		why_set(why, "ConfigMap kube-system/kubelet-config cannot be read now");
		return NULL;
	case OBJECT_MISSING:
		why_set(why, "ConfigMap kube-system/kubelet-config is missing in the cluster");
		return NULL;
	case OBJECT_FOUND:
		break;
	}
	text = value_string_or(value_at(map, "data", "kubelet"), "");
	if (yaml_parse_one(text, strlen(text), "kubelet-config", &config, &err) < 0) {
		why_set(why, "ConfigMap kube-system/kubelet-config: %s", err.message);
		return NULL;
	}
	return config;
}

static int config_content(const struct context *ctx, const struct role *role, struct buf *ret,
			  struct why *why)
{
	_cleanup_(value_unref) struct value *config = NULL;

	config = role_is_control_plane(role) ? config_of_role(ctx, role, why)
					     : config_of_cluster(ctx, why);
	if (!config)
		return -EAGAIN;
	config = localize(ctx, role, config);
	return yaml_write(config, ret);
}

static const struct kept_file config_file = { KUBELET_CONFIG, config_content };

/* instance-config.yaml */

static int instance_content(const struct context *ctx, const struct role *role, struct buf *ret,
			    struct why *why)
{
	(void)ctx;
	(void)why;
	return buf_printf(ret, "containerRuntimeEndpoint: \"%s\"\n", role->node.cri_socket);
}

static const struct kept_file instance_file = { INSTANCE_CONFIG, instance_content };

/* kubeadm-flags.env */

static bool is_overridden(const struct role_args *args, const char *name)
{
	for (size_t i = 0; i < args->count; i++)
		if (strcmp(args->items[i].name, name) == 0)
			return true;
	return false;
}

static void add_flag(struct buf *buf, const char *name, const char *value)
{
	(void)buf_printf(buf, "%s--%s=%s", buf->length > 0 ? " " : "", name, value);
}

/* Taints of a control plane are set by the control plane; a worker registers with its own. */
static void add_taints(const struct role *role, struct buf *flags)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);

	if (!role_is_worker(role) || role->node.taints.count == 0 ||
	    is_overridden(&role->node.kubelet_extra_args, "register-with-taints"))
		return;
	for (size_t i = 0; i < role->node.taints.count; i++) {
		const struct role_taint *taint = &role->node.taints.items[i];
		bool has_value = taint->value && taint->value[0];

		(void)buf_printf(&text, "%s%s%s%s:%s", i > 0 ? "," : "", taint->key,
				 has_value ? "=" : "", has_value ? taint->value : "",
				 taint->effect);
	}
	add_flag(flags, "register-with-taints", text.data);
}

/* As Go quotes a string: the unit's EnvironmentFile= reads it back. */
static void append_quoted(struct buf *buf, const char *text)
{
	(void)buf_append_char(buf, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)buf_append_char(buf, '\\');
		(void)buf_append_char(buf, *text);
	}
	(void)buf_append_char(buf, '"');
}

static int flags_content(const struct context *ctx, const struct role *role, struct buf *ret,
			 struct why *why)
{
	const struct role_args *extra = &role->node.kubelet_extra_args;
	_cleanup_(buf_done) struct buf flags = BUF_INIT(FILES_CAP);

	(void)why;
	if (!is_overridden(extra, "hostname-override") && !facts_is_hostname(ctx, role->node.name))
		add_flag(&flags, "hostname-override", role->node.name);
	add_taints(role, &flags);
	for (size_t i = 0; i < extra->count; i++)
		add_flag(&flags, extra->items[i].name, extra->items[i].value);
	(void)buf_append_string(ret, "KUBELET_KUBEADM_ARGS=");
	append_quoted(ret, flags.data);
	return buf_append_char(ret, '\n');
}

static const struct kept_file flags_file = { FLAGS_ENV, flags_content };

/* The drop-in, equivalent to the package's 10-kubeadm.conf. */

static const char drop_in_text[] =
    "# Written by agentd, because the kubelet's package brings no 10-kubeadm.conf.\n"
    "[Service]\n"
    "Environment=\"KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/"
    "bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf\"\n"
    "Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\n"
    "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"
    "EnvironmentFile=-/etc/default/kubelet\n"
    "EnvironmentFile=-/etc/sysconfig/kubelet\n"
    "ExecStart=\n"
    "ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS "
    "$KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n";

static int drop_in_content(const struct context *ctx, const struct role *role, struct buf *ret,
			   struct why *why)
{
	(void)ctx;
	(void)role;
	(void)why;
	return buf_append_string(ret, drop_in_text);
}

static const struct kept_file drop_in_file = { DROP_IN, drop_in_content };

static bool package_has_drop_in(const struct context *ctx)
{
	static const char *const directories[] = {
		"/etc/systemd/system",	   "/run/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system",
	};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_free_ char *path =
		    context_path(ctx, "%s/kubelet.service.d/10-kubeadm.conf", directories[i]);

		if (fs_exists(path))
			return true;
	}
	return false;
}

/* The rows. */

static enum verdict file_observe(struct context *ctx, const struct resource *row, struct why *why)
{
	const struct kept_file *file = row->data;
	_cleanup_free_ char *path = context_path(ctx, "%s", file->path);
	_cleanup_(buf_done) struct buf wanted = BUF_INIT(FILES_CAP);

	if (file->content(ctx, ctx->role, &wanted, why) < 0)
		return UNKNOWN;
	return files_observe(path, &wanted, 0644, why);
}

static enum verdict drop_in_observe(struct context *ctx, const struct resource *row,
				    struct why *why)
{
	return package_has_drop_in(ctx) ? IN_SYNC : file_observe(ctx, row, why);
}

static int file_write(struct task *task, struct op *op, struct error *err)
{
	const struct kept_file *file = row_of(task)->data;
	struct context *ctx = ctx_of(task);
	_cleanup_free_ char *path = context_path(ctx, "%s", file->path);
	_cleanup_(buf_done) struct buf wanted = BUF_INIT(FILES_CAP);
	char digest[FILE_DIGEST_SIZE];
	struct why why = { .text = "" };
	int r;

	(void)op;
	if (file->content(ctx, role_of(task), &wanted, &why) < 0)
		return error_set(err, ERROR_PENDING, -EAGAIN, "%s", why.text);
	r = files_replace(ctx, path, wanted.data, wanted.length, 0644, err);
	if (r < 0)
		return r;
	file_digest(wanted.data, wanted.length, digest);
	ledger_set_note(ctx->ledger, row_of(task)->name, "digest", digest);
	return STAGE_NEXT;
}

/* While the cluster's kubelet-config cannot be read, the file that we wrote from it is good enough
 * to start a stopped kubelet. */
static bool config_stands(struct context *ctx, const struct resource *row)
{
	const struct kept_file *file = row->data;
	const char *applied = ledger_note(ctx->ledger, row->name, "digest");
	_cleanup_free_ char *path = context_path(ctx, "%s", file->path);
	_cleanup_(buf_done) struct buf found = BUF_INIT(FILES_CAP);
	char digest[FILE_DIGEST_SIZE];

	if (!applied || !files_load(path, &found))
		return false;
	file_digest(found.data, found.length, digest);
	return strcmp(digest, applied) == 0;
}

static const struct stage file_apply[] = {
	{ "write the file", NULL, file_write },
	{ 0 },
};

static struct op *drop_in_reload(struct task *task, struct error *err)
{
	(void)err;
	return unit_daemon_reload(ctx_of(task)->bus);
}

static const struct stage drop_in_apply[] = {
	{ "write the file", NULL, file_write },
	{ "reload systemd", drop_in_reload, NULL },
	{ 0 },
};

/* Only a node that follows the cluster's configuration looks at it. */
static void config_objects(struct context *ctx, const struct resource *row,
			   struct trigger_list *ret)
{
	(void)row;
	if (role_is_worker(ctx->role))
		strv_add(&ret->objects, KUBE_SYSTEM_CONFIG_MAPS " " KUBE_KUBELET_CONFIG);
}

/* clang-format off */
const struct resource kubelet_config_rows[] = {
	{ .name = "kubelet-config", .title = "the kubelet's config.yaml", .data = &config_file,
	  .roles = FOR_ANY, .class = CLASS_KUBELET, .needs = { "preflight", "container-runtime", "tls-bootstrap" },
	  .triggers = { ON_PATH(KUBELET_CONFIG), READS_LIST(config_objects),
			READS_UNIT("systemd-resolved.service") },
	  .observe = file_observe, .apply = file_apply, .stands = config_stands },
	{ .name = "kubelet-instance-config", .title = "the kubelet's instance-config.yaml",
	  .data = &instance_file, .roles = FOR_ANY, .class = CLASS_KUBELET, .needs = { "preflight" },
	  .triggers = { ON_PATH(INSTANCE_CONFIG) },
	  .observe = file_observe, .apply = file_apply },
	{ .name = "kubelet-flags", .title = "the kubelet's kubeadm-flags.env", .data = &flags_file,
	  .roles = FOR_ANY, .class = CLASS_KUBELET, .needs = { "preflight" }, .triggers = { ON_PATH(FLAGS_ENV) },
	  .observe = file_observe, .apply = file_apply },
	{ .name = "kubelet-drop-in", .title = "a drop-in for kubelet.service, where the package has none",
	  .data = &drop_in_file, .roles = FOR_ANY, .class = CLASS_KUBELET, .needs = { "preflight" },
	  .triggers = { ON_PATH(DROP_IN) },
	  .observe = drop_in_observe, .apply = drop_in_apply },
	{ 0 },
};
/* clang-format on */
