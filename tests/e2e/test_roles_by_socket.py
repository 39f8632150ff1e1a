"""Both roles through the socket alone: no role file is ever there."""

import json

import checks
import pytest
import roles


@pytest.fixture(scope="module")
def cluster(new_lab, tmp_path_factory):
    lab = new_lab()
    lab.add("cp1", "w1")
    return roles.new_cluster(lab, tmp_path_factory.mktemp("socket"))


def test_agentd_without_a_role_idles_and_says_so(cluster):
    for host in cluster.lab.hosts:
        host.wait_for_unit("agentd.service")
        assert "role" in roles.agentctl(host, "status", check=False).stdout
        assert not host.file_exists("/etc/kubernetes/pki")
        assert host.unit_property("kubelet.service", "ActiveState") != "active"


def test_roles_set_through_the_socket_make_both_nodes_ready(cluster):
    lab = cluster.lab
    cp1, w1 = lab["cp1"], lab["w1"]
    cp1.write("/run/cp1.yaml", cluster.control_plane_role(cp1), 0o600)
    roles.agentctl(cp1, "role", "set", "/run/cp1.yaml")
    cp1.run(["rm", "/run/cp1.yaml"])
    lab.wait_for_node("cp1")

    text = roles.agentctl(cp1, "token", "create", "--print-join-command", "--role-file").stdout
    w1.write("/run/w1.yaml", text, 0o600)
    roles.agentctl(w1, "role", "set", "/run/w1.yaml")
    w1.run(["rm", "/run/w1.yaml"])
    lab.wait_for_node("w1")
    for host in lab.hosts:
        assert not host.file_exists(roles.ROLE_FILE)
    checks.addons_are_ready(lab)


def test_roles_from_the_socket_survive_a_reboot(cluster):
    lab = cluster.lab
    for name in ("cp1", "w1"):
        lab[name].reboot()
        lab.wait_for_node(name)
        roles.wait_until_settled(lab[name])
        shown = json.loads(roles.agentctl(lab[name], "status", "-o", "json").stdout)
        assert shown["conditions"]


def test_reader_of_the_socket_sees_no_secret_and_changes_nothing(cluster):
    cp1 = cluster.lab["cp1"]
    cp1.sh("id reader >/dev/null 2>&1 || useradd --no-create-home --groups agentd reader")
    as_reader = ["setpriv", "--reuid=reader", "--regid=agentd", "--clear-groups"]
    shown = "".join(
        cp1.run([*as_reader, "agentctl", *words]).stdout
        for words in (["status", "-o", "json"], ["role", "show"], ["token", "list"])
    )
    assert cluster.token.split(".")[1] not in shown
    assert cp1.run([*as_reader, "agentctl", "reconcile"], check=False).returncode != 0


def test_stranger_cannot_reach_the_socket(cluster):
    result = cluster.lab["cp1"].run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "agentctl", "status"],
        check=False,
    )
    assert result.returncode != 0
