"""HTTP/2 as frames, for both ends. Sends whatever it is told to, allowed or not, and notes what it hears."""

import asyncio
import contextlib
import struct

import hpack

from .http1 import Gone, Wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 1 << 24
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
ERRORS = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
]


def error(code: int) -> str:
    return ERRORS[code] if code < len(ERRORS) else str(code)


class Frames:
    """One connection's frames in both directions, with its two header tables."""

    def __init__(self, wire: Wire):
        self.wire = wire
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.events: asyncio.Queue = asyncio.Queue()
        self.window = self.first_window = 65535
        self.windows: dict[int, int] = {}
        self.widened = asyncio.Event()
        self.partial, self.ends = b"", False

    async def hello(self, client: bool, settings: dict[int, int]) -> None:
        pairs = {4: WINDOW, **settings}
        body = b"".join(struct.pack(">HI", key, value) for key, value in pairs.items())
        await self.wire.send((PREFACE if client else b"") + frame(SETTINGS, 0, 0, body))
        await self.raw(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW))

    def listen(self) -> None:
        self.task = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        try:
            while True:
                event = await self._read()
                if event:
                    self.events.put_nowait(event)
        except Gone as gone:
            self.events.put_nowait(("end", 0, gone.what))
        except (hpack.HPACKError, struct.error, IndexError) as problem:
            self.events.put_nowait(("end", 0, f"unreadable: {problem}"))
        finally:
            self.window = 1 << 30
            self.widened.set()

    async def raw(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        await self.wire.send(frame(kind, flags, stream, payload))

    async def headers(self, stream: int, fields, end: bool, partial: bool = False) -> None:
        """Fields as they are: order, case and all."""
        block = self.encoder.encode([hpack.NeverIndexedHeaderTuple(_bytes(n), _bytes(v)) for n, v in fields])
        parts = [block[at : at + 16000] for at in range(0, len(block), 16000)] or [b""]
        for index, part in enumerate(parts):
            last = index + 1 == len(parts) and not partial
            bits = (END_HEADERS if last else 0) | (END_STREAM if end and index == 0 else 0)
            await self.raw(CONTINUATION if index else HEADERS, bits, stream, part)

    async def data(self, stream: int, data: bytes, end: bool) -> None:
        """As much at a time as the other side's windows allow."""
        while True:
            room = min(16384, self.window, self.windows.setdefault(stream, self.first_window))
            if room > 0 or not data:
                part, data = data[: max(room, 0)], data[max(room, 0) :]
                self.window -= len(part)
                self.windows[stream] -= len(part)
                await self.raw(DATA, END_STREAM if end and not data else 0, stream, part)
            if not data:
                return
            if room <= 0:
                self.widened.clear()
                await self.widened.wait()

    async def reset(self, stream: int, code: int) -> None:
        await self.raw(RST, 0, stream, struct.pack(">I", code))

    async def _read(self):
        """The next event: (what, stream, ..). Settings and pings are answered here."""
        head = await self.wire.exactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        body = await self.wire.exactly(length)
        if kind in (DATA, HEADERS) and flags & PADDED:
            body = body[1 : len(body) - body[0]]
        if kind == DATA:
            if length:
                # Whoever has said all may be gone already: what it said has come all the same.
                with contextlib.suppress(Gone):
                    more = struct.pack(">I", length)
                    await self.raw(WINDOW_UPDATE, 0, 0, more)
                    if not flags & END_STREAM:
                        await self.raw(WINDOW_UPDATE, 0, stream, more)
            return ("data", stream, body, bool(flags & END_STREAM))
        if kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                self.partial, self.ends = body[5:] if flags & PRIORITY else body, bool(flags & END_STREAM)
            else:
                self.partial += body
            if not flags & END_HEADERS:
                return None
            fields = [(_text(n), _text(v)) for n, v in self.decoder.decode(self.partial, raw=True)]
            return ("headers", stream, fields, self.ends)
        if kind == RST:
            self.windows[stream] = 1 << 30
            self.widened.set()
            return ("rst", stream, error(int.from_bytes(body[:4], "big")))
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, length, 6):
                self._set(*struct.unpack(">HI", body[at : at + 6]))
            await self.raw(SETTINGS, ACK, 0, b"")
            return ("settings", 0)
        if kind == PING and not flags & ACK:
            await self.raw(PING, ACK, 0, body)
        if kind == PING:
            return ("ping", 0, bool(flags & ACK))
        if kind == GOAWAY:
            last, code = struct.unpack(">II", body[:8])
            return ("goaway", 0, error(code), last & 0x7FFFFFFF)
        if kind == WINDOW_UPDATE:
            more = struct.unpack(">I", body)[0]
            if stream:
                self.windows[stream] = self.windows.get(stream, self.first_window) + more
            else:
                self.window += more
            self.widened.set()
        return None

    def _set(self, key: int, value: int) -> None:
        if key == 4:
            for one in self.windows:
                self.windows[one] += value - self.first_window
            self.first_window = value
            self.widened.set()
        if key == 1:
            self.encoder.header_table_size = min(value, 4096)

    async def close(self) -> None:
        self.task.cancel()
        await self.wire.close()


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + body


def _text(value) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(value) -> bytes:
    return str(value).encode("latin-1")
