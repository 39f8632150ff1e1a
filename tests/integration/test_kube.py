"""agentd/kube against the fake API server: requests, refusals, waits and caches, with faults."""

import base64
import concurrent.futures
import json
import signal
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request

import pytest

import fakepki
import kubeleases
import kubepolicies
from apiserver import FakeApiServer
from kubeprobe import HERE, Probe, wait_for

FAKE = HERE.parent / "fake"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
MAPS = "/api/v1/namespaces/kube-system/configmaps"
NODES = "/api/v1/nodes"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
MASTERS = "system:masters"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return str(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def api(pki):
    with FakeApiServer(pki=pki) as server:
        yield server


@pytest.fixture
def probe(api, tmp_path):
    """The cluster's administrator."""
    return identity(api, tmp_path, "admin", MASTERS)


def identity(api, tmp_path, user, *groups):
    crt, key = api.client_certificate(user, groups)
    return Probe(api, tmp_path, "--cert", crt, "--key", key)


def config_map(name="x", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "kube-system"}, "data": data}


# -- Requests --------------------------------------------------------------------------------------

def test_objects_are_read_written_and_deleted(api, probe):
    assert probe.value("get", f"{MAPS}/x") is None
    assert probe.value("create", MAPS, config_map(a="1"))["data"] == {"a": "1"}
    assert probe.error("create", MAPS, config_map())[0] == "EEXIST"
    assert probe.value("merge", f"{MAPS}/x", {"data": {"b": "2"}}, "agentd")["data"] == \
        {"a": "1", "b": "2"}
    live = probe.value("get", f"{MAPS}/x")
    live["data"]["a"] = "3"
    probe.value("replace", f"{MAPS}/x", live, "agentd")
    assert probe.error("replace", f"{MAPS}/x", live, "agentd")[0] == "EAGAIN"
    assert probe.value("list", MAPS, "limit=5")["items"][0]["data"] == {"a": "3", "b": "2"}
    assert probe.value("delete", f"{MAPS}/x")["status"] == "Success"
    assert probe.value("delete", f"{MAPS}/x") is None


def test_every_write_names_its_manager(api, probe):
    probe.value("create", MAPS, config_map(a="1"))
    probe.value("apply", f"{MAPS}/x", config_map(b="2"), "agentd")
    probe.value("merge", f"{MAPS}/x", {"data": {"c": "3"}}, "m")
    probe.value("json", f"{MAPS}/x", [{"op": "add", "path": "/data/d", "value": "4"}], "j")
    managers = {(e["manager"], e["operation"])
                for e in api.get(f"{MAPS}/x")["metadata"]["managedFields"]}
    assert managers == {("agentd-create", "Update"), ("agentd", "Apply"), ("m", "Update"),
                        ("j", "Update")}


def test_a_field_of_another_manager_is_taken_only_with_force(api, probe):
    api.put(config_map(a="theirs"))
    errno, _, message = probe.error("apply", f"{MAPS}/x", config_map(a="ours"), "agentd")
    assert errno == "EAGAIN" and "kubectl-edit" in message and ".data.a" in message
    assert probe.value("force", f"{MAPS}/x", config_map(a="ours"), "agentd")["data"]["a"] == "ours"


def test_a_json_patch_whose_test_fails_says_look_again(probe):
    probe.value("create", MAPS, config_map(a="1"))
    patch = [{"op": "test", "path": "/data/a", "value": "2"},
             {"op": "replace", "path": "/data/a", "value": "3"}]
    assert probe.error("json", f"{MAPS}/x", patch, "agentd")[0] == "EAGAIN"


def test_only_the_object_of_the_uid_is_deleted(api, probe):
    uid = probe.value("create", MAPS, config_map())["metadata"]["uid"]
    assert probe.error("delete-uid", f"{MAPS}/x", uid[:-1] + "z")[0] == "EAGAIN"
    probe.value("delete-uid", f"{MAPS}/x", uid)
    assert api.get(f"{MAPS}/x") is None


def test_colons_in_names_are_no_trouble(probe):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "kubeadm:get-nodes"}, "rules": []}
    probe.value("apply", f"{ROLES}/kubeadm:get-nodes", role, "agentd")
    assert probe.value("get", f"{ROLES}/kubeadm:get-nodes")["kind"] == "ClusterRole"


