"""The one-machine cluster: its network, its keys, its control plane and node as processes, manifests, and its end.

Everything runs inside one network namespace that has no way out. Knows nothing of tests.
"""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import time

from . import places
from .places import LOGS, NODE_IP, PARTS, STATE

API = f"https://{NODE_IP}:6443"
ETCD = "http://127.0.0.1:2379"
CONTROLLERS = [  # what manifests and tests rely on
    "endpoints-controller", "endpointslice-controller", "endpointslice-mirroring-controller", "deployment-controller",
    "replicaset-controller", "namespace-controller", "garbage-collector-controller",
    "clusterrole-aggregation-controller",
]


class Failure(Exception):
    """Something that the person who runs this has to know, in one sentence."""


def inside(*argv: object) -> list[str]:
    """A command that runs in the cluster's network namespace: its addresses mean nothing outside."""
    return ["nsenter", "--net=/run/netns/" + places.NETNS, *map(str, argv)]


def kubectl(*argv: object, check: bool = True, feed: str | None = None, timeout: float = 600) -> str:
    command = inside(PARTS / "kubectl", "--kubeconfig", places.KUBECONFIG, *argv)
    done = subprocess.run(command, input=feed, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise Failure(f"kubectl {' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def running() -> bool:
    return os.path.exists("/run/netns/" + places.NETNS)


def up(images: list[tuple[str, str]]):
    """Starts an empty cluster. `images` says which shell command runs for which image (a regex)."""
    shutil.rmtree(STATE, ignore_errors=True)
    for name in ("logs", "pods", "pki"):
        (STATE / name).mkdir(parents=True)
    for line in (
        f"ip netns add {places.NETNS}",
        f"ip -n {places.NETNS} link set lo up",
        # A bridge for pods. Left alone it would take the least address of its ports, a new one whenever such a pod ends,
        # and pods would send to the old one until their ARP entries expire, half a minute later.
        f"ip -n {places.NETNS} link add br0 address 02:00:00:00:00:01 type bridge",
        f"ip -n {places.NETNS} addr add {places.PODS} dev br0",
        f"ip -n {places.NETNS} link set br0 up",
        # The whole Service range is local to the node, where the services process listens.
        f"ip -n {places.NETNS} route add local {places.SERVICES} dev lo",
    ):
        subprocess.run(line.split(), check=True)
    keys()
    start_control_plane()
    (STATE / "images").write_text("".join(f"{pattern}  {command}\n" for pattern, command in images))
    # A fresh namespace may still lack /version for a moment; the API server is ready by now.
    module("services")
    module("kubelet", STATE / "images")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {
        "name": places.NODE, "labels": {"kubernetes.io/hostname": places.NODE}}}
    kubectl("create", "-f", "-", feed=json.dumps(node))


def start_control_plane():
    pki = STATE / "pki"
    # A tmpfs of its own mount namespace: no disk waits in etcd, nothing to unmount.
    etcd = STATE / "etcd"
    etcd.mkdir()
    script = 'mount -t tmpfs tmpfs "$1" && shift && exec "$@"'
    daemon("etcd", "unshare", "--mount", "sh", "-c", script, "sh", etcd, PARTS / "etcd", "--data-dir", etcd / "data",
           "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD,
           "--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
           "--initial-cluster", "default=http://127.0.0.1:2380")
    daemon("apiserver", PARTS / "kube-apiserver", "--etcd-servers=" + ETCD, "--secure-port=6443",
           "--advertise-address=" + NODE_IP, f"--cert-dir={pki}", f"--tls-cert-file={pki}/api.crt",
           f"--tls-private-key-file={pki}/api.key", f"--token-auth-file={pki}/tokens.csv",
           "--authorization-mode=RBAC", "--service-cluster-ip-range=" + places.SERVICES,
           "--service-node-port-range=1000-32767", "--service-account-issuer=https://kubernetes.default.svc",
           f"--service-account-key-file={pki}/account.key", f"--service-account-signing-key-file={pki}/account.key",
           "--disable-admission-plugins=ServiceAccount", "--enable-aggregator-routing=true")
    wait_for(180, lambda: kubectl("get", "--raw=/readyz"), "kube-apiserver did not become ready", "apiserver")
    daemon("controller-manager", PARTS / "kube-controller-manager", f"--kubeconfig={places.KUBECONFIG}",
           "--leader-elect=false", f"--service-account-private-key-file={pki}/account.key",
           f"--root-ca-file={pki}/ca.crt", "--kube-api-qps=500", "--kube-api-burst=1000",
           "--concurrent-endpoint-syncs=10", "--concurrent-service-endpoint-syncs=10",
           "--controllers=" + ",".join(CONTROLLERS))


def daemon(name: str, *argv: object):
    with open(LOGS / f"{name}.log", "wb") as out:
        subject = subprocess.Popen(inside(*argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True, cwd=places.HERE,
                                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    (STATE / f"{name}.pid").write_text(str(subject.pid))


def module(name: str, *argv: object):
    daemon(name, sys.executable, "-u", "-m", "cluster." + name, *argv)


def keys():
    """One CA, one server certificate, one service-account signing key, one admin token."""
    pki = STATE / "pki"
    names = f"subjectAltName=IP:{NODE_IP},IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc,DNS:kubernetes.default"
    authority(pki, "ca", "forebay-conformance")
    certificate(pki, "ca", "api", names)
    openssl("genrsa", "-out", pki / "account.key", "2048")
    token = secrets.token_hex(16)
    (pki / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    places.KUBECONFIG.write_text(json.dumps({  # JSON, which is valid YAML
        "apiVersion": "v1", "kind": "Config", "current-context": "conformance",
        "clusters": [{"name": "conformance", "cluster": {"server": API, "certificate-authority": f"{pki}/ca.crt"}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "conformance", "context": {"cluster": "conformance", "user": "admin"}}]}))


def openssl(*argv: object):
    subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)


def authority(directory: pathlib.Path, name: str, common: str):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 30, "-subj", f"/CN={common}",
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt")


def certificate(directory: pathlib.Path, issuer: str, name: str, extensions: str):
    """A key and a certificate `name`, signed by the authority `issuer` beside it."""
    request, extra = directory / f"{name}.csr", directory / f"{name}.ext"
    extra.write_text(extensions)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", directory / f"{name}.key",
            "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", directory / f"{issuer}.crt", "-CAkey", directory / f"{issuer}.key",
            "-CAcreateserial", "-days", 30, "-out", directory / f"{name}.crt", "-extfile", extra)


def wait_for(seconds: float, attempt, failure: str, log: str):
    """Tries until `attempt` raises no Failure; afterwards says `failure` and the end of a log."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except Failure as last:
            if time.monotonic() > deadline:
                tail = (LOGS / f"{log}.log").read_text(errors="replace")[-2000:]
                raise Failure(f"{failure}\n{tail}\n{last}") from None
            time.sleep(0.2)


def apply(*directories: pathlib.Path, ignore: tuple[str, ...] = ("chaosduck",), webhooks: bool = False):
    """Loads manifests: once for namespaces and CRDs, again for what depends on them; waits for the Deployments."""
    command = ("apply", "--server-side", "--force-conflicts", "-f")
    for directory in directories:
        kubectl(*command, directory, check=False)
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s", check=False)
    for directory in directories:
        # A webhook that looks at what is loaded may itself just have been loaded.
        wait_for(60 if webhooks else 0, lambda: kubectl(*command, directory), f"{directory} was refused", "apiserver")
    open_node_ports()
    for deployment in kubectl("get", "deployments", "-A", "-o", "jsonpath={range .items[*]}{.metadata.namespace}/"
                              "{.metadata.name} {end}").split():
        namespace, name = deployment.split("/")
        if name not in ignore:
            rolled_out(namespace, name)


def rolled_out(namespace: str, deployment: str, seconds: int = 120):
    kubectl("-n", namespace, "rollout", "status", "deployment/" + deployment, f"--timeout={seconds}s")


def open_node_ports():
    """A client that is told a node's address dials that address and the nodePort. Making the nodePort the target port
    lets it dial a gateway pod's own address, with nothing in between."""
    for service in json.loads(kubectl("get", "services", "-A", "-o", "json"))["items"]:
        meta, spec = service["metadata"], service["spec"]
        if spec.get("type") == "LoadBalancer" and not meta["namespace"] == "tracing":
            ports = [{**p, "nodePort": p["targetPort"]} for p in spec["ports"] if isinstance(p.get("targetPort"), int)]
            kubectl("-n", meta["namespace"], "patch", "service", meta["name"], "--type=merge", "-p",
                    json.dumps({"spec": {"ports": ports}}))


def down():
    """Ends the cluster, also one that a killed run left behind: every process in its namespaces, then those."""
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
    for name in sorted(names, key=len):  # the node's own first: its kubelet would start pods again
        base, _, number = name.partition("-")
        if base == places.NETNS and (not number or number.isdigit()):
            end_all(name)
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
    made = STATE / "made-dirs"
    if made.exists():
        for path in sorted(set(made.read_text().split("\n")), reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        made.unlink()
    for name in ("pods", "pki", "etcd"):
        shutil.rmtree(STATE / name, ignore_errors=True)
    for pid in STATE.glob("*.pid"):
        pid.unlink()


def end_all(netns: str):
    """Kills what runs in a namespace, until nothing does: a kubelet may have been about to start more."""
    for _ in range(50):
        pids = subprocess.run(["ip", "netns", "pids", netns], capture_output=True, text=True).stdout.split()
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.1)
