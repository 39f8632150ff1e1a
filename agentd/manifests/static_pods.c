/* Renders the four static pods; see static_pods.h. Their fixed parts stand in the YAML files beside
 * this one; here is what depends on the role: arguments, image, volumes, probe hosts, annotations.
 */
#include "agentd/manifests/static_pods.h"

#include <stdio.h>
#include <string.h>

#include "agentd/manifests/render.h"
#include "agentd/manifests/versions.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/names.h"
#include "common/parse.h"

static const char *const pod_names[] = {
	[POD_ETCD] = "etcd",
	[POD_API_SERVER] = "kube-apiserver",
	[POD_CONTROLLER_MANAGER] = "kube-controller-manager",
	[POD_SCHEDULER] = "kube-scheduler",
};

static const char *const ca_directory_names[][2] = {
	{ "etc-ca-certificates", "/etc/ca-certificates" },
	{ "etc-pki-ca-trust", "/etc/pki/ca-trust" },
	{ "etc-pki-tls-certs", "/etc/pki/tls/certs" },
	{ "usr-local-share-ca-certificates", "/usr/local/share/ca-certificates" },
	{ "usr-share-ca-certificates", "/usr/share/ca-certificates" },
};

const char *static_pod_name(enum static_pod pod)
{
	return names_text(pod_names, _POD_MAX, (int)pod);
}

/* Arguments: defaults sorted by name, those of the same name as an override left out, then the
 * overrides in their order (kubeadm app/util/arguments.go). */

struct args {
	struct strv names, values;
	const struct role_args *overrides;
};

static void args_done(struct args *args)
{
	strv_done(&args->names);
	strv_done(&args->values);
}
DEFINE_CLEANUP_VALUE(struct args, args_done)

static const char *override_of(const struct role_args *overrides, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < overrides->count; i++)
		if (strcmp(overrides->items[i].name, name) == 0)
			value = overrides->items[i].value;
	return value;
}

static void add(struct args *args, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
static void add(struct args *args, const char *name, const char *format, ...)
{
	va_list list;

	if (override_of(args->overrides, name))
		return;
	va_start(list, format);
	strv_add(&args->names, name);
	strv_add_take(&args->values, xvasprintf(format, list));
	va_end(list);
}

static struct value *command_of(const char *program, const struct args *args)
{
	_cleanup_(strv_done) struct strv lines = STRV_INIT;
	struct value *command = value_append(value_new_list(), value_new_string(program));

	for (size_t i = 0; i < args->names.count; i++)
		strv_addf(&lines, "--%s=%s", args->names.items[i], args->values.items[i]);
	strv_sort(&lines);
	STRV_FOREACH(line, &lines)
		command = value_append(command, value_new_string(line));
	for (size_t i = 0; i < args->overrides->count; i++)
		command = value_append(command,
				       value_new_stringf("--%s=%s", args->overrides->items[i].name,
							 args->overrides->items[i].value));
	return command;
}

static const char *address_for_url(const struct role *role, struct buf *buf)
{
	struct parse_address address;
	bool v6 = parse_ip(role->advertise_address, &address) == 0 && address.family == AF_INET6;

	buf_reset(buf);
	(void)buf_printf(buf, v6 ? "[%s]" : "%s", role->advertise_address);
	return buf->data;
}

static const char *loopback_of(const struct role *role)
{
	return strchr(role->advertise_address, ':') ? "::1" : "127.0.0.1";
}

static const char *loopback_for_url(const struct role *role)
{
	return strchr(role->advertise_address, ':') ? "[::1]" : "127.0.0.1";
}

static void etcd_args(const struct role *role, struct args *args)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(256);
	const char *host = address_for_url(role, &buf);
	const char *pki = role->cluster.certificates_dir;

	add(args, "advertise-client-urls", "https://%s:2379", host);
	add(args, "cert-file", "%s/etcd/server.crt", pki);
	add(args, "client-cert-auth", "true");
	add(args, "data-dir", "%s", role->cluster.etcd_data_dir);
	add(args, "feature-gates", "InitialCorruptCheck=true");
	add(args, "initial-advertise-peer-urls", "https://%s:2380", host);
	add(args, "initial-cluster", "%s=https://%s:2380", role->node.name, host);
	add(args, "key-file", "%s/etcd/server.key", pki);
	add(args, "listen-client-urls", "https://%s:2379,https://%s:2379", loopback_for_url(role),
	    host);
	add(args, "listen-metrics-urls", "http://%s:2381", loopback_for_url(role));
	add(args, "listen-peer-urls", "https://%s:2380", host);
	add(args, "name", "%s", role->node.name);
	add(args, "peer-cert-file", "%s/etcd/peer.crt", pki);
	add(args, "peer-client-cert-auth", "true");
	add(args, "peer-key-file", "%s/etcd/peer.key", pki);
	add(args, "peer-trusted-ca-file", "%s/etcd/ca.crt", pki);
	add(args, "snapshot-count", "10000");
	add(args, "trusted-ca-file", "%s/etcd/ca.crt", pki);
	add(args, "watch-progress-notify-interval", "5s");
}