def test_a_probe_says_what_is_not_ready(api, probe):
    assert probe.value("probe", "/readyz") is None
    api.ready(False)
    errno, kind, message = probe.error("probe", "/readyz")
    assert kind == "network" and "etcd failed" in message


# -- Leases ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("check", kubeleases.CHECKS, ids=lambda check: check.__name__)
def test_leases(api, probe, tmp_path, check):
    check(api, probe, lambda name: identity(api, tmp_path, f"agentd:{name}", MASTERS))


# -- Refusals --------------------------------------------------------------------------------------

REFUSALS = [
    (401, "Unauthorized", None, None, "denied"),
    (403, "Forbidden", None, None, "denied"),
    (404, "NotFound", None, "ENOENT", None),
    (409, "AlreadyExists", None, "EEXIST", None),
    (409, "Conflict", None, "EAGAIN", None),
    (410, "Expired", None, "ESTALE", None),
    (422, "Invalid", None, "EINVAL", None),
    (429, "TooManyRequests", 7, None, "throttled"),
    (500, "InternalError", None, None, "network"),
    (502, "", None, None, "network"),
    (503, "ServiceUnavailable", 3, None, "throttled"),
    (503, "ServiceUnavailable", None, None, "network"),
    (504, "Timeout", None, None, "network"),
]
WRITES = [
    ("create", MAPS, config_map()),
    ("apply", f"{MAPS}/x", config_map(), "agentd"),
    ("merge", f"{MAPS}/x", {}, "agentd"),
    ("json", f"{MAPS}/x", [], "agentd"),
    ("replace", f"{MAPS}/x", config_map(), "agentd"),
]


@pytest.mark.parametrize("status, reason, retry_after, errno, kind", REFUSALS)
def test_a_refusal_has_its_class_and_the_servers_words(api, probe, status, reason, retry_after,
                                                        errno, kind):
    api.fault(times=-1, status=status, reason=reason, retry_after=retry_after,
              message="because of the test")
    for words in WRITES:
        outcome = probe.run(*words)
        assert not outcome["ok"]
        assert errno is None or outcome["errno"] == errno
        assert kind is None or outcome["class"] == kind
        assert "because of the test" in outcome["message"] and MAPS in outcome["message"]
        assert outcome["retry_after_ms"] == (retry_after or 0) * 1000


def test_a_404_of_another_server_is_not_a_missing_object(api, probe):
    assert probe.error("get", "/apis/apps/v2/namespaces/kube-system/deployments/x")[1] == "network"
    api.fault(status=404, reason="", message="no such page")
    assert probe.error("get", f"{MAPS}/x")[1] == "network"


NONSENSE = [
    ({"kind": "Secret"}, "is a Secret, not a ConfigMap"),
    ({"kind": "Status"}, "is a Status, not a ConfigMap"),
    ({"name": "y"}, 'about "y", not "x"'),
    ({"truncate": 40}, "not JSON"),
    ({"body": ""}, "not JSON"),
    ({"body": "<html>"}, "not JSON"),
    ({"body": "[]"}, "not an object of the API"),
    ({"body": '{"kind":"ConfigMap","kind":"ConfigMap"}'}, "is there twice"),
    ({"body": '{"kind":"ConfigMap","apiVersion":"v2"}'}, "is of v2, not of v1"),
    ({"cut": 40}, ""),
    ({"drop": "before"}, ""),
]


@pytest.mark.parametrize("fault, words", NONSENSE)
def test_a_reply_that_makes_no_sense_is_refused(api, probe, fault, words):
    api.put(config_map(a="1"))
    api.fault(times=-1, **fault)
    errno, kind, message = probe.error("get", f"{MAPS}/x")
    assert kind == "network" and words in message


def test_a_list_must_be_of_its_kind(api, probe):
    api.fault(kind="SecretList")
    assert "is a SecretList, not a ConfigMapList" in probe.error("list", MAPS, "")[2]


def test_silent_and_trickling_servers_are_given_up(api, probe):
    api.put(config_map(a="1" * 2000))
    api.fault(path="/x$", hang=True)
    api.fault(path="/configmaps$", slow=100)
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as both:
        silent = both.submit(probe.error, "get", f"{MAPS}/x")
        trickle = both.submit(probe.error, "list", MAPS, "")
    assert silent.result()[1] == trickle.result()[1] == "network"
    assert time.monotonic() - begin < 15


def test_a_late_answer_is_an_answer(api, probe):
    api.fault(delay=1)
    assert probe.value("get", f"{MAPS}/x") is None


