"""agentctl as its users see it: what it prints, where, and what it ends with."""

import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time

import controlprobe
import pytest
import yaml
from controlprobe import BUILD, GROUP, Probe

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root may change something")

TOP = pathlib.Path(__file__).resolve().parents[2]
AGENTCTL = BUILD / "agentd/cli/agentctl"
TOKEN = "abcdef.0123456789abcdef"
ROWS = [
    {"name": "preflight", "verdict": "in-sync", "reason": "12 checks passed", "observed": 3,
     "applied": 0, "failed": 0},
    {"name": "kubelet-unit", "verdict": "drifted", "reason": "kubelet.service is inactive",
     "stage": "start kubelet", "observed": 9, "applied": 2, "failed": 1},
    {"name": "etcd", "verdict": "drifted", "reason": "etcd.yaml differs",
     "error": "cannot write etcd.yaml: no space left on device", "observed": 9, "applied": 2,
     "failed": 1},
    {"name": "node-ready", "verdict": "unknown", "waitsFor": "kubelet-unit", "observed": 1,
     "applied": 0, "failed": 0},
    {"name": "node-name", "verdict": "blocked", "reason": "node cp1 exists with another machine-id",
     "observed": 1, "applied": 0, "failed": 0},
]


def status(rows, generation=1, **truths):
    """A control plane's status; truths are conditions that are not True."""
    conditions = ["Ready", "Converged", "RoleFileValid", "PodNetwork", *truths]
    conditions = list(dict.fromkeys(conditions))
    return {
        "version": "0.1.0", "role": "control-plane", "source": "/etc/agentd/role.yaml",
        "node": "cp1", "server": "https://10.0.0.1:6443", "kubernetesVersion": "v1.36.3",
        "generation": {"wanted": generation, "reached": 1},
        "conditions": [{"type": name, "status": truths.get(name, "True"), "reason": "Word",
                        "message": f"what there is to say about {name}"} for name in conditions],
        "rows": rows, "hints": ["use kubectl: export KUBECONFIG=/etc/kubernetes/admin.conf"],
    }


IN_WORK = status(ROWS, generation=2, Ready="False", Converged="False", PodNetwork="Unknown")
SETTLED = status([{**ROWS[0], "name": name} for name in ("preflight", "etcd")])


LEFT_ALONE = status([
    {**ROWS[0], "name": "kubelet-config", "verdict": "drifted", "heldBy": "/var/lib/kubelet",
     "reason": "config.yaml differs", "heldUntil": "2930-01-02T03:04:05Z"},
    {**ROWS[0], "name": "kubelet-flags", "heldBy": "kubelet-flags"},
    {**ROWS[0], "name": "static-pod-etcd", "verdict": "drifted", "policy": "observe",
     "reason": "etcd.yaml differs"},
    {**ROWS[0], "name": "node-labels", "verdict": "drifted", "reason": "a label differs",
     "fightSince": "2926-01-02T03:04:05Z", "repairs": 9},
], Converged="False", Undisputed="False")
LEFT_ALONE["holds"] = [
    {"what": "/var/lib/kubelet", "since": "2926-01-02T03:04:05Z", "until": "2001-01-02T03:04:05Z",
     "resources": ["kubelet-config", "kubelet-identity"]},
    {"what": "kubelet-flags", "since": "2926-01-02T03:04:05Z", "resources": ["kubelet-flags"]},
]


def agentctl(probe, *words, check=None, env=None, **options):
    socket_path = probe.path if isinstance(probe, Probe) else probe
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", **(env or {})}
    result = subprocess.run([AGENTCTL, f"--socket={socket_path}", *words], capture_output=True,
                            text=True, env=environment, timeout=60, check=False, **options)
    if check is not None:
        assert result.returncode == check, result.stderr + result.stdout
    return result


@pytest.fixture
def probe():
    with contextlib.closing(Probe()) as probe:
        yield probe


@contextlib.contextmanager
def serving(state):
    with contextlib.closing(Probe(state)) as probe:
        yield probe


# What it ends with


