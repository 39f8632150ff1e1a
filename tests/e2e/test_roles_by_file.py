"""Both roles by file, and everything that a cluster of agentd has to bear afterwards.

The tests share one cluster and run in the order in which they stand here.
"""

import json
import re

import checks
import kubeadm
import pytest
import roles

from lab import pki
from lab.documents import IGNORED_CHECKS
from lab.run import wait_until

CERTIFICATES = {
    "apiserver": "ca", "apiserver-kubelet-client": "ca", "front-proxy-client": "front-proxy-ca",
    "apiserver-etcd-client": "etcd/ca", "etcd/server": "etcd/ca", "etcd/peer": "etcd/ca",
    "etcd/healthcheck-client": "etcd/ca",
}
# What agentd keeps on a host; mtime and inode of each file tell whether it was written.
KEPT = "/etc/agentd /etc/kubernetes /var/lib/agentd /var/lib/kubelet/config.yaml " \
       "/var/lib/kubelet/instance-config.yaml /var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/pki"


@pytest.fixture(scope="module")
def cluster(new_lab, tmp_path_factory):
    lab = new_lab()
    lab.add("cp1", "w1")
    cluster = roles.new_cluster(lab, tmp_path_factory.mktemp("roles"))
    cluster.bring_up()
    return cluster


@pytest.fixture(scope="module")
def lab(cluster):
    return cluster.lab


def test_role_files_make_both_nodes_ready(lab):
    nodes = {node["metadata"]["name"]: node for node in lab.objects("nodes")["items"]}
    assert set(nodes) == {"cp1", "w1"}
    assert "node-role.kubernetes.io/control-plane" in nodes["cp1"]["metadata"]["labels"]
    assert [taint["key"] for taint in nodes["cp1"]["spec"]["taints"]] == [
        "node-role.kubernetes.io/control-plane"]


def test_addons_become_ready(lab):
    checks.addons_are_ready(lab)


def test_pod_on_the_worker_resolves_and_reaches_the_api(lab):
    checks.pod_reaches_the_api(lab, "w1")


def test_agentd_says_that_it_is_done_and_what_to_do_next(lab):
    for host in lab.hosts:
        roles.wait_until_settled(host)
    said = roles.agentctl(lab["cp1"], "status").stdout
    assert "kubectl" in said
    assert "token create" in said
    status = json.loads(roles.agentctl(lab["cp1"], "status", "-o", "json").stdout)
    assert status["conditions"]


def test_agentd_runs_in_its_sandbox(lab):
    for host in lab.hosts:
        assert host.unit_property("agentd.service", "ProtectSystem") == "strict"
        assert host.unit_property("agentd.service", "NoNewPrivileges") == "yes"
        result = host.run(["systemd-analyze", "security", "--no-pager", "agentd.service"]).stdout
        exposure = float(re.search(r"exposure level for agentd.service: ([0-9.]+)", result).group(1))
        assert exposure <= 2.5


def test_certificates_chain_to_their_authorities(lab):
    for name, authority in CERTIFICATES.items():
        lab["cp1"].run(["openssl", "verify", "-CAfile", f"/etc/kubernetes/pki/{authority}.crt",
                        f"/etc/kubernetes/pki/{name}.crt"])


def test_no_administrator_of_last_resort_is_left_on_disk(lab):
    assert not lab["cp1"].file_exists("/etc/kubernetes/super-admin.conf")


def test_worker_forgets_the_token(lab, cluster):
    roles.wait_until_settled(lab["w1"])
    found = lab["w1"].run(
        ["grep", "-rlF", cluster.token, "/etc/kubernetes", "/var/lib/kubelet", "/var/lib/agentd"],
        check=False,
    ).stdout.split()
    # The accepted role is kept as it was given.
    assert [path for path in found if not path.startswith("/var/lib/agentd/role")] == []


def test_idle_restart_changes_nothing(lab):
    for host in lab.hosts:
        roles.wait_until_settled(host)
        before = state_of(host)
        host.systemctl("restart", "agentd.service")
        roles.wait_until_settled(host)
        # One full round of everything that agentd keeps true.
        roles.agentctl(host, "reconcile")
        roles.wait_until_settled(host)
        assert state_of(host) == before


