/* kubeadm's checks that protect a host, by its names and with its verdicts, before anything is
 * changed (kubeadm-behaviour.md, section 2). All findings at once, each with how to mend it. Once
 * the first change has begun the ports and folders are ours, and the row is in sync for good. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#include "agentd/facts.h"
#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "agentd/versions.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "discovery/kubeconfig.h"
#include "pki/cert.h"

enum { CPUS_MIN = 2, MEMORY_MIN_MB = 1700, KUBELET_SKEW = 3, LABEL_MAX = 63 };

struct findings {
	const struct context *ctx;
	struct why *why;
	unsigned errors;
};

static bool is_ignored(const struct role *role, const char *check)
{
	STRV_FOREACH(name, &role->node.ignore_preflight_errors)
		if (strcasecmp(name, check) == 0 || strcasecmp(name, "all") == 0)
			return true;
	return false;
}

static void find(struct findings *findings, bool is_error, const char *check, const char *format,
		 ...) PRINTF_LIKE(4, 5);
static void find(struct findings *findings, bool is_error, const char *check, const char *format,
		 ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	if (is_error && !is_ignored(findings->ctx->role, check)) {
		findings->errors++;
		why_add(findings->why, "[ERROR %s] %s", check, text);
	} else {
		why_add(findings->why, "[WARNING %s] %s", check, text);
	}
}

/* "/etc/kubernetes/ca.crt" -> "-etc-kubernetes-ca.crt", as kubeadm names its checks. */
static char *check_name(const char *type, const char *path)
{
	char *name = xasprintf("%s-%s", type, path);

	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '-';
	return name;
}

static void check_file_absent(struct findings *findings, const char *path, const char *advice)
{
	_cleanup_free_ char *real = context_path(findings->ctx, "%s", path);
	_cleanup_free_ char *check = check_name("FileAvailable", path);

	if (fs_exists(real))
		find(findings, true, check, "%s exists already: %s", path, advice);
}

static void check_directory_empty(struct findings *findings, const char *path, const char *advice)
{
	_cleanup_free_ char *real = context_path(findings->ctx, "%s", path);
	_cleanup_free_ char *check = check_name("DirAvailable", path);
	struct error err = ERROR_INIT;

	if (fs_is_empty_directory(real, &err) == 0)
		find(findings, true, check, "%s is not empty: %s", path, advice);
}

static bool port_is_free(uint16_t port)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1;

	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&any6, sizeof(any6)) == 0)
			return listen(fd, 1) == 0 || errno != EADDRINUSE;
		return errno != EADDRINUSE;
	}
	/* A host without IPv6. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&any4, sizeof(any4)) == 0 || errno != EADDRINUSE;
}

static void check_port(struct findings *findings, uint16_t port)
{
	char check[16];

	(void)snprintf(check, sizeof(check), "Port-%u", port);
	if (!port_is_free(port))
		find(findings, true, check,
		     "port %u is in use: stop what listens there (ss -ltnp 'sport = :%u')", port,
		     port);
}

static void check_cpus(struct findings *findings)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	count = CPU_COUNT(&set);
	if (count < CPUS_MIN)
		find(findings, true, "NumCPU", "the host has %d CPU, a control plane needs %d",
		     count, CPUS_MIN);
}

static void check_memory(struct findings *findings)
{
	struct sysinfo info;
	uint64_t megabytes;

	if (sysinfo(&info) < 0)
		return;
	megabytes = (uint64_t)info.totalram * info.mem_unit / MIB;
	if (megabytes < MEMORY_MIN_MB)
		find(findings, true, "Mem",
		     "the host has %llu MB of memory, a control plane needs %d",
		     (unsigned long long)megabytes, MEMORY_MIN_MB);
}

static void check_swap(struct findings *findings)
{
	_cleanup_free_ char *path = context_path(findings->ctx, "/proc/swaps");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	const char *line_end;

	if (!files_load(path, &text))
		return;
	line_end = strchr(text.data, '\n');
	if (line_end && line_end[1])
		find(findings, false, "Swap",
		     "swap is on: the kubelet refuses to start unless failSwapOn is false in "
		     "KubeletConfiguration; else stop the host's swap units");
}

static void check_sysctl(struct findings *findings, const char *path, const char *sysctl)
{
	_cleanup_free_ char *real = context_path(findings->ctx, "%s", path);
	_cleanup_free_ char *check = check_name("FileContent", path);
	_cleanup_(buf_done) struct buf text = BUF_INIT(KIB);

	if (!files_load(real, &text) || text.data[0] != '1')
		find(findings, true, check,
		     "%s is not 1: write `%s = 1` into /etc/sysctl.d/90-kubernetes.conf and run "
		     "sysctl --system",
		     path, sysctl);
}

static void check_forwarding(struct findings *findings)
{
	const struct role *role = findings->ctx->role;
	const char *texts[] = { role->advertise_address, role->cluster.service_subnet,
				role->cluster.pod_subnet, role->join.endpoint };
	bool v4 = false, v6 = false;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!texts[i])
			continue;
		/* An endpoint's port has a colon too, but only one. */
		v6 |= strchr(texts[i], ':') != strrchr(texts[i], ':');
		v4 |= strchr(texts[i], '.') != NULL;
	}
	if (v4 || !v6)
		check_sysctl(findings, "/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward");
	if (v6)
		check_sysctl(findings, "/proc/sys/net/ipv6/conf/default/forwarding",
			     "net.ipv6.conf.default.forwarding");
}

