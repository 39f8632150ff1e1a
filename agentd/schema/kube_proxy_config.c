/* The cluster's KubeProxyConfiguration; see component.h. */
#include <string.h>

#include "agentd/schema/component.h"
#include "agentd/versions.h"
#include "common/parse.h"

static const char base[] =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
    "kind: KubeProxyConfiguration\n"
    "bindAddressHardFail: false\n"
    "clientConnection:\n"
    "  {acceptContentTypes: \"\", burst: 0, contentType: \"\",\n"
    "   kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 0}\n"
    "clusterCIDR: \"\"\n"
    "configSyncPeriod: 0s\n"
    "conntrack:\n"
    "  {maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null,\n"
    "   tcpEstablishedTimeout: null, udpStreamTimeout: 0s, udpTimeout: 0s}\n"
    "detectLocal: {bridgeInterface: \"\", interfaceNamePrefix: \"\"}\n"
    "detectLocalMode: \"\"\n"
    "enableProfiling: false\n"
    "healthzBindAddress: \"\"\n"
    "hostnameOverride: \"\"\n"
    "iptables:\n"
    "  {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null,\n"
    "   minSyncPeriod: 0s, syncPeriod: 0s}\n"
    "ipvs:\n"
    "  {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: \"\", strictARP: false,\n"
    "   syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s}\n"
    "logging:\n"
    "  flushFrequency: 0\n"
    "  options:\n"
    "    json: {infoBufferSize: \"0\"}\n"
    "    text: {infoBufferSize: \"0\"}\n"
    "  verbosity: 0\n"
    "metricsBindAddress: \"\"\n"
    "mode: \"\"\n"
    "nftables:\n"
    "  {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}\n"
    "nodePortAddresses: null\n"
    "oomScoreAdj: null\n"
    "portRange: \"\"\n"
    "showHiddenMetricsForVersion: \"\"\n"
    "winkernel:\n"
    "  {enableDSR: false, forwardHealthCheckVip: false, networkName: \"\",\n"
    "   rootHnsEndpointName: \"\", sourceVip: \"\"}\n";

static const char *const durations[] = { "conntrack.tcpCloseWaitTimeout",
					 "conntrack.tcpEstablishedTimeout", NULL };
static const char *const omitted[] = { "windowsRunAsService", NULL };

static const struct component kube_proxy = {
	.base = base, .durations = durations, .omitted = omitted, .keeps_empty = true
};

/* Defaults count where the document says "" as well, which for Go is nothing. */
static struct value *set_default(struct value *config, const char *key, const char *text)
{
	if (*value_string_or(value_get(config, key), ""))
		return config;
	return value_put(config, key, value_new_string(text));
}

struct value *kube_proxy_config_make(const struct role *role)
{
	struct value *config =
	    component_merge(&kube_proxy, component_base(&kube_proxy), role->kube_proxy);
	bool v6 = role->advertise_address && strchr(role->advertise_address, ':');

	config = set_default(config, "bindAddress", v6 ? "::" : "0.0.0.0");
	config =
	    set_default(config, "mode", version_of(role->cluster.kubernetes_version)->proxy_mode);
	config = set_default(config, "clusterCIDR",
			     role->cluster.pod_subnet ? role->cluster.pod_subnet : "");
	if (!*value_string_or(value_at(config, "clientConnection", "kubeconfig"), ""))
		config =
		    value_put_at(config, value_new_string("/var/lib/kube-proxy/kubeconfig.conf"),
				 "clientConnection", "kubeconfig");
	return value_sort_keys(config);
}

int kube_proxy_config_check(const struct value *document, const struct value **ret_at,
			    struct error *err)
{
	return component_check(&kube_proxy, document, ret_at, err);
}
