"""What agentd makes of a document is what the real kubeadm makes of it, field by field.

The table in README under "Differences from kubeadm" names the fields that differ on purpose; a
difference that it does not name fails, and so does a row that no longer names a difference.
"""

import fnmatch
import re
from pathlib import Path

import kubeadm
import observe
import pytest
import roles

from lab.documents import control_plane_role, to_yaml
from lab.run import wait_until

README = Path(__file__).resolve().parent.parent.parent / "README.md"
TOKEN = "q7w2e3.r4t5y6u7i8o9p0a1"

# Each case changes the documents of a lab host; see control_plane_role for what they start from.
CASES = {
    "defaults": {},
    "names-and-networks": {"cluster": {
        "clusterName": "edge",
        "controlPlaneEndpoint": "cp1:6443",
        "networking": {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.112.0.0/16",
                       "dnsDomain": "edge.example"},
    }},
    "arguments-and-volumes": {"cluster": {
        "apiServer": {
            "certSANs": ["api.example.org", "192.0.2.7"],
            "extraArgs": [{"name": "audit-log-maxage", "value": "7"},
                          {"name": "profiling", "value": "false"}],
            "extraVolumes": [{"name": "audit", "hostPath": "/var/log/kubernetes",
                              "mountPath": "/var/log/kubernetes", "pathType": "DirectoryOrCreate"}],
        },
        "controllerManager": {
            "extraArgs": [{"name": "node-cidr-mask-size", "value": "25"}],
            "extraVolumes": [{"name": "time", "hostPath": "/etc/localtime", "mountPath": "/etc/localtime",
                              "readOnly": True, "pathType": "File"}],
        },
        "scheduler": {"extraArgs": [{"name": "v", "value": "1"}]},
    }},
    "keys-and-validity": {"cluster": {
        "encryptionAlgorithm": "ECDSA-P256",
        "certificateValidityPeriod": "2160h0m0s",
        "caCertificateValidityPeriod": "43800h0m0s",
        "certificatesDir": "/etc/kubernetes/certificates",
    }},
    "etcd": {"cluster": {"etcd": {"local": {
        "dataDir": "/var/lib/etcd/data",
        "extraArgs": [{"name": "snapshot-count", "value": "5000"}],
        "serverCertSANs": ["etcd.example.org"],
        "peerCertSANs": ["192.0.2.9"],
    }}}},
    "node": {"init": {
        "bootstrapTokens": [{"token": TOKEN, "ttl": "2h0m0s", "description": "first workers",
                             "usages": ["authentication", "signing"],
                             "groups": ["system:bootstrappers:kubeadm:default-node-token"]}],
        "nodeRegistration": {
            "name": "first", "taints": [],
            "kubeletExtraArgs": [{"name": "node-labels", "value": "example.org/zone=a"},
                                 {"name": "v", "value": "1"}],
        },
    }, "kubelet": {"maxPods": 77, "serverTLSBootstrap": False}, "proxy": {"mode": "nftables"}},
}


@pytest.fixture(scope="module")
def lab(new_lab):
    return new_lab()


@pytest.fixture(scope="module")
def seen():
    """The differences of all cases that ran."""
    return set()


@pytest.mark.parametrize("case", CASES)
def test_every_field_is_kubeadms(lab, seen, case):
    expected = bring_up(lab, case, by_kubeadm)
    actual = bring_up(lab, case, by_agentd)
    found = observe.differences(expected, actual)
    seen |= set(found)
    unnamed = {key: values for key, values in found.items() if not is_named(key)}
    assert not unnamed, "\n".join(
        f"{key}\n  kubeadm: {theirs}\n  agentd:  {ours}" for key, (theirs, ours) in unnamed.items()
    )


def test_every_row_of_the_table_names_a_difference(seen):
    assert [row for row in named_differences()
            if not any(fnmatch.fnmatchcase(key, row) for key in seen)] == []


def bring_up(lab, case, how):
    lab.remove_hosts()
    cp1 = lab.add("cp1")[0]
    changes = CASES[case]
    documents = control_plane_role(cp1, lab.version, TOKEN, changes.get("cluster", {}))
    init, cluster, kubelet, proxy = documents
    registration = init["nodeRegistration"] | changes.get("init", {}).get("nodeRegistration", {})
    init |= changes.get("init", {}) | {"nodeRegistration": registration}
    kubelet |= changes.get("kubelet", {})
    proxy |= changes.get("proxy", {})
    how(lab, cp1, to_yaml(*documents))
    # Every Node begins with such a taint, which the controller-manager takes away once it is Ready.
    wait_until(
        lambda: "node.kubernetes.io/" not in lab.kubectl(
            "get", "nodes", "-o", "jsonpath={.items[*].spec.taints[*].key}").stdout,
        timeout=120, every=0.2, what="the node lifecycle controller has seen the Node Ready",
    )
    return observe.control_plane(lab, cp1)


def by_kubeadm(lab, host, documents):
    host.write("/root/kubeadm.yaml", documents, 0o600)
    kubeadm.prepare(host)
    host.run(["kubeadm", "init", "--config=/root/kubeadm.yaml"], timeout=600)
    # It comes from the controller-manager, a moment after kubeadm has ended.
    wait_until(
        lambda: "jws-kubeconfig-" in lab.kubectl(
            "get", "configmap", "cluster-info", "-n", "kube-public", "-o", "yaml").stdout,
        timeout=60, every=0.2, what="cluster-info is signed",
    )


def by_agentd(_, host, documents):
    host.write(roles.ROLE_FILE, documents, 0o600)
    roles.wait_until_settled(host, timeout=300)


def is_named(key):
    return any(fnmatch.fnmatchcase(key, row) for row in named_differences())


def named_differences():
    """The first column of the table: `thing: field`, with * for any text."""
    section = re.search(r"^## Differences from kubeadm\n(.*?)(^## |\Z)", README.read_text(), re.M | re.S)
    assert section, "README has a section with the differences from kubeadm"
    rows = re.findall(r"^\| `([^`]+)` \|", section.group(1), re.M)
    # Brackets are part of a field's name here, not a set of characters.
    return [row.replace("[", "[[]") for row in rows]
