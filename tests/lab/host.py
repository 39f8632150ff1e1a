"""One host: a systemd-nspawn container on overlays of the shared layers.

All mounts of a host are made in the mount namespace of its systemd-nspawn. They vanish with that
process, so there is nothing to unmount after a crash.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from . import cgroup, images, net
from .run import LabError, replace_file, run, wait_until
from .settings import GATEWAY, HERE

# runc joins session keyrings and loads device programs; the default filter forbids both.
SYSTEM_CALLS = "@keyring bpf perf_event_open @mount"
# These lie on an ordinary file system: an overlay cannot be the upper layer of an overlay.
REAL_DIRECTORIES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "etcd": "/var/lib/etcd",
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Enters the groups, then the network, then a mount namespace; "$@" is systemd-nspawn.
START = """
set -eu
for group in $LAB_GROUPS; do echo $$ > "$group/cgroup.procs"; done
exec nsenter --net="$LAB_NETWORK" unshare --mount sh -eu -c '
mount -t overlay overlay -o "$LAB_OVERLAY" "$LAB_ROOT"
exec "$@"' sh "$@"
"""


class Host:
    def __init__(self, lab_name, name, address, directory, network):
        self.lab_name = lab_name
        self.name = name
        self.address = address
        self.directory = Path(directory)
        self.network = network
        self.upper = self.directory / "upper"
        self.root = self.directory / "root"
        self.console = self.directory / "console.log"

    @property
    def pod_subnet(self):
        return f"10.244.{self.address.rsplit('.', 1)[1]}.0/24"

    # Making and removing

    def exists(self):
        return (self.directory / "made.json").exists()

    def make(self, layers, store):
        """Gives the host its disk. Nothing is left of an earlier, interrupted attempt."""
        self.remove()
        for name in ("upper", "work", "root", "kubelet", "etcd"):
            (self.directory / name).mkdir(parents=True)
        (self.directory / "etcd").chmod(0o700)
        images.copy_store(store / "containerd", self.directory / "containerd")
        self.write_files(images.pause_image(store))
        replace_file(self.directory / "made.json", json.dumps({"layers": [str(x) for x in layers]}))

    def write_files(self, pause):
        shutil.copytree(HERE / "hostfs", self.upper, symlinks=True, dirs_exist_ok=True)
        # A checkout may belong to anybody; on the host the files are root's.
        for directory, directories, files in os.walk(self.upper):
            for entry in (*directories, *files):
                os.chown(os.path.join(directory, entry), 0, 0, follow_symlinks=False)
        self.fill_in("etc/containerd/config.toml", {
            "@PAUSE@": pause, "@SYSTEMD_CGROUP@": "true" if cgroup.is_v2() else "false",
        })
        self.fill_in("etc/cni/net.d/10-lab.conflist", {"@POD_SUBNET@": self.pod_subnet})
        replace_file(self.upper / "etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        replace_file(self.upper / "etc/hostname", f"{self.name}\n")
        # Nobody answers there. A loopback address would make CoreDNS find a loop and give up.
        replace_file(self.upper / "etc/resolv.conf", f"nameserver {GATEWAY}\n")
        for target, units in {
            "sysinit.target.wants": ["lab-host.service"],
            "multi-user.target.wants": ["containerd.service"],
        }.items():
            wants = self.upper / "etc/systemd/system" / target
            wants.mkdir(parents=True, exist_ok=True)
            for unit in units:
                (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")

    def fill_in(self, path, values):
        file = self.upper / path
        text = file.read_text()
        for name, value in values.items():
            text = text.replace(name, value)
        replace_file(file, text)

    def seed_cloud_init(self, user_data):
        """cloud-init finds this at the first boot; without a seed it is disabled."""
        (self.upper / "etc/cloud/cloud-init.disabled").unlink()
        seed = self.upper / "var/lib/cloud/seed/nocloud"
        replace_file(seed / "user-data", user_data, 0o600)
        replace_file(seed / "meta-data", f"instance-id: {self.name}\nlocal-hostname: {self.name}\n")

    def set_neighbours(self, hosts):
        """Names and routes of all hosts of the lab; also on a running host."""
        lines = ["127.0.0.1 localhost", *(f"{host.address} {host.name}" for host in hosts)]
        self.write("/etc/hosts", "\n".join(lines) + "\n")
        routes = {host.pod_subnet: host.address for host in hosts if host.name != self.name}
        words = " ".join(f"{subnet},{address}" for subnet, address in routes.items())
        self.write(
            "/etc/agentd-lab/network",
            f"ADDRESS={self.address}\nGATEWAY={GATEWAY}\nROUTES='{words}'\n",
        )
        if self.is_running():
            for subnet, address in routes.items():
                self.run(["ip", "route", "replace", subnet, "via", address])

    def remove(self):
        self.kill()
        cgroup.remove(self.lab_name, self.name)
        if self.directory.exists():
            shutil.rmtree(self.directory)

    # Life

    def start(self, wait=True):
        if self.supervisor() is not None:
            return
        layers = json.loads((self.directory / "made.json").read_text())["layers"]
        # Nothing is left of an earlier life: no process that outlived a killed systemd-nspawn, and
        # no control group, as after a real boot. The kernel takes its time to remove the
        # network namespace of a killed host, and with it the other end of this link.
        self.kill()
        cgroup.remove(self.lab_name, self.name)
        self.network.run(["ip", "link", "delete", f"vb-{self.name}"], check=False)
        made = cgroup.make(self.lab_name, self.name)
        binds = [f"--bind={self.directory / name}:{path}" for name, path in REAL_DIRECTORIES.items()]
        overlay = f"lowerdir={':'.join(layers)},upperdir={self.upper},workdir={self.directory}/work"
        command = [
            "systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot", "--register=no",
            "--keep-unit", f"--machine={self.name}", f"--hostname={self.name}",
            f"--network-bridge={net.BRIDGE}", "--capability=all", "--link-journal=no",
            "--resolv-conf=off", "--timezone=off", "--console=pipe",
            f"--system-call-filter={SYSTEM_CALLS}", "--bind=/dev/kmsg", *binds,
        ]
        with open(self.console, "w") as console:
            process = subprocess.Popen(
                [*self.scope(), "sh", "-c", START, "sh", *command],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env=os.environ | {
                    "LAB_GROUPS": " ".join(map(str, made)),
                    "LAB_NETWORK": str(self.network.path),
                    "LAB_OVERLAY": overlay,
                    "LAB_ROOT": str(self.root),
                    # The kubelet and kube-proxy set kernel parameters.
                    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes",
                },
            )
        replace_file(self.directory / "pid", f"{process.pid} {start_time(process.pid)}\n")
        if wait:
            self.wait_for_boot()

    def scope(self):
        """Where systemd is PID 1 and owns the one tree of cgroup v2, it is asked for a part of it."""
        if not cgroup.is_systemds():
            return []
        return ["systemd-run", "--quiet", "--scope", "--property=Delegate=yes",
                "--slice=system.slice", f"--unit={cgroup.scope_name(self.lab_name, self.name)}"]

    def wait_for_boot(self):
        """Waits until PID 1 takes requests."""
        def booted():
            if self.supervisor() is None:
                raise LabError(f"{self.name} did not boot", self.console_tail())
            leader = self.leader()
            return (
                leader is not None
                and (Path(f"/proc/{leader}/root/run/dbus/system_bus_socket")).exists()
                and self.run(["systemctl", "is-active", "--quiet", "sysinit.target"],
                             check=False).returncode == 0
            )
        wait_until(booted, timeout=120, every=0.02, hint=self.console_tail,
                   what=f"{self.name} has booted")

    def console_tail(self):
        with contextlib.suppress(OSError):
            return f"The end of {self.console}:\n{self.console.read_text()[-2000:]}"
        return None

    def supervisor(self):
        """The systemd-nspawn process, if it is still the one that was started."""
        try:
            pid, started = (self.directory / "pid").read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if start_time(pid) == started else None

    def leader(self):
        """PID 1 of the host, as this machine sees it."""
        supervisor = self.supervisor()
        if supervisor is None:
            return None
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
            for child in children:
                status = Path(f"/proc/{child}/status").read_text()
                ids = next(line for line in status.split("\n") if line.startswith("NSpid:")).split()
                if ids[-1] == "1" and len(ids) > 2:
                    return int(child)
        return None

    def is_running(self):
        return self.leader() is not None

    def reboot(self):
        """An orderly reboot; returns when the host is up again.

        systemd-nspawn ends when its host reboots and leaves starting it again to its caller.
        """
        self.run(["systemctl", "--no-block", "reboot"])
        self.wait_until_off()
        self.start()

    def power_off(self):
        leader = self.leader()
        if leader:
            # SIGRTMIN+4 asks systemd to power off.
            os.kill(leader, signal.SIGRTMIN + 4)
            self.wait_until_off()

    def wait_until_off(self):
        wait_until(lambda: self.supervisor() is None, timeout=180, every=0.02,
                   what=f"{self.name} has shut down", hint=self.console_tail)

    def kill(self):
        """The host stops at once, as if its plug were pulled; its disk stays."""
        def gone():
            # Whatever is in the host's control groups belongs to it, also when systemd-nspawn
            # was killed by somebody else.
            left = cgroup.processes(self.lab_name, self.name)
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return not left and self.supervisor() is None

        wait_until(gone, timeout=30, every=0.01, what=f"every process of {self.name} is gone")

    def wait_for_unit(self, unit, timeout=120):
        wait_until(lambda: self.unit_property(unit, "ActiveState") == "active", timeout=timeout,
                   what=f"{unit} of {self.name} runs", hint=lambda: self.journal(unit, lines=20))

    def wait_for_cloud_init(self):
        def status():
            return self.run(["cloud-init", "status", "--long"], check=False).stdout

        wait_until(lambda: re.match(r"status: (done|error)", status()), timeout=180, every=0.5,
                   what=f"cloud-init of {self.name} has ended", hint=status)
        if not status().startswith("status: done"):
            raise LabError(f"cloud-init of {self.name} failed", status())

    def install(self, layer):
        """Puts a newer agentd on the running host, as `make install` does on a live system."""
        with subprocess.Popen(["tar", "-C", layer, "-c", "."], stdout=subprocess.PIPE) as packed:
            self.run(["tar", "-C", "/", "--overwrite-dir", "--keep-directory-symlink", "-x"],
                     stdin=packed.stdout)
        self.run(["systemd-sysusers"])
        self.systemctl("daemon-reload")
        self.systemctl("restart", "agentd.service")

    # Commands and files

    def command(self, command, environment=()):
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is not running", self.console_tail())
        settings = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb"),
                    "KUBECONFIG": "/etc/kubernetes/admin.conf", **dict(environment)}
        return ["nsenter", f"--target={leader}", "--all", "env", "-i",
                *(f"{name}={value}" for name, value in settings.items()), *map(str, command)]

    def run(self, command, environment=(), **options):
        return run(self.command(command, environment), where=self.name, shown=command, **options)

    def sh(self, script, **options):
        return self.run(["sh", "-euc", script], **options)

    def start_command(self, command, **options):
        """Starts a command on the host and returns its process."""
        return subprocess.Popen(self.command(command), text=True, **options)

    def path(self, path):
        """A path of the host, as this machine reaches it; links with absolute targets mislead."""
        leader = self.leader()
        root = Path(f"/proc/{leader}/root") if leader else self.upper
        return root / str(path).lstrip("/")

    def read(self, path):
        return self.run(["cat", path]).stdout

    def write(self, path, text, mode=0o644):
        replace_file(self.path(path), text, mode)

    def file_exists(self, path):
        return self.run(["test", "-e", path], check=False).returncode == 0

    def systemctl(self, *words, **options):
        return self.run(["systemctl", *words], **options)

    def unit_property(self, unit, name):
        return self.systemctl("show", "--value", f"--property={name}", unit).stdout.strip()

    def journal(self, *units, lines=None):
        selected = [f"--unit={unit}" for unit in units]
        number = [f"--lines={lines}"] if lines else []
        words = ["journalctl", "--no-pager", "--output=short-precise", *selected, *number]
        if self.is_running():
            return self.run(words, check=False).stdout
        return run([*words, f"--directory={self.upper}/var/log/journal"], check=False).stdout

    def __str__(self):
        return self.name


def start_time(pid):
    """When a process started, which tells it from a later one with the same number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
