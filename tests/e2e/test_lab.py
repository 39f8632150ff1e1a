"""The lab itself works: the real kubeadm makes a cluster of two hosts."""

import checks
import kubeadm
import pytest


@pytest.fixture(scope="module")
def cluster(new_lab):
    lab = new_lab(with_agentd=False)
    cp1, w1 = lab.add("cp1", "w1")
    token = kubeadm.init(lab, cp1)
    kubeadm.join(w1, cp1, token)
    return lab


def test_both_nodes_become_ready(cluster):
    cluster.wait_for_node("cp1")
    cluster.wait_for_node("w1")


def test_addons_become_ready(cluster):
    checks.addons_are_ready(cluster)


def test_pod_on_the_worker_reaches_the_service_of_the_api(cluster):
    checks.pod_reaches_the_api(cluster, "w1")


def test_hosts_have_identities_of_their_own(cluster):
    ids = {host.read("/etc/machine-id") for host in cluster.hosts}
    assert len(ids) == 2


def test_nothing_leaves_the_lab(cluster):
    routes = cluster.network.run(["ip", "route"]).stdout
    assert "default" not in routes
    links = cluster.network.run(["ip", "-brief", "link"]).stdout.split("\n")
    names = {line.split()[0].split("@")[0] for line in links if line}
    assert names == {"lo", "lab0", "vb-cp1", "vb-w1"}


def test_host_comes_back_after_a_reboot(cluster):
    w1 = cluster["w1"]
    before = w1.read("/proc/sys/kernel/random/boot_id")
    w1.reboot()
    assert w1.read("/proc/sys/kernel/random/boot_id") != before
    cluster.wait_for_node("w1")


def test_host_takes_user_data_by_cloud_init(cluster):
    user_data = (
        "#cloud-config\nwrite_files:\n"
        "- {path: /etc/from-user-data, permissions: '0600', content: hello}\n"
    )
    w2 = cluster.add("w2", before_boot=lambda host: host.seed_cloud_init(user_data))[0]
    w2.wait_for_cloud_init()
    assert w2.read("/etc/from-user-data") == "hello"
    assert w2.sh("hostname").stdout == "w2\n"
