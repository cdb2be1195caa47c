"""A collector over HTTP or gRPC, and as much of OTLP as is compared: names, parents, attributes, units and counts; no ids and no times."""

import asyncio

from . import http1, http2

PORT = 4318
GRPC = 4317
# What says which program speaks, and not what it says.
OWN = ("telemetry.sdk.", "service.version", "process.", "host.", "os.")


class Collector:
    def __init__(self):
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.take, "127.0.0.1", PORT)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def take(self, reader, writer):
        wire = http1.Wire(reader, writer)
        try:
            while True:
                head = await http1.head(wire)
                body, _ = await http1.body(wire, head)
                self.paths.add(f"{head.first} {head.values('content-type')}")
                self.bodies.append(body)
                await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except http1.Gone:
            await wire.close()

    async def until(self, enough, within: float = 15) -> None:
        async def look():
            while not enough():
                await asyncio.sleep(0.05)

        await asyncio.wait_for(look(), within)


class Caller:
    """The same over gRPC."""

    def __init__(self):
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()

    async def __aenter__(self):
        self.app = http2.App(self.take)
        await self.app.listen(GRPC)
        return self

    async def __aexit__(self, *_):
        await self.app.close()

    async def take(self, frames, stream, request):
        named = request["fields"]
        self.paths.add(" ".join([*named[":path"], *named[":scheme"], *named["content-type"], *named.get("te", [])]))
        packed, length = request["body"][0], int.from_bytes(request["body"][1:5], "big")
        assert not packed and length == len(request["body"]) - 5
        self.bodies.append(request["body"][5:])
        await frames.headers(stream, [(":status", "200"), ("content-type", "application/grpc")], False)
        await frames.data(stream, bytes(5), False)
        await frames.headers(stream, [("grpc-status", "0")], True)

    until = Collector.until


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """A message's fields in their order: numbers, or bytes."""
    at, found = 0, []

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind, number = key & 7, key >> 3
        if kind == 0:
            found.append((number, varint()))
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        found.append((number, data[at:at + size]))
        at += size
    return found


def all_of(data: bytes, number: int) -> list:
    return [value for known, value in fields(data) if known == number]


def first(data: bytes, number: int, default=b""):
    return next(iter(all_of(data, number)), default)


def attributes(pairs: list[bytes]) -> dict[str, object]:
    named = {}
    for pair in pairs:
        number, value = fields(first(pair, 2))[0]
        named[first(pair, 1).decode()] = value.decode() if isinstance(value, bytes) and number == 1 else value
    if "network.peer.port" in named:
        named["network.peer.port"] = "PORT"
    return {name: named[name] for name in sorted(named) if not name.startswith(OWN)}


def spans(bodies: list[bytes]) -> dict[str, dict]:
    """Every span with its parent's name, in the order of names."""
    found, names = [], {}
    for body in bodies:
        for resource in all_of(body, 1):
            for scope in all_of(resource, 2):
                for span in all_of(scope, 2):
                    names[first(span, 2)] = first(span, 5).decode()
                    found.append((scope, span))
    shown = []
    for scope, span in found:
        parent = first(span, 4)
        status = first(span, 15)
        shown.append({
            "name": first(span, 5).decode(), "scope": first(first(scope, 1), 1).decode(), "kind": first(span, 6, 0),
            "parent": names.get(parent, parent.hex()), "state": first(span, 3).decode(),
            "flags": int.from_bytes(first(span, 16), "little"), "status": first(status, 3, 0),
            "attributes": attributes(all_of(span, 9)),
        })
    shown.sort(key=lambda span: (span["name"], str(span["attributes"])))
    return {f"{number} {span['name']}": span for number, span in enumerate(shown)}


def resources(bodies: list[bytes]) -> dict:
    """Whose they are: of the last message."""
    return attributes(all_of(first(first(bodies[-1], 1), 1), 1))


def metrics(body: bytes) -> dict[str, dict]:
    """Every instrument of requests by its name: unit, words, and each point's attributes and count."""
    named = {}
    for scope in all_of(first(body, 1), 2):
        for metric in all_of(scope, 2):
            name = first(metric, 1).decode()
            if not name.startswith(("http.", "kn.")):
                continue
            histogram, gauge = first(metric, 9), first(metric, 5)
            points = [(attributes(all_of(point, 9)), int.from_bytes(first(point, 4), "little"), first(point, 7).hex())
                      for point in all_of(histogram, 1)]
            points += [(attributes(all_of(point, 7)), int.from_bytes(first(point, 6), "little"), "")
                       for point in all_of(gauge, 1)]
            named[name] = {"unit": first(metric, 3).decode(), "words": first(metric, 2).decode(),
                           "cumulative": first(histogram, 2, 0), "points": sorted(points, key=str)}
    return named
