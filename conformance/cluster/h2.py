"""As much of HTTP/2 as a polite client needs: GETs on one connection, and what GOAWAY means for them. Knows no load."""

import select
import socket

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
REFUSED = 7
OK = 0x88  # :status 200, as every encoder writes it: by its index in the static table


class Broken(Exception):
    """The connection ended, or said something else than 200, under a request that it may have carried out."""


class Connection:
    def __init__(self, stream: socket.socket):
        self.stream, self.buffer, self.next = stream, b"", 1
        self.leaving, self.last = False, 0x7FFFFFFF
        stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))

    def usable(self) -> bool:
        """Whether more may be asked for; takes what came meanwhile."""
        while not self.leaving and self.readable():
            if not self.read():
                return False
            while self.one() is not None:
                pass
        return not self.leaving

    def readable(self) -> bool:
        pending = getattr(self.stream, "pending", None)  # of TLS: decrypted, and unknown to the kernel
        return bool(pending and pending()) or bool(select.select([self.stream], [], [], 0)[0])

    def get(self, host: str, count: int) -> int:
        """Asks so many times at once. Returns how many were answered; others were promised not to have been carried out."""
        streams = [self.next + 2 * i for i in range(count)]
        self.next += 2 * count
        name = host.encode()
        # :method GET, :scheme http or https, :path / by their indices; :authority as a literal.
        scheme = b"\x87" if hasattr(self.stream, "version") else b"\x86"
        block = b"\x82" + scheme + b"\x84" + b"\x41" + bytes([len(name)]) + name
        self.stream.sendall(b"".join(frame(HEADERS, END_STREAM | END_HEADERS, s, block) for s in streams))
        waiting, answered = set(streams), 0
        while waiting:
            kind = self.one()
            if kind is None:
                if not self.read():
                    raise Broken(f"the connection ended under {len(waiting)} of {count} requests")
                continue
            kind, flags, stream, payload = kind
            if kind == HEADERS and stream in waiting and payload[0] != OK:
                raise Broken(f"not 200: {payload[:40]!r}")
            if kind == RST_STREAM and stream in waiting:
                code = int.from_bytes(payload, "big")
                if code != REFUSED:
                    raise Broken(f"a stream was reset with {code}")
                waiting.discard(stream)
            if kind in (DATA, HEADERS) and flags & END_STREAM and stream in waiting:
                waiting.discard(stream)
                answered += 1
            waiting = {s for s in waiting if s <= self.last}
        return answered

    def read(self) -> bool:
        more = self.stream.recv(65536)
        self.buffer += more
        return bool(more)

    def one(self):
        """The next frame that is here, with what the protocol wants for it done."""
        if len(self.buffer) < 9:
            return None
        length, kind, flags = int.from_bytes(self.buffer[:3], "big"), self.buffer[3], self.buffer[4]
        if len(self.buffer) < 9 + length:
            return None
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
        payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.tell(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == GOAWAY:
            self.leaving, self.last = True, int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            if error := int.from_bytes(payload[4:8], "big"):
                raise Broken(f"GOAWAY with {error}")
        elif kind == DATA and payload:
            grant = len(payload).to_bytes(4, "big")
            self.tell(frame(WINDOW_UPDATE, 0, 0, grant))
        return kind, flags, stream, payload

    def tell(self, words: bytes):
        """Says what no answer depends on: who has said its last word may not hear it."""
        try:
            self.stream.sendall(words)
        except OSError:
            self.leaving = True

    def close(self):
        self.stream.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
