"""The file of agentd's control socket: whatever happens to it while agentd runs, it comes back."""

import os
import signal
import socket
import stat
import subprocess
import time

import pytest
import varlink
from controlprobe import BUILD, NODE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the socket's folder belongs to root")


class Agentd:
    """agentd without a role, below a directory."""

    def __init__(self, root):
        self.path = root / "run/agentd/io.agentd.Node"
        self.log = root / "log"
        (root / "etc").mkdir()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BUILD / "agentd/agentd", f"--root={root}", "--kubelet-binary=/nonexistent",
                 f"--bus-address=unix:path={root}/no-bus"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def version(self):
        with varlink.Client(self.path) as client:
            return client.call(NODE + "Version")

    def answers(self):
        """Whether it does, now or in a while."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return self.version()
            except OSError:
                time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0, self.log.read_text()


@pytest.fixture
def agentd(tmp_path):
    agentd = Agentd(tmp_path)
    agentd.answers()
    yield agentd
    agentd.stop()


def check_served(agentd):
    agentd.answers()
    assert stat.S_ISSOCK(agentd.path.lstat().st_mode)
    assert stat.S_IMODE(agentd.path.lstat().st_mode) == 0o660
    assert stat.S_IMODE(agentd.path.parent.stat().st_mode) == 0o750
    assert "made again" in agentd.log.read_text()


def test_a_deleted_socket_comes_back(agentd):
    for _ in range(3):
        agentd.path.unlink()
        check_served(agentd)


def test_who_is_connected_stays_connected(agentd):
    with varlink.Client(agentd.path) as client:
        before = client.call(NODE + "Version")
        agentd.path.unlink()
        check_served(agentd)
        assert client.call(NODE + "Version") == before


def test_a_deleted_folder_comes_back(agentd):
    agentd.path.parent.rename(agentd.path.parents[1] / "elsewhere")
    check_served(agentd)


def test_what_was_put_in_its_place_goes(agentd):
    other = agentd.path.with_name("other")
    other.write_text("not a socket")
    other.rename(agentd.path)
    check_served(agentd)


def test_a_socket_that_another_program_serves_is_left_alone(agentd):
    theirs = socket.socket(socket.AF_UNIX)
    other = agentd.path.with_name("other")
    theirs.bind(str(other))
    theirs.listen()
    inode = other.stat().st_ino
    other.rename(agentd.path)
    deadline = time.monotonic() + 20
    while "another agentd serves" not in agentd.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert agentd.path.stat().st_ino == inode
    theirs.close()
    agentd.path.unlink()
    check_served(agentd)
