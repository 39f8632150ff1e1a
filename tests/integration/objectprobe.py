"""A running object-probe on a real API server: agentd's rows of cluster objects, and what an
administrator does to these objects."""

import copy
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
TOKEN = "q3ob5z.7tq1m2zk9x0c4w8d"
NODE = "node-1"
ROLE = f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{{token: {TOKEN}}}]
nodeRegistration: {{name: {NODE}, criSocket: 'unix:///run/cri.sock'}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
networking: {{serviceSubnet: 10.96.0.0/16, podSubnet: 10.244.0.0/16}}
"""
SERVERS = ("resourceVersion", "managedFields", "generation", "uid", "creationTimestamp")


class ObjectProbe:
    def __init__(self, api, scratch, role=ROLE):
        self.api = api
        port = api.url.rpartition(":")[2]
        pki, state = scratch / "etc/kubernetes/pki", scratch / "var/lib/agentd/pki"
        for directory in (pki, state):
            directory.mkdir(parents=True, exist_ok=True)
        for name in ("ca.crt", "ca.key"):
            shutil.copy(pathlib.Path(api.pki) / name, pki)
        crt, key = api.client_certificate(f"agentd:{NODE}", ["agentd:control-plane"])
        shutil.copy(crt, state / "agentd.crt")
        shutil.copy(key, state / "agentd.key")
        (scratch / "role.yaml").write_text(role)
        self.errors = open(scratch / "errors", "ab")
        self.process = subprocess.Popen(
            [BUILD / "tests/integration/object-probe", scratch, port, scratch / "role.yaml"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.changed = threading.Condition()
        self.rest, self.failures, self.described = {}, [], None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            with self.changed:
                if "rest" in line:
                    self.rest = line["rest"]
                elif "rows" in line:
                    self.described = line["rows"]
                else:
                    self.failures.append(line)
                self.changed.notify_all()

    def wait(self, condition, what, timeout=20):
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                bad = {name: row for name, row in self.rest.items() if row["verdict"] != "in-sync"}
                raise AssertionError(f"{what}\nnot in sync: {bad}\nfailed: {self.failures}")

    def is_at_rest(self):
        return bool(self.rest) and all(row["verdict"] == "in-sync" for row in self.rest.values())

    def settle(self, what="every row is in sync"):
        self.wait(self.is_at_rest, what)

    def wait_until_seen(self, row, version):
        """Until the row has judged that version of its object, or a later one."""
        self.wait(lambda: int(self.rest.get(row, {}).get("version") or 0) >= int(version),
                  f"{row} sees {version}")
        self.settle(f"{row} at rest with {version}")

    def describe(self):
        self.described = None
        self.process.stdin.write("describe\n")
        self.process.stdin.flush()
        self.wait(lambda: self.described is not None, "a description")
        return self.described

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0
        self.reader.join(timeout=20)
        self.process.stdout.close()
        self.errors.close()


class Row:
    """One row of agentd's, and its object as an administrator reaches it."""

    def __init__(self, probe, name, description):
        self.probe, self.api, self.name = probe, probe.api, name
        self.collection = description["collection"]
        self.path = f"{self.collection}/{description['name']}"
        self.wanted, self.leaves = description["wanted"], description["leaves"]

    def __repr__(self):
        return self.name

    def live(self):
        return self.api.get(self.path)

    def content(self):
        """The object without what is the server's."""
        obj = copy.deepcopy(self.live())
        if obj is None:
            return None
        obj.pop("status", None)
        for field in SERVERS:
            obj["metadata"].pop(field, None)
        return obj

    def wait_for(self, expected, timeout=20):
        deadline = time.monotonic() + timeout
        while (found := self.content()) != expected:
            assert time.monotonic() < deadline, (
                f"{self.name} is\n{json.dumps(found)}\nand not\n{json.dumps(expected)}\n"
                f"{self.probe.rest.get(self.name)}\n{self.probe.failures}")
            time.sleep(0.005)
        self.probe.settle(f"{self.name} has come back")

    # What others do to it. Each returns (status, object).

    def json_patch(self, *steps):
        return self.api.request("PATCH", f"{self.path}?fieldManager=kubectl-edit", list(steps),
                                "application/json-patch+json")

    def apply(self, obj, manager="other"):
        return self.api.request("PATCH", f"{self.path}?fieldManager={manager}&force=true", obj,
                                "application/apply-patch+yaml")

    def replace(self, obj):
        obj["metadata"].pop("managedFields", None)
        return self.api.request("PUT", f"{self.path}?fieldManager=kubectl-replace", obj)


MISSING = object()


def locate(obj, path):
    """The keys and indices that lead to a leaf of an object; None if it is not there."""
    keys = []
    for step in path:
        if isinstance(step, dict):
            found = [i for i, item in enumerate(obj)
                     if all(item.get(k, "TCP" if k == "protocol" else None) == v
                            for k, v in step.items())]
            step = found[0] if found else None
        if step is None or (isinstance(step, str) and step not in obj):
            return None
        keys.append(step)
        obj = obj[step]
    return keys


def value_at(obj, path):
    keys = locate(obj, path)
    if keys is None:
        return MISSING
    for key in keys:
        obj = obj[key]
    return obj


def put_at(obj, path, value):
    """Sets a leaf, or removes it (MISSING), in place."""
    *outer, last = locate(obj, path)
    for key in outer:
        obj = obj[key]
    if value is MISSING:
        del obj[last]
    else:
        obj[last] = value


def pointer(keys):
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def only(wanted, path, value):
    """The smallest object that says nothing but its name and one leaf."""
    obj = {key: wanted[key] for key in ("apiVersion", "kind")}
    obj["metadata"] = {key: wanted["metadata"][key] for key in ("name", "namespace")
                       if key in wanted["metadata"]}
    inner, steps = obj, list(path)
    for i, step in enumerate(steps):
        last = i + 1 == len(steps)
        if isinstance(step, dict):
            inner.append(dict(step))
            inner = inner[-1]
            continue
        following = None if last else steps[i + 1]
        inner[step] = value if last else inner.get(step, [] if isinstance(following, dict) else {})
        inner = inner[step]
    return obj


def others(value):
    """Values that somebody might write instead; the first that the API server takes counts."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
        yield max(value - 1, 0)
    elif isinstance(value, str):
        # A name, a number or quantity in quotes, a path, a word of a fixed list.
        yield value + "x"
        yield "x-" + value if value else "x"
        yield value[:-1]
        yield from ("180Mi", "150m", "80Mi", "Always", "HTTPS", "ClusterFirst", "Exists", "OnDelete",
                    "Recreate", "NoExecute", "NotIn", "Directory", "UDP", "TCP", "SCTP", "system-node-critical",
                    "system-cluster-critical", "metadata.name")
    elif isinstance(value, list):
        if len(value) > 1:
            yield value[1:]
        if value and isinstance(value[0], str):
            yield [*value, "x"]
            yield ["ALL"]
            yield ["SYS_TIME"]
        if value and isinstance(value[0], dict):
            for key, item in value[0].items():
                for other in others(item):
                    if other is not MISSING:
                        yield [{**value[0], key: other}, *value[1:]]
    yield MISSING
