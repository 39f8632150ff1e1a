"""Kills agentd where it is told to and looks at what is left: one namespace, one host at a time.

Usage: killworker.py BUILD SCRATCH, in a user, network and mount namespace of its own. Each line of
standard input is a job, each line of standard output its result, both JSON. kind is one of killworld.ROLES:

    {"kind": …, "do": "trace"}                   system calls and files of an undisturbed run
    {"kind": …, "do": "kill", "kills": [["renameat", 7], …]}  a run for each, then one in peace
    {"kind": …, "do": "trace_renewal"}           the same for the renewal of all certificates
    {"kind": …, "do": "kill_renewal", "kills": …}  that renewal, killed there, then a run in peace
    {"kind": …, "do": "rest"}                    a restart of a host where all is done
    {"kind": …, "do": "converge", "kubelet": SCRIPT}  one run; SCRIPT null: the kubelet is installed
                                                 when it has been missed
"""

import contextlib
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fake")]

from apiserver import RESOURCES  # noqa: E402
from killworld import (  # noqa: E402
    ADDRESS, KUBELET, TOKEN, ControlPlane, Problem, Worker, pair_problem,
)

import yaml  # noqa: E402

# What is made once stays as it is, byte by byte, whatever happens to agentd afterwards.
LASTING = ("etc/kubernetes", "var/lib/kubelet", "var/lib/agentd/pki/agentd.crt",
           "var/lib/agentd/pki/agentd.key", "var/lib/agentd/cluster.conf")
PEM = re.compile(r"(-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \2-----\n)+")
CSRS = RESOURCES["certificates.k8s.io/v1", "certificatesigningrequests"]
SECRETS = RESOURCES["v1", "secrets"]


def files_of(root):
    """Every file and link of agentd's below the root, sorted."""
    for directory in ("etc/kubernetes", "etc/systemd", "var/lib/kubelet", "var/lib/agentd"):
        for path in sorted((root / directory).rglob("*")):
            if path.is_symlink() or not path.is_dir():
                yield path


def is_temporary(path):
    return path.name.startswith(".") or path.parent.name == "redo"


def is_lasting(root, path):
    return str(path.relative_to(root)).startswith(LASTING) and not is_temporary(path)


def whole_problem(path):
    """Why a reader of this file would see half of something, or None."""
    text = path.read_text(errors="replace")
    if not text:
        return "is empty"
    if path.suffix in (".key", ".crt", ".pem", ".pub") and not PEM.fullmatch(text):
        return "is torn"
    if path.name == "history.json":
        digest, _, content = text.partition("\n")
        return None if hashlib.sha256(content.encode()).hexdigest() == digest else "is torn"
    if path.suffix in (".yaml", ".json") or (path.suffix == ".conf" and "systemd" not in str(path)):
        try:
            if not isinstance(yaml.safe_load(text), dict):
                return "is torn"
        except yaml.YAMLError as error:
            return f"is torn: {error}"
    return None


