/* All resources, in dependency order. */
#pragma once

#include "agentd/engine/resource.h"

/* Pointers to the rows of every file of resources/, ending with NULL; made at the first call. */
const struct resource *const *resources_list(void);

/* One line for each file of resources/; each array ends with a row without a name. */
extern const struct resource clock_rows[];
extern const struct resource runtime_rows[];
extern const struct resource preflight_rows[];
extern const struct resource discovery_rows[];
extern const struct resource certificate_rows[];
extern const struct resource kubeconfig_rows[];
extern const struct resource identity_rows[];
extern const struct resource kubelet_config_rows[];
extern const struct resource static_pod_rows[];
extern const struct resource kubelet_unit_rows[];
extern const struct resource apiserver_rows[];
extern const struct resource cluster_config_rows[];
extern const struct resource token_rows[];
extern const struct resource cluster_info_rows[];
extern const struct resource node_identity_rows[];
extern const struct resource node_move_rows[];
extern const struct resource node_rows[];
extern const struct resource addon_rows[];
extern const struct resource etcd_member_rows[];
