"""A queue-proxy's own life beside Knative's: its start, an app that comes while a probe waits, memory and CPU with nothing to do,
memory under load. Runs itself in a network namespace, where a millisecond is one of the sidecar's and not of a tool's start."""

import json
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROBE = b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: kube-probe/1\r\nK-Network-Probe: queue\r\n\r\n"
READINESS = '{"tcpSocket":{"port":8080,"host":"127.0.0.1"},"successThreshold":1}'
TICK = os.sysconf("SC_CLK_TCK")
SECONDS = 4
CONNECTIONS = 128
# Times that an app comes while a probe waits for it.
COMINGS = 15
# What is measured, in the table's order, with the unit and what it should be at most.
ROWS = {
    "start": ("exec to the first connection accepted", "ms"),
    "ready": ("exec to the first readiness answer of 200, the app being there", "ms"),
    "listen": ("the app's first listen to 200 at a probe that waits", "ms"),
    "idle_cpu": ("CPU with nothing to do", "m"),
    "idle": ("resident with nothing to do", "MiB"),
    "h1": (f"resident at {CONNECTIONS} connections of HTTP/1.1 under load", "MiB"),
    "h2c": (f"resident at {CONNECTIONS} connections of HTTP/2 under load", "MiB"),
}


def one_sidecar(rounds: int) -> dict:
    from .peers import QUEUE_PROXY
    from .sidecars import ENVIRONMENT, built

    if os.geteuid() != 0:
        from .machine import Unable

        raise Unable("needs root, for a network of its own")
    given = json.dumps({"sides": {"forebay": str(QUEUE_PROXY), "knative": str(built())}, "rounds": rounds,
                        "environment": {**ENVIRONMENT, "SERVING_READINESS_PROBE": READINESS}})
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", __file__]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=True)
    noted = json.loads(done.stdout)
    lines, figures = ["| | forebay | knative | ratio |", "|---|---|---|---|"], {}
    for name, (words, unit) in ROWS.items():
        ours, theirs = (statistics.median(noted[side][name]) for side in ("forebay", "knative"))
        ratio = f"{ours / theirs:.2f}" if theirs else ""
        lines.append(f"| {words} | {ours:.1f} {unit} | {theirs:.1f} {unit} | {ratio} |")
        figures[f"{name}, {unit}"] = ours
        if theirs:
            figures[f"{name}, of Knative's"] = ours / theirs
    text = (f"Medians of {rounds}; the sidecar's image holds `forebay-queue-proxy`, and this is it. Both have one core "
            "(`GOMAXPROCS=1`); the app is nginx.\n\n" + "\n".join(lines))
    return {"title": "A queue-proxy's start, readiness and memory", "text": text, "figures": figures}


def cpu(pid: int) -> float:
    """Seconds of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> float:
    """MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def app(directory: str, http2: bool) -> subprocess.Popen:
    """nginx, over HTTP/2 in clear text where that is asked for."""
    head = f"worker_processes 1; pid {directory}/pid; error_log {directory}/error; daemon off; events {{ worker_connections 4096; }}"
    listen = "listen 8080 http2;" if http2 else "listen 8080;"
    answer = 'keepalive_requests 100000000; location / { default_type text/plain; return 200 "Hello, World!"; }'
    pathlib.Path(f"{directory}/nginx.conf").write_text(f"{head} http {{ access_log off; server {{ {listen} {answer} }} }}")
    command = ["nginx", "-c", f"{directory}/nginx.conf"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(8080, lambda to: True)
    return started


def until(port: int, done) -> float:
    """Milliseconds until something accepts there and `done` says so of it."""
    began = time.monotonic()
    while time.monotonic() - began < 30:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as to:
                if done(to):
                    return (time.monotonic() - began) * 1000
        except OSError:
            time.sleep(0.0002)
    raise SystemExit(f"nothing at port {port}")


def says_ready(to: socket.socket) -> bool:
    to.settimeout(20)
    to.sendall(PROBE)
    return b" 200 " in to.recv(4096)


class Running:
    def __init__(self, program: str, environment: dict):
        self.process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> subprocess.Popen:
        return self.process

    def __exit__(self, *_) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def comes(program: str, environment: dict) -> dict[str, float]:
    """Its own start, and from an app's first listen to the answer of a probe that waited for it."""
    took = []
    with Running(program, environment):
        start = until(8012, lambda to: True)
        for _ in range(COMINGS):
            with socket.create_connection(("127.0.0.1", 8012), 1) as probe, socket.socket() as late:
                probe.settimeout(20)
                probe.sendall(PROBE)
                # Somewhere between two attempts of whoever asks again and again.
                time.sleep(0.2 + random.random() * 0.1)
                late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                late.bind(("127.0.0.1", 8080))
                late.listen(64)
                came = time.monotonic()
                if b" 200 " not in probe.recv(4096):
                    raise SystemExit(f"{program}: a probe was not answered by 200")
                took.append((time.monotonic() - came) * 1000)
    return {"start": start, "listen": statistics.median(took)}


def serves(program: str, environment: dict, http2: bool) -> dict[str, float]:
    found = {}
    with Running(program, environment) as process:
        found["ready"] = until(8012, says_ready)
        # What only the start needed is given back by then.
        time.sleep(3)
        found["idle"], before = resident(process.pid), cpu(process.pid)
        time.sleep(5)
        found["idle_cpu"] = (cpu(process.pid) - before) / 5 * 1000
        url = "http://127.0.0.1:8012/"
        load = ["h2load", "-t1", f"-c{CONNECTIONS}", "-m1", "-D", str(SECONDS), url] if http2 else \
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", url]
        loading = subprocess.Popen(load, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = 0.0
        while loading.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.1)
        found["h2c" if http2 else "h1"] = most
    return found


def main() -> None:
    given = json.load(sys.stdin)
    noted = {side: {} for side in given["sides"]}

    def note(side: str, found: dict[str, float]) -> None:
        for name, value in found.items():
            noted[side].setdefault(name, []).append(value)

    environments = {side: {**os.environ, **given["environment"], **({"GOMAXPROCS": "1"} if side == "knative" else {})} for side in given["sides"]}
    for _ in range(given["rounds"]):
        for side, program in given["sides"].items():
            note(side, comes(program, environments[side]))
    for http2 in (False, True):
        with tempfile.TemporaryDirectory() as directory:
            behind = app(directory, http2)
            try:
                for _ in range(given["rounds"]):
                    for side, program in given["sides"].items():
                        note(side, serves(program, environments[side], http2))
            finally:
                behind.terminate()
                behind.wait()
    json.dump(noted, sys.stdout)


if __name__ == "__main__":
    main()
