"""Discovery against a TLS server of our own: the honest cluster is found, nobody else is believed."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
PROGRAMS = BUILD / "tests" / "integration"
TOKEN_ID, TOKEN_SECRET = "x7k2p9", "m3q8w1z5c6v0b2n4"
PATH = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
SERVER = "https://10.0.0.1:6443"


class Cluster:
    """All certificates of one cluster whose API server answers on loopback."""

    def __init__(self, directory, *options):
        self.directory = directory
        subprocess.run([PROGRAMS / "pki-probe", "make", directory, "--algorithm=ECDSA-P256",
                        "--advertise=127.0.0.1", "--san=::1", *options], check=True)
        self.ca = (directory / "ca.crt").read_text()
        self.pin = pin_of(directory / "ca.crt")
        self.context = context_of(directory / "apiserver.crt", directory / "apiserver.key")


def pin_of(certificate):
    return subprocess.run([PROGRAMS / "pki-probe", "pin", certificate], check=True,
                          capture_output=True, text=True).stdout.strip()


def context_of(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def impostor(tmp_path_factory):
    """Somebody else's cluster: the same names, other keys."""
    return Cluster(tmp_path_factory.mktemp("impostor"))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature_of(text, secret=TOKEN_SECRET):
    header = base64url(f'{{"alg":"HS256","kid":"{TOKEN_ID}"}}'.encode())
    payload = base64url(text.encode())
    mac = hmac.new(secret.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    return f"{header}..{base64url(mac)}"


def kubeconfig_of(ca, server=SERVER):
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {base64.b64encode(ca.encode()).decode()}
    server: {server}
  name: ""
contexts: null
current-context: ""
kind: Config
users: null
"""


def cluster_info(ca, server=SERVER, signature=None):
    text = kubeconfig_of(ca, server)
    data = {"kubeconfig": text}
    if signature != "":
        data[f"jws-kubeconfig-{TOKEN_ID}"] = signature or signature_of(text)
    return 200, json.dumps({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": data,
    })


FORBIDDEN = 403, json.dumps({"kind": "Status", "status": "Failure", "code": 403})
NOT_FOUND = 404, json.dumps({"kind": "Status", "status": "Failure", "code": 404})


class Server(threading.Thread):
    """Answers connection N with item N of contexts and of replies, the last one for ever."""

    def __init__(self, contexts, replies, host="127.0.0.1", headers=""):
        super().__init__(daemon=True)
        self.contexts, self.replies, self.headers = contexts, replies, headers
        self.requests = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.bind((host, 0))
        self.listener.listen()
        port = self.listener.getsockname()[1]
        self.endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.port = port

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()

    def run(self):
        number = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    self.answer(connection, number)
                except OSError:
                    pass
            number += 1

    def answer(self, connection, number):
        context = self.contexts[min(number, len(self.contexts) - 1)]
        with context.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request:
                part = tls.recv(4096)
                if not part:
                    return
                request += part
            reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
            self.requests.append(request.decode())
            if reply is None:
                tls.recv(1)
                return
            status, body = reply
            tls.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{self.headers}"
                        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())


def probe(*arguments, speed=1):
    result = subprocess.run([PROGRAMS / "discover-probe", f"--speed={speed}", *arguments],
                            capture_output=True, text=True, timeout=60)
    assert result.stderr == ""
    assert f"{TOKEN_SECRET}" not in result.stdout
    return result.returncode, result.stdout


def discover(endpoint, *pins, speed=1, unsafe=False, secret=TOKEN_SECRET):
    return probe(f"--endpoint={endpoint}", f"--token={TOKEN_ID}.{secret}",
                 *(f"--pin={pin}" for pin in pins), *(["--unsafe-skip"] if unsafe else []),
                 speed=speed)


def found(server, *pins):
    return 0, "".join([f"server: {server}\n", *(f"trusted: {pin}\n" for pin in pins)])


def assert_refused(result, kind, *parts):
    status, text = result
    assert status == 1, text
    assert text.startswith(f"{kind}: "), text
    for part in parts:
        assert part in text


def test_honest_cluster_is_found(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        assert discover(server.endpoint, cluster.pin) == found(SERVER, cluster.pin)
    assert len(server.requests) == 2


def test_no_request_carries_a_credential(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        discover(server.endpoint, cluster.pin)
    for request in server.requests:
        head = request.lower()
        assert head.startswith(f"get {PATH} http/1.1\r\n")
        for word in ["authorization", "cookie", "accept-encoding", TOKEN_ID, TOKEN_SECRET]:
            assert word not in head


def test_pin_in_upper_case_and_beside_strangers_is_found(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        pins = ["sha256:" + "0" * 64, "SHA256:" + cluster.pin.removeprefix("sha256:").upper()]
        assert discover(server.endpoint, *pins) == found(SERVER, cluster.pin)


def test_wrong_token_is_refused(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        result = discover(server.endpoint, cluster.pin, secret="m3q8w1z5c6v0b2n5")
    assert_refused(result, "trust", "signature", "agentctl token create")
    assert len(server.requests) == 1


def test_wrong_pin_is_refused(cluster, impostor):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        result = discover(server.endpoint, impostor.pin)
    assert_refused(result, "trust", "caCertHashes", cluster.pin)
    assert len(server.requests) == 1


@pytest.mark.parametrize("order", ["before", "after", "twice"])
def test_smuggled_ca_is_not_trusted(cluster, impostor, order):
    bundle = {"before": impostor.ca + cluster.ca, "after": cluster.ca + impostor.ca,
              "twice": cluster.ca + impostor.ca + cluster.ca}[order]
    with Server([cluster.context], [cluster_info(bundle)]) as server:
        assert discover(server.endpoint, cluster.pin) == found(SERVER, cluster.pin)


def test_server_of_a_smuggled_ca_is_refused(cluster, impostor):
    for bundle in [impostor.ca + cluster.ca, cluster.ca + impostor.ca]:
        with Server([impostor.context], [cluster_info(bundle)]) as server:
            result = discover(server.endpoint, cluster.pin)
        assert_refused(result, "trust", "certSANs")
        assert len(server.requests) == 1


def test_second_server_of_another_ca_is_refused(cluster, impostor):
    with Server([cluster.context, impostor.context], [cluster_info(cluster.ca)]) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "trust", server.endpoint)


def test_second_answer_that_differs_is_refused(cluster):
    replies = [cluster_info(cluster.ca), cluster_info(cluster.ca, server="https://10.0.0.2:6443")]
    with Server([cluster.context], replies) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "trust", "another cluster-info")


def test_second_answer_without_a_kubeconfig_is_refused(cluster):
    replies = [cluster_info(cluster.ca), (200, "{}")]
    with Server([cluster.context], replies) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "trust", "another cluster-info")


def test_certificate_without_the_host_name_is_refused(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        result = discover(f"localhost:{server.port}", cluster.pin)
    assert_refused(result, "trust", "localhost", "certSANs", "clock")


def test_expired_ca_is_refused(tmp_path):
    old = Cluster(tmp_path, "--now=1000000000")
    with Server([old.context], [cluster_info(old.ca)]) as server:
        assert_refused(discover(server.endpoint, old.pin), "trust", "expired")


def test_pinned_intermediate_is_the_only_anchor(tmp_path, cluster):
    """A pin may name an intermediate CA; then nothing above it is trusted."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\n"
                                     "keyUsage=critical,keyCertSign\n")
    (tmp_path / "leaf.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, issuer in [("root", "root"), ("middle", "root"), ("leaf", "middle")]:
        extensions = "leaf.ext" if name == "leaf" else "ca.ext"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signer = ["-signkey", "root.key"] if name == issuer else \
            ["-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-days", "10", "-extfile", extensions,
                "-out", f"{name}.crt", *signer)
    bundle = (tmp_path / "root.crt").read_text() + (tmp_path / "middle.crt").read_text()
    pin = pin_of(tmp_path / "middle.crt")
    context = context_of(tmp_path / "leaf.crt", tmp_path / "leaf.key")
    with Server([context], [cluster_info(bundle)]) as server:
        assert discover(server.endpoint, pin) == found(SERVER, pin)


def test_signature_that_comes_later_is_waited_for(cluster):
    unsigned = cluster_info(cluster.ca, signature="")
    replies = [NOT_FOUND, FORBIDDEN, unsigned, cluster_info(cluster.ca)]
    with Server([cluster.context], replies) as server:
        assert discover(server.endpoint, cluster.pin) == found(SERVER, cluster.pin)
    assert len(server.requests) == 5


def test_missing_signature_is_an_expired_token_in_the_end(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca, signature="")]) as server:
        result = discover(server.endpoint, cluster.pin, speed=20)
    assert_refused(result, "pending", TOKEN_ID, "expired", "agentctl token create")
    assert len(server.requests) > 1


