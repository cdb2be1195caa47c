"""What Prometheus is told: names, labels and counts; not times."""

import asyncio
import json
import re

from harness.cases import case
from harness.client import get
from harness.side import METRICS

ON = json.dumps({"requestMetrics": {"protocol": "prometheus"}})
OURS = ("http_", "kn_", "target_info")


def lines(text: str) -> list[str]:
    """Of the instruments of requests: everything but what was measured."""
    kept = []
    for line in text.splitlines():
        name = line.split(" ")[2] if line.startswith("#") else line
        if not name.startswith(OURS) or "_bucket{" in line and "duration" in line:
            continue
        if "duration" in line and "_sum{" in line:
            line = line.rsplit(" ", 1)[0]
        kept.append(re.sub(r'telemetry_sdk_\w+="[^"]*"', "SDK", line))
    return sorted(kept)


def told(name, requests, **environment):
    @case(name, OBSERVABILITY_CONFIG=ON, **environment)
    async def run(side, app):
        await side.listening(METRICS)
        for data in requests:
            await side.ask(data)
        answer = await side.ask(get("/metrics"), METRICS)
        side.note("type", answer["headers"]["content-type"])
        side.note("lines", lines(answer["body"]))
        side.note("elsewhere", await side.ask(get("/"), METRICS))


told("nothing yet", [])
told("some requests", [
    get("/"),
    get("/", method="POST", body=b"x" * 30),
    get("/", "-", "Host: other:8443", method="BREW"),
    get("/", version="1.0"),
    get("/", method="HEAD"),
], CONTAINER_CONCURRENCY="3", POD_NAME="pod")
told("tags", [
    get("/", "Knative-Serving-Tag: t"),
    get("/", "Knative-Serving-Default-Route: true"),
    get("/", "Knative-Serving-Tag: t", "Knative-Serving-Default-Route: true"),
])
told("probes", [
    get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue"),
    get("/", "K-Network-Probe: probe", "K-Network-Hash: x"),
])
told("an original host", [get("/", "K-Original-Host: outer")])
told("names", [get("/")], HOSTNAME="host", OTEL_SERVICE_NAME="named")


@case("nobody listens", app=None, OBSERVABILITY_CONFIG=ON)
async def nobody(side, app):
    await side.ask(get("/"))
    side.note("lines", lines((await side.ask(get("/metrics"), METRICS))["body"]))


@case("nobody asked for metrics")
async def off(side, app):
    try:
        side.note("answer", await side.ask(get("/metrics"), METRICS))
    except OSError as error:
        side.note("answer", type(error).__name__)
    await asyncio.sleep(0)


@case("on another port", OBSERVABILITY_CONFIG=ON, METRICS_PROMETHEUS_PORT="19091")
async def elsewhere(side, app):
    await side.listening(19091)
    side.note("status", (await side.ask(get("/metrics"), 19091))["status"])
