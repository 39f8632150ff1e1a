"""Runs tests/integration/kube-probe against an API server, fake or real."""

import contextlib
import json
import os
import pathlib
import queue
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
PROGRAM = BUILD / "tests" / "integration" / "kube-probe"


class Probe:
    """One identity at one server. api has url and ca_crt; credentials are options of the program."""

    def __init__(self, api, scratch, *credentials):
        self.options = ["--server", api.url, "--ca", api.ca_crt, *map(str, credentials)]
        self.scratch = pathlib.Path(scratch)
        self.files = 0

    def file(self, value):
        """A file with a value as JSON."""
        self.files += 1
        path = self.scratch / f"{id(self)}-{self.files}.json"
        path.write_text(json.dumps(value))
        return path

    def arguments(self, words):
        return [str(self.file(word)) if isinstance(word, (dict, list)) else str(word)
                for word in words]

    def run(self, *words, timeout=40):
        """The outcome of a command; values become files."""
        done = subprocess.run([PROGRAM, *self.options, *self.arguments(words)], text=True,
                              capture_output=True, timeout=timeout, check=False)
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        return json.loads(done.stdout)

    def value(self, *words, **options):
        """The value of a command that must succeed."""
        outcome = self.run(*words, **options)
        assert outcome["ok"], outcome
        return outcome["value"]

    def error(self, *words, **options):
        """(errno, class, message) of a command that must fail."""
        outcome = self.run(*words, **options)
        assert not outcome["ok"], outcome
        return outcome["errno"], outcome["class"], outcome["message"]

    @contextlib.contextmanager
    def start(self, *words):
        """A command that goes on: a Running."""
        running = Running([PROGRAM, *self.options, *self.arguments(words)])
        try:
            yield running
        finally:
            running.stop()


class Running:
    """A cache: its lines as they come."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.last = None
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, timeout=15):
        self.last = self.lines.get(timeout=timeout)
        return self.last

    def until(self, condition, timeout=20):
        """The first line from now on that meets a condition."""
        deadline = time.monotonic() + timeout
        seen = []
        while True:
            try:
                line = self.next(max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such line; there were {seen}") from None
            if condition(line):
                return line
            seen.append(line)

    def silent(self, seconds=0.3):
        """Whether nothing comes for a while."""
        try:
            self.next(seconds)
        except queue.Empty:
            return True
        return False

    def refresh(self):
        self.process.stdin.write("r\n")
        self.process.stdin.flush()

    def stop(self):
        """Ends it in order, so that leaks are found."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        errors = self.process.stderr.read()
        self.process.stderr.close()
        assert self.process.returncode == 0 and not errors, errors


def wait_for(condition, timeout=15, what="it"):
    """Polls what another process does."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {timeout} s")