/* kubeadm's two verdicts; both only warn. */
static void check_hostname(struct findings *findings)
{
	const char *name = findings->ctx->role->node.name;
	const char *reason = facts_name_problem(findings->ctx);

	if (strlen(name) > LABEL_MAX)
		find(findings, false, "Hostname",
		     "the node's name %s is longer than %d characters: some labels and names of "
		     "pods cannot carry it; set nodeRegistration.name",
		     name, LABEL_MAX);
	if (reason)
		find(findings, false, "Hostname",
		     "the node's name does not resolve on this host (%s): add it to /etc/hosts or "
		     "to DNS",
		     reason);
}

static void check_kubelet(struct findings *findings)
{
	const struct context *ctx = findings->ctx;
	const struct unit_state *unit = units_get(ctx->units, KUBELET_UNIT);
	const char *wanted = ctx->role->cluster.kubernetes_version;
	unsigned kubelet = version_minor(ctx->kubelet_version);
	unsigned cluster = version_minor(wanted);

	if (!ctx->kubelet_version) {
		find(findings, true, "KubeletVersion",
		     "%s is not there or does not tell its version: install the kubelet",
		     ctx->settings->kubelet_binary);
		return;
	}
	if (cluster && kubelet > cluster)
		find(findings, true, "KubeletVersion",
		     "the kubelet %s is newer than the control plane %s: install a kubelet of that "
		     "version",
		     ctx->kubelet_version, wanted);
	if (kubelet + KUBELET_SKEW < (cluster ? cluster : VERSION_MINOR_MAX))
		find(findings, true, "KubeletVersion", "the kubelet %s is too old",
		     ctx->kubelet_version);
	if (unit->known && strcmp(unit->load_state, "not-found") == 0)
		find(findings, true, "Service-kubelet",
		     "there is no kubelet.service: install the kubelet's package");
}

/* What agentd.service may not write on this host, with the drop-in that would allow it. */
static void check_writable(struct findings *findings)
{
	const struct role *role = findings->ctx->role;
	const char *paths[] = { "/etc/kubernetes", "/var/lib/kubelet",
				role_is_control_plane(role) ? role->cluster.certificates_dir : NULL,
				role_is_control_plane(role) ? role->cluster.etcd_data_dir : NULL };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *real = NULL;
		_cleanup_free_ char *check = NULL;

		if (!paths[i])
			continue;
		real = context_path(findings->ctx, "%s", paths[i]);
		if (fs_is_writable(real))
			continue;
		check = check_name("Writable", paths[i]);
		find(findings, true, check,
		     "agentd.service may not write %s: `systemctl edit agentd`, write "
		     "[Service] and ReadWritePaths=%s, make the folder, systemctl restart agentd",
		     paths[i], paths[i]);
	}
}