char *static_pod_etcd_peer_urls(const struct role *role)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(256);
	const char *given =
	    override_of(&role->cluster.etcd_extra_args, "initial-advertise-peer-urls");

	if (given)
		return xstrdup(given);
	return xasprintf("https://%s:2380", address_for_url(role, &buf));
}

static void api_server_args(const struct role *role, struct args *args)
{
	const char *pki = role->cluster.certificates_dir;
	const char *etcd = override_of(&role->cluster.etcd_extra_args, "advertise-client-urls");

	add(args, "advertise-address", "%s", role->advertise_address);
	add(args, "allow-privileged", "true");
	if (!override_of(args->overrides, "authorization-config"))
		add(args, "authorization-mode", "Node,RBAC");
	add(args, "client-ca-file", "%s/ca.crt", pki);
	add(args, "enable-admission-plugins", "NodeRestriction");
	add(args, "enable-bootstrap-token-auth", "true");
	add(args, "etcd-cafile", "%s/etcd/ca.crt", pki);
	add(args, "etcd-certfile", "%s/apiserver-etcd-client.crt", pki);
	add(args, "etcd-keyfile", "%s/apiserver-etcd-client.key", pki);
	if (etcd)
		add(args, "etcd-servers", "%s", etcd);
	else
		add(args, "etcd-servers", "https://%s:2379", loopback_for_url(role));
	add(args, "kubelet-client-certificate", "%s/apiserver-kubelet-client.crt", pki);
	add(args, "kubelet-client-key", "%s/apiserver-kubelet-client.key", pki);
	add(args, "kubelet-preferred-address-types", "InternalIP,ExternalIP,Hostname");
	add(args, "proxy-client-cert-file", "%s/front-proxy-client.crt", pki);
	add(args, "proxy-client-key-file", "%s/front-proxy-client.key", pki);
	add(args, "requestheader-allowed-names", "front-proxy-client");
	add(args, "requestheader-client-ca-file", "%s/front-proxy-ca.crt", pki);
	add(args, "requestheader-extra-headers-prefix", "X-Remote-Extra-");
	add(args, "requestheader-group-headers", "X-Remote-Group");
	add(args, "requestheader-username-headers", "X-Remote-User");
	add(args, "secure-port", "%u", role->bind_port);
	add(args, "service-account-issuer", "https://kubernetes.default.svc.%s",
	    role->cluster.dns_domain);
	add(args, "service-account-key-file", "%s/sa.pub", pki);
	add(args, "service-account-signing-key-file", "%s/sa.key", pki);
	add(args, "service-cluster-ip-range", "%s", role->cluster.service_subnet);
	add(args, "tls-cert-file", "%s/apiserver.crt", pki);
	add(args, "tls-private-key-file", "%s/apiserver.key", pki);
}

