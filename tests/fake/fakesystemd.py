"""A bus daemon of its own with fake-systemd1 (systemd1.c) on it, for tests of whole programs.

    with FakeSystemd(build, directory, units=["kubelet.service"], root=root) as systemd:
        start agentd with --bus-address={systemd.address}
        systemd.set("result", "failed")
        assert systemd.calls() == ["Reload", "StartUnit kubelet.service"]
"""

import signal
import subprocess
from pathlib import Path

CONFIG = """<busconfig><type>custom</type><listen>{address}</listen><auth>EXTERNAL</auth>
<policy context='default'><allow user='*'/><allow own='*'/><allow send_destination='*'/>
<allow receive_sender='*'/></policy></busconfig>
"""


class FakeSystemd:
    def __init__(self, build, directory, units=("kubelet.service",), root=None, exec_on_start=None,
                 **settings):
        """settings are those of `fake-systemd1 --set`, with _ for -."""
        self.directory = Path(directory)
        self.address = f"unix:path={self.directory}/bus"
        self.log = self.directory / "systemd.log"
        self.command = [str(Path(build) / "tests/fake/fake-systemd1"), f"--bus={self.address}",
                        f"--log={self.log}"]
        if root:
            self.command.append(f"--root={root}")
        if exec_on_start:
            self.command.append(f"--exec-on-start={exec_on_start}")
        for key, value in settings.items():
            self.command.append(f"--set={key.replace('_', '-')}={value}")
        self.command += units
        self.daemon = self.systemd = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        config = self.directory / "bus.conf"
        config.write_text(CONFIG.format(address=self.address))
        # It complains of every limit that it may not raise.
        with open(self.directory / "bus.log", "a", encoding="utf-8") as log:
            self.daemon = start(["dbus-daemon", f"--config-file={config}", "--nofork",
                                 "--print-address"], stderr=log)
        self.systemd = start(self.command)

    def stop(self):
        """Takes the bus away with all who are on it; start() brings it back."""
        for process in (self.systemd, self.daemon):
            if process is not None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=10)
                process.stdout.close()
        self.daemon = self.systemd = None

    def call(self, method, *arguments):
        """A method of io.agentd.Fake, as busctl prints its reply."""
        signature = ["s" * len(arguments)] if arguments else []
        return subprocess.run(
            ["busctl", f"--address={self.address}", "call", "org.freedesktop.systemd1",
             "/io/agentd/fake", "io.agentd.Fake", method, *signature, *arguments],
            check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    def set(self, key, value):
        self.call("Set", key, value)

    def set_unit(self, unit, key, value):
        self.call("SetUnit", unit, key, value)

    def calls(self):
        """What was asked so far, but for subscriptions: ["StartUnit kubelet.service", …]."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.strip() for line in lines if not line.startswith("Subscribe")]

    def property(self, unit, name):
        """A property of a unit as anybody on the bus sees it."""
        path = subprocess.run(
            ["busctl", f"--address={self.address}", "call", "org.freedesktop.systemd1",
             "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "LoadUnit", "s", unit],
            check=True, capture_output=True, text=True, timeout=30).stdout.split('"')[1]
        interface = "Service" if name in ("MainPID", "NRestarts", "ExecMainStatus") else "Unit"
        reply = subprocess.run(
            ["busctl", f"--address={self.address}", "get-property", "org.freedesktop.systemd1", path,
             f"org.freedesktop.systemd1.{interface}", name],
            check=True, capture_output=True, text=True, timeout=30).stdout.strip()
        return reply.split(" ", 1)[1].strip('"')


def start(command, stderr=None):
    """Starts a program and waits for its first line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
    if not process.stdout.readline():
        process.wait()
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}")
    return process
