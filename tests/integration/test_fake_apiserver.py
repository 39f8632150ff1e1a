"""The fake API server answers as the real one does, request by request."""

import json
import ssl
import urllib.error
import urllib.request

import pytest

from apiserver import FakeApiServer
from kubepolicies import BINDINGS, DEPLOYMENTS, MAPS, NODES, ROLES, binding, config_map, deployment
from realapi import RealApiServer

JSON = "application/json"
MERGE = "application/merge-patch+json"
PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

SECRETS = "/api/v1/namespaces/kube-system/secrets"
EVENTS = "/api/v1/namespaces/kube-system/events"
PODS = "/api/v1/namespaces/kube-system/pods"


def apply(path, obj, manager, force=False):
    return ("PATCH", f"{path}?fieldManager={manager}{'&force=true' if force else ''}", APPLY, obj)


def step(name, value, what="replace"):
    return {"op": what, "path": name, "value": value}


def uid_of(obj, uid):
    return {**obj, "metadata": {**obj["metadata"], "uid": uid}}


NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
        "spec": {"podCIDR": "10.0.0.0/24"}}
TAINT = {"key": "k", "effect": "NoSchedule"}
EVENT = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "kube-system"},
         "involvedObject": {"kind": "Node", "name": "n"}, "reason": "r", "message": "m"}
SECRET = {"apiVersion": "v1", "kind": "Secret",
          "metadata": {"name": "s", "namespace": "kube-system"}, "stringData": {"a": "b"}}
OTHER_UID = "00000000-0000-4000-8000-00000000000f"

SCRIPT = [
    ("GET", f"{MAPS}/x", None, None),
    ("POST", MAPS, JSON, config_map("x", a="1")),
    ("POST", MAPS, JSON, config_map("x")),
    ("POST", MAPS, JSON, {**config_map("y"), "kind": "Secret"}),
    ("POST", MAPS, JSON, {**config_map("y"), "metadata": {"namespace": "kube-system"}}),
    ("POST", MAPS, JSON, {**config_map("y"), "metadata": {"name": "y", "namespace": "default"}}),
    ("POST", MAPS, JSON, config_map("y", a=1)),
    ("POST", "/api/v1/namespaces/nowhere/configmaps", JSON,
     {**config_map("y"), "metadata": {"name": "y"}}),
    ("PUT", f"{MAPS}/x", JSON, config_map("x", b="2")),
    ("PUT", f"{MAPS}/x", JSON, config_map("z")),
    ("PUT", f"{MAPS}/absent", JSON, {**config_map("absent"),
                                     "metadata": {"name": "absent", "resourceVersion": "1"}}),
    ("PATCH", f"{MAPS}/x", MERGE, {"data": {"b": None, "c": "3"}}),
    ("PATCH", f"{MAPS}/absent", MERGE, {}),
    ("PATCH", f"{MAPS}/x", "text/plain", {}),
    ("PATCH", f"{MAPS}/x", MERGE, {"metadata": {"resourceVersion": "1"}}),
    ("PATCH", f"{MAPS}/x", MERGE, {"metadata": {"uid": OTHER_UID}}),
    ("PATCH", f"{MAPS}/x", PATCH, [step("/data/c", "3", "test"), step("/data/c", "4")]),
    ("PATCH", f"{MAPS}/x", PATCH, [step("/data/c", "3", "test")]),
    ("PATCH", f"{MAPS}/x", PATCH, [step("/binaryData", None, "test"), step("/data/d", "5", "add")]),
    ("PATCH", f"{MAPS}/x", PATCH, [step("/nothing/there", "5", "add")]),
    ("PATCH", f"{MAPS}/x", PATCH, [{"op": "remove", "path": "/data/d"}]),
    ("PATCH", f"{MAPS}/x", PATCH, [step("/metadata/uid", OTHER_UID, "test")]),
    # Server-side apply.
    apply(f"{MAPS}/a", config_map("a", once="1", both="2"), "first"),
    apply(f"{MAPS}/a", config_map("a", both="2"), "second", True),
    apply(f"{MAPS}/a", config_map("a", once="1"), "first"),
    apply(f"{MAPS}/a", config_map("a", both="x"), "third"),
    apply(f"{MAPS}/a", config_map("a", both="x"), "third", True),
    apply(f"{MAPS}/a", config_map("a"), "third"),
    apply(f"{MAPS}/a", config_map("a"), "first"),
    ("PATCH", f"{MAPS}/a?force=true", APPLY, config_map("a")),
    apply(f"{MAPS}/a", uid_of(config_map("a"), OTHER_UID), "first", True),
    apply(f"{MAPS}/b", uid_of(config_map("b"), OTHER_UID), "first", True),
    apply(f"{DEPLOYMENTS}/d", deployment("d"), "first"),
    ("PATCH", f"{DEPLOYMENTS}/d", MERGE, {"spec": {"replicas": 5}}),
    apply(f"{DEPLOYMENTS}/d", deployment("d"), "first"),
    apply(f"{DEPLOYMENTS}/d", {**deployment("d"), "spec": {
        **deployment("d")["spec"], "replicas": 5,
        "selector": {"matchLabels": {"other": "x"}}}}, "first", True),
    ("PATCH", f"{DEPLOYMENTS}/d", STRATEGIC, {"spec": {"template": {"spec": {"containers": [
        {"name": "c", "image": "i:9"}]}}}}),
    # What is atomic, immutable or dropped.
    apply(f"{BINDINGS}/b", binding("b", "view", "one", "two"), "first"),
    apply(f"{BINDINGS}/b", binding("b", "view", "three"), "second"),
    apply(f"{BINDINGS}/b", binding("b", "view", "three"), "second", True),
    apply(f"{BINDINGS}/b", binding("b", "edit", "three"), "second", True),
    ("POST", BINDINGS, JSON, {**binding("c", "view"), "roleRef": None}),
    ("GET", f"{ROLES}/cluster-admin", None, None),
    ("POST", NODES, JSON, NODE),
    ("PATCH", f"{NODES}/n", MERGE, {"spec": {"taints": None}}),
    ("PATCH", f"{NODES}/n", PATCH, [step("/spec/taints", None, "test"),
                                    step("/spec/taints", [TAINT], "add")]),
    ("PATCH", f"{NODES}/n", PATCH, [step("/spec/taints", None, "test")]),
    ("POST", EVENTS, JSON, EVENT),
    ("POST", SECRETS, JSON, SECRET),
    # Lists and deletion.
    ("GET", f"{MAPS}?fieldSelector=metadata.name%3Dx", None, None),
    ("GET", f"{MAPS}?fieldSelector=metadata.name%3D", None, None),
    ("GET", f"{MAPS}?fieldSelector=nonsense", None, None),
    ("GET", f"{PODS}?fieldSelector=spec.nodeName%3Dn&labelSelector=a%20in%20(b),!c", None, None),
    ("GET", f"{MAPS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dabsent", None, None),
    ("DELETE", f"{MAPS}/x", JSON, {"kind": "DeleteOptions", "apiVersion": "v1",
                                   "preconditions": {"uid": OTHER_UID}}),
    ("DELETE", f"{MAPS}/x", None, None),
    ("DELETE", f"{MAPS}/x", None, None),
    ("GET", "/api/v1/namespaces/kube-system/nothings", None, None),
    ("GET", "/apis/apps/v9/deployments", None, None),
    ("GET", "/readyz", None, None),
]