class Inspector:
    """What must hold after each kill, and at the end."""

    def __init__(self, host):
        self.host = host
        self.lasting = {}  # path -> bytes as they were first seen

    def after_kill(self):
        for path in files_of(self.host.root):
            if is_temporary(path) or path.is_symlink():
                continue
            if problem := whole_problem(path):
                raise Problem(f"after the kill {path} {problem}")
            if is_lasting(self.host.root, path):
                self.lasting.setdefault(path, path.read_bytes())

    def at_the_end(self):
        root = self.host.root
        self.after_kill()
        for path, content in self.lasting.items():
            if not path.exists() or path.read_bytes() != content:
                raise Problem(f"{path} was made again")
        for path in files_of(root):
            if is_temporary(path):
                raise Problem(f"{path} was left behind")
            if path.suffix == ".crt" and path.with_suffix(".key").exists():
                self.check_pair(path, path.with_suffix(".key"))
        current = self.host.current_certificate()
        self.check_pair(current, current)
        if self.host.kubelet.problems:
            raise Problem("; ".join(self.host.kubelet.problems))
        if self.host.systemd.property("kubelet.service", "UnitFileState") != "enabled":
            raise Problem("kubelet.service is not enabled")
        self.check_cluster()
        self.check_secrets()

    def pairs_after_redo(self):
        """Every file is whole; a certificate without its key there is only under a redo record."""
        root = self.host.root
        for path in files_of(root):
            if is_temporary(path) or path.is_symlink():
                continue
            if problem := whole_problem(path):
                raise Problem(f"after the kill {path} {problem}")
            key = path.with_suffix(".key")
            if (path.suffix == ".crt" and key.exists()
                    and not (root / "var/lib/agentd/redo/set").exists()):
                self.check_pair(path, key)

    def after_renewal(self):
        root = self.host.root
        for path in files_of(root):
            if is_temporary(path):
                raise Problem(f"{path} was left behind")
            if path.suffix == ".crt" and path.with_suffix(".key").exists():
                self.check_pair(path, path.with_suffix(".key"))
        if self.host.kubelet.problems:
            raise Problem("; ".join(self.host.kubelet.problems))
        for pod in ("etcd", "kube-apiserver"):
            if pod in self.host.cri.stopped:
                raise Problem(f"{pod} was restarted")
        for pod in ("kube-controller-manager", "kube-scheduler"):
            if self.host.cri.stopped.count(pod) > 1:
                raise Problem(f"{pod} was restarted {self.host.cri.stopped.count(pod)} times")

    def names(self):
        """The files that there are, by names that are the same in every run."""
        root = self.host.root
        names = [re.sub(r"\d{4}(-\d\d){5}", "DATE", str(path.relative_to(root)))
                 for path in files_of(root)]
        # Of the ledger there are one or two; history and figures are written some time later.
        return sorted(name for name in names if not name.startswith((
            "var/lib/agentd/ledger.", "var/lib/agentd/history.", "var/lib/agentd/metrics/")))

    @staticmethod
    def check_pair(crt, key):
        if problem := pair_problem(crt, key):
            raise Problem(problem)

    def created(self, resource):
        """The names of a kind's objects, and how many have been created altogether."""
        collection = f"/{resource.plural}$"
        posts = [entry for entry in self.host.api.requests("POST", collection)
                 if entry["status"] == 201]
        return sorted(name for _, name in self.host.api.store.table(resource)), len(posts)

    def check_cluster(self):
        token_id = TOKEN.partition(".")[0]
        names, posts = self.created(SECRETS)
        made_here = self.host.kind != "join"
        if names != [f"bootstrap-token-{token_id}"] or posts != (1 if made_here else 0):
            raise Problem(f"token Secrets {names}, created {posts} times")
        names, posts = self.created(CSRS)
        if len(names) != posts or posts != (0 if made_here else 1):
            raise Problem(f"CSRs {names}, created {posts} times")

    def check_secrets(self):
        """The token's secret is only where it has to be: nowhere else, once it has served."""
        secret = TOKEN.partition(".")[2]
        is_worker = self.host.kind == "join"
        kept = set() if is_worker else {self.host.root / "var/lib/agentd/role.json"}
        for path in files_of(self.host.root):
            if path not in kept and not path.is_symlink() and secret in path.read_text():
                raise Problem(f"{path} holds the token")
        if secret in self.host.log():
            raise Problem("the log holds the token")


