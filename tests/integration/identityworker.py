"""A host whose identity runs into something, and what agentd then does: one scenario in one namespace.

Usage: identityworker.py BUILD SCRATCH SCENARIO, in a user, network, mount and UTS namespace of its
own. Scenarios are the functions below whose name begins with "scenario_"; what is wrong is raised.
"""

import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fake")]

import fakepki  # noqa: E402
import yaml  # noqa: E402
from apiserver import FakeApiServer  # noqa: E402
from killworld import (  # noqa: E402
    ADDRESS, CONVERGED_IN_S, NODE, ControlPlane, Kubelet, Problem, Worker,
)

OTHER = "10.99.0.51"
NODE_PATH = f"/api/v1/nodes/{NODE}"
CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def expect(truth, text):
    if not truth:
        raise Problem(text)


def wait_for(question, what, timeout=CONVERGED_IN_S):
    deadline = time.monotonic() + timeout
    while not (answer := question()):
        expect(time.monotonic() < deadline, f"waited in vain until {what}")
        time.sleep(0.02)
    return answer


class RegisteringKubelet(Kubelet):
    """Registers once in each life of its process, as the real one does."""

    def run(self):
        seen = 0
        while not self.over.wait(0.01):
            try:
                self.starts += len(os.read(self.fifo, 100))
            except BlockingIOError:
                pass
            if self.starts != seen:
                seen = self.starts
                self.registered = False
                self.read_files()
            if self.starts and not self.registered:
                self.step()

    def step(self):
        if self.host.api is not None and self.host.api.get(NODE_PATH) is not None:
            self.registered = True
            return
        super().step()


class Identity:
    """What the scenarios ask of either kind of host."""

    def use_registering_kubelet(self):
        os.unlink(self.kubelet.fifo_path)
        os.close(self.kubelet.fifo)
        self.kubelet = RegisteringKubelet(self)

    def status(self):
        # It may be starting, or be on its way down before that.
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.ask_status()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def ask_status(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(self.root / "run/agentd/io.agentd.Node"))
            client.sendall(json.dumps({"method": "io.agentd.Node.Status"}).encode() + b"\0")
            text = b""
            while not text.endswith(b"\0"):
                chunk = client.recv(65536)
                expect(chunk, "agentd hung up")
                text += chunk
        return json.loads(text[:-1])["parameters"]

    def condition(self, kind):
        for condition in self.status()["conditions"]:
            if condition["type"] == kind:
                return condition
        return {"reason": None, "status": None}  # not before there is a role

    def await_reason(self, kind, reason):
        return wait_for(lambda: (found := self.condition(kind))["reason"] == reason and found,
                        f"{kind} says {reason}")

    def settle(self):
        expect(self.await_converged(), "agentd ended")

    def restart(self):
        self.terminate()
        self.start()

    def history(self, *types):
        self.terminate()
        text = (self.root / "var/lib/agentd/history.json").read_text()
        self.start()
        self.settle()
        entries = json.loads(text[text.index("{"):])["entries"]
        return [(entry["type"], entry["resource"]) for entry in entries if entry["type"] in types]

    def certificate(self, path):
        return fakepki.openssl("x509", "-in", str(self.root / path.lstrip("/")), "-noout", "-text",
                               "-dates").decode()

    def kubelet_certificate(self):
        return fakepki.openssl("x509", "-in", str(self.current_certificate()), "-noout",
                               "-subject", "-enddate", "-serial").decode()

    def plant_kubelet_certificate(self, ca, user, days, when=None):
        """One that the cluster's CA signed, at some other time."""
        scratch = self.scratch / "planted"
        scratch.mkdir(exist_ok=True)
        key, request, crt = (str(scratch / name) for name in ("key", "request", "crt"))
        clock = ["faketime", when] if when else []
        fakepki.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", request, "-subj", f"/O=system:nodes/CN={user}")
        (scratch / "ext").write_text("extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n")
        subprocess.run([*clock, "openssl", "x509", "-req", "-in", request, "-CA", ca[0], "-CAkey",
                        ca[1], "-days", str(days), "-out", crt, "-extfile", scratch / "ext",
                        "-set_serial", "4711"], check=True, capture_output=True)
        self.write("var/lib/kubelet/pki/planted.pem",
                   Path(crt).read_text() + Path(key).read_text(), 0o600)
        link = self.root / CURRENT.lstrip("/")
        link.unlink()
        link.symlink_to("/var/lib/kubelet/pki/planted.pem")

    def files(self, *directories):
        """Path to inode, time and mode of every file below these."""
        found = {}
        for directory in directories:
            for path in sorted((self.root / directory).rglob("*")):
                st = path.lstat()
                if not path.is_dir():
                    found[str(path)] = (st.st_ino, st.st_mtime_ns, st.st_mode)
        return found


