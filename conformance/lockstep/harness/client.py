"""The client: a case's connections, and what came back on each as flat fields. Judges nothing.

A connection that was ended is `closed`: whether by FIN or, with bytes unread, by RST is the kernel's affair and a race."""

import asyncio
import contextlib
import re
import socket
import ssl
import time

from . import http1
from .http1 import Gone, Wire
from .http2 import Frames

# How long a connection is watched after the last answer for what the other side does with it.
LINGER = 0.04
# The same when it said that it closes.
CLOSING = 2.5
PATIENCE = 6.0
PRINTED = 400


class Peer:
    """Where a side listens, and the certificates a client may use."""

    def __init__(self, ip: str, certificates):
        self.ip, self.certificates = ip, certificates
        # Each connection of a run has a port of its own: the access log's lines are found by it.
        self.sources = iter(range(33000, 65000))

    def bind(self, sock, address: str) -> None:
        for port in self.sources:
            with contextlib.suppress(OSError):
                return sock.bind((address, port))
        raise SystemExit("no source port is left")


async def play(peer: Peer, port: int, plan: dict) -> tuple[dict, int, str]:
    """One connection: its fields, the client's port, the transcript."""
    await asyncio.sleep(plan.get("after", 0))
    came: dict = {}
    began = time.monotonic()
    try:
        reader, writer = await _connect(peer, port, plan, came)
    except (ssl.SSLError, OSError, asyncio.TimeoutError, ValueError) as problem:
        # ValueError is what Python has for a handshake that the other side left.
        return {"connect": _words(problem)}, came.pop("local", 0), ""
    local = came.pop("local")
    wire = Wire(reader, writer)
    try:
        if plan.get("h2"):
            await _http2(wire, plan, came)
        elif "raw" in plan:
            await _raw(wire, plan, came)
        else:
            await _http1(wire, plan, came)
    except (Gone, ConnectionError) as gone:
        came.setdefault("status", "none")
        came.setdefault("end", "closed")
    except asyncio.TimeoutError:
        came["end"] = "silent"
    took = plan.get("took")
    if took:
        spent = time.monotonic() - began
        came["took"] = "as told" if took[0] <= spent <= took[1] else f"{spent:.2f} s, not within {took}"
    if "tls" in came and came.get("status") == "none" and came.get("end") == "closed":
        # In TLS 1.3 a client is done before the server has judged it: whether it still sees its own end is a race.
        came = {"connect": "ended"}
    transcript = http1.text(wire.heard[:3000])
    await wire.close()
    return came, local, transcript


async def _connect(peer: Peer, port: int, plan: dict, came: dict):
    """TCP, then what comes before TLS, then TLS."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.bind(sock, plan.get("from", "127.0.0.1"))
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (peer.ip, port))
    came["local"] = sock.getsockname()[1]
    if "prefix" in plan:
        await loop.sock_sendall(sock, plan["prefix"])
    if "tls" not in plan:
        return await asyncio.open_connection(sock=sock)
    wanted = plan["tls"] or {}
    context = peer.certificates.client(wanted)
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(sock=sock, ssl=context, server_hostname=wanted.get("sni", "")), PATIENCE
    )
    tls = writer.get_extra_info("ssl_object")
    came["tls"] = f"{tls.version()} {tls.cipher()[0]} alpn={tls.selected_alpn_protocol()}"
    came["certificate"] = peer.certificates.name_of(tls.getpeercert(binary_form=True))
    return reader, writer


async def _http1(wire: Wire, plan: dict, came: dict) -> None:
    requests = plan["requests"]
    patience = plan.get("patience", PATIENCE)
    if plan.get("pipeline"):
        await wire.send(b"".join(bytes1(r) for r in requests))
    for index, request in enumerate(requests, 1):
        mark = "" if len(requests) == 1 else f"{index}."
        if not plan.get("pipeline"):
            await _send1(wire, request)
        if "hang_up" in request:
            await asyncio.sleep(request["hang_up"])
            came[mark + "status"] = "hung up"
            return wire.reset() if request.get("rudely") else None
        await asyncio.wait_for(answer1(wire, request["method"], came, mark), patience)
        for tunnelled in request.get("tunnel", []):
            await wire.send(tunnelled.encode("latin-1"))
            await asyncio.sleep(0.05)
            await asyncio.wait_for(wire.more(), patience)
            came[mark + "tunnel"] = came.get(mark + "tunnel", "") + http1.text(wire.buffer)
            wire.buffer = b""
    await _ending(wire, came)


async def _send1(wire: Wire, request: dict) -> None:
    """The head, and the body in pieces if it has pauses."""
    pieces = request.get("pieces")
    if pieces is None:
        return await wire.send(bytes1(request))
    await wire.send(bytes1({**request, "body": None}))
    for piece in pieces:
        if isinstance(piece, (int, float)):
            await asyncio.sleep(piece)
        else:
            await wire.send(piece.encode("latin-1"))


def bytes1(request: dict) -> bytes:
    """A request's bytes. `body` brings its length, `chunks` their framing."""
    body, chunks = request.get("body"), request.get("chunks")
    lines = [f"{request['method']} {request['path']} {request.get('version', 'HTTP/1.1')}"]
    if request.get("host") is not None:
        lines.append(f"Host: {request['host']}")
    lines += [f"{name}: {value}" for name, value in request["headers"]]
    tail = b""
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
        tail = body.encode("latin-1")
    elif chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        trailers = "".join(f"{n}: {v}\r\n" for n, v in request.get("trailers", []))
        parts = [f"{len(c):x}\r\n{c}\r\n" for c in chunks]
        tail = ("".join(parts) + "0\r\n" + trailers + "\r\n").encode("latin-1")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + tail


