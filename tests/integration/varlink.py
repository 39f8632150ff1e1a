"""A Varlink client that knows nothing of ours: what a foreign library would do."""

import json
import re
import socket


class Error(Exception):
    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name, self.parameters = name, parameters


class Client:
    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # With a time-out Python would not wait for room in the server's queue.
        self.socket.connect(str(path))
        self.socket.settimeout(timeout)
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, parameters=None, **flags):
        call = {"method": method, **({"parameters": parameters} if parameters else {}), **flags}
        self.socket.sendall(json.dumps(call).encode() + b"\0")

    def receive(self):
        """The next reply, None at the end of the connection."""
        while b"\0" not in self.bytes:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.bytes += more
        message, _, self.bytes = self.bytes.partition(b"\0")
        return json.loads(message)

    def call(self, method, parameters=None):
        self.send(method, parameters)
        reply = self.receive()
        if reply is None:
            raise ConnectionResetError(method)
        if "error" in reply:
            raise Error(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {})

    def interface(self, name):
        text = self.call("org.varlink.service.GetInterfaceDescription", {"interface": name})
        return Interface(text["description"])


class Interface:
    """An interface description, and whether values are as it says."""

    TOKEN = re.compile(r"[ \t\n]+|#[^\n]*|(->|\[\]|[(),:?]|\[string\]|[A-Za-z][A-Za-z0-9_.-]*)")
    FIELD = re.compile(r"^[A-Za-z](_?[A-Za-z0-9])*$")
    NAME = re.compile(r"^[A-Z][A-Za-z0-9]*$")
    PLAIN = {"bool": bool, "int": int, "float": (int, float), "string": str, "object": dict}

    def __init__(self, text):
        self.tokens = []
        position = 0
        while position < len(text):
            match = self.TOKEN.match(text, position)
            assert match, f"not Varlink: {text[position:position + 40]!r}"
            if match.group(1):
                self.tokens.append(match.group(1))
            position = match.end()
        self.types, self.methods, self.errors = {}, {}, {}
        self.expect("interface")
        self.name = self.take()
        while self.tokens:
            kind, name = self.take(), self.take()
            assert self.NAME.match(name), name
            members = {"type": self.types, "method": self.methods, "error": self.errors}[kind]
            assert name not in members, f"{name} is there twice"
            members[name] = self.type()
            if kind == "method":
                self.expect("->")
                members[name] = (members[name], self.type())
        for used in self.used_types():
            assert used in self.types, f"type {used} is not there"

    def take(self):
        return self.tokens.pop(0)

    def expect(self, token):
        taken = self.take()
        assert taken == token, f"{taken} instead of {token}"

    def type(self):
        token = self.take()
        if token in ("?", "[]", "[string]"):
            return (token, self.type())
        if token != "(":
            return token
        fields = {}
        while self.tokens[0] != ")":
            name = self.take()
            assert self.FIELD.match(name) and name not in fields, name
            self.expect(":")
            fields[name] = self.type()
            if self.tokens[0] == ",":
                self.take()
        self.expect(")")
        return fields

    def used_types(self):
        def walk(kind):
            if isinstance(kind, dict):
                for field in kind.values():
                    yield from walk(field)
            elif isinstance(kind, tuple):
                yield from walk(kind[1])
            elif kind not in self.PLAIN:
                yield kind
        for kind in (*self.types.values(), *self.errors.values(),
                     *(side for method in self.methods.values() for side in method)):
            yield from walk(kind)

    def check(self, value, kind, path="reply"):
        """Fails unless the value is of the type; a struct has no fields that are not declared."""
        if isinstance(kind, dict):
            assert isinstance(value, dict), path
            assert not set(value) - set(kind), f"{path}: {set(value) - set(kind)} not declared"
            for name, field in kind.items():
                self.check(value.get(name), field, f"{path}.{name}")
        elif isinstance(kind, tuple) and kind[0] == "?":
            if value is not None:
                self.check(value, kind[1], path)
        elif isinstance(kind, tuple):
            assert isinstance(value, list), f"{path} is {value!r}"
            for index, item in enumerate(value):
                self.check(item, kind[1], f"{path}[{index}]")
        elif kind in self.PLAIN:
            assert isinstance(value, self.PLAIN[kind]), f"{path} is {value!r}, not {kind}"
        else:
            self.check(value, self.types[kind], path)
