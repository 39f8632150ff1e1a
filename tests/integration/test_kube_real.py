"""agentd/kube on a real kube-apiserver: server-side apply, watches, and what RBAC allows.

Needs the lab's programs, so `make check` leaves it out; tests/run runs it.
"""

import base64
import hashlib
import pathlib

import pytest
import yaml

import fakepki
import kubeleases
import kubepolicies
from kubepolicies import BINDINGS, MAPS, NODES, RBAC, binding, config_map, mend
from kubeprobe import Probe, wait_for
from realapi import RealApiServer

pytestmark = pytest.mark.real

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SECRETS = "/api/v1/namespaces/kube-system/secrets"
PUBLIC = "/api/v1/namespaces/kube-public/configmaps"
PUBLIC_ROLES = f"/apis/{RBAC}/v1/namespaces/kube-public/roles"
PUBLIC_BINDINGS = f"/apis/{RBAC}/v1/namespaces/kube-public/rolebindings"
MANIFESTS = pathlib.Path(__file__).resolve().parent.parent.parent / "agentd" / "manifests"


@pytest.fixture(scope="module")
def api():
    with RealApiServer() as server:
        yield server


@pytest.fixture
def probe(api, tmp_path):
    return Probe(api, tmp_path, "--cert", api.admin[0], "--key", api.admin[1])


def identity(api, tmp_path, user, *groups):
    crt, key = api.client_certificate(user, groups)
    return Probe(api, tmp_path, "--cert", crt, "--key", key)


@pytest.mark.parametrize("check", kubepolicies.CHECKS, ids=lambda check: check.__name__)
def test_policies(api, probe, check):
    check(api, probe)


# -- Leases ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("check", kubeleases.CHECKS, ids=lambda check: check.__name__)
def test_leases(api, control_plane, tmp_path, check):
    check(api, control_plane,
          lambda name: identity(api, tmp_path, f"agentd:{name}", "agentd:control-plane"))


# -- Watching --------------------------------------------------------------------------------------

def test_a_cache_follows(api, probe):
    with probe.start("--keep", "w1", "--keep", "w2", "cache", MAPS) as cache:
        assert cache.next()["objects"] == {}
        cache.silent(0.5)
        api.create(MAPS, config_map("w1", k="1"))
        line = cache.next()
        assert line["changed"] == "w1" and line["objects"]["w1"]["kind"] == "ConfigMap"
        api.create(MAPS, config_map("other", k="1"))
        api.patch(f"{MAPS}/w1", {"data": {"k": "2"}})
        assert cache.next()["objects"]["w1"]["data"] == {"k": "2"}
        api.delete(f"{MAPS}/w1")
        assert cache.next()["objects"] == {}


def test_waiting_sees_what_happens(api, probe):
    with probe.start("wait", f"{MAPS}/waited", "data.k", "2") as running:
        assert running.silent(0.5)
        api.create(MAPS, config_map("waited", k="1"))
        api.patch(f"{MAPS}/waited", {"data": {"k": "2"}})
        assert running.next()["value"]["data"] == {"k": "2"}
    with probe.start("wait", f"{MAPS}/waited", "missing", "") as running:
        assert running.silent(0.5)
        api.delete(f"{MAPS}/waited")
        assert running.next() == {"ok": True, "value": None}


def test_the_end_of_a_watch_is_no_failure(api, probe):
    assert probe.value("watch", NODES, "timeoutSeconds=1&fieldSelector=metadata.name%3Dnobody") \
        is None


def test_a_list_comes_in_pages(api, probe):
    for i in range(7):
        api.create(MAPS, config_map(f"page{i}"))
    page = probe.value("list", MAPS, "limit=3")
    assert len(page["items"]) == 3 and page["metadata"]["continue"]
    assert probe.error("list", MAPS, "limit=3&continue=nonsense")[0]


# -- Rights ----------------------------------------------------------------------------------------

def collection_of(obj):
    version = obj["apiVersion"]
    space = f"/namespaces/{obj['metadata']['namespace']}" if "namespace" in obj["metadata"] else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{space}/{obj['kind'].lower()}s"


def manifests(*names):
    """Objects that agentd makes, whole enough to be accepted."""
    for name in names:
        for obj in yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text()):
            template = obj.get("spec", {}).get("template", {})
            for container in template.get("spec", {}).get("containers", []):
                container.setdefault("image", "image:1")
            yield obj


def policy_of(obj):
    if obj["kind"].endswith("Binding"):
        return kubepolicies.BINDING_POLICY
    return {"spec.replicas": "once"} if obj["kind"] == "Deployment" else {}


@pytest.fixture
def control_plane(api, probe, tmp_path):
    """The identity of an agentd on a control plane, with the rights that it makes for itself."""
    for obj in manifests("agentd"):
        mend(probe, collection_of(obj), obj, policy_of(obj))
    return identity(api, tmp_path, "agentd:cp1", "agentd:control-plane")


def test_a_control_planes_rights_suffice_and_what_it_makes_stays_as_it_wants(api, control_plane):
    """Defaults of the server are no drift: once made, nothing is written any more."""
    for obj in manifests("rbac", "coredns", "kube-proxy"):
        collection, policy = collection_of(obj), policy_of(obj)
        mend(control_plane, collection, obj, policy)
        assert kubepolicies.compare(control_plane, collection, obj, policy) == ("same", "")
        path = f"{collection}/{obj['metadata']['name']}"
        before = api.get(path)["metadata"]["resourceVersion"]
        assert mend(control_plane, collection, obj, policy) is None
        assert api.get(path)["metadata"]["resourceVersion"] == before