class IdentityWorker(Identity, Worker):
    def __init__(self, build, scratch, token_file=None):
        self.token_file = token_file
        super().__init__(build, scratch / "host", "join", scratch / "pki")
        self.use_registering_kubelet()

    def role_text(self):
        if self.token_file is None:
            return super().role_text()
        (join,) = yaml.safe_load_all(super().role_text())
        token = join["discovery"]["bootstrapToken"].pop("token")
        self.write(self.token_file, token + "\n", 0o600)
        role = {"apiVersion": "agentd.io/v1alpha1", "kind": "RoleConfiguration", "role": "worker",
                "tokenFile": f"/{self.token_file}"}
        return yaml.safe_dump_all([role, join])


class IdentityControlPlane(Identity, ControlPlane):
    def __init__(self, build, scratch, named_address=True, named=True):
        self.named_address = named_address
        self.named = named
        super().__init__(build, scratch / "host", "init")
        self.use_registering_kubelet()

    def role_text(self):
        documents = list(yaml.safe_load_all(super().role_text()))
        if not self.named_address:
            del documents[1]["localAPIEndpoint"]
        if not self.named:
            del documents[1]["nodeRegistration"]["name"]
        return yaml.safe_dump_all(documents)

    def start_api_server(self):
        self.api = FakeApiServer(host="0.0.0.0", port=6443,
                                 pki=str(self.root / "etc/kubernetes/pki")).start()


def delete_node(host):
    host.api.delete(NODE_PATH)
    wait_for(lambda: host.api.get(NODE_PATH), "the Node is back")


# The Node object

def scenario_node_of_a_worker_deleted(build, scratch):
    with IdentityWorker(build, scratch) as host:
        host.start()
        host.settle()
        starts = host.kubelet.starts
        delete_node(host)
        host.settle()
        expect(host.kubelet.starts == starts + 1, "the kubelet was restarted more than once")
        expect(host.history("Restarted", "Healed") ==
               [("Restarted", "node-registered"), ("Healed", "node-registered")],
               "the history does not tell")
        # Once more at once: not in a loop, but it comes back.
        delete_node(host)
        host.settle()
        expect(host.kubelet.starts == starts + 2, "the kubelet was restarted in a loop")


def scenario_silent_api_server_is_no_evidence(build, scratch):
    with IdentityWorker(build, scratch) as host:
        host.start()
        host.settle()
        starts = host.kubelet.starts
        host.api.fault(path="/nodes", status=503, times=-1)
        host.api.drop_connections()
        host.await_reason("NodeRegistered", "Unknown")
        # A 404 that is not the API's own says nothing about a Node.
        host.api.clear_faults()
        host.api.fault(path=f"/nodes/{NODE}$", status=404, body="<html>gone</html>", times=-1)
        host.api.refuse()
        time.sleep(1)
        host.api.accept()
        time.sleep(3)
        expect(host.kubelet.starts == starts, "the kubelet was restarted")
        host.api.clear_faults()
        host.settle()
        expect(host.kubelet.starts == starts, "the kubelet was restarted")


def scenario_node_of_a_control_plane_deleted(build, scratch):
    with IdentityControlPlane(build, scratch) as host:
        host.start()
        host.settle()
        former = host.api.get(NODE_PATH)
        delete_node(host)
        host.settle()
        node = host.api.get(NODE_PATH)
        expect(node["metadata"]["uid"] != former["metadata"]["uid"], "it is the same Node")
        expect("node-role.kubernetes.io/control-plane" in node["metadata"]["labels"],
               "the label of the role is missing")
        expect([taint["key"] for taint in node["spec"]["taints"]] ==
               ["node-role.kubernetes.io/control-plane"], "the taint of the role is missing")


