"""Packs the binaries into images under the names that kubeadm asks for, and imports them once.

The images go into one OCI archive. A containerd that runs for a moment unpacks it into a state
directory, of which every host gets a copy.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

from . import cache
from .run import LabError, run, wait_until
from .settings import HERE, TOOLS_IMAGE

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PROXY_TOOLS = ("/usr/sbin/xtables-nft-multi", "/usr/sbin/conntrack", "/usr/sbin/nft")
PROXY_LINKS = (
    "iptables", "iptables-save", "iptables-restore",
    "ip6tables", "ip6tables-save", "ip6tables-restore",
)
SHELL_LINKS = (
    "sh", "cat", "echo", "env", "grep", "hostname", "httpd", "ip", "ls", "nc", "nslookup", "ping",
    "sleep", "stat", "touch", "true",
)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def store(kubernetes, runtime, root, progress):
    """Returns the cache entry with containerd/, a state directory that holds all images."""
    names = image_names(kubernetes / "bin")
    key = cache.digest(
        kubernetes.name, runtime.name, root.name, Path(__file__), HERE / "pause.c", *names.values()
    )

    def make(directory):
        with progress.step("packing and importing the images"):
            archive = directory / "images.tar"
            write_archive(archive, images(names, kubernetes, runtime, root, directory))
            import_archive(archive, runtime / "bin", directory / "containerd")
            archive.unlink()
            (directory / "names.json").write_text(json.dumps(names))

    return cache.entry("images", key, make, progress)


def pause_image(store_directory):
    return json.loads((store_directory / "names.json").read_text())["pause"]


def image_names(binaries):
    """The last part of each image's name to its full name."""
    kubeadm = binaries / "kubeadm"
    version = run([kubeadm, "version", "--output", "short"]).stdout.strip()
    listed = run([kubeadm, "config", "images", "list", "--kubernetes-version", version]).stdout
    return {name.rsplit("/", 1)[1].split(":")[0]: name for name in listed.split()}


def images(names, kubernetes, runtime, root, work):
    """Yields (name, layer, entry point) of every image."""
    pause = work / "pause"
    run(["cc", "-O2", "-static", "-o", pause, HERE / "pause.c"])
    certificates = (root / CERTIFICATES[1:], CERTIFICATES)
    for short, name in names.items():
        if short == "pause":
            yield name, Layer([(pause, "/pause")]), ["/pause"]
        elif short == "coredns":
            files = [(runtime / "bin/coredns", "/coredns"), certificates]
            yield name, Layer(files), ["/coredns"]
        elif short == "etcd":
            files = [(runtime / "bin" / tool, f"/usr/local/bin/{tool}") for tool in ("etcd", "etcdctl")]
            yield name, Layer(files), []
        elif short == "kube-proxy":
            files = [(kubernetes / "bin" / short, f"/usr/local/bin/{short}"), *proxy_files(root)]
            links = [(f"/usr/sbin/{link}", "xtables-nft-multi") for link in PROXY_LINKS]
            yield name, Layer(files, links), []
        else:
            files = [(kubernetes / "bin" / short, f"/usr/local/bin/{short}"), certificates]
            yield name, Layer(files), []
    tools = [*with_libraries(root, "/bin/busybox", "/usr/bin/curl"), certificates]
    links = [(f"/bin/{link}", "busybox") for link in SHELL_LINKS]
    yield TOOLS_IMAGE, Layer(tools, links), ["/bin/sh"]
    pause.unlink()


def proxy_files(root):
    """kube-proxy calls iptables or nft and conntrack."""
    modules = sorted(root.glob("usr/lib/*-linux-gnu/xtables/*.so"))
    return with_libraries(root, *PROXY_TOOLS, *(f"/{module.relative_to(root)}" for module in modules))


def with_libraries(root, *binaries):
    """Files of the root file system and every library they load, as (source, path)."""
    libraries = set()
    for binary in binaries:
        # A static program makes ldd fail, and needs nothing.
        listed = run(["chroot", root, "ldd", binary], check=False).stdout
        libraries |= {word for word in listed.split() if word.startswith("/")}
    # Libraries are reached by links with absolute targets, which only hold inside the root.
    return [(real_file(root, file), file) for file in [*binaries, *sorted(libraries)]]


