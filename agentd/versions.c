/* The table of versions; see versions.h. */
#include "agentd/versions.h"

#include <stdint.h>
#include <string.h>

#include "common/parse.h"
#include "common/strv.h"

#define V1BETA4 "kubeadm.k8s.io/v1beta4"
#define V1	"kubeadm.k8s.io/v1"

/* clang-format off */
static const struct version versions[] = {
	{ 34, "3.6.5-0", "v1.12.1", "3.10.1", V1BETA4, "",         .flexvolume = true, .etcd_before_3_6 = true },
	{ 35, "3.6.6-0", "v1.13.1", "3.10.1", V1BETA4, "",         .flexvolume = true, .etcd_before_3_6 = true },
	{ 36, "3.6.8-0", "v1.14.2", "3.10.2", V1BETA4, "" },
	{ 37, "3.7.0-0", "v1.14.6", "3.10.2", V1,      "iptables" },
};
/* clang-format on */

unsigned version_minor(const char *kubernetes_version)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;
	uint64_t minor;

	strv_split(&parts, kubernetes_version ? kubernetes_version : "", '.');
	if (parts.count < 3 || strcmp(parts.items[0], "v1") != 0 ||
	    parse_u64(parts.items[1], &minor) < 0 || minor > UINT16_MAX)
		return 0;
	return (unsigned)minor;
}

const struct version *version_of(const char *kubernetes_version)
{
	unsigned minor = version_minor(kubernetes_version);

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (minor <= versions[i].minor)
			return &versions[i];
	return &versions[ARRAY_SIZE(versions) - 1];
}
