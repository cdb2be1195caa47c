"""Runs one Go test binary inside the cluster's network namespace and writes what came of it: results, time to Ready,
what processes cost. Run as `python3 -m cluster.suite JSON`, by `execute`, which is what others call.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from . import control, places
from .kube import Kube
from .ready import ReadyTimes
from .usage import Usage

RESULT = re.compile(r"^( *)--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)")
HUNG = re.compile(r"\t\t(Test\S+) \([\dhms.]+\)$")  # what still ran when the binary's own time limit struck
CLASS = "kourier.ingress.networking.knative.dev"


def execute(name: str, tests: str, flags: list[str], env: dict[str, str] | None = None, minutes: int = 9) -> dict:
    """Runs the test binary `tests` with `flags`; returns its record. Raw output goes to a directory under runs/."""
    out = places.RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    out.mkdir(parents=True)
    command = [places.PARTS / "tests" / tests, "-test.v", f"-test.timeout={minutes}m",
               f"-kubeconfig={places.KUBECONFIG}", "-ingressClass=" + CLASS, "-cluster-suffix=cluster.local",
               "-imagetemplate=test/{{.Name}}", *flags]
    spec = json.dumps({"out": str(out), "command": [str(c) for c in command]})
    subprocess.run(control.inside(sys.executable, "-m", "cluster.suite", spec), check=True, cwd=places.HERE,
                   timeout=minutes * 60 + 60,
                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
    return {"name": name, "out": str(out), **json.loads((out / "results.json").read_text())}


def main(spec: dict):
    out = pathlib.Path(spec["out"])
    load = os.getloadavg()[0]
    usage, times, began = Usage("kourier"), ReadyTimes(Kube(places.KUBECONFIG)), time.monotonic()
    with open(out / "output.log", "w") as log:
        code = subprocess.run(spec["command"], stdout=log, stderr=subprocess.STDOUT, cwd=out).returncode
    record = {"exit": code, "load": load, "wall_s": round(time.monotonic() - began, 1), "usage": usage.rows(),
              "ready_s": sorted(times.seconds), **parse((out / "output.log").read_text(errors="replace"))}
    (out / "results.json").write_text(json.dumps(record, indent=1))


def parse(output: str) -> dict:
    """The tests of a Go test binary's verbose output. `top` are those that count: subtests of the first level, and
    tests that have none."""
    tests, hung = [], []
    for line in output.splitlines():
        if m := HUNG.match(line):
            hung.append(m[1])
        if m := RESULT.match(line):
            tests.append({"test": m[3], "result": m[2], "seconds": float(m[4]), "depth": len(m[1]) // 4})
    parents = {t["test"].split("/")[0] for t in tests if t["depth"]}
    top = [t for t in tests if t["depth"] == 1 or (t["depth"] == 0 and t["test"] not in parents)]
    return {"top": sorted(top, key=lambda t: t["test"]), "hung": hung,
            "failed": [t["test"] for t in tests if t["result"] == "FAIL"],
            "counts": collections.Counter(t["result"] for t in top)}


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # the one who called was interrupted too, and says so
        main(json.loads(sys.argv[1]))