static void controller_manager_args(const struct role *role, struct args *args)
{
	static const char conf[] = "/etc/kubernetes/controller-manager.conf";
	const char *pki = role->cluster.certificates_dir;

	if (role->cluster.pod_subnet) {
		add(args, "allocate-node-cidrs", "true");
		add(args, "cluster-cidr", "%s", role->cluster.pod_subnet);
		add(args, "service-cluster-ip-range", "%s", role->cluster.service_subnet);
	}
	add(args, "authentication-kubeconfig", "%s", conf);
	add(args, "authorization-kubeconfig", "%s", conf);
	add(args, "bind-address", "127.0.0.1");
	add(args, "client-ca-file", "%s/ca.crt", pki);
	add(args, "cluster-name", "%s", role->cluster.cluster_name);
	add(args, "cluster-signing-cert-file", "%s/ca.crt", pki);
	add(args, "cluster-signing-key-file", "%s/ca.key", pki);
	add(args, "controllers", "*,bootstrapsigner,tokencleaner");
	add(args, "kubeconfig", "%s", conf);
	add(args, "leader-elect", "true");
	add(args, "requestheader-client-ca-file", "%s/front-proxy-ca.crt", pki);
	add(args, "root-ca-file", "%s/ca.crt", pki);
	add(args, "service-account-private-key-file", "%s/sa.key", pki);
	add(args, "use-service-account-credentials", "true");
}

static void scheduler_args(const struct role *role, struct args *args)
{
	static const char conf[] = "/etc/kubernetes/scheduler.conf";

	add(args, "authentication-kubeconfig", "%s", conf);
	add(args, "authorization-kubeconfig", "%s", conf);
	add(args, "bind-address", "127.0.0.1");
	add(args, "kubeconfig", "%s", conf);
	add(args, "leader-elect", "true");
}

/* Volumes: sorted by name; a user's volume of the same name takes the place of ours. */

struct volumes {
	struct role_mount items[64];
	size_t count;
};

static void put_volume(struct volumes *volumes, const struct role_mount *mount)
{
	size_t at = 0;

	while (at < volumes->count && strcmp(volumes->items[at].name, mount->name) < 0)
		at++;
	if (at < volumes->count && strcmp(volumes->items[at].name, mount->name) == 0) {
		volumes->items[at] = *mount;
		return;
	}
	if (volumes->count == ARRAY_SIZE(volumes->items))
		return;
	memmove(&volumes->items[at + 1], &volumes->items[at],
		(volumes->count - at) * sizeof(volumes->items[0]));
	volumes->items[at] = *mount;
	volumes->count++;
}

static void put_path(struct volumes *volumes, const char *name, const char *path, const char *type,
		     bool read_only)
{
	put_volume(volumes, &(struct role_mount){
				.name = (char *)name,
				.host_path = (char *)path,
				.mount_path = (char *)path,
				.path_type = (char *)type,
				.read_only = read_only,
			    });
}

static struct value *mount_value(const struct role_mount *mount)
{
	struct value *map = value_new_map();

	map = value_put(map, "mountPath", value_new_string(mount->mount_path));
	map = value_put(map, "name", value_new_string(mount->name));
	return mount->read_only ? value_put(map, "readOnly", value_new_bool(true)) : map;
}

static struct value *volume_value(const struct role_mount *mount)
{
	struct value *path = value_put(value_new_map(), "path", value_new_string(mount->host_path));

	path = value_put(path, "type", value_new_string(mount->path_type ? mount->path_type : ""));
	return value_put(value_put(value_new_map(), "hostPath", path), "name",
			 value_new_string(mount->name));
}

static const char *ca_directory_name(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(ca_directory_names); i++)
		if (strcmp(ca_directory_names[i][1], path) == 0)
			return ca_directory_names[i][0];
	return NULL;
}

void static_pod_ca_directories(const char *root, struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(ca_directory_names); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", root, ca_directory_names[i][1]);

		if (fs_exists(path))
			strv_add(ret, ca_directory_names[i][1]);
	}
}

static void put_ca_volumes(struct volumes *volumes, const struct role *role,
			   const struct strv *ca_directories)
{
	put_path(volumes, "ca-certs", "/etc/ssl/certs", "DirectoryOrCreate", true);
	put_path(volumes, "k8s-certs", role->cluster.certificates_dir, "DirectoryOrCreate", true);
	STRV_FOREACH(path, ca_directories) {
		const char *name = ca_directory_name(path);

		if (name)
			put_path(volumes, name, path, "DirectoryOrCreate", true);
	}
}

/* The pod. */

