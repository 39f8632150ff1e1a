/* The cluster's KubeletConfiguration; see component.h. */
#include <string.h>

#include "agentd/schema/component.h"
#include "common/alloc.h"
#include "common/parse.h"

enum { DNS_ADDRESS = 10 };

static const char base[] = "apiVersion: kubelet.config.k8s.io/v1beta1\n"
			   "kind: KubeletConfiguration\n"
			   "authentication:\n"
			   "  anonymous: {enabled: false}\n"
			   "  webhook: {cacheTTL: 0s, enabled: true}\n"
			   "  x509: {}\n"
			   "authorization:\n"
			   "  mode: Webhook\n"
			   "  webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}\n"
			   "cgroupDriver: systemd\n"
			   "containerRuntimeEndpoint: \"\"\n"
			   "cpuManagerReconcilePeriod: 0s\n"
			   "crashLoopBackOff: {}\n"
			   "evictionPressureTransitionPeriod: 0s\n"
			   "fileCheckFrequency: 0s\n"
			   "healthzBindAddress: 127.0.0.1\n"
			   "healthzPort: 10248\n"
			   "httpCheckFrequency: 0s\n"
			   "imageMaximumGCAge: 0s\n"
			   "imageMinimumGCAge: 0s\n"
			   "logging:\n"
			   "  flushFrequency: 0\n"
			   "  options:\n"
			   "    json: {infoBufferSize: \"0\"}\n"
			   "    text: {infoBufferSize: \"0\"}\n"
			   "  verbosity: 0\n"
			   "memorySwap: {}\n"
			   "nodeStatusReportFrequency: 0s\n"
			   "nodeStatusUpdateFrequency: 0s\n"
			   "rotateCertificates: true\n"
			   "runtimeRequestTimeout: 0s\n"
			   "shutdownGracePeriod: 0s\n"
			   "shutdownGracePeriodCriticalPods: 0s\n"
			   "staticPodPath: /etc/kubernetes/manifests\n"
			   "streamingConnectionIdleTimeout: 0s\n"
			   "syncFrequency: 0s\n"
			   "volumeStatsAggPeriod: 0s\n";

static const char *const durations[] = { "containerLogMonitorInterval", "cpuCFSQuotaPeriod",
					 "crashLoopBackOff.maxContainerRestartPeriod", NULL };
/* Fields without a pointer in Go, so that false and 0 are the same as nothing. */
static const char *const omitted[] = { "enableContentionProfiling",
				       "eventBurst",
				       "evictionMaxPodGracePeriod",
				       "kernelMemcgNotification",
				       "kubeAPIBurst",
				       "maxOpenFiles",
				       "maxPods",
				       "nodeLeaseDurationSeconds",
				       "podsPerCore",
				       "port",
				       "protectKernelDefaults",
				       "readOnlyPort",
				       "registryBurst",
				       "runOnce",
				       "serverTLSBootstrap",
				       NULL };

static const struct component kubelet = { .base = base,
					  .durations = durations,
					  .omitted = omitted };

/* The tenth address of the first service subnet. */
static struct value *cluster_dns(const struct role *role)
{
	_cleanup_free_ char *subnet =
	    xstrndup(role->cluster.service_subnet, strcspn(role->cluster.service_subnet, ","));
	char text[INET6_ADDRSTRLEN];
	struct parse_address address;
	struct parse_cidr cidr;
	int r;

	r = parse_cidr(subnet, &cidr);
	assert(r == 0);
	r = parse_cidr_nth(&cidr, DNS_ADDRESS, &address);
	/* A subnet of exactly ten addresses has no such one; kubeadm takes its default's then. */
	if (r < 0)
		return value_new_string("10.96.0.10");
	format_ip(&address, text);
	return value_new_string(text);
}

struct value *kubelet_config_make(const struct role *role, const char *cgroup_driver,
				  const char *resolv_conf)
{
	struct value *config = component_base(&kubelet);

	config = value_put(config, "clusterDNS", value_append(value_new_list(), cluster_dns(role)));
	config = value_put(config, "clusterDomain", value_new_string(role->cluster.dns_domain));
	config =
	    value_put_at(config, value_new_stringf("%s/ca.crt", role->cluster.certificates_dir),
			 "authentication", "x509", "clientCAFile");
	if (cgroup_driver)
		config = value_put(config, "cgroupDriver", value_new_string(cgroup_driver));
	if (resolv_conf)
		config = value_put(config, "resolvConf", value_new_string(resolv_conf));
	config = component_merge(&kubelet, config, role->kubelet);
	/* kubeadm cannot tell false from nothing here and always says true. */
	return value_put(config, "rotateCertificates", value_new_bool(true));
}

struct value *kubelet_config_for_node(struct value *config, const char *cri_socket)
{
	return value_put(config, "containerRuntimeEndpoint", value_new_string(cri_socket));
}

int kubelet_config_check(const struct value *document, const struct value **ret_at,
			 struct error *err)
{
	return component_check(&kubelet, document, ret_at, err);
}