def state_of(host):
    files = host.sh(f"find {KEPT} -type f,l -printf '%p %i %T@ %m\\n' 2>/dev/null | sort").stdout
    containers = json.loads(host.run(["crictl", "ps", "-o", "json"]).stdout)["containers"]
    return {
        "files": files.split("\n"),
        "containers": sorted(container["id"] for container in containers),
        "kubelet": host.unit_property("kubelet.service", "ExecMainPID"),
        "containerd": host.unit_property("containerd.service", "ExecMainPID"),
    }


@pytest.mark.parametrize("kind,name,namespace", [
    ("clusterrole", "kubeadm:get-nodes", None),
    ("clusterrolebinding", "kubeadm:get-nodes", None),
    ("clusterrolebinding", "kubeadm:kubelet-bootstrap", None),
    ("clusterrolebinding", "kubeadm:node-autoapprove-bootstrap", None),
    ("clusterrolebinding", "kubeadm:node-autoapprove-certificate-rotation", None),
    ("clusterrolebinding", "kubeadm:cluster-admins", None),
    ("role", "kubeadm:nodes-kubeadm-config", "kube-system"),
    ("rolebinding", "kubeadm:nodes-kubeadm-config", "kube-system"),
    ("role", "kubeadm:bootstrap-signer-clusterinfo", "kube-public"),
    ("rolebinding", "kubeadm:bootstrap-signer-clusterinfo", "kube-public"),
])
def test_deleted_rights_come_back_alone(lab, kind, name, namespace):
    where = ["--namespace", namespace] if namespace else []
    others = versions_of_rights(lab)
    lab.kubectl("delete", kind, name, *where)
    wait_until(lambda: roles.exists(lab, kind, name, *where), timeout=120, every=0.2,
               what=f"{kind} {name} is back")
    after = versions_of_rights(lab)
    changed = {key for key in others if others[key] != after.get(key)}
    assert changed == {(kind, namespace, name)}


def versions_of_rights(lab):
    kinds = "clusterrole,clusterrolebinding,role,rolebinding"
    return {
        (item["kind"].lower(), item["metadata"].get("namespace"), item["metadata"]["name"]):
            item["metadata"]["uid"]
        for item in lab.objects(kinds, "--all-namespaces")["items"]
        if "kubeadm:" in item["metadata"]["name"]
    }


def test_taint_that_an_admin_removed_stays_removed(lab):
    taint = "node-role.kubernetes.io/control-plane"
    lab.kubectl("taint", "node", "cp1", f"{taint}-")
    roles.agentctl(lab["cp1"], "reconcile")
    roles.wait_until_settled(lab["cp1"])
    assert "taints" not in lab.objects("node", "cp1")["spec"]
    lab.kubectl("taint", "node", "cp1", f"{taint}:NoSchedule")


def test_edited_and_deleted_files_come_back(lab):
    cp1 = lab["cp1"]
    path = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    before = cp1.read(path)
    cp1.run(["rm", path])
    wait_until(lambda: cp1.file_exists(path), timeout=120, every=0.2, what=f"{path} is back")
    assert cp1.read(path) == before
    # A kubeconfig comes back with another key; it is good when it works.
    path = "/etc/kubernetes/admin.conf"
    before = cp1.read(path)
    cp1.run(["rm", path])
    wait_until(lambda: cp1.file_exists(path), timeout=120, every=0.2, what=f"{path} is back")
    assert cp1.read(path) != before
    cp1.run(["kubectl", f"--kubeconfig={path}", "auth", "can-i", "*", "*"])
    path = "/var/lib/kubelet/config.yaml"
    before = lab["w1"].read(path)
    lab["w1"].sh(f"echo 'maxPods: 7' >> {path}")
    wait_until(lambda: lab["w1"].read(path) == before, timeout=120, every=0.2, what=f"{path} is mended")


def test_stopped_kubelet_is_started(lab):
    for host in lab.hosts:
        host.systemctl("stop", "kubelet.service")
        wait_until(lambda: host.unit_property("kubelet.service", "ActiveState") == "active",
                   timeout=120, every=0.2, what=f"the kubelet of {host} runs again")


