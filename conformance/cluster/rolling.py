"""Restarts under load: the gateway's pods and the controller's come and go, and no request may fail."""

import contextlib
import json
import os
import subprocess
import sys
import time

from . import control, kourier, places
from .control import Failure, kubectl
from .places import CONTROLLER, GATEWAY, TESTS

# Clients that keep their connections, and such as make one a request, by what they speak.
CLIENTS = {"HTTP/1.1": (12, 4), "h2c": (4, 1), "HTTP/1.1 over TLS": (4, 1), "HTTP/2 over TLS": (4, 1)}
SECRET = "rolling-certs"
AWAY = 20  # seconds without any controller
SETTLE = 2  # seconds of load before and after


def gateway_restart():
    """the gateway's Deployment restarts: two pods overlap, the old one drains by its preStop hook"""
    old = pods(GATEWAY)
    kourier.restart(GATEWAY)
    wait_gone(GATEWAY, old)


def gateway_scaled():
    """the gateway goes to two pods; one is deleted, a new one comes; back to one"""
    kourier.scale(GATEWAY, 2)
    old = pods(GATEWAY)[:1]
    kubectl("-n", GATEWAY[0], "delete", "pod", *old)
    wait_gone(GATEWAY, old)
    control.rolled_out(*GATEWAY)
    before = set(pods(GATEWAY))
    kourier.scale(GATEWAY, 1)
    end = time.monotonic() + 90
    while len(pods(GATEWAY)) > 1 and time.monotonic() < end:
        time.sleep(0.5)
    if len(before & set(pods(GATEWAY))) != 1:
        raise Failure(f"of the gateway pods {sorted(before)} not exactly one is left: {pods(GATEWAY)}")


def controller_restart():
    """the controller's Deployment restarts"""
    old = pods(CONTROLLER)
    kourier.restart(CONTROLLER)
    wait_gone(CONTROLLER, old)


def controller_away():
    """the controller is killed without a word on its connections, and stays away; the last configuration serves on"""
    kubectl("-n", CONTROLLER[0], "delete", "pod", "--grace-period=0", "--force", *pods(CONTROLLER))
    kubectl("-n", CONTROLLER[0], "scale", "deployment/" + CONTROLLER[1], "--replicas=0")
    time.sleep(AWAY)
    wait_gone(CONTROLLER, pods(CONTROLLER))
    kourier.scale(CONTROLLER, 1)


ALL = [gateway_restart, gateway_scaled, controller_restart, controller_away]
NAMES = [case.__name__.replace("_", "-") for case in ALL]


def run(case) -> dict:
    """One case under load; afterwards a new Ingress has to become ready and be served."""
    began, name = time.monotonic(), case.__name__.replace("_", "-")
    with contextlib.ExitStack() as undo:
        kourier.wildcard_certificate(TESTS, SECRET)
        host, address = ingress(undo, name + "-steady"), service_address()
        with load(host, address) as result:
            time.sleep(SETTLE)
            case()
            time.sleep(SETTLE)
        appeared = time.monotonic()
        late = ingress(undo, name + "-late")
        after = time.monotonic() - appeared
        with load(late, address) as later:
            time.sleep(1)
    if later["failed"] or not later["requests"]:
        result["failed"] += later["failed"] or 1
        result["reasons"] += later["reasons"] or ["no request of the later Ingress was answered"]
    return {"name": name, "what": " ".join(case.__doc__.split()), **result,
            "wall_s": round(time.monotonic() - began, 1), "later_ready_s": round(after, 2)}


@contextlib.contextmanager
def load(host: str, address: str):
    """Load from inside the cluster's namespace; what it saw is in the yielded dictionary afterwards."""
    result: dict = {}
    subjects = {}
    try:
        for kind, (keep, fresh) in CLIENTS.items():
            command = control.inside(sys.executable, "-m", "cluster.load", address, host, kind, keep, fresh)
            subjects[kind] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=places.HERE,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        yield result
        for subject in subjects.values():
            subject.stdin.close()
        kinds = {kind: json.loads(subject.stdout.read()) for kind, subject in subjects.items()}
        silent = [f"no request of {kind} was answered" for kind, saw in kinds.items() if not saw["requests"]]
        result.update({
            "kinds": kinds, "slowest_s": max(saw["slowest_s"] for saw in kinds.values()),
            **{key: sum(saw[key] for saw in kinds.values()) for key in ("requests", "connections")},
            "failed": sum(saw["failed"] for saw in kinds.values()) + len(silent),
            "reasons": [f"{kind}: {reason}" for kind, saw in kinds.items() for reason in saw["reasons"]] + silent})
    finally:
        for subject in subjects.values():
            if subject.poll() is None:
                subject.kill()
            subject.wait()


def ingress(undo: contextlib.ExitStack, name: str) -> str:
    """A backend and an Ingress to it, ready; returns its host. After a killed controller its lease has to run out."""
    host, labels = f"{name}.example.com", {"app": name}
    split = {"serviceName": name, "serviceNamespace": TESTS, "servicePort": 80, "percent": 100}
    objects = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {"containers": [{
            "name": "user", "image": "test/runtime", "env": [{"name": "PORT", "value": "8080"}],
            "ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}}}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
            "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
        {"apiVersion": "networking.internal.knative.dev/v1alpha1", "kind": "Ingress", "metadata": {
            "name": name, "annotations": {
                "networking.knative.dev/ingress.class": "kourier.ingress.networking.knative.dev"}},
         "spec": {"tls": [{"hosts": [host], "secretName": SECRET, "secretNamespace": TESTS}],
                  "rules": [{"hosts": [host], "visibility": "ExternalIP",
                             "http": {"paths": [{"splits": [split]}]}}]}},
    ]
    feed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    undo.callback(kubectl, "-n", TESTS, "delete", "--ignore-not-found", "--wait=false", "-f", "-", feed=feed)
    kubectl("-n", TESTS, "apply", "--server-side", "-f", "-", feed=feed)
    kubectl("-n", TESTS, "wait", "--for=condition=Ready", f"pod/{name}", f"kingress/{name}", "--timeout=180s")
    return host


def service_address() -> str:
    return kubectl("-n", GATEWAY[0], "get", "service", "kourier", "-o", "jsonpath={.spec.clusterIP}")


def pods(deployment: tuple[str, str]) -> list[str]:
    names = kubectl("-n", deployment[0], "get", "pods", "-l", "app=" + deployment[1], "-o",
                    "jsonpath={.items[*].metadata.name}")
    return names.split()


def wait_gone(deployment: tuple[str, str], names: list[str]):
    end = time.monotonic() + 90
    while set(names) & set(pods(deployment)):
        if time.monotonic() > end:
            raise Failure(f"pods are still there after 90 s: {names}")
        time.sleep(0.5)
