"""`/drain_listeners` beside Envoy, with `--drain-strategy immediate`: what clients see whose connections were there before.

Starts both with one bootstrap, drains at once and with grace, and compares for each client what it gets and how its connection
ends. Ends with 1 if something differs.
"""

import asyncio
import http.server
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time

from .statistics import address, free

API = "type.googleapis.com/envoy.extensions.filters."
PATIENCE = 30
# Envoy keeps a connection for so long after it has told the client to go, and then a second more.
DRAIN_TIMEOUT = "0.5s"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Requests that are answered once the drain has begun, by path.
HELD: dict[str, threading.Event] = {}
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path in HELD:
            HELD[self.path].wait(PATIENCE)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def bootstrap(port: int, admin: int, backend: int) -> dict:
    manager = {
        "@type": API + "network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "ingress_http",
        "drain_timeout": DRAIN_TIMEOUT,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "one", "timeout": "0s"}}]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": API + "http.router.v3.Router"}}]}
    listener = {"name": "front", "address": address(port), "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}]}
    cluster = {"name": "one", "type": "STATIC", "connect_timeout": "1s", "load_assignment": {"cluster_name": "one", "endpoints": [
        {"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}]}}
    return {"admin": {"address": address(admin)}, "static_resources": {"listeners": [listener], "clusters": [cluster]}}


async def read_head(reader) -> str:
    """Status and `connection` of a response with a body of two bytes; its end if there is none."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(2)
    except asyncio.IncompleteReadError:
        return "end"
    return head.split()[1] + (" close" if "\r\nconnection: close\r\n" in head else "")


class One:
    """A client of HTTP/1.1 whose connection has carried a request."""

    async def open(self, port: int):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.ask("/")
        assert await read_head(self.reader) == "200"

    def ask(self, path: str):
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())

    async def sees(self) -> list[str]:
        seen = []
        while not seen or seen[-1] != "end":
            seen.append(await read_head(self.reader))
        return seen


class Two:
    """The same over HTTP/2. It reads nothing before it is asked what it sees, so that it has not heard a GOAWAY before it asks."""

    stream = 1

    async def open(self, port: int):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(PREFACE)
        self.frame(SETTINGS, 0, 0)
        self.frame(SETTINGS, 1, 0)
        self.ask("/")
        while await self.next() != (DATA, True):
            pass

    def frame(self, kind: int, flags: int, stream: int, payload: bytes = b""):
        self.writer.write(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def ask(self, path: str):
        text = path.encode()
        self.frame(HEADERS, 5, self.stream, b"\x82\x86\x04" + bytes([len(text)]) + text + b"\x01\x01a")
        self.stream += 2

    async def next(self):
        """A frame's kind, and whether it ends its stream; GOAWAY with its last stream; nothing at the end."""
        try:
            head = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
        except asyncio.IncompleteReadError:
            return None
        kind, flags = head[3], head[4]
        if kind == PING and not flags & 1:
            self.frame(PING, 1, 0, payload)
        if kind == GOAWAY:
            return GOAWAY, int.from_bytes(payload[:4], "big")
        return kind, kind in (DATA, HEADERS) and bool(flags & 1)

    async def sees(self) -> list[str]:
        seen = set()
        while frame := await self.next():
            if frame == (GOAWAY, 2**31 - 1):
                seen.add("notice after the response" if "response" in seen else "notice before the response")
            elif frame[0] == GOAWAY:
                seen.add(f"goaway {frame[1]}")
            elif frame[0] == HEADERS:
                seen.add("response")
        return sorted(seen) + ["end"]


async def admin(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.split(b" ", 2)[1].decode()


async def new(port: int) -> str:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await read_head(reader)
        writer.close()
        return answer
    except OSError:
        return "refused"


async def play(program: list[str], backend: int, query: str, home: pathlib.Path) -> dict:
    port, pages = free(), free()
    config = home / f"{port}.json"
    config.write_text(json.dumps(bootstrap(port, pages, backend)))
    words = ["-c", str(config), "--base-id", str(port % 30000 + 1), "--log-level", "error", "--concurrency", "1",
             "--drain-time-s", "300", "--drain-strategy", "immediate"]
    held = f"/held/{port}"
    HELD[held] = threading.Event()
    process = await asyncio.create_subprocess_exec(*program, *words, stderr=asyncio.subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while await new(port) != "200":
            if time.monotonic() > end:
                sys.exit(f"{program[0]} does not serve")
            await asyncio.sleep(0.1)
        clients = {"h1 in flight": One(), "h1 asks again": One(), "h2 in flight": Two(), "h2 asks again": Two()}
        for client in clients.values():
            await client.open(port)
        for name in ("h1 in flight", "h2 in flight"):
            clients[name].ask(held)
        idle = One()
        await idle.open(port)
        # They are with the backend by then, or come to a proxy that drains: told to go they are either way.
        await asyncio.sleep(0.5)
        found = {"admin": await admin(pages, f"/drain_listeners{query}")}
        # By then the workers have heard of it.
        wanted = "200 close" if query else "refused"
        while (answer := await new(port)) != wanted:
            await asyncio.sleep(0.02)
        found["new"] = answer
        found["h1 idle"] = "closed" if idle.reader.at_eof() else "open"
        HELD[held].set()
        clients["h1 asks again"].ask("/")
        clients["h2 asks again"].ask("/")
        for name, client in clients.items():
            found[name] = ", ".join(await client.sees())
        found["alive"] = process.returncode is None
        return found
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def main() -> int:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    different = 0
    with tempfile.TemporaryDirectory() as directory:
        for query in ("", "?graceful"):
            one = lambda program: asyncio.wait_for(play(program, server.server_port, query, pathlib.Path(directory)), 4 * PATIENCE)
            ours, theirs = await asyncio.gather(one([os.environ["FOREBAY"], "gateway"]), one([os.environ["ENVOY"]]))
            for what in ours:
                same = ours[what] == theirs[what]
                different += not same
                print(f"/drain_listeners{query}: {what}: {theirs[what]}" + ("" if same else f"; Forebay: {ours[what]}"))
    print(f"{different} differ")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
