"""The control socket as other processes see it: who may call what, introspection by a foreign
client, and clients that mean no good."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import stat
import subprocess
import time

import controlprobe
import pytest
import varlink
from controlprobe import BUILD, GROUP, NODE, Child, Probe, run_as

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="other users take root")

SERVICE = "org.varlink.service."
DENIED = SERVICE + "PermissionDenied"
READING = {
    NODE + "Status": None, NODE + "Plan": None, NODE + "Explain": {"resource": "kubelet-unit"},
    NODE + "GetRole": None, NODE + "TokenList": None, NODE + "Version": None,
    NODE + "History": {"since": "1h", "resource": "etcd"}, NODE + "DriftList": None,
    SERVICE + "GetInfo": None,
    SERVICE + "GetInterfaceDescription": {"interface": "io.agentd.Node"},
}
CHANGING = {
    NODE + "Reconcile": None, NODE + "SetRole": {"text": "role: worker\n"},
    NODE + "TokenCreate": None, NODE + "Hold": {"what": "kubelet-unit", "for": "2h"},
    NODE + "Release": {"what": "kubelet-unit"}, NODE + "DriftShow": {"id": 1},
    NODE + "DriftRestore": {"id": 1, "for": "1h"},
}
# Root comes first, so that there is a role to read for the others.
CALLS = {**CHANGING, **READING}
MEMBER = {"uid": 1234, "gid": GROUP}


@pytest.fixture
def probe():
    probe = Probe()
    yield probe
    probe.close()


# Who may call what


@pytest.mark.parametrize("who, readable, changeable", [
    ({}, True, True),
    ({"uid": 0, "gid": 1234}, True, True),
    ({"uid": 1234, "gid": GROUP}, True, False),
    ({"uid": 1234, "gid": 1234, "groups": [GROUP]}, True, False),
    ({"uid": 1234, "gid": 1234, "groups": [7, *range(20000, 20200), GROUP]}, True, False),
    ({"uid": 1234, "gid": 1234}, False, False),
    ({"uid": 65534, "gid": 65534}, False, False),
    ({"uid": 4294967294, "gid": 4294967294}, False, False),
    ({"uid": 1234, "gid": 0}, False, False),
])
def test_peer_may_what_its_credentials_say(probe, who, readable, changeable):
    controlprobe.errors_of(probe.path, CALLS)
    probe.open_to_all()
    errors = run_as(lambda: controlprobe.errors_of(probe.path, CALLS), **who)
    for method in CHANGING:
        assert errors[method] == (None if changeable else DENIED), method
    for method in READING:
        assert errors[method] == (None if readable else DENIED), method


def test_stranger_does_not_even_reach_the_socket(probe):
    with pytest.raises(PermissionError):
        run_as(lambda: controlprobe.errors_of(probe.path, CALLS), uid=1234, gid=1234)


def test_root_of_a_user_namespace_is_who_it_is_outside(probe):
    probe.open_to_all()

    def ask():
        controlprobe.enter_user_namespace()
        return controlprobe.errors_of(probe.path, CALLS)

    try:
        errors = run_as(ask, uid=1234, gid=1234)
    except OSError as error:
        pytest.skip(str(error))
    assert set(errors.values()) == {DENIED}


@contextlib.contextmanager
def pod_cgroup():
    """The cgroup.procs file of a cgroup that looks like a pod's."""
    for mount in ("/sys/fs/cgroup", *map(str, pathlib.Path("/sys/fs/cgroup").glob("*"))):
        pods = pathlib.Path(mount) / f"agentd-test-{os.getpid()}/kubepods"
        try:
            pods.mkdir(parents=True)
        except OSError:
            continue
        if (pods / "cgroup.procs").exists():
            yield pods / "cgroup.procs"
            pods.rmdir()
            pods.parent.rmdir()
            return
        pods.rmdir()
        pods.parent.rmdir()
    pytest.skip("no cgroup can be made here")


