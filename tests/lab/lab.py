"""A lab: a network, the hosts in it, and the versions they run."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from . import agentd, cgroup, gobuild, images, machine, rootfs
from .host import Host
from .net import Network
from .progress import Progress
from .run import LabError, lock, replace_file, run, wait_until
from .settings import CACHE, CONTROL_PLANE_BASE, DEFAULT_KUBERNETES, NETWORK, RUN, STATE, WORKER_BASE

HOST_NAME = re.compile(r"(cp|w)([1-9][0-9]?)")
BASES = {"cp": CONTROL_PLANE_BASE, "w": WORKER_BASE}
MOST = {"cp": 9, "w": 99}


def address_of(name):
    match = HOST_NAME.fullmatch(name)
    if not match or int(match.group(2)) > MOST[match.group(1)]:
        raise LabError(
            f"{name} is not a name of a lab host",
            "Control planes are called cp1 to cp9, workers w1 to w99.",
        )
    return f"{NETWORK}.{BASES[match.group(1)] + int(match.group(2))}"


class Lab:
    """Several labs live side by side; contrib/lab uses the one called default."""

    def __init__(self, name="default", progress=None):
        # A group, a namespace and two directories carry the name.
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"{name!r} is not a name of a lab")
        self.name = name
        self.progress = progress or Progress()
        self.directory = STATE / name
        self.network = Network(name)

    def locked(self):
        return lock(RUN / f"{self.name}.lock", what=f"the lab {self.name}", progress=self.progress)

    def reserved(self):
        """Held by tests and benchmarks for as long as they use the lab: another run of the same
        ones on this machine has its turn afterwards."""
        return lock(RUN / f"{self.name}.reserved", what=f"the lab {self.name}", progress=self.progress)

    # What is there

    def settings(self):
        try:
            return json.loads((self.directory / "lab.json").read_text())
        except FileNotFoundError:
            return {}

    def exists(self):
        return bool(self.settings())

    @property
    def hosts(self):
        """The hosts that were made, control planes first."""
        directory = self.directory / "hosts"
        names = [entry.name for entry in directory.iterdir()] if directory.exists() else []
        made = [self.new_host(name) for name in names if HOST_NAME.fullmatch(name)]
        return sorted((host for host in made if host.exists()), key=lambda host: ordinal(host.name))

    def new_host(self, name):
        return Host(self.name, name, address_of(name), self.directory / "hosts" / name, self.network)

    def host(self, name):
        for host in self.hosts:
            if host.name == name:
                return host
        there = ", ".join(host.name for host in self.hosts) or "none"
        raise LabError(
            f"there is no host {name} in the lab",
            f"Hosts: {there}. `contrib/lab up` makes hosts.",
        )

    def __getitem__(self, name):
        return self.host(name)

    @property
    def version(self):
        """The version of Kubernetes in this lab, as kubeadm documents name it."""
        return self.settings()["version"]

    # Making

    def prepare(self, kubernetes=None, kube_bin=None, with_agentd=True):
        """Gets everything that the hosts are made of, and remembers what it was."""
        settings = self.get_parts(kubernetes, kube_bin, with_agentd)
        replace_file(self.directory / "lab.json", json.dumps(settings, indent=2) + "\n")

    def get_parts(self, kubernetes=None, kube_bin=None, with_agentd=True):
        machine.raise_limits(self.progress)
        minor = gobuild.find_minor(kubernetes or DEFAULT_KUBERNETES)
        # First, because a tree that does not build shall say so before a long build of Kubernetes.
        own = [agentd.layer(self.progress)] if with_agentd else []
        root = rootfs.rootfs(self.progress)
        built = gobuild.kubernetes(minor, self.progress)
        if kube_bin:
            built = with_own_binaries(built, Path(kube_bin))
        runtime = gobuild.runtime(self.progress)
        layers = [*own, built / "layer", runtime / "layer", root]
        version = run([built / "bin/kubeadm", "version", "--output", "short"]).stdout.strip()
        return {
            "kubernetes": minor, "kube_bin": str(kube_bin) if kube_bin else None,
            "version": version, "layers": [str(layer) for layer in layers],
            "binaries": str(built / "bin"),
            "store": str(images.store(built, runtime, root, self.progress)),
        }

    def add(self, *names, before_boot=None):
        """Makes the hosts that are missing, boots all of them, and returns them.

        before_boot(host) may put files on the disk of a new host.
        """
        settings = self.settings()
        self.network.up()
        wanted = [self.new_host(name) for name in names]
        for host in wanted:
            if not host.exists():
                host.make(settings["layers"], Path(settings["store"]))
                enable_agentd(host, settings["layers"][0])
                if before_boot:
                    before_boot(host)
        for host in self.hosts:
            host.set_neighbours(self.hosts)
        for host in wanted:
            host.start(wait=False)
        for host in wanted:
            host.wait_for_boot()
        return wanted

    def down(self):
        """Erases the hosts and the network; caches stay."""
        self.remove_hosts()
        self.network.down()
        if self.directory.exists():
            release_mounts(self.directory)
            shutil.rmtree(self.directory)
        for group in cgroup.groups(self.name, ""):
            with contextlib.suppress(OSError):
                group.rmdir()

    def remove_hosts(self, *names):
        directory = self.directory / "hosts"
        there = [entry.name for entry in directory.iterdir()] if directory.exists() else []
        for name in names or there:
            host = self.new_host(name)
            release_mounts(host.directory)
            host.remove()

    # Using

    def kubectl(self, *words, host="cp1", check=True, timeout=60, **options):
        return self.host(host).run(["kubectl", *words], check=check, timeout=timeout, **options)

    def objects(self, *words, host="cp1"):
        return json.loads(self.kubectl("get", *words, "--output=json", host=host).stdout)

    def node_is_ready(self, name, host="cp1"):
        """Whether the node is Ready, and says so since its last boot."""
        result = self.kubectl("get", "node", name, "--output=json", host=host, check=False)
        if result.returncode != 0:
            return False
        status = json.loads(result.stdout)["status"]
        ready = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}.get("Ready")
        boot = self.host(name).read("/proc/sys/kernel/random/boot_id").strip()
        return ready == "True" and status["nodeInfo"]["bootID"] == boot

    def wait_for_node(self, name, host="cp1", timeout=300):
        wait_until(
            lambda: self.node_is_ready(name, host), timeout=timeout, every=0.2,
            what=f"node {name} is Ready",
            hint=lambda: self.kubectl("get", "nodes,pods", "-A", host=host, check=False).stdout,
        )

    def wait_for_rollout(self, workload, namespace="kube-system", host="cp1", timeout=300):
        wait_until(
            lambda: self.kubectl(
                "rollout", "status", "--watch=false", "--namespace", namespace, workload,
                host=host, check=False,
            ).stdout.find("successfully rolled out") >= 0,
            timeout=timeout, every=0.3, what=f"{workload} is rolled out",
            hint=lambda: self.kubectl("get", "pods", "-A", "-o", "wide", host=host, check=False).stdout,
        )


def ordinal(name):
    kind, number = HOST_NAME.fullmatch(name).groups()
    return (list(BASES).index(kind), int(number))


def enable_agentd(host, layer):
    """agentd runs from the first boot on, as after `systemctl enable agentd`."""
    for unit, target in {"agentd.service": "multi-user", "agentd.socket": "sockets"}.items():
        if (Path(layer) / "usr/lib/systemd/system" / unit).exists():
            wants = host.upper / "etc/systemd/system" / f"{target}.target.wants"
            wants.mkdir(parents=True, exist_ok=True)
            (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")


def release_mounts(directory):
    """Nothing of a lab is mounted outside of its hosts; a mount made by hand must not be erased."""
    for line in Path("/proc/self/mountinfo").read_text().split("\n"):
        fields = line.split()
        if len(fields) > 4 and f"{fields[4]}/".startswith(f"{directory}/"):
            run(["umount", "--lazy", fields[4]], check=False)


def with_own_binaries(built, own):
    """The commands of a directory, and the built ones where it has none."""
    if not own.is_dir():
        raise LabError(f"{own} is not a directory", "--kube-bin takes a directory with binaries.")
    commands = sorted(path.name for path in (built / "bin").iterdir())
    given = [command for command in commands if (own / command).is_file()]
    if not given:
        raise LabError(f"{own} has none of {', '.join(commands)}")
    state = [(name, (own / name).stat().st_size, (own / name).stat().st_mtime_ns) for name in given]
    key = hashlib.sha256(repr((built.name, str(own.resolve()), state)).encode()).hexdigest()[:16]

    directory = CACHE / f"own-{key}"
    if not directory.exists():
        unfinished = CACHE / f".own-{key}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "bin").mkdir(parents=True)
        for command in commands:
            source = own if command in given else built / "bin"
            shutil.copy2(source / command, unfinished / "bin" / command)
        gobuild.arrange(unfinished, gobuild.HOST_COMMANDS["kubernetes"])
        os.rename(unfinished, directory)
    return directory
