"""Nodes whose identity runs into something: a Node object deleted, hosts that were off past the end
of their certificates, another host name, another address. Each walks back by itself.

The tests share one cluster and run in the order in which they stand here.
"""

import json
import shutil

import checks
import pytest
import roles

from lab.documents import (
    cluster_configuration, init_configuration, kube_proxy_configuration, kubelet_configuration,
    role_configuration, to_yaml,
)
from lab.run import run, wait_until
from lab.settings import GATEWAY

CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
TOKEN_FILE = "/etc/agentd/token"
MOVED = "10.77.0.91"


@pytest.fixture(scope="module")
def cluster(new_lab, tmp_path_factory):
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    lab = new_lab()
    cp1, w1 = lab.add("cp1", "w1")
    cluster = roles.new_cluster(lab, tmp_path_factory.mktemp("identity"))
    # Nothing is named that can be found out.
    init = init_configuration(cp1, cluster.token)
    del init["localAPIEndpoint"]
    cluster.give_ca(cp1)
    cp1.write(roles.ROLE_FILE, to_yaml(
        role_configuration("control-plane"), init, cluster_configuration(lab.version),
        kubelet_configuration(), kube_proxy_configuration(),
    ), 0o600)
    w1.write(TOKEN_FILE, cluster.token + "\n", 0o600)
    w1.write(roles.ROLE_FILE, worker_role(cluster, cp1.address), 0o600)
    for host in lab.hosts:
        lab.wait_for_node(host.name)
        roles.wait_until_settled(host)
    return cluster


@pytest.fixture(scope="module")
def lab(cluster):
    return cluster.lab


def worker_role(cluster, address):
    return to_yaml(role_configuration("worker", endpoint=f"{address}:6443", tokenFile=TOKEN_FILE,
                                      caCertHashes=[cluster.pin]))


def condition(host, kind):
    status = json.loads(roles.agentctl(host, "status", "-o", "json", check=False).stdout or "{}")
    for entry in status.get("conditions", []):
        if entry["type"] == kind:
            return entry
    return {"reason": None}


def wait_for_reason(host, kind, reason):
    wait_until(lambda: condition(host, kind)["reason"] == reason, timeout=120, every=0.3,
               what=f"{host} says {reason}",
               hint=lambda: roles.agentctl(host, "status", check=False).stdout)
    return condition(host, kind)


@pytest.mark.parametrize("name", ["cp1", "w1"])
def test_deleted_node_comes_back(lab, name):
    uid = lab.objects("node", name)["metadata"]["uid"]
    kubelet = lab[name].unit_property("kubelet.service", "ExecMainPID")
    lab.kubectl("delete", "node", name)
    lab.wait_for_node(name)
    roles.wait_until_settled(lab[name])
    node = lab.objects("node", name)
    assert node["metadata"]["uid"] != uid
    assert lab[name].unit_property("kubelet.service", "ExecMainPID") != kubelet
    if name == "cp1":
        assert "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
        assert [taint["key"] for taint in node["spec"]["taints"]] == [
            "node-role.kubernetes.io/control-plane"]


def off_past_expiry(cluster, host, scratch):
    """The host boots with a kubelet's certificate that ended while it was off."""
    key, request, certificate = (scratch / name for name in ("key", "request", "crt"))
    extensions = scratch / "extensions"
    extensions.write_text("keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n")
    run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", request, "-subj", f"/O=system:nodes/CN=system:node:{host.name}"])
    run(["faketime", "400 days ago", "openssl", "x509", "-req", "-in", request, "-days", "365",
         "-CA", cluster.ca / "ca.crt", "-CAkey", cluster.ca / "ca.key", "-set_serial", "4711",
         "-extfile", extensions, "-out", certificate])
    host.systemctl("stop", "agentd.service", "kubelet.service")
    host.write("/var/lib/kubelet/pki/expired.pem", certificate.read_text() + key.read_text(), 0o600)
    host.run(["ln", "-sfn", "/var/lib/kubelet/pki/expired.pem", CURRENT])
    host.reboot()


def serial(host):
    return host.run(["openssl", "x509", "-noout", "-serial", "-in", CURRENT]).stdout.strip()


def test_worker_that_was_off_past_expiry_comes_back_with_a_token(lab, cluster, tmp_path):
    w1 = lab["w1"]
    w1.run(["rm", "-f", TOKEN_FILE])
    off_past_expiry(cluster, w1, tmp_path)
    said = wait_for_reason(w1, "CredentialsValid", "CredentialsExpired")
    assert said["status"] == "False"
    assert "agentctl token create" in said["message"] and TOKEN_FILE in said["message"]
    uid = lab.objects("node", "w1")["metadata"]["uid"]
    # The next step, as it is told.
    w1.write(TOKEN_FILE, roles.agentctl(lab["cp1"], "token", "create").stdout, 0o600)
    lab.wait_for_node("w1")
    roles.wait_until_settled(w1)
    assert serial(w1) != "serial=1267"
    assert lab.objects("node", "w1")["metadata"]["uid"] == uid