# The kubelet's client certificate

def scenario_worker_off_past_expiry(build, scratch):
    with IdentityWorker(build, scratch, token_file="etc/agentd/token") as host:
        host.start()
        host.settle()
        host.terminate()
        token = (host.root / host.token_file).read_text()
        starts = host.kubelet.starts
        kept = host.files("etc/kubernetes", "var/lib/agentd/pki")
        host.plant_kubelet_certificate((host.api.ca_crt, host.api.ca_key), f"system:node:{NODE}", 2,
                                       when="30 days ago")
        (host.root / host.token_file).unlink()
        host.start()
        said = host.await_reason("CredentialsValid", "CredentialsExpired")
        expect(said["status"] == "False" and "agentctl token create" in said["message"]
               and f"/{host.token_file}" in said["message"], f"no next step: {said}")
        expect(host.kubelet.starts == starts, "the kubelet was restarted for nothing")
        # A token that is not accepted is not the end.
        host.write(host.token_file, "abcdef.0123456789abcdef\n", 0o600)
        wait_for(lambda: "is not accepted" in json.dumps(host.status()), "the token is refused")
        host.write(host.token_file, token, 0o600)
        host.settle()
        expect("4711" not in host.kubelet_certificate(), "the certificate is the old one")
        expect(host.kubelet.starts == starts + 1, "the kubelet was not started with it, or twice")
        expect(host.files("etc/kubernetes", "var/lib/agentd/pki") == kept, "more was changed")
        expect(not host.kubelet.problems, str(host.kubelet.problems))


def scenario_worker_with_a_certificate_of_another_name(build, scratch):
    with IdentityWorker(build, scratch) as host:
        host.start()
        host.settle()
        host.terminate()
        host.plant_kubelet_certificate((host.api.ca_crt, host.api.ca_key), "system:node:other", 2)
        host.start()
        host.await_reason("CredentialsValid", "CredentialsOfAnother")
        # The same role with a token again, by its file.
        host.write("etc/agentd/role.yaml", host.role_text() + "# again\n", 0o600)
        host.settle()
        expect(f"system:node:{NODE}" in host.kubelet_certificate(), "it is another's certificate")


def scenario_control_plane_off_past_expiry(build, scratch):
    with IdentityControlPlane(build, scratch) as host:
        host.start()
        host.settle()
        pki = host.root / "etc/kubernetes/pki"
        for user, when in ((f"system:node:{NODE}", "30 days ago"), ("system:node:other", None)):
            host.terminate()
            starts = host.kubelet.starts
            host.plant_kubelet_certificate((pki / "ca.crt", pki / "ca.key"), user, 2, when=when)
            host.start()
            host.settle()
            said = host.kubelet_certificate()
            expect("4711" not in said and f"system:node:{NODE}" in said, f"not mended: {said}")
            expect(host.kubelet.starts == starts + 1, "the kubelet was not started with it")


# The address

class EtcdGateway(http.server.BaseHTTPRequestHandler):
    """One member, which others know by its first address."""

    peer_urls = [f"https://{ADDRESS}:2380"]
    member = "10276657743932975437"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, reply = 200, {"header": {"member_id": self.member}}
        if self.path == "/v3/cluster/member/list":
            reply["members"] = [{"ID": self.member, "name": NODE,
                                 "peerURLs": EtcdGateway.peer_urls}]
        elif self.path == "/v3/cluster/member/update" and request["ID"] == self.member:
            EtcdGateway.peer_urls = request["peerURLs"]
        elif self.path != "/v3/maintenance/status":
            status, reply = 404, {"message": "no such thing"}
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve_etcd(host):
    pki = host.root / "etc/kubernetes/pki/etcd"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 2379), EtcdGateway)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def give_interface():
    ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
    ip("address", "delete", f"{ADDRESS}/32", "dev", "lo")
    ip("address", "add", f"{ADDRESS}/24", "dev", "lan0")
    ip("link", "set", "lan1", "up")
    ip("link", "set", "lan0", "up")
    ip("route", "add", "default", "via", "10.99.0.254")


def give_proc(host):
    """Routes are looked up below the root."""
    host.write("proc/net/route", Path("/proc/net/route").read_text())