async def answer1(wire: Wire, method: str, came: dict, mark: str) -> None:
    """One whole response with the interim ones before it."""
    try:
        head = await http1.head(wire)
        while re.match(r"HTTP/1\.. 1(?!01)\d\d( |$)", head.first):
            came[f"{mark}interim"] = came.get(f"{mark}interim", "") + head.first + str(sorted(head.fields))
            head = await http1.head(wire)
    except Gone as gone:
        came[f"{mark}status"] = "none" if not gone.rest else "bytes: " + http1.text(gone.rest[:200])
        raise
    came[f"{mark}status"] = head.first
    for name, value in head.fields:
        key = f"{mark}header.{name}"
        came[key] = came[key] + " // " + value if key in came else value
    status = head.first.split(" ")[1]
    body = bytearray()
    came["closing"] = "yes" if head.has("connection", "close") or head.first.startswith("HTTP/1.0") else "no"
    if method == "HEAD" or status in ("204", "304", "101") or (method == "CONNECT" and status == "200"):
        return
    try:
        if head.has("transfer-encoding", "chunked"):
            for name, value in await http1.chunks(wire, body):
                came[f"{mark}trailer.{name}"] = value
        elif head.values("content-length"):
            await _counted(wire, int(head.values("content-length")[0]), body)
        else:
            rest, ended = await wire.rest()
            body += rest
            came[f"{mark}body"] = _short(body)
            raise Gone(ended)
    except Gone:
        came[f"{mark}cut"] = "yes"
        raise
    finally:
        came[f"{mark}body"] = _short(body)


async def _counted(wire: Wire, count: int, body: bytearray) -> None:
    while len(body) < count:
        if not wire.buffer:
            await wire.more()
        part = await wire.exactly(min(count - len(body), len(wire.buffer)))
        body += part


async def _ending(wire: Wire, came: dict) -> None:
    """Does the other side close, and does it say more?"""
    closing = came.pop("closing", "no") == "yes"
    try:
        rest, _ = await asyncio.wait_for(wire.rest(), CLOSING if closing else LINGER)
        came["end"] = "closed"
        if rest:
            came["rest"] = http1.text(rest)[:PRINTED]
    except asyncio.TimeoutError:
        came["end"] = "open"
        if wire.buffer:
            came["rest"] = http1.text(wire.buffer)[:PRINTED]


async def _raw(wire: Wire, plan: dict, came: dict) -> None:
    """Bytes as they are, pauses between them, then whatever answers come."""
    answers, expected = 0, plan.get("answers", 1)
    sender = asyncio.ensure_future(_pour(wire, plan["raw"]))
    try:
        while answers < expected:
            answers += 1
            mark = "" if expected == 1 else f"{answers}."
            await asyncio.wait_for(answer1(wire, plan.get("method", "GET"), came, mark), plan.get("patience", 1.2))
        await asyncio.wait_for(sender, PATIENCE)
        await _ending(wire, came)
    except Gone:
        came["end"] = "closed"
    finally:
        came.pop("closing", None)
        sender.cancel()


async def _pour(wire: Wire, steps) -> None:
    try:
        for step in steps if isinstance(steps, list) else [steps]:
            if isinstance(step, (int, float)):
                await asyncio.sleep(step)
            elif step == "FIN":
                wire.writer.write_eof()
            else:
                await wire.send(step if isinstance(step, bytes) else step.encode("latin-1"))
    except (Gone, ConnectionError):
        pass


async def _http2(wire: Wire, plan: dict, came: dict) -> None:
    frames = Frames(wire)
    await frames.hello(True, {int(k): v for k, v in plan.get("settings", {}).items()})
    frames.listen()
    wanted: dict[int, str] = {}
    senders = []
    if "frames" in plan:
        for step in plan["frames"]:
            if "stream" in step and step.get("answer", True):
                wanted.setdefault(step["stream"], f"{step['stream']}." if _many(plan) else "")
        senders.append(asyncio.ensure_future(_pour2(frames, plan["frames"])))
    else:
        for index, request in enumerate(plan["requests"]):
            stream = index * 2 + 1
            wanted[stream] = "" if len(plan["requests"]) == 1 else f"{index + 1}."
            senders.append(asyncio.ensure_future(_send2(frames, stream, request)))
    try:
        await _hear2(frames, wanted, came, plan)
    finally:
        for sender in senders:
            sender.cancel()
        frames.task.cancel()


def _many(plan: dict) -> bool:
    return len({step["stream"] for step in plan["frames"] if step.get("stream")}) > 1