class Jobs:
    def __init__(self, build, scratch):
        self.build = build
        self.scratch = Path(scratch)

    def host(self, kind, **more):
        if kind == "join":
            return Worker(self.build, self.scratch / "host", kind, self.scratch / "pki", **more)
        return ControlPlane(self.build, self.scratch / "host", kind, **more)

    def trace(self, job):
        output = self.scratch / "trace"
        with self.host(job["kind"]) as host:
            host.start("--trace=all", f"--output={output}")
            host.await_converged()
            host.kill()
            files = Inspector(host).names()
        names = (line.partition("(")[0]
                 for line in output.read_text(errors="replace").splitlines())
        return {"calls": [name for name in names if name.isidentifier()], "files": files}

    def kill(self, job):
        killed = 0
        with self.host(job["kind"]) as host:
            inspector = Inspector(host)
            try:
                for name, number in job["kills"]:
                    # The signal comes before the call does anything.
                    host.start(f"--trace={name}", "--output=/dev/null",
                               f"--inject={name}:signal=KILL:when={number}")
                    if host.await_converged():
                        host.kill()
                    else:
                        killed += 1
                    inspector.after_kill()
                host.start()
                if not host.await_converged():
                    raise Problem(f"agentd ended with {host.process.returncode}")
                host.terminate()
                inspector.at_the_end()
            except Problem as problem:
                return {"killed": killed, "problem": str(problem), "log": host.log()[-6000:]}
            return {"killed": killed, "files": inspector.names()}

    def trace_renewal(self, job):
        output = self.scratch / "trace"
        with self.host(job["kind"]) as host:
            host.start()
            host.await_converged()
            before = serials(host.root)
            tracer = host.attach("--trace=all", f"--output={output}")
            reply = host.call("CertificateRenew", all=True)
            host.kill()
            tracer.wait(timeout=60)
            after = serials(host.root)
        # With several threads a line begins with the thread.
        names = (re.sub(r"^\d+ +", "", line).partition("(")[0]
                 for line in output.read_text(errors="replace").splitlines())
        return {"calls": [name for name in names if name.isidentifier()],
                "kept": sorted(name for name in before if after[name] == before[name]),
                "reply": reply}

    def kill_renewal(self, job):
        killed = 0
        with self.host(job["kind"]) as host:
            inspector = Inspector(host)
            try:
                host.start()
                host.await_converged()
                for name, number in job["kills"]:
                    tracer = host.attach(f"--trace={name}", "--output=/dev/null",
                                         f"--inject={name}:signal=KILL:when={number}")
                    if host.call("CertificateRenew", all=True) is None:
                        host.process.wait(timeout=60)
                        killed += 1
                    host.kill()
                    tracer.wait(timeout=60)
                    inspector.pairs_after_redo()
                    host.start()
                    if not host.await_converged():
                        raise Problem(f"agentd ended with {host.process.returncode}")
                host.terminate()
                inspector.after_renewal()
            except Problem as problem:
                return {"killed": killed, "problem": str(problem), "log": host.log()[-6000:]}
            return {"killed": killed}

    def converge(self, job):
        with self.host(job["kind"], kubelet=job["kubelet"]) as host:
            try:
                host.start()
                missed = None
                if not job["kubelet"]:
                    missed = host.await_condition(
                        "RoleFileValid" if job["kind"] == "init" else "PreflightPassed", "False")
                    host.write("usr/bin/kubelet", KUBELET, 0o755)
                host.await_converged()
                host.terminate()
                Inspector(host).at_the_end()
            except Problem as problem:
                return {"problem": str(problem), "log": host.log()[-6000:]}
            return {"missed": missed}

    def rest(self, job):
        with self.host(job["kind"]) as host:
            try:
                host.start()
                host.await_converged()
                host.terminate()
                before, calls = snapshot(host.root), host.systemd.calls()
                changes = self.changes(host)
                host.start()
                if not host.await_converged():
                    raise Problem(f"agentd ended with {host.process.returncode}")
                host.terminate()
            except Problem as problem:
                return {"problem": str(problem), "log": host.log()[-6000:]}
            return {"before": before, "after": snapshot(host.root),
                    "jobs": [calls, host.systemd.calls()],
                    "requests": self.changes(host)[len(changes):]}

    @staticmethod
    def changes(host):
        """What was asked of the API server that is not reading."""
        return [f"{entry['method']} {entry['path']}" for entry in host.api.requests()
                if entry["method"] != "GET"]


def serials(root):
    """What certificates there are on disk, by file."""
    return {str(path.relative_to(root)): path.read_bytes()
            for path in files_of(root)
            if path.suffix in (".crt", ".conf") and path.is_file() and "systemd" not in str(path)}


def snapshot(root):
    """Everything below the root but the socket and the history, which tells of the restart: inode,
    size, mode and time of each."""
    result = {}
    for path in sorted(root.rglob("*")):
        if "run" in path.relative_to(root).parts or path in (
                root / "var/lib/agentd", root / "var/lib/agentd/history.json"):
            continue
        st = path.lstat()
        result[str(path.relative_to(root))] = [st.st_ino, st.st_size, st.st_mode, st.st_mtime_ns,
                                               st.st_ctime_ns]
    return result


def main():
    build, scratch = sys.argv[1:]
    for command in ("ip link set lo up", f"ip address add {ADDRESS}/32 dev lo",
                    f"mount -t tmpfs tmpfs {scratch}"):
        subprocess.run(command.split(), check=True)
    jobs = Jobs(build, scratch)
    # What the fakes print is no result.
    results, sys.stdout = sys.stdout, sys.stderr
    with contextlib.suppress(BrokenPipeError):
        for line in sys.stdin:
            job = json.loads(line)
            print(json.dumps(getattr(jobs, job["do"])(job)), file=results, flush=True)


if __name__ == "__main__":
    main()
