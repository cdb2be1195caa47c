"""The section about whole chains: runs `bench.chain` as a program of its own, bounded in time, and puts what it says into tables."""

import json
import os
import subprocess
import sys

from . import machine
from .machine import Unable
from .peers import FOREBAY, ROOT, envoy_binary

# Seconds for all of it; and then for taking the cluster down.
PATIENCE, GRACE = 600, 60
PARTS = ("gateway", "activator", "queue-proxy")
WORDS = {
    "walkthrough": "from zero, `hey -n 10000 -c 200`",
    "warm": "warm, activator out of path, `hey -n 19968 -c 64`",
    "activator": "warm, activator in path, `hey -n 19968 -c 64`",
}
CHAINS = {
    "up": "`forebay up`",
    "up-queue-proxy": "`forebay up --queue-proxy`",
    "knative": "Knative Serving, net-kourier, Envoy",
    "drop-in": "the same with Forebay as gateway and queue-proxy",
}


def walkthrough(times: int) -> dict:
    found, missing = _run(times)
    if not found:
        raise Unable(missing or "it said nothing")
    theirs = next((one for one in found if one["chain"] == "knative"), None)
    parts = []
    for kind, words in WORDS.items():
        lines = [
            f"{words}:",
            "",
            "| chain | failed | requests/s | p50 ms | p99 ms | slowest ms | µs CPU/request: gateway | activator | queue-proxy | all | share of Knative's |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for one in found:
            load = one["loads"][kind]
            share = f"**{_all(load) / _all(theirs['loads'][kind]):.2f}**" if theirs and one is not theirs else ""
            each = " | ".join(f"{load[part]:.0f}" for part in PARTS)
            lines.append(
                f"| {CHAINS[one['chain']]} | {load['failed']} | {load['rate']:,.0f} | {load['p50_ms']:.1f} | {load['p99_ms']:.1f} "
                f"| {load['slowest_ms']:.0f} | {each} | {_all(load):.0f} | {share} |"
            )
        parts.append("\n".join(lines))
    lines = [f"one request from zero, {times} times, each to a Service of its own:", "", "| chain | failed | median ms | p90 ms | slowest ms |", "|---|---|---|---|---|"]
    for one in found:
        alone = one["alone"]
        lines.append(f"| {CHAINS[one['chain']]} | {alone['failed']} | {alone['p50_ms']:.0f} | {alone['p90_ms']:.0f} | {alone['slowest_ms']:.0f} |")
    parts.append("\n".join(lines))
    parts.append(
        "Nothing is bound to a core: load, apps and control planes share the machine. Knative's pods have networks of their own behind a "
        "bridge, `up`'s replicas are on loopback. `up`'s gateway is its whole process: control plane, autoscaler, and what holds "
        "requests until a replica is there, so that it is gateway and activator in one."
    )
    if missing:
        parts.append(f"Not all was measured: {missing}.")
    return {"title": "Whole chains: Knative's walkthrough, the activator in path, one request from zero", "text": "\n\n".join(parts), "figures": _figures(found, theirs), "missing": bool(missing)}


def _all(load: dict) -> float:
    return sum(load[part] for part in PARTS)


def _figures(found: list[dict], theirs: dict | None) -> dict[str, float]:
    figures = {}
    for one in found:
        name, loads = one["chain"], one["loads"]
        figures[f"{name}: from zero, slowest ms"] = loads["walkthrough"]["slowest_ms"]
        figures[f"{name}: from zero, failed"] = loads["walkthrough"]["failed"]
        figures[f"{name}: one from zero, median ms"] = one["alone"]["p50_ms"]
        if theirs and one is not theirs:
            figures[f"{name}: CPU of the chain from zero, of Knative's"] = _all(loads["walkthrough"]) / _all(theirs["loads"]["walkthrough"])
            figures[f"{name}: CPU of the chain, activator in path, of Knative's"] = _all(loads["activator"]) / _all(theirs["loads"]["activator"])
            if name.startswith("up"):
                both = sum(theirs["loads"]["activator"][part] for part in ("gateway", "activator"))
                figures[f"{name}: gateway, of Envoy and activator"] = loads["activator"]["gateway"] / both
                figures[f"{name}: gateway, of the activator alone"] = loads["activator"]["gateway"] / theirs["loads"]["activator"]["activator"]
    return figures


def _run(times: int) -> tuple[list[dict], str]:
    """What each chain said, and why something is missing."""
    environment = {**os.environ, "FOREBAY": str(FOREBAY), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        environment["ENVOY"] = envoy_binary()
    except Unable:
        pass
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.chain", str(times)], cwd=ROOT / "benches", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    missing = ""
    with machine.ended(process, GRACE):
        try:
            text, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            missing = f"it was ended after {PATIENCE} s"
            process.terminate()
            text, _ = process.communicate(timeout=GRACE)
    found = []
    for line in text.splitlines():
        # Tools that build say what they do on the same stream.
        if line.startswith("{"):
            said = json.loads(line)
            missing = said.get("missing", missing)
            if "chain" in said:
                found.append(said)
    return found, missing or ("" if process.returncode == 0 else f"it ended with {process.returncode}")
