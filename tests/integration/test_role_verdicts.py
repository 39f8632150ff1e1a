"""Documents of kubeadm are accepted and refused as `kubeadm config validate` does.

The documents are the role files of tests/golden. Where the verdicts differ on purpose, a table here
says why; a row that is no longer true fails. KUBEADM names the real kubeadm; without it the one of
the lab's caches is taken, and without that the tests are skipped.
"""

import os
import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", HERE.parent.parent / "build" / "plain"))
PROBE = BUILD / "tests" / "integration" / "role-probe"
CACHE = pathlib.Path("/var/cache/agentd-lab")

LATER = "not supported yet: refused rather than ignored"
EARLIER = "kubeadm lets it through and a component fails later"
NO_NETWORK = "agentd never asks the network for a version"
YAML = "agentd refuses this part of YAML"
SAMPLE = "the token of the documentation is no secret"

STRICTER = {
    "alias": YAML,
    "anchor": YAML,
    "merge-key": YAML,
    "tag": YAML,
    "cluster-and-join": "kubeadm judges one command's documents, a role is one host's",
    "init-and-join": "kubeadm judges one command's documents, a role is one host's",
    "cluster-etcd-envs": LATER,
    "cluster-etcd-external": LATER,
    "cluster-extra-envs": LATER,
    "cluster-feature-gates": LATER,
    "init-certificate-key": LATER,
    "init-dry-run": LATER,
    "init-image-pull-policy": LATER,
    "init-image-pull-serial": LATER,
    "init-patches": LATER,
    "init-skip-phases": LATER,
    "init-timeout": LATER,
    "join-control-plane": LATER,
    "join-dry-run": LATER,
    "join-file-https": LATER,
    "join-timeout": LATER,
    "reset-configuration": LATER,
    "upgrade-configuration": LATER,
    "v1beta3": LATER,
    "cluster-version-new": LATER,
    "cluster-etcd-image-tag": EARLIER,
    "cluster-validity-zero": EARLIER,
    "cluster-ca-validity-zero": EARLIER,
    "cluster-volume-name": EARLIER,
    "cluster-volume-path-type": EARLIER,
    "cluster-volume-without-path": EARLIER,
    "init-arg-with-dashes": EARLIER,
    "init-health-timeout-zero": EARLIER,
    "init-token-ttl-short": EARLIER,
    "long-taint": EARLIER,
    "init-address-link-local": EARLIER,
    "init-address-multicast": EARLIER,
    "init-cri-socket": EARLIER,
    "init-ignore-all-and-more": EARLIER,
    "init-node-name-twice": EARLIER,
    "init-taint-effect": EARLIER,
    "init-taint-key": EARLIER,
    "init-taint-without-effect": EARLIER,
    "init-token-ttl-negative": EARLIER,
    "init-token-twice": EARLIER,
    "cluster-version-label": NO_NETWORK,
    "cluster-version-ci": NO_NETWORK,
    "init-token-sample": SAMPLE,
    "join-sample-token": SAMPLE,
}
MORE_LENIENT = {
    "every-field": "a token for signing only needs no groups; kubeadm sets them and then refuses",
    "worker-file-discovery": "the file may come later",
}


def kubeadm():
    named = os.environ.get("KUBEADM")
    found = [pathlib.Path(named)] if named else sorted(CACHE.glob("kubernetes-1.36-*/bin/kubeadm"))
    return found[-1] if found and found[-1].exists() else None


def is_kubeadms(path):
    """Whether every document of a file is one of kubeadm's API, for all that can be read of it."""
    lines = path.read_bytes().splitlines()
    versions = [line for line in lines if line.startswith(b"apiVersion:")]
    return bool(versions) and all(
        b"kubeadm.k8s.io/" in line or b"kubelet.config" in line or b"kubeproxy.config" in line
        for line in versions) and b"kubeadm.k8s.io/" in versions[0]


FILES = {
    path.stem: path
    for folder in ("role/good", "role/bad", "kubeadm")
    for path in sorted((GOLDEN / folder).glob("*.yaml")) if is_kubeadms(path)
}


