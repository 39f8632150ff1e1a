"""TLS ports that answer every request with 200: what etcd and the kubelet show to who proves a
certificate. They read their files at every connection, as etcd does.
"""

import contextlib
import socket
import ssl
import threading

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class TlsPort:
    """crt and key are the server's; clients have to bring a certificate that authority signed."""

    def __init__(self, host, port, crt, key, authority):
        self.files = (crt, key)
        self.authority = authority
        self.listener = socket.create_server((host, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError, ValueError), client:
            client.settimeout(10)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.files)
            context.load_verify_locations(self.authority)
            context.verify_mode = ssl.CERT_REQUIRED
            with context.wrap_socket(client, server_side=True) as stream:
                request = b""
                while b"\r\n\r\n" not in request:
                    if not (part := stream.recv(4096)):
                        return
                    request += part
                stream.sendall(REPLY)

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
