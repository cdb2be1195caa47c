"""HTTP/2 and gRPC: from clients by their preface, to an app that speaks it."""

import asyncio

from harness.cases import case
from harness.client import get
from harness.http1 import shown
from harness.http2 import CANCEL, Client, ask, fields

GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
MESSAGE = b"\0\0\0\0\x05\x0a\x03Ada"


def asks(name, *requests, **more):
    """Requests one after the other; what came of each, and what the app was asked."""

    @case(name, http2=True, **more)
    async def run(side, app):
        for number, request in enumerate(requests):
            side.note(f"answer {number}", await ask(side.port, *request))
        if app:
            side.note("app", app.shown())
            side.note("resets", app.resets)


def answers(*parts, trailers=None):
    """An app that says the same to everybody: fields, then bodies."""
    head, *bodies = parts

    async def answer(frames, stream, request):
        whole = not bodies and not trailers
        await frames.headers(stream, head, whole)
        for number, body in enumerate(bodies):
            await frames.data(stream, body, not trailers and number + 1 == len(bodies))
        if trailers:
            await frames.headers(stream, trailers, True)

    return answer


OK = [(":status", "200"), ("content-type", "text/plain")]

asks("GET", (fields("/a?b=c"),))
asks("HEAD", (fields(method="HEAD"),))
asks("a HEAD that is answered with a body", (fields(method="HEAD"),), app=answers([(":status", "200")], b"ok"))
asks("POST", (fields(method="POST"), b"x" * 30))
asks("POST with its length", (fields("/", ("content-length", "30"), method="POST"), b"x" * 30))
asks("a large body", (fields(method="POST"), b"x" * 300_000))
asks("trailers of a request", (fields(method="POST"), b"hello", [("x-sum", "1")]))
asks("two on one after the other", (fields("/1"),), (fields("/2"),))
asks("without a length", (fields(),), app=answers(OK, b"one", b"two"))
asks("a large answer", (fields(),), app=answers(OK, b"x" * 300_000))
asks("trailers of an answer", (fields(),), app=answers(OK, b"body", trailers=[("x-sum", "1"), ("x-more", "2")]))
asks("404", (fields(),), app=answers([(":status", "404"), ("content-length", "0")]))
asks("204", (fields(),), app=answers([(":status", "204")]))
asks("304", (fields(),), app=answers([(":status", "304"), ("etag", '"x"')]))
asks("early hints", (fields(),), app=lambda f, s, r: hints(f, s))
asks("gRPC", (fields("/hello.Greeter/SayHello", *GRPC, method="POST"), MESSAGE),
     app=answers([(":status", "200"), ("content-type", "application/grpc")], MESSAGE, trailers=[("grpc-status", "0")]))
asks("gRPC that fails with trailers alone", (fields("/hello.Greeter/Nothing", *GRPC, method="POST"), MESSAGE),
     app=answers([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "12"), ("grpc-message", "no")]))
