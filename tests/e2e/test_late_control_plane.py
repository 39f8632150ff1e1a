"""A worker that is there first, workers whose role comes by cloud-init, and two hosts of one name."""

import json
import time

import checks
import pytest
import roles
from lab.run import wait_until


@pytest.fixture(scope="module")
def cluster(new_lab, tmp_path_factory):
    lab = new_lab()
    lab.add("cp1", "w1")
    return roles.new_cluster(lab, tmp_path_factory.mktemp("late"))


def test_worker_waits_for_its_control_plane(cluster):
    lab = cluster.lab
    cluster.give_worker_role(lab["w1"])
    # This is the case itself and no wait for something: nobody answers for ten seconds.
    time.sleep(10)
    assert roles.agentctl(lab["w1"], "status", check=False).returncode != 0
    cluster.give_control_plane_role(lab["cp1"])
    lab.wait_for_node("cp1")
    lab.wait_for_node("w1")


def test_worker_gets_its_role_from_cloud_init(cluster):
    lab = cluster.lab
    user_data = roles.agentctl(
        lab["cp1"], "token", "create", "--print-join-command", "--role-file", "--cloud-init"
    ).stdout
    assert user_data.startswith("#cloud-config\n")

    w2 = lab.add("w2", before_boot=lambda host: host.seed_cloud_init(user_data))[0]
    lab.wait_for_node("w2")
    w2.wait_for_cloud_init()
    assert w2.sh(f"stat -c %a {roles.ROLE_FILE}").stdout.strip() == "600"
    checks.addons_are_ready(lab)


def wait_for_reason(host, *parts):
    said = None

    def is_said():
        nonlocal said
        said = roles.agentctl(host, "status", "-o", "json", check=False).stdout
        return all(part in said for part in parts)

    wait_until(is_said, timeout=120, every=0.2, what=f"agentd of {host} says {parts}",
               hint=lambda: said)


def test_a_node_of_another_host_is_taken_over_on_request_only(cluster):
    lab = cluster.lab
    registration = {"name": "w1", "kubeletExtraArgs": [{"name": "node-labels", "value": "second=yes"}]}

    def node():
        return lab.objects("node", "w1")

    first, second = lab["w1"], lab.add("w3")[0]
    uid, ids = node()["metadata"]["uid"], [host.read("/etc/machine-id").strip() for host in (first, second)]
    cluster.give_worker_role(second, registration=registration, replaceNode=True)
    wait_for_reason(second, "a node named w1 is in the cluster already", "), Ready: give this host")
    cluster.give_worker_role(second, registration=registration)
    first.power_off()
    # The controller would take 50 s to find that out.
    not_ready = {"status": {"conditions": [
        {"type": "Ready", "status": "False", "reason": "PoweredOff", "message": "by the test"}]}}
    lab.kubectl("patch", "node", "w1", "--subresource=status", "--patch", json.dumps(not_ready))
    roles.agentctl(second, "reconcile")
    wait_for_reason(second, "a node named w1 is in the cluster already", "), not Ready: give this host")
    assert node()["status"]["nodeInfo"]["machineID"] == ids[0]

    cluster.give_worker_role(second, registration=registration, replaceNode=True)
    wait_until(
        lambda: node()["status"]["nodeInfo"]["machineID"] == ids[1], timeout=120, every=0.5,
        what="the node is the second host's",
        hint=lambda: roles.agentctl(second, "status", check=False).stdout,
    )
    roles.wait_until_settled(second)
    taken = node()
    # It is the same Node, of another host: pods that were bound to it still are.
    assert taken["metadata"]["uid"] == uid
    ready = [entry["status"] for entry in taken["status"]["conditions"] if entry["type"] == "Ready"]
    assert ready == ["True"]