def test_status_ends_with_how_the_host_is(probe):
    assert agentctl(probe, "status", check=4).stdout.startswith("○ agentd: no role\n")
    with serving(IN_WORK) as other:
        agentctl(other, "status", check=3)
        agentctl(other, "status", "-o", "json", check=3)
    with serving(SETTLED) as other:
        agentctl(other, "status", check=0)


def test_what_needs_a_role_ends_with_4_without_one(probe):
    for words in (["plan"], ["role", "show"]):
        result = agentctl(probe, *words, check=4)
        assert "no role" in result.stderr and result.stdout == ""


def test_unreachable_daemon_ends_with_5(tmp_path, probe):
    result = agentctl(tmp_path / "missing", "status", check=5)
    assert str(tmp_path / "missing") in result.stderr and "systemctl status agentd" in result.stderr
    dead = controlprobe.listening_socket(tmp_path / "dead")
    dead.close()
    agentctl(tmp_path / "dead", "status", check=5)

    def as_stranger():
        os.chdir("/")
        return agentctl(probe, "status")

    # The program itself may lie where others cannot read.
    if os.access(AGENTCTL, os.X_OK) and stranger_can_run():
        result = controlprobe.run_as(as_stranger, uid=1234, gid=1234)
        assert result.returncode == 5
        assert "group agentd" in result.stderr


def stranger_can_run():
    return controlprobe.run_as(lambda: os.access(AGENTCTL, os.X_OK), uid=1234, gid=1234)


def test_daemon_that_hangs_up_ends_with_5(tmp_path):
    listener = controlprobe.listening_socket(tmp_path / "s")
    client = subprocess.Popen([AGENTCTL, f"--socket={tmp_path}/s", "status"],
                              stderr=subprocess.PIPE, text=True)
    listener.accept()[0].close()
    assert client.wait(timeout=30) == 5
    assert "hung up" in client.stderr.read()
    client.stderr.close()
    listener.close()


def test_silent_daemon_ends_with_124(tmp_path):
    listener = controlprobe.listening_socket(tmp_path / "s")
    result = agentctl(tmp_path / "s", "status", "--timeout=100ms", check=124)
    assert "in time" in result.stderr
    listener.close()


@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["status", "extra"], ["explain"], ["explain", "a", "b"], ["role"],
    ["role", "set"], ["token"], ["--nope", "status"], ["-o", "xml", "status"], ["status", "--ttl", "1h"],
    ["token", "create", "--ttl", "soon"], ["token", "create", "--ttl=-1h"],
    ["status", "--timeout", "x"], ["reconcile", "-o", "json"], ["status", "--color=blue"],
    ["status", "--dump"], ["help", "nothing"], ["hold"], ["release"],
    ["hold", "kubelet-unit", "--for", "ever"], ["release", "kubelet-unit", "--for=1h"],
])
def test_wrong_usage_ends_with_2_and_asks_nothing(tmp_path, words):
    result = agentctl(tmp_path / "nobody", *words, check=2)
    assert result.stderr and result.stdout == ""
    assert "cannot connect" not in result.stderr


def test_near_verb_is_suggested(tmp_path):
    assert 'did you mean "status"?' in agentctl(tmp_path, "statsu", check=2).stderr


def test_refusals_and_failures_end_with_1(probe):
    assert "no resource nothing" in agentctl(probe, "explain", "nothing", check=1).stderr
    result = agentctl(probe, "token", "create", "--ttl=1s", check=1)
    assert result.stderr == "agentctl: the API server is away\n" and result.stdout == ""


def test_reader_is_told_what_it_may_not(probe):
    if not stranger_can_run():
        pytest.skip("the program lies where others cannot read")
    result = controlprobe.run_as(lambda: agentctl(probe, "reconcile"), uid=1234, gid=GROUP)
    assert result.returncode == 1
    assert "permission denied" in result.stderr


