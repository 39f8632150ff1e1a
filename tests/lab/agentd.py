"""agentd and agentctl, built from this tree and installed into a layer of the hosts."""

import os
import shutil
from pathlib import Path

from . import cache
from .run import CommandError, LabError, lock, run, tail
from .settings import CACHE, SOURCE

# /lib is a link on the hosts; a layer that brings a directory of that name would hide it.
CONFIGURE = (
    "--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var",
    "--with-systemdsystemunitdir=/usr/lib/systemd/system",
)
LINKS = ("bin", "lib", "lib64", "sbin")


def layer(progress, source=SOURCE):
    """Returns a directory with agentd installed in it, named by its content."""
    if not (source / "configure.ac").exists():
        raise LabError(f"there is no configure.ac in {source}", "Is this a whole source tree?")
    work = CACHE / "agentd-build" / cache.digest(source.resolve().as_posix())
    with lock(CACHE / "locks" / "agentd", what="a build of agentd", progress=progress):
        with progress.step("building agentd and agentctl"):
            build(source, work / "build")
            staged = work / "staged"
            shutil.rmtree(staged, ignore_errors=True)
            make(work / "build", "install", f"DESTDIR={staged}")
    for name in LINKS:
        if (staged / name).exists():
            raise LabError(f"make install wrote into /{name}, which is a link to usr/{name}")
    key = cache.digest(*installed(staged))
    return cache.entry("agentd", key, lambda directory: shutil.copytree(
        staged, directory, symlinks=True, dirs_exist_ok=True))


def build(source, directory):
    if not (source / "configure").exists():
        attempt(["./autogen.sh"], source)
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / "Makefile").exists():
        attempt([source / "configure", *CONFIGURE], directory)
    make(directory, "all")


def make(directory, *words):
    attempt(["make", f"-j{os.cpu_count()}", *words], directory)


def attempt(command, directory):
    try:
        run(command, cwd=directory, timeout=900)
    except CommandError as error:
        said = tail(error.result.stdout + error.result.stderr, 30)
        raise LabError(f"building agentd failed: {command[0]} in {directory}", said) from error


def installed(staged):
    """Everything that makes one installation differ from another."""
    for path in sorted(staged.rglob("*")):
        yield path.relative_to(staged).as_posix()
        if path.is_symlink():
            yield os.readlink(path)
        elif path.is_file():
            yield oct(path.stat().st_mode)
            yield Path(path)
