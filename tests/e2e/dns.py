"""CoreDNS of a lab's cluster: where it runs, and whether it answers all the time."""

import json
import subprocess
import time
from pathlib import Path

from lab.run import wait_until

SCRIPT = Path(__file__).resolve().parent / "dns-queries"
NAME = "kubernetes.default.svc.cluster.local"


def replicas(lab):
    """Node by pod of what is not ending, and whether all of them are Ready."""
    items = lab.objects("pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns")["items"]
    active = [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]
    ready = [pod for pod in active if any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", []))]
    nodes = {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in active}
    return nodes, len(ready) == len(active)


def are_on(lab, *wanted):
    nodes, ready = replicas(lab)
    return ready and sorted(nodes.values()) == sorted(wanted)


def all_have_ended(lab):
    """Whether none is on its way out any more."""
    items = lab.objects("pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns")["items"]
    return not [pod for pod in items if "deletionTimestamp" in pod["metadata"]]


def wait_until_on(lab, *wanted, timeout=180):
    """Waits until there is one Ready replica on each of these nodes, and returns when that was."""
    wait_until(lambda: are_on(lab, *wanted), timeout=timeout, every=0.2,
               what=f"CoreDNS is on {', '.join(wanted)}",
               hint=lambda: lab.kubectl("get", "pods", "-A", "-o", "wide", check=False).stdout)
    return time.monotonic()


def move_all_to(lab, node, away):
    """Deletes the replicas on another node, which must take none now, and waits for the new ones."""
    nodes, _ = replicas(lab)
    for pod in [pod for pod, where in nodes.items() if where == away]:
        lab.kubectl("delete", "pod", "--namespace=kube-system", "--wait=false", pod)
    wait_until_on(lab, node, node)


class Queries:
    """dns-queries on a host, against the address of the Service; afterwards .result."""

    def __init__(self, lab, host):
        service = lab.objects("service", "kube-dns", "--namespace=kube-system")
        host.write("/run/dns-queries", SCRIPT.read_text(), 0o755)
        self.process = host.start_command(
            ["/run/dns-queries", service["spec"]["clusterIP"], NAME],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.result = None

    def __enter__(self):
        assert self.process.stdout.readline() == "begun\n"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        text = self.process.stdout.read()
        self.process.wait(timeout=30)
        self.result = json.loads(text)
