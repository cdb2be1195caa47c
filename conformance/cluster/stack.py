"""Loads on Knative Serving with one kind of queue-proxy in every pod: from zero, up and down, tags, websocket, gRPC, one at a
time, a new revision. Each gives a record; a request that failed is counted, never repeated."""

import collections
import csv
import io
import json
import pathlib
import subprocess
import threading
import time

from . import control, places, serving
from .control import Failure
from .usage import Usage

LOADER = "forebay-load"


class Scenario:
    """One Service under load."""

    def __init__(self, sidecar: str, name: str, loader: pathlib.Path):
        self.sidecar, self.name, self.loader = sidecar, f"{name}-{sidecar}", loader
        self.most, self.kinds, self.over = 0, set(), threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        """How many pods take requests at most, and whose queue-proxies they have."""
        while not self.over.wait(0.5):
            try:
                there = serving.pods(self.name)
            except Failure:
                continue
            ready = [p for p in there if not p["metadata"].get("deletionTimestamp")
                     and any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))]
            self.most = max(self.most, len(ready))
            self.kinds |= {serving.sidecar_of(pod) for pod in there}

    # ---- loads --------------------------------------------------------------------------------
    def hey(self, *words: object, host: str = "", path: str = "/", expected: int = 0) -> dict:
        """Runs hey; `expected` requests have to have been answered, where a number is known."""
        command = ["hey", "-o", "csv", *words, "-host", host or serving.host(self.name),
                   f"http://{serving.address()}{path}"]
        done = subprocess.run(control.inside(*command), capture_output=True, text=True, timeout=300)
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        times = sorted(float(row["response-time"]) for row in rows)
        answers = collections.Counter(row["status-code"] for row in rows)
        # A request without an answer has no row.
        missing = max(0, expected - len(rows)) + (0 if rows else 1)
        reasons = [f"{count} x {status}" for status, count in answers.items() if status != "200"]
        if missing:
            reasons.append(f"{missing} without an answer: {done.stderr[-300:]}")
        return {"requests": len(rows), "failed": len(rows) - answers["200"] + missing, "reasons": reasons, "times": times}

    def load(self, kind: str, *words: object) -> dict:
        """Runs one of forebay-load's; it ends with an error at the first thing that goes wrong."""
        command = [self.loader, kind, "--to", serving.address(), "--host", serving.host(self.name), *words]
        done = subprocess.run(control.inside(*command), capture_output=True, text=True, timeout=300)
        if done.returncode:
            return {"requests": 0, "failed": 1, "reasons": [done.stderr.strip()[-300:]], "times": []}
        return {"reasons": [], "times": [], **json.loads(done.stdout)}

    def get(self, count: int, host: str, body: str) -> dict:
        """So many requests, one after the other, that have to be answered with this body."""
        command = ["curl", "-sS", "-m", "30", "-H", "Host: " + host, f"http://{serving.address()}/?[1-{count}]"]
        done = subprocess.run(control.inside(*command), capture_output=True, text=True, timeout=300)
        answers = collections.Counter(done.stdout.splitlines())
        wrong = count - answers[body]
        reasons = [f"{n} x {answer!r} for {host}" for answer, n in answers.items() if answer != body]
        return {"requests": count, "failed": wrong, "reasons": reasons + [done.stderr[-300:]] * bool(wrong), "times": []}


def from_zero(it: Scenario) -> list[dict]:
    """from zero, `hey -n 10000 -c 200`: the walkthrough's load"""
    serving.service(it.name, annotations={"initial-scale": "0"})
    serving.pods_become(it.name, 0, 120)
    return [it.hey("-n", 10000, "-c", 200, expected=10000)]


def up_and_down(it: Scenario) -> list[dict]:
    """60 clients of requests of 100 ms at a target of 10 a pod, then 5, then none: up, down under load, to zero"""
    scaling = {"target": "10", "target-utilization-percentage": "100", "window": "6s", "initial-scale": "1"}
    serving.service(it.name, annotations=scaling)
    records = [it.hey("-z", "20s", "-c", 60, path="/sleep?ms=100")]
    if it.most < 3:
        records.append({"requests": 0, "failed": 1, "reasons": [f"it had {it.most} pods at most"], "times": []})
    records.append(it.hey("-z", "45s", "-c", 5, path="/sleep?ms=100"))
    serving.pods_become(it.name, 0, 180)
    return records


