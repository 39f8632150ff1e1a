"""agentd.service as it is built: systemd finds nothing wrong with it, and its sandbox is tight."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("AGENTD_BUILD", "."))
SOURCE = Path(__file__).resolve().parents[2]
UNITS = SOURCE / "systemd/units"
EXPOSURE = 25  # tenths; HACKING.md says how the figure came about


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def unit():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    path = BUILD / "systemd/units/agentd.service"
    assert path.exists(), f"{path} is not built; run make, or set AGENTD_BUILD"
    return path


def test_systemd_finds_nothing_wrong_with_the_unit(unit, tmp_path):
    text = unit.read_text()
    assert not re.search(r"@\w+@", text), "a placeholder was not replaced"
    # What it starts is not installed where this test runs.
    (program,) = re.findall(r"^ExecStart=(\S+)$", text, re.M)
    copy = tmp_path / "agentd.service"
    copy.write_text(text.replace(f"ExecStart={program}", "ExecStart=/bin/true"))
    result = run("systemd-analyze", "verify", "--man=no", copy)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_the_sandbox_is_as_tight_as_promised(unit):
    result = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", unit)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_writable_path_is_made_before_the_start(unit):
    writable = [path.lstrip("-") for line in re.findall(r"^ReadWritePaths=(.*)$", unit.read_text(), re.M)
                for path in line.split()]
    made = [line.split()[1] for line in (UNITS / "tmpfiles.d/agentd.conf").read_text().splitlines()
            if line.startswith("d ")]
    assert writable and set(writable) <= set(made)


def test_the_group_of_the_runtime_directory_is_made_by_sysusers():
    groups = re.findall(r"^g (\S+) ", (UNITS / "sysusers.d/agentd.conf").read_text(), re.M)
    (line,) = [line for line in (UNITS / "tmpfiles.d/agentd.conf").read_text().splitlines()
               if line.startswith("d /run/agentd ")]
    assert line.split() == ["d", "/run/agentd", "0750", "root", *groups, "-"]