def move_host(address, former):
    # Deleting the first address of a network deletes the others with it.
    ip("address", "delete", f"{former}/24", "dev", "lan0")
    ip("address", "add", f"{address}/24", "dev", "lan0")
    ip("route", "replace", "default", "via", "10.99.0.254")


def scenario_address_follows_the_host(build, scratch):
    give_interface()
    with IdentityControlPlane(build, scratch, named_address=False) as host:
        give_proc(host)
        host.start()
        host.settle()
        serve_etcd(host)
        before = host.files("etc/kubernetes", "var/lib/kubelet")
        generation = host.status()["generation"]
        # A link that flaps moves nothing.
        move_host(OTHER, ADDRESS)
        host.await_reason("AddressPresent", "AddressChanged")
        move_host(ADDRESS, OTHER)
        time.sleep(6)
        host.settle()
        expect(host.files("etc/kubernetes", "var/lib/kubelet") == before, "a flap changed files")

        starts = host.kubelet.starts
        move_host(OTHER, ADDRESS)
        manifest = host.root / "etc/kubernetes/manifests/kube-apiserver.yaml"
        wait_for(lambda: f"--advertise-address={OTHER}" in manifest.read_text(), "it has moved")
        # The API server reads its certificate when it is started with the new manifest.
        for path in ("etc/kubernetes/pki/apiserver.crt", "etc/kubernetes/pki/etcd/server.crt",
                     "etc/kubernetes/pki/etcd/peer.crt"):
            expect(f"IP Address:{OTHER}" in host.certificate(path), f"{path} is for the old one")
        host.api.http.tls.load_cert_chain(
            host.root / "etc/kubernetes/pki/apiserver.crt",
            host.root / "etc/kubernetes/pki/apiserver.key")
        host.settle()
        check_moved(host)
        expect(host.kubelet.starts > starts, "the kubelet was not restarted")
        expect(host.status()["generation"] == generation, "the role has another generation")
        healed = host.history("Healed")
        expect({("Healed", "node-address"), ("Healed", "etcd-member"),
                ("Healed", "kube-proxy-endpoint")} <= set(healed), f"history: {healed}")
        check_moved(host)


def check_moved(host):
    texts = {path: path.read_text() for path in [
        *(host.root / "etc/kubernetes").glob("*.conf"),
        *(host.root / "etc/kubernetes/manifests").glob("*.yaml"),
    ]}
    for path, text in texts.items():
        expect(ADDRESS + ":" not in text and f"={ADDRESS}\n" not in text, f"{path} has the old one")
    expect(EtcdGateway.peer_urls == [f"https://{OTHER}:2380"], f"etcd: {EtcdGateway.peer_urls}")
    public = host.api.get("/api/v1/namespaces/kube-public/configmaps/cluster-info")
    expect(f"https://{OTHER}:6443" in public["data"]["kubeconfig"], "cluster-info has the old one")
    proxy = host.api.get("/api/v1/namespaces/kube-system/configmaps/kube-proxy")
    expect(f"https://{OTHER}:6443" in proxy["data"]["kubeconfig.conf"], "kube-proxy's has the old one")
    daemons = host.api.get("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy")
    expect(daemons["spec"]["template"]["metadata"]["annotations"]["agentd.io/endpoint"]
           == f"https://{OTHER}:6443", "kube-proxy was not restarted")


def scenario_named_address_stays(build, scratch):
    give_interface()
    with IdentityControlPlane(build, scratch) as host:
        give_proc(host)
        host.start()
        host.settle()
        before = host.files("etc/kubernetes", "var/lib/kubelet")
        move_host(OTHER, ADDRESS)
        said = host.await_reason("AddressPresent", "AddressChanged")
        expect(said["status"] == "False" and OTHER in said["message"], f"no next step: {said}")
        time.sleep(6)
        expect(host.files("etc/kubernetes", "var/lib/kubelet") == before, "files were changed")


# The name

