"""The objects of the fake API server: kinds, resourceVersions, server-side apply, watches.

Only the standard library; used by apiserver.py. It behaves as kube-apiserver does where agentd
looks: names, 404/409/410/422 with their Status objects, field ownership by manager, one log of
changes that watches read. Uids and resourceVersions are counted, so that runs repeat.
"""

import base64
import copy
import threading
import time

from fakefields import (
    ApiError, fields_v1, has, json_patch, lookup, merge_patch, owned_leaves, paths_of_fields_v1,
    remove_at, store_at, strategic_merge, unprocessable,
)


class Resource:
    """One row of the table of kinds."""

    def __init__(self, group_version, plural, kind, namespaced, subresources=()):
        self.group_version = group_version
        self.group = group_version.rpartition("/")[0]
        self.plural = plural
        self.kind = kind
        self.namespaced = namespaced
        self.subresources = subresources

    @property
    def qualified(self):
        return f"{self.plural}.{self.group}" if self.group else self.plural


RBAC = "rbac.authorization.k8s.io/v1"
TABLE = [
    Resource("v1", "namespaces", "Namespace", False),
    Resource("v1", "nodes", "Node", False, ("status",)),
    Resource("v1", "pods", "Pod", True, ("status", "eviction")),
    Resource("v1", "configmaps", "ConfigMap", True),
    Resource("v1", "secrets", "Secret", True),
    Resource("v1", "services", "Service", True),
    Resource("v1", "serviceaccounts", "ServiceAccount", True),
    Resource("v1", "endpoints", "Endpoints", True),
    Resource("v1", "events", "Event", True),
    Resource("apps/v1", "deployments", "Deployment", True, ("status", "scale")),
    Resource("apps/v1", "daemonsets", "DaemonSet", True, ("status",)),
    Resource("certificates.k8s.io/v1", "certificatesigningrequests", "CertificateSigningRequest",
             False, ("status", "approval")),
    Resource("coordination.k8s.io/v1", "leases", "Lease", True),
    Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", True),
    Resource("events.k8s.io/v1", "events", "Event", True),
    Resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", True),
    Resource(RBAC, "clusterroles", "ClusterRole", False),
    Resource(RBAC, "clusterrolebindings", "ClusterRoleBinding", False),
    Resource(RBAC, "roles", "Role", True),
    Resource(RBAC, "rolebindings", "RoleBinding", True),
    Resource("storage.k8s.io/v1", "csinodes", "CSINode", False),
]
RESOURCES = {(r.group_version, r.plural): r for r in TABLE}

# -- the store -------------------------------------------------------------------------------------

