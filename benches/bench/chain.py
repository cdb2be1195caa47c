"""Whole chains under the loads of Knative's walkthrough: Knative Serving with net-kourier, Envoy, activator and queue-proxy on the
cluster of one machine that `conformance/` makes, the same with Forebay as gateway and sidecar, and `forebay up`. Nothing is bound
to a core: load, control planes and apps share the machine, as they did where the aims come from.

Started by `benches/run` as a program of its own (`python3 -m bench.chain`), which takes the cluster down however it ends. Each chain
is a line of JSON on standard output."""

import csv
import io
import json
import math
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

from . import machine
from .machine import Unable
from .peers import FOREBAY, QUEUE_PROXY, ROOT, envoy_binary

sys.path[:0] = [str(ROOT / "conformance"), str(ROOT / "drills")]

from cluster import control, kourier, places, prepare, serving  # noqa: E402
from cluster.usage import Usage, cpu  # noqa: E402
from lib import Failed, Forebay as Up, service, until  # noqa: E402

# Each part of a chain, in the order of a request's way.
PARTS = ("gateway", "activator", "queue-proxy")
# Annotations of the Services: from zero; one pod with nothing in its way; the same with the activator in the way, whatever its load.
# The walkthrough's is left to the autoscaler, the others have one pod, so that the same requests go the same way; and as many
# requests as can be divided among the clients, since hey drops the rest.
ONE_POD = {"initial-scale": "1", "min-scale": "1", "max-scale": "1"}
LOADS = {
    "walkthrough": ({"initial-scale": "0"}, ("-n", 10_000, "-c", 200)),
    "warm": ({**ONE_POD, "target-burst-capacity": "0"}, ("-n", 19_968, "-c", 64)),
    "activator": ({**ONE_POD, "target-burst-capacity": "-1"}, ("-n", 19_968, "-c", 64)),
}
# Pods that had one request leave as soon as Knative lets them.
ALONE = {"initial-scale": "0", "window": "6s"}
HEY = 90.0
# Seconds: the autoscaler decides every two, and what it decided has to reach the gateway.
SETTLE = 6.0


class Knative:
    """One cluster; which gateway and which sidecar changes while it runs."""

    def __init__(self, name: str, gateway: str, sidecar: str):
        self.name, self.sidecar = name, sidecar
        kourier.named(pathlib.Path(gateway))
        kourier.restart(places.GATEWAY)
        serving.use(sidecar)
        self.address = control.wait_for(60, serving.address, "no gateway", "apiserver")

    def make(self, name: str, scaling: dict) -> str:
        serving.service(name, annotations=scaling)
        if scaling["initial-scale"] == "0":
            serving.pods_become(name, 0, 60)
        return serving.host(name)

    def make_many(self, names: list[str]) -> list[str]:
        annotations = {f"autoscaling.knative.dev/{key}": value for key, value in ALONE.items()}
        template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"image": "dev.local/hello"}]}}
        items = [
            {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
             "metadata": {"name": name, "namespace": serving.NAMESPACE, "labels": {"bench": self.name}}, "spec": {"template": template}}
            for name in names
        ]
        feed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        control.kubectl("apply", "--server-side", "-f", "-", feed=feed)
        control.kubectl("-n", serving.NAMESPACE, "wait", "--for=condition=Ready", "ksvc", "-l", f"bench={self.name}", "--timeout=150s")
        return [serving.host(name) for name in names]

    def inside(self, command: list) -> list[str]:
        return control.inside(*command)

    def spent(self, name: str):
        """Counts CPU seconds of the chain's parts until it is called."""
        usage = Usage(f"{places.GATEWAY[0]}_{places.GATEWAY[1]}|{serving.SYSTEM}_activator|{serving.NAMESPACE}_{name}-")

        def rows() -> dict[str, float]:
            found = usage.rows()
            which = {"gateway": places.GATEWAY[1], "activator": "/activator", "queue-proxy": "/queue-proxy"}
            return {part: sum(row["cpu_s"] for row in found if word in row["name"]) for part, word in which.items()}

        return rows

    def remove(self, name: str) -> None:
        control.kubectl("-n", serving.NAMESPACE, "delete", "ksvc", name, "--ignore-not-found", "--wait=false")

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        control.kubectl("-n", serving.NAMESPACE, "delete", "ksvc", "--all", "--wait=false")


