"""Certificates made by pki/ are, byte for byte of their encoding, those that the real kubeadm makes.

tests/golden/pki/NAME.txt was written from the real kubeadm's certificates for NAME.yaml by
`tests/integration/test_pki_golden.py KUBEADM`.
"""

import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "pki"
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
PROBE = BUILD / "tests" / "integration" / "pki-probe"

# What the probe is told where NAME.yaml tells kubeadm.
DOCUMENTS = {
    "rsa": [
        "--algorithm=RSA-2048", "--node=cp1", "--advertise=10.0.0.1", "--service=10.96.0.1",
        "--endpoint=cp.example.com", "--san=extra.example.com", "--san=192.0.2.7",
        "--san=*.wild.example.com", "--san=2001:db8::1", "--san=10.0.0.1",
        "--etcd-server-san=etcd.example.com", "--etcd-server-san=192.0.2.8",
        "--etcd-peer-san=peer.example.com", "--etcd-peer-san=192.0.2.9",
    ],
    "ecdsa-ipv6": [
        "--algorithm=ECDSA-P256", "--node=node-6.example", "--advertise=2001:db8::10",
        "--service=fd00:10:96::1", "--dns-domain=corp.example", "--endpoint=2001:db8::100",
    ],
    "ecdsa-p384": [
        "--algorithm=ECDSA-P384", "--node=cp1", "--advertise=10.0.0.1", "--service=10.96.0.1",
    ],
}
AUTHORITIES = ["ca", "front-proxy-ca", "etcd/ca"]
SERVERS = ["apiserver", "etcd/server", "etcd/peer"]
CLIENTS = [
    "apiserver-kubelet-client", "front-proxy-client", "etcd/healthcheck-client",
    "apiserver-etcd-client",
]
KUBECONFIGS = ["admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"]
LEAVES = SERVERS + CLIENTS + KUBECONFIGS
KEY_ID = re.compile(r"(\[HEX DUMP\]:(?:0414|30168014))[0-9A-F]{40}$")


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, check=True,
                          capture_output=True).stdout


def structure(certificate):
    """The lines of the DER with what differs from one certificate to the next left out."""
    lines = []
    for line in openssl("asn1parse", "-in", certificate).decode().splitlines():
        depth, rest = re.match(r" *\d+:d=(\d+) +hl=\d+ l= *\d+ (.*)", line).groups()
        rest = re.sub(r" +", " ", rest).rstrip()
        if depth == "2" and rest.startswith("prim: INTEGER :"):
            rest = "prim: INTEGER :SERIAL"
        rest = re.sub(r"(UTCTIME :)\d{12}Z$", r"\1TIME", rest)
        rest = KEY_ID.sub(r"\1KEYID", rest)
        lines.append("  " * int(depth) + rest)
    return lines


def listing(directory, name):
    """What a person wants to know of a certificate, then its structure."""
    certificate = pathlib.Path(directory) / f"{name}.crt"
    head = openssl("x509", "-in", certificate, "-noout", "-subject", "-issuer", "-nameopt",
                   "RFC2253,show_type", "-ext",
                   "keyUsage,extendedKeyUsage,basicConstraints,subjectAltName").decode()
    return "\n".join([f"== {name}", *(line.rstrip() for line in head.splitlines()),
                      "-- structure", *structure(certificate)]) + "\n\n"


def listings(directory):
    return "".join(listing(directory, name) for name in AUTHORITIES + LEAVES)


