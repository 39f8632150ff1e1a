"""Every field of every cluster object that agentd keeps, on a real kube-apiserver.

The objects, their fields and the policy of each field are those of the tables in agentd/resources
(object-probe prints them), so an object or a field that is new is tested here from its first day: a
field that is enforced comes back however it was changed and whoever owns it then, one that is
written once stays as somebody changed it, a list that is shared keeps what others put into it, and
a deleted object comes back alone.
"""

import copy
import json
import re
import time

import pytest

from objectprobe import (
    MISSING, NODE, ROLE, ObjectProbe, Row, locate, only, others, pointer, put_at, value_at,
)
from realapi import RealApiServer

pytestmark = pytest.mark.real

RBAC = "/apis/rbac.authorization.k8s.io/v1/"
NODES = "/api/v1/nodes"
TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
# Who an object is. Changing one of them means another object.
IDENTITY = {"apiVersion", "kind", "metadata.name", "metadata.namespace"}
# Fields that nobody can change without deleting the object.
IMMUTABLE = {
    "deployment/kube-system/coredns: "
    "spec.template.spec.containers[coredns].livenessProbe.successThreshold",
    "deployment/kube-system/coredns: spec.selector.matchLabels.k8s-app",
    "deployment/kube-system/coredns: spec.template.metadata.labels.k8s-app",
    "daemonset/kube-system/kube-proxy: spec.selector.matchLabels.k8s-app",
    "daemonset/kube-system/kube-proxy: spec.template.metadata.labels.k8s-app",
    "service/kube-system/kube-dns: spec.clusterIP",
}
# What agentd writes that is no row of an object: the Node that the kubelet made, and what the
# role's tokens are made of.
OTHER_OBJECTS = {f"{NODES}/{NODE}", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-q3ob5z"}


@pytest.fixture(scope="module")
def api():
    with RealApiServer() as server:
        server.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}, "kubelet")
        yield server


@pytest.fixture(scope="module")
def probe(api, tmp_path_factory):
    probe = ObjectProbe(api, tmp_path_factory.mktemp("host"))
    probe.settle()
    # The API server takes a moment to know of rights that it was just told.
    probe.failures.clear()
    yield probe
    probe.stop()
    assert not probe.failures


@pytest.fixture(scope="module")
def rows(probe):
    return [Row(probe, name, description) for name, description in probe.describe().items()]


def each(rows, kind):
    for row in rows:
        for leaf in row.leaves:
            if leaf["kind"] == kind and leaf["place"] not in IDENTITY:
                yield row, leaf


def report(problems):
    assert not problems, f"{len(problems)} fields:\n" + "\n".join(problems)


# -- Objects ---------------------------------------------------------------------------------------


def test_everything_is_made_by_agentds_own_identity(api, probe, rows):
    assert len(rows) > 30
    for row in rows:
        made = {entry["manager"] for entry in row.live()["metadata"].get("managedFields", [])}
        assert made <= {"agentd", "agentd-create"}, row


def test_what_agentd_writes_is_an_object_of_a_row(api, rows):
    """An object that no row keeps would stay deleted, and none of these tests would know it."""
    known = {row.path for row in rows} | OTHER_OBJECTS
    written = set()
    for group in ("/api/v1", "/apis/apps/v1", "/apis/policy/v1", "/apis/coordination.k8s.io/v1",
                  RBAC.rstrip("/")):
        for resource in api.get(group)["resources"]:
            if "/" in resource["name"] or "list" not in resource["verbs"]:
                continue
            listed = api.get(f"{group}/{resource['name']}")
            for item in (listed or {}).get("items") or []:
                managers = {entry["manager"] for entry in item["metadata"].get("managedFields", [])}
                namespace = item["metadata"].get("namespace")
                place = f"namespaces/{namespace}/" if namespace else ""
                if managers & {"agentd", "agentd-create"} and resource["name"] != "events":
                    written.add(f"{group}/{place}{resource['name']}/{item['metadata']['name']}")
    # Of an account there is nothing but the name, which no manager owns.
    assert written == {path for path in known if "/serviceaccounts/" not in path}


