"""A running control-probe, and processes of other users that talk to it."""

import ctypes
import json
import os
import pathlib
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import varlink

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
GROUP = 47110
NODE = "io.agentd.Node."
CLONE_NEWUSER, PR_SET_DUMPABLE = 0x10000000, 4


class Probe:
    """The daemon, below a directory that every user can reach."""

    def __init__(self, status=None, group=GROUP, files=4096, start=True):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="agentd-control-"))
        self.root.chmod(0o755)
        self.path = self.root / "run/agentd/io.agentd.Node"
        self.group, self.files = group, files
        self.arguments = []
        if status is not None:
            (self.root / "status.json").write_text(json.dumps(status))
            self.arguments.append(self.root / "status.json")
        self.process, self.log = None, []
        if start:
            self.start()

    def start(self, **options):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

        options = {"preexec_fn": limit, **options}
        self.process = subprocess.Popen(
            [BUILD / "tests/integration/control-probe", self.root, str(self.group),
             *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        self.reader = threading.Thread(target=self.read_log, args=[self.process], daemon=True)
        self.reader.start()
        said = self.process.stdout.readline()
        assert said == "ready\n", self.log

    def read_log(self, process):
        for line in process.stderr:
            self.log.append(line)

    def has_said(self, text):
        """Whether it says that, now or in a while: its records come by a pipe."""
        deadline = time.monotonic() + 20
        while not any(text in line for line in self.log) and time.monotonic() < deadline:
            time.sleep(0.01)
        return any(text in line for line in self.log)

    def said(self):
        """All that a probe said that has ended."""
        self.reader.join(timeout=20)
        return "".join(self.log)

    def stop(self):
        """Ends it as systemd would, and fails if it did not end well."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(timeout=20) == 0, self.log
            self.process = None

    def close(self):
        try:
            self.stop()
        finally:
            if self.process:
                self.process.kill()
            shutil.rmtree(self.root)

    def client(self, **options):
        return varlink.Client(self.path, **options)

    def call(self, method, parameters=None):
        with self.client() as client:
            return client.call(NODE + method, parameters)

    def open_to_all(self):
        """What an administrator might do by mistake; the kernel's credentials still count."""
        self.path.parent.chmod(0o755)
        self.path.chmod(0o666)

    def private_memory(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon")


def become(uid, gid, groups):
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def enter_user_namespace():
    """Root of a user namespace: uid 0 for itself, and nobody special for the kernel."""
    uid = os.getuid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespaces")
    pathlib.Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    assert os.getuid() == 0


class Child:
    """A process that becomes somebody, does something and tells the result; it may wait to be let
    go in between."""

    def __init__(self, do, uid=0, gid=0, groups=(), before=None):
        self.results, results = os.pipe()
        stay, self.leave = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.leave)
                if before:
                    before(os.getpid())
                if uid or gid or groups:
                    become(uid, gid, list(groups))
                outcome = (True, do())
            except BaseException as error:  # the parent raises it
                outcome = (False, error)
            try:
                os.write(results, pickle.dumps(outcome))
                os.close(results)
                os.read(stay, 1)
            finally:
                os._exit(0)
        os.close(results)
        os.close(stay)

    def result(self):
        with os.fdopen(self.results, "rb") as results:
            fine, outcome = pickle.loads(results.read())
        if not fine:
            raise outcome
        return outcome

    def end(self):
        # Younger children hold copies of the pipe, so that closing it would say nothing.
        os.write(self.leave, b".")
        os.close(self.leave)
        os.waitpid(self.pid, 0)


def run_as(do, **who):
    child = Child(do, **who)
    try:
        return child.result()
    finally:
        child.end()


def errors_of(path, calls):
    """What each call is answered with: None for success, else the name of the error."""
    errors = {}
    for method, parameters in calls.items():
        with varlink.Client(path) as client:
            try:
                client.call(method, parameters)
                errors[method] = None
            except varlink.Error as error:
                errors[method] = error.name
    return errors


def listening_socket(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(16)
    return listener