def test_a_control_plane_cannot_make_itself_the_administrator(api, control_plane):
    name = "kubeadm:apiserver-kubelet-client"  # one that it may make
    path = f"{BINDINGS}/{name}"
    if api.get(path):
        api.delete(path)
    for name, role in ((name, "cluster-admin"), ("mine", "system:node-proxier")):
        assert control_plane.error("apply", f"{BINDINGS}/{name}", binding(
            name, role, "agentd:control-plane"), "agentd")[1] == "denied"
    assert api.get(path) is None


def test_a_node_watches_only_its_own(api, probe, tmp_path):
    node = identity(api, tmp_path, "system:node:n1", "system:nodes")
    api.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    with node.start("--keep", "n1", "--narrow", "objects", NODES) as objects:
        objects.until(lambda line: line["n1"] == 1)
        api.delete(f"{NODES}/n1")
        objects.until(lambda line: line["n1"] == 0)
    with node.start("--keep", "n2", "--narrow", "objects", NODES) as objects:
        assert objects.next()["n2"] == -1


@pytest.mark.parametrize("verbs, watches", [(["get"], False), (["get", "watch"], True)])
def test_a_node_reads_the_kubelets_configuration(api, tmp_path, verbs, watches):
    name = f"kubelet-config-{len(verbs)}"
    space = f"/apis/{RBAC}/v1/namespaces/kube-system"
    node = identity(api, tmp_path, "system:node:n1", "system:nodes")
    api.create(f"{space}/roles", {
        "apiVersion": f"{RBAC}/v1", "kind": "Role",
        "metadata": {"name": name, "namespace": "kube-system"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs,
                   "resourceNames": [name]}]})
    api.create(f"{space}/rolebindings", {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": "kube-system"},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [kubepolicies.group("system:nodes")]})
    api.create(MAPS, config_map(name, kubelet="1"))
    wait_for(lambda: node.run("get", f"{MAPS}/{name}")["ok"])
    assert node.error("list", MAPS, "")[1] == "denied"
    with node.start("--keep", name, "--narrow", "cache", MAPS) as cache:
        assert cache.next()["synced"]
        cache.silent(0.5)
        api.patch(f"{MAPS}/{name}", {"data": {"kubelet": "2"}})
        if watches:
            assert cache.next()["objects"][name]["data"] == {"kubelet": "2"}
        else:
            assert cache.silent(1)


def test_anonymous_reads_what_is_public_while_the_binding_stands(api, tmp_path):
    nobody = Probe(api, tmp_path)
    path = f"{PUBLIC}/public-info"
    space = {"namespace": "kube-public"}
    api.create(PUBLIC, {"apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"name": "public-info", **space}, "data": {"kubeconfig": "x"}})
    assert nobody.error("get", path)[1] == "denied"
    api.create(PUBLIC_ROLES, {
        "apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "info", **space},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"],
                   "resourceNames": ["public-info"]}]})
    api.create(PUBLIC_BINDINGS, {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "info", **space},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "info"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "system:anonymous"}]})
    wait_for(lambda: nobody.run("get", path)["ok"])
    assert nobody.error("list", PUBLIC, "")[1] == "denied"
    api.delete(f"{PUBLIC_BINDINGS}/info")
    wait_for(lambda: not nobody.run("get", path)["ok"])


def test_a_token_asks_for_a_certificate_and_waits_for_it(api, probe, tmp_path):
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token"}
    api.create(SECRETS, {
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}})
    api.create(BINDINGS, binding("bootstrap", "system:node-bootstrapper",
                                 "system:bootstrappers:kubeadm:default-node-token"))
    token = Probe(api, tmp_path, "--token", "abcdef.0123456789abcdef")
    key = tmp_path / "node.key"
    request = fakepki.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                              "-nodes", "-keyout", str(key), "-subj", "/O=system:nodes/CN=system:node:t1")
    name = "node-csr-" + hashlib.sha256(request).hexdigest()[:20]
    csr = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
           "metadata": {"name": name},
           "spec": {"request": base64.b64encode(request).decode(), "expirationSeconds": 604800,
                    "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                    "usages": ["digital signature", "client auth"]}}
    wait_for(lambda: token.run("create", CSRS, csr)["ok"])
    assert token.error("create", CSRS, csr)[0] == "EEXIST"
    pem = base64.b64encode(fakepki.sign_request(
        api.ca_crt, f"{api.pki}/ca.key", request, 604800)).decode()
    with token.start("wait", f"{CSRS}/{name}", "status.certificate", pem) as running:
        assert running.silent(0.5)
        live = api.get(f"{CSRS}/{name}")
        live["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "t",
                                          "message": "t"}]}
        probe.value("replace", f"{CSRS}/{name}/approval", live, "agentd")
        live = api.get(f"{CSRS}/{name}")
        live["status"]["certificate"] = pem
        status, reply = api.request("PUT", f"{CSRS}/{name}/status", live)
        assert status == 200, reply
        assert running.next()["value"]["status"]["certificate"] == pem


# -- The server goes and comes back; last, because it disturbs the others --------------------------

def test_a_restarted_server_is_found_again(api, probe):
    api.create(MAPS, config_map("steady", k="1"))
    with probe.start("--keep", "steady", "--keep", "later", "cache", MAPS) as cache:
        cache.until(lambda line: line["synced"])
        cache.silent(0.5)
        api.refuse()
        line = cache.until(lambda line: not line["synced"])
        assert line["class"] == "network" and list(line["objects"]) == ["steady"]
        api.accept()
        api.create(MAPS, config_map("later", k="1"))
        line = cache.until(lambda line: line["synced"] and len(line["objects"]) == 2, 60)
        assert line["objects"]["later"]["data"] == {"k": "1"}
    # It has forgotten what was before it.
    errno, _, message = probe.error("watch", MAPS, "resourceVersion=1&timeoutSeconds=2")
    assert errno == "ESTALE" and "too old resource version" in message