def test_a_deleted_object_comes_back_alone(api, probe, rows):
    for row in rows:
        before = {other: other.live() for other in rows}
        runs = {name: state["runs"] for name, state in probe.rest.items()}
        content = row.content()
        api.delete(row.path)
        row.wait_for(content)
        for other in rows:
            if other is not row:
                assert other.live() == before[other], f"{other}, when {row} was deleted"
                assert probe.rest[other.name]["runs"] == runs[other.name]
        assert row.live()["metadata"]["uid"] != before[row]["metadata"]["uid"]


def test_what_others_add_stays(api, probe, rows):
    """A label and an annotation of somebody else, on every object."""
    for row in rows:
        before = row.content()
        for kind in ("labels", "annotations"):
            before["metadata"].setdefault(kind, {})["example.org/mine"] = "yes"
        live = api.patch(row.path, {"metadata": {
            "labels": {"example.org/mine": "yes"}, "annotations": {"example.org/mine": "yes"}}})
        probe.wait_until_seen(row.name, live["metadata"]["resourceVersion"])
        assert row.content() == before
        # Also when the object has to be mended meanwhile.
        for leaf in row.leaves:
            if leaf["kind"] == "enforced" and leaf["place"] not in IDENTITY:
                edit(row, leaf)
                row.wait_for(before)
                break
        api.patch(row.path, {"metadata": {
            "labels": {"example.org/mine": None}, "annotations": {"example.org/mine": None}}})


# -- Fields ----------------------------------------------------------------------------------------


def edit(row, leaf):
    """kubectl edit: one field by a JSON patch. Returns the object then, None if nobody may."""
    live = row.live()
    keys = locate(live, leaf["path"])
    assert keys is not None, f"{row}: {leaf['place']} is not there"
    for value in others(leaf["value"]):
        step = {"op": "remove", "path": pointer(keys)} if value is MISSING else \
            {"op": "replace", "path": pointer(keys), "value": value}
        status, obj = row.json_patch(step)
        if status == 200 and value_at(obj, leaf["path"]) != leaf["value"]:
            return obj
    return edit_with_others(row, leaf, live, keys)


def edit_with_others(row, leaf, live, keys):
    """A field that has to agree with others: a volume's name and its mounts', a strategy's type and
    what goes with it."""
    parent = value_at(live, keys[:-1])
    for value in others(leaf["value"]):
        if not isinstance(value, str):
            continue
        for place, new in (("/spec", renamed(live.get("spec"), leaf["value"], value)),
                           (pointer(keys[:-1]), {keys[-1]: value}),
                           ("/spec/template/spec", renamed_volume(live, leaf, value))):
            if new is None or new == parent:
                continue
            status, obj = row.json_patch({"op": "replace", "path": place, "value": new})
            if status == 200 and value_at(obj, leaf["path"]) != leaf["value"]:
                return obj
    return None


def renamed_volume(live, leaf, new):
    """A volume and its mounts alone: labels that nobody can change may have its name too."""
    if not re.search(r"\.volume(Mount)?s\[[^]]*\]\.name$", leaf["place"]):
        return None
    spec = copy.deepcopy(live["spec"]["template"]["spec"])
    for item in (*spec["volumes"], *(m for c in spec["containers"] for m in c["volumeMounts"])):
        if item["name"] == leaf["value"]:
            item["name"] = new
    return spec


def renamed(value, old, new):
    if isinstance(value, dict):
        return {key: renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, old, new) for item in value]
    return new if value == old and isinstance(value, str) else value


