"""A server that has gone silent, though its connection still stands, is noticed within 20 seconds.

In a network namespace of its own, packets that come from the server's port vanish: nothing is
refused, nothing is closed. The kernel's keepalives find out, agentd sleeps meanwhile.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import pytest

UNSHARE = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
MAPS = "/api/v1/namespaces/kube-system/configmaps"


def namespaces_work():
    return subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True,
                          check=False).returncode == 0


def test_a_silent_connection_is_given_up_and_found_again():
    if not namespaces_work():
        pytest.skip("network namespaces or `ip` are not to be had here")
    done = subprocess.run([*UNSHARE, sys.executable, "-B", __file__], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert 5 <= seen["noticed"] <= 25, seen
    assert seen["error"]["class"] == "network", seen
    assert seen["wakeups"] <= 3, seen
    assert seen["found again"] <= 40, seen


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


def context_switches(pid):
    """How often a process has gone to sleep."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def main():
    """Inside the namespace."""
    here = pathlib.Path(__file__).resolve().parent
    sys.path[:0] = [str(here), str(here.parent / "fake")]
    from apiserver import FakeApiServer
    from kubeprobe import Probe, wait_for

    ip("link", "set", "lo", "up")
    ip("rule", "add", "pref", 100, "lookup", "local")
    ip("rule", "del", "pref", 0)
    with FakeApiServer() as api, tempfile.TemporaryDirectory() as scratch:
        crt, key = api.client_certificate("admin", ["system:masters"])
        probe = Probe(api, scratch, "--cert", crt, "--key", key)
        with probe.start("cache", MAPS) as cache:
            cache.until(lambda line: line["synced"])
            wait_for(lambda: api.watches().get(MAPS))
            wait_for(lambda: cache.silent(0.5))
            begin = time.monotonic()
            slept = context_switches(cache.process.pid)
            ip("rule", "add", "pref", 50, "ipproto", "tcp", "sport", api.http.port, "blackhole")
            error = cache.until(lambda line: not line["synced"], 60)
            noticed = time.monotonic() - begin
            wakeups = context_switches(cache.process.pid) - slept
            ip("rule", "del", "pref", 50)
            begin = time.monotonic()
            cache.until(lambda line: line["synced"], 60)
            print(json.dumps({
                "noticed": noticed, "wakeups": wakeups, "error": error,
                "found again": time.monotonic() - begin,
            }))
            api.drop_connections()


if __name__ == "__main__":
    main()