KEPT = ("data", "type", "roleRef", "subjects", "rules")


def send(api, credentials, method, path, content_type, body):
    context = ssl.create_default_context(cafile=api.ca_crt)
    context.load_cert_chain(*credentials)
    request = urllib.request.Request(
        api.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": content_type} if content_type else {})
    request.add_header("User-Agent", "kubectl-edit/1")
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def essence(status, body):
    """What a client of ours would look at."""
    try:
        value = json.loads(body)
    except ValueError:
        return status, body[:40]
    if value.get("kind") == "Status":
        # The wording is the server's; what agentd tells apart is not.
        causes = {c.get("field") for c in value.get("details", {}).get("causes", [])}
        return (status, "Status", value.get("status"), value.get("reason"),
                "our request" in value.get("message", ""), "metadata.uid" in causes)
    if value["kind"].endswith("List"):
        names = [item["metadata"]["name"] for item in value["items"]]
        return (status, value["kind"], [n for n in names if n in ("x", "a", "b")],
                "kind" in (value["items"] or [{}])[0])
    spec = value.get("spec", {})
    container = spec.get("template", {}).get("spec", {}).get("containers", [{}])[0]
    owners = sorted((e["manager"], e["operation"], e.get("subresource", ""))
                    for e in value["metadata"].get("managedFields", [])
                    if e["manager"] not in ("kube-apiserver", "kubectl-edit"))
    return (status, value["kind"], value["metadata"]["name"], owners,
            value["metadata"].get("generation") if "replicas" in spec else None,
            spec.get("replicas"), spec.get("taints"), container.get("image"),
            {key: value.get(key) for key in KEPT})


@pytest.mark.real
def test_the_fake_answers_like_the_real_one(tmp_path):
    with RealApiServer() as real, FakeApiServer(auto_ready=False) as fake:
        admin = fake.client_certificate("admin", ["system:masters"])
        differences = []
        for request in SCRIPT:
            theirs = essence(*send(real, real.admin, *request))
            ours = essence(*send(fake, admin, *request))
            if theirs != ours:
                differences.append(f"{request}\n  real {theirs}\n  fake {ours}")
        assert not differences, "\n".join(differences)
