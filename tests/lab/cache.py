"""Directories that are made once and kept by the digest of what they are made of."""

import hashlib
import os
import shutil
from pathlib import Path

from .run import lock
from .settings import CACHE


def digest(*parts):
    """A short digest of files (given as Path) and texts."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else str(part).encode()
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()[:16]


def entry(kind, key, make, progress=None):
    """Returns CACHE/kind-key, made by make(directory) if it is not there.

    The directory appears under its name only when it is complete, so an interrupted run leaves
    nothing that looks finished.
    """
    final = CACHE / f"{kind}-{key}"
    if final.is_dir():
        return final
    with lock(CACHE / "locks" / kind, what=f"the cache of {kind}", progress=progress):
        if final.is_dir():
            return final
        unfinished = CACHE / f".{kind}-{key}.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
        make(unfinished)
        os.rename(unfinished, final)
    return final