@pytest.mark.parametrize("reply", [FORBIDDEN, NOT_FOUND, (401, "{}")])
def test_closed_cluster_info_says_what_to_do(cluster, reply):
    with Server([cluster.context], [reply]) as server:
        result = discover(server.endpoint, cluster.pin, speed=20)
    assert_refused(result, "pending", str(reply[0]), "agentctl token create")


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", "<html>", '{"kind":"Status"}',
                                  '{"kind":"ConfigMap"}{}', '{"a":1,"a":2}', "[" * 99])
def test_nonsense_is_refused(cluster, body):
    with Server([cluster.context], [(200, body)]) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "network")


def test_server_in_trouble_is_a_matter_of_the_network(cluster):
    with Server([cluster.context], [(500, "{}")]) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "network", "500")


def test_endless_reply_is_refused(cluster):
    status, body = cluster_info(cluster.ca)
    with Server([cluster.context], [(status, body + " " * 65536)]) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "network")


def test_redirect_is_not_followed(cluster, impostor):
    with Server([impostor.context], [cluster_info(impostor.ca)]) as elsewhere:
        headers = f"Location: https://{elsewhere.endpoint}{PATH}\r\n"
        with Server([cluster.context], [(302, "")], headers=headers) as server:
            assert_refused(discover(server.endpoint, cluster.pin), "network")
    assert not elsewhere.requests


