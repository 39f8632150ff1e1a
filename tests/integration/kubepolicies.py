"""What agentd/kube/policy.h promises, as checks that hold on the fake and on the real API server.

Each check gets the server and the probe of the cluster's administrator.
"""

RBAC = "rbac.authorization.k8s.io"
MAPS = "/api/v1/namespaces/kube-system/configmaps"
BINDINGS = f"/apis/{RBAC}/v1/clusterrolebindings"
ROLES = f"/apis/{RBAC}/v1/clusterroles"
DEPLOYMENTS = "/apis/apps/v1/namespaces/kube-system/deployments"
NODES = "/api/v1/nodes"


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "kube-system"}, "data": data}


def group(name):
    return {"apiGroup": RBAC, "kind": "Group", "name": name}


def binding(name, role, *groups):
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [group(g) for g in groups]}


BINDING_POLICY = {"roleRef": "fixed", "subjects": "merged"}


def deployment(name, image="i:1"):
    labels = {"k8s-app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [
                    {"name": "c", "image": image, "args": ["-a", "-b"],
                     "ports": [{"containerPort": 53, "name": "dns", "protocol": "UDP"},
                               {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"}],
                     "resources": {"limits": {"memory": "170Mi"}}},
                ],
                "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
                "volumes": [{"name": "v", "emptyDir": {}}],
            }},
        },
    }


DEPLOYMENT_POLICY = {"spec.replicas": "once",
                     "spec.template.spec.containers[c].resources": "once"}


def managers(obj):
    return {(e["manager"], e["operation"]): e["fieldsV1"]
            for e in obj["metadata"]["managedFields"] if "subresource" not in e}


def compare(probe, collection, desired, policy):
    outcome = probe.value("compare", collection, desired["metadata"]["name"], desired, policy)
    return outcome["state"], outcome["why"]


def mend(probe, collection, desired, policy):
    return probe.value("mend", collection, desired["metadata"]["name"], desired, policy)


def version(api, path):
    return api.get(path)["metadata"]["resourceVersion"]


def check_a_missing_object_is_made_whole(api, probe):
    wanted = deployment("made")
    assert compare(probe, DEPLOYMENTS, wanted, DEPLOYMENT_POLICY)[0] == "missing"
    mend(probe, DEPLOYMENTS, wanted, DEPLOYMENT_POLICY)
    made = api.get(f"{DEPLOYMENTS}/made")
    assert made["spec"]["replicas"] == 2
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert compare(probe, DEPLOYMENTS, wanted, DEPLOYMENT_POLICY) == ("same", "")
    owned = managers(made)
    assert "f:replicas" not in owned["agentd", "Apply"]["f:spec"]
    assert set(owned["agentd-create", "Apply"]["f:spec"]) == {"f:replicas", "f:template"}


def check_an_identical_object_of_another_tool_stays_as_it_is(api, probe):
    wanted = binding("kubeadms", "view", "g")
    api.create(BINDINGS, wanted, "kubeadm")
    before = version(api, f"{BINDINGS}/kubeadms")
    assert compare(probe, BINDINGS, wanted, BINDING_POLICY) == ("same", "")
    assert mend(probe, BINDINGS, wanted, BINDING_POLICY) is None
    assert version(api, f"{BINDINGS}/kubeadms") == before


def check_a_created_once_field_is_the_administrators(api, probe):
    path = f"{DEPLOYMENTS}/scaled"
    mend(probe, DEPLOYMENTS, deployment("scaled"), DEPLOYMENT_POLICY)
    api.patch(path, {"spec": {"replicas": 5}})
    newer = deployment("scaled", image="i:2")
    assert compare(probe, DEPLOYMENTS, newer, DEPLOYMENT_POLICY) == (
        "differs", 'spec.template.spec.containers[c].image is "i:1", not "i:2"')
    mend(probe, DEPLOYMENTS, newer, DEPLOYMENT_POLICY)
    live = api.get(path)
    assert live["spec"]["replicas"] == 5
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "i:2"
    assert live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]