def judge(path):
    # A proxy that is not there makes kubeadm give up asking for the newest version at once.
    offline = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:1"}
    return subprocess.run([kubeadm(), "config", "validate", "--config", path], env=offline,
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module", name="verdicts")
def run_both():
    if not kubeadm():
        pytest.skip("no real kubeadm: set KUBEADM, or let contrib/lab build it")
    with ThreadPoolExecutor(4) as pool:
        theirs = dict(zip(FILES, pool.map(judge, FILES.values())))
    ours = subprocess.run([PROBE, *FILES.values()], capture_output=True, text=True, timeout=60,
                          check=True).stdout.splitlines()
    assert len(ours) == len(FILES)
    return {name: (line, theirs[name]) for name, line in zip(FILES, ours)}


@pytest.mark.parametrize("name", FILES)
def test_verdict_is_kubeadms(verdicts, name):
    ours, theirs = verdicts[name]
    both = f"agentd: {ours}\nkubeadm: {theirs.stdout}{theirs.stderr}"
    if name in STRICTER:
        assert ours != "ok" and theirs.returncode == 0, f"{STRICTER[name]} is no longer true\n{both}"
    elif name in MORE_LENIENT:
        assert ours == "ok" and theirs.returncode != 0, \
            f"{MORE_LENIENT[name]} is no longer true\n{both}"
    else:
        assert (ours == "ok") == (theirs.returncode == 0), both


# Values of single fields, judged alike but for those of the table behind it.
VALUES = {
    "controlPlaneEndpoint": [
        "a", "a:1", "a:0", "a:65535", "a:65536", "a:", ":1", "A:1", "a_b", "10.0.0.1", "10.0.0.1:1",
        "fd00::1", "[fd00::1]:1", "[fd00::1]", "[10.0.0.1]:1", "[a]:1", "a.b.", "a..b", "1.2.3", "-a",
        "a:b", "a:1:2", "fd00::1:6443", "a:+1", "a:01", "a b:1", "1.2.3.4.5:1", "[fd00::1%eth0]:1",
    ],
    "certificatesDir": ["/", "/a/../b", "a", "./a", "//a", "~"],
    "imageRepository": [
        "a", "A", "a/b", "A/b", "a/B", "a.b:5/c", "a:5", "a:5/b", "a:b/c", "a/b:5", "[::1]/a", "[::1]:5",
        "a--b", "a_b", "a__b", "a___b", "a._b", "a.b", "a..b", "-a", "a-", "a.", "a/b/", "/a", "a//b",
        "a@b", "a b", "a/b_c", "a/b.c", "a/b..c", "a/-b", "localhost:5000", "A_b/c", "a_b:5/c", "10.0.0.1:5/a",
        "[::1%1]/a", "[10.0.0.1]/a", "[::g]/a", "a.B.c/d", "a.-b/c", "a-.b/c",
    ],
    "encryptionAlgorithm": ["RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384", "rsa-2048", "RSA"],
    "kubernetesVersion": [
        "v1.36.3", "1.36.3", "v1.35.0", "1.36.3-rc.1", "v1.36.3+a", "v1.36.3-a_b", "v1.36", "1", "v1.36.03",
        "v01.36.3", "v1.36.3.1", "v1.36.3 ", "v1.33.0", "V1.36.3", "vv1.36.3", "v1.36.3-", "latest-2",
    ],
    "clusterName": ["a", "A b", "ä", "a/b"],
    "certificateValidityPeriod": ["1h", "1h1m1s", "1.5h", "10", "h", "1d", "1H", "1h ", "1ms", "+1h", "1µs"],
    "networking.dnsDomain": ["a", "a.b", "A", "a.", "a_b", "-a", "1", "a-b.c", "*.a", "a" * 63, "a" * 64],
    "networking.serviceSubnet": [
        "10.96.0.0/12", "10.96.0.0/11", "10.0.0.0/28", "10.0.0.0/29", "10.0.0.7/16", "fd00::/108", "fd00::/107",
        "fd00::/112,10.0.0.0/16", "10.0.0.0/16,fd00::/112", "10.0.0.0/16,10.1.0.0/16", "10.0.0.0/16,",
        "10.0.0.0/16, fd00::/112", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/16", "010.0.0.0/16",
        "::ffff:10.0.0.0/112", "fd00::/112,fd01::/112", "10.0.0.0/016", "a/16", "10.0.0.0/16/16",
    ],
    "networking.podSubnet": [
        "10.244.0.0/16", "10.0.0.0/8", "10.0.0.0/7", "10.0.0.0/24", "10.0.0.0/25", "fd00::/48", "fd00::/47",
        "fd00::/64", "fd00::/65", "10.0.0.0/16,fd00::/48", "fd00::/48,10.0.0.0/16,10.1.0.0/16",
    ],
    "etcd.local.dataDir": ["/a", "a"],
    "etcd.local.imageRepository": ["a", "a/B"],
    "etcd.local.serverCertSANs": [["a"], ["A"], ["10.0.0.1"], ["fd00::1"], ["*.a"], ["*"], ["a", "b_c"], ["[fd00::1]"]],
    "apiServer.certSANs": [["a"], ["A"], ["*.A"], ["*.*.a"], ["a.*"], [""], ["10.0.0.256"], ["1.2.3"], ["a."]],
    "dns.imageRepository": ["a", "a b"],
    "dns.disabled": [True, False],
    "apiServer": [{}, {"certSANs": []}, {"extraArgs": None}],
    "etcd": [{}, {"local": {}}, {"local": None}],
}
DIFFERENT_VALUES = {
    ("controlPlaneEndpoint", "[fd00::1]"): "agentd adds the port, as it does without the brackets",
    ("controlPlaneEndpoint", "a:"): EARLIER,
    ("controlPlaneEndpoint", "[a]:1"): EARLIER,
    ("controlPlaneEndpoint", "[10.0.0.1]:1"): EARLIER,
    ("certificateValidityPeriod", "1ms"): EARLIER,
    ("certificateValidityPeriod", "1µs"): EARLIER,
    ("networking.serviceSubnet", "010.0.0.0/16"): "octal or not: nobody agrees",
    ("networking.serviceSubnet", "::ffff:10.0.0.0/112"): "an IPv4 subnet in disguise",
    ("kubernetesVersion", "latest-2"): NO_NETWORK,
}


def test_single_values_are_judged_alike(tmp_path):
    if not kubeadm():
        pytest.skip("no real kubeadm: set KUBEADM, or let contrib/lab build it")
    files, expected = [], []
    for field, values in VALUES.items():
        for value in values:
            expected.append(not isinstance(value, str) or (field, value) not in DIFFERENT_VALUES)
            document = {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration",
                        "kubernetesVersion": "v1.36.3"}
            *outer, last = field.split(".")
            inner = document
            for key in outer:
                inner = inner.setdefault(key, {})
            inner[last] = value
            files.append(tmp_path / f"{len(files)}.yaml")
            files[-1].write_text(yaml.safe_dump(document, allow_unicode=True))
    with ThreadPoolExecutor(4) as pool:
        theirs = list(pool.map(judge, files))
    ours = subprocess.run([PROBE, *files], capture_output=True, text=True, timeout=60,
                          check=True).stdout.splitlines()
    different = [f"{file.read_text()}agentd: {line}\nkubeadm: {result.stdout}{result.stderr}"
                 for file, line, result, alike in zip(files, ours, theirs, expected, strict=True)
                 if ((line == "ok") == (result.returncode == 0)) != alike]
    assert not different, "\n".join(different)


def test_tables_name_files_that_exist():
    assert set(STRICTER) | set(MORE_LENIENT) <= set(FILES)


def test_golden_documents_are_yaml():
    for path in (GOLDEN / "kubeadm").glob("*.yaml"):
        assert list(yaml.safe_load_all(path.read_text()))
