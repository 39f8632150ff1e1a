/* Paths, labels and well-known names of the Kubernetes API, as kubeadm writes them: collections for
 * agentd/kube/client.h and the names that more than one row, or another tool, has to agree on. */
#pragma once

/* Collections. A path of an object is COLLECTION "/" NAME. */
#define KUBE_NODES	"/api/v1/nodes"
#define KUBE_PODS	"/api/v1/pods" /* of all namespaces: for a field selector */
#define KUBE_NAMESPACES "/api/v1/namespaces"
#define KUBE_CSRS	"/apis/certificates.k8s.io/v1/certificatesigningrequests"

#define KUBE_SYSTEM "kube-system"
#define KUBE_PUBLIC "kube-public"

#define KUBE_SYSTEM_PODS	     "/api/v1/namespaces/kube-system/pods"
#define KUBE_SYSTEM_CONFIG_MAPS	     "/api/v1/namespaces/kube-system/configmaps"
#define KUBE_SYSTEM_SECRETS	     "/api/v1/namespaces/kube-system/secrets"
#define KUBE_SYSTEM_SERVICES	     "/api/v1/namespaces/kube-system/services"
#define KUBE_SYSTEM_SERVICE_ACCOUNTS "/api/v1/namespaces/kube-system/serviceaccounts"
#define KUBE_SYSTEM_DEPLOYMENTS	     "/apis/apps/v1/namespaces/kube-system/deployments"
#define KUBE_SYSTEM_DAEMON_SETS	     "/apis/apps/v1/namespaces/kube-system/daemonsets"
#define KUBE_SYSTEM_LEASES	     "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
#define KUBE_SYSTEM_BUDGETS	     "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets"
#define KUBE_SYSTEM_ROLES	     "/apis/" KUBE_RBAC_V1 "/namespaces/kube-system/roles"
#define KUBE_SYSTEM_ROLE_BINDINGS    "/apis/" KUBE_RBAC_V1 "/namespaces/kube-system/rolebindings"
#define KUBE_PUBLIC_CONFIG_MAPS	     "/api/v1/namespaces/kube-public/configmaps"
#define KUBE_PUBLIC_ROLES	     "/apis/" KUBE_RBAC_V1 "/namespaces/kube-public/roles"
#define KUBE_PUBLIC_ROLE_BINDINGS    "/apis/" KUBE_RBAC_V1 "/namespaces/kube-public/rolebindings"
#define KUBE_CLUSTER_ROLES	     "/apis/" KUBE_RBAC_V1 "/clusterroles"
#define KUBE_CLUSTER_ROLE_BINDINGS   "/apis/" KUBE_RBAC_V1 "/clusterrolebindings"
#define KUBE_DEFAULT_EVENTS	     "/api/v1/namespaces/default/events"
#define KUBE_NODE_LEASES	     "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

#define KUBE_READYZ  "/readyz"
#define KUBE_LIVEZ   "/livez"
#define KUBE_VERSION "/version"

/* apiVersions. */
#define KUBE_RBAC	     "rbac.authorization.k8s.io"
#define KUBE_RBAC_V1	     KUBE_RBAC "/v1"
#define KUBE_APPS_V1	     "apps/v1"
#define KUBE_POLICY_V1	     "policy/v1"
#define KUBE_CERTIFICATES_V1 "certificates.k8s.io/v1"

/* Objects that kubeadm made famous. */
#define KUBE_KUBEADM_CONFIG "kubeadm-config"
#define KUBE_KUBELET_CONFIG "kubelet-config"
#define KUBE_CLUSTER_INFO   "cluster-info"
#define KUBE_KUBE_PROXY	    "kube-proxy"
#define KUBE_COREDNS	    "coredns"
#define KUBE_KUBE_DNS	    "kube-dns"

#define KUBE_TOKEN_SECRET_PREFIX "bootstrap-token-"
#define KUBE_TOKEN_SECRET_TYPE	 "bootstrap.kubernetes.io/token"
#define KUBE_JWS_PREFIX		 "jws-kubeconfig-"

/* Signers of certificate requests. */
#define KUBE_SIGNER_CLIENT_KUBELET  "kubernetes.io/kube-apiserver-client-kubelet"
#define KUBE_SIGNER_KUBELET_SERVING "kubernetes.io/kubelet-serving"

/* Users and groups. */
#define KUBE_GROUP_MASTERS	 "system:masters"
#define KUBE_GROUP_NODES	 "system:nodes"
#define KUBE_GROUP_BOOTSTRAPPERS "system:bootstrappers"
#define KUBE_GROUP_TOKEN_DEFAULT "system:bootstrappers:kubeadm:default-node-token"
#define KUBE_GROUP_AGENTD	 "agentd:control-plane"
#define KUBE_USER_AGENTD_PREFIX	 "agentd:"
#define KUBE_USER_NODE_PREFIX	 "system:node:"
#define KUBE_USER_ANONYMOUS	 "system:anonymous"

/* Labels, taints and annotations. */
#define KUBE_LABEL_HOSTNAME	 "kubernetes.io/hostname"
#define KUBE_LABEL_ZONE		 "topology.kubernetes.io/zone"
#define KUBE_LABEL_CONTROL_PLANE "node-role.kubernetes.io/control-plane"
#define KUBE_LABEL_NO_LB	 "node.kubernetes.io/exclude-from-external-load-balancers"
#define KUBE_LABEL_APP		 "k8s-app"
#define KUBE_TAINT_PREFIX	 "node.kubernetes.io/" /* of taints that mirror conditions */
#define KUBE_CONFIG_HASH	 "kubernetes.io/config.hash"
#define KUBE_CONFIG_MIRROR	 "kubernetes.io/config.mirror"