static struct value *set_in_container(struct value *pod, const char *key, struct value *child)
{
	const struct value *list = value_at(pod, "spec", "containers");
	struct value *container = value_put(value_ref(value_item(list, 0)), key, child);
	struct value *containers = value_append(value_new_list(), container);

	return value_put_at(pod, containers, "spec", "containers");
}

static const struct value *container_of_pod(const struct value *pod)
{
	return value_item(value_at(pod, "spec", "containers"), 0);
}

/* A host of all addresses means "no host": the kubelet then asks the pod's own. */
static struct value *set_probe_host(struct value *pod, const char *host)
{
	static const char *const probes[] = { "livenessProbe", "readinessProbe", "startupProbe" };

	if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		return pod;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const struct value *old = value_get(container_of_pod(pod), probes[i]);
		struct value *probe, *get;

		if (!old)
			continue;
		get =
		    value_put(value_ref(value_get(old, "httpGet")), "host", value_new_string(host));
		probe = value_put(value_ref(old), "httpGet", value_sort_keys(get));
		pod = set_in_container(pod, probes[i], probe);
	}
	return pod;
}

/* How often the startup probe may fail before the kubelet restarts the container. */
static struct value *set_patience(struct value *pod, const struct role *role)
{
	const int64_t period_s = 10;
	int64_t times = (role->component_health_timeout_s + period_s - 1) / period_s;
	const struct value *old = value_get(container_of_pod(pod), "startupProbe");
	struct value *probe =
	    value_put(value_ref(old), "failureThreshold", value_new_int(times > 0 ? times : 1));

	return set_in_container(pod, "startupProbe", probe);
}

static struct value *set_port(struct value *pod, uint16_t port)
{
	const struct value *ports = value_get(container_of_pod(pod), "ports");
	struct value *first =
	    value_put(value_ref(value_item(ports, 0)), "containerPort", value_new_int(port));

	return set_in_container(pod, "ports", value_append(value_new_list(), first));
}

static struct value *set_volumes(struct value *pod, struct volumes *volumes,
				 const struct role_mounts *extra, bool etcd)
{
	struct value *mounts = value_new_list(), *list = value_new_list();

	for (size_t i = 0; extra && i < extra->count; i++)
		put_volume(volumes, &extra->items[i]);
	for (size_t i = 0; i < volumes->count; i++) {
		/* kubeadm mounts etcd's data before its certificates. */
		size_t at = etcd ? volumes->count - 1 - i : i;

		mounts = value_append(mounts, mount_value(&volumes->items[at]));
		list = value_append(list, volume_value(&volumes->items[i]));
	}
	pod = set_in_container(pod, "volumeMounts", mounts);
	return value_put_at(pod, list, "spec", "volumes");
}

struct value *static_pod_image(const struct role *role, const char *component)
{
	return value_new_stringf("%s/%s:%s", role->cluster.image_repository, component,
				 role->cluster.kubernetes_version);
}

struct value *static_pod_coredns_image(const struct role *role)
{
	const struct role_cluster *cluster = &role->cluster;
	const char *repository = cluster->dns_image_repository ? cluster->dns_image_repository
							       : cluster->image_repository;
	const char *tag = cluster->dns_image_tag ? cluster->dns_image_tag
						 : version_of(cluster->kubernetes_version)->coredns;
	/* The default repository keeps CoreDNS in a folder of its own. */
	bool is_default = strcmp(repository, "registry.k8s.io") == 0;

	return value_new_stringf("%s/%scoredns:%s", repository, is_default ? "coredns/" : "", tag);
}

static struct value *etcd_image(const struct role *role)
{
	const char *tag = role->cluster.etcd_image_tag;

	const char *repository = role->cluster.etcd_image_repository;

	return value_new_stringf("%s/etcd:%s",
				 repository ? repository : role->cluster.image_repository,
				 tag ? tag : version_of(role->cluster.kubernetes_version)->etcd);
}

static const char *bind_host(const struct role_args *args)
{
	const char *host = override_of(args, "bind-address");

	return host ? host : "127.0.0.1";
}

static struct value *annotate(struct value *pod, const char *key, struct value *text)
{
	return value_put_at(pod, text, "metadata", "annotations", key);
}

