"""Where the lab keeps its things, and the numbers that all modules share."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent

# Caches survive `lab down`; everything in them can be made again.
CACHE = Path(os.environ.get("AGENTD_LAB_CACHE", "/var/cache/agentd-lab"))
# Running labs: the file systems of their hosts, and what dies with the machine.
STATE = Path("/var/lib/agentd-lab")
RUN = Path("/run/agentd-lab")

DEFAULT_KUBERNETES = "1.36"

# Every lab has a network namespace of its own, so all of them use the same addresses.
NETWORK = "10.77.0"
GATEWAY = f"{NETWORK}.1"
PREFIX = 24
CONTROL_PLANE_BASE = 10
WORKER_BASE = 20

TOOLS_IMAGE = "agentd.test/tools:1"
