"""A worker that is there first, and workers whose role comes by cloud-init."""

import time

import checks
import pytest
import roles


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