asks("headers of Knative", (fields(
    "/", ("knative-serving-revision", "r"), ("knative-serving-namespace", "n"), ("k-original-host", "other.example.com"),
    ("k-proxy-request", "activator"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")),))
asks("te of other kinds", (fields("/", ("te", "gzip")),))
asks("cookies in crumbs", (fields("/", ("cookie", "a=b"), ("cookie", "c=d")),))
asks("a connection header", (fields("/", ("connection", "close")),))
asks("no path", (fields("/", (":path", None)),))
asks("no method", (fields("/", (":method", None)),))
asks("a name in capitals", (fields("/", ("X-Name", "v")),))
asks("an unknown pseudo-header", (fields("/", (":protocol-of-mine", "v")),))
asks("a length that is not kept", (fields("/", ("content-length", "5"), method="POST"), b"x" * 3))
asks("the app is not there", (fields(),), app=None)
asks("a probe", (fields("/", ("user-agent", "kube-probe/1"), ("k-network-probe", "queue")),))
asks("an ingress' probe", (fields("/", ("k-network-probe", "probe"), ("k-network-hash", "h")),))
asks("a probe of somebody else", (fields("/", ("user-agent", "Knative-Autoscaling-Probe"), ("k-network-probe", "activator")),))


async def hints(frames, stream):
    await frames.headers(stream, [(":status", "103"), ("link", "</x>")], False)
    await frames.headers(stream, [*OK, ("content-length", "2")], False)
    await frames.data(stream, b"ok", True)


async def hang(frames, stream, request):
    await asyncio.sleep(30)


async def resets(frames, stream, request):
    await frames.reset(stream, 2)


async def resets_late(frames, stream, request):
    await frames.headers(stream, OK, False)
    await frames.data(stream, b"some", False)
    await frames.reset(stream, 2)


async def closes(frames, stream, request):
    await frames.wire.close()


asks("the app resets", (fields(),), app=resets)
asks("the app resets in the middle of a body", (fields(),), app=resets_late)
asks("the app resets a POST", (fields(method="POST"), b"x"), app=resets)
asks("the app closes", (fields(method="POST"), b"x"), app=closes)
asks("too late", (fields(),), app=hang, REVISION_TIMEOUT_SECONDS="1")


@case("an app of HTTP/1.1 alone")
async def http1_alone(side, app):
    side.note("answer", await ask(side.port, fields()))


@case("a client of HTTP/1.1 in front of an app of HTTP/2", http2=True)
async def http1_client(side, app):
    side.note("code", (await side.ask(get("/"))).get("status"))


@case("a stream that is taken back", http2=True, app=hang, CONTAINER_CONCURRENCY="1")
async def taken_back(side, app):
    client = await Client.connect(side.port)
    stream = await client.send(fields("/slow"))
    while not app.seen:
        await asyncio.sleep(0.01)
    await client.frames.reset(stream, CANCEL)
    while not app.resets:
        await asyncio.sleep(0.01)
    side.note("resets", app.resets)
    await client.close()


@case("one runs, ten wait, the twelfth is refused", http2=True, app=hang, CONTAINER_CONCURRENCY="1")
async def full(side, app):
    client = await Client.connect(side.port)
    for number in range(11):
        await client.send(fields(f"/{number}"))
    while not app.seen:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    last = await client.send(fields("/one-too-many"))
    side.note("answer", await client.answer(last))
    side.note("app", len(app.seen))
    await client.close()


def upgrade(name, data, *then, **more):
    """A request of HTTP/1.1 that asks for HTTP/2, and those that follow it on the same connection."""

    @case(f"upgrade, {name}", **more)
    async def run(side, app):
        client, said = await Client.upgrade(side.port, data)
        side.note("101", said)
        if client:
            side.note("the first", await client.answer(1))
            for number, request in enumerate(then):
                side.note(f"then {number}", await client.answer(await client.send(*request)))
            await client.close()
        if app:
            side.note("app", [(request.head.first, shown(request.head.fields), request.body.decode()) for request in app.seen])


SETTINGS = "HTTP2-Settings: AAMAAABkAAQAAP__"
WANTED = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", SETTINGS)

upgrade("GET", get("/a?b=c", *WANTED))
upgrade("HEAD", get("/", *WANTED, method="HEAD"))
upgrade("POST", get("/", *WANTED, method="POST", body=b"x" * 30))
upgrade("POST in chunks", get("/", *WANTED, "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n0\r\n\r\n")
upgrade("a large body", get("/", *WANTED, method="POST", body=b"x" * 300_000))
upgrade("one that waits for 100", get("/", *WANTED, "Expect: 100-continue", method="POST", body=b"x" * 30))
upgrade("only the settings are named", get("/", "Connection: HTTP2-Settings", "Upgrade: h2c", SETTINGS))
upgrade("among others", get("/", "Connection: upgrade, http2-settings", "Upgrade: websocket, h2c", SETTINGS))
upgrade("Knative's headers", get("/", *WANTED, "K-Original-Host: other.example.com", "K-Proxy-Request: activator", "X-Forwarded-For: 192.0.2.1"))
upgrade("a probe", get("/", *WANTED, "User-Agent: kube-probe/1", "K-Network-Probe: queue"))
upgrade("the app is not there", get("/", *WANTED), app=None)
upgrade("settings of an odd length", get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"))
upgrade("settings that cannot be", get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAUAAAAA"))
upgrade("of HTTP/1.0", get("/", *WANTED, version="1.0"))
