"""Running commands, waiting for conditions, and the one error type of the lab."""

import contextlib
import fcntl
import os
import shlex
import subprocess
import time
from pathlib import Path


class LabError(Exception):
    """Something that the user has to know: what failed, where, and what to do about it."""

    def __init__(self, what, hint=None):
        super().__init__(what)
        self.hint = hint

    def __str__(self):
        what = super().__str__()
        return f"{what}\n{self.hint}" if self.hint else what


class CommandError(LabError):
    def __init__(self, command, result, where=None):
        self.command = command
        self.result = result
        said = tail((result.stdout or "") + (result.stderr or ""), 30)
        place = f" on {where}" if where else ""
        super().__init__(
            f"command failed with status {result.returncode}{place}: {join(command)}",
            said,
        )


def join(command):
    return shlex.join(map(str, command))


def tail(text, lines):
    return "\n".join(text.rstrip("\n").split("\n")[-lines:])


def run(command, *, check=True, timeout=120, where=None, shown=None, **options):
    """Runs a command to its end, with its output captured as text.

    `where` and `shown` say in errors what was run and on which host.
    """
    command = [str(word) for word in command]
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    if options["stdin"] is None:
        del options["stdin"]
    try:
        result = subprocess.run(
            command, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=timeout, **options,
        )
    except FileNotFoundError as error:
        raise LabError(
            f"{error.filename} is not there",
            "`contrib/lab up` installs the Debian packages that it needs.",
        ) from error
    except subprocess.TimeoutExpired as error:
        place = f" on {where}" if where else ""
        raise LabError(
            f"command did not end within {timeout} s{place}: {join(shown or command)}",
            tail(as_text(error.stdout) + as_text(error.stderr), 30),
        ) from error
    if check and result.returncode != 0:
        raise CommandError(shown or command, result, where)
    return result


def as_text(output):
    if isinstance(output, bytes):
        return output.decode(errors="replace")
    return output or ""


def wait_until(condition, *, timeout, what, every=0.1, hint=None):
    """Polls until condition() is true and returns its value.

    A callable `what` or `hint` is asked only when the time is over, so it can tell what was seen
    last.
    """
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            what = what() if callable(what) else what
            hint = hint() if callable(hint) else hint
            raise LabError(f"waited {timeout} s in vain: {what}", hint)
        time.sleep(every)


@contextlib.contextmanager
def lock(path, *, what, progress=None):
    """Holds an exclusive lock on a file; says so when another process has it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                progress(f"another command is busy with {what}, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace_file(path, text, mode=0o644):
    """Writes a file in one step, so that a reader sees the old or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text if isinstance(text, bytes) else text.encode())
    os.rename(temporary, path)
