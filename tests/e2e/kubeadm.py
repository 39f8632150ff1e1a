"""The real kubeadm on lab hosts: for tests of the lab itself and of both tools in one cluster."""

from lab import pki
from lab.documents import control_plane_role, join_configuration, new_token, to_yaml

CONFIGURATION = "/root/kubeadm.yaml"
ENDPOINT_PORT = 6443


def init(lab, host, token=None, cluster=None):
    """kubeadm init; returns the token that the next host joins with."""
    token = token or new_token()
    documents = control_plane_role(host, lab.version, token, cluster or {})
    host.write(CONFIGURATION, to_yaml(*documents), 0o600)
    prepare(host)
    host.run(["kubeadm", "init", f"--config={CONFIGURATION}"], timeout=600)
    return token


def join(host, control_plane, token):
    certificate = control_plane.read("/etc/kubernetes/pki/ca.crt")
    endpoint = f"{control_plane.address}:{ENDPOINT_PORT}"
    document = join_configuration(host, endpoint, token, pki.ca_hash(certificate))
    host.write(CONFIGURATION, to_yaml(document), 0o600)
    prepare(host)
    host.run(["kubeadm", "join", f"--config={CONFIGURATION}"], timeout=600)


def prepare(host):
    """kubeadm waits for nothing, and only starts the kubelet, which the packages leave disabled."""
    host.wait_for_unit("containerd.service")
    host.systemctl("enable", "kubelet.service")
