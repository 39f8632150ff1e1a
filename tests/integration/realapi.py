"""A real kube-apiserver and etcd on loopback, without kubelets or controllers.

The programs are the lab's (contrib/lab prepare builds them), or those named by AGENTD_KUBE_APISERVER
and AGENTD_ETCD. Nobody needs to be root. RealApiServer looks like FakeApiServer where both can.
"""

import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import fakepki

CACHE = pathlib.Path(os.environ.get("AGENTD_LAB_CACHE", "/var/cache/agentd-lab"))


class Missing(Exception):
    """The programs are not on this machine."""


def find(variable, pattern):
    if os.environ.get(variable):
        return os.environ[variable]
    found = sorted(CACHE.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise Missing(f"there is no {CACHE}/{pattern}: run `contrib/lab prepare`, or set {variable}")
    return str(found[-1])


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class RealApiServer:
    def __init__(self):
        self.programs = [
            find("AGENTD_ETCD", "runtime-*/bin/etcd"),
            find("AGENTD_KUBE_APISERVER", "kubernetes-*/bin/kube-apiserver"),
        ]
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="real-apiserver-"))
        self.pki = str(self.scratch / "pki")
        self.processes = {}
        self.commands = {}

    # Life.

    def start(self):
        etcd_client, etcd_peer, port = free_ports(3)
        self.url = f"https://127.0.0.1:{port}"
        self.ca_crt, _ = fakepki.make_ca(self.pki)
        fakepki.make_server_certificate(self.pki)
        self.admin = self.client_certificate("admin", ["system:masters"])
        self.context = ssl.create_default_context(cafile=self.ca_crt)
        self.context.load_cert_chain(*self.admin)
        fakepki.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-out", f"{self.pki}/sa.key")
        fakepki.openssl("pkey", "-in", f"{self.pki}/sa.key", "-pubout",
                        "-out", f"{self.pki}/sa.pub")
        etcd = f"http://127.0.0.1:{etcd_client}"
        peer = f"http://127.0.0.1:{etcd_peer}"
        self.spawn("etcd", self.programs[0], "--name=one", f"--data-dir={self.scratch}/etcd",
                   f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
                   f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                   f"--initial-cluster=one={peer}", "--unsafe-no-fsync")
        self.spawn("kube-apiserver", self.programs[1], f"--etcd-servers={etcd}",
                   f"--secure-port={port}",
                   "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                   f"--cert-dir={self.scratch}/run", f"--client-ca-file={self.ca_crt}",
                   f"--tls-cert-file={self.pki}/apiserver.crt",
                   f"--tls-private-key-file={self.pki}/apiserver.key",
                   f"--service-account-key-file={self.pki}/sa.pub",
                   f"--service-account-signing-key-file={self.pki}/sa.key",
                   "--service-account-issuer=https://kubernetes.default.svc",
                   "--authorization-mode=Node,RBAC", "--enable-bootstrap-token-auth=true",
                   "--enable-admission-plugins=NodeRestriction",
                   "--disable-admission-plugins=ServiceAccount",
                   "--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
                   "--allow-privileged=true")
        self.await_ready()
        return self

    def spawn(self, name, *command):
        self.commands[name] = command
        with open(self.scratch / f"{name}.log", "ab") as output:
            self.processes[name] = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=self.scratch)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def log(self, name):
        return f"{name}: " + (self.scratch / f"{name}.log").read_text()[-3000:]

    def refuse(self):
        """Nobody listens any more."""
        self.kill("kube-apiserver")

    def accept(self):
        self.spawn("kube-apiserver", *self.commands["kube-apiserver"])
        self.await_ready()

    def await_ready(self, timeout=120):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(self.log(name))
            try:
                # What the API server makes for itself: namespaces after it is ready, roles before.
                if self.get("/api/v1/namespaces/kube-public") and \
                        self.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/view"):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError("not ready: " + self.log("kube-apiserver"))

    def stop(self):
        for name in list(self.processes):
            self.kill(name)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    # What tests ask of it.

    def client_certificate(self, user, groups=()):
        return fakepki.make_client_certificate(self.pki, user, groups)

    def request(self, method, path, body=None, content_type="application/json"):
        """(status, object) of a request of the administrator."""
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else
            json.dumps(body).encode(), headers={"Content-Type": content_type,
                                                "User-Agent": "kubectl-edit/1"})
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=20) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, path):
        """The object at a path, or None."""
        status, value = self.request("GET", path)
        return value if status == 200 else None

    def patch(self, path, patch, manager="kubectl-edit"):
        """A merge patch, as an administrator's edit; returns the object."""
        status, value = self.request("PATCH", f"{path}?fieldManager={manager}", patch,
                                     "application/merge-patch+json")
        assert status == 200, value
        return value

    def create(self, collection, obj, manager="kubectl-edit"):
        status, value = self.request("POST", f"{collection}?fieldManager={manager}", obj)
        assert status == 201, value
        return value

    def delete(self, path):
        status, value = self.request("DELETE", path)
        assert status == 200, value
        return value