def test_a_server_that_is_not_there(api, probe):
    api.refuse()
    assert probe.error("get", f"{MAPS}/x")[:2] == ("ECONNREFUSED", "network")


# -- Identities ------------------------------------------------------------------------------------

def test_only_the_clusters_ca_is_trusted(api, probe, tmp_path, tmp_path_factory):
    with FakeApiServer(pki=str(tmp_path_factory.mktemp("other"))) as other:
        stranger = Probe(other, tmp_path)
        stranger.options[3] = api.ca_crt
        assert stranger.error("get", f"{MAPS}/x")[1] == "trust"


def test_anonymous_sees_cluster_info_only(api, tmp_path):
    nobody = Probe(api, tmp_path)
    path = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    assert nobody.error("get", path)[1] == "denied"
    api.set(authorization="permissive")
    assert nobody.value("get", path) is None
    assert nobody.error("get", f"{MAPS}/x")[1] == "denied"


def test_a_bearer_is_somebody(api, tmp_path):
    api.tokens["good"] = ("u", [MASTERS])
    assert Probe(api, tmp_path, "--token", "good").value("get", f"{MAPS}/x") is None
    errno, kind, message = Probe(api, tmp_path, "--token", "bad").error("get", f"{MAPS}/x")
    assert kind == "denied" and "bad" not in message.replace("bad ", "")


