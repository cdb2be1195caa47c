"""HTTP/1 as bytes: heads that keep what was sent, bodies by their framing. Lenient: it judges nothing."""

import asyncio
import socket
import struct

# Of what was heard, this much is kept for a transcript.
KEPT = 1 << 16


class Gone(Exception):
    """The other side ended; `what` says how: closed or reset."""

    def __init__(self, what: str, rest: bytes = b""):
        super().__init__(what)
        self.what = what
        self.rest = rest


class Wire:
    """One connection with what was read of it and not yet used."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer
        self.buffer = b""
        self.heard = b""

    async def more(self) -> None:
        try:
            data = await self.reader.read(65536)
        except (ConnectionError, OSError) as error:
            raise Gone("reset", self.buffer) from error
        if not data:
            raise Gone("closed", self.buffer)
        if len(self.heard) < KEPT:
            self.heard += data
        self.buffer += data

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with the mark."""
        while mark not in self.buffer:
            await self.more()
        cut = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:cut], self.buffer[cut:]
        return taken

    async def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            await self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def rest(self) -> tuple[bytes, str]:
        """All until the end, and how it ended."""
        while True:
            try:
                await self.more()
            except Gone as gone:
                taken, self.buffer = self.buffer, b""
                return taken, gone.what

    async def send(self, data: bytes) -> None:
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, OSError, RuntimeError) as error:
            raise Gone("reset", self.buffer) from error

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        try:
            self.writer.close()
            await asyncio.wait_for(self.writer.wait_closed(), 1)
        except (ConnectionError, OSError, asyncio.TimeoutError):
            pass


def text(data: bytes) -> str:
    return data.decode("latin-1")


class Head:
    """First line and fields, as they came."""

    def __init__(self, block: bytes):
        lines = text(block).split("\r\n")
        self.first = lines[0]
        self.fields = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                self.fields.append((name, value.strip(" \t")))

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name]

    def has(self, name: str, token: str) -> bool:
        return any(token in [part.strip().lower() for part in value.split(",")] for value in self.values(name))


async def head(wire: Wire) -> Head:
    """The next head; empty lines before it are skipped."""
    while True:
        if len(wire.buffer) < 2:
            await wire.more()
            continue
        block = await wire.until(b"\r\n" if wire.buffer.startswith(b"\r\n") else b"\r\n\r\n")
        if block != b"\r\n":
            return Head(block)


async def chunks(wire: Wire, into: bytearray) -> list[tuple[str, str]]:
    """A chunked body into `into`; its trailers."""
    while True:
        line = await wire.until(b"\r\n")
        size = int(line.split(b";")[0].strip() or b"0", 16)
        if size == 0:
            trailers = []
            while (line := await wire.until(b"\r\n")) != b"\r\n":
                name, _, value = text(line[:-2]).partition(":")
                trailers.append((name, value.strip()))
            return trailers
        into += await wire.exactly(size)
        await wire.exactly(2)
