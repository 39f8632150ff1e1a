"""Checks of agentd/kube/lease.c for both API servers, the fake one and a real one.

Each takes the server, the probe of an agent, and `more`: a function that makes probes of other
agents.
"""

import concurrent.futures
import time

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def holder(api, name):
    return api.get(f"{LEASES}/{name}")["spec"].get("holderIdentity", "")


def put(api, name, who, renewed, seconds=3600):
    """A record as another implementation of leases writes it."""
    api.create(LEASES, {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"holderIdentity": who, "leaseDurationSeconds": seconds,
                 "acquireTime": renewed, "renewTime": renewed}})


def a_lease_is_taken_renewed_and_released(api, probe, more):
    spec = probe.value("take", "l-life", "cp1", 30)["spec"]
    assert spec["holderIdentity"] == "cp1" and spec["leaseDurationSeconds"] == 30
    again = probe.value("take", "l-life", "cp1", 30)["spec"]
    assert again["acquireTime"] == spec["acquireTime"]
    assert again["renewTime"] != spec["renewTime"]
    assert again["leaseTransitions"] == spec["leaseTransitions"]
    probe.value("release", "l-life", "cp1")
    assert holder(api, "l-life") == ""
    probe.value("release", "l-life", "cp1")
    assert more("cp2").value("take", "l-life", "cp2", 30)["spec"]["leaseTransitions"] == \
        spec["leaseTransitions"] + 1


def a_held_lease_names_its_holder(api, probe, more):
    probe.value("take", "l-held", "cp1", 30)
    errno, kind, message = more("cp2").error("take", "l-held", "cp2", 30)
    assert (errno, kind) == ("EBUSY", "pending") and "l-held is held by cp1" in message


def a_stranger_does_not_release(api, probe, more):
    probe.value("take", "l-own", "cp1", 30)
    errno, kind, message = more("cp2").error("release", "l-own", "cp2")
    assert (errno, kind) == ("EPERM", "pending") and "held by cp1, not by cp2" in message
    assert holder(api, "l-own") == "cp1"
    assert probe.value("release", "l-none", "cp1") is None


def rivals_never_meet_inside(api, probe, more):
    names = [f"cp{i}" for i in range(5)]
    probes = [more(name) for name in names]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(lambda p: p[1].run("rival", "l-race", p[0], 60, 4, timeout=60),
                             zip(names, probes)))
    assert all(outcome["ok"] for outcome in done), done
    assert holder(api, "l-race") == ""
    assert api.get(f"{LEASES}/l-race")["spec"]["leaseTransitions"] >= 5


def a_dead_holder_is_outlived_by_its_duration(api, probe, more):
    probe.value("take", "l-dead", "cp1", 2)
    began = time.monotonic()
    more("cp2").value("heir", "l-dead", "cp2", 2)
    assert 1.5 < time.monotonic() - began < 8
    assert holder(api, "l-dead") == "cp2"


def a_holder_that_renews_lives(api, probe, more):
    probe.value("take", "l-alive", "cp1", 2)
    with more("cp2").start("heir", "l-alive", "cp2", 2) as heir:
        for _ in range(4):
            assert heir.silent(1)
            probe.value("take", "l-alive", "cp1", 2)
        assert holder(api, "l-alive") == "cp1"
        probe.value("release", "l-alive", "cp1")
        assert heir.next()["ok"]
    assert holder(api, "l-alive") == "cp2"


def clocks_that_are_years_off_decide_nothing(api, probe, more):
    for name, renewed in (("l-past", "1999-01-01T00:00:00.000000Z"),
                          ("l-future", "2099-01-01T00:00:00.000000Z")):
        put(api, name, "far", renewed)
        assert probe.error("take", name, "cp1", 30)[0] == "EBUSY"
    for name, renewed in (("l-past-dead", "1999-01-01T00:00:00.000000Z"),
                          ("l-future-dead", "2099-01-01T00:00:00.000000Z")):
        put(api, name, "far", renewed, seconds=1)
        probe.value("heir", name, "cp1", 30)
        assert holder(api, name) == "cp1"


CHECKS = [a_lease_is_taken_renewed_and_released, a_held_lease_names_its_holder,
          a_stranger_does_not_release, rivals_never_meet_inside,
          a_dead_holder_is_outlived_by_its_duration, a_holder_that_renews_lives,
          clocks_that_are_years_off_decide_nothing]
