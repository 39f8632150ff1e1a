"""The fake systemd that other tests lean on does what its options say."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("AGENTD_BUILD", "."))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fake"))

from fakesystemd import FakeSystemd  # noqa: E402

KUBELET = "kubelet.service"


@pytest.fixture(autouse=True)
def tools():
    for tool in ("dbus-daemon", "busctl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def manager(systemd, *words):
    subprocess.run(["busctl", f"--address={systemd.address}", "call", "org.freedesktop.systemd1",
                    "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", *words],
                   check=True, capture_output=True, timeout=30)


def start_unit(systemd):
    manager(systemd, "StartUnit", "ss", KUBELET, "replace")


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it has not happened within 10 s"
        time.sleep(0.02)


def test_a_started_unit_runs_its_program_until_the_program_ends(tmp_path):
    with FakeSystemd(BUILD, tmp_path, exec_on_start=f"echo $UNIT >{tmp_path}/ran; exec sleep 600") as systemd:
        start_unit(systemd)
        wait_for(lambda: (tmp_path / "ran").exists())
        assert (tmp_path / "ran").read_text() == f"{KUBELET}\n"
        pid = int(systemd.property(KUBELET, "MainPID"))
        assert systemd.property(KUBELET, "ActiveState") == "active"
        os.kill(pid, 9)
        wait_for(lambda: systemd.property(KUBELET, "ActiveState") == "failed")
        assert systemd.property(KUBELET, "ExecMainStatus") == "9"
        assert systemd.calls() == [f"StartUnit {KUBELET}"]


def test_drop_ins_are_those_of_the_root_after_a_reload(tmp_path):
    directory = tmp_path / "root/etc/systemd/system/kubelet.service.d"
    directory.mkdir(parents=True)
    with FakeSystemd(BUILD, tmp_path, root=tmp_path / "root") as systemd:
        assert systemd.property(KUBELET, "DropInPaths") == "0"
        (directory / "20-agentd.conf").write_text("")
        manager(systemd, "Reload")
        assert "/etc/systemd/system/kubelet.service.d/20-agentd.conf" in systemd.property(
            KUBELET, "DropInPaths")
        assert systemd.calls() == ["Reload"]


def test_settings_can_be_given_at_the_start_and_later(tmp_path):
    with FakeSystemd(BUILD, tmp_path, result="failed") as systemd:
        start_unit(systemd)
        wait_for(lambda: systemd.property(KUBELET, "ActiveState") == "failed")
        systemd.set("result", "done")
        start_unit(systemd)
        wait_for(lambda: systemd.property(KUBELET, "ActiveState") == "active")
        systemd.set_unit(KUBELET, "LoadState", "masked")
        assert systemd.property(KUBELET, "LoadState") == "masked"
