"""Certificates for the fake servers, by the openssl command."""

import hashlib
import os
import subprocess
import tempfile


def openssl(*arguments, text=None):
    result = subprocess.run(["openssl", *arguments], input=text, capture_output=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {result.stderr.decode(errors='replace')}")
    return result.stdout


def make_ca(directory, name="ca", common_name="kubernetes"):
    """NAME.crt and NAME.key, unless they exist."""
    crt, key = (os.path.join(directory, f"{name}.{end}") for end in ("crt", "key"))
    if not os.path.exists(crt):
        os.makedirs(directory, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", crt, "-days", "3650", "-subj", f"/CN={common_name}",
                "-addext", "keyUsage=critical,digitalSignature,keyCertSign")
    return crt, key


def make_certificate(directory, name, subject, extensions, ca="ca", days=365):
    """NAME.crt and NAME.key signed by a CA of the same directory; subject as "/O=x/CN=y"."""
    crt, key = (os.path.join(directory, f"{name}.{end}") for end in ("crt", "key"))
    options = [word for line in extensions for word in ("-addext", line)]
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", crt, "-days", str(days), "-subj", subject,
            "-CA", os.path.join(directory, f"{ca}.crt"),
            "-CAkey", os.path.join(directory, f"{ca}.key"),
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "keyUsage=critical,digitalSignature", *options)
    return crt, key


def make_server_certificate(directory, addresses=(), names=()):
    """apiserver.crt and apiserver.key for loopback and what else is given, unless they exist."""
    crt, key = (os.path.join(directory, f"apiserver.{end}") for end in ("crt", "key"))
    if not os.path.exists(crt):
        sans = [f"IP:{a}" for a in ("127.0.0.1", "::1", *addresses)]
        sans += [f"DNS:{n}" for n in ("localhost", "kubernetes", *names)]
        make_certificate(directory, "apiserver", "/CN=kube-apiserver",
                         ["extendedKeyUsage=serverAuth", "subjectAltName=" + ",".join(sans)])
    return crt, key


def make_client_certificate(directory, user, groups=(), days=365):
    """A client certificate, unless it exists; returns its two paths."""
    subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
    name = "client-" + hashlib.sha256(f"{subject} {days}".encode()).hexdigest()[:16]
    crt, key = (os.path.join(directory, f"{name}.{end}") for end in ("crt", "key"))
    if not os.path.exists(crt):
        make_certificate(directory, name, subject, ["extendedKeyUsage=clientAuth"], days=days)
    return crt, key


def sign_request(ca_crt, ca_key, request, seconds):
    """Signs a client certificate request; whole days, rounded up. Returns PEM."""
    with tempfile.TemporaryDirectory() as scratch:
        extensions = os.path.join(scratch, "ext")
        with open(extensions, "w", encoding="ascii") as file:
            file.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                       "extendedKeyUsage=clientAuth\n")
        return openssl("x509", "-req", "-CA", ca_crt, "-CAkey", ca_key, "-extfile", extensions,
                       "-days", str(max(1, -(-seconds // 86400))), "-set_serial",
                       str(int.from_bytes(os.urandom(8), "big")), text=request)


def make_self_signed(directory, name, host):
    """NAME.crt and NAME.key of a server that nobody signed, as the kubelet makes them."""
    crt, key = (os.path.join(directory, f"{name}.{end}") for end in ("crt", "key"))
    if not os.path.exists(crt):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", crt, "-days", "365", "-subj", f"/CN={host}",
                "-addext", f"subjectAltName=DNS:{host}")
    return crt, key
