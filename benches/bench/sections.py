"""What is no CPU time for a unit of work: cold starts, memory at zero, idle connections. Each gives a title and words."""

import contextlib
import json
import pathlib
import socket
import statistics
import sys
import tempfile
import time

from . import machine
from .changes import changes
from .configs import HOST
from .machine import Unable
from .own import own_changes
from .one_sidecar import one_sidecar
from .peers import FOREBAY, Envoy, Forebay, Haproxy, Nginx, Scene

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "drills"))

from lib import Forebay as Up, resident, service, until  # noqa: E402


def every(quick: bool) -> dict:
    """Name → what makes it."""
    return {
        "cold-start": lambda: cold_start(20 if quick else 100),
        "zero": lambda: services_at_zero(200 if quick else 1_000),
        "changes": lambda: changes(*((500, 2) if quick else (10_000, 5))),
        "own-changes": lambda: own_changes(*((500, 50) if quick else (10_000, 200))),
        "known": lambda: known_services(*((500,) if quick else (1_000, 100_000))),
        "sidecar": lambda: one_sidecar(1 if quick else 5),
        "idle": lambda: idle_connections(1_000 if quick else 8_000),
    }


def cold_start(starts: int) -> dict:
    """From the moment at which the app listens to the first byte at the client: what is ours of a cold start."""
    shares, wholes = [], []
    with Up("---\n".join(service(f"s{number}") for number in range(starts))) as forebay:
        for number in range(starts):
            with socket.create_connection(("127.0.0.1", forebay.port)) as client:
                began = time.time_ns()
                client.sendall(f"GET /revision HTTP/1.1\r\nHost: s{number}.default.localhost\r\nConnection: close\r\n\r\n".encode())
                answer = client.recv(1)
                first = time.time_ns()
                while piece := client.recv(65536):
                    answer += piece
            listening = json.loads(answer.partition(b"\r\n\r\n")[2])["listeningSince"]
            shares.append((first - listening) / 1e6)
            wholes.append((first - began) / 1e6)
    text = (
        "| from → to the first byte | median | p99 | most |\n|---|---|---|---|\n"
        f"| the app listens (the data plane's share) | {_spread(shares)} |\n| the request is sent | {_spread(wholes)} |"
    )
    return {"title": f"Cold start, {starts} starts of `forebay up`", "text": text}


def _spread(values: list[float]) -> str:
    values = sorted(values)
    tail = values[min(len(values) - 1, int(len(values) * 0.99))]
    return f"{statistics.median(values):.1f} ms | {tail:.1f} ms | {values[-1]:.1f} ms"


def services_at_zero(count: int) -> dict:
    with Up("") as forebay:
        time.sleep(1)
        empty = resident(forebay.pid)
        forebay.save("---\n".join(service(f"s{number}") for number in range(count)), "many.yaml")
        until("the last service", lambda: forebay.get(f"s{count - 1}.default.localhost")[0] == 200, 120)
        time.sleep(3)
        full = resident(forebay.pid)
    text = f"An empty `up`: {empty / 1024:.1f} MiB resident. {count} Services more: {full / 1024:.1f} MiB, {(full - empty) / count:.1f} KiB for each."
    return {"title": "Memory of Services at zero", "text": text}


def known_services(*counts: int) -> dict:
    """Resident memory of a gateway for each service it is told of and nobody asks for: a host, its route, a cluster, an endpoint."""
    lines = [f"| proxy | {' | '.join(f'KiB for each of {count:,} | all listen after, s' for count in counts)} |", "|---|" + "---|---|" * len(counts)]
    for kind in (Forebay, Envoy, Haproxy):
        try:
            kind.version()
            empty, _ = _known(kind, 0)
            cells = []
            for count in counts:
                full, seconds = _known(kind, count)
                cells.append(f"{(full - empty) / count:.1f} | {seconds:.1f}")
            lines.append(f"| {kind.name} | {' | '.join(cells)} |")
        except Unable as why:
            lines.append(f"| {kind.name} | {why} |")
    return {"title": "Services in a gateway's configuration, one worker", "text": "\n".join(lines)}


def _known(kind: type, count: int) -> tuple[int, float]:
    """KiB, and seconds until it listens."""
    with tempfile.TemporaryDirectory(prefix="forebay-bench-") as folder:
        began = time.monotonic()
        peer = kind(pathlib.Path(folder), machine.free_port(), Scene(services=count))
        try:
            taken = time.monotonic() - began
            time.sleep(3)
            return machine.resident(peer.pids), taken
        finally:
            peer.stop()


def idle_connections(count: int) -> dict:
    """Resident memory of the proxy for each client that has asked once and stays."""
    lines = ["| proxy | KiB for each |", "|---|---|"]
    for kind in (Forebay, Envoy, Haproxy, Nginx):
        try:
            kind.version()
            lines.append(f"| {kind.name} | {_idle(kind, count):.2f} |")
        except Unable as why:
            lines.append(f"| {kind.name} | {why} |")
    return {"title": f"{count} idle keep-alive connections", "text": "\n".join(lines)}


def _idle(kind: type, count: int) -> float:
    request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    with tempfile.TemporaryDirectory(prefix="forebay-bench-") as folder, contextlib.ExitStack() as clients:
        home = pathlib.Path(folder)
        port, log = machine.free_port(), home / "backend.log"
        backend = machine.start([FOREBAY, "sample", "hello"], machine.OTHERS, log, {"PORT": str(port)})
        clients.callback(machine.stop, backend)
        machine.wait_for(port, backend, log)
        peer = kind(home, port, Scene())
        clients.callback(peer.stop)
        # What was needed to start is given back only when something happens and some time has passed.
        _ask(clients, peer.port, request, 200)
        time.sleep(3)
        before = machine.resident(peer.pids)
        _ask(clients, peer.port, request, count)
        time.sleep(3)
        return (machine.resident(peer.pids) - before) / count


def _ask(clients: contextlib.ExitStack, port: int, request: bytes, count: int) -> None:
    for _ in range(count):
        client = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        client.sendall(request)
        if not client.recv(65536).startswith(b"HTTP/1.1 200"):
            raise Unable("an answer that is not 200")