/* A kubelet.conf of another cluster would be taken over silently. */
static void check_foreign_cluster(struct findings *findings)
{
	const struct context *ctx = findings->ctx;
	_cleanup_free_ char *path = context_path(ctx, KUBELET_CONF);
	_cleanup_free_ char *ca_path = files_pki(ctx, "ca.crt");
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(cert_unref) struct cert *theirs = NULL, *ours = NULL;
	struct error err = ERROR_INIT;

	if (kubeconfig_read(path, &config, &err) <= 0 || !config.ca_pem ||
	    cert_from_pem(config.ca_pem, strlen(config.ca_pem), &theirs, &err) < 0)
		return;
	if (files_load(ca_path, &text) && cert_from_pem(text.data, text.length, &ours, &err) >= 0 &&
	    cert_equal(ours, theirs))
		return;
	find(findings, true, "FileAvailable--etc-kubernetes-kubelet.conf",
	     KUBELET_CONF " is of another cluster (%s): remove it, or leave that cluster first "
			  "(kubeadm reset)",
	     config.server);
}

static void check_control_plane(struct findings *findings)
{
	static const char *const manifests[] = { "kube-apiserver", "kube-controller-manager",
						 "kube-scheduler", "etcd" };
	const struct role *role = findings->ctx->role;

	check_cpus(findings);
	check_memory(findings);
	check_port(findings, role->bind_port);
	check_port(findings, 10259);
	check_port(findings, 10257);
	for (size_t i = 0; i < ARRAY_SIZE(manifests); i++) {
		_cleanup_free_ char *path =
		    xasprintf("/etc/kubernetes/manifests/%s.yaml", manifests[i]);

		check_file_absent(findings, path,
				  "another control plane was here; remove it (kubeadm reset)");
	}
	check_foreign_cluster(findings);
	check_port(findings, 2379);
	check_port(findings, 2380);
	check_directory_empty(findings, role->cluster.etcd_data_dir,
			      "it holds another cluster's data; move it away");
}

static void check_worker(struct findings *findings)
{
	const struct role *role = findings->ctx->role;

	check_file_absent(findings, KUBELET_CONF,
			  "this host is in a cluster already; leave it first (kubeadm reset)");
	check_file_absent(findings, "/etc/kubernetes/bootstrap-kubelet.conf",
			  "another join is under way; finish or remove it");
	check_file_absent(findings, role->join.ca_cert_path,
			  "it is another cluster's CA; remove it");
}

static enum verdict preflight_observe(struct context *ctx, const struct resource *row,
				      struct why *why)
{
	struct findings findings = { .ctx = ctx, .why = why };

	(void)row;
	if (facts_has_begun(ctx))
		return IN_SYNC;
	if (role_is_control_plane(ctx->role))
		check_control_plane(&findings);
	else
		check_worker(&findings);
	check_port(&findings, 10250);
	check_forwarding(&findings);
	check_swap(&findings);
	check_hostname(&findings);
	check_kubelet(&findings);
	check_writable(&findings);
	if (findings.errors > 0)
		return BLOCKED;
	if (!facts_cgroup_driver(ctx)) {
		why_add(why, "waits for the container runtime at %s", ctx->role->node.cri_socket);
		return UNKNOWN;
	}
	return IN_SYNC;
}

/* clang-format off */
const struct resource preflight_rows[] = {
	{ .name = "preflight", .title = "the host is fit for its role, and nobody else's",
	  .roles = FOR_ANY, .needs = { "container-runtime", "node-name" },
	  .triggers = { ON_UNIT(KUBELET_UNIT) },
	  .observe = preflight_observe },
	{ 0 },
};
/* clang-format on */
