"""The three timeouts."""

import asyncio
import time

from harness.cases import case
from harness.client import get

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def never(wire, request, number):
    await asyncio.sleep(60)


async def begins(wire, request, number):
    await wire.send(CHUNKS + b"5\r\nhello\r\n")
    await asyncio.sleep(60)


async def promises(wire, request, number):
    await wire.send(HEAD + b"Content-Length: 100\r\n\r\nhello")
    await asyncio.sleep(60)


async def promises_little(wire, request, number):
    await wire.send(HEAD + b"Content-Length: 10\r\n\r\nhello")
    await asyncio.sleep(60)


async def head_only(wire, request, number):
    await wire.send(CHUNKS)
    await asyncio.sleep(60)


async def drips(wire, request, number):
    await wire.send(CHUNKS)
    for index in range(6):
        await wire.send(b"1\r\nx\r\n")
        await asyncio.sleep(0.3)
    await wire.send(b"0\r\n\r\n")


APPS = {"never answers": never, "begins": begins, "promises a length": promises, "promises a short length": promises_little,
        "sends a head": head_only, "drips": drips}
CLOCKS = {
    "revision": {"REVISION_TIMEOUT_SECONDS": "1"},
    "response start": {"REVISION_RESPONSE_START_TIMEOUT_SECONDS": "1", "REVISION_TIMEOUT_SECONDS": "4"},
    "idle": {"REVISION_IDLE_TIMEOUT_SECONDS": "1", "REVISION_TIMEOUT_SECONDS": "4"},
    "none": {"REVISION_TIMEOUT_SECONDS": "0"},
}


async def measured(side, data):
    began = time.monotonic()
    client = await side.connect()
    await client.send(data)
    try:
        side.note("response", (await client.response(data.startswith(b"HEAD "))).shown())
    except Exception as error:
        side.note("response", repr(error))
    side.note("seconds", round(time.monotonic() - began))
    side.note("end", await client.ended(0.3))


def clock_case(clock, what, answer, environment):
    @case(f"{clock}: the app {what}", app=answer, **environment)
    async def run(side, app):
        await measured(side, get("/"))
        await asyncio.sleep(0.1)
        # Without any time a request reaches the app or not.
        if clock != "none":
            side.note("app", app.ended)


for clock, environment in CLOCKS.items():
    for what, answer in APPS.items():
        clock_case(clock, what, answer, environment)


@case("HEAD", app=never, REVISION_TIMEOUT_SECONDS="1")
async def head(side, app):
    await measured(side, get("/", method="HEAD"))


@case("HTTP/1.0", app=begins, REVISION_TIMEOUT_SECONDS="1")
async def old(side, app):
    await measured(side, get("/", version="1.0"))


@case("a body that does not come", reads_bodies=False, app=never, REVISION_TIMEOUT_SECONDS="1")
async def half(side, app):
    await measured(side, get("/", "Content-Length: 100", method="POST") + b"half")


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def echoes(wire, request, number):
    await wire.send(SWITCH)
    while True:
        await wire.more()
        data, wire.buffer = wire.buffer, b""
        await wire.send(data)


for clock, environment in CLOCKS.items():
    if clock != "none":

        @case(f"{clock}: an upgraded connection that talks", app=echoes, **environment)
        async def upgraded(side, app):
            began = time.monotonic()
            client = await side.connect()
            await client.send(get("/", "Connection: Upgrade", "Upgrade: websocket"))
            side.note("response", (await client.response()).shown())
            try:
                while time.monotonic() - began < 10:
                    await client.send(b"x")
                    await client.wire.exactly(1)
                    await asyncio.sleep(0.1)
            except Exception as gone:
                side.note("end", getattr(gone, "what", repr(gone)))
            side.note("seconds", round(time.monotonic() - began))
