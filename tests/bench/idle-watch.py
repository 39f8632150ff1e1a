#!/usr/bin/env python3
"""What idle watches cost: wake-ups, threads and memory, for 0, 1 and 8 of them over TLS.

`make tests/bench/idle-watch`, then `tests/bench/idle-watch.py BUILD-DIRECTORY [SECONDS]`.
"""

import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading


def make_certificate(directory):
    cert, key = directory / "server.crt", directory / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server", "-days", "2",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def serve(listener, context):
    """Answers with one line, and then nothing for as long as the client stays."""
    kept = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        tls = context.wrap_socket(connection, server_side=True)
        tls.recv(65536)
        tls.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
        kept.append(tls)


def main():
    build = pathlib.Path(sys.argv[1])
    seconds = sys.argv[2] if len(sys.argv) > 2 else "60"
    with tempfile.TemporaryDirectory() as scratch, socket.socket() as listener:
        cert, key = make_certificate(pathlib.Path(scratch))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=serve, args=(listener, context), daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        for watches in (0, 1, 8):
            result = subprocess.run([build / "tests/bench/idle-watch", seconds, str(watches),
                                     cert, url], check=True, capture_output=True, text=True)
            print(json.dumps({"watches": watches, **json.loads(result.stdout)}))


if __name__ == "__main__":
    main()
