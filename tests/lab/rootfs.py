"""The root file system that every host is an overlay of."""

import shutil

from . import cache
from .run import LabError, run
from .settings import HERE

SUITE = "bookworm"
# Nothing of this is needed on a host, and some of it would hold network-online.target, and with
# it the kubelet, for two minutes.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "getty@.service", "console-getty.service",
    "ifupdown-pre.service", "ifupdown-wait-online.service", "networking.service",
    "systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service",
    "systemd-resolved.service", "systemd-timesyncd.service", "nftables.service",
)


def packages():
    lines = (HERE / "hosts.packages").read_text().split("\n")
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def rootfs(progress):
    key = cache.digest(SUITE, *packages(), *MASKED)

    def make(directory):
        if not shutil.which("debootstrap"):
            raise LabError("debootstrap is not installed", "apt-get install debootstrap")
        with progress.step("making the root file system of the hosts (about a minute, once)"):
            # What debootstrap mounts goes away with its mount namespace, also after a failure.
            run(
                ["unshare", "--mount", "debootstrap", "--variant=minbase",
                 f"--include={','.join(packages())}", SUITE, directory],
                timeout=1800,
            )
            finish(directory)

    return cache.entry("rootfs", key, make, progress)


def finish(root):
    units = root / "etc" / "systemd" / "system"
    for unit in MASKED:
        link = units / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    # Each host gets an identity of its own.
    (root / "etc" / "machine-id").unlink(missing_ok=True)
    (root / "etc" / "hostname").unlink(missing_ok=True)
    for directory in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / directory, ignore_errors=True)
        (root / directory).mkdir(parents=True)
    (root / "var/log/journal").mkdir(exist_ok=True)
    (root / "etc/kubernetes/manifests").mkdir(parents=True)
