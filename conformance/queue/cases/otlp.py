"""OpenTelemetry: what a collector is sent, and what the app is told of the trace."""

import asyncio
import json
import re

from harness.cases import case
from harness.client import get
from harness.otlp import GRPC, PORT, Caller, Collector, metrics, resources, spans

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNKEPT = CALLER[:-1] + "0"


def tracing(rate: float) -> str:
    return json.dumps({"tracing": {"protocol": "http/protobuf", "endpoint": f"http://127.0.0.1:{PORT}", "samplingRate": rate}})


def masked(seen: list) -> list:
    """The app's headers of tracing, without the ids that are made anew."""
    said = []
    for request in seen:
        fields = {name.lower(): value for name, value in request.head.fields}
        parent = re.sub(r"-[0-9a-f]{16}-", "-SPAN-", fields.get("traceparent", ""))
        if "0af7651916cd43dd8448eb211c80319c" not in parent:
            parent = re.sub(r"[0-9a-f]{32}", "TRACE", parent)
        said.append({"traceparent": parent, **{name: fields.get(name) for name in ("tracestate", "baggage", "b3")}})
    return said


def traced(name, requests, count, rate=1.0, **environment):
    @case(name, OBSERVABILITY_CONFIG=tracing(rate), OTEL_BSP_SCHEDULE_DELAY="50", **environment)
    async def run(side, app):
        async with Collector() as collector:
            for data in requests:
                await side.ask(data)
            if count:
                await collector.until(lambda: len(spans(collector.bodies)) >= count)
                side.note("resource", resources(collector.bodies))
            else:
                await asyncio.sleep(0.5)
            side.note("spans", spans(collector.bodies))
            side.note("paths", sorted(collector.paths))
            side.note("app", masked(app.seen))


traced("a request", [get("/a/b?c=d", "User-Agent: test")], 3)
traced("with a breaker", [get("/")], 4, CONTAINER_CONCURRENCY="1")
traced("a caller's trace", [get("/", f"Traceparent: {CALLER}", "Tracestate: a=b,c=d", "Baggage: k=v")], 3)
traced("a caller's trace that is not kept, all are", [get("/", f"Traceparent: {UNKEPT}")], 3)
traced("a caller's trace that is not kept, half are", [get("/", f"Traceparent: {UNKEPT}")], 0, rate=0.5)
traced("a caller's trace, half are kept", [get("/", f"Traceparent: {CALLER}")], 3, rate=0.5)
traced("none are kept", [get("/"), get("/", f"Traceparent: {CALLER}")], 0, rate=0.0)
traced("traces that are none", [
    get("/", "Traceparent: nonsense", "Tracestate: a=b"),
    get("/", f"Traceparent: {CALLER.upper()}"),
    get("/", f"Traceparent: ff{CALLER[2:]}"),
    get("/", "B3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"),
], 12)
traced("a body, and who forwards", [
    get("/", "-", "Host: h.example.com:8443", "X-Forwarded-For: 192.0.2.1, 192.0.2.2", method="POST", body=b"x" * 30),
    get("/", method="BREW"),
], 6)
traced("probes are no traces", [
    get("/", "User-Agent: kube-probe/1.36", "K-Network-Probe: queue"),
    get("/", "K-Network-Probe: probe", "K-Network-Hash: h"),
], 0)
traced("by variables", [get("/")], 3, rate=0.0, OTEL_TRACES_SAMPLER="always_on")
traced("off by variables", [get("/")], 0, OTEL_TRACES_SAMPLER="parentbased_always_off")


@case("an app that is not there", app=None, OBSERVABILITY_CONFIG=tracing(1), OTEL_BSP_SCHEDULE_DELAY="50")
async def nobody(side, app):
    async with Collector() as collector:
        await side.ask(get("/"))
        await collector.until(lambda: len(spans(collector.bodies)) >= 3)
        side.note("spans", spans(collector.bodies))


def counted(name, requests, **environment):
    config = {"requestMetrics": {"protocol": "http/protobuf", "endpoint": f"http://127.0.0.1:{PORT}/v1/metrics"}}

    @case(name, OBSERVABILITY_CONFIG=json.dumps(config), OTEL_METRIC_EXPORT_INTERVAL="1000", **environment)
    async def run(side, app):
        async with Collector() as collector:
            for data in requests:
                await side.ask(data)
            before = len(collector.bodies)
            await collector.until(lambda: len(collector.bodies) > before + 1)
            side.note("metrics", metrics(collector.bodies[-1]))
            side.note("resource", resources(collector.bodies))
            side.note("paths", sorted(collector.paths))


counted("metrics", [get("/"), get("/", method="POST", body=b"x" * 30), get("/", "-", "Host: other:8443", method="BREW")],
        CONTAINER_CONCURRENCY="3", POD_NAME="pod")
counted("metrics without a breaker", [get("/", "Knative-Serving-Tag: t")])


def refused(name, config, **environment):
    @case(name, app=None, starts=False, OBSERVABILITY_CONFIG=json.dumps(config))
    async def run(side, app):
        await side.start({"OBSERVABILITY_CONFIG": json.dumps(config), **environment}, until=None)
        side.note("exit", await side.wait(20))


refused("an unknown protocol of metrics", {"requestMetrics": {"protocol": "smoke"}})
refused("an unknown protocol of traces", {"tracing": {"protocol": "smoke"}})
refused("a sampling rate that is none", {"tracing": {"protocol": "grpc", "endpoint": "http://127.0.0.1:4317"}},
        OTEL_TRACES_SAMPLER_ARG="some")


@case("traces over gRPC", OTEL_BSP_SCHEDULE_DELAY="50", OBSERVABILITY_CONFIG=json.dumps(
    {"tracing": {"protocol": "grpc", "endpoint": f"http://127.0.0.1:{GRPC}", "samplingRate": 1}}))
async def called(side, app):
    async with Caller() as collector:
        await side.ask(get("/a/b?c=d", "User-Agent: test"))
        await collector.until(lambda: len(spans(collector.bodies)) >= 3)
        side.note("resource", resources(collector.bodies))
        side.note("spans", spans(collector.bodies))
        side.note("paths", sorted(collector.paths))


@case("metrics over gRPC", OTEL_METRIC_EXPORT_INTERVAL="1000", OBSERVABILITY_CONFIG=json.dumps(
    {"requestMetrics": {"protocol": "grpc", "endpoint": f"http://127.0.0.1:{GRPC}"}}))
async def measured(side, app):
    async with Caller() as collector:
        await side.ask(get("/", method="POST", body=b"x" * 30))
        before = len(collector.bodies)
        await collector.until(lambda: len(collector.bodies) > before + 1)
        side.note("metrics", metrics(collector.bodies[-1]))
        side.note("resource", resources(collector.bodies))
        side.note("paths", sorted(collector.paths))
