"""Agents that spread CoreDNS, rivals of each other, on a real kube-apiserver.

The test plays scheduler, controller and kubelets: it puts a replica where the test wants it when one
is evicted, and makes it Ready.
"""

import contextlib
import itertools
import json
import pathlib
import threading
import time

import pytest
import yaml

from kubeprobe import BUILD, Running, wait_for
from realapi import RealApiServer

pytestmark = pytest.mark.real

PROGRAM = BUILD / "tests" / "integration" / "dns-probe"
MANIFESTS = pathlib.Path(__file__).resolve().parent.parent.parent / "agentd" / "manifests"
SPACE = "/api/v1/namespaces/kube-system"
PODS = f"{SPACE}/pods"
NODES = "/api/v1/nodes"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/agentd-dns"
DEPLOYMENTS = "/apis/apps/v1/namespaces/kube-system/deployments"
SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets"
BUDGETS = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets"
LABELS = {"k8s-app": "kube-dns"}


@pytest.fixture(scope="module")
def api():
    with RealApiServer() as server:
        for obj in yaml.safe_load_all((MANIFESTS / "agentd.yaml").read_text()):
            space = obj["metadata"].get("namespace")
            space = f"/namespaces/{space}" if space else ""
            server.create(f"/apis/{obj['apiVersion']}{space}/{obj['kind'].lower()}s", obj)
        yield server


