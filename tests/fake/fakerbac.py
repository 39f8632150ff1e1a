"""Who may do what on the fake API server: RBAC over its own objects, and a small node authorizer.

The bootstrap roles are those of kube-apiserver that kubeadm and agentd bind to. Nodes may do what a
kubelet needs for itself, as Node authorizer and NodeRestriction together allow it.
"""

from fakestore import RBAC, RESOURCES


def rule(groups, resources, verbs, names=None):
    row = {"apiGroups": groups, "resources": resources, "verbs": verbs}
    return {**row, "resourceNames": names} if names else row


CERTIFICATES = "certificates.k8s.io"
REQUESTS = "certificatesigningrequests"
ROLES = {
    "cluster-admin": [rule(["*"], ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
    "system:node-bootstrapper": [
        rule([CERTIFICATES], [REQUESTS], ["create", "get", "list", "watch"]),
    ],
    f"system:{CERTIFICATES}:{REQUESTS}:nodeclient": [
        rule([CERTIFICATES], [REQUESTS + "/nodeclient"], ["create"]),
    ],
    f"system:{CERTIFICATES}:{REQUESTS}:selfnodeclient": [
        rule([CERTIFICATES], [REQUESTS + "/selfnodeclient"], ["create"]),
    ],
    "system:kubelet-api-admin": [
        rule([""], ["nodes"], ["get", "list", "watch", "proxy"]),
        rule([""], ["nodes/proxy", "nodes/log", "nodes/stats", "nodes/metrics"], ["*"]),
    ],
    "system:node-proxier": [
        rule([""], ["services", "endpoints"], ["list", "watch"]),
        rule([""], ["nodes"], ["get", "list", "watch"]),
        rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
    ],
}
BINDINGS = {"cluster-admin": ("cluster-admin", "system:masters")}


def create_bootstrap_policy(store):
    for name, rules in ROLES.items():
        store.create(RESOURCES[RBAC, "clusterroles"], "", {
            "apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
        }, "kube-apiserver")
    for name, (role, group) in BINDINGS.items():
        store.create(RESOURCES[RBAC, "clusterrolebindings"], "", {
            "apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC.partition("/")[0], "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC.partition("/")[0], "kind": "Group", "name": group}],
        }, "kube-apiserver")


def subject_matches(subject, user, groups):
    if subject.get("kind") == "User":
        return subject["name"] == user
    if subject.get("kind") == "Group":
        return subject["name"] in groups
    return user == f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}"


def rule_allows(row, verb, group, resource, name):
    return (
        (verb in row.get("verbs", []) or "*" in row.get("verbs", []))
        and (group in row.get("apiGroups", []) or "*" in row.get("apiGroups", []))
        and (resource in row.get("resources", []) or "*" in row.get("resources", []))
        and (not row.get("resourceNames") or name in row["resourceNames"])
    )


def rules_of(store, user, groups, namespace):
    """All rules that hold for somebody in a namespace ("" = cluster-wide)."""
    places = [("clusterrolebindings", "")]
    if namespace:
        places.append(("rolebindings", namespace))
    for plural, space in places:
        for (ns, _), binding in list(store.table(RESOURCES[RBAC, plural]).items()):
            if ns != space:
                continue
            if not any(subject_matches(s, user, groups) for s in binding.get("subjects") or []):
                continue
            ref = binding["roleRef"]
            role = store.find(RBAC, "clusterroles", "", ref["name"]) \
                if ref["kind"] == "ClusterRole" else store.find(RBAC, "roles", ns, ref["name"])
            yield from (role or {}).get("rules") or []


def node_may(name, verb, resource, namespace, obj_name, selector):
    """What the kubelet of a node may do by itself."""
    read = ("get", "list", "watch")
    if resource == "nodes":
        return (verb in ("get", "patch", "update") and obj_name == name) or verb == "create" or \
            (verb in read and selector.get("metadata.name") == name)
    if resource == "nodes/status":
        return obj_name == name
    if resource in ("pods", "pods/status"):
        return verb == "get" or (verb in read and selector.get("spec.nodeName") == name) or \
            verb in ("create", "delete", "patch", "update")
    if resource == "leases":
        return namespace == "kube-node-lease" and obj_name in (name, None)
    if resource == "events":
        return verb in ("create", "patch")
    if resource == "certificatesigningrequests":
        return verb in ("create", "get", "list", "watch")
    if resource == "services":
        return verb in read
    if resource == "csinodes":
        return obj_name in (name, None)
    return False


def authorize(store, user, groups, verb, resource, namespace, name, selector):
    """Whether a request may go on; resource is the plural with its subresource, and its group."""
    group, plural = resource
    if "system:masters" in groups:
        return True
    name = name or selector.get("metadata.name")
    if any(rule_allows(row, verb, group, plural, name)
           for row in rules_of(store, user, groups, namespace)):
        return True
    if "system:nodes" in groups and user.startswith("system:node:"):
        return node_may(user[len("system:node:"):], verb, plural, namespace, name, selector)
    return False
