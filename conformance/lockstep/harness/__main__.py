"""Lockstep: one configuration and the same requests for Forebay and Envoy; every difference is listed or a failure."""

import argparse
import asyncio
import copy
import os
import pathlib
import shutil
import signal
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
# A case that differs is run again so many times; more cases than this are no accident and are not.
AGAIN, ACCIDENTS = 2, 60
# Seconds for everything: ten times what a quiet machine takes.
WITHIN = 1800


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
        return asyncio.run(bounded(args, home))
    except asyncio.TimeoutError:
        print(f"lockstep: not done within {WITHIN} s")
        return 1
    except asyncio.CancelledError:
        return 130
    finally:
        if args.keep:
            print(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


async def bounded(args, home: pathlib.Path) -> int:
    """The run, which ends its programs however it ends itself."""
    task = asyncio.ensure_future(lockstep(args, home))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await asyncio.wait_for(task, WITHIN)


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
    listed = Listed(HOME / "differences.md" if kinds == ["envoy", "forebay"] else None)
    try:
        for side in sides:
            await side.listen(files)
        results = await play(files, sides, admin, start)
        accidents = await again(results, listed, sides, admin, start)
        if args.by == "static":
            await missed(results, listed, sides, admin, start)
    finally:
        for side in sides:
            await side.stop()
        if start:
            start.stop()
    for name in accidents:
        print(f"not again: {name}")
    return report(files, results, listed, kinds, args, time.monotonic() - began)


async def play(files, sides, admin: int, start) -> list:
    """All cases: those of most files on one pair of programs."""
    results = []
    together = [file for file in files if not file.alone]
    if together:
        results += await group.run(together, sides, admin, start)
    for file in files:
        if file.alone:
            results += await group.run([file], sides, admin, start)
    return results


async def again(results: list, listed: Listed, sides, admin: int, start) -> list[str]:
    """Runs what differs again, by itself on new programs, and keeps what came of that; the names of what differed once only."""
    accidents = []
    for _ in range(AGAIN):
        differ = [one for one in results if unexpected(one, listed) and "start" not in one.fields[0]]
        if not 0 < len(differ) <= ACCIDENTS:
            break
        files = {one.case.file for one in differ}
        parts = []
        for file in sorted(files, key=lambda file: file.name):
            part = copy.copy(file)
            # What one case leaves behind is the next one's beginning where a file says so.
            part.cases = file.cases if file.alone else [one.case for one in differ if one.case.file is file]
            parts.append(part)
        found = {id(one.case): one for one in await play(parts, sides, admin, start)}
        for at, one in enumerate(results):
            new = found.get(id(one.case))
            if new is None or one not in differ:
                continue
            results[at] = new
            if not unexpected(new, listed):
                accidents.append(f"{one.case.file.name}: {one.case.name}")
    return accidents


async def missed(results: list, listed: Listed, sides, admin: int, start) -> None:
    """Runs cases again whose listed difference did not show; each way of it that comes then has been seen."""
    for _ in range(AGAIN):
        for one in results:
            listed.ran(one.case.file.name, one.case.name)
            unexpected(one, listed)
        rows = listed.stale()
        wanted = [one.case for one in results if any(row.covers(one.case.file.name, one.case.name) for row in rows)]
        if not 0 < len(wanted) <= ACCIDENTS:
            return
        parts = []
        for file in sorted({case.file for case in wanted}, key=lambda file: file.name):
            part = copy.copy(file)
            part.cases = file.cases if file.alone else [case for case in wanted if case.file is file]
            parts.append(part)
        results = await play(parts, sides, admin, start)


def unexpected(result, listed: Listed) -> list:
    file, case = result.case.file.name, result.case.name
    return [one for one in result.differences() if not listed.covers(file, case, one[0])]


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
        new = unexpected(result, listed)
        if not found:
            row[1] += 1
        elif not new:
            row[2] += 1
        else:
            row[3] += 1
            once = "start" in result.fields[0] and row[3] > 1
            shown += [] if once else show(result, new, kinds, args.brief)
    print("\n".join(shown))
    print(f"{'file':<24}{'cases':>7}{'same':>7}{'listed':>8}{'differ':>8}")
    for name, row in rows.items():
        print(f"{name:<24}{row[0]:>7}{row[1]:>7}{row[2]:>8}{row[3]:>8}")
    total = [sum(row[at] for row in rows.values()) for at in range(4)]
    print(f"{'all (' + args.by + ')':<24}{total[0]:>7}{total[1]:>7}{total[2]:>8}{total[3]:>8}   {spent:.0f} s")
    stale = listed.stale() if args.by == "static" else []
    for row in stale:
        print(f"stale: differences.md lists {row}, and there is no such difference")
    opened = open_files() if kinds == ["envoy", "forebay"] else {}
    done = [name for name in opened if name in rows and not rows[name][3]]
    if args.by == "static" and not args.case:
        for name in done:
            print(f"stale: open.txt lists {name}, which has no open difference any more")
    else:
        done = []
    failed = [name for name, row in rows.items() if row[3] and name not in opened]
    left = sum(row[3] for name, row in rows.items() if name in opened)
    if left:
        print(f"open.txt: {left} cases differ in files that are known to")
    return 1 if failed or stale or done or not results else 0


def open_files() -> dict[str, str]:
    """Case files with differences that are still to be mended, and why."""
    lines = (HOME / "open.txt").read_text().splitlines() if (HOME / "open.txt").exists() else []
    return dict(line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))


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