class Cluster:
    """Nodes, a Deployment, and whoever looks after its pods."""

    numbers = itertools.count()

    def __init__(self, api, place):
        self.api, self.place = api, place
        self.evicted = []
        self.least_ready = 2
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.pods = {}

    def start(self, *nodes, replicas=("cp1", "cp1")):
        for name in nodes:
            self.add_node(name)
        deployment = next(obj for obj in yaml.safe_load_all((MANIFESTS / "coredns.yaml").read_text())
                          if obj["kind"] == "Deployment")
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "coredns"
        self.api.create(DEPLOYMENTS, deployment)
        self.status(f"{DEPLOYMENTS}/coredns", {
            "observedGeneration": 100, "replicas": 2, "updatedReplicas": 2})
        for node in replicas:
            self.add_replica(node)
        self.thread.start()

    def status(self, path, status):
        code, value = self.api.request("PATCH", f"{path}/status", {"status": status},
                                       "application/merge-patch+json")
        assert code == 200, value

    def add_node(self, name):
        self.api.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {
            "name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}}})
        self.status(f"{NODES}/{name}", {
            "allocatable": {"cpu": "2", "memory": "1Gi", "pods": "20"},
            "conditions": [{"type": "Ready", "status": "True"}]})
        # The server has it cordoned at first, as its controllers would lift.
        self.api.patch(f"{NODES}/{name}", {"spec": {"taints": None, "unschedulable": None}})

    def add_pod(self, name, node, labels, ready=True):
        self.api.create(PODS, {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 5,
                     "containers": [{"name": "c", "image": "i"}]}})
        self.set_ready(name, ready)

    def set_ready(self, name, ready):
        self.status(f"{PODS}/{name}", {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True" if ready else "False"}]})

    def add_replica(self, node):
        self.add_pod(f"coredns-{next(self.numbers)}", node, LABELS)

    def replicas(self):
        items = self.api.get(f"{PODS}?labelSelector=k8s-app%3Dkube-dns")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]], items

    def nodes(self):
        return sorted(pod["spec"]["nodeName"] for pod in self.replicas()[0])

    def live(self):
        """Ends what was evicted, and has a replacement Ready after a moment."""
        while not self.stop.wait(0.05):
            active, items = self.replicas()
            self.least_ready = min(self.least_ready, len(active))
            for pod in items:
                name = pod["metadata"]["name"]
                if pod in active or name in self.evicted:
                    continue
                self.evicted.append(name)
                self.api.request("DELETE", f"{PODS}/{name}", {
                    "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
                time.sleep(0.3)
                self.add_replica(self.place(pod["spec"]["nodeName"]))

    def end(self):
        self.stop.set()
        if self.thread.is_alive():
            self.thread.join()
        for path in (LEASE, f"{DEPLOYMENTS}/coredns", f"{SETS}/kube-proxy"):
            self.api.request("DELETE", path)
        for collection in (PODS, NODES, BUDGETS):
            for obj in self.api.get(collection)["items"]:
                self.api.request("DELETE", f"{collection}/{obj['metadata']['name']}", {
                    "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})


class Agent(Running):
    def __init__(self, api, node, directory):
        directory.mkdir(exist_ok=True)
        self.state = {}
        crt, key = api.client_certificate(f"agentd:{node}", ["agentd:control-plane"])
        self.errors = open(directory / "log", "a", encoding="utf-8")
        super().__init__([PROGRAM, api.url, api.ca_crt, crt, key, node, directory])
        # It logs there, and nobody may be kept waiting.
        threading.Thread(target=self.keep_log, daemon=True).start()

    def keep_log(self):
        for line in self.process.stderr:
            self.errors.write(line)
            self.errors.flush()

    def next(self, timeout=15):
        line = super().next(timeout)
        self.state = line if "verdict" in line else self.state
        return line

    def verdict(self, verdict, reason="", timeout=20):
        """What the row says as soon as that is this."""
        def meets(line):
            return line.get("verdict") == verdict and reason in line["reason"]
        return self.state if meets(self.state) else self.until(meets, timeout)

    def ask(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()
        line = self.until(lambda line: "answer" in line or "error" in line, 60)
        return line.get("answer", line)

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def cluster(api):
    made = []

    def make(place):
        made.append(Cluster(api, place))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def agent(api, tmp_path):
    with contextlib.ExitStack() as stack:
        def make(node):
            agent = Agent(api, node, tmp_path / node)
            stack.callback(lambda: agent.process.poll() is None and agent.stop())
            return agent
        yield make


def last_move(api):
    return json.loads(api.get(LEASE)["metadata"]["annotations"]["agentd.io/dns-move"])


def test_rivals_make_one_move_when_a_node_has_come(api, cluster, agent):
    dns = cluster(lambda former: "w1" if former == "cp1" else "cp1")
    dns.start("cp1")
    rivals = [agent("cp1"), agent("cp2")]
    for rival in rivals:
        assert rival.verdict("in-sync")["reason"] == "replicas: 2, nodes: 1"
    dns.add_node("w1")
    for rival in rivals:
        rival.verdict("drifted", "2 replicas share node cp1; w1 may take one")
    for rival in rivals:
        rival.verdict("in-sync", "replicas: 2, nodes: 2")
    assert dns.nodes() == ["cp1", "w1"]
    assert len(dns.evicted) == 1 and dns.least_ready == 1
    wait_for(lambda: not api.get(LEASE)["spec"].get("holderIdentity"), what="release of the Lease")
    move = last_move(api)
    assert (move["from"], move["to"], move["tries"]) == ("cp1", "w1", 0)
    assert move["pod"] == dns.evicted[0]
    answer = rivals[1].ask("s")
    assert answer["verdict"] == "spread" and "move" not in answer
    assert answer["lastMove"]["helped"] is True
    assert {node["name"]: node["replicas"] for node in answer["nodes"]} == {"cp1": 1, "w1": 1}
    assert rivals[0].ask("r")["moved"] is False


def test_scheduler_that_puts_it_back_is_tried_three_times(api, cluster, agent):
    dns = cluster(lambda former: former)
    dns.start("cp1", "w1")
    first, second = agent("cp1"), agent("cp2")
    for rival in (first, second):
        rival.verdict("unknown", "one was moved a short while ago")
    assert len(dns.evicted) == 1
    # The pause is remembered over a restart, and over the loss of all that a host knows.
    first.kill()
    first = agent("cp1")
    first.verdict("unknown", "one was moved a short while ago")
    third = agent("cp3")
    third.verdict("unknown", "one was moved a short while ago")
    assert len(dns.evicted) == 1
    for moves in (2, 3):
        answer = third.ask("r")
        assert answer["moved"] and answer["to"] == "cp1"
        assert "not put it where it would help" in answer["reason"]
        assert len(dns.evicted) == moves
    for rival in (first, second, third):
        rival.verdict("blocked", "3 moves did not help")
    answer = second.ask("r")
    assert not answer["moved"] and answer["verdict"] == "given-up"
    assert len(dns.evicted) == 3 and dns.least_ready == 1


def test_budget_is_waited_for(api, cluster, agent):
    dns = cluster(lambda former: "w1")
    dns.start("cp1")
    api.create(BUDGETS, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                         "metadata": {"name": "tight", "namespace": "kube-system"},
                         "spec": {"minAvailable": 2, "selector": {"matchLabels": LABELS}}})
    budget = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 2,
              "desiredHealthy": 2, "expectedPods": 2}
    dns.status(f"{BUDGETS}/tight", budget)
    one = agent("cp1")
    one.verdict("in-sync")
    dns.add_node("w1")
    one.verdict("unknown", "the PodDisruptionBudget tight allows no eviction now")
    # The API server knows better than our cache: it refuses what the status seems to allow.
    dns.status(f"{BUDGETS}/tight", {**budget, "observedGeneration": 0, "disruptionsAllowed": 1})
    one.verdict("unknown", "Cannot evict pod")
    assert not dns.evicted
    assert one.ask("s")["verdict"] == "move"
    dns.status(f"{BUDGETS}/tight", {**budget, "disruptionsAllowed": 1})
    one.verdict("in-sync", "nodes: 2")
    assert dns.nodes() == ["cp1", "w1"]


def test_kube_proxy_comes_first(api, cluster, agent):
    dns = cluster(lambda former: "w1")
    dns.start("cp1", "w1")
    labels = {"k8s-app": "kube-proxy"}
    api.create(SETS, {
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    dns.status(f"{SETS}/kube-proxy", {
        "numberReady": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
        "numberMisscheduled": 0})
    dns.add_pod("kube-proxy-w1", "w1", labels, ready=False)
    one = agent("cp1")
    one.verdict("unknown", "kube-proxy on w1 is not Ready yet")
    assert not dns.evicted
    dns.set_ready("kube-proxy-w1", True)
    dns.status(f"{SETS}/kube-proxy", {"numberReady": 2})
    one.verdict("in-sync", "nodes: 2")
    assert dns.nodes() == ["cp1", "w1"]


def test_node_that_is_too_small_is_looked_at_once(api, cluster, agent):
    dns = cluster(lambda former: "w1")
    dns.start("cp1", "w1")
    dns.status(f"{NODES}/w1", {"allocatable": {"memory": "100Mi"}})
    api.create(PODS, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big", "namespace": "kube-system"},
        "spec": {"nodeName": "w1", "containers": [{
            "name": "c", "image": "i", "resources": {"requests": {"memory": "60Mi"}}}]}})
    one = agent("cp1")
    one.verdict("in-sync", "w1 has 40Mi of memory left and 70Mi are wanted")
    assert one.silent(2)
    nodes = {node["name"]: node for node in one.ask("s")["nodes"]}
    assert nodes["w1"]["against"] == "has 40Mi of memory left and 70Mi are wanted"
    assert not dns.evicted
    # More room: the node says so.
    dns.status(f"{NODES}/w1", {"allocatable": {"memory": "1Gi"}})
    one.verdict("in-sync", "nodes: 2")
    assert len(dns.evicted) == 1
