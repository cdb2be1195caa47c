"""net-kourier's own tests, each under the settings that its CI (test/e2e-kind.sh) gives it."""

import contextlib
import dataclasses
import json

from . import control, kourier, suite
from .control import kubectl
from .places import CONTROLLER, GATEWAY, PARTS

GRPC, HTTP = "externalauthz-grpc.knative-serving:6000", "externalauthz-http.knative-serving:8080"
WILDCARD = ("knative-serving", "wildcard-certs")


@dataclasses.dataclass(frozen=True)
class Own:
    """One run of a test binary: settings before it, undone after it."""

    name: str
    tests: str
    config: dict[str, str] = dataclasses.field(default_factory=dict)  # keys of config-kourier
    env: dict[str, str] = dataclasses.field(default_factory=dict)  # of the controller
    restart: bool = False  # the controller reads these keys only when it starts
    around: object = None  # what else surrounds it
    flags: tuple[str, ...] = ()
    test_env: dict[str, str] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def manifests(name: str):
    directory = PARTS / "net-kourier/test/config" / name
    control.apply(directory)
    yield
    kubectl("delete", "--wait=false", "-f", directory)


@contextlib.contextmanager
def path_prefix():
    with manifests("extauthz/http"):
        deployment = ("knative-serving", "externalauthz-http")
        kubectl("-n", deployment[0], "set", "env", "deployment/" + deployment[1], "PATH_PREFIX=/check")
        control.rolled_out(*deployment)
        yield


@contextlib.contextmanager
def two_of_each():
    for deployment in (GATEWAY, CONTROLLER):
        kourier.scale(deployment, 2)
    yield
    for deployment in (GATEWAY, CONTROLLER):
        kourier.scale(deployment, 1)


@contextlib.contextmanager
def wildcard():
    kourier.wildcard_certificate()
    yield


@contextlib.contextmanager
def longer_drain():
    def drain(seconds: str, grace: int | None):
        container = {"name": "kourier-gateway", "env": [{"name": "DRAIN_TIME_SECONDS", "value": seconds}]}
        pod = {"containers": [container], "terminationGracePeriodSeconds": grace}
        patch = json.dumps({"spec": {"template": {"spec": pod}}})
        kubectl("-n", GATEWAY[0], "patch", "deployment/" + GATEWAY[1], "-p", patch)
        control.rolled_out(*GATEWAY)

    drain("30", 60)
    yield
    drain("15", None)


def authz(name: str, kind: str, keys: dict[str, str], around=None) -> list[Own]:
    """The same test with settings from the environment, then from config-kourier."""
    around = around or (lambda: manifests("extauthz/" + kind))
    env = {f"KOURIER_EXTAUTHZ_{k.replace('-', '').upper()}": v for k, v in keys.items()}
    config = {f"extauthz-{k}": v for k, v in keys.items()}
    return [
        Own(f"extauthz-{name}-env", "extauthz", env=env, around=around,
            test_env={"KOURIER_EXTAUTHZ_PROTOCOL": kind}),
        Own(f"extauthz-{name}-config", "extauthz", config=config, restart=True, around=around,
            test_env={"KOURIER_EXTAUTHZ_PROTOCOL": kind}),
    ]


ALL = [
    Own("conflict", "e2e"),
    Own("ha", "ha", around=two_of_each, flags=("-test.parallel=1", "-test.failfast", "-spoofinterval=10ms")),
    Own("cipher-suites", "tls",
        config={"cipher-suites": "ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-ECDSA-CHACHA20-POLY1305"}),
    Own("certificate-env", "cert", around=wildcard,
        env={"CERTS_SECRET_NAMESPACE": WILDCARD[0], "CERTS_SECRET_NAME": WILDCARD[1]}),
    Own("certificate-config", "cert", around=wildcard, restart=True,
        config={"certs-secret-namespace": WILDCARD[0], "certs-secret-name": WILDCARD[1]}),
    *authz("grpc", "grpc", {"host": GRPC, "protocol": "grpc"}),
    *authz("grpc-bytes", "grpc", {"host": GRPC, "protocol": "grpc", "pack-as-bytes": "true"}),
    *authz("http", "http", {"host": HTTP, "protocol": "http"}),
    *authz("http-prefix", "http", {"host": HTTP, "protocol": "http", "path-prefix": "/check"}, path_prefix),
    Own("proxy-protocol", "proxyprotocol", config={"enable-proxy-protocol": "true"}),
    Own("tracing", "tracing", around=lambda: manifests("tracing")),
    Own("graceful-shutdown", "gracefulshutdown", around=longer_drain, test_env={"DRAIN_TIME_SECONDS": "30"}),
    Own("idle-timeout", "timeout", config={"stream-idle-timeout": "50s"}),
]
NAMES = [own.name for own in ALL]


def run(own: Own) -> dict:
    """The record of one run, with everything as it was before afterwards."""
    with contextlib.ExitStack() as undo:
        undo.enter_context((own.around or contextlib.nullcontext)())
        if own.config:
            undo.callback(settle, own, dict.fromkeys(own.config))
            settle(own, own.config)
        if own.env:
            undo.callback(kourier.controller_env, dict.fromkeys(own.env))
            kourier.controller_env(own.env)
        env = {**kourier.environment(), **own.test_env}
        return suite.execute(own.name, own.tests, list(own.flags), env, minutes=12)


def settle(own: Own, values: dict[str, str | None]):
    kourier.configure(values)
    if own.restart:
        kourier.restart(CONTROLLER)
