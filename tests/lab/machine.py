"""What the lab needs of the machine that it runs on."""

import os
from pathlib import Path

from .run import LabError, run
from .settings import HERE

# Every host has several programs that watch files, and all of them count as root's.
INOTIFY_LIMITS = {"max_user_instances": 8192, "max_user_watches": 524288}


def require_root():
    if os.geteuid() != 0:
        raise LabError("the lab makes namespaces and mounts, which only root may", "Use sudo.")


def package_lists():
    return [HERE / "machine.packages", HERE.parent / "packages.list"]


def install_packages(progress):
    """Installs what is missing of the Debian packages that building and the lab need."""
    wanted = {
        line.strip() for path in package_lists() for line in path.read_text().split("\n")
        if line.strip() and not line.startswith("#")
    }
    missing = sorted(wanted - installed_packages())
    if not missing:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with progress.step(f"installing Debian packages: {' '.join(missing)}"):
        run(["apt-get", "update", "--quiet"], timeout=600, env=environment)
        run(
            ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *missing],
            timeout=1800, env=environment,
        )


def installed_packages():
    listed = run(["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\n"]).stdout
    pairs = (line.split() for line in listed.splitlines())
    return {pair[1] for pair in pairs if len(pair) == 2 and pair[0] == "ii"}


def raise_limits(progress):
    for name, wanted in INOTIFY_LIMITS.items():
        path = Path("/proc/sys/fs/inotify") / name
        if int(path.read_text()) < wanted:
            path.write_text(str(wanted))
            progress(f"set fs.inotify.{name} of this machine to {wanted}")
