"""A container runtime that is always ready: CRI's Version, Status and RuntimeConfig on a socket.

Just as much HTTP/2 as one unary gRPC call takes: settings, one stream, and the method's path, which
clients send in HPACK's Huffman code. Needs nothing but Python and no root, unlike a containerd.
"""

import os
import socket
import struct
import threading

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# The code words of RFC 7541, appendix B, as far as the paths need them: symbol, code, bits.
HUFFMAN = {symbol: (code, bits) for symbol, code, bits in [
    ("/", 0x18, 6), (".", 0x17, 6), ("1", 0x1, 5), ("C", 0x5e, 7), ("R", 0x6d, 7), ("S", 0x6e, 7),
    ("V", 0x71, 7), ("a", 0x3, 5), ("c", 0x4, 5), ("e", 0x5, 5), ("f", 0x25, 6), ("g", 0x26, 6),
    ("i", 0x6, 5), ("m", 0x29, 6), ("n", 0x2a, 6), ("o", 0x7, 5), ("r", 0x2c, 6), ("s", 0x8, 5),
    ("t", 0x9, 5), ("u", 0x2d, 6), ("v", 0x77, 7),
]}


def huffman(text):
    bits = "".join(format(HUFFMAN[symbol][0], f"0{HUFFMAN[symbol][1]}b") for symbol in text)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def field(number, value):
    """A protobuf field: text and messages by length, truth as a number."""
    if isinstance(value, (bool, int)):
        return bytes([number << 3, int(value)])
    value = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(value)]) + value


def condition(kind):
    return field(1, field(1, kind) + field(2, True))


ANSWERS = {
    "Version": field(1, "0.1.0") + field(2, "fake") + field(3, "2.0.0") + field(4, "v1"),
    "Status": field(1, condition("RuntimeReady") + condition("NetworkReady")),
    "RuntimeConfig": field(1, field(1, 0)),  # the cgroup driver is systemd's
}
PATHS = {huffman(f"/runtime.v1.RuntimeService/{method}"): answer
         for method, answer in ANSWERS.items()}


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

    @staticmethod
    def serve_frames(client, stream):
        calls = {}
        while len(head := stream.read(9)) == 9:
            length = int.from_bytes(head[:3], "big")
            kind, flags, number = struct.unpack(">BBI", head[3:])
            payload = stream.read(length)
            if kind in (SETTINGS, PING) and not flags & ACK:
                client.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            if kind == HEADERS:
                calls[number] = next(answer for path, answer in PATHS.items() if path in payload)
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                client.sendall(reply(number, calls.pop(number)))
