"""Lockstep: one configuration and the same requests for Forebay and Envoy; every difference is listed or a failure."""

import argparse
import asyncio
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time

from . import cases, group, snapshot
from .certificates import Certificates
from .listed import Listed
from .side import Side

HOME = pathlib.Path(__file__).resolve().parent.parent
SHOWN = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", default="*", help="case files, by glob")
    parser.add_argument("--case", default="", help="cases whose name has this text")
    parser.add_argument("--by", default="static", choices=["static", "sotw", "delta"], help="how resources arrive")
    parser.add_argument("--sides", default="envoy,forebay", help="which programs; `envoy,envoy` tries the harness")
    parser.add_argument("--keep", action="store_true", help="keep bootstraps, logs and access logs")
    parser.add_argument("--brief", action="store_true", help="no transcripts")
    parser.add_argument("--show", action="store_true", help="print what every case brought on the first side")
    args = parser.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="lockstep-"))
    try:
        return asyncio.run(lockstep(args, home))
    finally:
        if args.keep:
            print(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


async def lockstep(args, home: pathlib.Path) -> int:
    began = time.monotonic()
    files = cases.load(HOME / "cases", args.file, args.case)
    start = None
    if args.by != "static":
        from . import ads

        files = [file for file in files if not file.words.get("static_only")]
        start = ads.Ads(args.by)
    certificates = Certificates(home / "certificates")
    # An address of our own for each side, so that both may use the same ports, and runs may overlap.
    network = f"127.{1 + os.getpid() % 250}"
    ips = [f"{network}.1.1", f"{network}.2.1"]
    ports, admin = allocate(files, ips)
    kinds = args.sides.split(",")
    sides = [Side("ab"[at], kinds[at], ips[at], home, ports, certificates) for at in (0, 1)]
    results = []
    try:
        for side in sides:
            await side.listen(files)
        together = [file for file in files if not file.alone]
        if together:
            results += await group.run(together, sides, admin, start)
        for file in files:
            if file.alone:
                results += await group.run([file], sides, admin, start)
    finally:
        for side in sides:
            await side.stop()
        if start:
            start.stop()
    listed = Listed(HOME / "differences.md") if kinds == ["envoy", "forebay"] else Listed(pathlib.Path("/nonexistent"))
    return report(files, results, listed, kinds, args, time.monotonic() - began)


def allocate(files, ips) -> tuple[dict, int]:
    """A port for every listener and backend, free on both addresses."""
    taken = iter(port for port in range(20000, 32000) if free(port, ips))
    ports = {}
    for file in files:
        for name in [*snapshot.listeners(file.words), *snapshot.backends(file.words)]:
            ports[file.name, name] = next(taken)
    return ports, next(taken)


def free(port: int, ips) -> bool:
    for ip in ips:
        with socket.socket() as probe:
            try:
                probe.bind((ip, port))
            except OSError:
                return False
    return True


def report(files, results, listed: Listed, kinds, args, spent: float) -> int:
    rows = {file.name: [0, 0, 0, 0] for file in files}
    shown: list[str] = []
    for result in results:
        file, case = result.case.file.name, result.case.name
        listed.ran(file, case)
        row = rows[file]
        row[0] += 1
        found = result.differences()
        if args.show:
            shown += [f"{file}: {case}", *(f"    {key}: {value[:200]}" for key, value in sorted(result.fields[0].items()))]
        unexpected = [one for one in found if not listed.covers(file, case, one[0])]
        if not found:
            row[1] += 1
        elif not unexpected:
            row[2] += 1
        else:
            row[3] += 1
            once = "start" in result.fields[0] and row[3] > 1
            shown += [] if once else show(result, unexpected, kinds, args.brief)
    print("\n".join(shown))
    print(f"{'file':<24}{'cases':>7}{'same':>7}{'listed':>8}{'differ':>8}")
    for name, row in rows.items():
        print(f"{name:<24}{row[0]:>7}{row[1]:>7}{row[2]:>8}{row[3]:>8}")
    total = [sum(row[at] for row in rows.values()) for at in range(4)]
    print(f"{'all (' + args.by + ')':<24}{total[0]:>7}{total[1]:>7}{total[2]:>8}{total[3]:>8}   {spent:.0f} s")
    stale = listed.stale() if args.by == "static" else []
    for row in stale:
        print(f"stale: differences.md lists {row}, and there is no such difference")
    return 1 if total[3] or stale or not results else 0


def show(result, unexpected, kinds, brief: bool) -> list[str]:
    lines = [f"DIFFERS {result.case.file.name}: {result.case.name}"]
    for key, one, other in unexpected[:SHOWN]:
        lines += [f"    {key}", f"      {kinds[0]:>8}: {one[:300]!r}", f"      {kinds[1]:>8}: {other[:300]!r}"]
    if len(unexpected) > SHOWN:
        lines.append(f"    and {len(unexpected) - SHOWN} more fields")
    if not brief or "start" in result.fields[0]:
        for kind, heard in zip(kinds, result.heard):
            lines.append(f"    {kind} said {heard[-900:]!r}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