def real_file(root, file):
    return root / run(["chroot", root, "readlink", "-f", file]).stdout.strip()[1:]


class Layer:
    """The bytes of an uncompressed layer."""

    def __init__(self, files, links=()):
        self.buffer = io.BytesIO()
        self.made = set()
        with tarfile.open(fileobj=self.buffer, mode="w") as self.tar:
            self.directory("tmp", 0o1777)
            for source, path in files:
                self.parents(path)
                info = tarfile.TarInfo(path.lstrip("/"))
                info.size = source.stat().st_size
                info.mode = source.stat().st_mode & 0o755
                with open(source, "rb") as data:
                    self.tar.addfile(info, data)
            for path, target in links:
                info = tarfile.TarInfo(path.lstrip("/"))
                info.type = tarfile.SYMTYPE
                info.linkname = target
                self.tar.addfile(info)
        self.bytes = self.buffer.getvalue()

    def parents(self, path):
        parts = path.strip("/").split("/")[:-1]
        for count in range(1, len(parts) + 1):
            self.directory("/".join(parts[:count]))

    def directory(self, path, mode=0o755):
        if path in self.made:
            return
        self.made.add(path)
        info = tarfile.TarInfo(path)
        info.type = tarfile.DIRTYPE
        info.mode = mode
        self.tar.addfile(info)


def write_archive(path, all_images):
    with tarfile.open(path, "w") as tar:
        written = set()

        def add(name, data):
            if name not in written:
                written.add(name)
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

        def blob(data, kind):
            digest = hashlib.sha256(data).hexdigest()
            add(f"blobs/sha256/{digest}", data)
            media = f"application/vnd.oci.image.{kind}"
            return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        architecture = {"architecture": ARCHITECTURES[platform.machine()], "os": "linux"}
        manifests = []
        for name, layer, entry_point in all_images:
            layer = blob(layer.bytes, "layer.v1.tar")
            config = blob(encode(architecture | {
                "config": {"Entrypoint": entry_point, "Env": [f"PATH={SEARCH_PATH}"]},
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            }), "config.v1+json")
            manifest = blob(encode({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config, "layers": [layer],
            }), "manifest.v1+json")
            annotations = {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1],
            }
            manifests.append(manifest | {"annotations": annotations, "platform": architecture})
        add("index.json", encode({"schemaVersion": 2, "manifests": manifests}))


def encode(value):
    return json.dumps(value).encode()


def import_archive(archive, binaries, state):
    """Runs containerd on this machine for as long as the import takes."""
    run_directory = archive.parent / "run"
    run_directory.mkdir()
    config = archive.parent / "config.toml"
    config.write_text("version = 3\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n")
    socket = run_directory / "containerd.sock"
    log = archive.parent / "containerd.log"
    with open(log, "w") as output:
        # Mounts that containerd makes for unpacking vanish with its mount namespace.
        daemon = subprocess.Popen(
            ["unshare", "--mount", binaries / "containerd", "--config", config, "--root", state,
             "--state", run_directory / "state", "--address", socket],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=os.environ | {"PATH": f"{binaries}:{SEARCH_PATH}"},
        )
    try:
        ctr = [binaries / "ctr", "--address", socket, "--namespace", "k8s.io"]
        wait_until(
            lambda: daemon.poll() is not None
            or run([*ctr, "version"], check=False, timeout=30).returncode == 0,
            timeout=60, what="containerd answers", hint=lambda: log.read_text()[-2000:],
        )
        if daemon.poll() is not None:
            raise LabError("containerd ended at once", log.read_text()[-2000:])
        run([*ctr, "images", "import", "--local", archive], timeout=300)
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
    shutil.rmtree(run_directory)
    config.unlink()


def copy_store(source, target):
    """Gives a host its own state directory of containerd.

    Blobs and unpacked layers are never written to again, so they are shared by hard links; the
    databases are copied.
    """
    def copy(file, destination):
        if file.endswith(".db"):
            return shutil.copy2(file, destination)
        try:
            os.link(file, destination, follow_symlinks=False)
        except OSError:
            # Caches and labs lie on different file systems.
            shutil.copy2(file, destination, follow_symlinks=False)
        return destination

    shutil.copytree(source, target, symlinks=True, copy_function=copy)