def check_a_created_once_field_that_nobody_touched_survives_a_later_apply(api, probe):
    path = f"{DEPLOYMENTS}/kept"
    mend(probe, DEPLOYMENTS, deployment("kept"), DEPLOYMENT_POLICY)
    mend(probe, DEPLOYMENTS, deployment("kept", image="i:2"), DEPLOYMENT_POLICY)
    assert api.get(path)["spec"]["replicas"] == 2


def check_an_edited_field_is_enforced_and_foreign_ones_stay(api, probe):
    path = f"{MAPS}/edited"
    wanted = config_map("edited", a="1", b="2")
    mend(probe, MAPS, wanted, {})
    api.patch(path, {"data": {"a": "x", "mine": "y"}, "metadata": {"labels": {"l": "z"}}})
    assert compare(probe, MAPS, wanted, {}) == ("differs", "data.a differs")
    mend(probe, MAPS, wanted, {})
    live = api.get(path)
    assert live["data"] == {"a": "1", "b": "2", "mine": "y"}
    assert live["metadata"]["labels"] == {"l": "z"}


def check_a_deleted_key_comes_back(api, probe):
    wanted = config_map("emptied", a="1", b="2")
    mend(probe, MAPS, wanted, {"data.b": "once"})
    api.patch(f"{MAPS}/emptied", {"data": {"a": None, "b": None}})
    assert compare(probe, MAPS, wanted, {"data.b": "once"})[0] == "differs"
    mend(probe, MAPS, wanted, {"data.b": "once"})
    assert api.get(f"{MAPS}/emptied")["data"] == {"a": "1"}


def check_a_field_that_is_wanted_no_more_goes(api, probe):
    mend(probe, MAPS, config_map("shrunk", a="1", b="2", once="3"), {"data.once": "once"})
    fewer = config_map("shrunk", a="x", once="3")
    mend(probe, MAPS, fewer, {"data.once": "once"})
    assert api.get(f"{MAPS}/shrunk")["data"] == {"a": "x", "once": "3"}


def check_subjects_of_others_stay(api, probe):
    path = f"{BINDINGS}/shared"
    wanted = binding("shared", "view", "ours")
    mend(probe, BINDINGS, wanted, BINDING_POLICY)
    api.patch(path, {"subjects": [group("theirs")]})
    assert compare(probe, BINDINGS, wanted, BINDING_POLICY) == (
        "differs", "subjects lacks an entry of ours")
    mend(probe, BINDINGS, wanted, BINDING_POLICY)
    assert api.get(path)["subjects"] == [group("theirs"), group("ours")]
    assert mend(probe, BINDINGS, wanted, BINDING_POLICY) is None


def check_subjects_that_are_gone_come_back(api, probe):
    wanted = binding("gone", "view", "ours")
    mend(probe, BINDINGS, wanted, BINDING_POLICY)
    api.patch(f"{BINDINGS}/gone", {"subjects": None})
    mend(probe, BINDINGS, wanted, BINDING_POLICY)
    assert api.get(f"{BINDINGS}/gone")["subjects"] == [group("ours")]


def check_a_list_that_changed_meanwhile_is_not_overwritten(api, probe):
    path = f"{BINDINGS}/raced"
    wanted = binding("raced", "view", "ours")
    api.create(BINDINGS, binding("raced", "view", "a"))
    stale = api.get(path)
    api.patch(path, {"subjects": [group("a"), group("b")]})
    assert probe.error("mend-stale", BINDINGS, "raced", wanted, BINDING_POLICY, stale)[0] == \
        "EAGAIN"
    assert api.get(path)["subjects"] == [group("a"), group("b")]


def check_another_role_means_another_object(api, probe):
    path = f"{BINDINGS}/renamed"
    api.create(BINDINGS, binding("renamed", "edit", "theirs"))
    uid = api.get(path)["metadata"]["uid"]
    wanted = binding("renamed", "view", "ours")
    assert compare(probe, BINDINGS, wanted, BINDING_POLICY) == (
        "replace", 'roleRef.name is "edit", not "view"')
    mend(probe, BINDINGS, wanted, BINDING_POLICY)
    live = api.get(path)
    assert live["roleRef"]["name"] == "view" and live["subjects"] == [group("ours")]
    assert live["metadata"]["uid"] != uid


