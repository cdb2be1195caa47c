"""The app behind a queue-proxy: one server on the user port that notes what it is asked and answers by a script."""

import asyncio
import contextlib

from . import http1

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Request:
    """A request as the app got it."""

    def __init__(self, head: http1.Head):
        self.head = head
        self.body = b""
        self.trailers: list[tuple[str, str]] = []

    def shown(self) -> dict:
        shown = {"line": self.head.first, "headers": http1.shown(self.head.fields), "body": self.body.decode("latin-1")}
        if self.trailers:
            shown["trailers"] = http1.shown(self.trailers)
        return shown


async def plain(wire: http1.Wire, request: Request, number: int) -> None:
    await wire.send(PLAIN)


class App:
    """Serves until closed. `answer` is called for each request with its number, counted over all connections."""

    def __init__(self, answer=plain, reads_bodies: bool = True):
        self.answer, self.reads_bodies = answer, reads_bodies
        self.seen: list[Request] = []
        self.ended: list[str] = []
        self.running, self.most = 0, 0
        self.server = None
        self.open: set[http1.Wire] = set()

    async def listen(self, port: int) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def close(self) -> None:
        if self.server:
            self.server.close()
            for wire in list(self.open):
                # It may be closed, and not yet have heard of that.
                with contextlib.suppress(OSError):
                    wire.reset()

    async def _serve(self, reader, writer) -> None:
        wire = http1.Wire(reader, writer)
        self.open.add(wire)
        try:
            while True:
                request = Request(await http1.head(wire))
                number = len(self.seen)
                self.seen.append(request)
                self.running += 1
                self.most = max(self.most, self.running)
                try:
                    if self.reads_bodies:
                        request.body, request.trailers = await http1.body(wire, request.head)
                    await self.answer(wire, request, number)
                finally:
                    self.running -= 1
        except http1.Gone as gone:
            self.ended.append(gone.what)
        except asyncio.CancelledError:
            pass
        finally:
            self.open.discard(wire)
            await wire.close()