def apply(row, leaf):
    """kubectl apply --server-side --force-conflicts by somebody who wants but this field."""
    for value in others(leaf["value"]):
        if value is MISSING:
            continue
        status, obj = row.apply(only(row.wanted, leaf["path"], value))
        if status == 200 and value_at(obj, leaf["path"]) != leaf["value"]:
            return obj
    return None


def replace(row, leaf):
    """kubectl replace: the whole object is somebody else's afterwards."""
    for value in others(leaf["value"]):
        obj = copy.deepcopy(row.live())
        put_at(obj, leaf["path"], value)
        status, obj = row.replace(obj)
        if status == 200 and value_at(obj, leaf["path"]) != leaf["value"]:
            return obj
    return None


@pytest.mark.parametrize("change", [edit, apply, replace], ids=lambda change: change.__name__)
def test_an_enforced_field_comes_back(probe, rows, change):
    problems = []
    for row, leaf in each(rows, "enforced"):
        before = row.content()
        if change(row, leaf) is None:
            problems.append(f"{row}: {leaf['place']} cannot be changed, so why is it enforced?")
            continue
        try:
            row.wait_for(before)
        except AssertionError as error:
            problems.append(f"{row}: {leaf['place']}: {error}")
    report(problems)


def test_an_enforced_field_that_another_manager_owns_is_ours_again(rows):
    """Who applied it by force has lost it, and does not take it away when he leaves."""
    for row, leaf in each(rows, "enforced"):
        before = row.content()
        assert apply(row, leaf) is not None, f"{row}: {leaf['place']}"
        row.wait_for(before)
        status, _ = row.apply(only(row.wanted, [], None))
        assert status == 200
        time.sleep(0.02)
        row.wait_for(before)


def test_a_created_once_field_stays_as_somebody_changed_it(probe, rows):
    problems, immutable = [], set()
    for row, leaf in each(rows, "once"):
        before = row.live()
        obj = edit(row, leaf)
        if obj is None:
            immutable.add(f"{row}: {leaf['place']}")
            continue
        probe.wait_until_seen(row.name, obj["metadata"]["resourceVersion"])
        if row.live() != obj:
            problems.append(f"{row}: {leaf['place']} was written again")
        # The next field is tried on the object as it was.
        keep = row.live()
        restored = copy.deepcopy(before)
        restored["metadata"]["resourceVersion"] = keep["metadata"]["resourceVersion"]
        status, answer = row.replace(restored)
        assert status == 200, answer
    report(problems)
    assert immutable == IMMUTABLE


def test_what_was_changed_stays_when_the_rest_is_mended(probe, rows):
    """All fields that are written once, changed at once, while an enforced one comes back."""
    for row in rows:
        once = [leaf for leaf in row.leaves if leaf["kind"] == "once"]
        enforced = [leaf for leaf in row.leaves
                    if leaf["kind"] == "enforced" and leaf["place"] not in IDENTITY]
        if not once or not enforced:
            continue
        before = row.live()
        for leaf in once:
            if locate(row.live(), leaf["path"]) is not None:
                edit(row, leaf)
        changed = row.content()
        assert edit(row, enforced[0]) is not None
        row.wait_for(changed)
        restored = copy.deepcopy(before)
        restored["metadata"]["resourceVersion"] = row.live()["metadata"]["resourceVersion"]
        assert row.replace(restored)[0] == 200


# -- Lists that are shared ---------------------------------------------------------------------------


