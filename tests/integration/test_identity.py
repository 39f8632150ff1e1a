"""A node whose identity runs into something walks back by itself, on hosts made of fakes.

Each scenario is a function of identityworker.py and runs in namespaces of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("AGENTD_BUILD", ".")).resolve()
NAMESPACE = ["unshare", "--map-root-user", "--net", "--mount", "--uts"]
SCENARIOS = re.findall(r"^def scenario_(\w+)", (HERE / "identityworker.py").read_text(), re.M)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_node_walks_back(scenario, tmp_path):
    for program, package in (("ip", "iproute2"), ("faketime", "faketime"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian package {package})")
    result = subprocess.run(
        [*NAMESPACE, sys.executable, "-B", HERE / "identityworker.py", BUILD, tmp_path, scenario],
        capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{result.stdout[-8000:]}\n{result.stderr[-3000:]}"
