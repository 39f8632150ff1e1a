"""The CRI client against a real containerd: the lab's if its cache is there, else Debian's."""

import glob
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("AGENTD_BUILD", "."))
CALLER = BUILD / "tests/fake/call-cri"


def containerds():
    """Newest first; every one that is here is tried."""
    cached = sorted(glob.glob("/var/cache/agentd-lab/runtime-*/bin/containerd"), key=os.path.getmtime)
    found = cached[-1:] + [path for path in [shutil.which("containerd")] if path]
    return found or [None]


@pytest.fixture(scope="module", params=containerds(), ids=lambda path: path or "none")
def containerd(request, tmp_path_factory):
    """A running containerd of its own: the path of its socket, and its version."""
    if os.geteuid() != 0:
        pytest.skip("containerd needs root")
    if request.param is None:
        pytest.fail("no containerd: install Debian's package containerd, or run contrib/lab up once")
    scratch = tmp_path_factory.mktemp("containerd")
    version = subprocess.run([request.param, "--version"], capture_output=True, text=True,
                             check=True).stdout.split()[2].lstrip("v")
    major = int(version.split(".")[0])
    config = scratch / "config.toml"
    config.write_text(f"""
version = {3 if major >= 2 else 2}
root = "{scratch}/root"
state = "{scratch}/state"
[grpc]
address = "{scratch}/containerd.sock"
[ttrpc]
address = "{scratch}/containerd.sock.ttrpc"
""")
    log = open(scratch / "log", "w")
    process = subprocess.Popen([request.param, "--config", config], stdout=log, stderr=log)
    socket = scratch / "containerd.sock"
    deadline = time.monotonic() + 60
    while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if process.poll() is not None or not socket.exists():
        process.kill()
        pytest.fail(f"{request.param} did not start:\n{(scratch / 'log').read_text()[-3000:]}")
    yield str(socket), version
    process.terminate()
    process.wait(timeout=30)


def call(socket, method):
    """What the op ended with: {"value": …} or {"error": …, "class": …, "message": …}."""
    result = subprocess.run([CALLER, socket, method], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def call_when_served(socket, method):
    """containerd listens before its CRI plugin answers; the caller waits as agentd does."""
    deadline = time.monotonic() + 60
    while True:
        answer = call(socket, method)
        if "value" in answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def test_version_names_the_runtime(containerd):
    socket, version = containerd
    value = call_when_served(f"unix://{socket}", "Version")["value"]
    assert value["runtimeName"] == "containerd"
    assert value["runtimeVersion"].lstrip("v").split("~")[0] == version.split("~")[0]
    assert value["runtimeApiVersion"] == "v1"


def test_status_says_what_is_ready_and_why_the_rest_is_not(containerd):
    socket, _ = containerd
    value = call_when_served(socket, "Status")["value"]
    assert value["runtimeReady"] is True
    if value["networkReady"]:
        assert value["reason"] == "" and value["message"] == ""
    else:
        assert value["reason"] and value["message"]


def test_runtime_config_gives_the_cgroup_driver_or_is_unknown_to_an_old_runtime(containerd):
    socket, version = containerd
    call_when_served(socket, "Version")
    for _ in range(20):  # libcurl before 8 sees one of several endings where the method is unknown
        answer = call(socket, "RuntimeConfig")
        if int(version.split(".")[0]) >= 2:
            assert answer["value"]["cgroupDriver"] in ("systemd", "cgroupfs")
        else:
            assert answer["error"] == "ENOSYS"


def test_a_socket_that_is_not_there_is_said_so(tmp_path):
    answer = call(str(tmp_path / "none.sock"), "Version")
    assert (answer["error"], answer["class"]) == ("ENOENT", "network")
    assert str(tmp_path / "none.sock") in answer["message"]