def check_rules_are_restored_as_a_whole(api, probe):
    path = f"{ROLES}/ruled"
    rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    wanted = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "ruled"},
              "rules": rules}
    mend(probe, ROLES, wanted, {})
    api.patch(path, {"rules": rules + [{"apiGroups": [""], "resources": ["secrets"],
                                        "verbs": ["*"]}]})
    assert compare(probe, ROLES, wanted, {}) == ("differs", "rules differs")
    mend(probe, ROLES, wanted, {})
    assert api.get(path)["rules"] == rules


def check_what_is_only_created_once_is_never_looked_at_again(api, probe):
    wanted = config_map("once", a="1")
    mend(probe, MAPS, wanted, {"": "once"})
    assert set(managers(api.get(f"{MAPS}/once"))) == {("agentd-create", "Apply")}
    api.patch(f"{MAPS}/once", {"data": {"a": None, "b": "2"}})
    assert compare(probe, MAPS, wanted, {"": "once"}) == ("same", "")
    assert mend(probe, MAPS, wanted, {"": "once"}) is None


def check_an_object_that_appeared_meanwhile_is_not_overwritten(api, probe):
    wanted = config_map("raced", a="ours")
    api.create(MAPS, config_map("raced", a="theirs"))
    assert probe.error("mend-stale", MAPS, "raced", wanted, {"": "once"}, "-")[0] == "EAGAIN"
    assert api.get(f"{MAPS}/raced")["data"] == {"a": "theirs"}


def check_a_deleted_object_does_not_come_back_as_a_ghost(api, probe):
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "ghost"}}
    wanted = {**node, "metadata": {"name": "ghost",
                                   "labels": {"node-role.kubernetes.io/control-plane": ""}}}
    api.create(NODES, node)
    stale = api.get(f"{NODES}/ghost")
    api.delete(f"{NODES}/ghost")
    assert probe.error("mend-stale", NODES, "ghost", wanted, {}, stale)[0] == "EAGAIN"
    assert api.get(f"{NODES}/ghost") is None
    api.create(NODES, node)
    assert probe.error("mend-stale", NODES, "ghost", wanted, {}, stale)[0] == "EAGAIN"
    assert not api.get(f"{NODES}/ghost")["metadata"].get("labels")


def check_taints_are_ours_among_others(api, probe):
    path = f"{NODES}/tainted"
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    other = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    wanted = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "tainted"},
              "spec": {"taints": [{**taint, "value": ""}]}}
    policy = {"spec.taints": "merged key,effect"}
    api.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "tainted"},
                       "spec": {"podCIDR": "10.0.0.0/24"}})
    api.patch(path, {"spec": {"taints": None}})
    mend(probe, NODES, wanted, policy)
    api.patch(path, {"spec": {"taints": [other, {**taint, "value": "edited"}]}})
    mend(probe, NODES, wanted, policy)
    assert [{k: v for k, v in t.items() if v} for t in api.get(path)["spec"]["taints"]] == \
        [other, taint]
    assert compare(probe, NODES, wanted, policy) == ("same", "")


def check_creation_that_was_interrupted_goes_on(api, probe):
    """Killed after the first request: whole, and a later repair makes the fields ours."""
    path = f"{DEPLOYMENTS}/cut"
    wanted = deployment("cut")
    probe.value("apply", path, wanted, "agentd-create")
    assert compare(probe, DEPLOYMENTS, wanted, DEPLOYMENT_POLICY) == ("same", "")
    api.patch(path, {"spec": {"replicas": 7}})
    mend(probe, DEPLOYMENTS, deployment("cut", image="i:2"), DEPLOYMENT_POLICY)
    live = api.get(path)
    assert live["spec"]["replicas"] == 7
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "i:2"


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
