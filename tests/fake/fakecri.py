"""A container runtime that is always ready: CRI's Version, Status and RuntimeConfig on a socket, and
the containers of static pods, which are there when run() says so and come back when they are stopped.

Just as much HTTP/2 as one unary gRPC call takes: settings, one stream, and the method's path, which
clients send in HPACK's Huffman code. Needs nothing but Python and no root, unlike a containerd.
"""

import os
import socket
import struct
import threading
import time

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# The code words of RFC 7541, appendix B, as far as the paths need them: symbol, code, bits.
HUFFMAN = {symbol: (code, bits) for symbol, code, bits in [
    ("/", 0x18, 6), (".", 0x17, 6), ("1", 0x1, 5), ("C", 0x5e, 7), ("L", 0x67, 7), ("R", 0x6d, 7),
    ("S", 0x6e, 7), ("V", 0x71, 7), ("a", 0x3, 5), ("c", 0x4, 5), ("e", 0x5, 5), ("f", 0x25, 6),
    ("g", 0x26, 6), ("i", 0x6, 5), ("m", 0x29, 6), ("n", 0x2a, 6), ("o", 0x7, 5), ("p", 0x2b, 6),
    ("r", 0x2c, 6), ("s", 0x8, 5), ("t", 0x9, 5), ("u", 0x2d, 6), ("v", 0x77, 7),
]}


def huffman(text):
    bits = "".join(format(HUFFMAN[symbol][0], f"0{HUFFMAN[symbol][1]}b") for symbol in text)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def varint(value):
    result = b""
    while value > 0x7f:
        result += bytes([value & 0x7f | 0x80])
        value >>= 7
    return result + bytes([value])


def field(number, value):
    """A protobuf field: text and messages by length, truth as a number."""
    if isinstance(value, (bool, int)):
        return bytes([number << 3]) + varint(int(value))
    value = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def label(key, value):
    return field(8, field(1, key) + field(2, value))


def condition(kind):
    return field(1, field(1, kind) + field(2, True))


ANSWERS = {
    "Version": field(1, "0.1.0") + field(2, "fake") + field(3, "2.0.0") + field(4, "v1"),
    "Status": field(1, condition("RuntimeReady") + condition("NetworkReady")),
    "RuntimeConfig": field(1, field(1, 0)),  # the cgroup driver is systemd's
}
PATHS = {huffman(f"/runtime.v1.RuntimeService/{method}"): method
         for method in [*ANSWERS, "ListContainers", "StopContainer"]}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header(name, value):
    """One header, neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def reply(stream, answer):
    message = struct.pack(">BI", 0, len(answer)) + answer
    start = b"\x88" + header(b"content-type", b"application/grpc")
    return (frame(HEADERS, END_HEADERS, stream, start) + frame(DATA, 0, stream, message)
            + frame(HEADERS, END_HEADERS | END_STREAM, stream, header(b"grpc-status", b"0")))


class FakeCri:
    """with FakeCri(path): a runtime serves at unix://path."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = None
        self.containers = {}  # name -> (id, created at)
        self.number = 0
        self.stopped = []  # names, in order

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)

    def run(self, name):
        """A static pod's container runs from now on."""
        self.number += 1
        self.containers[name] = (f"container-{self.number}", time.time_ns())

    def list_containers(self, message):
        """Those whose name is in the filter."""
        return b"".join(
            field(1, field(1, number) + field(6, 1) + field(7, created)
                  + label("io.kubernetes.container.name", name)
                  + label("io.kubernetes.pod.name", f"{name}-node-1"))
            for name, (number, created) in self.containers.items()
            if field(2, name) in message)

    def stop_container(self, message):
        for name, (number, _) in list(self.containers.items()):
            if field(1, number) in message:
                self.stopped.append(name)
                self.run(name)
        return b""

    def answer(self, method, message):
        if method == "ListContainers":
            return self.list_containers(message)
        if method == "StopContainer":
            return self.stop_container(message)
        return ANSWERS[method]

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, client.makefile("rb") as stream:
                if stream.read(len(PREFACE)) == PREFACE:
                    client.sendall(frame(SETTINGS, 0, 0))
                    self.serve_frames(client, stream)
        except OSError:
            pass  # the client is gone, or was killed

    def serve_frames(self, client, stream):
        calls, bodies = {}, {}
        while len(head := stream.read(9)) == 9:
            length = int.from_bytes(head[:3], "big")
            kind, flags, number = struct.unpack(">BBI", head[3:])
            payload = stream.read(length)
            if kind in (SETTINGS, PING) and not flags & ACK:
                client.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            if kind == HEADERS:
                calls[number] = next(method for path, method in PATHS.items() if path in payload)
            if kind == DATA:
                bodies[number] = bodies.get(number, b"") + payload
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                message = bodies.pop(number, b"")[5:]
                client.sendall(reply(number, self.answer(calls.pop(number), message)))
