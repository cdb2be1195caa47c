"""Loads: each runs against a port for a bounded time on the other core, and says how much was done and how long it took."""

import json
import pathlib
import re
import subprocess
from dataclasses import dataclass, field

from . import machine
from .configs import HOST
from .machine import At, Unable
from .peers import LOAD


@dataclass
class Done:
    """`units` of the row's unit in `seconds`; latencies in microseconds where the tool gives them."""

    units: float
    seconds: float
    latency: dict[str, float] = field(default_factory=dict)


def _run(at: At, command: list, seconds: float) -> str:
    words = ["taskset", "-c", machine.OTHERS, *at.enter, *map(str, command)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 60)
    except subprocess.TimeoutExpired:
        raise Unable(f"{command[0]} did not end") from None
    if done.returncode:
        raise Unable(f"{pathlib.Path(str(command[0])).name}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def wrk(at: At, seconds: int, *, connections: int, path: str = "/", close: bool = False, header: str = "", scheme: str = "http") -> Done:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {HOST}"]
    command += ["-H", "Connection: close"] if close else []
    command += ["-H", header] if header else []
    text = _run(at, [*command, f"{scheme}://127.0.0.1:{at.port}{path}"], seconds)
    if "Non-2xx" in text or (socket := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)) and any(map(int, socket.groups())):
        raise Unable(f"not every answer was good: {' '.join(text.split())[-200:]}")
    units = {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}
    found = {f"p{share}": float(value) * units[unit] for share, value, unit in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M)}
    requests, real = re.search(r"(\d+) requests in ([\d.]+)(?:s|m)", text).groups()
    return Done(int(requests), float(real), found)


def h2load(at: At, seconds: int, *, connections: int, streams: int, path: str = "/", body: pathlib.Path | None = None) -> Done:
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", f"--connect-to=127.0.0.1:{at.port}"]
    if body:
        command += ["-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers"]
    text = _run(at, [*command, f"http://{HOST}{path}"], seconds)
    good, bad = map(int, re.search(r"(\d+) succeeded, (\d+) failed", text).groups())
    answered = int(re.search(r"status codes: (\d+) 2xx", text)[1])
    # With a bound in time the streams that are open at its end count as failed; more than these are real.
    if bad > connections * streams or answered < good:
        raise Unable(f"{bad} of {good + bad} requests failed")
    return Done(good, seconds)


def handshakes(at: At, seconds: int, *, version: str, resumed: bool = False) -> Done:
    """Connections one after the other, each with a handshake and nothing else; the unit is a handshake. openssl's client
    resumes sessions of TLS 1.2 only: with 1.3 it leaves before the ticket has come."""
    how = ("-reuse" if resumed else "-new", f"-tls{version.replace('.', '_')}")
    text = _run(at, ["openssl", "s_time", "-connect", f"127.0.0.1:{at.port}", *how, "-time", seconds], seconds)
    count = int(re.search(r"(\d+) connections in \d+ real seconds", text)[1])
    return Done(count, seconds)


def tool(at: At, seconds: int, work: str, *, connections: int, path: str = "/", host: str = HOST, **more) -> Done:
    """benches/load."""
    command = [LOAD, work, "--to", f"127.0.0.1:{at.port}", "--host", host, "--path", path, "--connections", connections, "--seconds", seconds]
    for name, value in more.items():
        command += [f"--{name}", value]
    told = json.loads(_run(at, command, seconds))
    if told["failed"]:
        raise Unable(f"{told['failed']} of {told['requests'] + told['failed']} failed")
    latency = {name.removesuffix("_us"): value for name, value in told.items() if name.endswith("_us")}
    return Done(told["requests"], told["seconds"], latency)


def curl(at: At, *, mebibytes: int, up: bool, scheme: str = "http") -> Done:
    """One body of many MiB, written to nobody; the unit is a MiB."""
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-H", f"Host: {HOST}", "--max-time", "120"]
    command += ["-k", "--http1.1", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256"] if scheme == "https" else []
    base = f"{scheme}://127.0.0.1:{at.port}"
    if up:
        source = subprocess.Popen(["head", "-c", str(mebibytes << 20), "/dev/zero"], stdout=subprocess.PIPE)
        words = ["taskset", "-c", machine.OTHERS, *at.enter, *command, "-H", "Expect:", "-T", "-", f"{base}/sink"]
        done = subprocess.run(words, stdin=source.stdout, capture_output=True, text=True, timeout=150)
        source.wait()
        text = done.stdout
    else:
        text = _run(at, [*command, f"{base}/bytes?n={mebibytes << 20}"], 120)
    status, seconds = text.split()
    if status != "200":
        raise Unable(f"the answer was {status}")
    return Done(mebibytes, float(seconds))
