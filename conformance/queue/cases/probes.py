"""Requests that are for the queue-proxy itself."""

import json

from harness.app import PLAIN
from harness.cases import case
from harness.client import get
from harness.side import USER

AGENTS = ["kube-probe/1.30", "Knative-Activator-Probe", "Knative-Autoscaling-Probe/x", "Knative-Queue-Proxy-Probe",
          "Knative-Ingress-Probe", "me kube-probe/1"]


async def both(side, app, data):
    side.note("response", await side.ask(data))
    side.note("app", [request.shown() for request in app.seen] if app else None)


def simple(name, data, **more):
    @case(name, **more)
    async def run(side, app):
        await both(side, app, data)


for agent in AGENTS:
    for value in ("queue", "probe", "activator", ""):
        lines = [f"User-Agent: {agent}"] + ([f"K-Network-Probe: {value}"] if value else [])
        simple(f"{agent} with {value or 'nothing'}", get("/healthz", *lines))
simple("a probe by POST", get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue", method="POST", body=b"x" * 100))
simple("a probe by HEAD", get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue", method="HEAD"))
simple("a wrong probe by HEAD", get("/", "User-Agent: kube-probe/1", "K-Network-Probe: no", method="HEAD"))
simple("an ingress' probe", get("/healthz", "K-Network-Probe: probe", "K-Network-Hash: abc"))
simple("an ingress' probe that overrides", get("/", "K-Network-Probe: probe", "K-Network-Hash: override"))
simple("an ingress' probe without a hash", get("/", "K-Network-Probe: probe"))
simple("an ingress' probe with an empty hash", get("/", "K-Network-Probe: probe", "K-Network-Hash:"))
simple("an ingress' probe with two hashes", get("/", "K-Network-Probe: probe", "K-Network-Hash: a", "K-Network-Hash: b"))
simple("a queue probe without an agent", get("/", "K-Network-Probe: queue"))
simple("a kubelet header", get("/", "K-Kubelet-Probe: 1", "K-Network-Probe: queue"))

READY = get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue")


def http(**more):
    return json.dumps({"httpGet": {"path": "/ready", "port": USER, "host": "127.0.0.1", "scheme": "HTTP"}, "successThreshold": 1, **more})


def status(code):
    async def answer(wire, request, number):
        await wire.send(f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


simple("tcp, ready", READY, SERVING_READINESS_PROBE=json.dumps({"tcpSocket": {"port": USER, "host": "127.0.0.1"}, "successThreshold": 1}))
simple("http, ready", READY, SERVING_READINESS_PROBE=http())
for code in (200, 204, 302, 399, 400, 404, 500):
    simple(f"http with a period, {code}", READY, app=status(code), SERVING_READINESS_PROBE=http(periodSeconds=1, timeoutSeconds=1))
simple("tcp with a period, nobody listens", READY, app=None,
       SERVING_READINESS_PROBE=json.dumps({"tcpSocket": {"port": USER, "host": "127.0.0.1"}, "periodSeconds": 1, "timeoutSeconds": 1}))
simple("http headers", READY, SERVING_READINESS_PROBE=json.dumps({"httpGet": {"path": "ready?x=1", "port": str(USER), "host": "127.0.0.1", "scheme": "HTTP",
       "httpHeaders": [{"name": "X-A", "value": "b"}, {"name": "Host", "value": "other"}, {"name": "X-A", "value": "c"}]}, "periodSeconds": 1, "timeoutSeconds": 1}))
simple("several containers", READY, ENABLE_MULTI_CONTAINER_PROBES="true",
       SERVING_READINESS_PROBE=f"[{http()},{http(periodSeconds=1, timeoutSeconds=1)}]")
simple("exec", READY, SERVING_READINESS_PROBE=json.dumps({"exec": {"command": ["x"]}, "periodSeconds": 1, "timeoutSeconds": 1}))
simple("no handler", READY, SERVING_READINESS_PROBE=json.dumps({"periodSeconds": 1, "timeoutSeconds": 1}))
simple("http/2 is detected, and it is not", READY, ENABLE_HTTP2_AUTO_DETECTION="true", SERVING_READINESS_PROBE=http(periodSeconds=1, timeoutSeconds=1))


@case("aggressive, after some failures", app=None, SERVING_READINESS_PROBE=http())
async def later(side, app):
    import asyncio

    from harness.app import App

    asked = asyncio.ensure_future(side.ask(READY))
    await asyncio.sleep(0.3)

    async def answer(wire, request, number):
        await wire.send(PLAIN if number >= 3 else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    app = App(answer)
    await app.listen(USER)
    side.note("response", await asked)
    side.note("app", [request.shown() for request in app.seen])
    await app.close()
