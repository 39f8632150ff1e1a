"""What a control plane has put into its API server by the time that a worker joins.

Tokens, cluster-info, the two ConfigMaps and their RBAC, by the names and in the texts of kubeadm.
"""

import base64

from fakestore import RBAC, RESOURCES

GROUP = RBAC.partition("/")[0]
DEFAULT_TOKENS = "system:bootstrappers:kubeadm:default-node-token"
SIGNING = "certificates.k8s.io:certificatesigningrequests"

KUBELET_CONFIG = """\
apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
    cacheUnauthorizedTTL: 0s
cgroupDriver: systemd
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
healthzBindAddress: 127.0.0.1
healthzPort: 10248
kind: KubeletConfiguration
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
"""

KUBEADM_CONFIG = """\
apiServer: {{}}
apiVersion: kubeadm.k8s.io/v1beta4
caCertificateValidityPeriod: 87600h0m0s
certificateValidityPeriod: 8760h0m0s
certificatesDir: /etc/kubernetes/pki
clusterName: kubernetes
controlPlaneEndpoint: {endpoint}
controllerManager: {{}}
dns: {{}}
encryptionAlgorithm: ECDSA-P256
etcd:
  local:
    dataDir: /var/lib/etcd
imageRepository: registry.k8s.io
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
networking:
  dnsDomain: cluster.local
  serviceSubnet: 10.96.0.0/12
proxy: {{}}
scheduler: {{}}
"""

CLUSTER_INFO = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: {server}
  name: ""
contexts: null
current-context: ""
kind: Config
users: null
"""


def kubeconfig_of(ca_pem, server):
    """The text of cluster-info."""
    return CLUSTER_INFO.format(ca=base64.b64encode(ca_pem).decode(), server=server)


def token_secret(token, expiration=None, groups=DEFAULT_TOKENS):
    token_id, _, secret = token.partition(".")
    data = {"token-id": token_id, "token-secret": secret, "usage-bootstrap-signing": "true",
            "usage-bootstrap-authentication": "true", "auth-extra-groups": groups}
    if expiration:
        data["expiration"] = expiration
    return {
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    }


def subject(name):
    kind = "User" if name == "system:anonymous" else "Group"
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def cluster_binding(name, role, group):
    return {"apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
            "subjects": [subject(group)]}


def reader(name, namespace, config_map, *readers):
    """A Role to get one ConfigMap, and its binding."""
    meta = {"name": name, "namespace": namespace}
    yield {"apiVersion": RBAC, "kind": "Role", "metadata": meta,
           "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"],
                      "resourceNames": [config_map]}]}
    yield {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta,
           "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
           "subjects": [subject(r) for r in readers]}


def config_map(namespace, name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace}, "data": data}


def objects(ca_pem, server, token):
    """Everything, in the order in which it has to be made."""
    endpoint = server.partition("://")[2]
    yield {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "kubeadm:get-nodes"},
           "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]}
    yield cluster_binding("kubeadm:get-nodes", "kubeadm:get-nodes", DEFAULT_TOKENS)
    yield cluster_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", DEFAULT_TOKENS)
    yield cluster_binding("kubeadm:node-autoapprove-bootstrap", f"system:{SIGNING}:nodeclient",
                          DEFAULT_TOKENS)
    yield cluster_binding("kubeadm:node-autoapprove-certificate-rotation",
                          f"system:{SIGNING}:selfnodeclient", "system:nodes")
    yield config_map("kube-system", "kubeadm-config",
                     ClusterConfiguration=KUBEADM_CONFIG.format(endpoint=endpoint))
    yield from reader("kubeadm:nodes-kubeadm-config", "kube-system", "kubeadm-config",
                      DEFAULT_TOKENS, "system:nodes")
    yield config_map("kube-system", "kubelet-config", kubelet=KUBELET_CONFIG)
    yield from reader("kubeadm:kubelet-config", "kube-system", "kubelet-config", "system:nodes",
                      DEFAULT_TOKENS)
    yield token_secret(token)
    yield config_map("kube-public", "cluster-info", kubeconfig=kubeconfig_of(ca_pem, server))
    yield from reader("kubeadm:bootstrap-signer-clusterinfo", "kube-public", "cluster-info",
                      "system:anonymous")


def make(api, token, server, signed):
    with open(api.ca_crt, "rb") as file:
        ca_pem = file.read()
    for obj in objects(ca_pem, server, token):
        resource = next(r for r in RESOURCES.values() if r.kind == obj["kind"]
                        and r.group_version == obj["apiVersion"])
        api.store.create(resource, obj["metadata"].get("namespace", ""), obj, "kubeadm")
    if signed:
        api.sign_cluster_info()
