"""A small HTTP/1.1 server that can misbehave on purpose; used by the fake servers.

One thread per connection, plain or TLS. A handler gets a Request and returns a Reply, or writes a
chunked stream itself. Only the standard library, and little of it, so that it starts fast.
"""

import select
import socket
import ssl
import threading
import time
import urllib.parse

PHRASES = {
    100: "Continue", 200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone",
    415: "Unsupported Media Type", 422: "Unprocessable Entity", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Hangup(Exception):
    """Ends a connection without another byte."""


class Request:
    def __init__(self, method, target, headers, body, connection):
        self.method = method
        self.target = target
        url = urllib.parse.urlsplit(target)
        self.path = urllib.parse.unquote(url.path)
        self.query_text = url.query
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.headers = headers
        self.body = body
        self.connection = connection


class Reply:
    def __init__(self, status, body, content_type="application/json", headers=()):
        self.status = status
        self.body = body if isinstance(body, bytes) else body.encode()
        self.content_type = content_type
        self.headers = dict(headers)
        self.declared_length = None  # what Content-Length says, if not the truth
        self.slow = 0  # bytes a second; 0 = at once
        self.hang_up = False  # close after the body


class Connection(threading.Thread):
    """One client."""

    def __init__(self, server, sock):
        super().__init__(daemon=True)
        self.server = server
        self.sock = sock
        self.file = None
        self.peer = None  # the parsed client certificate, or None

    def run(self):
        try:
            self.sock.settimeout(30)
            if self.server.tls:
                self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
                self.peer = self.sock.getpeercert() or None
            self.sock.settimeout(None)
            self.file = self.sock.makefile("rb")
            while self.serve_one():
                pass
        except (OSError, ssl.SSLError, ValueError, Hangup):
            pass  # The client went away, or a fault wants it to think that we did.
        finally:
            self.close()
            self.server.forget(self)
            try:
                self.sock.close()
            except OSError:
                pass

    def close(self):
        """Ends both directions, also for a thread that reads."""
        try:
            # Not the TLS socket's own way: that would take its state from under a reading thread.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass

    def serve_one(self):
        request = self.read_request()
        if request is None:
            return False
        reply = self.server.handler(request)
        if reply is not None:
            self.send_reply(reply)
        return request.headers.get("connection", "").lower() != "close"

    def read_request(self):
        line = self.file.readline(65536)
        if not line:
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while True:
            line = self.file.readline(65536).decode("latin-1").rstrip("\r\n")
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(method, target, headers, self.read_body(headers), self)

    def read_body(self, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.file.readline(100).split(b";")[0], 16)
                body += self.file.read(size)
                self.file.readline(100)
                if size == 0:
                    return body
        return self.file.read(int(headers.get("content-length", 0) or 0))

    def send_reply(self, reply):
        length = len(reply.body) if reply.declared_length is None else reply.declared_length
        head = [f"HTTP/1.1 {reply.status} {PHRASES.get(reply.status, 'Unknown')}",
                f"Content-Type: {reply.content_type}", f"Content-Length: {length}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        head = ("\r\n".join(head) + "\r\n\r\n").encode()
        if reply.slow:
            self.sock.sendall(head)
            self.send_slowly(reply.body, reply.slow)
        else:
            self.sock.sendall(head + reply.body)
        if reply.hang_up:
            raise Hangup

    def send_slowly(self, body, rate):
        step = max(1, rate // 10)
        for start in range(0, len(body), step):
            self.sock.sendall(body[start:start + step])
            if self.gone():
                raise Hangup
            time.sleep(step / rate)

    # A body of unknown length.

    def start_stream(self, content_type="application/json"):
        self.sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n".encode())

    def send_chunk(self, data):
        self.sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_stream(self):
        self.sock.sendall(b"0\r\n\r\n")

    def gone(self):
        """Whether the client has closed; it sends nothing else while it waits for a body."""
        try:
            return bool(select.select([self.sock.fileno()], [], [], 0)[0])
        except (OSError, ValueError):
            return True


class HttpServer:
    """Accepts until it is told to stop; may refuse and accept again on the same port."""

    def __init__(self, handler, host="127.0.0.1", port=0, tls=None):
        self.handler = handler
        self.host = host
        self.port = port
        self.tls = tls
        self.listener = None
        self.lock = threading.Lock()
        self.connections = set()

    def start(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            with self.lock:
                if self.listener is not listener:
                    sock.close()
                    continue
                self.connections.add(connection)
            connection.start()

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    def refuse(self):
        """Connections are refused from now on; those that exist go on."""
        with self.lock:
            listener, self.listener = self.listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()

    def drop_connections(self):
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.close()

    def stop(self):
        self.refuse()
        self.drop_connections()