def test_role_that_contradicts_is_refused(lab, cluster, tmp_path):
    w1 = lab["w1"]
    w1.write("/root/other.yaml", cluster.control_plane_role(w1), 0o600)
    result = roles.agentctl(w1, "role", "set", "/root/other.yaml", check=False)
    assert result.returncode != 0
    assert "worker" in result.stderr + result.stdout
    assert lab.node_is_ready("w1")


def test_mistake_in_a_role_file_is_named_with_its_place(lab):
    w1 = lab["w1"]
    w1.write("/root/wrong.yaml", (
        "apiVersion: agentd.io/v1alpha1\nkind: RoleConfiguration\nrole: worker\nendpiont: a:6443\n"
    ), 0o600)
    result = roles.agentctl(w1, "role", "set", "/root/wrong.yaml", check=False)
    assert result.returncode != 0
    assert re.search(r":4:1: .*endpiont", result.stderr + result.stdout)
    assert "endpoint" in result.stderr + result.stdout


@pytest.mark.parametrize("name", ["w1", "cp1"])
def test_host_comes_back_after_a_reboot(lab, name):
    host = lab[name]
    before = host.sh(f"find {KEPT} -type f,l -printf '%p %i %T@ %m\\n' 2>/dev/null | sort").stdout
    host.reboot()
    lab.wait_for_node(name)
    roles.wait_until_settled(host)
    after = host.sh(f"find {KEPT} -type f,l -printf '%p %i %T@ %m\\n' 2>/dev/null | sort").stdout
    assert after == before


def test_worker_keeps_its_kubelet_without_a_control_plane(lab):
    cp1, w1 = lab["cp1"], lab["w1"]
    cp1.power_off()
    w1.systemctl("stop", "kubelet.service")
    wait_until(lambda: w1.unit_property("kubelet.service", "ActiveState") == "active",
               timeout=180, every=0.2, what="the kubelet of w1 runs again")
    w1.reboot()
    wait_until(lambda: w1.unit_property("kubelet.service", "ActiveState") == "active",
               timeout=180, every=0.2, what="the kubelet of w1 runs after a reboot")
    cp1.start()
    for name in ("cp1", "w1"):
        lab.wait_for_node(name)


# The real kubeadm in agentd's cluster


def test_real_kubeadm_joins_a_node(lab):
    command = roles.agentctl(lab["cp1"], "token", "create", "--print-join-command").stdout.split()
    assert command[:2] == ["kubeadm", "join"]
    w2 = lab.add("w2")[0]
    # agentd of that host has no role; it idles while kubeadm does the work.
    kubeadm.prepare(w2)
    w2.run([*command, f"--ignore-preflight-errors={','.join(IGNORED_CHECKS)}"], timeout=300)
    lab.wait_for_node("w2")
    checks.pod_reaches_the_api(lab, "w2")


def test_real_kubeadm_reads_the_certificates(lab):
    said = lab["cp1"].run(["kubeadm", "certs", "check-expiration"], timeout=180).stdout
    for name in ("admin.conf", "apiserver", "apiserver-kubelet-client", "controller-manager.conf",
                 "etcd-server", "front-proxy-client", "scheduler.conf", "ca", "etcd-ca",
                 "front-proxy-ca"):
        assert re.search(rf"^{name} .*\d+[dy]", said, re.M), said
    assert "MISSING" not in re.sub(r"^!?(MISSING! )?super-admin.conf.*$", "", said, flags=re.M)


def test_real_kubeadm_lists_the_tokens(lab, cluster):
    said = lab["cp1"].run(["kubeadm", "token", "list"], timeout=180).stdout
    assert cluster.token.split(".")[0] in said
    assert "authentication,signing" in said


def test_real_kubeadm_plans_an_upgrade(lab):
    lab["cp1"].run(
        ["kubeadm", "upgrade", "plan", lab.version, "--allow-experimental-upgrades",
         f"--ignore-preflight-errors={','.join(IGNORED_CHECKS)}"],
        timeout=300,
    )


def test_pin_is_kubeadms(lab, cluster):
    assert pki.ca_hash(lab["cp1"].read("/etc/kubernetes/pki/ca.crt")) == cluster.pin