def test_root_of_a_pod_is_refused(probe):
    with pod_cgroup() as procs:
        errors = run_as(lambda: controlprobe.errors_of(probe.path, CALLS),
                        before=lambda pid: procs.write_text(str(pid)))
    assert set(errors.values()) == {DENIED}
    assert probe.has_said("is one of a pod")


def test_credentials_are_those_at_accept(probe):
    """A descriptor that root opened and handed on keeps root's rights, and one that a reader opened
    gains none."""
    probe.open_to_all()

    def use_after_becoming_root():
        client = varlink.Client(probe.path)
        client.call(NODE + "Status")
        os.setresuid(0, 0, 0)
        try:
            client.call(NODE + "Reconcile")
        except varlink.Error as error:
            return error.name
        return None

    def become_reader(_):
        os.setresgid(GROUP, GROUP, 0)
        os.setresuid(1234, 1234, 0)

    assert run_as(use_after_becoming_root, before=become_reader) == DENIED


def test_changes_and_refusals_are_in_the_journal(probe):
    controlprobe.errors_of(probe.path, CHANGING)

    def insist():
        for _ in range(100):
            controlprobe.errors_of(probe.path, CHANGING)

    run_as(insist, **MEMBER)
    probe.stop()
    text = probe.said()
    for name in ("Reconcile", "SetRole", "TokenCreate"):
        assert re.search(rf"<6>control: {name} by uid 0, process {os.getpid()}", text)
    refused = [line for line in probe.log if "refused uid 1234" in line]
    # The reader says how often, so the journal does not repeat it.
    assert 1 <= len(refused) <= 3


# The socket and its directory


def test_socket_and_directory_belong_to_root_and_the_group(probe):
    directory, node = probe.path.parent.stat(), probe.path.stat()
    assert stat.S_IMODE(directory.st_mode) == 0o750
    assert stat.S_IMODE(node.st_mode) == 0o660 and stat.S_ISSOCK(node.st_mode)
    for status in (directory, node):
        assert (status.st_uid, status.st_gid) == (0, GROUP)


def test_modes_of_a_directory_that_was_there_are_put_right(probe):
    probe.stop()
    probe.path.parent.chmod(0o777)
    os.chown(probe.path.parent, 0, 0)
    probe.start()
    status = probe.path.parent.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o750, GROUP)


def test_directory_of_somebody_else_is_refused(probe):
    probe.stop()
    os.chown(probe.path.parent, 1234, GROUP)
    with pytest.raises(AssertionError):
        probe.start()
    assert probe.process.wait() != 0
    probe.process = None
    assert "belongs to uid 1234" in probe.said()


def test_left_over_socket_is_replaced(probe):
    probe.stop()
    assert probe.path.exists()
    probe.start()
    assert probe.call("Version")


def test_socket_that_is_served_is_left_alone(probe):
    second = subprocess.run([BUILD / "tests/integration/control-probe", probe.root, str(GROUP)],
                            capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert "another agentd serves" in second.stderr
    assert probe.call("Version")


def test_without_the_group_the_socket_is_roots(probe):
    probe.stop()
    probe.group = "no-such-group"
    probe.start()
    assert probe.call("Reconcile") == {}
    probe.open_to_all()
    errors = run_as(lambda: controlprobe.errors_of(probe.path, READING), uid=1234, gid=0)
    assert set(errors.values()) == {DENIED}


def test_clients_wait_in_the_socket_that_systemd_keeps():
    with contextlib.closing(Probe(start=False)) as probe:
        listener = controlprobe.listening_socket(probe.path)
        early = probe.client()
        early.send(NODE + "Version")
        # Its own process id is what systemd would put into LISTEN_PID.
        probe.process = subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink exec "$@"', "sh",
             BUILD / "tests/integration/control-probe", probe.root, str(GROUP)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, close_fds=False,
            preexec_fn=lambda: os.dup2(listener.fileno(), 3, inheritable=True))
        assert probe.process.stdout.readline() == "ready\n"
        assert early.receive()["parameters"]["version"]
        assert probe.call("Version")
        early.socket.close()
        listener.close()


