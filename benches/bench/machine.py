"""The machine and its processes: what it is, who runs on which core, what a process has used, and that all of them end."""

import atexit
import contextlib
import os
import pathlib
import platform
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

TICK = os.sysconf("SC_CLK_TCK")
# The proxy has the first core alone; load and backend share the second.
PROXY, OTHERS = "0", "1"


@dataclass(frozen=True)
class At:
    """Where a proxy listens, and the words that bring a command into its network."""

    port: int
    enter: tuple[str, ...] = ()


_running: list[subprocess.Popen] = []


def describe() -> dict:
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"Linux {platform.release()}",
    }


def check() -> None:
    """What a measurement cannot do without; says which and ends with 2."""
    usable = os.sched_getaffinity(0)
    if len(usable) < 2:
        refuse("the proxy needs a core for itself and load and backend another; this process may use one only")
    for tool, package in (("taskset", "util-linux"), ("wrk", "wrk"), ("h2load", "nghttp2-client"), ("curl", "curl")):
        if not shutil.which(tool):
            refuse(f"{tool} is missing (apt-get install {package})")
    open_files()


def open_files() -> None:
    """As many as are allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def refuse(words: str) -> None:
    print(f"benches/run: {words}", file=sys.stderr)
    raise SystemExit(2)


def start(command: list, core: str, log: pathlib.Path, env: dict | None = None) -> subprocess.Popen:
    """Starts a process on a core; its output goes to a file. It ends when this program ends, however it does."""
    words = ["taskset", "-c", core, *map(str, command)]
    with open(log, "a") as out:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
    _running.append(process)
    return process


@contextlib.contextmanager
def ended(process: subprocess.Popen, grace: float):
    """Ends a process that cleans up after itself, however the `with` is left."""
    try:
        yield
    finally:
        stop(process, grace)


def stop(process: subprocess.Popen, grace: float = 5) -> None:
    if process in _running:
        _running.remove(process)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@atexit.register
def stop_all() -> None:
    for process in list(_running):
        stop(process)


def end_with_signals() -> None:
    """SIGTERM and SIGHUP end as Ctrl-C does: through `atexit`, so that nothing is left."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))


def free_port() -> int:
    """Below the range from which clients get theirs, so that no connection of a load takes it in the meantime."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(port: int, process: subprocess.Popen, log: pathlib.Path, patience: float = 60) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise Unable(f"ended with {process.returncode}: {tail(log)}")
        time.sleep(0.02)
    raise Unable(f"did not listen within {patience:.0f} s: {tail(log)}")


def tail(log: pathlib.Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


class Unable(Exception):
    """Why a peer or a cell could not be measured, in words."""


def family(pid: int) -> list[int]:
    """The process and its children, which for nginx and HAProxy are there a moment after the socket."""
    time.sleep(0.3)
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


def cpu(pids: list[int]) -> tuple[float, float]:
    """User and system microseconds so far."""
    fields = [pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return tuple(sum(int(field[index]) for field in fields) * 1e6 / TICK for index in (11, 12))


def resident(pids: list[int]) -> int:
    """KiB."""
    total = 0
    for pid in pids:
        found = re.search(r"^VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
        total += int(found[1]) if found else 0
    return total
