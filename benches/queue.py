"""CPU and memory of a request's way through `forebay queue-proxy` and Knative's own, side by side in one run.

Usage: unshare -n sh -c 'ip link set lo up; python3 benches/queue.py FOREBAY QUEUE [ROUNDS]'
Each round asks both, one after the other, at 32 and 128 connections in front of nginx: over HTTP/1.1 (wrk asks), then over HTTP/2 in
clear text (h2load asks); before that an app comes again and again while a probe waits for it. What is printed is the median of the
rounds; only the ratios mean something.
"""

import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOLD = pathlib.Path(__file__).resolve().parent.parent / "conformance/queue/environment.json"
ENVIRONMENT = {
    **json.loads(TOLD.read_text()), "PATH": os.environ["PATH"],
    "SERVING_READINESS_PROBE": '{"tcpSocket":{"port":8080,"host":"127.0.0.1"},"successThreshold":1}',
}
TICK = os.sysconf("SC_CLK_TCK")
SECONDS = 5
# Times that an app comes while a probe waits for it.
COMINGS = 15
PROBE = b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: kube-probe/1\r\nK-Network-Probe: queue\r\n\r\n"


def cpu(pid: int) -> float:
    """Seconds of all its threads."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> float:
    """MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


def app(directory: str, http2: bool) -> subprocess.Popen:
    """nginx, over HTTP/2 in clear text where that is asked for."""
    head = f"worker_processes 1; pid {directory}/pid; error_log {directory}/error; daemon off; events {{ worker_connections 4096; }}"
    listen = "listen 8080 http2;" if http2 else "listen 8080;"
    answer = 'keepalive_requests 100000000; location / { default_type text/plain; return 200 "Hello, World!"; }'
    with open(f"{directory}/nginx.conf", "w") as conf:
        conf.write(f"{head} http {{ access_log off; server {{ {listen} {answer} }} }}")
    command = ["nginx", "-c", f"{directory}/nginx.conf"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ready() -> float:
    """Milliseconds until the first readiness probe is answered by 200."""
    began = time.monotonic()
    while time.monotonic() - began < 10:
        try:
            with socket.create_connection(("127.0.0.1", 8012), 1) as to:
                to.sendall(PROBE)
                if b" 200 " in to.recv(4096):
                    return (time.monotonic() - began) * 1000
        except OSError:
            time.sleep(0.0002)
    raise SystemExit("never ready")


def load(connections: int, http2: bool) -> tuple[int, float]:
    """Requests, and the 99th percentile in milliseconds."""
    if http2:
        out = subprocess.run(
            ["h2load", "-t1", f"-c{connections}", "-m1", "-D", str(SECONDS), "http://127.0.0.1:8012/"],
            capture_output=True, text=True,
        ).stdout
        return int(re.search(r"(\d+) succeeded", out)[1]), 0.0
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--latency", "http://127.0.0.1:8012/"]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    scale = {"us": 0.001, "ms": 1, "s": 1000}[late[2]]
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    return int(re.search(r"(\d+) requests in", out)[1]), float(late[1]) * scale


def measure(command: list[str], http2: bool, noted: dict) -> None:
    began = time.monotonic()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready()
    noted.setdefault("exec to first ready, ms", []).append((time.monotonic() - began) * 1000)
    time.sleep(1.5)
    noted.setdefault("idle, MiB", []).append(resident(process.pid))
    before = cpu(process.pid)
    time.sleep(3)
    noted.setdefault("idle CPU, m", []).append((cpu(process.pid) - before) / 3 * 1000)
    for connections in (32, 128):
        before = cpu(process.pid)
        requests, late = load(connections, http2)
        name = f"{'h2c' if http2 else 'h1'}, {connections} connections"
        noted.setdefault(f"{name}: CPU, us a request", []).append((cpu(process.pid) - before) / requests * 1e6)
        noted.setdefault(f"{name}: requests a second", []).append(requests / SECONDS)
        if late:
            noted.setdefault(f"{name}: p99, ms", []).append(late)
        noted.setdefault(f"{name}: MiB after", []).append(resident(process.pid))
    process.send_signal(signal.SIGKILL)
    process.wait()


def coming(command: list[str], noted: dict) -> None:
    """Its own start, and from an app's first listen to the answer of a probe that waited for it."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while time.monotonic() - began < 10:
        try:
            socket.create_connection(("127.0.0.1", 8012), 1).close()
            break
        except OSError:
            time.sleep(0.0002)
    noted.setdefault("exec to its first accept, ms", []).append((time.monotonic() - began) * 1000)
    took = []
    for _ in range(COMINGS):
        with socket.create_connection(("127.0.0.1", 8012), 1) as probe, socket.socket() as app:
            probe.settimeout(20)
            probe.sendall(PROBE)
            # Somewhere between two attempts of whoever asks again and again.
            time.sleep(0.2 + random.random() * 0.1)
            app.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            app.bind(("127.0.0.1", 8080))
            app.listen(64)
            came = time.monotonic()
            if b" 200 " in probe.recv(4096):
                took.append((time.monotonic() - came) * 1000)
    if len(took) < COMINGS:
        raise SystemExit(f"{command[0]}: {COMINGS - len(took)} probes of {COMINGS} were not answered by 200")
    noted.setdefault("an app's listen to the answer of a waiting probe, ms", []).append(statistics.median(took))
    process.send_signal(signal.SIGKILL)
    process.wait()


def main() -> None:
    forebay, queue = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    sides = {"forebay": ([forebay, "queue-proxy"], {}), "knative": ([queue], {})}
    for _ in range(rounds):
        for command, noted in sides.values():
            coming(command, noted)
    with tempfile.TemporaryDirectory() as directory:
        for http2 in (False, True):
            behind = app(directory, http2)
            time.sleep(0.5)
            try:
                for _ in range(rounds):
                    for command, noted in sides.values():
                        measure(command, http2, noted)
            finally:
                behind.terminate()
                behind.wait()
    print("| | forebay | Knative's | ratio |\n|---|---|---|---|")
    for name in sides["forebay"][1]:
        ours, theirs = (statistics.median(noted[name]) for _, noted in sides.values())
        print(f"| {name} | {ours:.1f} | {theirs:.1f} | {ours / theirs if theirs else 0:.2f} |")


main()
