"""What the user sees while something takes long."""

import sys
import threading
import time


class Progress:
    """One line per step; on a terminal the running step is rewritten in place."""

    def __init__(self, stream=None, quiet=False):
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.terminal = self.stream.isatty()

    def __call__(self, text):
        if not self.quiet:
            print(f"lab: {text}", file=self.stream, flush=True)

    def step(self, text):
        return Step(self, text)


class Step:
    """A step that is under way. `detail` may be changed at any time by the one who works."""

    # Logs of a CI run need a sign of life, but not many.
    SILENCE = 30

    def __init__(self, progress, text):
        self.progress = progress
        self.text = text
        self.detail = ""
        self.ended = threading.Event()

    def __enter__(self):
        self.start = time.monotonic()
        if self.progress.quiet:
            return self
        if not self.progress.terminal:
            self.progress(f"{self.text} ...")
        self.thread = threading.Thread(target=self.show, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ended.set()
        if self.progress.quiet:
            return
        self.thread.join()
        outcome = "failed" if kind else "done"
        line = f"lab: {self.text}: {outcome} in {self.seconds():.1f} s"
        self.write(line, last=True)

    def seconds(self):
        return time.monotonic() - self.start

    def show(self):
        pause = 0.5 if self.progress.terminal else self.SILENCE
        while not self.ended.wait(pause):
            detail = f" ({self.detail})" if self.detail else ""
            self.write(f"lab: {self.text} ... {self.seconds():.0f} s{detail}")

    def write(self, line, last=False):
        if self.progress.terminal:
            print(f"\r\033[K{line[:150]}", end="\n" if last else "", file=self.progress.stream, flush=True)
        else:
            print(line, file=self.progress.stream, flush=True)
