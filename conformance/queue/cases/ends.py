"""preStop, SIGTERM, and what comes after."""

import asyncio
import signal
import time

from harness.app import PLAIN
from harness.cases import case
from harness.client import get
from harness.side import ADMIN, STATS

PROBE = get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue")
INGRESS = get("/", "K-Network-Probe: probe", "K-Network-Hash: x")


async def slow(wire, request, number):
    if request.head.first.startswith("GET /slow"):
        await asyncio.sleep(36)
    await wire.send(PLAIN)


@case("admin: other paths")
async def paths(side, app):
    for path in ("/", "/wait-for-drain/", "/metrics"):
        side.note(path, await side.ask(get(path), ADMIN))
    side.note("stats", await side.ask(get("/"), STATS))


@case("a drain without SIGTERM is called off")
async def called_off(side, app):
    began = time.monotonic()
    asked = asyncio.ensure_future(side.ask(get("/wait-for-drain"), ADMIN))
    await asyncio.sleep(0.3)
    side.note("probe while draining", await side.ask(PROBE))
    side.note("ingress while draining", await side.ask(INGRESS))
    side.note("request while draining", await side.ask(get("/")))
    side.note("answer", await asked)
    side.note("seconds", round(time.monotonic() - began))
    side.note("probe after", await side.ask(PROBE))


@case("SIGTERM twice")
async def twice(side, app):
    side.signal()
    await asyncio.sleep(0.5)
    side.signal()
    side.note("exit", await side.wait(20))


@case("SIGINT twice")
async def interrupted(side, app):
    side.signal(signal.SIGINT)
    await asyncio.sleep(0.5)
    side.signal(signal.SIGINT)
    side.note("exit", await side.wait(20))


@case("SIGTERM, preStop, a request that is slow, and the end", app=slow)
async def whole(side, app):
    began = time.monotonic()
    keep = await side.connect()
    await keep.send(get("/keep"))
    side.note("before", (await keep.response()).shown())
    stop = asyncio.ensure_future(side.ask(get("/wait-for-drain"), ADMIN, within=60))
    side.signal()
    await asyncio.sleep(0.5)
    side.note("probe", await side.ask(PROBE))
    side.note("ingress", await side.ask(INGRESS))
    side.note("another preStop", "waits" if not stop.done() else "is done")
    # The last request but the slow one: the quiet time begins anew.
    await asyncio.sleep(3)
    await keep.send(get("/keep"))
    side.note("a kept connection", (await keep.response()).shown())
    slow = asyncio.ensure_future(side.ask(get("/slow"), within=60))
    side.note("preStop", await stop)
    side.note("preStop after", round(time.monotonic() - began))
    await asyncio.sleep(1)
    side.note("kept connections are closed", await keep.ended(2))
    try:
        side.note("new connections", await side.ask(get("/")))
    except OSError as error:
        side.note("new connections", type(error).__name__)
    side.note("slow", await slow)
    side.note("exit", await side.wait(20))
    side.note("after", round((time.monotonic() - began) / 2))
