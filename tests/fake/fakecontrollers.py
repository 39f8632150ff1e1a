"""What the controller-manager and kubelets would do to the objects of the fake API server.

CSRs are approved by RBAC and signed with the cluster CA, workloads become ready, cluster-info gets
its signatures on request, and Nodes appear when a test says that a kubelet has registered.
"""

import base64
import hashlib
import hmac
import json
import queue
import threading
import time

import fakepki
import fakerbac
from fakestore import RBAC, RESOURCES

CSRS = RESOURCES["certificates.k8s.io/v1", "certificatesigningrequests"]
NODES = RESOURCES["v1", "nodes"]
PODS = RESOURCES["v1", "pods"]
CLIENT_KUBELET = "kubernetes.io/kube-apiserver-client-kubelet"


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Controllers:
    """csr_mode: "rbac" approves as the real controller does, "always", "never", "deny"."""

    def __init__(self, store, ca_crt, ca_key, csr_mode="rbac", csr_delay=0.0, auto_ready=True):
        self.store = store
        self.ca = (ca_crt, ca_key)
        self.csr_mode = csr_mode
        self.csr_delay = csr_delay
        self.auto_ready = auto_ready
        self.work = queue.Queue()
        self.thread = None
        store.hooks.append(self.on_change)

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.work.put(None)
        self.thread.join()

    def on_change(self, resource, change, obj):
        if change == "DELETED":
            return
        if resource is CSRS:
            self.work.put((self.handle_csr, obj["metadata"]["name"]))
        elif resource.group_version == RBAC and resource.plural == "clusterrolebindings":
            for _, name in self.store.table(CSRS):
                self.work.put((self.handle_csr, name))
        elif resource.kind in ("Deployment", "DaemonSet") and self.auto_ready:
            meta = obj["metadata"]
            self.work.put((self.handle_workload, resource, meta["namespace"], meta["name"]))

    def run(self):
        while True:
            item = self.work.get()
            if item is None:
                return
            try:
                item[0](*item[1:])
            except Exception as error:  # noqa: BLE001: a controller tries again at the next change
                print(f"fake controller: {error}", flush=True)

    # Certificates.

    def handle_csr(self, name):
        csr = self.store.find(CSRS.group_version, CSRS.plural, "", name)
        if csr is None or csr["spec"].get("signerName") != CLIENT_KUBELET:
            return
        kinds = {c["type"] for c in csr.get("status", {}).get("conditions", [])}
        if not kinds and self.csr_mode == "deny":
            self.decide_csr(name, "Denied")
        elif not kinds and (self.csr_mode == "always" or
                            (self.csr_mode == "rbac" and self.may_have(csr))):
            if self.csr_delay:
                time.sleep(self.csr_delay)
            self.decide_csr(name, "Approved")
        elif "Approved" in kinds and not csr["status"].get("certificate"):
            spec = csr["spec"]
            try:
                pem = fakepki.sign_request(*self.ca, base64.b64decode(spec["request"]),
                                           spec.get("expirationSeconds", 365 * 86400))
            except RuntimeError as error:
                self.decide_csr(name, "Failed", str(error))
                return
            self.set_csr_status(name, {"certificate": base64.b64encode(pem).decode()})

    def may_have(self, csr):
        spec = csr["spec"]
        with self.store.changed:
            return any(fakerbac.authorize(
                self.store, spec["username"], spec["groups"], "create",
                ("certificates.k8s.io", f"certificatesigningrequests/{what}"), "", None, {},
            ) for what in ("nodeclient", "selfnodeclient"))

    def decide_csr(self, name, kind, message="fake controller"):
        self.set_csr_status(name, {"conditions": [{
            "type": kind, "status": "True", "reason": "Fake", "message": message,
            "lastUpdateTime": now(), "lastTransitionTime": now(),
        }]})

    def set_csr_status(self, name, fields):
        with self.store.changed:
            csr = dict(self.store.get(CSRS, "", name))
            csr["status"] = {**csr.get("status", {}), **fields}
            self.store.replace(CSRS, "", name, csr, "kube-controller-manager", "status")

    # Workloads.

    def handle_workload(self, resource, namespace, name):
        with self.store.changed:
            obj = self.store.find(resource.group_version, resource.plural, namespace, name)
            if obj is None:
                return
            generation = obj["metadata"]["generation"]
            if resource.kind == "Deployment":
                count = obj["spec"].get("replicas", 1)
                status = {"replicas": count, "readyReplicas": count, "updatedReplicas": count,
                          "availableReplicas": count}
            else:
                count = len(self.store.table(NODES))
                status = {"desiredNumberScheduled": count, "currentNumberScheduled": count,
                          "numberReady": count, "updatedNumberScheduled": count,
                          "numberAvailable": count, "numberMisscheduled": 0}
            status["observedGeneration"] = generation
            if obj.get("status") != status:
                self.store.replace(resource, namespace, name, {**obj, "status": status},
                                   "kube-controller-manager", "status")

    # Nodes.

    def add_node(self, name, machine_id="", ready=True, labels=None, taints=None, version="v1.36.3",
                 address="127.0.0.1"):
        """A kubelet has registered; or, where the Node exists, reported its status."""
        condition = {"type": "Ready", "status": "True" if ready else "False",
                     "reason": "KubeletReady" if ready else "KubeletNotReady",
                     "message": "", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
        status = {
            "conditions": [condition],
            "addresses": [{"type": "InternalIP", "address": address},
                          {"type": "Hostname", "address": name}],
            "nodeInfo": {"machineID": machine_id, "systemUUID": machine_id,
                         "kubeletVersion": version, "operatingSystem": "linux"},
        }
        base = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64"}
        with self.store.changed:
            if self.store.find("v1", "nodes", "", name) is None:
                self.store.create(NODES, "", {
                    "apiVersion": "v1", "kind": "Node",
                    "metadata": {"name": name, "labels": {**base, **(labels or {})}},
                    "spec": {"taints": taints} if taints else {}, "status": {},
                }, "kubelet")
            node = dict(self.store.get(NODES, "", name))
            node["status"] = status
            node = self.store.replace(NODES, "", name, node, "kubelet", "status")
            if self.auto_ready:
                for namespace, workload in self.store.table(RESOURCES["apps/v1", "daemonsets"]):
                    self.work.put((self.handle_workload, RESOURCES["apps/v1", "daemonsets"],
                                   namespace, workload))
            return node

    def add_mirror_pod(self, node, component, ready=True, manifest_hash="0"):
        """The mirror pod of a static pod, or its new status."""
        name = f"{component}-{node}"
        pod = {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "kube-system",
                "labels": {"component": component, "tier": "control-plane"},
                "annotations": {"kubernetes.io/config.mirror": manifest_hash,
                                "kubernetes.io/config.hash": manifest_hash},
            },
            "spec": {"nodeName": node, "containers": [{"name": component, "image": component}]},
        }
        status = {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now()},
        ]}
        with self.store.changed:
            if self.store.find("v1", "pods", "kube-system", name) is None:
                self.store.create(PODS, "kube-system", pod, "kubelet")
            pod = dict(self.store.get(PODS, "kube-system", name))
            pod["metadata"] = {**pod["metadata"], "annotations": {
                "kubernetes.io/config.mirror": manifest_hash,
                "kubernetes.io/config.hash": manifest_hash}}
            pod = self.store.replace(PODS, "kube-system", name, pod, "kubelet")
            return self.store.replace(PODS, "kube-system", name, {**pod, "status": status},
                                      "kubelet", "status")

    # cluster-info.

    def sign_cluster_info(self):
        """Writes jws-kubeconfig-ID for each token that may sign, as the bootstrap signer does."""
        resource = RESOURCES["v1", "configmaps"]
        with self.store.changed:
            info = dict(self.store.get(resource, "kube-public", "cluster-info"))
            data = {"kubeconfig": info["data"]["kubeconfig"]}
            for (namespace, _), secret in self.store.table(RESOURCES["v1", "secrets"]).items():
                if namespace != "kube-system" or \
                        secret.get("type") != "bootstrap.kubernetes.io/token":
                    continue
                token = {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}
                if token.get("usage-bootstrap-signing") == "true":
                    data["jws-kubeconfig-" + token["token-id"]] = detached_jws(
                        token["token-id"], token["token-secret"], data["kubeconfig"])
            return self.store.replace(resource, "kube-public", "cluster-info",
                                      {**info, "data": data}, "kube-controller-manager")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def detached_jws(token_id, token_secret, text):
    head = base64url(json.dumps({"alg": "HS256", "kid": token_id}, separators=(",", ":")).encode())
    signed = f"{head}.{base64url(text.encode())}"
    signature = hmac.new(token_secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{head}..{base64url(signature)}"