def scenario_host_renamed(build, scratch):
    socket.sethostname(NODE)
    with IdentityControlPlane(build, scratch, named=False) as host:
        host.start()
        host.settle()
        starts = host.kubelet.starts
        flags = host.root / "var/lib/kubelet/kubeadm-flags.env"
        expect("hostname-override" not in flags.read_text(), "the name is overridden from the start")
        socket.sethostname("Other-Name")
        said = host.await_reason("HostnameKept", "HostnameChanged")
        expect("other-name" in said["message"] and NODE in said["message"], f"not told: {said}")
        wait_for(lambda: f"--hostname-override={NODE}" in flags.read_text(), "the name is kept")
        wait_for(lambda: host.kubelet.starts == starts + 1, "the kubelet was restarted")
        expect(host.status()["node"] == NODE, "the node has another name")
        socket.sethostname(NODE)
        host.settle()
        expect("hostname-override" not in flags.read_text(), "the name is still overridden")


# The clock

class FakeClock:
    """agentd's time, by libfaketime; everybody else has the real one."""

    def __init__(self, scratch):
        expect(FAKETIME, "libfaketime is not installed (Debian package faketime)")
        self.file = scratch / "time"

    def set(self, text):
        os.makedirs(self.file.parent, exist_ok=True)
        temporary = self.file.with_suffix(".new")
        temporary.write_text(text + "\n")
        temporary.rename(self.file)

    def use(self):
        os.environ |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                       "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def leave(self):
        for name in [name for name in os.environ if name.startswith(("LD_PRELOAD", "FAKETIME"))]:
            del os.environ[name]


def start_with(clock, host):
    clock.use()
    try:
        host.start()
    finally:
        clock.leave()


def scenario_booted_in_1970(build, scratch):
    clock = FakeClock(scratch)
    clock.set("@1970-01-02 00:00:00")
    with IdentityControlPlane(build, scratch) as host:
        start_with(clock, host)
        said = host.await_reason("ClockTrusted", "ClockBehind")
        expect(said["status"] == "False" and "1970" in said["message"], f"not told: {said}")
        wait_for(lambda: host.condition("PreflightPassed")["status"] == "True", "preflight passed")
        time.sleep(0.5)
        made = [str(path) for path in (host.root / "etc").rglob("*.crt")]
        expect(not made, f"certificates of 1970: {made}")
        clock.set("+0")
        host.status()
        host.settle()
        expect("1970" not in host.certificate("etc/kubernetes/pki/ca.crt"), "a CA of 1970")
        # With a time once noted it is known for behind on any later start, too.
        host.terminate()
        clock.set("-2d")
        start_with(clock, host)
        host.await_reason("ClockTrusted", "ClockBehind")


def scenario_clock_leaps(build, scratch):
    clock = FakeClock(scratch)
    clock.set("+0")
    with IdentityControlPlane(build, scratch) as host:
        start_with(clock, host)
        host.settle()
        before = host.files("etc/kubernetes", "var/lib/kubelet/pki", "var/lib/agentd/pki")

        def unchanged():
            return before == host.files("etc/kubernetes", "var/lib/kubelet/pki",
                                        "var/lib/agentd/pki")

        # Every certificate looks expired, and nothing is renewed because of that.
        clock.set("+800d")
        said = host.await_reason("ClockTrusted", "ClockJump")
        expect("set ahead" in said["message"], f"not told: {said}")
        time.sleep(2)
        expect(unchanged(), "certificates were renewed because of one reading of the clock")
        clock.set("+0")
        host.status()
        host.settle()
        expect(unchanged(), "something was renewed")
        # Somebody who knows confirms it.
        clock.set("+800d")
        host.await_reason("ClockTrusted", "ClockJump")
        host.write("run/systemd/timesync/synchronized", "")
        wait_for(lambda: host.condition("ClockTrusted")["status"] == "True", "it is believed")
        wait_for(lambda: not unchanged(), "certificates are renewed")


def main():
    build, scratch, name = sys.argv[1:]
    for command in ("ip link set lo up", f"ip address add {ADDRESS}/32 dev lo",
                    f"mount -t tmpfs tmpfs {scratch}"):
        subprocess.run(command.split(), check=True)
    try:
        globals()[f"scenario_{name}"](Path(build), Path(scratch))
    except BaseException:
        log = Path(scratch) / "host/agentd.log"
        print(log.read_text(errors="replace")[-8000:] if log.exists() else "no log", flush=True)
        raise


if __name__ == "__main__":
    main()