class Store:
    """All objects, the log of their changes, and the lock that guards both."""

    def __init__(self):
        self.changed = threading.Condition(threading.RLock())
        self.objects = {}  # (group_version, plural) -> {(namespace, name): object}
        self.log = []  # (resourceVersion, resource, type, object)
        self.version = 100
        self.oldest = 0  # watches from before this version get 410
        self.uids = 0
        self.hooks = []  # called with (resource, type, object) after each change, locked
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.create(RESOURCES["v1", "namespaces"], "", {
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
            }, "kube-apiserver")

    # Reading.

    def table(self, resource):
        return self.objects.setdefault((resource.group_version, resource.plural), {})

    def not_found(self, resource, name):
        return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', {
            "name": name, "group": resource.group, "kind": resource.plural,
        })

    def get(self, resource, namespace, name):
        with self.changed:
            obj = self.table(resource).get((namespace, name))
            if obj is None:
                raise self.not_found(resource, name)
            return obj

    def find(self, group_version, plural, namespace, name):
        """An object, or None: for controllers and tests."""
        with self.changed:
            return self.table(RESOURCES[group_version, plural]).get((namespace, name))

    def list(self, resource, namespace, selects):
        with self.changed:
            items = [
                obj for (ns, _), obj in sorted(self.table(resource).items())
                if (not namespace or ns == namespace) and selects(obj)
            ]
            return items, self.version

    # Writing.

    def _next(self):
        self.version += 1
        return str(self.version)

    def _commit(self, resource, kind_of_change, obj, version=None):
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if kind_of_change == "DELETED":
            self.table(resource).pop(key, None)
        else:
            self.table(resource)[key] = obj
        self.log.append((version or self.version, resource, kind_of_change, obj))
        if len(self.log) > 20000:
            del self.log[:10000]
            self.oldest = self.log[0][0]
        for hook in list(self.hooks):
            hook(resource, kind_of_change, obj)
        self.changed.notify_all()

    def _prepare(self, resource, namespace, obj, name):
        """A checked copy with identity; raises 400 and 422 as the server does."""
        if not isinstance(obj, dict):
            raise ApiError(400, "BadRequest", "the body is not an object")
        if obj.get("kind") != resource.kind or obj.get("apiVersion") != resource.group_version:
            raise ApiError(400, "BadRequest", f"{resource.kind} in version "
                           f"{resource.group_version!r} cannot be handled as a "
                           f"{obj.get('kind')} of {obj.get('apiVersion')}")
        obj = copy.deepcopy(obj)
        meta = obj.setdefault("metadata", {})
        if name is None and not meta.get("name") and meta.get("generateName"):
            self.uids += 1
            meta["name"] = f"{meta['generateName']}{self.uids:05d}"
        if name is not None and meta.get("name", name) != name:
            raise ApiError(400, "BadRequest", f"the name of the object ({meta['name']}) does not "
                           f"match the name on the URL ({name})")
        meta.setdefault("name", name)
        if not meta["name"]:
            raise unprocessable(f"{resource.kind} is invalid: metadata.name: Required value")
        if resource.namespaced:
            if meta.get("namespace", namespace) != namespace:
                raise ApiError(400, "BadRequest", "the namespace of the provided object does not "
                               "match the namespace sent on the request")
            meta["namespace"] = namespace
            if not self.table(RESOURCES["v1", "namespaces"]).get(("", namespace)):
                raise self.not_found(RESOURCES["v1", "namespaces"], namespace)
        elif meta.pop("namespace", None):
            raise ApiError(400, "BadRequest", "namespace on a cluster-scoped object")
        return obj

    @staticmethod
    def _complete(resource, obj):
        """Defaults, and what only a whole object must have."""
        name = f'{resource.kind} "{obj["metadata"]["name"]}" is invalid: '
        if resource.kind == "ConfigMap":
            for key, value in (obj.get("data") or {}).items():
                if not isinstance(value, str):
                    raise ApiError(400, "BadRequest", f"ConfigMap in version \"v1\" cannot be "
                                   f"handled as a ConfigMap: data.{key} is not a string")
        if resource.kind == "Secret":
            for key, value in (obj.pop("stringData", None) or {}).items():
                obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
            obj.setdefault("type", "Opaque")
        if resource.kind in ("RoleBinding", "ClusterRoleBinding") and not obj.get("roleRef"):
            raise unprocessable(name + "roleRef: Required value")
        if resource.kind == "Event" and resource.group_version == "v1":
            involved = obj.get("involvedObject", {})
            if not involved.get("namespace") and obj["metadata"]["namespace"] != "default":
                raise unprocessable(name + "involvedObject.namespace: Invalid value: \"\": does "
                                    "not match event.namespace")
        if resource.kind == "Deployment":
            obj.setdefault("spec", {}).setdefault("replicas", 1)

    def _own(self, before, after, manager, subresource=""):
        """Managed fields after an update: what changed is the manager's."""
        old, new = owned_leaves(before), owned_leaves(after)
        changed = {p for p, leaf in new.items() if p not in old or old[p] != leaf}
        gone = set(old) - set(new)
        entries = self._managers(before)
        mine = (manager, "Update", subresource)
        for key in list(entries):
            entries[key] -= gone | (changed if key != mine else set())
        if changed:
            entries[mine] = entries.get(mine, set()) | changed
        self._set_managers(after, entries)

    @staticmethod
    def _managers(obj):
        return {
            (e["manager"], e["operation"], e.get("subresource", "")):
                set(paths_of_fields_v1(e["fieldsV1"]))
            for e in obj.get("metadata", {}).get("managedFields", [])
        }

    @staticmethod
    def _set_managers(obj, entries):
        obj["metadata"]["managedFields"] = [
            {"manager": manager, "operation": operation, "apiVersion": obj["apiVersion"],
             "fieldsType": "FieldsV1", "fieldsV1": fields_v1(sorted(paths)),
             **({"subresource": subresource} if subresource else {})}
            for (manager, operation, subresource), paths in sorted(entries.items()) if paths
        ]

    def _birth(self, obj):
        meta = obj["metadata"]
        self.uids += 1
        meta["uid"] = f"00000000-0000-4000-8000-{self.uids:012x}"
        meta["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        meta["resourceVersion"] = self._next()
        if "spec" in obj and obj["kind"] in ("Deployment", "DaemonSet"):
            meta["generation"] = 1

    def create(self, resource, namespace, obj, manager):
        with self.changed:
            obj = self._prepare(resource, namespace, obj, None)
            self._complete(resource, obj)
            name = obj["metadata"]["name"]
            if (obj["metadata"].get("namespace", ""), name) in self.table(resource):
                raise ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already '
                               "exists", {"name": name, "kind": resource.plural})
            obj["metadata"].pop("resourceVersion", None)
            obj["metadata"].pop("managedFields", None)
            self._own({"metadata": {}}, obj, manager)
            self._birth(obj)
            self._commit(resource, "ADDED", obj)
            return obj

    def conflict(self, resource, name, text):
        return ApiError(409, "Conflict", f"Operation cannot be fulfilled on {resource.qualified} "
                        f'"{name}": {text}', {"name": name, "kind": resource.plural})

    def replace(self, resource, namespace, name, obj, manager, subresource=""):
        """PUT; subresources replace only their part."""
        with self.changed:
            live = self.get(resource, namespace, name)
            obj = self._prepare(resource, namespace, obj, name)
            version = obj["metadata"].get("resourceVersion")
            if version not in (None, "", "0", live["metadata"]["resourceVersion"]):
                raise self.conflict(resource, name, "the object has been modified; please apply "
                                    "your changes to the latest version and try again")
            if subresource:
                part = copy.deepcopy(live)
                part["status"] = obj.get("status", {})
                obj = part
            elif "status" in live:
                obj["status"] = copy.deepcopy(live["status"])
            return self._write(resource, live, obj, manager, subresource)

    def _write(self, resource, live, obj, manager, subresource="", entries=None):
        self._complete(resource, obj)
        meta, old = obj["metadata"], live["metadata"]
        name = old["name"]
        if meta.get("uid", old["uid"]) != old["uid"]:
            text = f"Invalid value: \"{meta['uid']}\": field is immutable"
            raise ApiError(422, "Invalid", f'{resource.kind} "{name}" is invalid: metadata.uid: '
                           f"{text}", {"causes": [{"reason": "FieldValueInvalid",
                                                   "message": text, "field": "metadata.uid"}]})
        for key in ("uid", "creationTimestamp", "generation"):
            if key in old:
                meta[key] = old[key]
        if live.get("roleRef") != obj.get("roleRef"):
            raise unprocessable(f'{resource.kind}.{resource.group} "{name}" is invalid: roleRef: '
                                "Invalid value: cannot change roleRef")
        if resource.kind in ("Deployment", "DaemonSet") and \
                live["spec"].get("selector") != obj["spec"].get("selector"):
            raise unprocessable(f'{resource.kind}.apps "{name}" is invalid: spec.selector: Invalid '
                                "value: field is immutable")
        if entries is None:
            self._own(live, obj, manager, subresource)
        else:
            self._set_managers(obj, entries)
        meta["resourceVersion"] = old["resourceVersion"]

        def bare(value):
            value = copy.deepcopy(value)
            value["metadata"].pop("managedFields", None)
            return value

        if bare(obj) == bare(live):
            # Only ownership changed: kept, but nobody is told and the version stays.
            self.table(resource)[meta.get("namespace", ""), name] = obj
            return obj
        if "generation" in meta and obj.get("spec") != live.get("spec"):
            meta["generation"] += 1
        meta["resourceVersion"] = self._next()
        self._commit(resource, "MODIFIED", obj)
        return obj

    def patch(self, resource, namespace, name, content_type, patch, manager, subresource=""):
        with self.changed:
            live = self.get(resource, namespace, name)
            if content_type == "application/json-patch+json":
                obj = json_patch(live, patch)
            elif content_type == "application/merge-patch+json":
                obj = merge_patch(live, patch)
            elif content_type == "application/strategic-merge-patch+json":
                obj = strategic_merge(live, patch)
            else:
                raise ApiError(415, "UnsupportedMediaType", f"the body of the request was in an "
                               f"unknown format - {content_type}")
            version = obj["metadata"].get("resourceVersion")
            if version != live["metadata"]["resourceVersion"]:
                raise self.conflict(resource, name, "the object has been modified; please apply "
                                    "your changes to the latest version and try again")
            obj = self._prepare(resource, namespace, obj, name)
            if subresource:
                part = copy.deepcopy(live)
                part["status"] = obj.get("status", {})
                obj = part
            return self._write(resource, live, obj, manager, subresource)

    def apply(self, resource, namespace, name, applied, manager, force):
        """Server-side apply: returns the object and whether it was created."""
        with self.changed:
            applied = self._prepare(resource, namespace, applied, name)
            applied["metadata"].pop("managedFields", None)
            live = self.table(resource).get((applied["metadata"].get("namespace", ""), name))
            mine = (manager, "Apply", "")
            wanted = owned_leaves(applied)
            if live is None:
                if applied["metadata"].get("uid"):
                    raise self.conflict(resource, name, "uid mismatch: the provided object "
                                        f"specified uid {applied['metadata']['uid']}, and no "
                                        "existing object was found")
                obj = copy.deepcopy(applied)
                self._complete(resource, obj)
                self._set_managers(obj, {mine: set(wanted)})
                self._birth(obj)
                self._commit(resource, "ADDED", obj)
                return obj, True
            entries = self._managers(live)
            self._refuse_conflicts(live, wanted, entries, mine, force)
            obj = copy.deepcopy(live)
            for path, leaf in wanted.items():
                if leaf != {} or not has(obj, path):
                    store_at(obj, path, leaf)
            others = set().union(*(paths for key, paths in entries.items() if key != mine))
            for path in entries.get(mine, set()) - set(wanted) - others:
                remove_at(obj, path)
            entries[mine] = set(wanted)
            if "uid" in applied["metadata"]:
                obj["metadata"]["uid"] = applied["metadata"]["uid"]
            return self._write(resource, live, obj, manager, entries=entries), False

    @staticmethod
    def _refuse_conflicts(live, wanted, entries, mine, force):
        conflicts = []
        for path, leaf in wanted.items():
            try:
                there = lookup(live, path)
                same = there == leaf or (leaf == {} and isinstance(there, dict))
            except KeyError:
                continue
            if same:
                continue
            for key, paths in entries.items():
                if key != mine and path in paths:
                    conflicts.append((key[0], path))
                    paths.discard(path)
        if conflicts and not force:
            causes = [{
                "reason": "FieldManagerConflict", "message": f'conflict with "{who}"',
                "field": "".join("." + e[2:] if e.startswith("f:") else f"[{e[2:]}]" for e in path),
            } for who, path in conflicts]
            fields = "\n".join(f"- {cause['field']}" for cause in causes)
            raise ApiError(409, "Conflict", f"Apply failed with {len(causes)} conflict"
                           f"{'s' if len(causes) > 1 else ''}: {causes[0]['message']}: {fields}",
                           {"causes": causes})

    def delete(self, resource, namespace, name, preconditions=None):
        with self.changed:
            live = self.get(resource, namespace, name)
            uid = (preconditions or {}).get("uid")
            if uid and uid != live["metadata"]["uid"]:
                raise self.conflict(resource, name, f"Precondition failed: UID in precondition: "
                                    f"{uid}, UID in object meta: {live['metadata']['uid']}")
            last = copy.deepcopy(live)
            last["metadata"]["resourceVersion"] = self._next()
            self._commit(resource, "DELETED", last)
            return last

    # Watching.

    def changes(self, resource, since):
        """Changes of a resource after a version; None where they are forgotten (410)."""
        with self.changed:
            if since < self.oldest:
                return None
            return [entry for entry in self._tail(since) if entry[1] is resource]

    def _tail(self, since):
        index = len(self.log)
        while index > 0 and self.log[index - 1][0] > since:
            index -= 1
        return self.log[index:]

    def compact(self):
        """Forgets the past: a watch from an older version answers 410."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.log.clear()
