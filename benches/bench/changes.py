"""Changes among many services under the control plane that Knative has: go-control-plane's snapshot cache, which sends the whole
state whenever anything in it changes (control/main.go). How long until the gateway obeys, on all its workers, and what it costs."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

from . import loads, machine
from .configs import address
from .machine import At, Unable
from .peers import FOREBAY, ROOT, envoy_binary

CONTROL = ROOT / "benches" / "control"
WORKERS = 2
# Enough that every worker has some of them.
WATCHERS = 12
PATIENCE = 60.0


def changes(services: int, times: int) -> dict:
    control = _build()
    lines = [
        "| gateway | change | until obeyed: median ms | most | gateway's CPU ms | control plane's CPU ms | KiB received | p99 of others' requests meanwhile, ms | RSS MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    notes = []
    for name, command in {"forebay": lambda: [FOREBAY, "gateway"], "envoy": lambda: [envoy_binary(), "--use-dynamic-base-id"]}.items():
        try:
            with Arrangement(control, command(), services) as running:
                lines += [f"| {name} | {row}" for row in _rows(running, times)]
        except Unable as why:
            notes.append(f"{name}: {why}.")
    text = "\n".join(lines) + "".join(f"\n\n{note}" for note in notes)
    return {"title": f"One change among {services} services, go-control-plane's snapshot cache, {WORKERS} workers", "text": text, "missing": bool(notes)}


def _rows(running: "Arrangement", times: int) -> list[str]:
    rows = []
    # The first row is what the requests meanwhile cost by themselves.
    for kind in ("nothing", "endpoint", "split", "add", "remove"):
        taken, gateway, control, received, tails = [], [], [], [], []
        for number in range(times):
            before = running.used()
            meanwhile = Meanwhile(running.port)
            taken.append(running.change(kind, number) * 1e3)
            tails.append(meanwhile.p99() / 1e3)
            after = running.used()
            for found, index in ((gateway, 0), (control, 1), (received, 2)):
                found.append(after[index] - before[index])
        middle = [statistics.median(found) for found in (gateway, control, received, tails)]
        rss = machine.resident([running.gateway.pid]) / 1024
        rows.append(
            f"{kind} | {statistics.median(taken):.0f} | {max(taken):.0f} | {middle[0] / 1e3:.0f} | {middle[1] / 1e3:.0f} "
            f"| {middle[2] / 1024:,.0f} | {middle[3]:.1f} | {rss:.0f} |"
        )
    return rows


class Meanwhile:
    """A thousand requests a second for another service while a change is on its way."""

    def __init__(self, port: int):
        self.found: list[loads.Done] = []
        self.thread = threading.Thread(target=self._run, args=(port,))
        self.thread.start()
        time.sleep(0.3)

    def _run(self, port: int) -> None:
        with contextlib.suppress(Unable):
            self.found.append(loads.tool(At(port), 3, "rate", connections=16, rate=1000, host="s0.default.localhost"))

    def p99(self) -> float:
        self.thread.join()
        if not self.found:
            raise Unable("requests failed while the configuration changed")
        return self.found[0].latency["p99"]


class Arrangement:
    """A gateway under a control plane, with everything delivered."""

    def __init__(self, control: pathlib.Path, gateway: list, services: int):
        self.ends = contextlib.ExitStack()
        home = pathlib.Path(self.ends.enter_context(tempfile.TemporaryDirectory(prefix="forebay-bench-")))
        self.port, self.admin, xds, self.backend = (machine.free_port() for _ in range(4))
        app = machine.start([FOREBAY, "sample", "hello"], machine.OTHERS, home / "app.log", {"PORT": str(self.backend)})
        self.ends.callback(machine.stop, app)
        machine.wait_for(self.backend, app, home / "app.log")
        self.control = subprocess.Popen(
            ["taskset", "-c", machine.OTHERS, control, f"127.0.0.1:{xds}", str(services), str(self.backend), home / "access.log", str(self.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(home / "control.log", "w"), text=True,
        )
        self.ends.callback(machine.stop, self.control)
        self._said()
        config = home / "bootstrap.json"
        config.write_text(bootstrap(self.admin, xds))
        log = home / "gateway.log"
        self.gateway = machine.start([*gateway, "-c", config, "--concurrency", WORKERS, "--log-level", "error"], machine.PROXY, log)
        self.ends.callback(machine.stop, self.gateway)
        machine.wait_for(self.port, self.gateway, log)
        self._until(f"s{services - 1}", "0")
        time.sleep(2)

    def change(self, kind: str, number: int) -> float:
        """Seconds from telling the control plane until every connection gets the new answer."""
        if kind == "nothing":
            return 0.0
        name, mark = f"s{number + 1}", f"{kind}-{number}"
        if kind in ("add", "remove"):
            name, mark = f"new-{number}", "0" if kind == "add" else ""
        words = {"endpoint": f"endpoint {name} {self.backend} {mark}", "split": f"split {name} {number + 1} {mark}"}
        began = time.monotonic()
        self.control.stdin.write(words.get(kind, f"{kind} {name}") + "\n")
        self.control.stdin.flush()
        self._until(name, mark)
        taken = time.monotonic() - began
        self._said()
        return taken

    def _said(self) -> dict:
        line = self.control.stdout.readline()
        if not line:
            raise Unable("the control plane ended")
        return json.loads(line)

    def _until(self, name: str, mark: str) -> None:
        """Asks on many connections, each until it gets the answer; an empty one stands for 404."""
        end = time.monotonic() + PATIENCE
        for _ in range(WATCHERS):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            while True:
                if time.monotonic() > end:
                    raise Unable(f"{name} was not obeyed within {PATIENCE:.0f} s")
                connection.request("GET", "/version", headers={"Host": f"{name}.default.localhost"})
                answer = connection.getresponse()
                text = answer.read().decode()
                if (answer.status == 404) if not mark else (text == mark):
                    break
                time.sleep(0.001)
            connection.close()

    def used(self) -> tuple[float, float, float]:
        """CPU microseconds of gateway and control plane, and bytes received from it, so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/stats?filter=(control_plane.rx_bytes|cluster.xds.upstream_cx_rx_bytes_total)$", timeout=30) as answer:
            found = [int(value) for value in re.findall(r": (\d+)$", answer.read().decode(), re.M)]
        return sum(machine.cpu([self.gateway.pid])), sum(machine.cpu([self.control.pid])), max(found, default=0)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.ends.close()


def bootstrap(admin: int, xds: int, api: str = "GRPC") -> str:
    options = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(xds)}}]}]
    cluster = {
        "name": "xds",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": "xds", "endpoints": endpoints},
    }
    ads = {"ads": {}, "resource_api_version": "V3"}
    dynamic = {
        "ads_config": {"api_type": api, "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
        "lds_config": ads,
        "cds_config": ads,
    }
    return json.dumps({"node": {"id": "bench", "cluster": "bench"}, "admin": {"address": address(admin)}, "dynamic_resources": dynamic, "static_resources": {"clusters": [cluster]}})


def _build() -> pathlib.Path:
    if told := os.environ.get("CONTROL"):
        return pathlib.Path(told)
    if not shutil.which("go"):
        raise Unable("the control plane needs Go")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "forebay" / "benches"
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / "control"
    built = subprocess.run(["go", "build", "-trimpath", "-o", binary, "."], cwd=CONTROL, capture_output=True, text=True)
    if built.returncode:
        raise Unable(f"the control plane does not build: {built.stderr.strip()[-300:]}")
    return binary