async def _send2(frames: Frames, stream: int, request: dict) -> None:
    try:
        fields = [(":method", request["method"])]
        if request["method"] != "CONNECT" or "protocol" in request:
            fields += [(":scheme", request.get("scheme", "http")), (":path", request["path"])]
        if "protocol" in request:
            fields.append((":protocol", request["protocol"]))
        if request.get("host") is not None:
            fields.append((":authority", request["host"]))
        fields += [(n.lower(), v) for n, v in request["headers"]]
        body, chunks, trailers = request.get("body"), request.get("chunks"), request.get("trailers", [])
        pieces = request.get("pieces")
        if body is not None and not any(n == "content-length" for n, _ in fields):
            fields.append(("content-length", str(len(body))))
        parts = [body] if body else chunks or pieces or []
        tunnel = request.get("tunnel", [])
        await frames.headers(stream, fields, not parts and not trailers and not tunnel)
        for index, part in enumerate(parts):
            if isinstance(part, (int, float)):
                await asyncio.sleep(part)
            else:
                last = index + 1 == len(parts) and not trailers
                await frames.data(stream, part.encode("latin-1"), last)
        if trailers:
            await frames.headers(stream, trailers, True)
        for part in tunnel:
            await asyncio.sleep(0.1)
            await frames.data(stream, part.encode("latin-1"), False)
        if tunnel:
            await asyncio.sleep(0.1)
            await frames.data(stream, b"", True)
        if "hang_up" in request:
            await asyncio.sleep(request["hang_up"])
            await frames.reset(stream, 8)
            frames.events.put_nowait(("rst", stream, "hung up"))
    except Gone:
        pass


async def _pour2(frames: Frames, steps) -> None:
    try:
        for step in steps:
            if "wait" in step:
                await asyncio.sleep(step["wait"])
            elif "headers" in step:
                await frames.headers(step["stream"], step["headers"], step.get("end", False), step.get("partial", False))
            elif "data" in step:
                await frames.raw(0, 1 if step.get("end") else 0, step["stream"], step["data"].encode("latin-1"))
            elif "rst" in step:
                await frames.reset(step["stream"], step["rst"])
            elif "bytes" in step:
                await frames.wire.send(bytes.fromhex(step["bytes"].replace(" ", "")))
            elif "kind" in step:
                payload = bytes.fromhex(step.get("payload", ""))
                await frames.raw(step["kind"], step.get("flags", 0), step.get("stream", 0), payload)
    except (Gone, ConnectionError):
        pass


async def _hear2(frames: Frames, wanted: dict, came: dict, plan: dict) -> None:
    """Until every wanted stream has ended; then how the connection stands."""
    left = set(wanted) or ({-1} if plan.get("until_end") else set())
    end = time.monotonic() + plan.get("patience", 1.5 if "frames" in plan else PATIENCE)
    bodies: dict[int, bytes] = {}
    while True:
        patience = (end - time.monotonic()) if left else LINGER
        try:
            event = await asyncio.wait_for(frames.events.get(), max(patience, 0.001))
        except asyncio.TimeoutError:
            came["end"] = "silent" if left else "open"
            break
        kind, stream = event[0], event[1]
        mark = wanted.get(stream, f"{stream}?")
        if kind == "end":
            came["end"] = event[2] if event[2].startswith("unreadable") else "closed"
            break
        if kind == "goaway":
            # The first of two announces; the last number is what counts.
            came["goaway"] = event[2] + (" graceful" if event[3] == 0x7FFFFFFF else "")
            continue
        if kind == "headers":
            _fields2(came, mark, event[2], first=f"{mark}status" not in came)
        elif kind == "data":
            bodies[stream] = bodies.get(stream, b"") + event[2]
        elif kind == "rst" and (stream in left or stream not in wanted):
            came[f"{mark}rst"] = event[2]
            left.discard(stream)
        if kind in ("headers", "data") and event[3]:
            left.discard(stream)
        if not left and plan.get("until_end"):
            left = {-1}
    for stream, body in bodies.items():
        came[f"{wanted.get(stream, f'{stream}?')}body"] = _short(body)


def _fields2(came: dict, mark: str, fields, first: bool) -> None:
    status = dict(fields).get(":status")
    if status and status.startswith("1") and status != "101":
        came[f"{mark}interim"] = came.get(f"{mark}interim", "") + str(sorted(fields))
        return
    if status:
        came[f"{mark}status"] = status
    for name, value in fields:
        if name != ":status":
            key = f"{mark}{'header' if status else 'trailer'}.{name}"
            came[key] = came[key] + " // " + value if key in came else value


def _short(data) -> str:
    text = http1.text(bytes(data))
    return text if len(text) <= PRINTED else f"{text[:40]}.. {len(text)} bytes"


def _words(problem) -> str:
    if isinstance(problem, ssl.SSLError):
        return f"tls: {problem.reason or 'ended'}"
    if isinstance(problem, asyncio.TimeoutError):
        return "silent"
    # A handshake that is answered by a close or a reset is refused either way.
    return "refused" if isinstance(problem, ConnectionRefusedError) else "ended"
