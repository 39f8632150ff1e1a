"""The commands of contrib/lab."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from . import agentd, gobuild, machine
from .documents import (
    init_configuration, kube_proxy_configuration, kubelet_configuration, role_configuration, to_yaml,
)
from .lab import Lab
from .progress import Progress
from .run import LabError, run, wait_until
from .settings import DEFAULT_KUBERNETES

ROLE_FILE = "/etc/agentd/role.yaml"
# All hosts share the machine's cores, so this is generous; what is awaited ends the wait.
NODE_TIMEOUT = 600

EPILOGUE = """\
contrib/lab up                      a control plane and a worker, both Ready
contrib/lab kubectl get pods -A     kubectl of the first control plane
contrib/lab enter w1                a shell on a host
contrib/lab exec cp1 -- agentctl status
contrib/lab net -- curl -k https://10.77.0.11:6443/version
contrib/lab down                    erases the hosts and keeps the caches
"""


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        machine.require_root()
        return options.run(Lab(options.lab, Progress()), options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


def parser():
    top = argparse.ArgumentParser(
        prog="contrib/lab", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOGUE,
        description="Hosts with systemd, containerd, agentd and real Kubernetes on this machine.",
    )
    top.add_argument("--lab", default="default", metavar="NAME",
                     help="which lab; several live side by side (default: %(default)s)")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    up = add(verbs, "up", up_command, "make and boot what is missing, give each host its role")
    up.add_argument("--control-planes", type=count(1, 1), default=1, metavar="N",
                    help="number of control planes; so far only 1")
    up.add_argument("--workers", type=count(0, 99), default=1, metavar="N",
                    help="number of workers (default: %(default)s)")
    up.add_argument("--bare", action="store_true", help="hosts with agentd, but without a role")
    up.add_argument("--kube-bin", type=directory, metavar="DIR",
                    help="own Kubernetes binaries; what DIR lacks comes from the built ones")
    up.add_argument("--kubernetes", type=kubernetes_version, metavar="VERSION",
                    help=f"{', '.join(gobuild.minors())} (default: {DEFAULT_KUBERNETES})")

    add(verbs, "prepare", prepare_command, "only get and build what hosts are made of")
    add(verbs, "install", install_command, "put the agentd of this tree on the running hosts")
    add(verbs, "down", down_command, "erase the hosts, keep the caches")
    add(verbs, "status", status_command, "the hosts, the nodes and what agentd says")
    enter = add(verbs, "enter", enter_command, "a shell on a host")
    enter.add_argument("host", metavar="HOST")
    execute = add(verbs, "exec", exec_command, "run a command on a host")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    kubectl = add(verbs, "kubectl", kubectl_command, "kubectl of the first control plane",
                  add_help=False, prefix_chars="\0")
    kubectl.add_argument("command", nargs="*", metavar="ARGUMENT")
    network = add(verbs, "net", net_command, "a command of this machine in the lab's network")
    network.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    logs = add(verbs, "logs", logs_command, "what agentd, kubelet and containerd of a host said")
    logs.add_argument("host", metavar="HOST")
    logs.add_argument("-f", "--follow", action="store_true", help="go on showing what is said")
    logs.add_argument("-u", "--unit", action="append", metavar="UNIT", help="only this unit")
    reboot = add(verbs, "reboot", reboot_command, "reboot a host")
    reboot.add_argument("host", metavar="HOST")
    return top


def add(verbs, name, run_verb, text, **options):
    verb = verbs.add_parser(name, help=text, description=text, **options)
    verb.set_defaults(run=run_verb)
    return verb


def count(least, most):
    def number(text):
        if not text.isdigit() or not least <= int(text) <= most:
            allowed = f"{least}" if least == most else f"{least} to {most}"
            raise argparse.ArgumentTypeError(f"{text} is not possible, only {allowed}")
        return int(text)
    return number


def directory(text):
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"{text} is not a directory")
    return Path(text).resolve()


def kubernetes_version(text):
    try:
        return gobuild.find_minor(text)
    except LabError as error:
        raise argparse.ArgumentTypeError(str(error).replace("\n", ": ")) from error


# up


def up_command(lab, options):
    begin = time.monotonic()
    machine.install_packages(lab.progress)
    with lab.locked():
        refuse_other_version(lab, options)
        lab.prepare(
            options.kubernetes or lab.settings().get("kubernetes"),
            options.kube_bin or lab.settings().get("kube_bin"),
        )
        names = [f"cp{number + 1}" for number in range(options.control_planes)]
        names += [f"w{number + 1}" for number in range(options.workers)]
        with lab.progress.step(f"booting {', '.join(names)}"):
            lab.add(*names)
        if not options.bare:
            give_roles(lab)
    print_result(lab, options, time.monotonic() - begin)


def prepare_command(lab, _):
    machine.install_packages(lab.progress)
    lab.get_parts()


def refuse_other_version(lab, options):
    have = lab.settings()
    if not lab.hosts:
        return
    asked = options.kubernetes
    if asked and asked != have["kubernetes"]:
        raise LabError(
            f"this lab runs Kubernetes {have['kubernetes']}",
            "`contrib/lab down` first, or choose another lab with --lab.",
        )
    if options.kube_bin and str(options.kube_bin) != have["kube_bin"]:
        raise LabError(
            "this lab runs other Kubernetes binaries",
            "`contrib/lab down` first, or choose another lab with --lab.",
        )


def give_roles(lab):
    first = lab.host("cp1")
    if not first.file_exists(ROLE_FILE):
        first.write(ROLE_FILE, control_plane_role_file(first), 0o600)
    wait_for_node(lab, first)
    for host in lab.hosts:
        if host.name.startswith("w"):
            if not host.file_exists(ROLE_FILE):
                host.write(ROLE_FILE, worker_role_file(first), 0o600)
            wait_for_node(lab, host)


def control_plane_role_file(host):
    return to_yaml(
        role_configuration("control-plane"),
        init_configuration(host),
        kubelet_configuration(),
        kube_proxy_configuration(),
    )


def worker_role_file(control_plane):
    """What a user would do: the control plane prints the role file of the next host."""
    command = ["agentctl", "token", "create", "--print-join-command", "--role-file"]
    result = None

    def created():
        nonlocal result
        result = control_plane.run(command, check=False)
        return result.returncode == 0

    wait_until(created, timeout=NODE_TIMEOUT, every=0.5,
               what=f"`{' '.join(command)}` works on {control_plane.name}",
               hint=lambda: result.stderr + result.stdout)
    return result.stdout


def wait_for_node(lab, host):
    with lab.progress.step(f"waiting until {host.name} is Ready") as step:
        def ready():
            step.detail = summary(host)
            return lab.node_is_ready(host.name)
        wait_until(ready, timeout=NODE_TIMEOUT, every=0.2, what=f"node {host.name} is Ready",
                   hint=lambda: failure_hint(host))


def summary(host):
    """The first thing that agentd still waits for, in its own words."""
    result = host.run(["agentctl", "status", "-o", "json"], check=False)
    try:
        status = json.loads(result.stdout)
    except ValueError:
        return result.stderr.strip().split("\n")[-1]
    for condition in status.get("conditions", []):
        if condition.get("status") != "True":
            return f"{condition.get('type')}: {condition.get('message') or condition.get('reason')}"
    return ""


def failure_hint(host):
    status = host.run(["agentctl", "status"], check=False)
    return (
        f"agentctl status of {host.name}:\n{status.stdout}{status.stderr}\n"
        f"The end of its journal:\n{host.journal('agentd.service', lines=20)}\n"
        f"More: contrib/lab logs {host.name}"
    )


def print_result(lab, options, seconds):
    prefix = "contrib/lab" if lab.name == "default" else f"contrib/lab --lab {lab.name}"
    if options.bare:
        print(f"\n{len(lab.hosts)} hosts without a role after {seconds:.0f} s.")
    else:
        print(f"\nAll nodes Ready after {seconds:.0f} s.\n")
        print(lab.kubectl("get", "nodes").stdout)
        for host in lab.hosts:
            print(f"--- agentctl status of {host.name}")
            print(host.run(["agentctl", "status"], check=False).stdout)
    print(f"""
  {prefix} kubectl get pods -A        kubectl of cp1
  {prefix} enter cp1                  a shell on a host
  {prefix} exec cp1 -- agentctl status
  {prefix} net -- CMD                 a command of this machine in the lab's network
  {prefix} logs cp1                   what agentd, kubelet and containerd said
  {prefix} reboot cp1
  {prefix} down                       erases the hosts and keeps the caches""")


# the others


def install_command(lab, _):
    if not lab.hosts:
        raise LabError("there is no lab", "`contrib/lab up` makes one.")
    layer = agentd.layer(lab.progress)
    with lab.locked():
        for host in lab.hosts:
            with lab.progress.step(f"installing agentd on {host.name}"):
                host.install(layer)


def down_command(lab, _):
    with lab.locked():
        names = [host.name for host in lab.hosts]
        lab.down()
    print(f"Erased {', '.join(names)}." if names else "There was no lab.")


def status_command(lab, _):
    if not lab.hosts:
        print("There is no lab. `contrib/lab up` makes one.")
        return
    for host in lab.hosts:
        state = "running" if host.is_running() else "not running"
        print(f"{host.name:5} {host.address:12} {state}")
    first = lab.hosts[0]
    if first.is_running() and first.file_exists("/etc/kubernetes/admin.conf"):
        result = lab.kubectl("get", "nodes", host=first.name, check=False)
        print(f"\n{result.stdout}{result.stderr}")
    for host in lab.hosts:
        if host.is_running():
            result = host.run(["agentctl", "status"], check=False)
            print(f"--- agentctl status of {host.name}\n{result.stdout}{result.stderr}")


def enter_command(lab, options):
    hand_over(lab.host(options.host).command(["bash", "--login"]))


def exec_command(lab, options):
    hand_over(lab.host(options.host).command(given_command(options.command)))


def kubectl_command(lab, options):
    hand_over(lab.host("cp1").command(["kubectl", *options.command]))


def net_command(lab, options):
    if not lab.network.path.exists():
        raise LabError("there is no lab", "`contrib/lab up` makes one.")
    hand_over(lab.network.command(given_command(options.command)))


def given_command(words):
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        print("lab: a command is missing: ... -- CMD", file=sys.stderr)
        raise SystemExit(2)
    return words


def hand_over(command):
    sys.stdout.flush()
    os.execvp(command[0], command)


def logs_command(lab, options):
    host = lab.host(options.host)
    units = options.unit or ["agentd.service", "kubelet.service", "containerd.service"]
    if options.follow:
        selected = [f"--unit={unit}" for unit in units]
        hand_over(host.command(["journalctl", "--follow", "--lines=100", *selected]))
    sys.stdout.write(host.journal(*units))


def reboot_command(lab, options):
    with lab.locked():
        host = lab.host(options.host)
        with lab.progress.step(f"rebooting {host.name}"):
            if host.is_running():
                host.reboot()
            else:
                host.start()
