/* The ClusterConfiguration that other members of the cluster read; see role.h. */
#include "agentd/schema/schema.h"
#include "agentd/versions.h"

struct value *role_cluster_document(const struct role *role)
{
	struct value *document =
	    schema_encode(schema_cluster_rows, &role->cluster, SCHEMA_REDACTED);

	/* The kubeadm of that version reads its own API; the fields are the same. */
	document =
	    value_put(document, "apiVersion",
		      value_new_string(version_of(role->cluster.kubernetes_version)->kubeadm_api));
	document =
	    value_put(document, "kind", value_new_string(schema_documents[SCHEMA_CLUSTER].kind));
	return value_sort_keys(document);
}
