"""A hundred kills of agentd, spread over five bring-ups: each converges with nobody's help."""

import os
import random
import signal
import time

import checks
import pytest
import roles

BRING_UPS = 5
KILLS = 20
# A bring-up takes about this long; most kills shall fall into it.
LONGEST_PAUSE = 1.0


@pytest.fixture(scope="module")
def lab(new_lab):
    return new_lab()


@pytest.mark.parametrize("number", range(BRING_UPS))
def test_bring_up_survives_kills(lab, tmp_path, number):
    lab.remove_hosts()
    lab.add("cp1", "w1")
    cluster = roles.new_cluster(lab, tmp_path)
    # The same moments in every run, as far as a timer can give that.
    chance = random.Random(number)
    cluster.give_control_plane_role(lab["cp1"])
    cluster.give_worker_role(lab["w1"])

    victims = []
    while len(victims) < KILLS:
        # The pause is the test: it decides where in the bring-up agentd dies.
        time.sleep(chance.uniform(0, LONGEST_PAUSE))
        host = lab[chance.choice(["cp1", "cp1", "w1"])]
        process = main_process(host)
        if process:
            os.kill(process, signal.SIGKILL)
            victims.append(host.name)

    for name in ("cp1", "w1"):
        lab.wait_for_node(name)
        roles.wait_until_settled(lab[name], timeout=300)
        assert int(lab[name].unit_property("agentd.service", "NRestarts")) == victims.count(name)
    checks.addons_are_ready(lab)
    requests = lab.objects("certificatesigningrequests")["items"]
    joined = [item for item in requests if item["spec"]["username"].startswith("system:bootstrap:")]
    assert len(joined) == 1, "an interrupted join uses the same key and request again"


def main_process(host):
    """agentd's process as this machine sees it; None while systemd has yet to restart it."""
    inside = host.unit_property("agentd.service", "MainPID")
    if inside == "0":
        return None
    leader_namespace = os.readlink(f"/proc/{host.leader()}/ns/pid")
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.readlink(f"/proc/{entry}/ns/pid") != leader_namespace:
                continue
            with open(f"/proc/{entry}/status", encoding="ascii", errors="replace") as status:
                ids = next(line for line in status if line.startswith("NSpid:")).split()
        except (FileNotFoundError, PermissionError, ProcessLookupError, StopIteration):
            continue
        if ids[-1] == inside:
            return int(entry)
    return None
