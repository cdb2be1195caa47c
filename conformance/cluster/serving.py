"""Knative Serving, unmodified, in the cluster: its images and manifests, which queue-proxy its pods get, Services.

Knows no loads.
"""

import json
import os
import pathlib
import time

from . import control, kourier
from .control import Failure, kubectl
from .places import GATEWAY, PARTS

SYSTEM = "knative-serving"
NAMESPACE = "default"
DOMAIN = "example.com"
SIDECARS = ("forebay", "knative")
# Of Serving's own configuration, in this order: what later ones need.
CONFIG = ("core", "core/200-roles", "core/300-resources", "core/configmaps", "core/deployments", "core/webhooks")
SETTINGS = {
    "config-network": {"ingress-class": "kourier.ingress.networking.knative.dev"},
    "config-domain": {DOMAIN: ""},
    # A Service that nobody asks for costs no pod; and scaling down should be seen within minutes.
    "config-autoscaler": {"allow-zero-initial-scale": "true", "scale-to-zero-grace-period": "6s"},
}


def images(forebay: pathlib.Path, sidecar: pathlib.Path) -> list[tuple[str, str]]:
    """Which command runs for which image. `dev.local` is what Serving takes without asking a registry."""
    return [
        (r"ko://knative\.dev/serving/cmd/queue", f'exec {PARTS}/queue "$@"'),
        (r"ko://knative\.dev/serving/cmd/(\w+)", f'exec {PARTS}/serving/\\1 "$@"'),
        (r"dev\.local/queue-proxy", f"exec {sidecar}"),
        (r"dev\.local/hello", f"exec {forebay} sample hello"),
    ]


def start(gateway: pathlib.Path, forebay: pathlib.Path, sidecar: pathlib.Path):
    """A cluster with Serving and net-kourier; `gateway` takes the requests."""
    control.up(kourier.images(kourier.named(gateway)) + images(forebay, sidecar))
    serving = PARTS / "serving/serving/config"
    directories = [PARTS / "serving" / name / "config" for name in ("networking", "caching")]
    directories += [serving / name for name in CONFIG]
    control.apply(*directories, PARTS / "net-kourier/config", webhooks=True)
    for name, values in SETTINGS.items():
        configure(name, values)
    for deployment in ("controller", "autoscaler", "activator"):
        kourier.restart((SYSTEM, deployment))


def configure(name: str, values: dict[str, str]):
    """Sets keys of a ConfigMap; the webhook that checks it may be a moment away."""
    patch = json.dumps({"data": values})
    control.wait_for(60, lambda: kubectl("-n", SYSTEM, "patch", "configmap", name, "--type=merge", "-p", patch),
                     f"{name} could not be set", "apiserver")


def use(sidecar: str):
    """Which queue-proxy pods get from now on."""
    image = "dev.local/queue-proxy" if sidecar == "forebay" else "ko://knative.dev/serving/cmd/queue"
    configure("config-deployment", {"queue-sidecar-image": image})
    # What was made before the change is known would get the one before.
    time.sleep(2)


def host(name: str, tag: str = "") -> str:
    return f"{tag and tag + '-'}{name}.{NAMESPACE}.{DOMAIN}"


def address() -> str:
    """Where clients ask: a gateway's pod, with nothing in between."""
    return f"{kourier.gateway_address()}:8080"


def service(name: str, *, revision: str = "one", annotations: dict | None = None, h2c: bool = False,
            concurrency: int = 0, traffic: list[dict] | None = None):
    """Makes or changes a Service of the sample app, and waits until it is ready."""
    scaling = {"autoscaling.knative.dev/" + key: value for key, value in (annotations or {}).items()}
    container = {"image": "dev.local/hello", "env": [{"name": "TARGET", "value": revision}]}
    if h2c:
        container["ports"] = [{"name": "h2c", "containerPort": 8080}]
    template = {"metadata": {"name": f"{name}-{revision}", "annotations": scaling},
                "spec": {"containerConcurrency": concurrency, "containers": [container]}}
    spec = {"template": template, **({"traffic": traffic} if traffic else {})}
    feed = json.dumps({"apiVersion": "serving.knative.dev/v1", "kind": "Service",
                       "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
    command = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    control.wait_for(30, lambda: kubectl(*command, feed=feed), f"Service {name} was refused", "apiserver")
    generation = json.loads(kubectl("-n", NAMESPACE, "get", "ksvc", name, "-o", "json"))["metadata"]["generation"]
    kubectl("-n", NAMESPACE, "wait", f"--for=jsonpath={{.status.observedGeneration}}={generation}", "ksvc/" + name,
            "--timeout=60s")
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "ksvc/" + name, "--timeout=120s")


def remove(name: str):
    kubectl("-n", NAMESPACE, "delete", "ksvc", name, "--ignore-not-found", "--wait=false")
    pods_become(name, 0, 150)


def pods(name: str) -> list[dict]:
    found = kubectl("-n", NAMESPACE, "get", "pods", "-l", "serving.knative.dev/service=" + name, "-o", "json")
    return json.loads(found)["items"]


def sidecar_of(pod: dict) -> str:
    image = next(c["image"] for c in pod["spec"]["containers"] if c["name"] == "queue-proxy")
    return "forebay" if image.startswith("dev.local/") else "knative"


def pods_become(name: str, count: int, seconds: float):
    """Waits until so many pods are there, those that end among them."""
    end = time.monotonic() + seconds
    while len(there := pods(name)) != count:
        if time.monotonic() > end:
            raise Failure(f"Service {name} has {len(there)} pods after {seconds} s, not {count}")
        time.sleep(0.5)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


__all__ = ["GATEWAY", "SIDECARS", "address", "host", "pods", "pods_become", "remove", "service", "sidecar_of", "start",
           "use"]
