"""Labs for the end-to-end tests, and what is kept when one of them fails."""

import contextlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import machine  # noqa: E402
from lab.lab import Lab  # noqa: E402
from lab.progress import Progress  # noqa: E402
from lab.run import tail  # noqa: E402

ARTEFACTS = Path(os.environ.get("AGENTD_TEST_ARTEFACTS", "/var/tmp/agentd-artefacts"))
UNITS = ("agentd.service", "kubelet.service", "containerd.service")
SHOWN_LINES = 25
SHOWN_COLUMNS = 200


def pytest_addoption(parser):
    parser.addoption("--keep-lab", action="store_true", help="leave the labs running at the end")


def pytest_configure(config):
    config.labs = []
    machine.require_root()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and report.when in ("setup", "call"):
        for lab in item.config.labs:
            with contextlib.suppress(Exception):
                report.sections.append((f"hosts of lab {lab.name}", keep_logs(lab, item.nodeid)))


def keep_logs(lab, test):
    """Writes down what the hosts have to say, and returns the end of it."""
    directory = ARTEFACTS / re.sub(r"[^A-Za-z0-9_.-]+", "-", test)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    shown = [f"Everything is in {directory}."]
    for host in lab.hosts:
        texts = {f"{unit}.log": host.journal(unit) for unit in UNITS}
        texts["console.log"] = host.console.read_text() if host.console.exists() else ""
        if host.is_running():
            texts |= answers(host)
            pods = host.path("/var/log/pods")
            if pods.is_dir():
                shutil.copytree(pods, directory / host.name / "pods", dirs_exist_ok=True)
        for name, text in texts.items():
            file = directory / host.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            if name in ("agentd.service.log", "status.txt", "pods.txt"):
                lines = tail(text, SHOWN_LINES).split("\n")
                shown += [f"--- {host.name}: {name}", *(line[:SHOWN_COLUMNS] for line in lines)]
    return "\n".join(shown)


QUESTIONS = {
    "status.txt": ["agentctl", "status"],
    "status.json": ["agentctl", "status", "-o", "json"],
    "containers.txt": ["crictl", "ps", "-a"],
    "pods.txt": ["kubectl", "get", "nodes,pods", "-A", "-o", "wide", "--request-timeout=5s"],
    "events.txt": ["kubectl", "get", "events", "-A", "--request-timeout=5s"],
    "units.txt": ["systemctl", "list-units", "--all", "--no-pager"],
}


def answers(host):
    results = {name: host.run(words, check=False, timeout=30) for name, words in QUESTIONS.items()}
    return {name: result.stdout + result.stderr for name, result in results.items()}


@pytest.fixture(scope="module")
def new_lab(request):
    """Makes labs that live as long as the module; each has a name of its own."""
    made = []
    locks = contextlib.ExitStack()
    module = request.module.__name__.removeprefix("test_").replace("_", "-")

    def make(suffix="", **options):
        lab = Lab(f"test-{module}{suffix}"[:31], Progress(quiet=True))
        locks.enter_context(lab.reserved())
        # An interrupted run may have left hosts of that name.
        with lab.locked():
            lab.down()
            lab.prepare(**options)
        made.append(lab)
        request.config.labs.append(lab)
        return lab

    yield make
    for lab in made:
        request.config.labs.remove(lab)
        if not request.config.getoption("--keep-lab"):
            with lab.locked():
                lab.down()
    locks.close()
