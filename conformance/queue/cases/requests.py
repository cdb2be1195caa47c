"""Requests to the app and what becomes of them on the way."""

from harness.cases import case
from harness.client import get


async def both(side, app, data, **more):
    side.note("response", await side.ask(data, **more))
    side.note("app", [request.shown() for request in app.seen])


def simple(name, data, **more):
    @case(name, **more)
    async def run(side, app):
        await both(side, app, data)


simple("a plain GET", get("/hello?x=1"))
simple("a query with semicolons and bad escapes", get("/a?b;c=%zz&d=%41"))
simple("a path with dots and slashes", get("/a//b/../c/./d"))
simple("an escaped path", get("/a%2Fb%20c"))
simple("HEAD", get("/", method="HEAD"))
simple("a POST with a length", get("/", method="POST", body=b"hello"))
simple("a POST without a body", get("/", method="POST"))
simple("a POST with length 0", get("/", "Content-Length: 0", method="POST"))
simple("a GET with length 0", get("/", "Content-Length: 0"))
simple("a GET with a body", get("/", body=b"hello"))
simple("a DELETE with length 0", get("/", "Content-Length: 0", method="DELETE"))
simple("an unknown method", get("/", method="BREW"))
simple("OPTIONS *", get("*", method="OPTIONS"))
simple("chunks", get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n0\r\n\r\n")
simple(
    "chunks with trailers",
    get("/", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST") + b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
)
simple("HTTP/1.0", get("/", version="1.0"))
simple("HTTP/1.0 without a host", get("/", "-", version="1.0"))
simple("HTTP/1.0 that stays", get("/", "Connection: keep-alive", version="1.0"))
simple("Connection: close", get("/", "Connection: close"))
simple("an agent", get("/", "User-Agent: me/1"))
simple("many values of one header", get("/", "X-A: 1", "X-A: 2", "X-B: 3", "X-A: 4"))
simple("accept-encoding stays", get("/", "Accept-Encoding: br"))
simple("hop-by-hop headers", get("/", "Connection: X-Hop, close", "X-Hop: 1", "Keep-Alive: 5", "Proxy-Connection: x",
       "Proxy-Authorization: secret", "Proxy-Authenticate: secret", "TE: trailers, gzip", "X-Stays: 1"))
simple("te without trailers", get("/", "TE: gzip"))
simple("absolute form", get("http://other.example.com/x"))
simple("absolute form without a path", get("http://other.example.com"))

simple("x-forwarded-for grows", get("/", "X-Forwarded-For: 1.1.1.1"))
simple("x-forwarded-for on two lines", get("/", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2"))
for index, lines in enumerate([
    ("X-Forwarded-For: 127.0.0.1, ::1", "X-Forwarded-Host: h", "X-Forwarded-Proto: p"),
    ("X-Forwarded-For: ,,,",),
    ("X-Forwarded-Proto: https",),
    ("X-Forwarded-Host: h",),
    ("X-Forwarded-For: a", "X-Forwarded-Proto: https"),
    ("X-Forwarded-For: a", "X-Forwarded-By: b"),
    ("X-Forwarded-By: b",),
    ("X-Forwarded-For: a", "Forwarded: for=b"),
    ("X-Forwarded-For: a", "Forwarded:"),
    ("X-Forwarded-For: a , b ,c",),
]):
    simple(f"forwarded {index}", get("/", *lines))
simple("knative's own headers", get("/", "Knative-Serving-Revision: r", "Knative-Serving-Namespace: n", "Knative-Serving-Tag: t",
       "Knative-Serving-Default-Route: true", "K-Proxy-Request: activator", "K-Passthrough-Lb: true", "K-Network-Hash: h"))
simple("the original host", get("/", "K-Original-Host: outer.example.com"))
simple("an empty original host", get("/", "K-Original-Host:"))
simple("the original host of an old ingress' probe", get("/", "K-Original-Host: outer", "K-Kubelet-Probe: yes"))
simple("traceparent", get("/", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b"))
simple("upgrade to h2c without its settings", get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"))
simple("upgrade to h2c with two settings", get(
    "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "HTTP2-Settings: AAMAAABk"))
simple("upgrade to h2c with settings that are none", get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAA=="))
simple("upgrade to h2c that does not name its settings", get("/", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"))


# What comes in and cannot be read.
simple("no host", get("/", "-"))
simple("two hosts", get("/", "Host: other"))
simple("a bad host", get("/", "-", "Host: a b"))
simple("garbage", b"hello\r\n\r\n")
simple("HTTP/3.0", get("/", version="3.0"))
simple("HTTP/2.0 without a preface", get("/", version="2.0"))
simple("a space in a name", get("/", "X A: b"))
simple("a header without a colon", get("/", "nonsense"))
simple("an unknown transfer-encoding", get("/", "Transfer-Encoding: gzip", method="POST"))
simple("a length that is none", get("/", "Content-Length: x", method="POST"))
simple("a negative length", get("/", "Content-Length: -1", method="POST"))
simple("two lengths", get("/", "Content-Length: 1", "Content-Length: 2", method="POST"))
simple("length and chunks", get("/", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n")
simple("a head of two megabytes", get("/", "X-Large: " + "x" * (2 << 20)))
simple("a head of half a megabyte", get("/", "X-Large: " + "x" * (1 << 19)))
simple("bad chunks", get("/", "Transfer-Encoding: chunked", method="POST") + b"zz\r\nhello\r\n0\r\n\r\n")


@case("two requests on one connection")
async def two(side, app):
    client = await side.connect()
    for index in range(2):
        await client.send(get(f"/{index}"))
        side.note(f"response {index}", (await client.response()).shown())
    side.note("end", await client.ended(0.3))
    side.note("app", [request.shown() for request in app.seen])


@case("pipelined requests")
async def pipelined(side, app):
    client = await side.connect()
    await client.send(get("/1") + get("/2") + get("/3", "Connection: close"))
    for index in range(3):
        side.note(f"response {index}", (await client.response()).shown())
    side.note("end", await client.ended())
    side.note("app", [request.shown() for request in app.seen])