def tags(it: Scenario) -> list[dict]:
    """two revisions under their tags, and half of the requests each by the Service's own name"""
    scaling = {"initial-scale": "1", "min-scale": "1"}
    serving.service(it.name, revision="one", annotations=scaling)
    traffic = [{"revisionName": f"{it.name}-{which}", "tag": which, "percent": 50} for which in ("one", "two")]
    serving.service(it.name, revision="two", annotations=scaling, traffic=traffic)
    return [it.get(200, serving.host(it.name, which), f"Hello {which}!") for which in ("one", "two")] + [
        it.hey("-n", 1000, "-c", 20, expected=1000)]


def websocket(it: Scenario) -> list[dict]:
    """20 websockets from zero, each with one message of 64 bytes under way"""
    serving.service(it.name, annotations={"initial-scale": "0"})
    return [it.load("socket", "--path", "/ws", "--connections", 20, "--seconds", 10)]


def grpc(it: Scenario) -> list[dict]:
    """20 gRPC calls from zero on one connection, a stream each way with one message under way"""
    serving.service(it.name, annotations={"initial-scale": "0"}, h2c=True)
    return [it.load("chat", "--path", "/hello.Greeter/Chat", "--connections", 20, "--seconds", 10)]


def one_at_a_time(it: Scenario) -> list[dict]:
    """containerConcurrency 1: 20 clients, and an app that fails the second request at once"""
    serving.service(it.name, annotations={"initial-scale": "1", "max-scale": "5"}, concurrency=1)
    return [it.hey("-n", 1000, "-c", 20, path="/strict?ms=10", expected=1000)]


def new_revision(it: Scenario) -> list[dict]:
    """a new revision takes over under load, and the old one's pods drain"""
    scaling = {"initial-scale": "2", "window": "6s"}
    serving.service(it.name, revision="one", annotations=scaling)
    records = []
    load = threading.Thread(target=lambda: records.append(it.hey("-z", "30s", "-c", 20, path="/sleep?ms=20")))
    load.start()
    time.sleep(3)
    serving.service(it.name, revision="two", annotations=scaling)
    load.join()
    return records + [it.get(20, serving.host(it.name), "Hello two!")]


ALL = [from_zero, up_and_down, tags, websocket, grpc, one_at_a_time, new_revision]
NAMES = [scenario.__name__.replace("_", "-") for scenario in ALL]


def run(scenario, sidecar: str, loader: pathlib.Path) -> dict:
    """The record of one scenario; its Service is gone afterwards."""
    it = Scenario(sidecar, scenario.__name__.replace("_", "-"), loader)
    usage, began = Usage(f"{serving.NAMESPACE}_{it.name}"), time.monotonic()
    it.watcher.start()
    try:
        records = scenario(it)
    finally:
        it.over.set()
        it.watcher.join()
        rows = [row for row in usage.rows() if row["name"].endswith("/queue-proxy")]
        serving.remove(it.name)
    times = sorted(time for record in records for time in record["times"])
    failed, reasons = (sum(r["failed"] for r in records), [why for r in records for why in r["reasons"] if why])
    if it.kinds - {sidecar} or not it.kinds:
        failed, reasons = failed + 1, [*reasons, f"its pods had queue-proxies of {sorted(it.kinds) or 'nobody'}"]
    requests = sum(r["requests"] for r in records)
    return {
        "name": scenario.__name__.replace("_", "-"), "what": " ".join(scenario.__doc__.split()), "sidecar": sidecar,
        "requests": requests, "failed": failed, "reasons": reasons, "pods": it.most,
        "p50_ms": at(times, 0.5), "p99_ms": at(times, 0.99), "slowest_ms": at(times, 1),
        "cpu_s": round(sum(row["cpu_s"] for row in rows), 2),
        "peak_mib": max((row["peak_mib"] for row in rows), default=0.0), "wall_s": round(time.monotonic() - began, 1),
    }


def at(times: list[float], share: float) -> float | None:
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 1) if times else None


def table(records: list[dict]) -> list[str]:
    """Both sidecars' runs of each scenario, side by side."""
    lines = ["| load | queue-proxy | requests | failed | pods | p50 ms | p99 ms | slowest ms | its CPU s | its peak MiB |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for name in NAMES:
        for record in [r for r in records if r["name"] == name]:
            shown = [record[key] for key in ("what", "sidecar", "requests", "failed", "pods", "p50_ms", "p99_ms",
                                             "slowest_ms", "cpu_s", "peak_mib")]
            lines.append("| " + " | ".join("" if value is None else str(value) for value in shown) + " |")
    return lines


__all__ = ["ALL", "LOADER", "NAMES", "run", "table", "places"]