def test_silent_server_is_given_up(cluster):
    with Server([cluster.context], [None]) as server:
        assert_refused(discover(server.endpoint, cluster.pin), "network", server.endpoint)


def test_refused_connection_names_the_endpoint(cluster):
    with Server([cluster.context], [None]) as server:
        endpoint = server.endpoint
    assert_refused(discover(endpoint, cluster.pin), "network", endpoint)


def test_proxy_of_the_environment_is_not_used(cluster, monkeypatch):
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy"]:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        assert discover(server.endpoint, cluster.pin) == found(SERVER, cluster.pin)


def test_without_pins_nothing_is_asked(cluster):
    with Server([cluster.context], [cluster_info(cluster.ca)]) as server:
        assert_refused(discover(server.endpoint), "config", "caCertHashes")
    assert not server.requests


def test_unsafe_skip_trusts_the_whole_bundle_and_still_compares(cluster, impostor):
    bundle = impostor.ca + cluster.ca
    with Server([cluster.context], [cluster_info(bundle)]) as server:
        assert discover(server.endpoint, unsafe=True) == \
            found(SERVER, impostor.pin, cluster.pin)
    assert len(server.requests) == 2
    with Server([impostor.context], [cluster_info(cluster.ca)]) as server:
        assert_refused(discover(server.endpoint, unsafe=True), "trust")


@pytest.mark.parametrize("endpoint", ["", "10.0.0.1:0x1", "https://10.0.0.1:6443", "a b:6443",
                                      "10.0.0.1:6443/x", "2001:db8::1:6443", "user@host:6443"])
def test_malformed_endpoint_is_the_roles_fault(cluster, endpoint):
    assert_refused(discover(endpoint, cluster.pin), "config", "HOST:PORT")


def test_ipv6_endpoint_stands_in_brackets(cluster):
    server_name = "https://[2001:db8::1]:6443"
    try:
        server = Server([cluster.context], [cluster_info(cluster.ca, server=server_name)],
                        host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert discover(server.endpoint, cluster.pin) == found(server_name, cluster.pin)


def write_file(directory, ca, server):
    path = directory / "discovery.conf"
    path.write_text(kubeconfig_of(ca, server).replace(
        "users: null", "users: [{name: u, user: {token: secret-of-the-file}}]"))
    return f"--file={path}"


@pytest.mark.parametrize("reply", ["honest", FORBIDDEN, (401, "{}")])
def test_file_is_kept_as_it_is(cluster, tmp_path, reply):
    replies = [cluster_info(cluster.ca) if reply == "honest" else reply]
    with Server([cluster.context], replies) as server:
        url = f"https://{server.endpoint}"
        assert probe(write_file(tmp_path, cluster.ca, url)) == found(url, cluster.pin)
    assert len(server.requests) == 1
    assert "secret-of-the-file" not in server.requests[0]


def test_slash_behind_the_files_server_is_harmless(cluster, tmp_path):
    with Server([cluster.context], [FORBIDDEN]) as server:
        url = f"https://{server.endpoint}/"
        assert probe(write_file(tmp_path, cluster.ca, url)) == found(url, cluster.pin)
    assert server.requests[0].startswith(f"GET {PATH} ")


def test_file_of_another_cluster_is_refused(cluster, impostor, tmp_path):
    with Server([impostor.context], [FORBIDDEN]) as server:
        result = probe(write_file(tmp_path, cluster.ca, f"https://{server.endpoint}"))
    assert_refused(result, "trust")
    assert not server.requests


def test_file_that_is_missing_or_useless_is_named(cluster, tmp_path):
    assert_refused(probe(f"--file={tmp_path}/gone.conf"), "config", "gone.conf", "does not exist")
    assert_refused(probe(write_file(tmp_path, "no certificate", SERVER)), "config",
                   "no certificate in it")
    assert_refused(probe(write_file(tmp_path, cluster.ca, "http://10.0.0.1")), "config",
                   "https://HOST:PORT")
    (tmp_path / "discovery.conf").write_text(
        f"clusters: [{{name: '', cluster: {{server: '{SERVER}'}}}}]\n")
    assert_refused(probe(f"--file={tmp_path}/discovery.conf"), "config",
                   "certificate-authority-data")
