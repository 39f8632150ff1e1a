"""CoreDNS is moved apart when a second node comes, and left alone where it cannot be.

The tests share one cluster and run in the order in which they stand here.
"""

import json
import time

import dns
import pytest
import roles

from lab.run import wait_until


@pytest.fixture(scope="module")
def cluster(new_lab, tmp_path_factory):
    lab = new_lab()
    lab.add("cp1", "w1")
    cluster = roles.new_cluster(lab, tmp_path_factory.mktemp("roles"))
    cluster.give_control_plane_role(lab["cp1"])
    lab.wait_for_node("cp1")
    dns.wait_until_on(lab, "cp1", "cp1")
    return cluster


@pytest.fixture(scope="module")
def lab(cluster):
    return cluster.lab


def status(lab):
    return json.loads(roles.agentctl(lab["cp1"], "dns", "status", "-o", "json").stdout)


def test_one_node_is_nothing_to_be_mended(lab):
    roles.wait_until_settled(lab["cp1"])
    assert status(lab)["verdict"] == "spread"


def test_replicas_spread_when_a_worker_joins_and_dns_answers_throughout(lab, cluster):
    with dns.Queries(lab, lab["cp1"]) as queries:
        cluster.give_worker_role(lab["w1"])
        lab.wait_for_node("w1")
        ready = time.monotonic()
        spread = dns.wait_until_on(lab, "cp1", "w1")
        roles.wait_until_settled(lab["cp1"])
        wait_until(lambda: dns.all_have_ended(lab), timeout=60, every=0.3,
                   what="the replica that was moved has ended")
    print(f"spread {spread - ready:.1f} s after w1 is Ready; {queries.result}")
    assert queries.result["sent"] > 20
    assert queries.result["failed"] == 0, queries.result["failures"]


def test_what_was_done_is_told(lab):
    told = status(lab)
    assert told["verdict"] == "spread"
    assert (told["lastMove"]["from"], told["lastMove"]["to"]) == ("cp1", "w1")
    assert told["lastMove"]["helped"] is True
    assert {replica["node"] for replica in told["replicas"]} == {"cp1", "w1"}
    shown = roles.agentctl(lab["cp1"], "dns", "status").stdout
    assert "Last move" in shown and "cp1" in shown
    conditions = json.loads(roles.agentctl(lab["cp1"], "status", "-o", "json").stdout)["conditions"]
    assert next(entry for entry in conditions if entry["type"] == "DNSSpread")["status"] == "True"
    lease = lab.objects("lease", "agentd-dns", "--namespace=kube-system")
    assert not lease["spec"].get("holderIdentity")


def test_cordoned_node_takes_none_and_a_request_does_not_wait(lab):
    lab.kubectl("cordon", "cp1")
    dns.move_all_to(lab, "w1", away="cp1")
    wait_until(lambda: status(lab)["verdict"] == "nowhere", timeout=60, every=0.3,
               what="agentd says that there is nowhere to go")
    nodes = {node["name"]: node for node in status(lab)["nodes"]}
    assert nodes["cp1"]["against"] == "is cordoned"
    roles.wait_until_settled(lab["cp1"])
    assert "Nothing is moved" in roles.agentctl(lab["cp1"], "dns", "rebalance").stdout
    lab.kubectl("uncordon", "cp1")
    wait_until(lambda: status(lab)["verdict"] == "waiting", timeout=60, every=0.3,
               what="agentd waits for the pause after the last move")
    assert "notBefore" in status(lab)
    assert dns.are_on(lab, "w1", "w1")
    said = roles.agentctl(lab["cp1"], "dns", "rebalance", timeout=240).stdout
    assert "Ready on cp1" in said
    assert dns.are_on(lab, "cp1", "w1")
    roles.wait_until_settled(lab["cp1"])


def test_taint_that_coredns_does_not_tolerate_keeps_it_away(lab):
    lab.kubectl("taint", "node", "cp1", "dedicated=db:NoSchedule")
    dns.move_all_to(lab, "w1", away="cp1")
    wait_until(lambda: status(lab)["verdict"] == "nowhere", timeout=60, every=0.3,
               what="agentd says that there is nowhere to go")
    assert "cp1 has the taint dedicated=db:NoSchedule" in status(lab)["reason"]
    roles.wait_until_settled(lab["cp1"])
