"""containerConcurrency."""

import asyncio

from harness.app import PLAIN
from harness.cases import case
from harness.client import get


class Held:
    def __init__(self):
        self.go = asyncio.Event()


HOLD = {}


async def hold(wire, request, number):
    await HOLD["go"].wait()
    await wire.send(PLAIN)


async def running(app, count):
    for _ in range(500):
        if app.running >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{app.running} of {count} run")


@case("one runs, ten wait, the twelfth is refused", app=hold, CONTAINER_CONCURRENCY="1")
async def full(side, app):
    HOLD["go"] = asyncio.Event()
    first = asyncio.ensure_future(side.ask(get("/")))
    await running(app, 1)
    waiting = [asyncio.ensure_future(side.ask(get(f"/{n}"))) for n in range(10)]
    await asyncio.sleep(0.5)
    side.note("refused", await side.ask(get("/refused")))
    side.note("refused HEAD", await side.ask(get("/refused", method="HEAD")))
    side.note("refused POST", await side.ask(get("/refused", method="POST", body=b"x" * 1000)))
    side.note("probes are not", await side.ask(get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue")))
    HOLD["go"].set()
    side.note("first", await first)
    side.note("waiting", [await one for one in waiting])
    side.note("most", app.most)


@case("who leaves while waiting does not reach the app", app=hold, CONTAINER_CONCURRENCY="1")
async def leaves(side, app):
    HOLD["go"] = asyncio.Event()
    first = asyncio.ensure_future(side.ask(get("/first")))
    await running(app, 1)
    for _ in range(10):
        client = await side.connect()
        await client.send(get("/gone"))
        await asyncio.sleep(0.02)
        client.reset()
    await asyncio.sleep(0.3)
    others = [asyncio.ensure_future(side.ask(get("/others"))) for n in range(10)]
    await asyncio.sleep(0.3)
    HOLD["go"].set()
    side.note("first", (await first)["status"])
    side.note("others", [(await one).get("status") for one in others])
    side.note("asked", sorted(request.head.first for request in app.seen))


@case("a kubelet header passes by", app=hold, CONTAINER_CONCURRENCY="1")
async def past(side, app):
    HOLD["go"] = asyncio.Event()
    first = asyncio.ensure_future(side.ask(get("/")))
    await running(app, 1)
    second = asyncio.ensure_future(side.ask(get("/", "K-Kubelet-Probe: 1")))
    await running(app, 2)
    HOLD["go"].set()
    side.note("both", [(await one)["status"] for one in (first, second)])
