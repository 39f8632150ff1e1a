"""Role files for agentd, and clusters that are made of them."""

import shutil

from lab import pki
from lab.documents import (
    KUBEADM, cluster_configuration, init_configuration, kube_proxy_configuration, kubelet_configuration,
    new_token, role_configuration, to_yaml,
)
from lab.run import wait_until

ROLE_FILE = "/etc/agentd/role.yaml"


class Cluster:
    """A control plane and workers whose role files are known before any of them runs.

    That takes a token and a CA made in advance, which is an ordinary kubeadm workflow.
    """

    def __init__(self, lab, scratch):
        self.lab = lab
        self.token = new_token()
        self.ca = scratch / "pki"
        self.pin = pki.make_ca(self.ca)

    def give_ca(self, host):
        for name, mode in (("ca.crt", 0o644), ("ca.key", 0o600)):
            host.write(f"/etc/kubernetes/pki/{name}", (self.ca / name).read_text(), mode)

    def control_plane_role(self, host, **cluster):
        return to_yaml(
            role_configuration("control-plane"),
            init_configuration(host, self.token),
            cluster_configuration(self.lab.version, **cluster),
            kubelet_configuration(),
            kube_proxy_configuration(),
        )

    def worker_role(self, endpoint="10.77.0.11:6443", registration=None, **fields):
        """registration: the nodeRegistration of a JoinConfiguration beside the flat fields."""
        role = role_configuration(
            "worker", endpoint=endpoint, token=self.token, caCertHashes=[self.pin], **fields,
        )
        join = [{"apiVersion": KUBEADM, "kind": "JoinConfiguration",
                 "nodeRegistration": registration}] if registration else []
        return to_yaml(role, *join)

    def give_control_plane_role(self, host, **cluster):
        self.give_ca(host)
        host.write(ROLE_FILE, self.control_plane_role(host, **cluster), 0o600)

    def give_worker_role(self, host, **fields):
        host.write(ROLE_FILE, self.worker_role(**fields), 0o600)

    def bring_up(self):
        """Gives every host its role at once and waits until all are Ready."""
        for host in self.lab.hosts:
            if host.name.startswith("cp"):
                self.give_control_plane_role(host)
            else:
                self.give_worker_role(host)
        for host in self.lab.hosts:
            self.lab.wait_for_node(host.name)


def new_cluster(lab, scratch):
    shutil.rmtree(scratch / "pki", ignore_errors=True)
    return Cluster(lab, scratch)


def agentctl(host, *words, **options):
    return host.run(["agentctl", *words], **options)


def wait_until_settled(host, timeout=180):
    """Waits until agentd says that everything is as its role wants it."""
    result = None

    def settled():
        nonlocal result
        result = agentctl(host, "status", check=False)
        return result.returncode == 0

    wait_until(settled, timeout=timeout, every=0.5, what=f"agentd of {host} has settled",
               hint=lambda: result.stdout + result.stderr)


def exists(lab, *words):
    return lab.kubectl("get", *words, check=False).returncode == 0
