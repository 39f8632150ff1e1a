"""Certificate authorities made before their cluster, and the pins of CA certificates."""

import hashlib
import subprocess

from .run import LabError, run


def openssl(words, data=b""):
    result = subprocess.run(["openssl", *words], input=data, capture_output=True, timeout=60)
    if result.returncode != 0:
        raise LabError(f"openssl {' '.join(words)} failed", result.stderr.decode(errors="replace"))
    return result.stdout


def ca_hash(certificate):
    """What kubeadm's caCertHashes holds of a CA certificate (PEM text)."""
    public_key = openssl(["x509", "-noout", "-pubkey"], certificate.encode())
    key_info = openssl(["pkey", "-pubin", "-outform", "DER"], public_key)
    return f"sha256:{hashlib.sha256(key_info).hexdigest()}"


def make_ca(directory):
    """Makes ca.crt and ca.key as kubeadm would; returns the pin."""
    directory.mkdir(parents=True, exist_ok=True)
    key, certificate = directory / "ca.key", directory / "ca.crt"
    run([
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
        "-keyout", key, "-out", certificate, "-subj", "/CN=kubernetes",
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
        "-addext", "subjectAltName=DNS:kubernetes",
    ])
    key.chmod(0o600)
    return ca_hash(certificate.read_text())
