"""A host for agentd and all that it talks to, made of fakes: for tests that kill it.

A Host is a root directory with fake systemd, runtime and kubelet around it; ControlPlane and Worker
are the two kinds. All of it lives in a network namespace of its own (killworker.py), so that every
host may have the same address, and the ports that agentd looks at are free.
"""

import contextlib
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import yaml

import fakepki
from apiserver import FakeApiServer
from fakecri import FakeCri
from faketls import TlsPort
from fakesystemd import FakeSystemd

ADDRESS = "10.99.0.1"
NODE = "node-1"
MACHINE_ID = "0123456789abcdef0123456789abcdef"
PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
TOKEN = "q3ob5z.7tq1m2zk9x0c4w8d"
KUBELET_PKI = "var/lib/kubelet/pki"
CONVERGED_IN_S = 120  # a bound for hangs; nothing is measured by it

KUBELET = """#!/bin/sh
echo Kubernetes v1.36.3
"""
INIT = """\
apiVersion: agentd.io/v1alpha1
kind: RoleConfiguration
role: control-plane
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: {token}
localAPIEndpoint:
  advertiseAddress: {address}
nodeRegistration:
  name: {node}
  criSocket: unix://{cri}
  ignorePreflightErrors: [NumCPU, Mem]
"""
ROLES = {
    "init": INIT,
    # With a ClusterConfiguration keys are kubeadm's, and made on other threads.
    "init-rsa": INIT + """\
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
""",
    "join": """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: {address}:6443
    token: {token}
    caCertHashes: ["{pin}"]
nodeRegistration:
  name: {node}
  criSocket: unix://{cri}
""",
}


class Problem(Exception):
    """Something that must not be."""


def pair_problem(crt, key):
    """What is wrong with a certificate and its key, or None."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(crt, key)
    except (OSError, ssl.SSLError) as error:
        return f"{crt} and {key}: {error}"
    return None


class Kubelet(threading.Thread):
    """What a kubelet does: it reads its files when it starts, then runs the static pods."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host = host
        self.fifo_path = host.scratch / "kubelet.fifo"
        os.mkfifo(self.fifo_path)
        self.fifo = os.open(self.fifo_path, os.O_RDWR | os.O_NONBLOCK)
        self.over = threading.Event()
        self.starts = 0
        self.registered = False
        self.problems = []

    @property
    def command(self):
        """What the unit's process does."""
        return f"echo >{self.fifo_path}; exec sleep 1000000"

    def run(self):
        while not self.over.wait(0.01):
            with contextlib.suppress(BlockingIOError):
                self.starts += len(os.read(self.fifo, 100))
                self.read_files()
            if self.starts and not self.registered:
                self.step()
            if self.starts:
                self.run_pods()

    def run_pods(self):
        for pod in PODS:
            manifest = self.host.root / f"etc/kubernetes/manifests/{pod}.yaml"
            if pod not in self.host.cri.containers and manifest.exists():
                self.host.cri.run(pod)

    def read_files(self):
        root = self.host.root
        for path in ("var/lib/kubelet/config.yaml", "etc/kubernetes/kubelet.conf"):
            try:
                text = (root / path).read_text()
                if not isinstance(yaml.safe_load(text), dict):
                    raise ValueError(text)
            except (OSError, ValueError, yaml.YAMLError) as error:
                self.problems.append(f"the kubelet was started with a bad {path}: {error}")
        current = self.host.current_certificate()
        if current is None or pair_problem(current, current):
            self.problems.append(f"the kubelet was started with a bad certificate {current}")

    def step(self):
        if self.host.api is None:
            manifests = self.host.root / "etc/kubernetes/manifests"
            if not all((manifests / f"{pod}.yaml").exists() for pod in ("etcd", "kube-apiserver")):
                return
            self.host.start_api_server()
        self.host.api.add_node(NODE, machine_id=MACHINE_ID)
        self.registered = True

    def stop(self):
        self.over.set()
        self.join()
        os.close(self.fifo)