def test_others_entries_of_a_shared_list_stay_and_ours_come_back(api, probe, rows):
    theirs = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "theirs"}
    tested = 0
    for row, leaf in each(rows, "merged"):
        assert leaf["place"] == "subjects", f"{row}: a test for {leaf['place']} is missing"
        ours = row.live()["subjects"]
        live = api.patch(row.path, {"subjects": [*ours, theirs]})
        probe.wait_until_seen(row.name, live["metadata"]["resourceVersion"])
        assert row.live()["subjects"] == [*ours, theirs], row
        # Each of ours alone, then all of them, then the list.
        for gone in [*([entry] for entry in ours), ours]:
            left = [entry for entry in row.live()["subjects"] if entry not in gone]
            api.patch(row.path, {"subjects": left})
            wait_for_subjects(probe, row, [*left, *gone])
        api.patch(row.path, {"subjects": None})
        wait_for_subjects(probe, row, ours)
        # By an owner who applies but his own.
        status, _ = row.apply({**only(row.wanted, [], None), "roleRef": row.wanted["roleRef"],
                               "subjects": [theirs]})
        assert status == 200
        wait_for_subjects(probe, row, [theirs, *ours])
        api.patch(row.path, {"subjects": ours})
        probe.settle()
        tested += 1
    assert tested > 10


def wait_for_subjects(probe, row, expected, timeout=20):
    deadline = time.monotonic() + timeout
    while row.live().get("subjects") != expected:
        assert time.monotonic() < deadline, f"{row}: {row.live().get('subjects')}, not {expected}"
        time.sleep(0.005)
    probe.settle()


def test_a_binding_to_another_role_is_made_anew(api, probe, rows):
    tested = set()
    for row, leaf in each(rows, "fixed"):
        assert leaf["place"].startswith("roleRef."), f"{row}: a test for {leaf['place']} is missing"
        if row in tested:
            continue
        tested.add(row)
        wanted = row.content()
        other = copy.deepcopy(wanted)
        other["roleRef"].update(kind="ClusterRole", name="view")
        api.delete(row.path)
        # agentd may be faster than we.
        status, _ = api.request("POST", row.collection, other)
        if status != 201:
            assert status == 409
            row.probe.settle()
            continue
        row.wait_for(wanted)
    assert len(tested) > 10


# -- What issue, operators and other tools expect ----------------------------------------------------


def by_name(rows, name):
    (row,) = [row for row in rows if row.name == name]
    return row


def stays(probe, row, patch, content_type="application/merge-patch+json", subresource=""):
    status, obj = row.api.request("PATCH", f"{row.path}{subresource}?fieldManager=kubectl-edit", patch,
                                  content_type)
    assert status == 200, obj
    edited = row.live()
    probe.wait_until_seen(row.name, edited["metadata"]["resourceVersion"])
    assert row.live() == edited


def test_coredns_is_the_administrators(probe, rows):
    deployment = by_name(rows, "deployment/kube-system/coredns")
    stays(probe, deployment, {"spec": {"replicas": 5}}, subresource="/scale")
    stays(probe, deployment, {"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": "2026-11-25T00:00:00Z"}}}}})
    stays(probe, deployment, {"spec": {"template": {"spec": {"containers": [
        {"name": "coredns", "resources": {"limits": {"memory": "1Gi", "cpu": "1"}}}]}}}},
          "application/strategic-merge-patch+json")
    stays(probe, by_name(rows, "configmap/kube-system/coredns"),
          {"data": {"Corefile": ".:53 {\n    errors\n}\n", "zone": "mine"}})
    stays(probe, by_name(rows, "service/kube-system/kube-dns"),
          {"metadata": {"annotations": {"prometheus.io/scrape": None}}})


def test_kube_proxy_is_the_administrators(probe, rows):
    stays(probe, by_name(rows, "configmap/kube-system/kube-proxy"), {"data": {"config.conf": "mode: nftables\n"}})
    stays(probe, by_name(rows, "daemonset/kube-system/kube-proxy"), {"spec": {"template": {"spec": {
        "tolerations": [{"key": "only", "operator": "Exists"}], "nodeSelector": {"a": "b"}}}}})


