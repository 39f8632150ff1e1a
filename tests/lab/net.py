"""The network of a lab: a namespace with a bridge in it and no way out."""

import os
from pathlib import Path

from .run import run
from .settings import GATEWAY, PREFIX

BRIDGE = "lab0"


class Network:
    def __init__(self, lab_name):
        self.name = f"agentd-lab-{lab_name}"
        self.path = Path("/run/netns") / self.name

    def up(self):
        if not self.path.exists():
            run(["ip", "netns", "add", self.name])
        self.run(["ip", "link", "set", "lo", "up"])
        if self.run(["ip", "link", "show", BRIDGE], check=False).returncode != 0:
            self.run(["ip", "link", "add", BRIDGE, "type", "bridge"])
        self.run(["ip", "address", "replace", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE])
        self.run(["ip", "link", "set", BRIDGE, "up"])

    def down(self):
        if self.path.exists():
            run(["ip", "netns", "delete", self.name])

    def command(self, command):
        # "ip netns exec" would mount a new /sys without the cgroups.
        return ["nsenter", f"--net={self.path}", *command]

    def run(self, command, **options):
        return run(self.command(command), **options)

    def execute(self, command):
        os.execvp("nsenter", self.command(command))
