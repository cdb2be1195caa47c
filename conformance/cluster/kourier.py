"""net-kourier, unmodified, in the cluster: its images, its manifests, the gateway under its name, its settings."""

import json
import os
import pathlib

from . import control, places
from .control import kubectl
from .places import CONTROLLER, GATEWAY, PARTS, STATE, TESTS

SETTINGS = "config-kourier"


def images(gateway: pathlib.Path) -> list[tuple[str, str]]:
    """Which command runs for which image. `"$@"` is the container's arguments, as the manifest has them."""
    return [
        (r"test/([\w-]+)", f'exec {PARTS}/images/\\1 "$@"'),
        (r"ko://knative\.dev/net-kourier/cmd/kourier", f'exec {PARTS}/kourier "$@"'),
        (r"ko://knative\.dev/net-kourier/test/config/extauthz/(\w+)/src", f'exec {PARTS}/images/extauthz-\\1 "$@"'),
        (r"jaegertracing/jaeger:.*", f"exec {PARTS}/images/spans"),
        (r"docker\.io/envoyproxy/envoy:.*", f'exec {gateway} "$@"'),
    ]


def start(gateway: pathlib.Path):
    """A cluster with net-kourier, and `gateway` in the place of Envoy, called `envoy` as the manifest has it."""
    control.up(images(named(gateway)))
    control.apply(PARTS / "net-kourier/test/config", PARTS / "networking/config", PARTS / "net-kourier/config")


def named(gateway: pathlib.Path) -> pathlib.Path:
    """A path of that program that ends in `envoy`."""
    name = places.CACHE / "bin" / "envoy"
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)
    name.symlink_to(gateway.resolve())
    return name


def gateway_address() -> str:
    """The address of a ready gateway pod."""
    namespace, deployment = GATEWAY
    pods = json.loads(kubectl("-n", namespace, "get", "pods", "-l", "app=" + deployment, "-o", "json"))["items"]
    for pod in pods:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        if ready and not pod["metadata"].get("deletionTimestamp"):
            return pod["status"]["podIP"]
    raise control.Failure("no gateway pod is ready")


def configure(values: dict[str, str | None]):
    """Sets keys of config-kourier; None takes one away. The controller follows by itself."""
    patch = json.dumps({"data": values})
    kubectl("-n", CONTROLLER[0], "patch", "configmap", SETTINGS, "--type=merge", "-p", patch)


def controller_env(values: dict[str, str | None]):
    """Sets variables of the controller's Deployment; None takes one away. Waits for its new pod."""
    words = [f"{k}-" if v is None else f"{k}={v}" for k, v in values.items()]
    kubectl("-n", CONTROLLER[0], "set", "env", "deployment/" + CONTROLLER[1], *words)
    control.rolled_out(*CONTROLLER)


def restart(deployment: tuple[str, str]):
    kubectl("-n", deployment[0], "rollout", "restart", "deployment/" + deployment[1])
    control.rolled_out(*deployment)


def scale(deployment: tuple[str, str], replicas: int):
    kubectl("-n", deployment[0], "scale", "deployment/" + deployment[1], f"--replicas={replicas}")
    control.rolled_out(*deployment)


def put(namespace: str, kind: list[str], name: str, *files: str, labels: str = ""):
    """Makes or replaces a Secret from files."""
    made = kubectl("-n", namespace, "create", "secret", *kind, name, *files, "--dry-run=client", "-o", "json")
    kubectl("-n", namespace, "apply", "--server-side", "--force-conflicts", "-f", "-", feed=made)
    if labels:
        kubectl("-n", namespace, "label", "--overwrite", "secret", name, labels)


def upstream_tls() -> dict[str, str]:
    """Turns on TLS between gateway and backends (system-internal-tls), with one certificate for all roles.

    Returns the environment that makes the test images speak it.
    """
    pki = STATE / "pki"
    control.authority(pki, "upstream-ca", "upstream-ca")
    names = f"subjectAltName=DNS:kn-routing,DNS:kn-user-{TESTS},DNS:example.com"
    control.certificate(pki, "upstream-ca", "upstream", names)
    pair = (f"--key={pki}/upstream.key", f"--cert={pki}/upstream.crt")
    root = f"--from-file=ca.crt={pki}/upstream-ca.crt"
    put(CONTROLLER[0], ["generic"], "routing-serving-certs", root,
        labels="networking.internal.knative.dev/certificate-uid=test-id")
    put(CONTROLLER[0], ["tls"], "server-certs", *pair)
    put(TESTS, ["tls"], "serving-certs", *pair)
    put(TESTS, ["generic"], "server-ca", root)
    control.apply(PARTS / "net-kourier/test/config/tls")
    restart(CONTROLLER)
    return {"UPSTREAM_TLS_CERT": "serving-certs", "UPSTREAM_CA_CERT": "server-ca",
            "SERVER_NAME": "kn-user-" + TESTS}


def wildcard_certificate(namespace: str = CONTROLLER[0], name: str = "wildcard-certs"):
    """A Secret for every host of example.com; by default the one that net-kourier's tests of one certificate expect."""
    pki = STATE / "pki"
    control.authority(pki, "wildcard-ca", "Example")
    control.certificate(pki, "wildcard-ca", "wildcard", "subjectAltName=DNS:*.example.com")
    put(namespace, ["tls"], name, f"--key={pki}/wildcard.key", f"--cert={pki}/wildcard.crt")


def environment() -> dict[str, str]:
    """What net-kourier's own tests want to know of the gateway."""
    return {"GATEWAY_OVERRIDE": "kourier", "GATEWAY_NAMESPACE_OVERRIDE": GATEWAY[0],
            "SYSTEM_NAMESPACE": CONTROLLER[0], "PATH": os.environ["PATH"]}