def test_output_that_cannot_be_written_is_a_failure(probe):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([AGENTCTL, f"--socket={probe.path}", "version"], stdout=full,
                                stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert "standard output" in result.stderr


# Roles


def test_role_is_set_from_a_file_and_from_standard_input(probe, tmp_path):
    (tmp_path / "role.yaml").write_text("role: worker\n")
    agentctl(probe, "role", "set", tmp_path / "role.yaml", check=0)
    assert agentctl(probe, "role", "show", check=0).stdout == "role: worker\n"
    agentctl(probe, "role", "set", "-", input="role: none\n", check=0)
    assert agentctl(probe, "role", "show", check=0).stdout == "role: none\n"
    shown = agentctl(probe, "role", "show", "-o", "json", check=0).stdout
    assert json.loads(shown) == {"text": "role: none\n"}


def test_mistake_in_a_role_is_shown_with_its_place(probe, tmp_path):
    (tmp_path / "role.yaml").write_text("refuse")
    result = agentctl(probe, "role", "set", "role.yaml", cwd=tmp_path, check=1)
    assert result.stderr.splitlines()[0] == "role.yaml:1:1: this is not a role"
    result = agentctl(probe, "role", "set", "-", input="refuse", check=1)
    assert result.stderr.splitlines()[0] == "stdin:1:1: this is not a role"


def test_role_that_cannot_be_read_or_is_too_large_is_not_sent(probe, tmp_path):
    (tmp_path / "large").write_text("#" * (256 * 1024 + 1))
    (tmp_path / "nul").write_bytes(b"role: \0")
    for name in ("large", "nul", "missing", ""):
        result = agentctl(probe, "role", "set", tmp_path / name, check=1)
        assert str(tmp_path / name) in result.stderr
    (tmp_path / "fits").write_text("#" * (256 * 1024))
    agentctl(probe, "role", "set", tmp_path / "fits", check=0)


# Tokens


def test_token_stands_alone_on_standard_output(probe):
    result = agentctl(probe, "token", "create", "--description", "for w1", "--ttl", "2h", check=0)
    assert (result.stdout, result.stderr) == (TOKEN + "\n", "")


def test_join_command_is_what_kubeadm_takes(probe):
    said = agentctl(probe, "token", "create", "--print-join-command", check=0).stdout
    assert said == (f"kubeadm join [fd00::1]:6443 --token {TOKEN} "
                    "--discovery-token-ca-cert-hash sha256:00ff\n")


def test_role_file_of_a_worker_is_a_role_file(probe, tmp_path):
    said = agentctl(probe, "token", "create", "--print-join-command", "--role-file", check=0).stdout
    assert yaml.safe_load(said) == {
        "apiVersion": "agentd.io/v1alpha1", "kind": "RoleConfiguration", "role": "worker",
        "endpoint": "[fd00::1]:6443", "token": TOKEN, "caCertHashes": ["sha256:00ff"],
    }
    text = said.replace("sha256:00ff", "sha256:" + "00" * 32)
    (tmp_path / "role.yaml").write_text(text)
    verdict = subprocess.run([BUILD / "tests/integration/role-probe", tmp_path / "role.yaml"],
                             capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_user_data_puts_the_role_file_in_place(probe):
    said = agentctl(probe, "token", "create", "--cloud-init", check=0).stdout
    assert said.startswith("#cloud-config\n")
    written, = yaml.safe_load(said)["write_files"]
    assert written["path"] == "/etc/agentd/role.yaml"
    assert (written["owner"], written["permissions"]) == ("root:root", "0600")
    assert written["content"] == agentctl(probe, "token", "create", "--role-file").stdout


def test_list_of_tokens_shows_no_secret(probe):
    said = agentctl(probe, "token", "list", check=0).stdout
    header, row = said.splitlines()
    assert header.split() == ["ID", "TTL", "EXPIRES", "USAGES", "GROUPS", "DESCRIPTION"]
    assert row.split()[0] == "abcdef" and row.endswith("for a test")
    assert "0123456789abcdef" not in said
    assert agentctl(probe, "token", "list", "--no-headers").stdout.splitlines() == [row]
    for output in ("json", "yaml"):
        shown = yaml.safe_load(agentctl(probe, "token", "list", "-o", output, check=0).stdout)
        assert shown["tokens"][0]["id"] == "abcdef" and "token" not in shown["tokens"][0]


# What it prints


def test_history_is_a_table_of_what_was_done(probe):
    header, row = agentctl(probe, "history", check=0).stdout.splitlines()
    assert header.split() == ["TIME", "TYPE", "RESOURCE", "COUNT", "MESSAGE"]
    assert row.split(maxsplit=4) == [
        "2026-01-02T03:04:05Z", "Repaired", "kubelet-config", "2", "mode 0644, not 0600"]
    assert " etcd " in agentctl(probe, "history", "etcd", "--since", "1h", check=0).stdout
    nothing = agentctl(probe, "history", "--since=1s", check=0)
    assert nothing.stdout == "" and nothing.stderr == "There is nothing in the history.\n"
    entries = json.loads(agentctl(probe, "history", "-o", "json", check=0).stdout)["entries"]
    assert entries[0]["type"] == "Repaired" and entries[0]["count"] == 2


def test_drift_is_listed_shown_as_a_diff_and_put_back(probe):
    header, secret, row = agentctl(probe, "drift", "list", check=0).stdout.splitlines()
    assert header.split() == ["ID", "CHANGED", "BY", "WHAT", "CHANGE"]
    assert row.split() == ["1", "2026-01-02T03:04:00Z", "root",
                           "/etc/kubernetes/manifests/etcd.yaml", "content"]
    shown = agentctl(probe, "drift", "show", "1", check=0).stdout
    assert "@@ -1 +1 @@\n-a:\t1\n+a:\t\\x1b[31m2\n" in shown and "\x1b" not in shown
    assert "By: root\n" in shown
    assert "is not shown" in agentctl(probe, "drift", "show", "2", check=0).stdout
    assert "diff" in json.loads(agentctl(probe, "drift", "show", "1", "-o", "json").stdout)
    assert "put back and held" in agentctl(probe, "drift", "restore", "1", "--for", "2h",
                                           check=0).stdout
    for verb in ("show", "restore"):
        refused = agentctl(probe, "drift", verb, "3", check=1)
        assert refused.stderr == "agentctl: there is no kept version 3\n"
        agentctl(probe, "drift", verb, "x", check=2)


@pytest.mark.parametrize("name, state, words", [
    ("in-work", IN_WORK, ["status"]),
    ("in-work-all", IN_WORK, ["status", "--all"]),
    ("in-work-wide", IN_WORK, ["status", "-o", "wide"]),
    ("in-work-no-headers", IN_WORK, ["status", "--no-headers"]),
    ("settled", SETTLED, ["status"]),
    ("settled-all", SETTLED, ["status", "-a"]),
    ("left-alone", LEFT_ALONE, ["status"]),
])
def test_status_looks_as_it_should(name, state, words):
    golden = TOP / f"tests/golden/agentctl/{name}.txt"
    with serving(state) as probe:
        said = agentctl(probe, *words).stdout
    if os.environ.get("AGENTD_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said)
    assert said == golden.read_text()


@pytest.mark.parametrize("output, load", [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_daemons_own_answer(output, load):
    with serving(IN_WORK) as probe:
        shown = load(agentctl(probe, "status", "-o", output).stdout)
        assert shown == probe.call("Status")
        agentctl(probe, "role", "set", "-", input="x", check=0)
        assert load(agentctl(probe, "plan", "-o", output).stdout) == probe.call("Plan")
        assert (load(agentctl(probe, "explain", "kubelet-unit", "-o", output).stdout)
                == probe.call("Explain", {"resource": "kubelet-unit"}))


def test_plan_and_explanation_name_the_stages(probe):
    agentctl(probe, "role", "set", "-", input="x", check=0)
    plan = agentctl(probe, "plan", check=0).stdout
    assert plan == "○ kubelet-unit (drifted): the unit is stopped\n    1. start kubelet\n"
    explanation = agentctl(probe, "explain", "kubelet-unit", check=0).stdout
    for part in ("the kubelet runs", "in-sync", "unit kubelet.service", "start kubelet"):
        assert part in explanation


def test_hold_and_release_say_what_they_mean(probe):
    assert (agentctl(probe, "hold", "/etc/kubernetes", check=0).stdout
            == "Held until it is released: kubelet-unit\n")
    assert agentctl(probe, "hold", "kubelet-unit", "--for", "2h", check=0).stdout.startswith(
        "Held for ")
    assert agentctl(probe, "release", "kubelet-unit", check=0).stdout == "Released: kubelet-unit\n"
    held = json.loads(agentctl(probe, "hold", "kubelet-unit", "--for=2h", "-o", "json").stdout)
    assert held["until"] and held["resources"] == ["kubelet-unit"]
    refused = agentctl(probe, "hold", "nothing", check=1)
    assert refused.stderr == "agentctl: nothing is called nothing\n" and refused.stdout == ""


def test_findings_stand_on_lines_of_their_own_and_are_not_repeated():
    findings = ["[ERROR Swap] swap is on: turn it off", "[WARNING Mem] too little memory"]
    state = status([{**ROWS[4], "name": "preflight", "reason": "; ".join(findings)}],
                   Converged="False", Ready="False")
    state["conditions"][0]["message"] = "; ".join(findings)
    with serving(state) as probe:
        said = agentctl(probe, "status").stdout
    assert re.search(r"^preflight +blocked +- +\[ERROR Swap\] swap is on: turn it off;$", said, re.M)
    assert re.search(r"^ +\[WARNING Mem\] too little memory$", said, re.M)
    assert re.search(r"^Ready +False +- +see preflight$", said, re.M)


def test_times_are_ages():
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=50)
    state = status([{**ROWS[0], "since": then.strftime("%Y-%m-%dT%H:%M:%SZ")}])
    with serving(state) as probe:
        said = agentctl(probe, "status", "--all").stdout
    assert re.search(r"^preflight +in-sync +2d +12 checks passed$", said, re.M)


def test_nothing_that_the_daemon_says_speaks_to_the_terminal():
    evil = "\x1b]0;title\x07\x1b[31mred\r\nnew line \u009b31m"
    state = status([{**ROWS[1], "name": "a" + evil, "reason": evil, "stage": evil, "error": evil,
                     "waitsFor": evil}], Ready="False")
    state.update(node=evil, source=evil, hints=[evil], server=evil)
    state["conditions"][0]["message"] = evil
    with serving(state) as probe:
        for words in (["status"], ["status", "-o", "wide"], ["status", "-o", "json"],
                      ["status", "-o", "yaml"]):
            said = agentctl(probe, *words).stdout
            assert not set(said) & {"\x1b", "\x07", "\r", "\u009b"}, words


def test_colours_are_for_terminals_and_never_alone():
    with serving(IN_WORK) as probe:
        plain = agentctl(probe, "status").stdout
        assert "\x1b" not in plain
        assert "\x1b" not in agentctl(probe, "status", "--color=never").stdout
        coloured = agentctl(probe, "status", "--color=always", env={"NO_COLOR": "1"}).stdout
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
        assert "\x1b[" in on_terminal(probe, "status")
        assert "\x1b[" not in on_terminal(probe, "status", env={"NO_COLOR": "1"})
        assert "\x1b[" not in on_terminal(probe, "status", env={"TERM": "dumb"})


def on_terminal(probe, *words, columns=80, env=None):
    """What it prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", **(env or {})}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen([AGENTCTL, f"--socket={probe.path}", *words], stdout=theirs,
                               env=environment)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while True:
            text += os.read(ours, 65536)
    process.wait(timeout=30)
    os.close(ours)
    return text.decode()


def test_long_reasons_are_broken_between_words():
    reason = "the certificate of the kubelet was made for another name and has to be made again"
    state = status([{**ROWS[1], "reason": reason}], Converged="False")
    with serving(state) as probe:
        said = on_terminal(probe, "status", columns=60, env={"NO_COLOR": "1"})
        rows = said[said.index("RESOURCE"):said.index("What next")].splitlines()
        assert max(map(len, rows[:-2])) <= 60
        for word in reason.split():
            assert word in said
        # A pipe has no width.
        assert reason in agentctl(probe, "status").stdout


def test_without_utf8_marks_are_ascii():
    with serving(IN_WORK) as probe:
        said = agentctl(probe, "status", env={"LC_ALL": "C"}).stdout
    assert said.startswith("x cp1: blocked") and said.isascii()


# Following


class Follower:
    def __init__(self, probe, *words):
        self.process = subprocess.Popen(
            [AGENTCTL, f"--socket={probe.path}", "watch", *words], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def line(self, pattern):
        """The next line that matches; it comes without waiting for a buffer to fill."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.process.stdout], [], [], 1)
            line = self.process.stdout.readline() if ready else None
            assert line != "", self.process.stderr.read()
            if line and re.search(pattern, line):
                return line
        raise AssertionError(pattern)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def test_watch_shows_the_status_and_then_what_changes(probe):
    with contextlib.closing(Follower(probe)) as follower:
        follower.line("no role")
        agentctl(probe, "role", "set", "-", input="x", check=0)
        assert re.match(r"\S+Z ● role: worker", follower.line("role: worker"))


def test_watch_gives_programs_one_state_a_line(probe):
    with contextlib.closing(Follower(probe, "-o", "json")) as follower:
        assert json.loads(follower.line("{"))["role"] == "none"
        agentctl(probe, "role", "set", "-", input="x", check=0)
        assert json.loads(follower.line("{"))["role"] == "worker"


def test_watch_waits_longer_than_its_time_out(probe):
    with contextlib.closing(Follower(probe, "-o", "json", "--timeout=2s")) as follower:
        follower.line("{")
        # This is the case itself: for longer than the time-out nothing changes.
        time.sleep(2.5)
        agentctl(probe, "reconcile", check=0)
        assert json.loads(follower.line("{"))["counters"]["requests"] == 1


def test_watch_ends_when_the_daemon_does(probe):
    with contextlib.closing(Follower(probe)) as follower:
        follower.line("no role")
        probe.stop()
        assert follower.process.wait(timeout=30) == 5


# Help and completion


def test_help_is_there_for_every_verb(tmp_path):
    dump = [line.split("\t") for line in agentctl(tmp_path, "help", "--dump", check=0)
            .stdout.splitlines()]
    verbs = [name for kind, name, *_ in dump if kind == "verb"]
    assert len(verbs) == len(set(verbs)) >= 11
    overview = agentctl(tmp_path, "--help", check=0).stdout
    for verb in verbs:
        assert re.search(rf"^  {verb} ", overview, re.M)
        shown = agentctl(tmp_path, "help", *verb.split(), check=0).stdout
        assert shown == agentctl(tmp_path, *verb.split(), "--help", check=0).stdout
        options, = [row[4] for row in dump if row[:2] == ["verb", verb]]
        for option in options.split(","):
            assert option in shown or ["hidden", option] in [row[:2] for row in dump]


def test_completion_in_the_tree_is_that_of_the_tables(tmp_path):
    made = agentctl(tmp_path, "help", "--completion", check=0).stdout
    assert made == (TOP / "contrib/completion/agentctl").read_text(), "run make completion"


def complete(probe, *words):
    script = f"""
        agentctl() {{ {AGENTCTL} --socket={probe.path} "$@"; }}
        . {TOP}/contrib/completion/agentctl
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _agentctl; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", script, "bash", "agentctl", *words],
                            capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return set(result.stdout.split())


def test_completion_knows_verbs_options_and_their_values(tmp_path):
    (tmp_path / "role.yaml").touch()
    with serving(IN_WORK) as probe:
        assert {"status", "role", "token"} <= complete(probe, "")
        assert complete(probe, "st") == {"status"}
        assert complete(probe, "token", "") == {"create", "list"}
        assert "--print-join-command" in complete(probe, "token", "create", "--")
        assert "--print-join-command" not in complete(probe, "status", "--")
        assert complete(probe, "status", "-o", "") == {"table", "wide", "json", "yaml"}
        assert complete(probe, "status", "--color", "=", "al") == {"always"}
        assert complete(probe, "-o", "json", "role", "") == {"show", "set"}
        assert complete(probe, "explain", "") == {row["name"] for row in ROWS}
        assert complete(probe, "role", "set", f"{tmp_path}/r") == {f"{tmp_path}/role.yaml"}


def test_socket_that_takes_no_connection_in_time_ends_with_124(tmp_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "s"))
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    first.connect(str(tmp_path / "s"))
    agentctl(tmp_path / "s", "status", "--timeout=100ms", check=124)
    first.close()
    listener.close()
