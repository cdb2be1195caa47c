"""The recording backend: HTTP/1 and HTTP/2, with or without TLS, answering as the request's `x-do` says."""

import asyncio

from . import http1
from .http1 import Gone, Head, Wire
from .http2 import GOAWAY, PREFACE, Frames
from .script import Script, script

PRINTED = 400


class Backend:
    """One port. `seen` holds what arrived since the last `forget`, in order, as flat fields."""

    def __init__(self, name: str, ip: str, port: int, tls=None, grpc=None):
        self.name, self.ip, self.port, self.tls, self.grpc = name, ip, port, tls, grpc
        self.seen: list[dict] = []
        self.tries: dict[str, int] = {}
        self.tasks: set = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._accept, self.ip, self.port, ssl=self.tls, backlog=512)

    async def stop(self) -> None:
        self.server.close()
        for task in list(self.tasks):
            task.cancel()

    def forget(self) -> None:
        self.seen, self.tries = [], {}

    async def _accept(self, reader, writer) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        wire = Wire(reader, writer)
        try:
            while len(wire.buffer) < len(PREFACE) and PREFACE.startswith(wire.buffer):
                await wire.more()
            if wire.buffer.startswith(PREFACE):
                await self._http2(wire)
            else:
                await self._http1(wire)
        except (Gone, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            wire.writer.close()

    def _note(self, wire: Wire, **fields) -> dict:
        note = {"backend": self.name, **fields, "end": "cut"}
        tls = wire.writer.get_extra_info("ssl_object")
        if tls is not None:
            subject = (tls.getpeercert() or {}).get("subject", ())
            note["tls"] = f"{tls.version()} {tls.cipher()[0]} alpn={tls.selected_alpn_protocol()} client={subject}"
            note["sni"] = getattr(tls, "asked", None)
        self.seen.append(note)
        return note

    def _script(self, words: str) -> Script:
        count = self.tries.get(words, 0)
        self.tries[words] = count + 1
        return script(words, count)

    async def _http1(self, wire: Wire) -> None:
        while True:
            try:
                head = await http1.head(wire)
            except Gone as gone:
                if gone.rest:
                    # What is random in a TLS hello is no difference.
                    hello = gone.rest.startswith(b"\x16\x03")
                    self._note(wire, protocol="h1", rest="a TLS hello" if hello else _short(gone.rest))
                raise
            note = self._note(wire, protocol="h1", line=head.first, headers=head.fields)
            if not await self._exchange1(wire, head, note):
                return

    async def _exchange1(self, wire: Wire, head: Head, note: dict) -> bool:
        plan = self._script(";".join(head.values("x-do")))
        if head.has("expect", "100-continue") and not plan.early:
            await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        tunnel = plan.upgrade and (head.values("upgrade") or head.first.startswith("CONNECT"))
        if not plan.early and not tunnel:
            await self._body1(wire, head, note)
        await asyncio.sleep(plan.wait)
        if plan.end in ("reset", "close"):
            if plan.end == "reset":
                wire.reset()
            return False
        if plan.raw is not None:
            await wire.send(plan.raw)
            return plan.stay
        for status, fields in plan.interim:
            await wire.send(_head1(status, fields))
        if tunnel:
            return await self._tunnel1(wire, head, plan, note)
        bodiless = head.first.startswith("HEAD ") or plan.status in (204, 304)
        await _answer1(wire, plan, (plan.body if plan.body is not None else self.name), bodiless)
        return plan.stay and plan.cut is None and plan.framing != "untilclose" and not plan.early

    async def _body1(self, wire: Wire, head: Head, note: dict) -> None:
        body = bytearray()
        try:
            if head.has("transfer-encoding", "chunked"):
                trailers = await http1.chunks(wire, body)
                if trailers:
                    note["trailers"] = trailers
            elif head.values("content-length"):
                await self._counted1(wire, int(head.values("content-length")[0]), body)
            note["end"] = "whole"
        finally:
            note["body"] = _short(bytes(body))

    async def _counted1(self, wire: Wire, count: int, body: bytearray) -> None:
        while count:
            if not wire.buffer:
                try:
                    await wire.more()
                except Gone:
                    body += wire.buffer
                    raise
            part = await wire.exactly(min(count, len(wire.buffer)))
            body += part
            count -= len(part)

    async def _tunnel1(self, wire: Wire, head: Head, plan: Script, note: dict) -> bool:
        connect = head.first.startswith("CONNECT")
        fields = [] if connect else [("connection", "upgrade"), ("upgrade", head.values("upgrade")[0])]
        await wire.send(_head1(200 if connect else 101, fields + plan.headers))
        body = b""
        try:
            while True:
                if wire.buffer:
                    body, data, wire.buffer = body + wire.buffer, wire.buffer, b""
                    await wire.send(b"echo:" + data)
                await wire.more()
        finally:
            note["body"], note["end"] = _short(body), "tunnel"

    async def _http2(self, wire: Wire) -> None:
        frames = Frames(wire)
        await wire.exactly(len(PREFACE))
        await frames.hello(False, {3: 100, 8: 1})
        frames.listen()
        streams: dict[int, tuple] = {}
        while True:
            event = await frames.events.get()
            kind, stream = event[0], event[1]
            if kind == "end":
                for note, _ in streams.values():
                    note["end"] = note["end"] if note["end"] != "cut" else "gone"
                return
            if kind == "headers" and stream not in streams:
                fields = event[2]
                pseudo = " ".join(f"{n}={v}" for n, v in sorted(fields) if n.startswith(":"))
                note = self._note(wire, protocol="h2", line=pseudo, headers=[f for f in fields if f[0][0] != ":"])
                inbox: asyncio.Queue = asyncio.Queue()
                streams[stream] = (note, inbox)
                task = asyncio.ensure_future(self._exchange2(frames, stream, fields, note, inbox))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                if event[3]:
                    inbox.put_nowait(("data", stream, b"", True))
            elif stream in streams:
                streams[stream][1].put_nowait(event)

    async def _exchange2(self, frames: Frames, stream: int, fields, note: dict, inbox) -> None:
        try:
            plan = self._script(";".join(v for n, v in fields if n == "x-do"))
            if ("expect", "100-continue") in fields and not plan.early:
                await frames.headers(stream, [(":status", "100")], False)
            if plan.upgrade:
                return await self._tunnel2(frames, stream, plan, note, inbox)
            body = b"" if plan.early else await _body2(note, inbox)
            if self.grpc:
                plan = self.grpc(note, body, plan)
            await asyncio.sleep(plan.wait)
            if plan.end == "rst":
                return await frames.reset(stream, plan.code)
            if plan.end in ("goaway", "close", "reset"):
                if plan.end == "goaway":
                    await frames.raw(GOAWAY, 0, 0, bytes(8))
                return frames.wire.writer.close() if plan.end != "reset" else frames.wire.reset()
            await _answer2(frames, stream, plan, self.name, (":method", "HEAD") in fields)
        except (Gone, ConnectionError):
            pass

    async def _tunnel2(self, frames: Frames, stream: int, plan: Script, note: dict, inbox) -> None:
        await frames.headers(stream, [(":status", str(plan.status)), *plan.headers], False)
        body = b""
        while True:
            event = await inbox.get()
            if event[0] == "data":
                body += event[2]
                note["body"], note["end"] = _short(body), "tunnel"
                if event[2]:
                    await frames.data(stream, b"echo:" + event[2], False)
                if event[3]:
                    return await frames.data(stream, b"", True)
            elif event[0] == "rst":
                note["end"] = "tunnel rst " + event[2]
                return None


async def _body2(note: dict, inbox) -> bytes:
    body = b""
    while True:
        event = await inbox.get()
        if event[0] == "data":
            body += event[2]
        elif event[0] == "headers":
            note["trailers"] = event[2]
        elif event[0] == "rst":
            note["end"], note["body"] = "rst " + event[2], _short(body)
            raise Gone("reset")
        note["body"] = _short(body)
        if event[0] in ("data", "headers") and event[3]:
            note["end"] = "whole"
            return body


async def _answer2(frames: Frames, stream: int, plan: Script, name: str, is_head: bool) -> None:
    for status, fields in plan.interim:
        await frames.headers(stream, [(":status", str(status)), *fields], False)
    body = (plan.body if plan.body is not None else name).encode("latin-1")
    fields = [(":status", str(plan.status)), *plan.headers]
    if plan.framing == "length":
        fields.append(("content-length", str(len(body))))
    bodiless = is_head or plan.status in (204, 304) or (not body and not plan.trailers)
    await frames.headers(stream, fields, bodiless)
    if bodiless:
        return
    await asyncio.sleep(plan.slow)
    if plan.cut is not None:
        await frames.data(stream, body[: len(body) // 2], False)
        await asyncio.sleep(0.05)
        if plan.cut == "close":
            frames.wire.writer.close()
        elif plan.cut != "stall":
            await frames.reset(stream, 2)
        return
    await frames.data(stream, body, not plan.trailers)
    if plan.trailers:
        await frames.headers(stream, plan.trailers, True)


async def _answer1(wire: Wire, plan: Script, text: str, bodiless: bool) -> None:
    body, fields = text.encode("latin-1"), list(plan.headers)
    if plan.framing == "length" and plan.status != 204:
        fields.append(("content-length", str(len(body))))
    elif plan.framing == "chunked":
        fields.append(("transfer-encoding", "chunked"))
    if not plan.stay:
        fields.append(("connection", "close"))
    await wire.send(_head1(plan.status, fields))
    if bodiless:
        return
    await asyncio.sleep(plan.slow)
    half = body[: len(body) // 2] if plan.cut is not None else body
    if plan.framing == "chunked":
        if half:
            await wire.send(b"%x\r\n%s\r\n" % (len(half), half))
        if plan.cut is None:
            trailers = "".join(f"{n}: {v}\r\n" for n, v in plan.trailers)
            await wire.send(b"0\r\n" + trailers.encode("latin-1") + b"\r\n")
    elif half:
        await wire.send(half)
    if plan.cut is not None:
        await asyncio.sleep(0.05)
        if plan.cut == "reset":
            wire.reset()
        elif plan.cut == "stall":
            await wire.rest()


def _head1(status: int, fields) -> bytes:
    lines = "".join(f"{n}: {v}\r\n" for n, v in fields)
    reason = {200: "OK", 101: "Switching Protocols", 100: "Continue", 103: "Early Hints"}.get(status, "Scripted")
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1")


def _short(data: bytes) -> str:
    text = http1.text(data)
    return text if len(text) <= PRINTED else f"{text[:40]}.. {len(text)} bytes"