@pytest.fixture(scope="module", params=DOCUMENTS)
def made(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    now = int(time.time())
    subprocess.run([PROBE, "make", directory, f"--now={now}", *DOCUMENTS[request.param]],
                   check=True)
    return request.param, directory, now


def authority_of(name):
    if name.startswith("etcd/") or name == "apiserver-etcd-client":
        return "etcd/ca"
    return "front-proxy-ca" if name == "front-proxy-client" else "ca"


def test_certificates_are_those_of_kubeadm(made):
    name, directory, _ = made
    assert listings(directory) == (GOLDEN / f"{name}.txt").read_text()


def test_openssl_verifies_every_certificate(made):
    _, directory, _ = made
    for name in LEAVES + ["agentd"]:
        purposes = ["sslserver"] if name in SERVERS else ["sslclient"]
        if name in ("etcd/server", "etcd/peer"):
            purposes.append("sslclient")
        for purpose in purposes:
            openssl("verify", "-CAfile", directory / f"{authority_of(name)}.crt", "-purpose",
                    purpose, directory / f"{name}.crt")


def test_a_client_certificate_is_no_servers(made):
    _, directory, _ = made
    for name in CLIENTS + KUBECONFIGS:
        with pytest.raises(subprocess.CalledProcessError):
            openssl("verify", "-CAfile", directory / f"{authority_of(name)}.crt", "-purpose",
                    "sslserver", directory / f"{name}.crt")


def test_key_belongs_to_its_certificate_and_has_kubeadms_form(made):
    document, directory, _ = made
    kind = "RSA" if document == "rsa" else "EC"
    for name in AUTHORITIES + LEAVES:
        key = directory / f"{name}.key"
        assert key.read_text().startswith(f"-----BEGIN {kind} PRIVATE KEY-----\n")
        assert openssl("pkey", "-in", key, "-pubout") == \
            openssl("x509", "-in", directory / f"{name}.crt", "-noout", "-pubkey")


def subject_public_key(certificate):
    """The bytes of the subjectPublicKey bit string."""
    pem = openssl("x509", "-in", certificate, "-noout", "-pubkey")
    for line in openssl("asn1parse", stdin=pem).decode().splitlines():
        if "BIT STRING" in line:
            offset, header = re.match(r" *(\d+):d=\d+ +hl=(\d+)", line).groups()
            der = openssl("pkey", "-pubin", "-outform", "DER", stdin=pem)
            return der[int(offset) + int(header) + 1:]
    raise AssertionError("no bit string")


def key_id(certificate, extension):
    text = openssl("x509", "-in", certificate, "-noout", "-ext", extension).decode()
    return bytes.fromhex(re.search(r"((?:[0-9A-F]{2}:){19}[0-9A-F]{2})", text)
                         .group(1).replace(":", ""))


def test_key_identifiers_are_those_of_go(made):
    _, directory, _ = made
    for name in AUTHORITIES:
        certificate = directory / f"{name}.crt"
        digest = hashlib.sha256(subject_public_key(certificate)).digest()
        assert key_id(certificate, "subjectKeyIdentifier") == digest[:20]
    for name in LEAVES:
        assert key_id(directory / f"{name}.crt", "authorityKeyIdentifier") == \
            key_id(directory / f"{authority_of(name)}.crt", "subjectKeyIdentifier")


def test_serials_are_random_and_fit_63_bits(made):
    _, directory, _ = made
    serials = set()
    for name in AUTHORITIES + LEAVES:
        text = openssl("x509", "-in", directory / f"{name}.crt", "-noout", "-serial").decode()
        serials.add(int(text.strip().removeprefix("serial="), 16))
    assert len(serials) == len(AUTHORITIES + LEAVES)
    assert min(serials) > 0 and max(serials) < 2**63 - 1


def seconds(certificate, which):
    text = openssl("x509", "-in", certificate, "-noout", f"-{which}", "-dateopt", "iso_8601").decode()
    return int(time.mktime(time.strptime(text.split("=")[1].strip(), "%Y-%m-%d %H:%M:%SZ"))) - \
        time.timezone


def test_validity_is_the_one_asked_for(made, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    _, directory, now = made
    for name in AUTHORITIES + LEAVES:
        days = 3650 if name in AUTHORITIES else 365
        certificate = directory / f"{name}.crt"
        assert seconds(certificate, "startdate") == now - 300
        assert seconds(certificate, "enddate") == now + days * 86400


def test_pin_is_that_of_kubeadms_documentation(made):
    _, directory, _ = made
    pem = openssl("x509", "-in", directory / "ca.crt", "-noout", "-pubkey")
    der = openssl("pkey", "-pubin", "-outform", "DER", stdin=pem)
    pin = subprocess.run([PROBE, "pin", directory / "ca.crt"], check=True, capture_output=True)
    assert pin.stdout.decode() == f"sha256:{hashlib.sha256(der).hexdigest()}\n"


def test_openssl_verifies_a_nodes_request():
    request = subprocess.run([PROBE, "csr", "w1"], check=True, capture_output=True).stdout
    text = openssl("req", "-verify", "-noout", "-subject", "-nameopt", "show_type,sep_comma_plus",
                   stdin=request).decode()
    assert text == "subject=O=PRINTABLESTRING:system:nodes,CN=PRINTABLESTRING:system:node:w1\n"


def from_kubeadm(kubeadm, document, directory):
    """Lets the real kubeadm make everything for a document, into the probe's layout."""
    documents = list(yaml.safe_load_all(document.read_text()))
    for part in documents:
        if part["kind"] == "ClusterConfiguration":
            part["certificatesDir"] = str(directory)
    config = directory / "kubeadm.yaml"
    config.write_text(yaml.safe_dump_all(documents))
    subprocess.run([kubeadm, "init", "phase", "certs", "all", f"--config={config}"], check=True)
    for phase in ["admin", "kubelet", "controller-manager", "scheduler"]:
        subprocess.run([kubeadm, "init", "phase", "kubeconfig", phase, f"--config={config}",
                        f"--kubeconfig-dir={directory}"], check=True)
        kubeconfig = yaml.safe_load((directory / f"{phase}.conf").read_text())
        data = kubeconfig["users"][0]["user"]["client-certificate-data"]
        (directory / f"{phase}.conf.crt").write_bytes(base64.b64decode(data))


def regenerate(kubeadm):
    for name in DOCUMENTS:
        with tempfile.TemporaryDirectory() as directory:
            from_kubeadm(kubeadm, GOLDEN / f"{name}.yaml", pathlib.Path(directory))
            (GOLDEN / f"{name}.txt").write_text(listings(directory))


if __name__ == "__main__":
    regenerate(sys.argv[1])
