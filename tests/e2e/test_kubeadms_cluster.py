"""A worker of agentd in a cluster that the real kubeadm made."""

import checks
import kubeadm
import pytest
import roles

from lab import pki
from lab.documents import role_configuration, to_yaml


@pytest.fixture(scope="module")
def lab(new_lab):
    lab = new_lab()
    cp1, w1 = lab.add("cp1", "w1")
    token = kubeadm.init(lab, cp1)
    pin = pki.ca_hash(cp1.read("/etc/kubernetes/pki/ca.crt"))
    w1.write(roles.ROLE_FILE, to_yaml(role_configuration(
        "worker", endpoint=f"{cp1.address}:6443", token=token, caCertHashes=[pin],
    )), 0o600)
    return lab


def test_worker_becomes_ready(lab):
    lab.wait_for_node("w1")
    roles.wait_until_settled(lab["w1"])


def test_pod_on_the_worker_reaches_the_api(lab):
    checks.addons_are_ready(lab)
    checks.pod_reaches_the_api(lab, "w1")


def test_node_looks_like_one_that_kubeadm_joined(lab):
    w2 = lab.add("w2")[0]
    kubeadm.join(w2, lab["cp1"], lab["cp1"].run(["kubeadm", "token", "create"]).stdout.strip())
    lab.wait_for_node("w2")
    nodes = {node["metadata"]["name"]: node for node in lab.objects("nodes")["items"]}

    def shape(name):
        node = nodes[name]
        labels = {key: value.replace(name, "NODE") for key, value in node["metadata"]["labels"].items()}
        return labels, sorted(node["metadata"]["annotations"]), node["spec"].get("taints")

    assert shape("w1") == shape("w2")
    for path in ("/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env",
                 "/etc/kubernetes/pki/ca.crt"):
        assert lab["w1"].read(path) == lab["w2"].read(path), path


def test_worker_comes_back_after_a_reboot(lab):
    lab["w1"].reboot()
    lab.wait_for_node("w1")
