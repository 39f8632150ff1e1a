"""Whom common/http.c trusts, and what it shows to whom: TLS against servers made to be wrong."""

import contextlib
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
PROBE = BUILD / "tests" / "integration" / "http-probe"


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                          text=True, **options).stdout


class Pki:
    """A certificate authority and what it signs, as files."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.ca = directory / f"{name}.crt"
        self.key = directory / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-days", 30, "-keyout", self.key, "-out", self.ca)

    def sign(self, name, sans="IP:127.0.0.1,DNS:localhost", usage="serverAuth", days=30,
             algorithm=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        """Returns the paths of a certificate and its key."""
        stem = self.directory / f"{self.name}-{name}"
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={sans}\nextendedKeyUsage={usage}\n")
        openssl("req", "-newkey", *algorithm, "-nodes", "-subj", f"/CN={name}",
                "-keyout", stem.with_suffix(".key"), "-out", stem.with_suffix(".csr"))
        openssl("x509", "-req", "-in", stem.with_suffix(".csr"), "-CA", self.ca,
                "-CAkey", self.key, "-CAcreateserial", "-days", days, "-extfile", extensions,
                "-out", stem.with_suffix(".crt"))
        return stem.with_suffix(".crt"), stem.with_suffix(".key")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"), "ours")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("other"), "other")


class Server:
    """Answers every request with what it knows of the client, as JSON."""

    def __init__(self, context, family=socket.AF_INET):
        self.context = context
        self.connections = 0
        self.listener = socket.socket(family)
        self.listener.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            plain.settimeout(30)
            with plain.dup() as kept:
                with contextlib.suppress(OSError), \
                        self.context.wrap_socket(plain, server_side=True) as tls:
                    self.answer(tls)
                plain.close()
                self.linger(kept)

    @staticmethod
    def linger(connection):
        """A connection closed with bytes unread is reset, and an alert in it may be lost."""
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def answer(self, tls):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                chunk = tls.recv(4096)
                if not chunk:
                    return
                data += chunk
            head, data = data.split(b"\r\n\r\n", 1)
            subject = dict(pair[0] for pair in (tls.getpeercert() or {}).get("subject", ()))
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            body = json.dumps({"client": subject.get("commonName"), "version": tls.version(),
                               "authorization": fields.get("Authorization"),
                               "alpn": tls.selected_alpn_protocol()}).encode()
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(timeout=30)


@pytest.fixture
def serve():
    """A function that starts servers, which end with the test."""
    servers = []

    def start(certificate, client_ca=None, family=socket.AF_INET, **settings):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, certificate))
        context.set_alpn_protocols(["h2", "http/1.1"])
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(str(client_ca))
        if "ciphers" in settings:
            context.set_ciphers(settings["ciphers"])
        if "version" in settings:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context.minimum_version = context.maximum_version = settings["version"]
        servers.append(Server(context, family))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ask(*arguments, **environment):
    """What came of each URL."""
    result = subprocess.run([PROBE, *map(str, arguments)], capture_output=True, text=True,
                            timeout=60, env={**os.environ, **environment})
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    for answer in answers:
        if "body" in answer:
            answer.update(json.loads(answer["body"]))
    return answers


def refused(answer, text, why="trust"):
    assert answer.get("class") == why, answer
    assert text in answer["message"], answer
    return True


def test_server_of_our_ca_is_trusted_over_tls_1_3_and_http_1_1(pki, serve):
    server = serve(pki.sign("server"))
    (answer,) = ask("--ca", pki.ca, server.url)
    assert (answer["status"], answer["version"], answer["alpn"]) == (200, "TLSv1.3", "http/1.1")
    assert answer["client"] is None and answer["authorization"] is None
    assert answer["certificate"] == ""


def test_tls_1_2_is_the_least_that_is_spoken(pki, serve):
    server = serve(pki.sign("server"), version=ssl.TLSVersion.TLSv1_2)
    assert ask("--ca", pki.ca, server.url)[0]["version"] == "TLSv1.2"
    server = serve(pki.sign("server"), version=ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0")
    (answer,) = ask("--ca", pki.ca, server.url)
    assert (answer["error"], answer["class"]) == ("EPROTO", "network")


def test_ciphers_without_forward_secrecy_are_not_spoken(pki, serve):
    rsa = pki.sign("rsa", algorithm=("rsa:2048",))
    tls_1_2 = ssl.TLSVersion.TLSv1_2
    assert ask("--ca", pki.ca, serve(rsa, version=tls_1_2).url)[0]["status"] == 200
    for ciphers in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"):
        server = serve(rsa, version=tls_1_2, ciphers=ciphers)
        (answer,) = ask("--ca", pki.ca, server.url)
        assert (answer["error"], answer["class"]) == ("EPROTO", "network")


def test_server_of_another_ca_is_refused_whatever_the_system_trusts(pki, other, serve):
    server = serve(other.sign("server"))
    trusting = {name: str(other.ca) for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE")}
    for environment in ({}, trusting):
        (answer,) = ask("--ca", pki.ca, server.url, **environment)
        assert refused(answer, "unable to get local issuer certificate")
        assert answer["error"] == "EKEYREJECTED"
        assert answer["message"].startswith(f"GET {server.url}: ")


def test_certificate_for_another_name_is_refused(pki, serve):
    server = serve(pki.sign("elsewhere", sans="DNS:cp.example.com,IP:192.0.2.1"))
    assert refused(ask("--ca", pki.ca, server.url)[0], "127.0.0.1")
    local = f"https://localhost:{server.port}/"
    assert refused(ask("--ca", pki.ca, local)[0], "localhost")


def test_expired_certificate_is_refused(pki, serve):
    server = serve(pki.sign("expired", days=-1))
    assert refused(ask("--ca", pki.ca, server.url)[0], "certificate has expired")


def test_certificate_of_a_client_is_no_server(pki, serve):
    server = serve(pki.sign("client", usage="clientAuth"))
    assert refused(ask("--ca", pki.ca, server.url)[0], "certificate purpose")


def test_unreadable_roots_are_a_matter_of_trust(pki, serve, tmp_path):
    server = serve(pki.sign("server"))
    garbage = tmp_path / "ca.crt"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert ask("--ca", garbage, server.url)[0]["class"] == "trust"


def test_client_certificate_is_presented(pki, serve):
    server = serve(pki.sign("server"), client_ca=pki.ca)
    cert, key = pki.sign("agentd:cp1", usage="clientAuth")
    (answer,) = ask("--ca", pki.ca, "--cert", cert, "--key", key, server.url)
    assert answer["client"] == "agentd:cp1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_server_that_does_not_accept_our_certificate_denies(pki, other, serve, version):
    server = serve(pki.sign("server"), client_ca=pki.ca, version=version)
    cert, key = other.sign("stranger", usage="clientAuth")
    strange = ask("--ca", pki.ca, "--cert", cert, "--key", key, server.url)
    assert refused(strange[0], "does not accept our certificate", "denied")
    assert strange[0]["error"] == "EACCES"
    if version == ssl.TLSVersion.TLSv1_3:  # 1.2 has no alert for a missing one
        nothing = ask("--ca", pki.ca, server.url)
        assert refused(nothing[0], "certificate required", "denied")


def test_key_of_another_certificate_is_our_own_fault(pki, serve):
    server = serve(pki.sign("server"), client_ca=pki.ca)
    cert, _ = pki.sign("one", usage="clientAuth")
    _, key = pki.sign("two", usage="clientAuth")
    (answer,) = ask("--ca", pki.ca, "--cert", cert, "--key", key, server.url)
    assert answer["class"] == "config", answer


def test_token_is_sent_only_over_tls(pki, serve):
    server = serve(pki.sign("server"))
    (answer,) = ask("--ca", pki.ca, "--token", "abcdef.0123456789abcdef", server.url)
    assert answer["authorization"] == "Bearer abcdef.0123456789abcdef"
    (answer,) = ask("--token", "abcdef.0123456789abcdef", f"http://127.0.0.1:{server.port}/")
    assert answer["error"] == "EPERM"


def test_unverified_server_is_asked_only_without_a_credential(other, serve):
    server = serve(other.sign("server", sans="DNS:elsewhere"))
    assert ask("--insecure", server.url)[0]["status"] == 200
    result = subprocess.run([PROBE, "--insecure", "--token", "x", server.url],
                            capture_output=True, text=True)
    assert result.returncode != 0 and "insecure" in result.stderr


def test_https_without_roots_is_refused_before_anything_is_sent(pki, serve):
    server = serve(pki.sign("server"))
    assert ask(server.url)[0]["error"] == "ENOKEY"
    assert server.connections == 0


def test_connection_is_used_again_unless_the_certificate_is_wanted(pki, serve):
    server = serve(pki.sign("server"))
    answers = ask("--ca", pki.ca, server.url, server.url, server.url)
    assert [answer["status"] for answer in answers] == [200] * 3
    assert server.connections == 1


def test_serial_number_of_the_server_is_told_on_request(pki, serve):
    certificate = pki.sign("server")
    serial = openssl("x509", "-in", certificate[0], "-noout", "-serial").strip().split("=")[1]
    server = serve(certificate)
    (answer,) = ask("--ca", pki.ca, "--certificate", server.url)
    assert answer["certificate"] == serial.lower()


def test_server_on_ipv6(pki, serve):
    try:
        server = serve(pki.sign("six", sans="IP:::1"), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no ::1")
    (answer,) = ask("--ca", pki.ca, f"https://[::1]:{server.port}/")
    assert answer["status"] == 200
