"""Runs the cases on both sides, each in a network of its own, and compares what was noted."""

import argparse
import asyncio
import fnmatch
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

from . import cases, http2
from .app import App
from .side import USER, Side, steady

HERE = pathlib.Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location("listed", HERE.parent / "lockstep/harness/listed.py")
_listed = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_listed)

SIDES = ("reference", "forebay")


def command(side: str) -> list[str]:
    return [os.environ["QUEUE" if side == "reference" else "FOREBAY_SIDECAR"]]


def chosen(options) -> list[cases.Case]:
    every = cases.load(HERE / "cases")
    return [c for c in every if fnmatch.fnmatch(c.file, options.file) and options.case in c.name]


async def one(case: cases.Case, side: Side) -> None:
    made = http2.App if case.http2 else App
    app = made(case.app, case.reads_bodies) if case.app else None
    try:
        if app:
            await app.listen(USER)
        if case.starts:
            await side.start(case.environment)
        await case.run(side, app)
    finally:
        if app:
            await app.close()


async def inside(name: str, options) -> dict:
    """All cases on one side."""
    results = {}
    for case in chosen(options):
        side = Side(command(name))
        try:
            await asyncio.wait_for(one(case, side), 150)
        except Exception:
            side.notes["broke"] = traceback.format_exc(limit=-3)
        out, err = await side.stop()
        results[f"{case.file}\t{case.name}"] = {
            "notes": steady(side.notes),
            "output": out[-4000:] + err[-4000:],
        }
        print(f"{name}: {case.file}: {case.name}", file=sys.stderr, flush=True)
    return results


def flat(value, name: str = "") -> dict[str, object]:
    """Every leaf by its path."""
    if isinstance(value, dict) and value:
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}".strip(".")).items()}
    return {name: value}


def compare(results: dict[str, dict], verbose: bool) -> int:
    listed = _listed.Listed(HERE / "differences.md")
    equal = meant = 0
    wrong = []
    for key in results["reference"]:
        file, case = key.split("\t")
        listed.ran(file, case)
        theirs, ours = (flat(results[side][key]["notes"]) for side in SIDES)
        differing = [name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)]
        open_ = [name for name in differing if not listed.covers(file, case, name)]
        if not differing and "broke" not in ours:
            equal += 1
        elif not open_ and "broke" not in ours:
            meant += 1
        for name in open_ or (["broke"] if "broke" in ours else []):
            wrong.append(f"{file}: {case}: {name}\n  reference {theirs.get(name)!r}\n  forebay   {ours.get(name)!r}")
            if verbose and name == open_[0]:
                wrong.append(results["forebay"][key]["output"])
    for row in listed.stale():
        wrong.append(f"listed and not found: {row}")
    for line in wrong:
        print(line)
    print(f"{len(results['reference'])} cases: {equal} equal, {meant} with listed differences only, {len(wrong)} open")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance/queue/run")
    parser.add_argument("--file", default="*")
    parser.add_argument("--case", default="")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--inside")
    parser.add_argument("--into")
    options = parser.parse_args()
    if options.inside:
        pathlib.Path(options.into).write_text(json.dumps(asyncio.run(inside(options.inside, options))))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        running = {}
        for side in SIDES:
            into = pathlib.Path(directory) / side
            program = [sys.executable, "-B", "-m", "harness", "--file", options.file, "--case", options.case]
            program += ["--inside", side, "--into", str(into)]
            # Ports and the directory of certificates are fixed: each side has a network and mounts of its own.
            shell = 'ip link set lo up && mount -t tmpfs none /var/lib && exec "$@"'
            running[side] = (into, subprocess.Popen(["unshare", "-nm", "sh", "-c", shell, "sh", *program]))
        results = {}
        for side, (into, process) in running.items():
            if process.wait() != 0:
                return process.returncode
            results[side] = json.loads(into.read_text())
    return compare(results, options.verbose)


sys.exit(main())