# What a foreign client makes of it


def test_foreign_client_reads_the_description_and_gets_what_it_says(probe):
    with probe.client() as client:
        info = client.call(SERVICE + "GetInfo")
        assert info["interfaces"] == ["org.varlink.service", "io.agentd.Node"]
        service = client.interface("org.varlink.service")
        service.check(info, service.methods["GetInfo"][1])
        node = client.interface("io.agentd.Node")
        assert node.name == "io.agentd.Node"
        assert {NODE + name for name in node.methods} == {
            name for name in CALLS if name.startswith(NODE)}
        for method, parameters in CALLS.items():
            if method.startswith(NODE):
                name = method[len(NODE):]
                node.check(parameters or {}, node.methods[name][0], f"{name}'s parameters")
                node.check(client.call(method, parameters), node.methods[name][1], name)


@pytest.mark.parametrize("method, parameters, error", [
    ("Explain", {"resource": "nothing"}, "NotFound"),
    ("SetRole", {"text": "refuse"}, "RoleRefused"),
    ("SetRole", {"text": "disk full"}, "Failed"),
    ("TokenCreate", {"ttl": "1s"}, "Failed"),
    ("Hold", {"what": "nothing"}, "Failed"),
    ("Release", {"what": "nothing"}, "Failed"),
    ("DriftShow", {"id": 3}, "Failed"),
    ("DriftRestore", {"id": 3}, "Failed"),
    ("Plan", None, "NoRole"),
])
def test_errors_are_those_of_the_description(probe, method, parameters, error):
    with probe.client() as client:
        node = client.interface("io.agentd.Node")
        with pytest.raises(varlink.Error) as caught:
            client.call(NODE + method, parameters)
    assert caught.value.name == NODE + error
    node.check(caught.value.parameters, node.errors[error], error)


def test_follower_gets_the_whole_state_and_then_each_new_one(probe):
    with probe.client() as follower:
        follower.send(NODE + "Status", more=True)
        first = follower.receive()
        assert first["continues"] and first["parameters"]["counters"]["requests"] == 0
        for number in (1, 2, 3):
            probe.call("Reconcile")
            reply = follower.receive()
            assert reply["continues"]
            assert reply["parameters"]["counters"]["requests"] == number


def test_follower_that_does_not_read_gets_the_newest_state(probe):
    with probe.client() as follower:
        follower.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        follower.send(NODE + "Status", more=True)
        deadline = time.monotonic() + 3
        number = 0
        # Changes come for longer than the pause between two states of a stream.
        while time.monotonic() < deadline:
            probe.call("Reconcile")
            number += 1
        seen = []
        while not seen or seen[-1] < number:
            seen.append(follower.receive()["parameters"]["counters"]["requests"])
        assert seen == sorted(seen)
        assert len(seen) < number


# Clients that mean no good


def test_call_that_trickles_in_is_cut_off(probe):
    with probe.client() as slow:
        begin = time.monotonic()
        # More bytes gain no more time.
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() < begin + 60:
                slow.socket.sendall(b" ")
                assert probe.call("Version")
                time.sleep(0.2)
        assert time.monotonic() >= begin + 4


@pytest.mark.parametrize("who, size", [({}, 1 << 20), (MEMBER, 1 << 16)])
def test_giant_call_is_cut_off(probe, who, size):
    def send(length):
        with varlink.Client(probe.path) as client:
            text = "x" * (length - 100)
            try:
                client.send(NODE + "Explain", {"resource": text})
                reply = client.receive()
            except (BrokenPipeError, ConnectionResetError):
                return None
            return reply and reply["error"]

    # A child is who it is for as long as it lives, and so asks for both.
    fits, over = run_as(lambda: (send(size), send(size + 200)), **who)
    assert fits == NODE + "NotFound"
    assert over is None
    assert probe.call("Version")


def test_half_closed_client_gets_its_answers(probe):
    with probe.client() as client:
        client.send(NODE + "Version")
        client.send(NODE + "TokenCreate")
        client.send(NODE + "Status", more=True)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.receive()["parameters"]["version"]
        assert client.receive()["parameters"]["token"]
        assert client.receive()["continues"]
        assert client.receive() is None