class Host:
    """One host from nothing to its end. Use as a context."""

    def __init__(self, build, scratch, kind, kubelet=KUBELET):
        self.kind = kind
        self.agentd = Path(build) / "agentd/agentd"
        self.scratch = Path(scratch)
        self.root = self.scratch / "root"
        self.kubelet_program = kubelet
        self.api = None
        self.runs = 0
        self.process = None
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.cri = FakeCri(self.scratch / "cri.sock")
        self.kubelet = Kubelet(self)
        self.systemd = FakeSystemd(build, self.scratch, units=["kubelet.service"], root=self.root,
                                   exec_on_start=self.kubelet.command)

    def __enter__(self):
        self.write_files()
        self.cri.__enter__()
        self.systemd.start()
        self.kubelet.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.kubelet.stop()
        self.systemd.stop()
        self.cri.__exit__()
        if self.api:
            self.api.stop()

    def write_files(self):
        files = {
            "etc/hosts": f"{ADDRESS} {NODE}\n",
            "etc/machine-id": MACHINE_ID + "\n",
            "proc/swaps": "Filename Type Size Used Priority\n",
            "proc/sys/net/ipv4/ip_forward": "1\n",
        }
        for name, text in files.items():
            self.write(name, text)
        if self.kubelet_program:
            self.write("usr/bin/kubelet", self.kubelet_program, 0o755)
        self.write("etc/agentd/role.yaml", self.role_text(), 0o600)

    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        # Young files are given time to be finished.
        os.utime(path, (time.time() - 60,) * 2)

    def role_text(self, **values):
        return ROLES[self.kind].format(address=ADDRESS, node=NODE, token=TOKEN,
                                       cri=self.scratch / "cri.sock", **values)

    def current_certificate(self):
        """Where kubelet-client-current.pem leads, below the root; None if it is not there."""
        with contextlib.suppress(OSError):
            return self.root / os.readlink(
                self.root / KUBELET_PKI / "kubelet-client-current.pem").lstrip("/")
        return None

    # agentd

    def start(self, *strace):
        """Starts agentd, under strace if its options are given."""
        self.runs += 1
        command = [self.agentd, f"--root={self.root}", f"--bus-address={self.systemd.address}",
                   f"--kubelet-binary={self.root}/usr/bin/kubelet"]
        if strace:
            # As a grandchild, so that it is agentd whose end is waited for.
            command = ["strace", "--daemonize", "--quiet=all", "--signal=none", *strace, *command]
        with open(self.scratch / "agentd.log", "ab") as log:
            log.write(f"--- run {self.runs}: {' '.join(strace)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def attach(self, *strace):
        """Puts the running agentd under strace with these options."""
        tracer = subprocess.Popen(
            ["strace", "--follow-forks", "--signal=none", *strace, f"--attach={self.process.pid}"],
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = tracer.stderr.readline()
        if "attached" not in line:
            raise Problem(f"strace: {line}")
        return tracer

    def call(self, method, **parameters):
        """The parameters of the reply of a method; None if agentd ended meanwhile."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(CONVERGED_IN_S)
            try:
                client.connect(str(self.root / "run/agentd/io.agentd.Node"))
                request = {"method": f"io.agentd.Node.{method}", "parameters": parameters}
                client.sendall(json.dumps(request).encode() + b"\0")
                return next(messages(client), None)
            except TimeoutError:
                raise
            except OSError:
                return None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.is_running():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=30) != 0:
            raise Problem(f"SIGTERM ended agentd with {self.process.returncode}")

    def log(self):
        return (self.scratch / "agentd.log").read_text(errors="replace")

    def statuses(self, deadline):
        """The status of agentd and then each change of it, until it ends."""
        path = str(self.root / "run/agentd/io.agentd.Node")
        request = {"method": "io.agentd.Node.Status", "more": True}
        while self.is_running():
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    client.connect(path)
                    client.sendall(json.dumps(request).encode() + b"\0")
                    yield from messages(client)
                except TimeoutError:
                    return
                except OSError:
                    # Not listening yet, or killed.
                    if time.monotonic() > deadline:
                        return
                    time.sleep(0.005)

    def await_condition(self, kind, status):
        """Waits until a condition has that status; returns its message."""
        for report in self.statuses(time.monotonic() + CONVERGED_IN_S):
            for condition in report["conditions"]:
                if (condition["type"], condition["status"]) == (kind, status):
                    return condition["message"]
        raise Problem(f"{kind} has not become {status}")

    def await_converged(self):
        """Waits until agentd has done all that its role says. False: it has ended before."""
        status = None
        for status in self.statuses(time.monotonic() + CONVERGED_IN_S):
            if is_converged(status):
                return True
        if self.is_running():
            raise Problem(f"not converged: {open_rows(status)}")
        self.process.wait()
        return False


def messages(client):
    buffer = b""
    while chunk := client.recv(65536):
        buffer += chunk
        while b"\0" in buffer:
            message, _, buffer = buffer.partition(b"\0")
            reply = json.loads(message)
            if "error" in reply:
                raise Problem(f"status: {reply}")
            yield reply["parameters"]


def is_converged(status):
    generation = status["generation"]
    return (generation["reached"] == generation["wanted"] > 0
            and all(row["verdict"] == "in-sync" and "stage" not in row for row in status["rows"]))


def open_rows(status):
    if status is None:
        return "no status"
    keys = ("name", "verdict", "reason", "error", "waitsFor", "stage")
    return [{key: row[key] for key in keys if row.get(key)}
            for row in status["rows"] if row["verdict"] != "in-sync"]


class ProxyMetrics(http.server.BaseHTTPRequestHandler):
    """kube-proxy that has written its rules."""

    def do_GET(self):
        body = b"# ...\nkubeproxy_sync_proxy_rules_last_timestamp_seconds 1.8e+09\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class ControlPlane(Host):
    """Begins a cluster."""

    ports = ()

    def __enter__(self):
        self.proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 10249), ProxyMetrics)
        self.proxy.daemon_threads = True
        threading.Thread(target=self.proxy.serve_forever, args=[0.02], daemon=True).start()
        return super().__enter__()

    def __exit__(self, *_):
        super().__exit__()
        self.proxy.shutdown()
        self.proxy.server_close()
        for port in self.ports:
            port.stop()

    def start_api_server(self):
        pki, kubelet = self.root / "etc/kubernetes/pki", self.root / KUBELET_PKI
        fakepki.make_self_signed(kubelet, "kubelet", NODE)
        self.ports = [
            TlsPort(ADDRESS, port, crt.with_suffix(".crt"), crt.with_suffix(".key"), pki / ca)
            for port, crt, ca in ((2379, pki / "etcd/server", "etcd/ca.crt"),
                                  (2380, pki / "etcd/peer", "etcd/ca.crt"),
                                  (10250, kubelet / "kubelet", "ca.crt"))]
        self.api = FakeApiServer(host=ADDRESS, port=6443,
                                 pki=str(self.root / "etc/kubernetes/pki")).start()


class Worker(Host):
    """Joins a cluster whose PKI lies in a directory that outlives it."""

    def __init__(self, build, scratch, kind, pki, **more):
        super().__init__(build, scratch, kind, **more)
        self.pki = pki

    def __enter__(self):
        self.api = FakeApiServer(host=ADDRESS, port=6443, pki=str(self.pki)).start()
        self.api.make_cluster(token=TOKEN)
        return super().__enter__()

    def role_text(self):
        pem = fakepki.openssl("x509", "-in", self.api.ca_crt, "-noout", "-pubkey")
        der = fakepki.openssl("pkey", "-pubin", "-outform", "der", text=pem)
        return super().role_text(pin=f"sha256:{hashlib.sha256(der).hexdigest()}")
