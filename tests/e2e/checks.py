"""What must be true of every cluster, however it was made."""

from lab.run import wait_until
from lab.settings import TOOLS_IMAGE

# Rules of kube-proxy and endpoints of CoreDNS may be a moment late after a node has joined or
# booted, so the pod tries for a while.
REACH_API = """
tries=0
until nslookup kubernetes.default.svc.cluster.local &&
	curl --silent --show-error --fail --max-time 10 https://kubernetes.default.svc/version \\
		--cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt; do
	tries=$((tries + 1))
	[ $tries -lt 60 ]
	sleep 1
done
"""


def addons_are_ready(lab):
    lab.wait_for_rollout("daemonset/kube-proxy")
    lab.wait_for_rollout("deployment/coredns")
    pods = lab.objects("pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns")["items"]
    assert len(pods) == 2
    proxies = lab.objects("pods", "--namespace=kube-system", "--selector=k8s-app=kube-proxy")["items"]
    nodes = {pod["spec"]["nodeName"] for pod in proxies if pod["status"]["phase"] == "Running"}
    assert nodes == {node["metadata"]["name"] for node in lab.objects("nodes")["items"]}


def pod_reaches_the_api(lab, node):
    run_pod(lab, f"reach-api-{node}", node, REACH_API)


def run_pod(lab, name, node, script):
    """Runs a script to its end in a pod on a node and returns what it printed."""
    lab.kubectl("delete", "pod", name, "--ignore-not-found", "--now")
    lab.kubectl(
        "run", name, f"--image={TOOLS_IMAGE}", "--image-pull-policy=Never", "--restart=Never",
        f'--overrides={{"spec": {{"nodeName": "{node}"}}}}', "--command", "--", "sh", "-ec", script,
    )

    def phase():
        return lab.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}").stdout

    def output():
        return lab.kubectl("logs", name, check=False).stdout

    wait_until(lambda: phase() in ("Succeeded", "Failed"), timeout=180, every=0.3, hint=output,
               what=f"pod {name} has ended")
    assert phase() == "Succeeded", output()
    return output()