def test_work_is_given_up_when_its_client_leaves(probe):
    with probe.client() as client:
        client.send(NODE + "TokenCreate", {"description": "slow"})
        # An answer to somebody else says that this one has been read.
        assert probe.call("Version")
    deadline = time.monotonic() + 20
    while probe.call("Status")["counters"]["wakeups"] != 1:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("junk", [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0", id="http"),
    pytest.param(b"\0" * 1000, id="nothing"),
    pytest.param(b"{}\0", id="empty"),
    pytest.param(b"[" * 60000 + b"\0", id="deep"),
    pytest.param(b'{"method":"io.agentd.Node.Version","upgrade":true}\0', id="upgrade"),
    pytest.param(b"\xff" * 100 + b"\0", id="bytes"),
])
def test_nonsense_ends_its_connection_and_nothing_else(probe, junk):
    with probe.client() as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.socket.sendall(junk)
        assert client.receive() is None
    assert probe.call("Version")


def hold(path, count):
    """Opens connections and keeps them; returns how many were taken."""
    clients = []
    taken = 0
    for _ in range(count):
        client = varlink.Client(path)
        try:
            client.call(NODE + "Version")
            taken += 1
        except varlink.Error as error:
            assert error.name == NODE + "Busy"
        except (BrokenPipeError, ConnectionResetError):
            pass
        clients.append(client)
    hold.kept = clients
    return taken


def test_reader_has_64_connections_and_root_is_still_served(probe):
    child = Child(lambda: hold(probe.path, 80), **MEMBER)
    assert child.result() == 64
    assert probe.call("Reconcile") == {}
    other = run_as(lambda: hold(probe.path, 1), uid=1235, gid=GROUP)
    assert other == 1
    child.end()
    assert run_as(lambda: hold(probe.path, 10), **MEMBER) == 10


def test_many_readers_leave_room_for_root(probe):
    children = [Child(lambda: hold(probe.path, 64), uid=2000 + i, gid=GROUP) for i in range(17)]
    taken = sum(child.result() for child in children)
    assert taken == 1100 - 76
    for _ in range(20):
        assert probe.call("Version")
    for child in children:
        child.end()
    assert probe.call("Version")


def test_root_has_a_limit_too(probe):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("not enough descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    assert run_as(lambda: hold(probe.path, 1110)) == 1100
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_daemon_without_descriptors_turns_clients_away_and_recovers():
    with contextlib.closing(Probe(files=32)) as probe:
        child = Child(lambda: hold(probe.path, 60), **MEMBER)
        assert 5 <= child.result() < 32
        child.end()
        deadline = time.monotonic() + 20
        answer = None
        while not answer:
            assert time.monotonic() < deadline
            with contextlib.suppress(varlink.Error, ConnectionError):
                answer = probe.call("Version")
        probe.stop()
        assert re.search("no file descriptors left|Too many open files", probe.said())


def test_flood_of_connections_leaves_root_served_and_memory_small(probe):
    def flood():
        count = 0
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline or count < 10000:
            with contextlib.suppress(OSError):
                client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                client.connect(str(probe.path))
                client.close()
            count += 1
        return count

    for _ in range(10):
        probe.call("Status")
    before = probe.private_memory()
    child = Child(flood, **MEMBER)
    times = []
    while child.pid and len(times) < 200:
        begin = time.monotonic()
        probe.call("Status")
        times.append(time.monotonic() - begin)
    count = child.result()
    child.end()
    times.sort()
    print(f"{count} connections; root's status: median {times[100] * 1000:.1f} ms, "
          f"p99 {times[198] * 1000:.1f} ms")
    assert count >= 10000
    # What a sanitizer keeps of freed memory is not the daemon's.
    if "asan" not in pathlib.Path(f"/proc/{probe.process.pid}/maps").read_text():
        assert probe.private_memory() - before <= 1 << 20