def test_a_worker_gets_its_certificate_from_the_fake_cluster(api, tmp_path):
    """The whole TLS bootstrap, so that tests of joining may build on it."""
    api.make_cluster()
    nobody = Probe(api, tmp_path)
    info = nobody.value("get", "/api/v1/namespaces/kube-public/configmaps/cluster-info")
    assert "jws-kubeconfig-abcdef" in info["data"] and api.url in info["data"]["kubeconfig"]
    token = Probe(api, tmp_path, "--token", "abcdef.0123456789abcdef")
    key, pem = tmp_path / "node.key", tmp_path / "node.crt"
    request = fakepki.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                              "-nodes", "-keyout", str(key),
                              "-subj", "/O=system:nodes/CN=system:node:w1")
    token.value("create", CSRS, {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "node-csr-x"},
        "spec": {"request": base64.b64encode(request).decode(), "expirationSeconds": 604800,
                 "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                 "usages": ["digital signature", "client auth"]}})
    signed = token.value("wait", f"{CSRS}/node-csr-x", "status.certificate", "*")
    pem.write_bytes(base64.b64decode(signed["status"]["certificate"]))
    node = Probe(api, tmp_path, "--cert", pem, "--key", key)
    assert "KubeletConfiguration" in node.value("get", f"{MAPS}/kubelet-config")["data"]["kubelet"]
    assert node.error("list", MAPS, "")[1] == "denied"
    assert node.value("get", f"{NODES}/w1") is None


# -- Waiting ---------------------------------------------------------------------------------------

def test_what_is_there_already_needs_no_waiting(api, probe):
    api.put(config_map(a="1"))
    assert probe.value("wait", f"{MAPS}/x", "data.a", "1")["data"] == {"a": "1"}
    assert probe.value("wait", f"{MAPS}/y", "missing", "") is None
    assert [r["path"] for r in api.requests()] == [f"{MAPS}/x", f"{MAPS}/y"]


def waited(probe, *words):
    """Starts waiting in the background; the outcome is the first line."""
    return probe.start("wait", *words)


@pytest.mark.parametrize("faults", [
    [],
    [{"drop_after": 0}],
    [{"end_after": 0}, {"end_after": 0}],
    [{"gone": True}],
    [{"status": 410, "reason": "Expired"}],
    [{"status": 503}, {"drop": "before"}],
    [{"line": "{\"type\":\"MODIFIED\",\"obj"}],
    [{"line": "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}}"}],
    [{"line": "{\"type\":\"NEWS\"}"}],
])
def test_waiting_outlives_what_happens_to_its_watch(api, probe, faults):
    for fault in faults:
        api.fault(watch=True, **fault)
    with waited(probe, f"{MAPS}/x", "data.a", "2") as running:
        wait_for(lambda: api.watches().get(MAPS) and not any(f["times"] for f in api.faults))
        api.put(config_map(a="1"))
        api.put(config_map("other", a="2"))
        assert running.silent()
        api.put(config_map(a="2"))
        line = running.next()
        assert line["ok"] and line["value"]["data"] == {"a": "2"}
    reads = api.requests("GET")
    assert len(reads) <= 2 * (len(faults) + 2)
    assert all("fieldSelector=metadata.name%3Dx" in r["query"] for r in reads if r["query"])


def test_waiting_for_an_object_to_go(api, probe):
    api.put(config_map(a="1"))
    with waited(probe, f"{MAPS}/x", "missing", "") as running:
        wait_for(lambda: api.watches().get(MAPS))
        api.delete(f"{MAPS}/x")
        assert running.next() == {"ok": True, "value": None}


def test_waiting_ends_when_it_cannot_read_or_must_not_go_on(api, probe):
    api.fault(status=403)
    assert probe.error("wait", f"{MAPS}/x", "exists", "")[1] == "denied"
    api.put(config_map())
    errno, kind, message = probe.error("wait", f"{MAPS}/x", "fail", "")
    assert (errno, kind) == ("EPERM", "trust") and message == f"{MAPS}/x: not this one"


# -- Caches ----------------------------------------------------------------------------------------

def synced(line):
    return line["synced"]


def lost(line):
    return not line["synced"]


def test_a_cache_follows_what_it_keeps(api, probe):
    api.put(config_map("a", k="1"))
    api.put(config_map("b", k="1"))
    with probe.start("--keep", "a", "--keep", "c", "cache", MAPS) as cache:
        line = cache.next()
        assert line["synced"] and line["changed"] is None and list(line["objects"]) == ["a"]
        assert line["objects"]["a"]["kind"] == "ConfigMap"
        assert line["objects"]["a"]["apiVersion"] == "v1"
        assert "managedFields" not in line["objects"]["a"]["metadata"]
        wait_for(lambda: api.watches().get(MAPS))
        api.put(config_map("b", k="2"))
        api.put(config_map("c", k="1"))
        line = cache.next()
        assert line["changed"] == "c" and sorted(line["objects"]) == ["a", "c"]
        assert "managedFields" not in line["objects"]["c"]["metadata"]
        api.delete(f"{MAPS}/a")
        line = cache.next()
        assert line["changed"] == "a" and list(line["objects"]) == ["c"]
        assert cache.silent()
    assert len(api.requests()) == 2


def test_a_watch_asks_for_no_bookmarks_and_half_an_hour(api, probe):
    with probe.start("cache", MAPS) as cache:
        cache.next()
        wait_for(lambda: api.watches().get(MAPS))
    query = dict(pair.split("=") for pair in api.requests()[-1]["query"].split("&"))
    assert "allowWatchBookmarks" not in query
    assert 1800 <= int(query["timeoutSeconds"]) <= 3600
    assert query["watch"] == "1" and query["resourceVersion"]


def test_one_name_is_read_and_watched_alone(api, probe):
    with probe.start("--keep", "a", "cache", MAPS) as cache:
        assert cache.next()["objects"] == {}
        wait_for(lambda: api.watches().get(MAPS))
        api.put(config_map("a"))
        assert cache.next()["changed"] == "a"
    read, watch = api.requests()
    assert read["path"] == f"{MAPS}/a"
    assert "fieldSelector=metadata.name%3Da" in watch["query"]


def test_a_selector_is_passed_on(api, probe):
    for node in ("w1", "w2"):
        api.add_mirror_pod(node, "etcd")
    pods = "/api/v1/pods"
    with probe.start("--selector", "fieldSelector=spec.nodeName%3Dw2", "cache", pods) as cache:
        assert list(cache.next()["objects"]) == ["etcd-w2"]
        wait_for(lambda: api.watches().get(pods))
        api.add_mirror_pod("w2", "etcd", ready=False)
        assert cache.next()["changed"] == "etcd-w2"


def test_a_large_collection_comes_in_pages(api, probe):
    for i in range(1203):
        api.put(config_map(f"m{i:04}"))
    with probe.start("cache", MAPS) as cache:
        assert len(cache.next()["objects"]) == 1203
    lists = [r for r in api.requests("GET") if "limit=" in r["query"]]
    assert len(lists) == 3


def test_a_page_that_is_too_large_is_asked_for_in_smaller_pieces(api, probe):
    for i in range(12):
        api.put(config_map(f"m{i:02}", big="x" * 900000))
    with probe.start("--keep", "m00", "--keep", "m11", "cache", MAPS) as cache:
        assert sorted(cache.until(synced)["objects"]) == ["m00", "m11"]


LOSSES = [
    {"drop_after": 1},
    {"status": 500},
    {"status": 429, "retry_after": 1},
    {"line": "{\"type\":\"MODIFIED\",\"object\":{\"metadata\""},
    {"line": "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}}"},
]


@pytest.mark.parametrize("fault", LOSSES)
def test_a_lost_watch_says_so_and_finds_what_it_missed(api, probe, fault):
    api.put(config_map("a", k="1"))
    api.put(config_map("gone", k="1"))
    api.fault(watch=True, **fault)
    with probe.start("cache", MAPS) as cache:
        assert cache.until(synced)["objects"]["a"]["data"] == {"k": "1"}
        wait_for(lambda: any(r["query"].find("watch=1") >= 0 for r in api.requests())
                 or api.watches())
        api.put(config_map("a", k="2"))
        api.delete(f"{MAPS}/gone")
        line = cache.until(lost)
        assert line["changed"] is None and line["message"]
        line = cache.until(lambda line: line["synced"] and list(line["objects"]) == ["a"])
        assert line["objects"]["a"]["data"] == {"k": "2"}
        wait_for(lambda: api.watches().get(MAPS))
        api.put(config_map("a", k="3"))
        assert cache.until(lambda line: line["changed"] == "a")["objects"]["a"]["data"]["k"] == "3"


def test_an_old_version_is_listed_anew_without_a_loss(api, probe):
    api.put(config_map("a", k="1"))
    with probe.start("cache", MAPS) as cache:
        cache.until(synced)
        wait_for(lambda: api.watches().get(MAPS))
        api.put(config_map("a", k="2"))
        cache.until(lambda line: line["changed"] == "a")
        api.compact()
        api.store.objects[("v1", "configmaps")].pop(("kube-system", "a"))
        line = cache.next()
        assert line["synced"] and line["changed"] == "a" and line["objects"] == {}


def test_a_server_that_went_away_is_found_again(api, probe):
    api.put(config_map("a"))
    with probe.start("cache", MAPS) as cache:
        cache.until(synced)
        wait_for(lambda: api.watches().get(MAPS))
        api.refuse()
        line = cache.until(lost)
        assert line["class"] == "network" and list(line["objects"]) == ["a"]
        api.put(config_map("b"))
        api.accept()
        assert sorted(cache.until(synced)["objects"]) == ["a", "b"]


def test_a_cache_reads_anew_when_told(api, probe):
    with probe.start("cache", MAPS) as cache:
        cache.until(synced)
        wait_for(lambda: api.watches().get(MAPS))
        api.clear_requests()
        cache.refresh()
        wait_for(lambda: len(api.requests()) >= 1)
        assert "limit=500" in api.requests()[0]["query"]
        assert cache.silent()


STORMS = [
    {"status": 401}, {"status": 403}, {"status": 410, "reason": "Expired"}, {"status": 500},
    {"status": 503}, {"drop": "before"}, {"truncate": 30},
    {"watch": True, "status": 403}, {"watch": True, "gone": True},
    {"watch": True, "end_after": 0}, {"watch": True, "drop_after": 0},
]


def test_no_storm_makes_a_hot_loop(pki, tmp_path):
    """All storms at the same time, a server and a cache for each."""
    servers = [FakeApiServer(pki=pki).start() for _ in STORMS]
    caches = []
    try:
        for server, fault in zip(servers, STORMS):
            server.fault(times=-1, **fault)
            start = identity(server, tmp_path, "admin", MASTERS).start("cache", MAPS)
            caches.append((start, start.__enter__()))
        time.sleep(6)
        counts = {str(fault): len(server.requests()) for server, fault in zip(servers, STORMS)}
    finally:
        for start, _ in caches:
            start.__exit__(None, None, None)
        for server in servers:
            server.stop()
    assert all(1 <= count <= 14 for count in counts.values()), counts


# -- Narrow identities -----------------------------------------------------------------------------

def allow(api, verbs):
    """What a control plane grants to nodes on kubelet-config."""
    rbac = "rbac.authorization.k8s.io"
    api.put({"apiVersion": f"{rbac}/v1", "kind": "Role",
             "metadata": {"name": "r", "namespace": "kube-system"},
             "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs,
                        "resourceNames": ["kubelet-config"]}]})
    api.put({"apiVersion": f"{rbac}/v1", "kind": "RoleBinding",
             "metadata": {"name": "r", "namespace": "kube-system"},
             "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "r"},
             "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "system:nodes"}]})


def test_a_node_watches_what_it_may(api, tmp_path):
    allow(api, ["get", "watch"])
    api.put(config_map("kubelet-config", kubelet="1"))
    node = identity(api, tmp_path, "system:node:w1", "system:nodes")
    with node.start("--keep", "kubelet-config", "--narrow", "cache", MAPS) as cache:
        assert cache.next()["synced"]
        wait_for(lambda: api.watches().get(MAPS))
        api.put(config_map("kubelet-config", kubelet="2"))
        assert cache.next()["objects"]["kubelet-config"]["data"] == {"kubelet": "2"}


def test_where_watching_is_denied_one_read_has_to_do(api, tmp_path):
    allow(api, ["get"])
    api.put(config_map("kubelet-config", kubelet="1"))
    node = identity(api, tmp_path, "system:node:w1", "system:nodes")
    with node.start("--keep", "kubelet-config", "--narrow", "cache", MAPS) as cache:
        assert cache.next()["synced"]
        wait_for(lambda: len(api.requests()) == 2)
        assert cache.silent(1)
        assert [r["status"] for r in api.requests()] == [200, 403]
        cache.refresh()
        wait_for(lambda: len(api.requests()) == 4)
        assert cache.silent()


def test_a_wide_identity_that_is_denied_says_so(api, tmp_path):
    node = identity(api, tmp_path, "system:node:w1", "system:nodes")
    with node.start("cache", MAPS) as cache:
        line = cache.next()
        assert not line["synced"] and line["class"] == "denied"
        assert "forbidden" in line["message"]


# -- All caches of an identity ---------------------------------------------------------------------

def test_objects_share_one_watch_of_a_collection(api, probe):
    api.put(config_map("a"))
    with probe.start("--keep", "a", "--keep", "b", "objects", MAPS) as objects:
        line = objects.until(lambda line: line["a"] == 1)
        assert line["b"] == 0
        wait_for(lambda: api.watches().get(MAPS))
        api.put(config_map("b"))
        assert objects.until(lambda line: line["changed"] == "b")["b"] == 1
        api.refuse()
        line = objects.until(lambda line: line["a"] == -1)
        assert line["b"] == -1 and line["class"] == "network"
    assert len(api.requests()) == 2


def test_narrow_objects_are_watched_one_by_one(api, tmp_path):
    api.add_node("w1")
    node = identity(api, tmp_path, "system:node:w1", "system:nodes")
    with node.start("--keep", "w1", "--narrow", "objects", NODES) as objects:
        objects.until(lambda line: line["w1"] == 1)
        wait_for(lambda: api.watches().get(NODES))
        api.delete(f"{NODES}/w1")
        objects.until(lambda line: line["w1"] == 0)


# -- The fake server as a program ------------------------------------------------------------------

def test_the_program_obeys_its_control_address(tmp_path):
    """As the kill tests use it: started once, prepared and asked over plain HTTP."""
    program = subprocess.Popen([sys.executable, FAKE / "apiserver.py", "--pki", tmp_path / "pki"],
                               stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(program.stdout.readline())

        def control(what, **arguments):
            request = urllib.request.Request(f"{ready['control']}/{what}", method="POST",
                                             data=json.dumps(arguments).encode())
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.loads(reply.read())

        control("make_cluster", token="abcdef.0123456789abcdef")
        control("add_node", name="cp1", machine_id="m", ready=True)
        control("fault", path="/nodes", status=503, times=1)
        server = types.SimpleNamespace(url=ready["server"], ca_crt=ready["ca"])
        token = Probe(server, tmp_path, "--token", "abcdef.0123456789abcdef")
        assert token.error("get", f"{NODES}/cp1")[1] == "network"
        assert token.value("get", f"{NODES}/cp1")["status"]["nodeInfo"]["machineID"] == "m"
        assert [r["status"] for r in control("requests", path="/nodes")] == [503, 200]
        with pytest.raises(urllib.error.HTTPError):
            control("no-such-thing")
    finally:
        program.send_signal(signal.SIGTERM)
        program.stdout.close()
        assert program.wait(timeout=10) == 0


# -- Policies --------------------------------------------------------------------------------------

@pytest.mark.parametrize("check", kubepolicies.CHECKS, ids=lambda check: check.__name__)
def test_policies(api, probe, check):
    check(api, probe)
