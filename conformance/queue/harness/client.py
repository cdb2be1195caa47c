"""A client: raw bytes out, responses in, as they are compared."""

import asyncio

from . import http1

PATIENCE = 15


class Response:
    def __init__(self, head, body: bytes, trailers, ended: str | None, interim):
        self.head, self.body, self.trailers, self.ended, self.interim = head, body, trailers, ended, interim

    def shown(self) -> dict:
        fields = http1.shown(self.head.fields)
        if "date" in fields:
            fields["date"] = ["DATE"] * len(fields["date"])
        shown = {"status": self.head.first, "headers": fields, "body": self.body.decode("latin-1")}
        if self.trailers:
            shown["trailers"] = http1.shown(self.trailers)
        if self.interim:
            shown["interim"] = self.interim
        if self.ended:
            shown["ended"] = self.ended
        return shown

    @property
    def code(self) -> str:
        return self.head.first.split(" ")[1]


class Client:
    """One connection."""

    def __init__(self, wire):
        self.wire = wire

    @classmethod
    async def connect(cls, port: int, address: str = "127.0.0.1", ssl=None) -> "Client":
        return cls(http1.Wire(*await asyncio.open_connection(address, port, ssl=ssl)))

    async def send(self, data: bytes) -> None:
        await self.wire.send(data)

    async def response(self, to_head: bool = False, within: float = PATIENCE) -> Response:
        return await asyncio.wait_for(self._response(to_head), within)

    async def _response(self, to_head: bool) -> Response:
        interim = []
        while True:
            head = await http1.head(self.wire)
            code = head.first.split(" ")[1]
            if code.startswith("1") and code != "101":
                interim.append({"status": head.first, "headers": http1.shown(head.fields)})
                continue
            break
        body, trailers, ended = bytearray(), [], None
        if to_head or code in ("204", "304", "101"):
            return Response(head, b"", [], None, interim)
        try:
            if head.has("transfer-encoding", "chunked"):
                trailers = await http1.chunks(self.wire, body)
            elif head.values("content-length"):
                want = int(head.values("content-length")[0])
                while len(self.wire.buffer) < want:
                    await self.wire.more()
                body += await self.wire.exactly(want)
            else:
                rest, ended = await self.wire.rest()
                body += rest
        except http1.Gone as gone:
            # What came of it before the connection ended, without chunk lines.
            ended = f"cut, {gone.what}"
            if head.values("content-length"):
                body += gone.rest
        return Response(head, bytes(body), trailers, ended, interim)

    async def ended(self, within: float = 2) -> str:
        """`open`, or how the other side ended it."""
        try:
            rest, how = await asyncio.wait_for(self.wire.rest(), within)
            return how if not rest else f"{how} after {rest!r}"
        except asyncio.TimeoutError:
            return "open"

    async def close(self) -> None:
        await self.wire.close()

    def reset(self) -> None:
        self.wire.reset()


async def ask(port: int, data: bytes, within: float = PATIENCE, **more) -> dict:
    """One request on a connection of its own: the response, or how it ended without one."""
    client = await Client.connect(port, **more)
    try:
        await client.send(data)
        return (await client.response(data.startswith(b"HEAD "), within)).shown()
    except http1.Gone as gone:
        return {"ended": gone.what, "rest": gone.rest.decode("latin-1")}
    except asyncio.TimeoutError:
        return {"ended": "no answer"}
    finally:
        await client.close()


def get(path: str = "/", *lines: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> bytes:
    """A request with these header lines; Host is there unless a line begins with `-`."""
    host = [] if "-" in lines else ["Host: hello.example.com"]
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{method} {path} HTTP/{version}", *host, *[line for line in lines if line != "-"], *length]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
