"""agentd is killed at any system call of a bring-up and converges when it is started again.

The kills come from outside: strace ends agentd before the Nth call of a name. The points are spread
evenly over the calls of an undisturbed run; at some of them the next run is killed as well. What
holds after each kill and at the end is in killworker.py. make check looks at a few points, tests/run
(-m kills) at all.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("AGENTD_BUILD", ".")).resolve()
NAMESPACE = ["unshare", "--map-root-user", "--net", "--mount"]
WORKERS = 2 * os.cpu_count()  # a worker waits about half of the time

POINTS = {"init": 340, "init-rsa": 20, "join": 180}
SAMPLE = {"init": 12, "join": 8}
RENEWAL_POINTS, RENEWAL_SAMPLE = 80, 4
# Calls that leave something behind, on disk or with somebody else: two of three points are these.
CHANGING = {
    "bind", "chmod", "connect", "fchmod", "fchown", "fsync", "lchown", "listen", "openat", "renameat",
    "sendmsg", "sendto", "symlinkat", "unlink", "unlinkat", "write",
}


class Crew:
    """Workers, each in namespaces of its own, and the jobs that they share."""

    def __init__(self, scratch):
        self.workers = []
        for number in range(WORKERS):
            directory = scratch / str(number)
            directory.mkdir()
            self.workers.append(subprocess.Popen(
                [*NAMESPACE, sys.executable, "-B", HERE / "killworker.py", BUILD, directory],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def stop(self):
        for worker in self.workers:
            worker.stdin.close()
        for worker in self.workers:
            worker.wait(timeout=120)

    def run(self, jobs):
        """The results, in the order of the jobs."""
        waiting = queue.SimpleQueue()
        results = [None] * len(jobs)
        for item in enumerate(jobs):
            waiting.put(item)
        threads = [threading.Thread(target=self.serve, args=(worker, waiting, results))
                   for worker in self.workers[:len(jobs)]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    @staticmethod
    def serve(worker, waiting, results):
        while True:
            try:
                number, job = waiting.get_nowait()
            except queue.Empty:
                return
            worker.stdin.write(json.dumps(job) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            results[number] = json.loads(line) if line else {"problem": "the worker has died"}


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    for program, package in (("strace", "strace"), ("ip", "iproute2"), ("dbus-daemon", "dbus")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install {package}")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not make namespaces (unshare --map-root-user --net --mount)")
    crew = Crew(tmp_path_factory.mktemp("kills"))
    yield crew
    crew.stop()


def evenly(items, count):
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]


def points(calls, count):
    """(name, how many calls of that name there are up to it), in the order of the run."""
    seen, changing, others = {}, [], []
    for name in calls:
        seen[name] = seen.get(name, 0) + 1
        # Of the call that starts agentd, strace sees only the end.
        if name != "execve":
            (changing if name in CHANGING else others).append((name, seen[name]))
    return evenly(changing, count * 2 // 3) + evenly(others, count - count * 2 // 3)


def kill_at(crew, kind, count):
    trace = crew.run([{"kind": kind, "do": "trace"}])[0]
    kills = points(trace["calls"], count)
    # Every third run after a kill dies too, somewhere else.
    jobs = [{"kind": kind, "do": "kill",
             "kills": [kill] + ([kills[(7 * number + 3) % count]] if number % 3 == 0 else [])}
            for number, kill in enumerate(kills)]
    results = crew.run(jobs)
    killed = sum(result.get("killed", 0) for result in results)
    print(f"{kind}: {count} of {len(trace['calls'])} system calls, {killed} kills")
    for result in results:
        if result.get("files", trace["files"]) != trace["files"]:
            result["problem"] = (f"files {result['files']}\nunlike those of an undisturbed run, "
                                 f"{trace['files']}")
    failures = [f"{job['kills']}: {result['problem']}\n{result.get('log', '')}"
                for job, result in zip(jobs, results) if "problem" in result]
    assert not failures, f"{len(failures)} of {count}:\n\n" + "\n".join(failures[:5])
    # Runs differ a little: the last calls of one are not reached in another.
    assert killed >= count * 9 // 10


@pytest.mark.parametrize("kind", SAMPLE)
def test_some_kills_are_survived(crew, kind):
    kill_at(crew, kind, SAMPLE[kind])


@pytest.mark.kills
@pytest.mark.parametrize("kind", POINTS)
def test_every_kill_is_survived(crew, kind):
    kill_at(crew, kind, POINTS[kind])


def kill_renewal_at(crew, count):
    trace = crew.run([{"kind": "init", "do": "trace_renewal"}])[0]
    renewed = {certificate["name"] for certificate in trace["reply"]["certificates"]}
    assert {"apiserver", "etcd-server", "admin.conf", "scheduler.conf", "agentd"} <= renewed
    # CAs stay, and so do the kubelet's files.
    assert trace["kept"] == [
        "etc/kubernetes/kubelet.conf", "etc/kubernetes/pki/ca.crt", "etc/kubernetes/pki/etcd/ca.crt",
        "etc/kubernetes/pki/front-proxy-ca.crt", "var/lib/kubelet/pki/kubelet.crt"]
    jobs = [{"kind": "init", "do": "kill_renewal", "kills": [kill]}
            for kill in points(trace["calls"], count)]
    results = crew.run(jobs)
    killed = sum(result.get("killed", 0) for result in results)
    print(f"renewal: {count} of {len(trace['calls'])} system calls, {killed} kills")
    failures = [f"{job['kills']}: {result['problem']}\n{result.get('log', '')}"
                for job, result in zip(jobs, results) if "problem" in result]
    assert not failures, f"{len(failures)} of {count}:\n\n" + "\n".join(failures[:5])
    assert killed >= count * 8 // 10


def test_some_kills_of_a_renewal_are_survived(crew):
    kill_renewal_at(crew, RENEWAL_SAMPLE)


@pytest.mark.kills
def test_every_kill_of_a_renewal_is_survived(crew):
    kill_renewal_at(crew, RENEWAL_POINTS)


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_restart_changes_nothing_where_all_is_done(crew, kind):
    result = crew.run([{"kind": kind, "do": "rest"}])[0]
    assert "problem" not in result, f"{result['problem']}\n{result['log']}"
    assert result["after"] == result["before"]
    assert result["jobs"][1] == result["jobs"][0], "no unit is started, stopped or restarted"
    assert result["requests"] == [], "nothing is written to the cluster"


def converge(crew, kind, kubelet):
    result = crew.run([{"kind": kind, "do": "converge", "kubelet": kubelet}])[0]
    assert "problem" not in result, f"{result['problem']}\n{result['log']}"
    return result


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_kubelet_that_was_killed_before_it_told_its_version_is_asked_again(crew, kind):
    converge(crew, kind, "#!/bin/sh\nmkdir ${0%/*}/seen 2>/dev/null && kill -9 $$\n"
             "echo Kubernetes v1.36.3\n")


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_role_that_waits_for_its_kubelet_begins_when_that_is_installed(crew, kind):
    assert "kubelet" in converge(crew, kind, None)["missed"]
