"""Apps that do not behave, and clients that go."""

import asyncio

from harness.app import PLAIN
from harness.cases import case
from harness.client import get


async def one(side, app, data, cut=False):
    response = await side.ask(data)
    # How much of a response that breaks is delivered is a matter of moments.
    side.note("response", response if not cut else bool(response.get("ended")))
    if app:
        side.note("asked", len(app.seen))


def app_that(name, *said, end="close", requests=(get("/"),), cut=False):
    async def answer(wire, request, number):
        for part in said:
            await wire.send(part)
        if end == "close":
            await wire.close()
        elif end == "reset":
            wire.reset()

    for data in requests:
        line = data.split(b"\r")[0].decode()
        register(name if len(requests) == 1 else f"{name}, {line}", answer, data, cut)


def register(name, answer, data, cut):
    @case(name, app=answer)
    async def run(side, app):
        await one(side, app, data, cut)


@case("nobody listens", app=None)
async def nobody(side, app):
    await one(side, app, get("/"))


@case("nobody listens, POST", app=None)
async def nobody_post(side, app):
    await one(side, app, get("/", method="POST", body=b"hello"))


@case("nobody listens, HEAD", app=None)
async def nobody_head(side, app):
    await one(side, app, get("/", method="HEAD"))


BOTH = (get("/"), get("/", method="POST", body=b"hello"))
app_that("closes without a word", requests=BOTH)
app_that("resets without a word", end="reset", requests=BOTH)
app_that("closes in the middle of a head", b"HTTP/1.1 200 OK\r\nX-A: ")
app_that("says garbage", b"SSH-2.0-OpenSSH\r\n\r\n")
app_that("says garbage without an end", b"garbage")
app_that("says a bad status", b"HTTP/1.1 abc OK\r\n\r\n")
app_that("says a bad header", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n")
app_that("says a bad length", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
app_that("closes in the middle of a length", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhello", cut=True)
app_that("resets in the middle of a length", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhello", end="reset", cut=True)
app_that("closes in the middle of chunks", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", cut=True)
app_that("says bad chunks", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", cut=True)
app_that("answers until it closes", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello", requests=(get("/"), get("/", version="1.0")))
app_that("answers HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
app_that("switches unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
app_that("switches to something else", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
         requests=(get("/", "Connection: Upgrade", "Upgrade: websocket"),))
app_that("does not switch", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno", end="",
         requests=(get("/", "Connection: Upgrade", "Upgrade: websocket"),))
app_that("speaks HTTP/2", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64")


for status, more, body in [
    (200, b"Content-Length: 0\r\n", b""),
    (204, b"", b""),
    (304, b"ETag: x\r\n", b""),
    (304, b"Content-Length: 7\r\n", b""),
    (404, b"Content-Type: text/html\r\nContent-Length: 2\r\n", b"no"),
    (418, b"Content-Type: text/html\r\nContent-Length: 2\r\n", b"no"),
    (599, b"Content-Type: text/html\r\nContent-Length: 2\r\n", b"no"),
    (200, b"Content-Type: text/plain\r\nDate: then\r\nServer: me\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n", b"ok"),
    (200, b"Content-Type: text/plain\r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n", b"ok"),
    (200, b"Content-Type: text/plain\r\nConnection: close\r\nContent-Length: 2\r\n", b"ok"),
    (200, b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
    (200, b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", b"2\r\nok\r\n0\r\nX-Unsaid: 1\r\n\r\n"),
]:
    text = f"HTTP/1.1 {status} Said\r\n".encode() + more + b"\r\n" + body
    app_that(f"answers {status} {more.decode().strip().splitlines()} {len(body)}", text, end="")
app_that("answers HEAD", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n", end="", requests=(get("/", method="HEAD"),))
app_that("answers HEAD without a length", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", end="", requests=(get("/", method="HEAD"),))
app_that("gives early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", PLAIN, end="", requests=(get("/"), get("/", version="1.0")))
app_that("processes", b"HTTP/1.1 102 Processing\r\n\r\n", PLAIN, end="")

# Types that Go's server finds out by itself.
for name, body in {
    "text": b"hello", "html": b"<html><body>", "json": b'{"a": 1}', "png": b"\x89PNG\x0d\x0a\x1a\x0a1234", "binary": b"\0\1\2\3",
    "xml": b"<?xml version='1.0'?>", "gzip": b"\x1f\x8b\x08abc", "pdf": b"%PDF-1.4", "empty": b"", "utf-8": "grüße".encode(), "bom": b"\xef\xbb\xbfhi",
}.items():
    app_that(f"says no type: {name}", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, end="")
app_that("says no type: an error", b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n<html")
# Of a body without a length the reference finds the type or not: its head is flushed by a timer of no time.
app_that("says no type but an encoding", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", end="")


async def stale(wire, request, number):
    await wire.send(PLAIN)
    if number == 0:
        await asyncio.sleep(0.05)
        await wire.close()


@case("a pooled connection that has gone", app=stale)
async def gone(side, app):
    for index in range(3):
        side.note(f"response {index}", await side.ask(get("/", method="POST", body=b"x") if index == 1 else get("/")))
        await asyncio.sleep(0.2)
    side.note("asked", len(app.seen))


async def slow(wire, request, number):
    await asyncio.sleep(0.6)
    await wire.send(PLAIN)


@case("a client that goes is told to the app", app=slow)
async def leaves(side, app):
    client = await side.connect()
    await client.send(get("/"))
    await asyncio.sleep(0.1)
    client.reset()
    await asyncio.sleep(1)
    side.note("app", app.ended)
    side.note("next", await side.ask(get("/")))


@case("a body after the answer", reads_bodies=False)
async def early(side, app):
    client = await side.connect()
    await client.send(get("/", "Content-Length: 10", method="POST") + b"hello")
    side.note("response", (await client.response()).shown())


@case("a large body after the answer", reads_bodies=False, app=lambda w, r, n: answer_and_close(w))
async def early_large(side, app):
    client = await side.connect()
    await client.send(get("/", "Content-Length: 10000000", method="POST") + b"x" * 100000)
    response = (await client.response()).shown()
    side.note("status", response["status"])
    side.note("body", response["body"])


async def answer_and_close(wire):
    await wire.send(b"HTTP/1.1 413 No\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
    await asyncio.sleep(0.1)
    await wire.close()


async def wants(wire, request, number):
    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await wire.exactly(5)
    await wire.send(PLAIN)


async def wants_none(wire, request, number):
    await wire.send(b"HTTP/1.1 417 No\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno")


async def silent(wire, request, number):
    await wire.exactly(5)
    await wire.send(PLAIN)


def expects(name, answer):
    @case(f"a body that waits: the app {name}", reads_bodies=False, app=answer)
    async def run(side, app):
        client = await side.connect()
        await client.send(get("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        if answer is wants_none:
            # Whether the reference asks for the body before it hears that nobody wants it is a matter of moments.
            side.note("status", (await client.response()).shown()["status"])
        else:
            await client.wire.until(b"\r\n\r\n")
            # Beside its own the reference may pass the app's on, or come too late for that.
            side.note("interim", client.wire.heard.split(b"\r\n")[0].decode())
            await client.send(b"hello")
            response = (await client.response()).shown()
            response.pop("interim", None)
            side.note("response", response)
        side.note("app", [request.shown() for request in app.seen])


for name, answer in {"wants it": wants, "does not want it": wants_none, "says nothing": silent}.items():
    expects(name, answer)


async def switches(wire, request, number):
    await wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhi")
    data = await wire.exactly(5)
    await wire.send(data.upper())
    rest, how = await wire.rest()
    await wire.send(b"end:" + how.encode())


@case("an upgraded connection", app=switches)
async def websocket(side, app):
    client = await side.connect()
    await client.send(get("/chat", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k", "Sec-WebSocket-Version: 13"))
    side.note("response", (await client.response()).shown())
    await client.send(b"hello")
    side.note("heard", (await client.wire.exactly(7)).decode())
    client.wire.writer.write_eof()
    side.note("rest", (await client.wire.rest())[0].decode())
    side.note("app", [request.shown() for request in app.seen])
