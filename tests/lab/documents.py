"""Role files and kubeadm documents for hosts of the lab.

What this machine asks of Kubernetes stands here once, for agentd and for the real kubeadm.
"""

import json
import re
import secrets
from pathlib import Path

from . import cgroup

KUBEADM = "kubeadm.k8s.io/v1beta4"
# kubeadm judges the kernel's configuration and control groups, which are this machine's.
IGNORED_CHECKS = ["SystemVerification"]
BAREWORD = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*")
# Words that YAML 1.1 takes for something else than text.
RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"}


def kubelet_configuration():
    document = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    if not cgroup.is_v2():
        document |= {"cgroupDriver": "cgroupfs", "failCgroupV1": False}
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        document |= {"failSwapOn": False}
    return document


def kube_proxy_configuration():
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        # The limit of connection tracking can only be set outside of network namespaces.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def cluster_configuration(version, **fields):
    return {
        "apiVersion": KUBEADM, "kind": "ClusterConfiguration", "kubernetesVersion": version, **fields
    }


def init_configuration(host, token=None, **fields):
    document = {
        "apiVersion": KUBEADM, "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": host.address},
        "nodeRegistration": node_registration(host),
    }
    if token:
        document["bootstrapTokens"] = [{"token": token}]
    return document | fields


def join_configuration(host, endpoint, token, ca_hash, **fields):
    return {
        "apiVersion": KUBEADM, "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": {
            "apiServerEndpoint": endpoint, "token": token, "caCertHashes": [ca_hash],
        }},
        "nodeRegistration": node_registration(host),
    } | fields


def node_registration(host):
    return {"name": host.name, "ignorePreflightErrors": list(IGNORED_CHECKS)}


def role_configuration(role, **fields):
    return {"apiVersion": "agentd.io/v1alpha1", "kind": "RoleConfiguration", "role": role, **fields}


def control_plane_role(host, version, token=None, cluster=None):
    """The documents that make a host of the lab a control plane, for agentd and kubeadm alike."""
    return [
        init_configuration(host, token),
        cluster_configuration(version, **(cluster or {})),
        kubelet_configuration(),
        kube_proxy_configuration(),
    ]


def new_token():
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    identifier = "".join(secrets.choice(alphabet) for _ in range(6))
    return f"{identifier}.{''.join(secrets.choice(alphabet) for _ in range(16))}"


def to_yaml(*documents):
    return "---\n".join("\n".join(block(document)) + "\n" for document in documents)


def block(value):
    """The lines of a mapping or list in block style."""
    lines = []
    pairs = value.items() if isinstance(value, dict) else [(None, item) for item in value]
    for key, item in pairs:
        start = "- " if key is None else f"{scalar(key)}:"
        if isinstance(item, (dict, list)) and item:
            inner = block(item)
            if key is None:
                lines += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
            else:
                lines += [start, *(f"  {line}" for line in inner)]
        else:
            lines.append(f"{start}{'' if key is None else ' '}{scalar(item)}")
    return lines


def scalar(value):
    if isinstance(value, str) and BAREWORD.fullmatch(value) and value.lower() not in RESERVED:
        return value
    # JSON's scalars and empty containers are YAML's too.
    return json.dumps(value)
