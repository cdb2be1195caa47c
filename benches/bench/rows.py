"""The rows: which work, beside whom. A row is one scene for every peer and some cells, each a load."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from . import loads
from .loads import Done
from .machine import At
from .peers import Envoy, Forebay, Haproxy, Nginx, Relay, Scene
from .sidecars import KnativeQueueProxy, QueueProxy

# As many other hosts as facts of large installations have; the peers without a route table have none.
HOSTS = 10_000
# What says much the same as another row: in a quick run only where it is asked for.
SLOW = ("tls-rsa", "tls-bodies", "routes-1", "routes-100", "queue-proxy-limited")


@dataclass(frozen=True)
class Cell:
    """A load: given where to and how many seconds, it works and tells."""

    title: str
    load: Callable[[At, int], Done]


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    # What CPU time is divided by.
    unit: str
    peers: tuple[type, ...]
    scene: Scene
    cells: tuple[Cell, ...]


def _wrk(**how) -> Callable[[At, int], Done]:
    return lambda at, seconds: loads.wrk(at, seconds, **how)


def _h2load(**how) -> Callable[[At, int], Done]:
    return lambda at, seconds: loads.h2load(at, seconds, **how)


def _tool(work: str, **how) -> Callable[[At, int], Done]:
    return lambda at, seconds: loads.tool(at, seconds, work, **how)


def _events(**how) -> Callable[[At, int], Done]:
    """Two seconds at least: so many clients are not there at once."""
    return lambda at, seconds: loads.tool(at, max(seconds, 2), "events", **how)


def _handshakes(**how) -> Callable[[At, int], Done]:
    return lambda at, seconds: loads.handshakes(at, seconds, **how)


def _curl(**how) -> Callable[[At, int], Done]:
    """200 MB however long it takes."""
    return lambda at, _: loads.curl(at, mebibytes=191, **how)


def every(home: pathlib.Path) -> list[Row]:
    """All rows; `home` is a folder for what loads send."""
    call = home / "call.bin"
    call.write_bytes(b"\0\0\0\0\x06\x0a\x04load")  # HelloRequest { name: "load" }, length-prefixed
    all_four, with_floor = (Forebay, Envoy, Haproxy, Nginx), (Forebay, Envoy, Haproxy, Nginx, Relay)
    two, three = (Forebay, Envoy), (Forebay, Envoy, Haproxy)
    hosts = Scene(hosts=HOSTS)
    streams = ((1, 64), (16, 16))
    sizes = ((1 << 10, "1 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB"))
    return [
        Row("h1", "HTTP/1.1 → HTTP/1.1, keep-alive, 13 bytes", "request", with_floor, hosts,
            tuple(Cell(f"c={count}", _wrk(connections=count)) for count in (1, 32, 128, 1024))),
        Row("h1-sizes", "HTTP/1.1 → HTTP/1.1, keep-alive, 32 connections, larger answers", "request", with_floor, hosts,
            tuple(Cell(words, _wrk(connections=32, path=f"/bytes?n={size}")) for size, words in sizes)),
        Row("h1-new", "HTTP/1.1, a new connection for each request", "request", all_four, hosts,
            (Cell("c=32", _wrk(connections=32, close=True)),)),
        Row("h1-rate", "HTTP/1.1 at a fixed rate, 64 connections (latency is the point)", "request", with_floor, hosts,
            tuple(Cell(f"{rate}/s", _tool("rate", connections=64, rate=rate)) for rate in (2_000, 8_000))),
        Row("tls-handshakes", "TLS handshakes, ECDSA P-256", "handshake", all_four, Scene(tls="ecdsa"),
            (Cell("new, TLS 1.3", _handshakes(version="1.3")), Cell("new, TLS 1.2", _handshakes(version="1.2")),
             Cell("resumed, TLS 1.2", _handshakes(version="1.2", resumed=True)))),
        Row("tls-rsa", "TLS handshakes, RSA 2048", "handshake", all_four, Scene(tls="rsa"), (Cell("new, TLS 1.3", _handshakes(version="1.3")),)),
        Row("tls", "HTTP/1.1 over TLS, keep-alive, 32 connections", "request", all_four, Scene(tls="ecdsa"),
            (Cell("13 B", _wrk(connections=32, scheme="https")), Cell("1 MiB", _wrk(connections=32, scheme="https", path=f"/bytes?n={1 << 20}")))),
        Row("tls-bodies", "One body of 200 MB over TLS 1.3, AES-128-GCM", "MiB", all_four, Scene(tls="ecdsa"),
            (Cell("down", _curl(up=False, scheme="https")), Cell("up", _curl(up=True, scheme="https")))),
        Row("h2-h1", "HTTP/2 → HTTP/1.1", "request", three, hosts,
            tuple(Cell(f"{count}×{each}", _h2load(connections=count, streams=each)) for count, each in streams)),
        Row("h2-h2", "HTTP/2 → HTTP/2", "request", three, Scene(hosts=HOSTS, upstream="h2"),
            tuple(Cell(f"{count}×{each}", _h2load(connections=count, streams=each)) for count, each in streams)),
        Row("grpc", "gRPC, unary", "call", three, Scene(hosts=HOSTS, upstream="h2"),
            tuple(Cell(f"{count}×{each}", _h2load(connections=count, streams=each, path="/hello.Greeter/SayHello", body=call)) for count, each in streams)),
        Row("grpc-streams", "gRPC, a stream each way, a message and its reply", "message", three, Scene(hosts=HOSTS, upstream="h2"),
            (Cell("64 streams", _tool("chat", connections=64, path="/hello.Greeter/Chat")),)),
        Row("websocket", "Websocket, 64 bytes and back", "message", three, hosts,
            (Cell("64 sockets", _tool("socket", connections=64, path="/ws")),)),
        Row("events", "Server-sent events", "event", three, hosts,
            (Cell("1000 clients", _events(connections=1000, path="/sse?n=1000000&ms=200")),)),
        Row("bodies", "One body of 200 MB", "MiB", three, hosts,
            (Cell("down", _curl(up=False)), Cell("up", _curl(up=True)))),
        *(Row(f"routes-{count}", f"{count} virtual host{'s' if count > 1 else ''}", "request", two, Scene(hosts=count - 1),
              (Cell("c=32", _wrk(connections=32)),)) for count in (1, 100, HOSTS)),
        Row("matches", "16 routes by header before the one that fits", "request", two, Scene(matches=16),
            (Cell("c=32", _wrk(connections=32, header="x-tag: none")),)),
        *(Row(f"queue-proxy{'-limited' if limit else ''}", f"The sidecar's hop, {f'containerConcurrency {limit}' if limit else 'no limit'}", "request",
              (QueueProxy, KnativeQueueProxy), Scene(concurrency=limit),
              tuple(Cell(f"c={count}", _wrk(connections=count)) for count in (1, 32, 128))) for limit in (0, 100)),
        Row("queue-proxy-h2c", "The sidecar's hop, HTTP/2 in clear text on both sides", "request", (QueueProxy, KnativeQueueProxy), Scene(),
            tuple(Cell(f"c={count}", _h2load(connections=count, streams=1)) for count in (32, 128))),
        Row("split", "A 50/50 split over two clusters", "request", two, Scene(split=True), (Cell("c=32", _wrk(connections=32)),)),
    ]