def test_control_plane_that_was_off_past_expiry_comes_back_alone(lab, cluster, tmp_path):
    off_past_expiry(cluster, lab["cp1"], tmp_path)
    lab.wait_for_node("cp1")
    roles.wait_until_settled(lab["cp1"])
    assert serial(lab["cp1"]) != "serial=1267"


def test_renamed_host_stays_the_node_that_it_is(lab):
    w1 = lab["w1"]
    w1.run(["hostname", "renamed"])
    said = wait_for_reason(w1, "HostnameKept", "HostnameChanged")
    assert "renamed" in said["message"]
    assert "--hostname-override=w1" in w1.read("/var/lib/kubelet/kubeadm-flags.env")
    w1.systemctl("restart", "kubelet.service")
    lab.wait_for_node("w1")
    assert {node["metadata"]["name"] for node in lab.objects("nodes")["items"]} == {"cp1", "w1"}
    w1.run(["hostname", "w1"])
    roles.wait_until_settled(w1)


def give_address(host, address, former):
    """As a new lease does it."""
    host.sh(f"""
        ip route show | grep ' via ' > /run/routes
        ip address delete {former}/24 dev host0
        ip address add {address}/24 dev host0
        while read route; do ip route replace $route; done < /run/routes
        ip route replace default via {GATEWAY}
    """)


def internal_address(lab, name):
    for entry in lab.objects("node", name)["status"]["addresses"]:
        if entry["type"] == "InternalIP":
            return entry["address"]
    return None


def test_kubelet_of_a_worker_follows_its_address(lab):
    w1 = lab["w1"]
    give_address(w1, "10.77.0.92", w1.address)
    wait_until(lambda: internal_address(lab, "w1") == "10.77.0.92", timeout=120, every=0.5,
               what="the Node has the new address")
    give_address(w1, w1.address, "10.77.0.92")
    wait_until(lambda: internal_address(lab, "w1") == w1.address, timeout=120, every=0.5,
               what="the Node has its address again")
    roles.wait_until_settled(w1)


def test_control_plane_follows_its_address_with_its_data(lab, cluster):
    cp1, w1 = lab["cp1"], lab["w1"]
    lab.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    give_address(cp1, MOVED, cp1.address)
    w1.run(["ip", "route", "replace", cp1.pod_subnet, "via", MOVED])
    wait_until(lambda: MOVED in cp1.read("/etc/kubernetes/manifests/etcd.yaml"), timeout=60,
               what="agentd has seen the new address")
    lab.wait_for_node("cp1")
    roles.wait_until_settled(cp1)
    assert lab.objects("configmap", "kept")["data"] == {"a": "b"}
    wait_until(lambda: internal_address(lab, "cp1") == MOVED, timeout=120, every=0.5,
               what="the Node has the new address")
    old = cp1.run(["grep", "-rlF", f"{cp1.address}", "/etc/kubernetes/manifests",
                   "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/admin.conf",
                   "/etc/kubernetes/scheduler.conf"], check=False).stdout
    assert old == ""
    assert f"https://{MOVED}:2380" in members(cp1)
    public = lab.objects("configmap", "cluster-info", "--namespace=kube-public")
    assert f"https://{MOVED}:6443" in public["data"]["kubeconfig"]
    told = roles.agentctl(cp1, "history").stdout
    assert f"moved from {cp1.address} to {MOVED}" in told


def members(host):
    pki = "/etc/kubernetes/pki/etcd"
    container = host.run(["crictl", "ps", "--name=etcd", "--quiet"]).stdout.split()[0]
    return host.run(["crictl", "exec", container, "etcdctl", "--endpoints=https://127.0.0.1:2379",
                     f"--cacert={pki}/ca.crt", f"--cert={pki}/server.crt", f"--key={pki}/server.key",
                     "member", "list"]).stdout


def test_worker_follows_a_control_plane_that_moved(lab, cluster):
    w1 = lab["w1"]
    w1.write(TOKEN_FILE, roles.agentctl(lab["cp1"], "token", "create").stdout, 0o600)
    w1.write(roles.ROLE_FILE, worker_role(cluster, MOVED), 0o600)
    wait_until(lambda: MOVED in w1.read("/etc/kubernetes/kubelet.conf"), timeout=120, every=0.3,
               what="the kubelet talks to the new address",
               hint=lambda: roles.agentctl(w1, "status", check=False).stdout)
    lab.wait_for_node("w1")
    roles.wait_until_settled(w1)
    checks.addons_are_ready(lab)
    checks.pod_reaches_the_api(lab, "w1")
