"""HTTP/2 for both ends, with what `lockstep` has for its frames: a client's exchange as it is compared, and an app."""

import asyncio
import contextlib

from . import http1

from lockstep.harness.http2 import PREFACE, Frames  # where it is, http1 has said

PATIENCE = 15
CANCEL = 8


def fields(path: str = "/", *more: tuple[str, str], method: str = "GET", authority: str = "hello.example.com"):
    """A request's fields; `more` may have pseudo-headers of its own, which replace these."""
    pseudo = {":method": method, ":scheme": "http", ":authority": authority, ":path": path}
    pseudo.update({name: value for name, value in more if name.startswith(":")})
    return [(n, v) for n, v in pseudo.items() if v is not None] + [(n, v) for n, v in more if not n.startswith(":")]


class Client:
    """One connection; streams are asked for by their numbers."""

    def __init__(self, frames: Frames):
        self.frames, self.next = frames, 1

    @classmethod
    async def connect(cls, port: int) -> "Client":
        frames = Frames(http1.Wire(*await asyncio.open_connection("127.0.0.1", port)))
        await frames.hello(True, {})
        frames.listen()
        return cls(frames)

    @classmethod
    async def upgrade(cls, port: int, data: bytes) -> tuple["Client | None", dict]:
        """Asks for HTTP/2 by a request of HTTP/1.1, which becomes stream 1; nobody if it was answered otherwise."""
        wire = http1.Wire(*await asyncio.open_connection("127.0.0.1", port))
        await wire.send(data)
        said = []
        while True:
            head = await asyncio.wait_for(http1.head(wire), PATIENCE)
            said.append({"status": head.first, "headers": http1.shown(head.fields)})
            if " 100 " not in head.first:
                break
        if " 101 " not in head.first:
            await wire.close()
            return None, said
        frames = Frames(wire)
        with contextlib.suppress(http1.Gone):
            await frames.hello(True, {})
        frames.listen()
        client = cls(frames)
        client.next = 3
        return client, said

    async def send(self, head, body: bytes = b"", trailers=None, end: bool = True) -> int:
        stream, self.next = self.next, self.next + 2
        await self.frames.headers(stream, head, end and not body and not trailers)
        if body:
            await self.frames.data(stream, body, end and not trailers)
        if trailers:
            await self.frames.headers(stream, trailers, end)
        return stream

    async def answer(self, stream: int) -> dict:
        """All that comes of one stream, until its end or the connection's."""
        try:
            return await asyncio.wait_for(self._answer(stream), PATIENCE)
        except asyncio.TimeoutError:
            return {"ended": "no answer"}

    async def _answer(self, stream: int) -> dict:
        shown, body = {}, b""
        while True:
            what, of, *rest = await self.frames.events.get()
            if what in ("goaway", "end") and of == 0:
                return {**shown, "body": body.decode("latin-1"), "ended": f"{what} {rest[0]}"}
            if of != stream:
                continue
            if what == "headers":
                came = http1.shown(rest[0])
                if "date" in came:
                    came["date"] = ["DATE"]
                name = "trailers" if ":status" not in came else "interim" if came[":status"][0][0] == "1" else "headers"
                shown[name] = came
            elif what == "data":
                body += rest[0]
            elif what == "rst":
                return {**shown, "body": body.decode("latin-1"), "ended": f"reset {rest[0]}"}
            if what in ("headers", "data") and rest[1]:
                return {**shown, "body": body.decode("latin-1")}

    async def close(self) -> None:
        await self.frames.close()


async def ask(port: int, head, body: bytes = b"", trailers=None) -> dict:
    """One request on a connection of its own."""
    client = await Client.connect(port)
    try:
        return await client.answer(await client.send(head, body, trailers))
    finally:
        await client.close()


async def plain(frames: Frames, stream: int, request: dict) -> None:
    is_head = request["fields"][":method"] == ["HEAD"]
    await frames.headers(stream, [(":status", "200"), ("content-type", "text/plain"), ("content-length", "2")], is_head)
    if not is_head:
        await frames.data(stream, b"ok", True)


class App:
    """Serves HTTP/2 in clear text; `answer` is called for each request that has come whole."""

    def __init__(self, answer=plain, reads_bodies: bool = True):
        self.answer, self.reads_bodies = answer, reads_bodies
        self.seen: list[dict] = []
        self.resets: list[str] = []
        self.server, self.open, self.serving = None, set(), set()

    async def listen(self, port: int) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def close(self) -> None:
        if self.server:
            self.server.close()
            for wire in list(self.open):
                with contextlib.suppress(OSError):
                    wire.reset()
            for task in self.serving:
                task.cancel()
            await asyncio.gather(*self.serving, return_exceptions=True)

    async def _serve(self, reader, writer) -> None:
        wire = http1.Wire(reader, writer)
        self.open.add(wire)
        self.serving.add(asyncio.current_task())
        tasks, frames = set(), None
        try:
            if await wire.exactly(len(PREFACE)) != PREFACE:
                return
            frames = Frames(wire)
            await frames.hello(False, {})
            frames.listen()
            streams: dict[int, dict] = {}
            while True:
                what, stream, *rest = await frames.events.get()
                if what == "end":
                    return
                if what == "rst":
                    self.resets.append(rest[0])
                if what not in ("headers", "data"):
                    continue
                if what == "headers" and stream not in streams:
                    streams[stream] = {"fields": http1.shown(rest[0]), "body": b""}
                    self.seen.append(streams[stream])
                elif what == "headers":
                    streams[stream]["trailers"] = http1.shown(rest[0])
                else:
                    streams[stream]["body"] += rest[0]
                if rest[1] or not self.reads_bodies and what == "headers":
                    tasks.add(asyncio.ensure_future(self.answer(frames, stream, streams[stream])))
        except (http1.Gone, asyncio.CancelledError):
            pass
        finally:
            for task in [*tasks, *([frames.task] if frames else [])]:
                task.cancel()
            self.open.discard(wire)
            self.serving.discard(asyncio.current_task())
            await wire.close()

    def shown(self) -> list[dict]:
        return [{**one, "body": one["body"].decode("latin-1")} for one in self.seen]