def test_what_kubeadm_upgrade_writes_stays(probe, rows):
    """It replaces the object with its own managers and a newer version."""
    for name, key in (("kubeadm-config", "ClusterConfiguration"), ("kubelet-config", "kubelet")):
        row = by_name(rows, f"configmap/kube-system/{name}")
        obj = row.live()
        obj["data"] = {key: obj["data"][key].replace("v1.36.3", "v1.37.2") + "# by kubeadm\n"}
        obj["metadata"]["annotations"] = {"kubeadm.kubernetes.io/component-config.hash": "sha256:other"}
        obj["metadata"].pop("managedFields")
        status, obj = row.api.request("PUT", f"{row.path}?fieldManager=kubeadm", obj)
        assert status == 200, obj
        probe.wait_until_seen(row.name, obj["metadata"]["resourceVersion"])
        assert row.live() == obj


def node(api):
    return api.get(f"{NODES}/{NODE}")


def wait_for(condition, what, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_labels_of_the_node_are_kept_and_others_stay(api, probe):
    ours = {"node-role.kubernetes.io/control-plane": "",
            "node.kubernetes.io/exclude-from-external-load-balancers": ""}
    wait_for(lambda: ours.items() <= node(api)["metadata"].get("labels", {}).items(), "our labels")
    for label in ours:
        for value in ("x", None):
            api.patch(f"{NODES}/{NODE}", {"metadata": {"labels": {label: value, "mine": "yes"}}})
            wait_for(lambda: {**ours, "mine": "yes"}.items() <= node(api)["metadata"]["labels"].items(),
                     label)


def taints(api):
    return node(api)["spec"].get("taints") or []


def test_a_taint_that_the_administrator_removed_stays_removed(api, probe):
    wait_for(lambda: TAINT in taints(api), "our taint")
    probe.settle()
    runs = probe.rest["node-taints"]["runs"]
    theirs = {"key": "example.org/mine", "value": "yes", "effect": "NoExecute"}
    # Beside ours, then instead of ours, then none at all.
    for wanted in ([TAINT, theirs], [theirs], []):
        api.patch(f"{NODES}/{NODE}", {"spec": {"taints": wanted or None}})
        # A label that comes back shows that this state of the Node has been seen.
        api.patch(f"{NODES}/{NODE}", {"metadata": {"labels": {TAINT["key"]: None}}})
        wait_for(lambda: TAINT["key"] in node(api)["metadata"]["labels"], "our label")
        probe.settle()
        assert taints(api) == wanted
    assert probe.rest["node-taints"]["runs"] == runs


def test_a_new_node_object_gets_its_taints_and_keeps_those_of_others(api, probe):
    theirs = {"key": "example.org/mine", "value": "yes", "effect": "NoExecute"}
    api.delete(f"{NODES}/{NODE}")
    api.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE},
                       "spec": {"taints": [theirs]}}, "kubelet")
    wait_for(lambda: TAINT in taints(api), "our taint")
    assert theirs in taints(api)
    probe.settle()


def test_a_token_that_somebody_deleted_stays_deleted(api, probe):
    (secret,) = [path for path in OTHER_OBJECTS if "secrets" in path]
    runs = probe.rest["bootstrap-tokens"]["runs"]
    api.delete(secret)
    label = f"{NODES}/{NODE}"
    api.patch(label, {"metadata": {"labels": {TAINT["key"]: None}}})
    wait_for(lambda: TAINT["key"] in node(api)["metadata"]["labels"], "our label")
    probe.settle()
    assert api.get(secret) is None
    assert probe.rest["bootstrap-tokens"]["runs"] == runs


def test_an_agentd_without_memory_changes_nothing(api, tmp_path, probe, rows):
    """It finds all as it wants it, adopts it, and leaves alone what others have put into it."""
    theirs = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "theirs"}
    for row, leaf in each(rows, "merged"):
        api.patch(row.path, {"subjects": [*row.live()["subjects"], theirs]})
    probe.settle()
    before = {row: row.live() for row in rows}
    second = ObjectProbe(api, tmp_path, ROLE)
    second.settle()
    second.stop()
    probe.settle()
    for row in rows:
        if row.name != "configmap/kube-public/cluster-info":
            assert row.live() == before[row], json.dumps(row.live())