static struct value *finish(struct value *pod, const struct role *role, const char *name,
			    const struct args *args, struct value *image)
{
	pod = set_patience(pod, role);
	pod = set_in_container(pod, "command", command_of(name, args));
	pod = set_in_container(pod, "image", image);
	return value_sort_keys(pod);
}

static struct value *render_etcd(struct value *pod, const struct role *role)
{
	_cleanup_(args_done) struct args args = { .overrides = &role->cluster.etcd_extra_args };
	_cleanup_(buf_done) struct buf buf = BUF_INIT(256);
	_cleanup_free_ char *certs = xasprintf("%s/etcd", role->cluster.certificates_dir);
	struct volumes volumes = { .count = 0 };

	etcd_args(role, &args);
	put_path(&volumes, "etcd-data", role->cluster.etcd_data_dir, "DirectoryOrCreate", false);
	put_path(&volumes, "etcd-certs", certs, "DirectoryOrCreate", false);
	pod = set_volumes(pod, &volumes, NULL, true);
	pod = set_probe_host(pod, loopback_of(role));
	pod = annotate(pod, "kubeadm.kubernetes.io/etcd.advertise-client-urls",
		       value_new_stringf("https://%s:2379", address_for_url(role, &buf)));
	return finish(pod, role, "etcd", &args, etcd_image(role));
}

static struct value *render_api_server(struct value *pod, const struct role *role,
				       const struct strv *ca_directories)
{
	const struct role_component *component = &role->cluster.api_server;
	_cleanup_(args_done) struct args args = { .overrides = &component->extra_args };
	_cleanup_(buf_done) struct buf buf = BUF_INIT(256);
	struct volumes volumes = { .count = 0 };

	api_server_args(role, &args);
	put_ca_volumes(&volumes, role, ca_directories);
	pod = set_volumes(pod, &volumes, &component->extra_volumes, false);
	pod = set_probe_host(pod, role->advertise_address);
	pod = set_port(pod, role->bind_port);
	pod = annotate(pod, "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint",
		       value_new_stringf("%s:%u", address_for_url(role, &buf), role->bind_port));
	return finish(pod, role, "kube-apiserver", &args, static_pod_image(role, "kube-apiserver"));
}

static struct value *render_controller_manager(struct value *pod, const struct role *role,
					       const struct strv *ca_directories)
{
	const struct role_component *component = &role->cluster.controller_manager;
	_cleanup_(args_done) struct args args = { .overrides = &component->extra_args };
	struct volumes volumes = { .count = 0 };

	controller_manager_args(role, &args);
	put_ca_volumes(&volumes, role, ca_directories);
	put_path(&volumes, "kubeconfig", "/etc/kubernetes/controller-manager.conf", "FileOrCreate",
		 true);
	pod = set_volumes(pod, &volumes, &component->extra_volumes, false);
	pod = set_probe_host(pod, bind_host(&component->extra_args));
	return finish(pod, role, "kube-controller-manager", &args,
		      static_pod_image(role, "kube-controller-manager"));
}

static struct value *render_scheduler(struct value *pod, const struct role *role)
{
	const struct role_component *component = &role->cluster.scheduler;
	_cleanup_(args_done) struct args args = { .overrides = &component->extra_args };
	struct volumes volumes = { .count = 0 };

	scheduler_args(role, &args);
	put_path(&volumes, "kubeconfig", "/etc/kubernetes/scheduler.conf", "FileOrCreate", true);
	pod = set_volumes(pod, &volumes, &component->extra_volumes, false);
	pod = set_probe_host(pod, bind_host(&component->extra_args));
	return finish(pod, role, "kube-scheduler", &args, static_pod_image(role, "kube-scheduler"));
}

struct value *static_pod_render(enum static_pod pod, const struct role *role,
				const struct strv *ca_directories)
{
	struct value *base = render_manifest("Pod", "kube-system", static_pod_name(pod));

	switch (pod) {
	case POD_ETCD:
		return render_etcd(base, role);
	case POD_API_SERVER:
		return render_api_server(base, role, ca_directories);
	case POD_CONTROLLER_MANAGER:
		return render_controller_manager(base, role, ca_directories);
	case POD_SCHEDULER:
		return render_scheduler(base, role);
	case _POD_MAX:
		break;
	}
	abort();
}
