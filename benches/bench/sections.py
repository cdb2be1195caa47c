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
from .peers import FOREBAY, ROOT, Envoy, Forebay, Haproxy, Nginx, Scene
from .ratio import rank
from .snapshot import snapshot
from .walkthrough import walkthrough

sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "drills")]

from lib import Failed, Forebay as Up, resident, service, until  # noqa: E402
from memory import SETTLE, measure as measure_memory, told  # noqa: E402

# For one that could not be measured.
TITLES = {
    "cold-start": "Cold start of `forebay up`",
    "zero": "Memory of Services at zero",
    "zero-many": "100,000 Services at zero",
    "changes": "One change among 10,000 services, go-control-plane's snapshot cache",
    "own-changes": "One change among 10,000 services, Forebay's own control plane",
    "snapshot": "A snapshot of 10,000 hosts",
    "known": "Services in a gateway's configuration",
    "sidecar": "A queue-proxy's start, readiness and memory",
    "idle": "Idle keep-alive connections",
    "chain": "Whole chains: Knative's walkthrough, the activator in path, one request from zero",
}
# Longer than fits into a quick run: in one only where it is asked for.
SLOW = ("zero-many", "changes", "known", "sidecar", "idle", "chain")
__all__ = ["SLOW", "TITLES", "Failed", "every"]

# Seconds that 100,000 Services may take to be live.
MANY = 150


def every(quick: bool) -> dict:
    """Name → what makes it."""
    return {
        "cold-start": lambda: cold_start(20 if quick else 100),
        "zero": lambda: services_at_zero(*((200,) if quick else (1_000, 10_000))),
        "zero-many": lambda: many_at_zero(2_000 if quick else 100_000),
        "changes": lambda: changes(*((500, 2) if quick else (10_000, 5))),
        "own-changes": lambda: own_changes(*((500, 50) if quick else (10_000, 200))),
        "snapshot": lambda: snapshot(*((500, 2) if quick else (10_000, 8))),
        "known": lambda: known_services(*((500,) if quick else (1_000, 100_000))),
        "sidecar": lambda: one_sidecar(1 if quick else 5),
        "idle": lambda: idle_connections(1_000 if quick else 8_000),
        "chain": lambda: walkthrough(5 if quick else 100),
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
    return {"title": f"Cold start, {starts} starts of `forebay up`", "text": text, "figures": {"share, median ms": statistics.median(shares), "share, p99 ms": rank(shares, 0.99)}}


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ms | {rank(values, 0.99):.1f} ms | {max(values):.1f} ms"


def services_at_zero(*counts: int) -> dict:
    """What `memory.py` measures, above an `up` that has none."""
    lines = [
        "| Services | an empty `up`, MiB | with all, MiB | KiB for each | after a restart | live after, s | one changed: bytes | resources | saved to obeyed, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    figures = {}
    for count in counts:
        m = measure_memory(count)
        each, again = (m["full"] - m["empty"]) / count, (m["again"] - m["empty"]) / count
        lines.append(
            f"| {count:,} | {m['empty'] / 1024:.1f} | {m['full'] / 1024:.1f} | {each:.2f} | {again:.2f} "
            f"| {m['applied']:.2f} | {m['bytes']} | {m['resources']} | {m['changed'] * 1e3:.0f} |"
        )
        figures |= {f"KiB for each of {count:,}": each, f"KiB for each of {count:,} after a restart": again}
    return {"title": "Memory of Services at zero", "text": "\n".join(lines), "figures": figures}


def many_at_zero(count: int) -> dict:
    """As many as nobody has, bounded: whether it works at all, and what it takes."""
    with Up(service("first")) as forebay:
        time.sleep(SETTLE)
        empty, spent = resident(forebay.pid), sum(machine.cpu([forebay.pid]))
        began = time.monotonic()
        forebay.save("---\n".join(service(f"s{number}") for number in range(count)), "many.yaml")
        # A Service without a replica is known once there is a route to it: asked of the admin page, since a request starts one.
        until(f"the last of {count}", lambda: told(forebay) > count, MANY)
        until("the gateway to have it", lambda: forebay.get(f"s{count - 1}.default.localhost")[0] == 200, 60)
        taken, spent = time.monotonic() - began, sum(machine.cpu([forebay.pid])) - spent
        time.sleep(SETTLE)
        full = resident(forebay.pid)
        began = time.monotonic()
        forebay.save(service("other"), "other.yaml")
        until("one more", lambda: forebay.get("other.default.localhost")[0] == 200, 60)
        more = time.monotonic() - began
    text = (
        f"One file of {count:,} Services: all live after {taken:.1f} s and {spent / 1e6:.1f} s of CPU, {full / 1024:.0f} MiB, "
        f"{(full - empty) / count:.2f} KiB for each. One more Service in a file of its own answers, from zero, after {more * 1e3:.0f} ms."
    )
    figures = {"KiB for each": (full - empty) / count, "CPU s": spent / 1e6, "one more, ms": more * 1e3}
    return {"title": f"{count:,} Services at zero", "text": text, "figures": figures}


def known_services(*counts: int) -> dict:
    """Resident memory of a gateway for each service it is told of and nobody asks for: a host, its route, a cluster, an endpoint."""
    lines = [f"| proxy | {' | '.join(f'KiB for each of {count:,} | all listen after, s' for count in counts)} |", "|---|" + "---|---|" * len(counts)]
    figures = {}
    for kind in (Forebay, Envoy, Haproxy):
        try:
            kind.version()
            empty, _ = _known(kind, 0)
            cells = []
        except Unable as why:
            lines.append(f"| {kind.name} | {why} |")
            continue
        for count in counts:
            try:
                full, seconds = _known(kind, count)
                cells.append(f"{(full - empty) / count:.1f} | {seconds:.1f}")
                figures[f"{kind.name}, KiB for each of {count:,}"] = (full - empty) / count
            except Unable as why:
                cells.append(f"{' '.join(str(why).split())} | ")
        lines.append(f"| {kind.name} | {' | '.join(cells)} |")
    return {"title": "Services in a gateway's configuration, one worker", "text": "\n".join(lines), "figures": figures}


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
    lines, figures = ["| proxy | KiB for each |", "|---|---|"], {}
    for kind in (Forebay, Envoy, Haproxy, Nginx):
        try:
            kind.version()
            each = _idle(kind, count)
            lines.append(f"| {kind.name} | {each:.2f} |")
            figures["KiB for each" if kind is Forebay else f"{kind.name}, KiB for each"] = each
        except Unable as why:
            lines.append(f"| {kind.name} | {why} |")
    return {"title": f"{count} idle keep-alive connections", "text": "\n".join(lines), "figures": figures}


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