class Own:
    """`forebay up`, whose one process is control plane, autoscaler, gateway and what holds requests until a pod is there."""

    def __init__(self, name: str, *words: str):
        self.name = name
        self.up = Up(service("first"), *words)
        self.address = f"127.0.0.1:{self.up.port}"

    def make(self, name: str, scaling: dict) -> str:
        words = {f"scaling_{key.replace('-', '_')}": value for key, value in scaling.items()}
        self.up.save(service(name, **words), f"{name}.yaml")
        host = f"{name}.default.localhost"
        until(f"{name} to be known", lambda: any(f'"service":"default/{name}"' in line or f"default/{name}:" in line for line in list(self.up.lines)))
        if scaling["initial-scale"] != "0":
            until(f"{name} to answer", lambda: self.up.get(host)[0] == 200)
        return host

    def make_many(self, names: list[str]) -> list[str]:
        words = {f"scaling_{key.replace('-', '_')}": value for key, value in ALONE.items()}
        self.up.save("---\n".join(service(name, **words) for name in names), "many.yaml")
        until("the last to be known", lambda: any(f"default/{names[-1]}" in line for line in list(self.up.lines)))
        time.sleep(1)
        return [f"{name}.default.localhost" for name in names]

    def inside(self, command: list) -> list[str]:
        return [str(word) for word in command]

    def spent(self, _: str):
        seen: dict[int, float] = {}

        def sidecars() -> list[int]:
            return [pid for pid in self.up.processes() if b"queue-proxy" in _cmdline(pid).split(b"\0")]

        begun = {pid: cpu(pid) or 0.0 for pid in sidecars()}
        own = cpu(self.up.pid)

        def rows() -> dict[str, float]:
            seen.update({pid: (cpu(pid) or 0.0) - begun.get(pid, 0.0) for pid in sidecars()})
            return {"gateway": cpu(self.up.pid) - own, "activator": 0.0, "queue-proxy": sum(seen.values())}

        return rows

    def remove(self, name: str) -> None:
        (self.up.manifests / f"{name}.yaml").unlink()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.up.__exit__(None, None, None)


def _cmdline(pid: int) -> bytes:
    try:
        return open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        return b""


def loads(chain, times: int) -> dict:
    """Every load on a chain."""
    found = {"chain": chain.name, "loads": {}}
    for kind, (scaling, words) in LOADS.items():
        name = f"{kind}-{chain.name}"
        host = chain.make(name, scaling)
        if scaling["initial-scale"] != "0":
            time.sleep(SETTLE)
            # Connections and caches.
            _hey(chain, host, ("-n", 1_920, "-c", 64))
        spent = chain.spent(name)
        answered = _hey(chain, host, words)
        used = spent()
        chain.remove(name)
        found["loads"][kind] = {**answered, **{part: seconds * 1e6 / words[1] for part, seconds in used.items()}}
    found["alone"] = one_by_one(chain, times)
    return found


def _hey(chain, host: str, words: tuple) -> dict:
    command = ["hey", "-o", "csv", *words, "-host", host, f"http://{chain.address}/"]
    try:
        done = subprocess.run(chain.inside(command), capture_output=True, text=True, timeout=HEY)
    except subprocess.TimeoutExpired:
        raise Unable(f"{chain.name}: hey did not end within {HEY:.0f} s") from None
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    good = sorted(float(row["response-time"]) * 1e3 for row in rows if row["status-code"] == "200")
    if not good:
        raise Unable(f"{chain.name}: no request was answered: {done.stderr[-200:]}")
    ends = [float(row["offset"]) + float(row["response-time"]) for row in rows]
    return {"failed": words[1] - len(good), "rate": len(rows) / max(ends), **spread(good)}


def one_by_one(chain, times: int) -> dict:
    """A request each to so many Services at zero, one after the other."""
    good, failed = [], 0
    for host in chain.make_many([f"alone-{number}-{chain.name}" for number in range(times)]):
        command = ["curl", "-s", "-o", "/dev/null", "-m", "20", "-w", "%{http_code} %{time_total}", "-H", f"Host: {host}", f"http://{chain.address}/"]
        said = subprocess.run(chain.inside(command), capture_output=True, text=True, timeout=30).stdout.split()
        if said[:1] == ["200"]:
            good.append(float(said[1]) * 1e3)
        else:
            failed += 1
    return {"failed": failed, "count": times, **spread(sorted(good) or [math.nan])}


def spread(times: list[float]) -> dict[str, float]:
    at = lambda share: times[max(0, math.ceil(len(times) * share) - 1)]
    return {"p50_ms": statistics.median(times), "p90_ms": at(0.9), "p99_ms": at(0.99), "slowest_ms": times[-1]}


def main(times: int) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        for name, words in (("up-queue-proxy", ["--queue-proxy"]), ("up", [])):
            with Own(name, *words) as chain:
                _say(lambda: loads(chain, times))
        prepare.check_machine()
        with prepare.alone():
            prepare.build(["cluster", "knative", "queue", "serving"])
            control.down()
            try:
                # What the sidecar's image holds; where that is not built, the same in the whole program.
                sidecar = QUEUE_PROXY if QUEUE_PROXY.exists() else f"{FOREBAY} queue-proxy"
                serving.start(pathlib.Path(envoy_binary()), FOREBAY, sidecar)
                for chain in (("knative", envoy_binary(), "knative"), ("drop-in", str(FOREBAY), "forebay")):
                    with Knative(*chain) as running:
                        _say(lambda: loads(running, times))
            finally:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                control.down()
    except (Unable, Failed, control.Failure, subprocess.SubprocessError) as why:
        print(json.dumps({"missing": " ".join(str(why).split())[:300]}), flush=True)


def _say(measure) -> None:
    print(json.dumps(measure()), flush=True)


if __name__ == "__main__":
    machine.open_files()
    try:
        main(int(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
