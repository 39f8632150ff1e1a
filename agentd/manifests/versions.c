/* The table of versions; see versions.h. */
#include "agentd/manifests/versions.h"

#include <stdio.h>
#include <string.h>

#include "common/macros.h"

/* clang-format off */
static const struct version versions[] = {
	{ 34, "3.6.5-0", "v1.12.1", "3.10.1" },
	{ 35, "3.6.6-0", "v1.13.1", "3.10.1" },
	{ 36, "3.6.8-0", "v1.14.2", "3.10.2" },
	{ 37, "3.6.8-0", "v1.14.2", "3.10.2" },
};
/* clang-format on */

unsigned version_minor(const char *kubernetes_version)
{
	unsigned minor;

	if (!kubernetes_version || sscanf(kubernetes_version, "v1.%u.", &minor) != 1)
		return 0;
	return minor;
}

const struct version *version_of(const char *kubernetes_version)
{
	unsigned minor = version_minor(kubernetes_version);

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (minor <= versions[i].minor)
			return &versions[i];
	return &versions[ARRAY_SIZE(versions) - 1];
}
