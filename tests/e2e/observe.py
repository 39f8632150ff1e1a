"""Everything that a bring-up leaves on a control plane, in a form that can be compared.

The result maps "thing: path of the field" to its value. What has to differ between two clusters
(keys, serial numbers, identifiers, times) is replaced by a description of it.
"""

import base64
import datetime
import re
import subprocess

import yaml

KUBECONFIGS = ("admin", "controller-manager", "kubelet", "scheduler", "super-admin")
MANIFESTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
OBJECTS = (
    "configmaps", "secrets", "serviceaccounts", "services", "daemonsets", "deployments", "roles",
    "rolebindings", "clusterroles", "clusterrolebindings", "nodes",
)
EXTENSIONS = "subjectAltName,keyUsage,extendedKeyUsage,basicConstraints"
# Kubernetes itself makes these in every cluster, or writes its state into them.
OF_KUBERNETES = re.compile(
    r"ConfigMap/[^/]+/(kube-root-ca\.crt|extension-apiserver-authentication"
    r"|kube-apiserver-legacy-service-account-token-tracking)"
    # Those of its controllers come up one after the other.
    r"|ServiceAccount/kube-system/(?!(coredns|kube-proxy)$).*|ServiceAccount/[^/]+/default"
    r"|Service/default/kubernetes|Secret/.*-token-[a-z0-9]{5}"
)
BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.S)
VOLATILE_METADATA = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation",
                     "ownerReferences")


def control_plane(lab, host):
    found = {}
    for name in MANIFESTS:
        add_file(found, host, f"/etc/kubernetes/manifests/{name}.yaml", parse_yaml)
    for name in KUBECONFIGS:
        add_file(found, host, f"/etc/kubernetes/{name}.conf", parse_yaml)
    for name in ("config.yaml", "instance-config.yaml"):
        add_file(found, host, f"/var/lib/kubelet/{name}", parse_yaml)
    add_file(found, host, "/var/lib/kubelet/kubeadm-flags.env", lambda text: {"text": text})
    directory = host.sh("sed -n 's/.*--client-ca-file=\\(.*\\)\\/ca.crt/\\1/p'"
                        " /etc/kubernetes/manifests/kube-apiserver.yaml").stdout.strip()
    for path in host.run(["find", directory, "-type", "f"]).stdout.split():
        add_file(found, host, path, lambda text: {"content": describe(text)})
    for item in lab.objects(",".join(OBJECTS), "--all-namespaces", host=host.name)["items"]:
        add_object(found, item)
    return found


def add_file(found, host, path, parse):
    if not host.file_exists(path):
        return
    owner = host.run(["stat", "--format=%U:%G %a", path]).stdout.strip()
    flatten(found, path, {"(owner and mode)": owner, **parse(host.read(path))})


def parse_yaml(text):
    return plain(yaml.safe_load(text))


def add_object(found, item):
    metadata = item["metadata"]
    name = "/".join(filter(None, [item["kind"], metadata.get("namespace"), metadata["name"]]))
    if OF_KUBERNETES.fullmatch(name) or "kubernetes.io/bootstrapping" in metadata.get("labels", {}):
        return
    if item["kind"] == "Node":
        # The rest of a Node is the kubelet's.
        item = {"metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]},
                "spec": {"taints": item["spec"].get("taints")}}
    for field in VOLATILE_METADATA:
        item["metadata"].pop(field, None)
    item["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    item.pop("status", None)
    if item.get("kind") == "Secret":
        decoded = {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
        if "expiration" in decoded:
            decoded["expiration"] = from_now(datetime.datetime.fromisoformat(decoded["expiration"]))
        item["data"] = decoded
    if item.get("kind") == "ConfigMap":
        item["data"] = {key: structured(key, text) for key, text in item.get("data", {}).items()}
    flatten(found, name, plain(item))


def structured(key, text):
    """Documents inside of a ConfigMap are compared as documents."""
    if key.startswith("jws-kubeconfig-"):
        return "a signature"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, dict) else text


def plain(value):
    """Replaces everything that no two clusters share."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return plain_text(value)
    return value


def plain_text(text):
    if BLOCK.search(text):
        return describe(text)
    if len(text) > 200 and re.fullmatch(r"[A-Za-z0-9+/=]+", text):
        decoded = base64.b64decode(text).decode(errors="replace")
        if BLOCK.search(decoded):
            return describe(decoded)
    return text


def describe(text):
    """What PEM text is, without what is different in every cluster."""
    return [describe_block(match) for match in BLOCK.finditer(text)]


def describe_block(match):
    kind, pem = match.group(1), match.group(0)
    if kind == "CERTIFICATE":
        said = openssl(pem, "x509", "-noout", "-subject", "-issuer", "-dates", "-ext", EXTENSIONS,
                       "-nameopt", "RFC2253")
        lines = [" ".join(line.split()) for line in said.split("\n")]
        dates = {line.split("=")[0]: parse_date(line.split("=")[1])
                 for line in lines if re.match("not(Before|After)=", line)}
        rest = [sorted(line.split(", ")) for line in lines if line and not line.startswith("not")]
        text = openssl(pem, "x509", "-noout", "-text")
        return {
            "certificate": rest,
            "key": re.search(r"Public-Key: \((.*)\)", text).group(1),
            "signature": re.search(r"Signature Algorithm: (\S+)", text).group(1),
            "valid": from_now(dates["notAfter"]),
        }
    if "PRIVATE KEY" in kind:
        said = openssl(pem, "pkey", "-noout", "-text")
        return {"private key": kind, "bits": re.search(r"\((.*?)\)", said).group(1)}
    if kind == "PUBLIC KEY":
        said = openssl(pem, "pkey", "-pubin", "-noout", "-text")
        return {"public key": re.search(r"\((.*?)\)", said).group(1)}
    return {"block": kind}


def openssl(pem, *words):
    return subprocess.run(["openssl", *words], input=pem, text=True, capture_output=True, check=True,
                          timeout=60).stdout


def parse_date(text):
    return datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=datetime.UTC)


def from_now(moment):
    """Rounded, as bring-ups do not take equally long."""
    hours = (moment - datetime.datetime.now(datetime.UTC)).total_seconds() / 3600
    return f"{round(hours)} hours from now"


def flatten(found, thing, value, path=""):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            flatten(found, thing, item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            flatten(found, thing, item, f"{path}[{item.get('name', number)}]")
    else:
        found[f"{thing}: {path}"] = value


def differences(expected, actual):
    """Field to what both sides have there."""
    missing = "(nothing)"
    return {
        key: (expected.get(key, missing), actual.get(key, missing))
        for key in sorted(expected.keys() | actual.keys())
        if expected.get(key, missing) != actual.get(key, missing)
    }
