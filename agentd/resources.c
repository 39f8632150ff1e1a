/* The list: all rows of all files of resources/, in dependency order. A new resource is one line
 * here, one in resources.h, and its file. */
#include "agentd/resources.h"

#include "common/alloc.h"

static const struct resource *const groups[] = {
	clock_rows,	  runtime_rows,	     preflight_rows,	 discovery_rows,
	certificate_rows, kubeconfig_rows,   identity_rows,	 kubelet_config_rows,
	static_pod_rows,  kubelet_unit_rows, apiserver_rows,	 cluster_config_rows,
	token_rows,	  cluster_info_rows, node_identity_rows, node_move_rows,
	node_rows,	  addon_rows,	     etcd_member_rows,
};

enum { ROWS_MAX = 128 };

const struct resource *const *resources_list(void)
{
	static const struct resource *list[ROWS_MAX + 1];
	size_t count = 0;

	if (list[0])
		return list;
	for (size_t group = 0; group < ARRAY_SIZE(groups); group++)
		for (const struct resource *row = groups[group]; row->name; row++) {
			assert(count < ROWS_MAX);
			list[count++] = row;
		}
	return list;
}
