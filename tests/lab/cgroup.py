"""A subtree of the control groups for each host, on cgroup v1 and v2 machines.

On v1 every controller is a hierarchy of its own: without a subtree in each of them two hosts
would see each other's groups, and two kubelets would kill each other's pods.
"""

import contextlib
import os
from pathlib import Path

from .run import wait_until

ROOT = Path("/sys/fs/cgroup")


def is_v2():
    return (ROOT / "cgroup.controllers").exists()


def hierarchies():
    if is_v2():
        return [ROOT]
    return sorted(path for path in ROOT.iterdir() if (path / "cgroup.procs").exists()
                  and not path.is_symlink())


def is_systemds():
    """Whether systemd is PID 1 and owns the one tree of cgroup v2; then it is asked for a scope."""
    return is_v2() and Path("/run/systemd/system").exists()


def scope_name(lab, host):
    return f"agentd-lab-{lab}-{host}.scope"


def groups(lab, host):
    if is_systemds():
        return [ROOT / "system.slice" / scope_name(lab, host)]
    return [hierarchy / "agentd-lab" / lab / host for hierarchy in hierarchies()]


def make(lab, host):
    """Makes the groups of a host and returns them; the starting process enters all of them."""
    if is_systemds():
        return []
    made = groups(lab, host)
    for group in made:
        group.mkdir(parents=True, exist_ok=True)
        for level in (group.parent.parent, group.parent, group):
            prepare(level)
    return made


def prepare(level):
    parent = level.parent
    # A new cpuset is empty, and no process can enter an empty one.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (level / name).exists() and not is_v2():
            (level / name).write_text((parent / name).read_text())
    if is_v2():
        for controller in (parent / "cgroup.controllers").read_text().split():
            # A controller that a real-time process or the kernel holds back is done without.
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(lab, host):
    """The processes that are left in any group of a host."""
    found = set()
    for group in groups(lab, host):
        for directory, _, _ in os.walk(group):
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in (Path(directory) / "cgroup.procs").read_text().split()}
    return found


def remove(lab, host):
    """Removes a host's groups once its last process is gone."""
    for group in groups(lab, host):
        if group.exists():
            wait_until(lambda: remove_tree(group), timeout=30, what=f"{group} is empty", every=0.02)


def remove_tree(group):
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)
    except FileNotFoundError:
        return not group.exists()
    except OSError:
        return False
    return True
